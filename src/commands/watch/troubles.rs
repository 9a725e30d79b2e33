//! What somebody must see to, or should know, one line each, the worst first.

use super::lines::{ScreenLine, Tone};
use crate::clock::UnixSeconds;
use crate::commands::output::time;
use crate::commands::status::span;
use crate::control::{ListStatus, Status};

/// A certificate that ends within this is told.
const CERTIFICATE_S: i64 = 14 * 86_400;

/// All of it; nothing where all is in order.
pub(super) fn troubles(status: &Status, now: UnixSeconds) -> Vec<ScreenLine> {
    let mut lines = Vec::new();
    let mut bad = |text: String| lines.push(ScreenLine::new(Tone::Bad, text));
    for list in &status.lists {
        list_alarms(list).into_iter().for_each(&mut bad);
    }
    let counts = &status.counts;
    if let Some(error) = &counts.last_error {
        bad(format!("ALARM    counts NOT WRITTEN: {error}"));
    }
    for alarm in [&counts.restored, &counts.clock].into_iter().flatten() {
        bad(format!("ALARM    {alarm}"));
    }
    let mut zones: Vec<&str> = Vec::new();
    for anchor in &status.trust_anchors {
        if let Some(fault) = anchor
            .fault
            .as_ref()
            .filter(|_| !zones.contains(&&*anchor.zone))
        {
            bad(format!("ALARM    trust anchor {}: {fault}", anchor.zone));
            zones.push(&anchor.zone);
        }
    }
    for witness in status.witnesses.iter().filter(|witness| witness.is_refused) {
        let fault = witness.fault.as_deref().unwrap_or_default();
        bad(format!(
            "ALARM    witness {}: NOT COSIGNED: {fault}",
            witness.name
        ));
    }
    if let Some(until) = status
        .certificate_until
        .filter(|until| until - now < CERTIFICATE_S)
    {
        bad(format!(
            "ALARM    the certificate for TLS ends {}",
            time(until)
        ));
    }
    let mut note = |text: String| lines.push(ScreenLine::new(Tone::Note, text));
    if let Some(copy) = status.root_copy.as_ref().filter(|copy| !copy.holds) {
        note(format!(
            "NOTE     the copy of the root ran out {}",
            time(copy.until)
        ));
    }
    for work in &status.underway {
        note(format!("AT WORK  {}, for {}", work.what, span(work.for_s)));
    }
    if !status.waiting.is_empty() {
        let keys = status.waiting.join(", ");
        note(format!("WAITS    for a restart, to be in force: {keys}"));
    }
    lines
}

fn list_alarms(list: &ListStatus) -> Vec<String> {
    let state = &list.state;
    let id = &state.id;
    let mut alarms = Vec::new();
    if state.live_since == 0 {
        alarms.push(format!("ALARM    list {id} is NOT IN FORCE"));
    }
    let raised = state.alarms.iter();
    alarms.extend(raised.map(|alarm| format!("ALARM    list {id}: {}", alarm.message)));
    if let Some(refusal) = &state.last_refusal {
        let message = &refusal.message;
        alarms.push(format!("REFUSED  list {id}: {message}"));
    }
    alarms
}
