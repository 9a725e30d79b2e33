//! The exact figures as aligned tables for a person to read.

use std::fmt::Write as _;

use super::captions::{LEFT_OUT, NOT_FOR_PUBLICATION};
use super::sums::Sums;
use crate::clock::UnixSeconds;
use crate::count::{Event, Gap, HourRecord, Kind, ListCounts, ListGap, Record};
use crate::report::meaning::{COUNT_MEANING, LIST_GAP_MEANING, WITHDRAWN_MEANING, gap_meaning};
use crate::report::prose::{grouped, length, plain, push_line, push_prose};
use crate::report::span::utc;

pub(super) fn render(record: &Record) -> String {
    let sums = Sums::of(record);
    let mut page = String::new();
    push_header(&mut page, record, &sums);
    push_lists(&mut page, record);
    for (place, list) in record.lists.iter().enumerate() {
        let title = format!("Questions blocked by the list {}", plain(&list.id));
        let columns: Vec<_> = Kind::ALL
            .into_iter()
            .map(Kind::name)
            .chain(["sum"])
            .collect();
        let figures = |hour: &HourRecord| hour.lists.get(place)?.as_ref().map(list_figures);
        let sum = sums.lists.get(place).map(list_figures).unwrap_or_default();
        push_table(&mut page, record, &title, &columns, figures, &sum);
    }
    let columns: Vec<_> = ["all"]
        .into_iter()
        .chain(Event::ALL.into_iter().map(Event::name))
        .chain(["recorded"])
        .collect();
    let figures = |hour: &HourRecord| {
        Some(all_figures(
            hour.questions,
            &hour.events,
            record.recorded_s(hour.hour),
        ))
    };
    let sum = all_figures(sums.questions, &sums.events, sums.recorded_s);
    push_table(
        &mut page,
        record,
        "All questions, and how they ended",
        &columns,
        figures,
        &sum,
    );
    push_gaps(&mut page, &record.gaps);
    push_list_gaps(&mut page, record);
    push_withdrawn(&mut page, record);
    push_words(&mut page);
    push_prose(&mut page, LEFT_OUT);
    page
}

fn push_header(page: &mut String, record: &Record, sums: &Sums) {
    push_line(page, "Wardline: exact counts");
    push_line(page, "");
    push_prose(page, NOT_FOR_PUBLICATION);
    push_line(page, "");
    push_line(page, &format!("from      {}", minute(record.from)));
    push_line(
        page,
        &format!("up to     {}, which is not included", minute(record.until)),
    );
    push_line(
        page,
        &format!(
            "made      {} by wardline {}",
            minute(record.read_at),
            env!("CARGO_PKG_VERSION")
        ),
    );
    let hours = match record.hours.len() {
        1 => "1 hour".into(),
        count => format!("{count} hours"),
    };
    let recorded = if record.hours.is_empty() {
        "nothing of this time is written yet: right after a start ask again in a few seconds".into()
    } else {
        format!("{} in {hours}; all times are UTC", length(sums.recorded_s))
    };
    push_line(page, &format!("recorded  {recorded}"));
    push_line(page, "");
    push_prose(page, COUNT_MEANING);
    push_line(page, "");
}

fn push_lists(page: &mut String, record: &Record) {
    push_line(page, "Lists");
    if record.lists.is_empty() {
        push_line(page, "  No list was applied in this time.");
    }
    for list in &record.lists {
        for papers in &list.papers {
            let (authority, basis) = (plain(&papers.authority), plain(&papers.legal_basis));
            push_line(
                page,
                &format!(
                    "  {}: by {authority}, on the ground of {basis}, since {}",
                    plain(&list.id),
                    minute(papers.since)
                ),
            );
        }
    }
    push_line(page, "");
}

fn list_figures(counts: &ListCounts) -> Vec<String> {
    counts
        .iter()
        .copied()
        .chain([counts.iter().sum()])
        .map(grouped)
        .collect()
}

fn all_figures(questions: u64, events: &[u64], recorded_s: u64) -> Vec<String> {
    let figures = [questions]
        .into_iter()
        .chain(events.iter().copied())
        .map(grouped);
    figures.chain([length(recorded_s)]).collect()
}

/// A table with a row for each hour, the gaps where they fall, and the sums; an hour without
/// figures has dashes.
fn push_table(
    page: &mut String,
    record: &Record,
    title: &str,
    columns: &[&str],
    figures: impl Fn(&HourRecord) -> Option<Vec<String>>,
    sum: &[String],
) {
    let widths: Vec<_> = columns
        .iter()
        .zip(sum)
        .map(|(column, sum)| column.len().max(sum.len()).max(7))
        .collect();
    let line = |label: &str, cells: &[&str]| {
        let mut line = format!("  {label:<16}");
        for (cell, width) in cells.iter().zip(&widths) {
            // Writing to a String cannot fail.
            let _ = write!(line, "  {cell:>width$}");
        }
        line
    };
    push_line(page, title);
    push_line(page, &line("hour", columns));
    let mut gaps = record.gaps.iter().peekable();
    for hour in &record.hours {
        while let Some(gap) = gaps.next_if(|gap| gap.from < hour.hour) {
            push_line(page, &gap_line(gap));
        }
        let figures = figures(hour).unwrap_or_else(|| vec!["-".into(); columns.len()]);
        push_line(
            page,
            &line(
                &minute(hour.hour),
                &figures.iter().map(String::as_str).collect::<Vec<_>>(),
            ),
        );
    }
    for gap in gaps {
        push_line(page, &gap_line(gap));
    }
    push_line(
        page,
        &line("sum", &sum.iter().map(String::as_str).collect::<Vec<_>>()),
    );
    push_line(page, "");
}

fn gap_line(gap: &Gap) -> String {
    format!(
        "  {:<16}  nothing on record for {} ({})",
        minute(gap.from),
        gap_length(gap),
        gap.kind.name()
    )
}

fn push_gaps(page: &mut String, gaps: &[Gap]) {
    push_line(page, "Gaps");
    if gaps.is_empty() {
        push_line(page, "  None: all of this time is on record.");
    }
    for gap in gaps {
        push_line(
            page,
            &format!(
                "  {} to {}: {}",
                moment(gap.from),
                moment(gap.until),
                gap_length(gap)
            ),
        );
        push_line(
            page,
            &format!("    {}: {}", gap.kind.name(), gap_meaning(gap.kind)),
        );
    }
    push_line(page, "");
}

fn push_list_gaps(page: &mut String, record: &Record) {
    push_line(page, "Lists not in force");
    match record.unnoted_until {
        Some(until) => {
            let unknown = format!(
                "  Not known up to {}: an older program counted.",
                moment(until)
            );
            push_line(page, &unknown);
        }
        None if record.list_gaps.is_empty() => {
            let none = "  None: all configured lists were in force for all of the time on record.";
            push_line(page, none);
        }
        None => {}
    }
    for gap in &record.list_gaps {
        let (from, until) = (moment(gap.from), moment(gap.until));
        let (list, length) = (plain(&gap.list), length(gap.until.abs_diff(gap.from)));
        push_line(page, &format!("  {list}: {from} to {until}: {length}"));
    }
    if !record.list_gaps.is_empty() {
        push_prose(page, &format!("{}: {LIST_GAP_MEANING}.", ListGap::KIND));
    }
    push_line(page, "");
}

/// Said only where it happened.
fn push_withdrawn(page: &mut String, record: &Record) {
    if record.withdrawn.is_empty() {
        return;
    }
    push_line(page, "In no hour");
    for time in &record.withdrawn {
        let (from, until) = (moment(time.since), moment(time.until));
        let came_right = moment(time.back_to);
        let line = format!("  dated {from} to {until}, before the clock came right, {came_right}:");
        push_line(page, &line);
        let questions = grouped(time.questions);
        push_line(page, &format!("    questions: {questions}"));
        for (list, counts) in &time.lists {
            let sum = grouped(counts.iter().sum());
            push_line(page, &format!("    blocked by {}: {sum}", plain(list)));
        }
    }
    push_prose(page, &format!("withdrawn: {WITHDRAWN_MEANING}."));
    push_line(page, "");
}

fn push_words(page: &mut String) {
    push_line(page, "Words");
    let kinds = Kind::ALL.map(|kind| (kind.name(), kind_meaning(kind)));
    for (name, meaning) in kinds
        .into_iter()
        .chain(Event::ALL.map(|event| (event.name(), event_meaning(event))))
    {
        push_line(page, &format!("  {name:<9}  {meaning}"));
    }
    push_line(page, "");
}

const fn kind_meaning(kind: Kind) -> &'static str {
    match kind {
        Kind::Address => "asked for the address of a listed name (A, AAAA)",
        Kind::Https => "asked how to reach a listed name over HTTPS (HTTPS, SVCB)",
        Kind::Other => "asked for anything else of a listed name",
        Kind::ViaCname => {
            "asked for a name that is not listed, but stands for one that is (CNAME, DNAME)"
        }
    }
}

const fn event_meaning(event: Event) -> &'static str {
    match event {
        Event::Blocked => "not answered with what was asked for, because of a list",
        Event::Hit => "answered from memory",
        Event::Miss => "answered after asking other servers",
        Event::Own => {
            "answered by the resolver itself: its own names, and forms of question that it does \
             not serve"
        }
        Event::Refused => "refused: not a client of this resolver",
        Event::Limited => "cut short or left out: too many in a short time",
        Event::Fault => "not a readable question",
        Event::Failed => "no answer could be found",
    }
}

/// A crash may leave a gap without a length.
fn gap_length(gap: &Gap) -> String {
    match gap.until - gap.from {
        0 => "under a second, or unknown as the clock was set back".into(),
        seconds => length(seconds.unsigned_abs()),
    }
}

/// `2026-03-01 14:00:05`
fn moment(at: UnixSeconds) -> String {
    utc(at).trim_end_matches('Z').replace('T', " ")
}

/// `2026-03-01 14:00`
fn minute(at: UnixSeconds) -> String {
    moment(at).chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::exact::sample;

    #[test]
    fn the_page_reads_as_expected() {
        let page = render(&sample::record());
        assert_eq!(
            page,
            include_str!("sample.txt").replace("VERSION", env!("CARGO_PKG_VERSION"))
        );
    }

    #[test]
    fn an_empty_record_says_so() {
        let page = render(&Record::default());
        assert!(
            page.contains("No list was applied") && page.contains("None: all of this time"),
            "{page}"
        );
    }
}
