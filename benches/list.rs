//! What a list costs: reading its text, compiling it, looking names up in it, and looking up while
//! it is replaced.
//!
//! `cargo bench --bench list [NAMES]` prints, for the least of several passes, octets read a
//! second, names compiled a second, and nanoseconds a look-up.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measuring tool that stops at the first trouble"
)]

#[allow(dead_code, reason = "the packet bench uses the rest")]
#[path = "../tests/kit/in_process.rs"]
mod in_process;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use wardline::list::parse::{Format, read};
use wardline::list::{Table, TableBuilder};
use wardline::name::{HashKey, Name, SuffixHashes};
use wardline::policy::{Live, Snapshot};

use in_process::{Order, cached_name, listed_name};

const KEY: HashKey = HashKey::fixed([9; 16]);
const PASSES: usize = 5;
const LOOK_UPS: usize = 1_000_000;
const TOGETHER: usize = 64;

fn main() {
    let names = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(1_000_000);
    let text: String = (0..names).map(|n| listed_name(n) + "\n").collect();
    let megabytes = text.len() as f64 / 1e6;

    time_reading("read", &text, names);
    let dated: String = (0..names)
        .map(|n| {
            format!(
                "{} number={} verified=2026-03-01 expires=2030-0{}-01 category=hotline-1\n",
                listed_name(n),
                n + 1,
                n % 9 + 1
            )
        })
        .collect();
    time_reading("read with details", &dated, names);
    let s = least(|| _ = black_box(compile(&text, names)));
    println!(
        "read and compile         {:>7.0} MB/s, {:>5.1} million names a second",
        megabytes / s,
        names as f64 / s / 1e6
    );

    let table = Arc::new(compile(&text, names));
    println!(
        "octets a name            {:>7.1}",
        table.octets() as f64 / names as f64
    );
    let mut order = Order(7);
    let mut wires = |name: &dyn Fn(usize) -> String| -> Vec<Name> {
        (0..100_000)
            .map(|_| Name::parse(&name(order.next())).expect("a name"))
            .collect()
    };
    let hits = wires(&|n| listed_name(n % names));
    let misses = wires(&cached_name);
    let deep = wires(&|n| "a.".repeat(110) + &listed_name(n % names));
    for (title, wanted) in [
        ("hit", &hits),
        ("miss", &misses),
        ("hit below 110 labels", &deep),
    ] {
        let ns = |s: f64| s * 1e9 / wanted.len() as f64;
        let (one, foreseen) = (
            ns(least(|| look_up(&table, wanted))),
            ns(least(|| foresee(&table, wanted))),
        );
        println!(
            "look up: {title:<21} {one:>5.1} ns one at a time, {foreseen:>5.1} ns where {TOGETHER} \
             are foreseen"
        );
    }
    swap(&table, &hits);
}

fn time_reading(title: &str, text: &str, names: usize) {
    let s = least(|| {
        _ = black_box(
            read(text.as_bytes(), Format::Plain, |wire, _| {
                _ = black_box(wire)
            })
            .expect("text in memory"),
        )
    });
    println!(
        "{title:<24} {:>7.0} MB/s, {:>5.1} million names a second",
        text.len() as f64 / 1e6 / s,
        names as f64 / s / 1e6
    );
}

/// The least seconds over all passes.
fn least(mut pass: impl FnMut()) -> f64 {
    let timed = (0..PASSES).map(|_| {
        let begun = Instant::now();
        pass();
        begun.elapsed().as_secs_f64()
    });
    timed.fold(f64::MAX, f64::min)
}

fn compile(text: &str, names: usize) -> Table {
    let mut builder = TableBuilder::new(KEY, names).expect("memory");
    read(text.as_bytes(), Format::Plain, |wire, scope| {
        builder.insert(wire, scope)
    })
    .expect("text in memory");
    builder.finish().expect("room")
}

/// Each look-up waits for the one before.
fn look_up(table: &Table, names: &[Name]) {
    let mut hashes = SuffixHashes::new();
    for name in names {
        hashes.fill_for(KEY, name.as_wire(), table.depths());
        black_box(table.find(&hashes));
    }
}

/// The same as a door does it: the hashes of a batch first, then their buckets, then the look-ups.
fn foresee(table: &Table, names: &[Name]) {
    let mut seats: Vec<SuffixHashes> = (0..TOGETHER).map(|_| SuffixHashes::new()).collect();
    for batch in names.chunks(TOGETHER) {
        for (seat, name) in seats.iter_mut().zip(batch) {
            seat.fill_for(KEY, name.as_wire(), table.depths());
        }
        black_box(seats.iter().fold(0, |sum, seat| sum ^ table.touch(seat)));
        for seat in seats.iter().take(batch.len()) {
            black_box(table.find(seat));
        }
    }
}

/// Look-ups while another thread puts a new snapshot in force again and again.
fn swap(table: &Arc<Table>, names: &[Name]) {
    let live = Live::from_pointee(Snapshot::new(KEY, vec![Arc::clone(table)]));
    let stop = AtomicBool::new(false);
    let (mut slowest_ns, mut swaps) = (0, 0);
    std::thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0_u64;
            while !stop.load(Relaxed) {
                let next = live.load().with_table(0, Arc::clone(table));
                drop(live.swap(Arc::new(next)));
                swaps += 1;
            }
            swaps
        });
        let mut hashes = SuffixHashes::new();
        let begun = Instant::now();
        for name in names.iter().cycle().take(LOOK_UPS) {
            let one = Instant::now();
            let snapshot = live.load();
            hashes.fill_for(snapshot.key(), name.as_wire(), snapshot.depths());
            assert!(
                snapshot
                    .table(0)
                    .is_some_and(|table| table.find(&hashes).is_some()),
                "a listed name is found at every moment"
            );
            slowest_ns = slowest_ns.max(one.elapsed().as_nanos());
        }
        let ns = begun.elapsed().as_nanos() as f64 / LOOK_UPS as f64;
        stop.store(true, Relaxed);
        swaps = swapper.join().expect("the swapper");
        println!(
            "look up while {swaps} snapshots come and go: {ns:.1} ns, the slowest of {LOOK_UPS} \
             {:.1} µs",
            slowest_ns as f64 / 1e3
        );
    });
}
