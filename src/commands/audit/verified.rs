//! What checking a record found, for people and as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::output::{self, TextColumn, count, number, table};
use super::findings::describe_findings;
use crate::audit::{Finding, LogReport, Unjudged, describe_closed, describe_ended};
use crate::record::Blocked;

pub(super) const IN_ORDER: &str = "in order";
pub(super) const NOT_IN_ORDER: &str = "not in order";
pub(super) const NOT_JUDGED: &str = "cannot be judged";

/// All that was found.
#[derive(Serialize)]
pub(super) struct VerifiedOutcome {
    pub(super) verdict: &'static str,
    pub(super) logs: Vec<LogReport>,
    pub(super) blocked: BTreeMap<String, Blocked>,
    pub(super) not_in_force_s: BTreeMap<String, u64>,
    pub(super) questions: u64,
    pub(super) findings: Vec<Finding>,
    /// What was not looked at, and what would have it looked at.
    pub(super) not_checked: Vec<&'static str>,
}

fn describe_logs(outcome: &VerifiedOutcome) -> String {
    let columns = [
        TextColumn::Left("LOG"),
        TextColumn::Left("FROM"),
        TextColumn::Left("UP TO"),
        TextColumn::Right("HOURS"),
        TextColumn::Right("LEAVES"),
        TextColumn::Right("NOT ON RECORD"),
        TextColumn::Right("CRASHES"),
        TextColumn::Left("COSIGNED BY"),
        TextColumn::Left("IN ORDER"),
    ];
    let rows = outcome.logs.iter().map(|log| {
        let cosigners: Vec<String> = log
            .cosigners
            .iter()
            .map(|cosigner| format!("{} {}", cosigner.name, output::time(cosigner.at)))
            .collect();
        vec![
            log.origin.clone(),
            log.from.clone().unwrap_or_else(|| "no hour yet".to_owned()),
            log.until.clone().unwrap_or_else(|| "-".to_owned()),
            number(log.hours),
            number(log.size),
            length(log.gap_s.values().sum()),
            number(log.events.get("crash").copied().unwrap_or_default()),
            if cosigners.is_empty() {
                "nobody with a key given".to_owned()
            } else {
                cosigners.join(", ")
            },
            if log.findings.is_empty() { "yes" } else { "NO" }.to_owned(),
        ]
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

/// All that was found, for people.
pub(super) fn describe(outcome: &VerifiedOutcome) -> String {
    let mut text = describe_logs(outcome);
    for log in &outcome.logs {
        if let Some(restored) = &log.restored {
            text.push_str(&format!(
                "\nRESTORED: {} {}\n",
                log.origin,
                describe_ended(restored)
            ));
        }
        if let Some(closed) = &log.follows {
            text.push_str(&format!("\n{} {}\n", log.origin, describe_closed(closed)));
        }
    }
    text.push_str("\nBlocked questions (a question is not a person and not a visit):\n");
    text.push_str(&describe_blocked(&outcome.blocked));
    text.push_str(&format!(
        "Of {} in all.\n\n",
        count(outcome.questions, "question")
    ));
    text.push_str(&describe_withdrawn(outcome));
    text.push_str(&describe_absences(outcome));
    text.push_str(&describe_findings(&outcome.findings));
    for log in &outcome.logs {
        for Unjudged {
            leaf,
            kind,
            touches,
        } in &log.unjudged
        {
            text.push_str(&format!(
                "CANNOT BE JUDGED: {} leaf {leaf} says {kind:?}, which this wardline does not \
                 know, and which bears on {}\n",
                log.origin,
                touches.join(" and ")
            ));
        }
    }
    text.push_str(match outcome.verdict {
        IN_ORDER => {
            "The record is in order: it is signed, nothing in it was changed or left out, and all \
             of it adds up.\n"
        }
        NOT_IN_ORDER => {
            "The record is NOT in order. What is named above, and what depends on it, is no \
             evidence.\n"
        }
        _ => {
            "The record CANNOT BE JUDGED by this wardline: a newer one knows what is named above.\n"
        }
    });
    for question in &outcome.not_checked {
        text.push_str(&format!("NOT CHECKED: {question}.\n"));
    }
    text
}

fn describe_blocked(blocked: &BTreeMap<String, Blocked>) -> String {
    let columns = ["ADDRESS", "HTTPS", "OTHER", "VIA CNAME", "SUM"].map(TextColumn::Right);
    let columns: Vec<TextColumn> = [TextColumn::Left("LIST")]
        .into_iter()
        .chain(columns)
        .collect();
    let rows = blocked.iter().map(|(list, blocked)| {
        let numbers = [
            blocked.address,
            blocked.https,
            blocked.other,
            blocked.via_cname,
            blocked.sum(),
        ]
        .map(number);
        [list.clone()].into_iter().chain(numbers).collect()
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

/// What stands in no hour, since the clock was ahead when it was counted.
fn describe_withdrawn(outcome: &VerifiedOutcome) -> String {
    let gone_back = outcome.logs.iter().filter(|log| log.withdrawn.times > 0);
    let told = gone_back.map(|log| {
        let withdrawn = &log.withdrawn;
        let blocked = withdrawn.blocked.iter();
        let blocked = blocked.map(|(list, sum)| format!("; {list} blocked {}", number(*sum)));
        format!(
            "WITHDRAWN: the clock of {} was ahead, and came right {}: {} in {} are of no known \
             time, and in no sum above{}\n",
            log.origin,
            count(withdrawn.times, "time"),
            count(withdrawn.questions, "question"),
            count(withdrawn.hours, "hour"),
            blocked.collect::<String>()
        )
    });
    let mut text: String = told.collect();
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// When lists were not in force, while the resolver answered.
fn describe_absences(outcome: &VerifiedOutcome) -> String {
    let columns = ["LOG", "LIST", "FROM", "UP TO"].map(TextColumn::Left);
    let columns: Vec<TextColumn> = columns
        .into_iter()
        .chain([TextColumn::Right("LENGTH")])
        .collect();
    let times = outcome.logs.iter().flat_map(|log| {
        let lists = log.not_in_force.iter();
        lists.flat_map(move |(list, times)| times.iter().map(move |time| (log, list, time)))
    });
    let rows = times.map(|(log, list, time)| {
        vec![
            log.origin.clone(),
            list.clone(),
            time.from.to_string(),
            time.until.to_string(),
            length(time.seconds),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let mut text = match rows.as_slice() {
        // Of what is not in order nobody can say so.
        [] if !outcome.findings.is_empty() => return String::new(),
        [] => "All configured lists were in force in every second that was counted.\n".to_owned(),
        rows => format!(
            "Lists that were configured and not in force while the resolver answered:\n{}",
            table(&columns, rows)
        ),
    };
    let silent = outcome.logs.iter().map(|log| log.silent_hours).sum();
    if silent > 0 {
        let hours = count(silent, "hour");
        text.push_str(&format!("{hours} of an older form do not say that.\n"));
    }
    text.push('\n');
    text
}

/// Seconds as hours, minutes and seconds.
fn length(seconds: u64) -> String {
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
