//! From packet to packet without sockets: what the answering function itself costs for blocked and
//! cached names.
//!
//! `cargo bench --bench packet [LISTED_NAMES] [--only popular|even|blocked]` prints nanoseconds an
//! answer, the least of several passes; `also counted again` is the same with each answer counted a
//! second time, so that the difference is what counting costs. In the end it says what a second
//! thread adds. With `--only` neither is measured, so that instructions can be counted.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring tool that stops at the first trouble"
)]

#[path = "../tests/kit/in_process.rs"]
mod in_process;

use std::sync::Barrier;
use std::time::Instant;

use wardline::count::{Cells, Door, Event, Kind};
use wardline::process::pin_thread;
use wardline::query::{AnswerDesk, Answering, Asked, Outcome, Rate};
use wardline::serve::kernel::BATCH;

use in_process::{Order, answering, cached_name, listed_name, question};

const CACHED: usize = 100_000;
const PASSES: usize = 9;

fn main() {
    let listed = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let only = std::env::args()
        .skip_while(|argument| argument != "--only")
        .nth(1);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _guard = runtime.enter();
    let answering = answering(listed, CACHED);
    let mut order = Order(42);
    let even: Vec<Vec<u8>> = (0..CACHED)
        .map(|_| question(&cached_name(order.next() % CACHED)))
        .collect();
    let popular: Vec<Vec<u8>> = (0..CACHED)
        .map(|_| question(&cached_name(order.popular(CACHED))))
        .collect();
    let blocked: Vec<Vec<u8>> = (0..CACHED)
        .map(|_| question(&format!("www.{}", listed_name(order.next() % listed))))
        .collect();
    let loads = [
        ("popular", "cached, by popularity", &popular),
        ("even", "cached, evenly", &even),
        ("blocked", "blocked", &blocked),
    ];
    for (short, title, packets) in loads {
        if only.as_ref().is_none_or(|only| only == short) {
            let event = if short == "blocked" {
                None
            } else {
                Some(Event::Hit)
            };
            let (once, twice) = passes(&answering, packets, event, only.is_none());
            let again = if only.is_none() {
                format!(", also counted again {twice:>7.1} ns")
            } else {
                String::new()
            };
            println!(
                "{title:<24} {once:>7.1} ns{again}, {} answers",
                PASSES * packets.len()
            );
        }
    }
    if only.is_none() {
        let ratios =
            loads.map(|(short, _, packets)| format!("{short} {:.2}", scale(&answering, packets)));
        println!(
            "answers of two threads at once, as a multiple of one thread's: {}",
            ratios.join(", ")
        );
    }
}

/// How many times as much two threads answer in the time that one needs, each with a desk of its
/// own.
fn scale(answering: &Answering, packets: &[Vec<u8>]) -> f64 {
    let timed = |threads: usize| {
        let start = Barrier::new(threads);
        let seconds = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|index| {
                    let start = &start;
                    scope.spawn(move || {
                        pin_thread(index).expect("a CPU");
                        let mut desk = answering.desk_for_batches(BATCH, threads);
                        answer_all(answering, &mut desk, packets, |_| {});
                        start.wait();
                        let begun = Instant::now();
                        (0..PASSES).for_each(|_| answer_all(answering, &mut desk, packets, |_| {}));
                        begun.elapsed().as_secs_f64()
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("a worker"))
                .fold(0.0, f64::max)
        });
        threads as f64 / seconds
    };
    let (one, two) = (timed(1), timed(2));
    two / one
}

/// The least nanoseconds an answer over all passes, counted once and counted twice by turns.
fn passes(
    answering: &Answering,
    packets: &[Vec<u8>],
    event: Option<Event>,
    counts_again: bool,
) -> (f64, f64) {
    let mut desk = answering.desk_for_batches(BATCH, 1);
    let mut least = [f64::MAX; 2];
    for pass in 0..2 * PASSES {
        let begun = Instant::now();
        match pass % 2 {
            0 => answer_all(answering, &mut desk, packets, |_| {}),
            _ if counts_again => {
                answer_all(answering, &mut desk, packets, |cells| count(cells, event))
            }
            _ => continue,
        }
        least[pass % 2] =
            least[pass % 2].min(begun.elapsed().as_nanos() as f64 / packets.len() as f64);
    }
    (least[0], least[1])
}

/// What is counted of an answer as it is made.
fn count(cells: &Cells, event: Option<Event>) {
    cells.note_question(Door::Udp);
    match event {
        Some(event) => cells.note_event(event),
        None => cells.note_blocked(0, Kind::Address),
    }
}

/// A function of its own, so that a profiler can tell it from what prepares it.
#[inline(never)]
fn answer_all(
    answering: &Answering,
    desk: &mut AnswerDesk,
    packets: &[Vec<u8>],
    count: impl Fn(&Cells),
) {
    let standing = answering.clients().classify([127, 0, 0, 1].into());
    let mut room = [0; 1232];
    for batch in packets.chunks(BATCH) {
        let round = answering.round(desk);
        desk.foresee(&round, batch.iter().map(Vec::as_slice));
        for (seat, packet) in batch.iter().enumerate() {
            let asked = Asked {
                packet,
                standing,
                door: Door::Udp,
                rate: Rate::Within,
                seat,
            };
            assert!(matches!(
                answering.answer(&round, desk, &asked, &mut room),
                Outcome::Reply(_)
            ));
            count(desk.cells());
        }
    }
}
