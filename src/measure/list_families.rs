//! The families of the lists: what they block, how they stand, and how old they are.

use std::fmt::Display;

use super::exposition::{Exposition, FamilyKind};
use super::reading::{ListReading, Reading};
use crate::count::Kind;

/// Write them; what is not known of a list is left out.
pub(super) fn write_lists(page: &mut Exposition, reading: &Reading) {
    let mut family = page.family(
        "wardline_blocked_total",
        FamilyKind::Counter,
        "Questions blocked, by list and by what was asked for.",
    );
    for list in &reading.lists {
        let blocked = reading.tally.lists.get(list.place);
        let blocked = blocked.copied().unwrap_or_default();
        for (kind, count) in Kind::ALL.into_iter().zip(blocked) {
            family.add(&[("list", &list.id), ("kind", kind.name())], count);
        }
    }
    let mut family = page.family(
        "wardline_list_alarm",
        FamilyKind::Gauge,
        "1 while somebody must see to the list for a reason of this kind, 0 otherwise.",
    );
    for list in &reading.lists {
        for (kind, is_raised) in &list.alarms {
            let labels = [("list", list.id.as_str()), ("kind", *kind)];
            family.add(&labels, u8::from(*is_raised));
        }
    }
    let mut family = page.family(
        "wardline_list_deadlines_missed_total",
        FamilyKind::Counter,
        "Issues that came into force later than apply_within_s allows.",
    );
    for list in &reading.lists {
        family.add(&[("list", &list.id)], list.deadlines_missed);
    }
    write_standing(page, &reading.lists);
    write_times(page, &reading.lists);
}

fn write_standing(page: &mut Exposition, lists: &[ListReading]) {
    gauge(
        page,
        lists,
        "wardline_list_in_force",
        "1 while the list is in force, 0 while none of its names is blocked.",
        |list| Some(u8::from(list.live_since.is_some())),
    );
    gauge(
        page,
        lists,
        "wardline_list_entries",
        "Entries of the live list.",
        |list| Some(list.entries),
    );
    gauge(
        page,
        lists,
        "wardline_list_rejects",
        "Lines of the live list that could not be read.",
        |list| Some(list.rejects),
    );
    gauge(
        page,
        lists,
        "wardline_list_serial",
        "Serial of the live list.",
        |list| list.serial,
    );
}

fn write_times(page: &mut Exposition, lists: &[ListReading]) {
    gauge(
        page,
        lists,
        "wardline_list_live_timestamp_seconds",
        "When the live list took effect.",
        |list| list.live_since,
    );
    gauge(
        page,
        lists,
        "wardline_list_age_seconds",
        "How old the live list is.",
        |list| list.age_s,
    );
    gauge(
        page,
        lists,
        "wardline_list_expiry_timestamp_seconds",
        "When the issue in force expires.",
        |list| list.expires,
    );
    gauge(
        page,
        lists,
        "wardline_list_reached_timestamp_seconds",
        "When a source of the list was last reached, whatever it had.",
        |list| list.reached,
    );
    gauge(
        page,
        lists,
        "wardline_list_apply_within_seconds",
        "How soon after it is issued an issue must be in force.",
        |list| list.apply_within_s,
    );
    gauge(
        page,
        lists,
        "wardline_list_last_refusal_timestamp_seconds",
        "When a newer list was last refused; absent if none was, or the list is in order again.",
        |list| list.last_refusal,
    );
}

fn gauge<T: Display>(
    page: &mut Exposition,
    lists: &[ListReading],
    name: &'static str,
    help: &'static str,
    value: impl Fn(&ListReading) -> Option<T>,
) {
    let mut family = page.family(name, FamilyKind::Gauge, help);
    for list in lists {
        if let Some(value) = value(list) {
            family.add(&[("list", &list.id)], value);
        }
    }
}
