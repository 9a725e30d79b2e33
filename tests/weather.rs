//! Resolving through bad networks: what is lost, late, doubled, overtaken or corrupt costs time,
//! and neither answers nor truth.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::kit::ask::{Client, Question};
use crate::kit::internet::{Expected, Internet, expected_answers};
use crate::kit::program::Program;
use crate::kit::until;
use crate::kit::weather::Weather;

/// Who asks at the same time.
const CLIENTS: usize = 8;
const PATIENCE: Duration = Duration::from_secs(5);

/// How a client takes SERVFAIL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    Once,
    /// It asks again while there is time.
    Again,
}

/// What came of the questions.
#[derive(Default)]
struct Sum {
    asked: usize,
    right: usize,
    wrong: Vec<String>,
    took: Vec<Duration>,
}

/// Asks for lines of the table that need no server which is poor by itself, each `times` often with
/// cold caches in between, and counts what came within [`PATIENCE`].
fn ask_in(weather: Weather, times: usize, asker: Asker) -> Sum {
    let internet = Internet::start_in(weather);
    let poor = ["silent", "halfdead", "closed", "refused", "slow", "loop"];
    let lines: Vec<Expected> = expected_answers()
        .into_iter()
        .filter(|line| !poor.iter().any(|poor| line.name.contains(poor)))
        .collect();
    let sum = Mutex::new(Sum::default());
    let running = Program::new()
        .recurse(&internet)
        .toml("[limits]\nudp_replies_per_s = 0\n")
        .start();
    for _ in 0..times {
        assert_eq!(running.run(&["flush"]).0, 0);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (lines, sum, at) = (&lines, &sum, running.address());
                scope.spawn(move || {
                    for line in lines.iter().skip(client).step_by(CLIENTS) {
                        let begun = Instant::now();
                        let ask = || {
                            Client::udp(at)
                                .patience(PATIENCE)
                                .try_ask(&Question::new(&line.name, &line.kind).dnssec_ok())
                        };
                        let response = until("an answer, good or bad", 2 * PATIENCE, || {
                            let response = ask();
                            let is_failure = response.as_ref().is_none_or(|response| {
                                response.rcode() == "SERVFAIL" && line.rcode != "SERVFAIL"
                            });
                            let is_over = asker == Asker::Once || begun.elapsed() >= PATIENCE;
                            (is_over || !is_failure).then_some(response)
                        });
                        let took = begun.elapsed();
                        let mut sum = sum.lock().expect("the sum");
                        sum.asked += 1;
                        sum.took.push(took);
                        let Some(response) = response else { continue };
                        let faults = line.faults_of(&response, true, line.ede);
                        if faults.is_empty() {
                            sum.right += 1;
                        } else if response.rcode() != "SERVFAIL" {
                            sum.wrong.push(format!(
                                "{} {}: {}",
                                line.name,
                                line.kind,
                                faults.join("; ")
                            ));
                        }
                    }
                });
            }
        });
    }
    sum.into_inner().expect("the sum")
}

fn show(what: &str, sum: &mut Sum) {
    sum.took.sort_unstable();
    let at = |share: f64| sum.took[((sum.took.len() - 1) as f64 * share) as usize].as_millis();
    println!(
        "{what}: {} of {} right within 5 s ({:.2} %); half within {} ms, 99 % within {} ms, all \
         within {} ms",
        sum.right,
        sum.asked,
        100.0 * sum.right as f64 / sum.asked as f64,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

const RAIN: Weather = Weather {
    loss: 50,
    delay: Duration::ZERO,
    jitter: Duration::from_millis(20),
    duplicate: 50,
    corrupt: 5,
    overtake: 50,
    seed: 1,
};

/// Nothing that a network does makes a wrong answer of a right one; and most come through.
#[test]
fn bad_weather_costs_time_but_no_truth() {
    let mut sum = ask_in(RAIN, 2, Asker::Again);
    show(
        "5 % loss, 20 ms jitter, 5 % doubled, 0.5 % corrupt, 5 % overtaking",
        &mut sum,
    );
    assert!(
        sum.wrong.is_empty(),
        "seed {}: {}",
        RAIN.seed,
        sum.wrong.join("\n")
    );
    assert!(
        sum.right * 100 >= sum.asked * 90,
        "{} of {} right",
        sum.right,
        sum.asked
    );
}

/// 20 % of all exchanges lost, and 20 % of all packets each way, which is 36 % of the exchanges:
/// more than half of the questions need several exchanges one after the other, and nothing is known
/// at the start. The long run: `WARDLINE_WEATHER` sets how often the table is asked.
#[test]
#[ignore = "long run"]
fn a_storm_leaves_99_of_100_answers() {
    let times =
        std::env::var("WARDLINE_WEATHER").map_or(10, |text| text.parse().expect("a number"));
    let storm = Weather {
        loss: 200,
        jitter: Duration::from_millis(200),
        seed: 2,
        ..Weather::default()
    };
    let mut sum = ask_in(storm, times, Asker::Once);
    show("20 % loss each way, up to 200 ms jitter each way", &mut sum);
    let mut calmer = ask_in(Weather { loss: 106, ..storm }, times, Asker::Once);
    show(
        "20 % loss there and back, up to 200 ms jitter each way",
        &mut calmer,
    );
    assert!(
        sum.wrong.is_empty() && calmer.wrong.is_empty(),
        "{:?} {:?}",
        sum.wrong,
        calmer.wrong
    );
    assert!(calmer.right * 100 >= calmer.asked * 99 && sum.right * 100 >= sum.asked * 98);
}
