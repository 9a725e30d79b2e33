//! The CPU time that the kinds of the program's threads have taken, from /proc/self/task.

use std::collections::{BTreeMap, HashMap};
use std::fs;

/// How the kernel counts time there: ticks a second, on all machines that we run on.
const TICKS_PER_S: u64 = 100;

/// The words for the kinds, and how their threads' names begin.
const KINDS: [(&str, &[&str]); 4] = [
    ("udp", &["udp-"]),
    ("resolve", &["tokio-"]),
    (
        "lists",
        &[
            "list",
            "source",
            "transfer",
            "builder",
            "prover",
            "push",
            "notify-rs",
        ],
    ),
    ("record", &["counts", "witness"]),
];
/// All others: the main thread, the control socket's, the metrics'.
const OTHER: &str = "other";

/// Adds up what threads take that come and go.
#[derive(Debug, Default)]
pub struct ThreadTimes {
    /// Of those that were there at the last look, by id and start.
    running: HashMap<(u64, u64), ThreadTime>,
    /// What those took that have ended since the first look.
    ended: BTreeMap<&'static str, u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ThreadTime {
    kind: &'static str,
    ticks: u64,
}

impl ThreadTimes {
    /// Look again: the CPU seconds of each kind so far, of all kinds, in one order.
    pub fn read(&mut self) -> Vec<(&'static str, f64)> {
        let folders = fs::read_dir("/proc/self/task").into_iter().flatten();
        let stats = folders
            .flatten()
            .filter_map(|folder| fs::read_to_string(folder.path().join("stat")).ok());
        self.add_up(stats)
    }

    fn add_up(&mut self, stats: impl Iterator<Item = String>) -> Vec<(&'static str, f64)> {
        let running: HashMap<_, _> = stats.filter_map(|stat| parse(&stat)).collect();
        for (thread, time) in &self.running {
            if !running.contains_key(thread) {
                *self.ended.entry(time.kind).or_default() += time.ticks;
            }
        }
        self.running = running;
        let kinds = KINDS.iter().map(|(kind, _)| *kind).chain([OTHER]);
        kinds
            .map(|kind| {
                let of_kind = self.running.values().filter(|time| time.kind == kind);
                let ticks: u64 = of_kind.map(|time| time.ticks).sum();
                let ticks = ticks + self.ended.get(kind).copied().unwrap_or_default();
                (kind, ticks as f64 / TICKS_PER_S as f64)
            })
            .collect()
    }
}

/// A thread's id and start, its kind and its time in user and kernel mode (proc_pid_stat(5)).
fn parse(stat: &str) -> Option<((u64, u64), ThreadTime)> {
    let (id, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // The fields are numbered from 1, and the name is the second.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let time = ThreadTime {
        kind: kind_of(name),
        ticks: field(14)? + field(15)?,
    };
    Some(((id.parse().ok()?, field(22)?), time))
}

fn kind_of(name: &str) -> &'static str {
    let is_of = |begins: &[&str]| begins.iter().any(|begin| name.starts_with(begin));
    let kind = KINDS.iter().find(|(_, begins)| is_of(begins));
    kind.map_or(OTHER, |(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(id: u64, name: &str, user: u64, kernel: u64) -> String {
        format!("{id} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {user} {kernel} 0 0 20 0 1 0 77 0 0")
    }

    #[test]
    fn what_has_ended_still_counts() {
        let mut times = ThreadTimes::default();
        let first = [
            stat(1, "wardline", 5, 5),
            stat(2, "udp-0", 100, 50),
            stat(3, "builder", 7, 3),
        ];
        let expected = [
            ("udp", 1.5),
            ("resolve", 0.0),
            ("lists", 0.1),
            ("record", 0.0),
            ("other", 0.1),
        ];
        assert_eq!(times.add_up(first.into_iter()), expected);
        let later = [stat(1, "wardline", 5, 5), stat(2, "udp-0", 200, 50)];
        let expected = [
            ("udp", 2.5),
            ("resolve", 0.0),
            ("lists", 0.1),
            ("record", 0.0),
            ("other", 0.1),
        ];
        assert_eq!(times.add_up(later.into_iter()), expected);
    }

    #[test]
    fn a_name_may_have_anything_in_it() {
        let (_, time) = parse(&stat(9, "a) S (b", 1, 2)).unwrap();
        assert_eq!((time.kind, time.ticks), ("other", 3));
        assert_eq!(parse("no thread"), None);
    }

    #[test]
    fn this_process_takes_time() {
        let mut times = ThreadTimes::default();
        let sum = |times: &mut ThreadTimes| times.read().iter().map(|(_, s)| s).sum::<f64>();
        let begun = sum(&mut times);
        while sum(&mut times) <= begun {}
    }
}
