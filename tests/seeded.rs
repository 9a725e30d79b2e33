//! Random questions over an internet that a seed makes: the program, and in the long run its peers,
//! held against what the zones say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Response};
use crate::kit::internet::{Asking, Internet, Seeded};
use crate::kit::peers::Peer;
use crate::kit::program::{Program, STOP};
use crate::kit::until;

const CLIENTS: usize = 8;
const ZONES: usize = 5_000;
/// How many questions the everyday run asks.
const QUESTIONS: usize = 2_000;
const LONG_RUN: usize = 50_000;
/// How long a question is asked again in the everyday run.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long asking once may take: a client's own patience, twice.
const ASK_MAX: Duration = Duration::from_secs(17);
/// One zone in so many is listed where a list is in force.
const LISTED_ONE_IN: usize = 50;

/// All clients here have one address, which must not be held back.
const NO_RATE: &str = "[limits]\nudp_replies_per_s = 0\n";

/// What a client sees of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    rcode: String,
    answers: Vec<String>,
    has_signatures: bool,
    ad: bool,
}

impl Seen {
    fn of(response: &Response, asking: &Asking) -> Self {
        let has_signatures = response.has(
            &response.message.answers,
            hickory_proto::rr::RecordType::RRSIG,
        );
        // With CD nobody has checked, and whether a resolver says AD all the same is its own affair
        // (RFC 4035 section 3.2.2).
        let ad = response.message.authentic_data && !asking.unchecked;
        Self {
            rcode: response.rcode(),
            answers: response.answers(),
            has_signatures,
            ad,
        }
    }

    /// In which respect two differ.
    fn difference(&self, other: &Self) -> Option<String> {
        if self.rcode != other.rcode {
            return Some(format!("{} and {}", self.rcode, other.rcode));
        }
        let differs = [
            ("answers", self.answers != other.answers),
            ("AD", self.ad != other.ad),
            ("RRSIG", self.has_signatures != other.has_signatures),
        ];
        let names: Vec<&str> = differs
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| *name)
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

fn seed() -> u64 {
    std::env::var("WARDLINE_SEED").map_or(20_261_125, |text| text.parse().expect("a number"))
}

/// Asks the first `count` questions of the seed at one address. Here nothing fails by itself: on a
/// busy machine what does is asked again until `patience` is over.
fn ask_all(seeded: Seeded, at: SocketAddr, count: usize, patience: Duration) -> Vec<Option<Seen>> {
    let seen = Mutex::new(vec![None; count]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let seen = &seen;
            scope.spawn(move || {
                for number in (client..count).step_by(CLIENTS) {
                    let asking = seeded.asking(number);
                    let deadline = Instant::now() + patience;
                    let answered = until("an answer, good or bad", patience + ASK_MAX, || {
                        let found = ask_once(at, &asking);
                        let is_good = found
                            .as_ref()
                            .is_some_and(|found| found.rcode != "SERVFAIL");
                        (is_good || Instant::now() >= deadline).then_some(found)
                    });
                    seen.lock().expect("what was seen")[number] = answered;
                }
            });
        }
    });
    seen.into_inner().expect("what was seen")
}

fn ask_once(at: SocketAddr, asking: &Asking) -> Option<Seen> {
    let response = Client::udp(at).try_ask(&asking.question())?;
    let response = if response.message.truncation {
        Client::tcp(at).try_ask(&asking.question())?
    } else {
        response
    };
    Some(Seen::of(&response, asking))
}

/// Differences by class of name and kind of difference: how many, and an example.
fn compare(
    seeded: Seeded,
    one: &[Option<Seen>],
    other: &[Option<Seen>],
) -> BTreeMap<String, (usize, String)> {
    let mut classes: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for (number, (one, other)) in one.iter().zip(other).enumerate() {
        let difference = match (one, other) {
            (Some(one), Some(other)) => one.difference(other),
            (None, None) => None,
            _ => Some("no answer".to_owned()),
        };
        if let Some(difference) = difference {
            let asking = seeded.asking(number);
            let class = format!("{} {}: {difference}", asking.class, asking.kind);
            let example =
                format!("question {number}, {asking:?}\n    one {one:?}\n    other {other:?}");
            classes.entry(class).or_insert((0, example)).0 += 1;
        }
    }
    classes
}

fn show(classes: &BTreeMap<String, (usize, String)>) -> String {
    classes
        .iter()
        .map(|(class, (count, example))| format!("{count} × {class}\n  {example}\n"))
        .collect()
}

#[test]
fn a_seed_makes_five_thousand_zones_and_they_resolve() {
    let seeded = Seeded {
        seed: seed(),
        zones: ZONES,
    };
    let begun = Instant::now();
    let internet = Internet::seeded(&seeded, None);
    println!(
        "seed {}: {ZONES} zones and 30 top-level domains in {:?}",
        seeded.seed,
        begun.elapsed()
    );
    let running = Program::new().recurse(&internet).toml(NO_RATE).start();
    let truth = ask_all(seeded, internet.forwarder(), QUESTIONS, PATIENCE);
    let begun = Instant::now();
    let ours = ask_all(seeded, running.address(), QUESTIONS, PATIENCE);
    println!("{QUESTIONS} questions in {:?}", begun.elapsed());
    let secure = ours.iter().flatten().filter(|seen| seen.ad).count();
    let denied = ours
        .iter()
        .flatten()
        .filter(|seen| seen.rcode == "NXDOMAIN")
        .count();
    assert!(
        secure > QUESTIONS / 10 && denied > QUESTIONS / 20,
        "{secure} secure, {denied} denied"
    );
    let differences = compare(seeded, &ours, &truth);
    assert!(
        differences.is_empty(),
        "seed {}: ours is one, the zones' word the other\n{}",
        seeded.seed,
        show(&differences)
    );
}

/// With a list on, exactly the names on it differ, and those that lead to one.
#[test]
fn with_a_list_exactly_the_listed_names_differ() {
    let seeded = Seeded {
        seed: seed(),
        zones: ZONES,
    };
    let internet = Internet::seeded(&seeded, None);
    list_and_compare(seeded, &internet, QUESTIONS / 2);
}

fn list_and_compare(seeded: Seeded, internet: &Internet, count: usize) {
    let listed: Vec<usize> = (0..ZONES)
        .filter(|n| n.is_multiple_of(LISTED_ONE_IN))
        .collect();
    let entries: String = listed
        .iter()
        .map(|n| seeded.zone_name(*n).trim_end_matches('.').to_owned() + "\n")
        .collect();
    let open = Program::new().recurse(internet).toml(NO_RATE).start();
    let closed = Program::new()
        .recurse(internet)
        .toml(NO_RATE)
        .list("law", &entries)
        .start();
    let (open, closed) = (
        ask_all(seeded, open.address(), count, PATIENCE),
        ask_all(seeded, closed.address(), count, PATIENCE),
    );
    let (mut blocked, mut by_alias) = (0, 0);
    for (number, (open, closed)) in open.iter().zip(&closed).enumerate() {
        let asking = seeded.asking(number);
        let (Some(open), Some(closed)) = (open, closed) else {
            panic!("no answer to question {number}, {asking:?}")
        };
        let is_listed = |name: &str| {
            listed.iter().any(|n| {
                name == seeded.zone_name(*n)
                    || name.ends_with(&format!(".{}", seeded.zone_name(*n)))
            })
        };
        let mut targets = open
            .answers
            .iter()
            .filter_map(|line| line.split_once(" CNAME ").map(|(_, target)| target));
        let is_alias = targets.any(is_listed);
        if !is_listed(&asking.name) && !is_alias {
            assert_eq!(open, closed, "question {number}, {asking:?}");
            continue;
        }
        *(if is_listed(&asking.name) {
            &mut blocked
        } else {
            &mut by_alias
        }) += 1;
        let wanted = match asking.kind {
            "A" => vec![format!("{} A {}", asking.name, STOP[0])],
            "AAAA" => vec![format!("{} AAAA {}", asking.name, STOP[1])],
            _ => vec![],
        };
        assert_eq!(
            (closed.rcode.as_str(), &closed.answers, closed.ad),
            ("NOERROR", &wanted, false),
            "question {number}, {asking:?}"
        );
    }
    println!(
        "{count} questions, {blocked} blocked by name, {by_alias} by what they lead to, the others \
         as without a list"
    );
    assert!(
        blocked > count / 200 && by_alias > 0,
        "{blocked} {by_alias}"
    );
}

/// The long run, with Debian's resolvers beside ours, on the authorities' port that they know:
/// needs to be root.
#[test]
#[ignore = "long run"]
fn fifty_thousand_random_questions_to_us_and_to_peers() {
    let count = std::env::var("WARDLINE_QUESTIONS")
        .map_or(LONG_RUN, |text| text.parse().expect("a number"));
    let seeded = Seeded {
        seed: seed(),
        zones: ZONES,
    };
    let internet = Internet::seeded(&seeded, Some(crate::kit::internet::DNS_PORT));
    let truth = ask_all(seeded, internet.forwarder(), count, PATIENCE);
    let running = Program::new().recurse(&internet).toml(NO_RATE).start();
    let begun = Instant::now();
    let ours = ask_all(seeded, running.address(), count, Duration::ZERO);
    println!(
        "seed {}: {count} questions to us in {:?}",
        seeded.seed,
        begun.elapsed()
    );
    println!(
        "ours against the zones' word\n{}",
        show(&compare(seeded, &ours, &truth))
    );
    for peer in Peer::installed() {
        let begun = Instant::now();
        let running = peer.start(&internet);
        let theirs = ask_all(seeded, running.address(), count, Duration::ZERO);
        println!(
            "{count} questions to {} in {:?}",
            peer.name(),
            begun.elapsed()
        );
        println!(
            "ours against {}\n{}",
            peer.name(),
            show(&compare(seeded, &ours, &theirs))
        );
    }
    list_and_compare(seeded, &internet, count / 5);
}
