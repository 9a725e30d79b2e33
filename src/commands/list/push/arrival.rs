//! What became of a push at one resolver, and the table of all.

use serde::Serialize;

use super::super::super::output::{TextColumn, table};
use crate::list::receipt::Receipt;

/// How one resolver ended: a line of the table, and of `--json`.
#[derive(Serialize)]
pub(super) struct Arrival {
    pub(super) resolver: String,
    pub(super) serial: Option<u64>,
    pub(super) state: String,
    pub(super) is_applied: bool,
    /// From the start of the push until the list was live there, by the resolver's clock; below 0
    /// where it was live before.
    pub(super) late_ms: Option<i64>,
    pub(super) receipt_by: Option<String>,
    /// Seconds from being issued to being in force, where the resolver has a deadline for the list.
    pub(super) in_force_after_s: Option<u64>,
    /// Whether that deadline was kept.
    pub(super) is_in_time: Option<bool>,
}

impl Arrival {
    pub(super) fn failed(url: &str, state: String) -> Self {
        let resolver = url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_owned();
        Self {
            resolver,
            serial: None,
            state,
            is_applied: false,
            late_ms: None,
            receipt_by: None,
            in_force_after_s: None,
            is_in_time: None,
        }
    }

    pub(super) fn proven_by(self, receipt: Receipt, started_ms: i64) -> Self {
        let (serial, late_ms) = (Some(receipt.serial), Some(receipt.live_ms - started_ms));
        let (in_force_after_s, is_in_time) = (receipt.in_force_after_s(), receipt.is_in_time());
        let state = match is_in_time {
            None => "live, probed",
            Some(true) => "live, probed, in time",
            Some(false) => "live, probed, after its deadline",
        };
        Self {
            serial,
            state: state.to_owned(),
            in_force_after_s,
            is_in_time,
            is_applied: true,
            late_ms,
            receipt_by: Some(receipt.resolver),
            ..self
        }
    }
}

pub(super) fn describe(arrivals: &[Arrival]) -> String {
    let columns = [
        TextColumn::Left("RESOLVER"),
        TextColumn::Right("SERIAL"),
        TextColumn::Right("LATE"),
        TextColumn::Left("STATE"),
        TextColumn::Left("RECEIPT BY"),
    ];
    let none = || "-".to_owned();
    let rows = arrivals.iter().map(|arrival| {
        vec![
            arrival.resolver.clone(),
            arrival
                .serial
                .map_or_else(none, |serial| serial.to_string()),
            arrival.late_ms.map_or_else(none, |late| {
                if late < 0 {
                    "before".to_owned()
                } else {
                    format!("{late} ms")
                }
            }),
            arrival
                .state
                .split(": ")
                .next()
                .unwrap_or_default()
                .to_owned(),
            arrival.receipt_by.clone().unwrap_or_else(none),
        ]
    });
    // What somebody has to read whole stands below, not in a column.
    let long = arrivals
        .iter()
        .filter(|arrival| arrival.state.contains(": "));
    let reasons: String = long
        .map(|arrival| format!("\n{}: {}\n", arrival.resolver, arrival.state))
        .collect();
    table(&columns, &rows.collect::<Vec<_>>()) + &reasons
}
