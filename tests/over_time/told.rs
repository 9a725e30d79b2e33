//! What is in force is what is told: status, history, receipts, metrics and log are held against
//! what questions over UDP get.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::Value;
use wardline::list::receipt::Receipt;
use wardline::seal::Note;

use super::PATIENCE;
use super::scene::Scene;
use super::source::{SUFFIX, name_of};
use crate::kit::running::Running;
use crate::kit::until;

/// What must be in force of the list `one`, and what must be told of it.
#[derive(Clone, Default)]
pub(super) struct Told {
    issue: u64,
    /// Entries of the issue, where it is not one of the usual two.
    entries: Option<u64>,
    alarms: Vec<&'static str>,
    refused: Option<String>,
    has_no_history: bool,
    is_rolled_back: bool,
    is_tried: bool,
    /// The operator let a public suffix pass.
    has_passed: bool,
    has_override: bool,
    removed: u64,
    removed_names: Vec<&'static str>,
}

impl Told {
    /// This issue is in force, proven where it is signed, and nothing is to be complained of.
    pub(super) fn of(issue: u64) -> Self {
        Self {
            issue,
            ..Self::default()
        }
    }

    pub(super) fn entries(mut self, entries: u64) -> Self {
        self.entries = Some(entries);
        self
    }

    pub(super) fn alarm(mut self, kind: &'static str) -> Self {
        self.alarms.push(kind);
        self
    }

    /// The last refusal stands, with these words.
    pub(super) fn refused(mut self, words: &str) -> Self {
        self.refused = Some(words.to_owned());
        self
    }

    /// The history cannot be read now.
    pub(super) fn without_history(mut self) -> Self {
        self.has_no_history = true;
        self
    }

    pub(super) fn rolled_back(mut self) -> Self {
        self.is_rolled_back = true;
        self
    }

    /// The next issue is tried out.
    pub(super) fn tried(mut self) -> Self {
        self.is_tried = true;
        self
    }

    /// The public suffix is in force by an override.
    pub(super) fn passed(mut self) -> Self {
        (self.has_passed, self.entries) = (true, Some(3));
        self.let_pass()
    }

    /// It is in force by an override of its trial.
    pub(super) fn let_pass(mut self) -> Self {
        self.has_override = true;
        self
    }

    /// Removals took these names off, so many entries of the issue among them.
    pub(super) fn without(mut self, names: &[&'static str], removed: u64) -> Self {
        (self.removed_names, self.removed) = (names.to_vec(), removed);
        self
    }
}

/// A point that must hold, in words where it does not.
fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

impl Scene {
    /// After an event: customers are blocked as they must be, at this moment, and everything that
    /// is told agrees with that, as soon as it can be.
    pub(super) fn stands(&self, event: &str, told: &Told) {
        let at = format!("{:?}, {event}", self.kind());
        self.answers(told).unwrap_or_else(|wrong| {
            panic!("{at}: {wrong}\n{}", self.running.stderr());
        });
        let begun = Instant::now();
        until(&at, 2 * PATIENCE, || {
            let Err(wrong) = self.answers(told).and_then(|()| self.tells(told)) else {
                return Some(());
            };
            let is_in_time = begun.elapsed() < PATIENCE;
            assert!(is_in_time, "{at}: {wrong}\n{}", self.running.stderr());
            None
        });
    }

    /// What a customer gets.
    fn answers(&self, told: &Told) -> Result<(), String> {
        let issue = told.issue;
        let mut wanted = vec![
            ("one.example".to_owned(), true),
            (name_of(issue), true),
            (name_of(issue + 1), false),
            ("other.example".to_owned(), true),
            ("stop.example".to_owned(), false),
            (format!("www.{SUFFIX}"), told.has_passed),
        ];
        if issue > 1 {
            wanted.push((name_of(issue - 1), false));
        }
        let is_removed = |name: &String| told.removed_names.contains(&name.as_str());
        wanted.retain(|(name, _)| !is_removed(name));
        let removed = told.removed_names.iter();
        wanted.extend(removed.map(|name| ((*name).to_owned(), false)));
        for (name, wanted) in wanted {
            let is_blocked = self.blocks(&name);
            check(is_blocked == wanted, || {
                format!("{name}: blocked {is_blocked}")
            })?;
        }
        Ok(())
    }

    fn tells(&self, told: &Told) -> Result<(), String> {
        let status = self.status();
        self.status_tells(&status, told)?;
        other_is_as_it_was(&self.status_of("other"))?;
        metrics_tell(&self.running)?;
        self.log_tells(&status)?;
        if !told.has_no_history {
            self.history_tells(&status, told)?;
        }
        self.receipts_tell(&status)?;
        self.status_tells(&super::status_of(&self.running, "one"), told)
    }

    fn status_tells(&self, status: &Value, told: &Told) -> Result<(), String> {
        let is_signed = self.kind().is_signed();
        let alarms = status["alarms"].as_array().expect("alarms").iter();
        let kinds: Vec<&str> = alarms.filter_map(|alarm| alarm["kind"].as_str()).collect();
        let refusal = status["last_refusal"]["message"].as_str();
        let is_refused_so = match &told.refused {
            Some(words) => refusal.is_some_and(|refusal| refusal.contains(words)),
            None => refusal.is_none(),
        };
        let serial = is_signed.then_some(told.issue);
        let holds = status["serial"].as_u64() == serial
            && status["entries"] == told.entries.unwrap_or(2)
            && status["live_since"].as_i64() != Some(0)
            && status["is_rolled_back"] == told.is_rolled_back
            && status["trial"].is_null() != told.is_tried
            && status["removed"] == told.removed
            && status["overrides"].as_array().map(Vec::is_empty) != Some(told.has_override)
            && kinds == told.alarms
            && is_refused_so;
        check(holds, || format!("status tells {status:#}"))
    }

    /// The generation that is in force, and the last event by which it came.
    fn history_tells(&self, status: &Value, told: &Told) -> Result<(), String> {
        let history = self.running.json(&["history", "one", "--json"]);
        let wrong = || format!("history tells {history:#}\nstatus tells {status:#}");
        let generations = history["generations"].as_array().expect("generations");
        let mut kept = generations.iter();
        let kept = kept.find(|kept| kept["number"] == status["kept"]);
        let events = history["events"].as_array().expect("events").iter();
        let live = events.filter(|event| event["kind"] == "live");
        let live = live.max_by_key(|event| event["seq"].as_u64());
        let (Some(kept), Some(live)) = (kept, live) else {
            return Err(wrong());
        };
        let is_newest = generations.last() == Some(kept);
        let holds = kept["sha256"] == status["sha256"]
            && kept["serial"] == status["serial"]
            && kept["manifest"] == status["manifest"]
            && live["serial"] == status["serial"]
            && live["body"]["sha256"] == status["sha256"]
            && live["body"]["generation"] == status["kept"]
            && (is_newest || told.is_rolled_back || told.issue < self.issue);
        check(holds, wrong)
    }

    /// One receipt for what is in force, and one at the most for each issue.
    fn receipts_tell(&self, status: &Value) -> Result<(), String> {
        let said = self.running.json(&["receipts", "one", "--json"]);
        let notes = said["receipts"].as_array().expect("receipts").iter();
        let notes = notes.filter_map(|note| Note::parse(note.as_str()?.as_bytes()).ok());
        let receipts = notes.filter_map(|note| Receipt::parse(note.text()).ok());
        let issues: Vec<String> = receipts
            .map(|receipt| receipt.manifest.to_string())
            .collect();
        let single: BTreeSet<&String> = issues.iter().collect();
        let manifest = status["manifest"].as_str().unwrap_or_default().to_owned();
        let must_be_there = self.kind().is_signed();
        let holds = issues.contains(&manifest) == must_be_there && single.len() == issues.len();
        check(holds, || {
            format!("receipts for {issues:?}\nstatus tells {status:#}")
        })
    }

    /// The last line of the log that puts the list in force speaks of what is in force.
    fn log_tells(&self, status: &Value) -> Result<(), String> {
        let said = self.running.stderr();
        let mut lines = said.lines().rev();
        let last =
            lines.find(|line| line.contains("list is in force") && line.contains("list=one"));
        let sha256 = status["sha256"].as_str().unwrap_or_default();
        let holds = last.is_some_and(|line| line.contains(sha256));
        check(holds, || {
            format!("the log tells {last:?}\nstatus tells {status:#}")
        })
    }
}

/// Nothing happened to it.
fn other_is_as_it_was(status: &Value) -> Result<(), String> {
    let holds = status["entries"] == 1
        && status["live_since"].as_i64() != Some(0)
        && status["alarms"].as_array().is_some_and(Vec::is_empty)
        && status["last_refusal"].is_null();
    check(holds, || {
        format!("status tells of the other list {status:#}")
    })
}

fn metrics_tell(running: &Running) -> Result<(), String> {
    let page = running.metrics_page();
    let is_told = |list: &str| {
        let line = format!("wardline_list_in_force{{list=\"{list}\"}} 1\n");
        page.contains(&line)
    };
    check(is_told("one") && is_told("other"), || {
        let lines = page.lines().filter(|line| line.contains("in_force"));
        format!("the metrics tell {:?}", lines.collect::<Vec<_>>())
    })
}
