//! How the running program does, laid out in lines that fit the terminal.

use super::figures::{BetweenLooks, Latency, StatusLook};
use super::lines::{ScreenLine, ScreenSize, Tone};
use super::troubles::troubles;
use crate::clock::UnixSeconds;
use crate::commands::output::{TextColumn, number, table, time};
use crate::commands::status::span;
use crate::control::{Status, UpstreamStatus};
use crate::count::Event;

/// The lines of a screen of this size, no longer and no more than it takes. `silence` says why the
/// program cannot be asked now.
pub(super) fn lay_out(
    before: Option<&StatusLook>,
    now: &StatusLook,
    silence: Option<&str>,
    size: ScreenSize,
) -> Vec<ScreenLine> {
    let mut sections = sections(before, now);
    if let Some(silence) = silence {
        let silence = ScreenLine::new(Tone::Bad, format!("SILENCE  {silence}"));
        sections.blocks.insert(0, vec![silence]);
    }
    let mut lines = fit(sections, size.rows);
    for line in &mut lines {
        cut(&mut line.text, size.columns);
    }
    lines
}

/// All lines as they are, as one text.
pub(super) fn plain(before: Option<&StatusLook>, now: &StatusLook) -> String {
    let lines = fit(sections(before, now), usize::MAX);
    lines
        .iter()
        .map(|line| format!("{}\n", line.text))
        .collect()
}

/// What stands on a screen.
struct Sections {
    head: Vec<ScreenLine>,
    /// Each with an empty line in front; what is too long for the screen is cut short.
    blocks: Vec<Vec<ScreenLine>>,
}

fn sections(before: Option<&StatusLook>, now: &StatusLook) -> Sections {
    let between = BetweenLooks::new(before, now);
    let status = &now.status;
    let blocks = [
        troubles(status, now.wall),
        lists(&between, status, now.wall),
        upstreams(&between, status),
    ];
    Sections {
        head: head(&between, status, now.wall),
        blocks: blocks
            .into_iter()
            .filter(|block| !block.is_empty())
            .collect(),
    }
}

const MIB: u64 = 1 << 20;

fn head(between: &BetweenLooks<'_>, status: &Status, wall: UnixSeconds) -> Vec<ScreenLine> {
    let since = if between.is_from_start() {
        "since the start"
    } else {
        "each second"
    };
    let title = format!(
        "wardline {}  pid {}  up {}  {}  {since}",
        status.version,
        status.pid,
        span(status.uptime_s),
        time(wall)
    );
    let all = between.rate(|status| status.questions.total);
    let doors = between.rates(|status| &status.questions.doors, ["udp", "tcp", "tls"]);
    let words = Event::ALL.map(Event::name);
    let mut ended = between.rates(|status| &status.questions.ended, words);
    ended.retain(|(_, per_s)| *per_s > 0.0);
    let hits = between.hits();
    let hits = hits.map_or_else(|| "-".to_owned(), |hits| format!("{:.1} %", 100.0 * hits));
    let (cache, memory) = (&status.cache, &status.memory);
    let lines = [
        format!("questions  {}/s: {}", rate(all), rates(&doors)),
        format!("ended      {}", rates(&ended)),
        format!(
            "cache      {hits} hits, {} answers, {} of {} MiB",
            number(cache.answers),
            number(cache.octets.div_ceil(MIB)),
            number(cache.octets_max.div_ceil(MIB))
        ),
        format!("latency    {}", latencies(between)),
        format!(
            "memory     {} of at most {} MiB",
            number(memory.resident.div_ceil(MIB)),
            number(memory.budget.div_ceil(MIB))
        ),
    ];
    let plain = lines.map(|line| ScreenLine::new(Tone::Plain, line));
    let mut head = vec![ScreenLine::new(Tone::Heading, title)];
    head.extend(plain);
    head
}

/// So much a second: small figures with a digit behind the point.
fn rate(per_s: f64) -> String {
    if per_s > 0.0 && per_s < 9.95 {
        format!("{per_s:.1}")
    } else {
        number(per_s.round() as u64)
    }
}

fn rates(all: &[(&str, f64)]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let words = all
        .iter()
        .map(|(word, per_s)| format!("{word} {}", rate(*per_s)));
    words.collect::<Vec<_>>().join("  ")
}

fn latencies(between: &BetweenLooks<'_>) -> String {
    const PARTS: [(&str, f64); 3] = [("50 %", 0.5), ("95 %", 0.95), ("99 %", 0.99)];
    let Some(told) = between.latencies(&PARTS.map(|(_, part)| part)) else {
        return "no replies".to_owned();
    };
    let words = PARTS
        .iter()
        .zip(told)
        .map(|((word, _), latency)| match latency {
            Latency::AtMost(us) => format!("{word} within {}", short(us)),
            Latency::MoreThan(us) => format!("{word} beyond {}", short(us)),
        });
    words.collect::<Vec<_>>().join("  ")
}

/// Microseconds in the unit that leaves few digits.
fn short(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{} s", us / 1_000_000),
    }
}

fn lists(between: &BetweenLooks<'_>, status: &Status, wall: UnixSeconds) -> Vec<ScreenLine> {
    if status.lists.is_empty() {
        return vec![ScreenLine::new(Tone::Plain, "no list: nothing is blocked")];
    }
    let columns = [
        TextColumn::Left("LIST"),
        TextColumn::Right("BLOCKED/S"),
        TextColumn::Right("ENTRIES"),
        TextColumn::Right("SERIAL"),
        TextColumn::Right("IN FORCE FOR"),
        TextColumn::Right("EXPIRES IN"),
    ];
    let rows = status.lists.iter().map(|list| {
        let (state, id) = (&list.state, &list.state.id);
        let blocked = |status: &Status| {
            let list = status.lists.iter().find(|list| list.state.id == *id);
            list.map_or(0, |list| list.blocked)
        };
        let left = |at: i64| span(u64::try_from(at).unwrap_or(0));
        vec![
            id.clone(),
            rate(between.rate(blocked)),
            number(state.entries),
            state
                .serial
                .map_or_else(|| "-".to_owned(), |serial| serial.to_string()),
            match state.live_since {
                0 => "NOT IN FORCE".to_owned(),
                since => left(wall - since),
            },
            match state.expires {
                None => "-".to_owned(),
                Some(expires) if expires <= wall => "EXPIRED".to_owned(),
                Some(expires) => left(expires - wall),
            },
        ]
    });
    tabular(&columns, &rows.collect::<Vec<_>>())
}

fn upstreams(between: &BetweenLooks<'_>, status: &Status) -> Vec<ScreenLine> {
    if status.upstreams.is_empty() {
        return Vec::new();
    }
    let columns = [
        TextColumn::Left("UPSTREAM"),
        TextColumn::Right("ASKED/S"),
        TextColumn::Right("FAILED/S"),
        TextColumn::Left("STATE"),
        TextColumn::Left("ZONE"),
    ];
    let rows = status.upstreams.iter().map(|upstream| {
        let of = |status: &Status, figure: fn(&UpstreamStatus) -> u64| {
            let mut all = status.upstreams.iter();
            let same = |other: &&UpstreamStatus| {
                other.address == upstream.address && other.zone == upstream.zone
            };
            all.find(same).map_or(0, figure)
        };
        let state = if upstream.is_up { "up" } else { "PASSED OVER" };
        vec![
            upstream.address.clone(),
            rate(between.rate(|status| of(status, |upstream| upstream.asked))),
            rate(between.rate(|status| of(status, |upstream| upstream.failed))),
            state.to_owned(),
            upstream.zone.clone().unwrap_or_default(),
        ]
    });
    tabular(&columns, &rows.collect::<Vec<_>>())
}

/// A table; a row that speaks in capitals is bad.
fn tabular(columns: &[TextColumn], rows: &[Vec<String>]) -> Vec<ScreenLine> {
    let text = table(columns, rows);
    let is_bad = |line: &str| {
        let words = ["NOT IN FORCE", "EXPIRED", "PASSED OVER"];
        words.iter().any(|word| line.contains(word))
    };
    let lines = text.lines().enumerate().map(|(index, line)| {
        let tone = match index {
            0 => Tone::Heading,
            _ if is_bad(line) => Tone::Bad,
            _ => Tone::Plain,
        };
        ScreenLine::new(tone, line)
    });
    lines.collect()
}

/// A block is never cut to fewer lines: its heading or first line, and how much is missing.
const BLOCK_LINES_MIN: usize = 2;

/// As many lines as there are rows: the longest block is cut first.
fn fit(sections: Sections, rows: usize) -> Vec<ScreenLine> {
    let Sections { head, blocks } = sections;
    let mut sizes: Vec<usize> = blocks.iter().map(Vec::len).collect();
    let taken = |sizes: &[usize]| head.len() + sizes.iter().map(|size| size + 1).sum::<usize>();
    while taken(&sizes) > rows {
        let longest = sizes
            .iter_mut()
            .max()
            .filter(|size| **size > BLOCK_LINES_MIN);
        match longest {
            Some(size) => *size -= 1,
            None => break,
        }
    }
    let mut lines = head;
    for (block, size) in blocks.into_iter().zip(sizes) {
        lines.push(ScreenLine::new(Tone::Plain, ""));
        let missing = block.len() - size;
        if missing == 0 {
            lines.extend(block);
            continue;
        }
        lines.extend(block.into_iter().take(size - 1));
        let more = format!("... and {} more", missing + 1);
        lines.push(ScreenLine::new(Tone::Note, more));
    }
    lines.truncate(rows);
    lines
}

/// No wider than so many columns.
fn cut(text: &mut String, columns: usize) {
    if text.chars().count() <= columns {
        return;
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    *text = kept + "~";
    if columns == 0 {
        text.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic;
    use crate::control::{ListStatus, UnderwayStatus};
    use crate::update::{ListAlarm, ListAlarmKind, ListState};

    const SMALL: ScreenSize = ScreenSize {
        columns: 80,
        rows: 24,
    };

    fn list(id: &str, alarm: Option<&str>) -> ListStatus {
        let alarms = alarm.map(|message| ListAlarm {
            kind: ListAlarmKind::Silent,
            message: message.to_owned(),
        });
        let state = ListState {
            id: id.to_owned(),
            entries: 120_000,
            serial: Some(2_026_113_001),
            live_since: 86_400,
            expires: Some(700_000),
            alarms: alarms.into_iter().collect(),
            ..ListState::default()
        };
        ListStatus {
            state,
            authority: "Authority".to_owned(),
            blocked: 50,
        }
    }

    fn look(lists: Vec<ListStatus>, upstreams: usize) -> StatusLook {
        let upstream = |number| UpstreamStatus {
            address: format!("192.0.2.{number}:53#resolver-{number}.example"),
            zone: None,
            is_up: number != 1,
            asked: 20,
            failed: 0,
            down_since: None,
            failures_in_a_row: 0,
            usual_us: 250_000,
            needs_tcp: false,
            under_way: 0,
        };
        let mut status = Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            uptime_s: 10,
            lists,
            upstreams: (0..upstreams).map(upstream).collect(),
            ..Status::default()
        };
        status.questions.total = 12_345;
        let ended = [("hit", 12_300), ("failed", 5), ("own", 0)];
        status.questions.ended = ended.map(|(way, count)| (way.to_owned(), count)).into();
        StatusLook {
            at: monotonic(),
            wall: 90_000,
            status,
        }
    }

    fn texts(lines: &[ScreenLine]) -> String {
        lines
            .iter()
            .map(|line| format!("{}\n", line.text))
            .collect()
    }

    #[test]
    fn a_quiet_program_is_shown_whole() {
        let shown = texts(&lay_out(
            None,
            &look(vec![list("law", None)], 2),
            None,
            SMALL,
        ));
        assert_eq!(
            shown,
            "\
wardline 0.1.0  pid 7  up 10 s  1970-01-02T01:00:00Z  since the start
questions  1,235/s: udp 0  tcp 0  tls 0
ended      hit 1,230  failed 0.5
cache      - hits, 0 answers, 0 of 0 MiB
latency    no replies
memory     0 of at most 0 MiB

LIST  BLOCKED/S  ENTRIES      SERIAL  IN FORCE FOR  EXPIRES IN
law         5.0  120,000  2026113001     1 h 0 min     7 d 1 h

UPSTREAM                         ASKED/S  FAILED/S  STATE        ZONE
192.0.2.0:53#resolver-0.example      2.0         0  up
192.0.2.1:53#resolver-1.example      2.0         0  PASSED OVER
"
        );
    }

    #[test]
    fn whatever_there_is_fits_the_screen_and_no_block_is_lost() {
        let long = "no source has been reached since 2026-01-01T00:00:00Z: look at the network and \
                    at who serves the list";
        let lists: Vec<_> = (0..40)
            .map(|n| list(&format!("list-{n}"), Some(long)))
            .collect();
        let mut look = look(lists, 30);
        look.status.underway = vec![UnderwayStatus {
            what: "a reload\x1b[2J".to_owned(),
            for_s: 3,
        }];
        for size in [
            SMALL,
            ScreenSize {
                columns: 40,
                rows: 10,
            },
            ScreenSize {
                columns: 200,
                rows: 60,
            },
            ScreenSize {
                columns: 1,
                rows: 1,
            },
            ScreenSize {
                columns: 0,
                rows: 0,
            },
        ] {
            let lines = lay_out(None, &look, Some("not running"), size);
            assert!(lines.len() <= size.rows, "{size:?}: {}", lines.len());
            for line in &lines {
                let width = line.text.chars().count();
                assert!(width <= size.columns, "{size:?}: {}", line.text);
                assert!(!line.text.contains('\x1b'), "{}", line.text);
            }
        }
        let shown = texts(&lay_out(None, &look, Some("not running"), SMALL));
        for words in [
            "SILENCE  not running",
            "ALARM    list list-0: ",
            "LIST ",
            "UPSTREAM ",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert_eq!(shown.matches("... and ").count(), 3, "{shown}");
        let all = plain(None, &look);
        assert_eq!(all.matches("ALARM").count(), 40);
        assert!(all.contains("at who serves the list") && !all.contains("... and "));
    }
}
