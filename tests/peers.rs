//! The long run that asks Debian's resolvers what we are asked about the hostile internet, and
//! writes `docs/peers.md`: who gives what.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Question, Response};
use crate::kit::internet::{DNS_PORT, Expected, Internet, expected_answers, hostile_answers};
use crate::kit::peers::Peer;
use crate::kit::program::Program;

const PAGE: &str = "docs/peers.md";
const BEGIN: &str = "<!-- made by tests/peers.rs: do not edit below -->\n";
/// Some peers take longer than ours may.
const PATIENCE: Duration = Duration::from_secs(12);

/// What somebody gave for one line.
struct Given {
    response: Option<Response>,
    packets: usize,
    took: Duration,
}

/// What somebody gave for all of them.
struct Column {
    name: String,
    given: Vec<Given>,
}

impl Given {
    /// Whether everything but the reason beside a failure is as the line says.
    fn agrees(&self, line: &Expected) -> bool {
        let plain = Expected {
            ede: None,
            ..line.clone()
        };
        self.response.as_ref().is_some_and(|response| {
            let faults = plain.faults_of(response, true, None);
            faults.iter().all(|fault| {
                fault.starts_with("EDE") || line.rcode == "SERVFAIL" && fault.starts_with("answers")
            })
        })
    }

    fn has_reason(&self, line: &Expected) -> bool {
        line.ede.is_some()
            && self
                .response
                .as_ref()
                .is_some_and(|response| response.ede().first().copied() == line.ede)
    }

    /// For a cell of the table.
    fn show(&self, line: &Expected) -> String {
        let Some(response) = &self.response else {
            return format!("nothing in {} s ({})", PATIENCE.as_secs(), self.packets);
        };
        if self.agrees(line) {
            return format!("✓ {}", self.packets);
        }
        let mut text = if response.rcode() == line.rcode {
            String::new()
        } else {
            response.rcode()
        };
        let (got, wanted) = (response.answers(), line.sorted_answer());
        if got != wanted {
            let _ = write!(
                text,
                " {} of {} records",
                got.iter().filter(|record| wanted.contains(record)).count(),
                wanted.len()
            );
            let others = got.iter().filter(|record| !wanted.contains(record)).count();
            if others > 0 {
                let _ = write!(text, " and {others} others");
            }
        }
        match (response.message.authentic_data, line.ad) {
            (true, false) => text += " AD",
            (false, true) => text += " no AD",
            _ => {}
        }
        if let (Some(wanted), Some(got)) = (
            line.ttl,
            response.message.answers.first().map(|record| record.ttl),
        ) && wanted != got
        {
            let _ = write!(text, " TTL {got}");
        }
        format!("**{}** {}", text.trim(), self.packets)
    }
}

fn ask_all(
    name: &str,
    internet: &Internet,
    at: SocketAddr,
    from: IpAddr,
    lines: &[Expected],
) -> Column {
    let client = Client::tcp(at).patience(PATIENCE);
    let give = |line: &Expected| {
        internet.forget_client(from);
        let begun = Instant::now();
        let response = client.try_ask(&Question::new(&line.name, &line.kind).dnssec_ok());
        Given {
            response,
            packets: internet.packets_of(from),
            took: begun.elapsed(),
        }
    };
    Column {
        name: name.to_owned(),
        given: lines.iter().map(give).collect(),
    }
}

/// The authorities are on port 53, which peers insist on: needs to be root. `WARDLINE_WRITE=1`
/// writes the page.
#[test]
#[ignore = "long run"]
fn peers_are_asked_the_same() {
    let lines: Vec<Expected> = hostile_answers()
        .into_iter()
        .chain(expected_answers())
        .collect();
    let mut columns = vec![];
    {
        let internet = Internet::hostile_at(Some(DNS_PORT));
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 99));
        let running = Program::new()
            .recurse(&internet)
            .toml(&format!("[resolve.recurse]\noutgoing = [\"{from}\"]\n"))
            .start();
        columns.push(ask_all(
            "Wardline",
            &internet,
            running.address(),
            from,
            &lines,
        ));
    }
    for peer in Peer::installed() {
        // Each has the internet to itself, as new.
        let internet = Internet::hostile_at(Some(DNS_PORT));
        let running = peer.start(&internet);
        columns.push(ask_all(
            peer.name(),
            &internet,
            running.address(),
            running.outgoing(),
            &lines,
        ));
    }
    let table = show(&lines, &columns);
    println!("{table}");
    if std::env::var_os("WARDLINE_WRITE").is_some() {
        let page = fs::read_to_string(PAGE).unwrap_or_default();
        let head = page.split(BEGIN).next().unwrap_or_default();
        fs::write(PAGE, format!("{head}{BEGIN}{table}")).expect("the page");
    }
}

/// Sums, then each line on which somebody differs.
fn show(lines: &[Expected], columns: &[Column]) -> String {
    let mut text = show_sums(lines, columns) + "\n";
    let names = columns.iter().map(|column| column.name.clone());
    text += &row(["question, and what the table says".to_owned()]
        .into_iter()
        .chain(names));
    text += &row(vec!["---".to_owned(); columns.len() + 1]);
    for (at, line) in lines
        .iter()
        .enumerate()
        .filter(|(at, line)| !columns.iter().all(|column| column.given[*at].agrees(line)))
    {
        let cells = columns.iter().map(|column| column.given[at].show(line));
        text += &row([describe(line)].into_iter().chain(cells));
    }
    text
}

fn show_sums(lines: &[Expected], columns: &[Column]) -> String {
    let names = columns.iter().map(|column| column.name.clone());
    let mut text = row([format!("of {} questions", lines.len())]
        .into_iter()
        .chain(names));
    text += &row(vec!["---".to_owned(); columns.len() + 1]);
    let mut sum = |what: String, of: &dyn Fn(&Column) -> String| {
        text += &row([what].into_iter().chain(columns.iter().map(of)))
    };
    let count = |column: &Column, holds: &dyn Fn(&Given, &Expected) -> bool| {
        column
            .given
            .iter()
            .zip(lines)
            .filter(|(given, line)| holds(given, line))
            .count()
            .to_string()
    };
    sum("as the table says".to_owned(), &|column| {
        count(column, &Given::agrees)
    });
    let reasons = lines.iter().filter(|line| line.ede.is_some()).count();
    sum(
        format!("with the extended error of the table, of {reasons}"),
        &|column| count(column, &Given::has_reason),
    );
    sum("packets upstream".to_owned(), &|column| {
        column
            .given
            .iter()
            .map(|given| given.packets)
            .sum::<usize>()
            .to_string()
    });
    sum("most packets for one".to_owned(), &|column| {
        let (given, line) = column
            .given
            .iter()
            .zip(lines)
            .max_by_key(|(given, _)| given.packets)
            .expect("a line");
        format!("{} ({})", given.packets, line.name)
    });
    sum("longest wait".to_owned(), &|column| {
        let longest = column
            .given
            .iter()
            .map(|given| given.took)
            .max()
            .unwrap_or_default();
        format!("{:.1} s", longest.as_secs_f64())
    });
    text
}

fn row(cells: impl IntoIterator<Item = String>) -> String {
    format!(
        "| {} |\n",
        cells.into_iter().collect::<Vec<_>>().join(" | ")
    )
}

fn describe(line: &Expected) -> String {
    let name = if line.name.len() > 60 {
        format!("{}…", &line.name[..20])
    } else {
        line.name.clone()
    };
    let reasons = [
        line.note.as_str(),
        line.decided_by.as_deref().unwrap_or_default(),
    ];
    let reasons: String = reasons
        .into_iter()
        .filter(|why| !why.is_empty())
        .map(|why| format!("; {why}"))
        .collect();
    format!(
        "{name} {}: {}{}, {} records{reasons}",
        line.kind,
        line.rcode,
        if line.ad { " AD" } else { "" },
        line.answer.len()
    )
}
