//! From packet to packet without sockets: what the answering function itself costs for blocked and cached names.
//!
//! `cargo bench --bench packet [LISTED_NAMES]` prints nanoseconds an answer, the least of several passes.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::indexing_slicing, reason = "a measuring tool that stops at the first trouble")]

#[path = "../tests/kit/in_process.rs"]
mod in_process;

use std::time::Instant;

use wardline::count::Door;
use wardline::query::{Answering, Asked, Outcome, Rate};
use wardline::serve::kernel::BATCH;

use in_process::{Order, answering, cached_name, listed_name, question};

const CACHED: usize = 100_000;
const PASSES: usize = 9;

fn main() {
    let listed = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _guard = runtime.enter();
    let answering = answering(listed, CACHED);
    let mut order = Order(42);
    let even: Vec<Vec<u8>> = (0..CACHED).map(|_| question(&cached_name(order.next() % CACHED))).collect();
    let popular: Vec<Vec<u8>> = (0..CACHED).map(|_| question(&cached_name(order.popular(CACHED)))).collect();
    let blocked: Vec<Vec<u8>> = (0..CACHED).map(|_| question(&format!("www.{}", listed_name(order.next() % listed)))).collect();
    for (title, packets) in [("cached, by popularity", &popular), ("cached, evenly", &even), ("blocked", &blocked)] {
        println!("{title:<24} {:>7.1} ns", pass(&answering, packets));
    }
}

/// The least nanoseconds an answer over all passes.
fn pass(answering: &Answering, packets: &[Vec<u8>]) -> f64 {
    let mut desk = answering.desk_for_batches(BATCH, 1);
    let standing = answering.clients().classify([127, 0, 0, 1].into());
    let mut room = [0; 1232];
    let mut least = f64::MAX;
    for _ in 0..PASSES {
        let begun = Instant::now();
        for batch in packets.chunks(BATCH) {
            let round = answering.round(&mut desk);
            answering.foresee(&round, &mut desk, batch.iter().map(Vec::as_slice));
            for (seat, packet) in batch.iter().enumerate() {
                let asked = Asked { packet, standing, door: Door::Udp, rate: Rate::Within, seat };
                assert!(matches!(answering.answer(&round, &mut desk, &asked, &mut room), Outcome::Reply(_)));
            }
        }
        least = least.min(begun.elapsed().as_nanos() as f64 / packets.len() as f64);
    }
    least
}
