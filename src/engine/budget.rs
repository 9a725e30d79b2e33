//! The memory that the program may take, told at the start: each part has a bound, and this is
//! their sum.

use crate::config::{Config, ResolveMode};
use crate::resolve;

const MIB: u64 = 1 << 20;
/// The program itself before the first question: code, threads and their buffers (measured: 36 MiB
/// with two UDP threads).
const PROGRAM_OCTETS: u64 = 40 * MIB;
/// A silent connection over TLS, which takes more than one over TCP (measured in tests/doors.rs:
/// 14,934 octets, and 2,492).
const CONNECTION_OCTETS: u64 = 24 * 1024;
/// A question that waits for its answer from outside (measured in tests/doors.rs: 13,864 octets).
const QUESTION_OCTETS: u64 = 16 * 1024;

/// A number with its thousands set apart.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The bounds, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryBudget {
    cache: u64,
    resolver: u64,
    connections: u64,
    questions: u64,
}

impl MemoryBudget {
    pub(super) fn new(config: &Config) -> Self {
        let resolve = &config.resolve;
        let is_walking = resolve.mode == ResolveMode::Recurse
            || !resolve.zones.is_empty()
            || resolve.forward.validate;
        Self {
            // A thread's front may keep an answer that the cache has given up.
            cache: config.cache.octets_max + config.cache.octets_max / 4,
            resolver: if is_walking {
                resolve::MEMORY_OCTETS_MAX
            } else {
                0
            },
            connections: config.limits.connections as u64 * CONNECTION_OCTETS,
            questions: config.limits.waiting as u64 * QUESTION_OCTETS,
        }
    }

    /// All but the lists, in octets.
    pub(super) const fn without_lists(&self) -> u64 {
        PROGRAM_OCTETS + self.cache + self.resolver + self.connections + self.questions
    }

    /// For the log. `lists` are the octets of the lists' tables and of those that take their place
    /// while lists change.
    pub(super) fn describe(&self, lists: u64) -> String {
        let mib = |octets: u64| number(octets.div_ceil(MIB));
        format!(
            "memory: at most {} MiB: cache {}, lists {}, resolver {}, connections {}, waiting \
             questions {}, program {}",
            mib(self.without_lists() + lists),
            mib(self.cache),
            mib(lists),
            mib(self.resolver),
            mib(self.connections),
            mib(self.questions),
            mib(PROGRAM_OCTETS)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_add_up() {
        let config = Config::load(None).unwrap();
        let budget = MemoryBudget::new(&config);
        let told = budget.describe(3 * MIB);
        let numbers: Vec<u64> = told
            .split(|c: char| !c.is_ascii_digit() && c != ',')
            .filter_map(|word| word.replace(',', "").parse().ok())
            .collect();
        let [total, parts @ ..] = &numbers[..] else {
            panic!("{told}")
        };
        assert!(
            parts.len() == 6 && parts.iter().sum::<u64>().abs_diff(*total) <= 6,
            "{told}"
        );
        assert!(told.contains("cache 320, lists 3, resolver 96"), "{told}");
    }
}
