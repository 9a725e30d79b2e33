//! Checks one log against the keys, against what was seen of it before, and against itself.

use std::collections::BTreeMap;

use super::Finding;
use super::demands::Demands;
use super::entry_counts::Commitments;
use super::folder::{CHECKPOINT, Folder, check_author, with_followed};
use super::history::LogHistory;
use super::published::PublishedReport;
use super::reading::{LogReading, pins, withdrawals};
use super::told::{AbsentTime, ToldEvent, Unjudged, WithdrawnHours};
use super::totals::Totals;
use crate::clock::UnixSeconds;
use crate::record::{ClosedLog, EndedLog, LogKeyNote, Moment};
use crate::seal::checkpoint::cosigned_at;
use crate::seal::{Algorithm, Note, VerifyKey};

/// Somebody other than the author who saw the log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cosigner {
    /// Whose key.
    pub name: String,
    /// When it saw the log, in seconds since 1970.
    pub at: UnixSeconds,
}

/// One log that was checked.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct LogReport {
    /// Its name.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root of its tree, in hexadecimal.
    pub root: String,
    /// The first hour that it tells of.
    pub from: Option<String>,
    /// Up to, and without, which hour it tells.
    pub until: Option<String>,
    /// Hours with leaves.
    pub hours: u64,
    /// Hours among them that do not say when their lists were not in force.
    pub silent_hours: u64,
    /// Seconds without record, by kind.
    pub gap_s: BTreeMap<String, u64>,
    /// When lists were not in force, by list; none that always was.
    pub not_in_force: BTreeMap<String, Vec<AbsentTime>>,
    /// Events by kind.
    pub events: BTreeMap<String, u64>,
    /// The log that this one follows, where its state was restored, copied or emptied.
    pub restored: Option<EndedLog>,
    /// The log that was closed for this one.
    pub follows: Option<ClosedLog>,
    /// What cannot be judged here, since it is of a kind that is not known.
    pub unjudged: Vec<Unjudged>,
    /// Hours that were told while the clock was ahead: they are in no sum.
    pub withdrawn: WithdrawnHours,
    /// List, serial and manifest of the versions that were in force.
    pub versions: Vec<(String, u64, String)>,
    /// Who cosigned the checkpoint, of the keys that were given.
    pub cosigners: Vec<Cosigner>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

impl LogReport {
    /// The name of the log that this one follows.
    pub fn before(&self) -> Option<&str> {
        let closed = self.follows.as_ref().map(|closed| closed.origin.as_str());
        closed.or(self.restored.as_ref().map(|ended| ended.origin.as_str()))
    }
}

/// A log that was checked, and what its leaves add up to.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// What was found.
    pub log: LogReport,
    /// The sums of its leaves; none where its files are not in order.
    pub totals: Option<Totals>,
    /// The commitments to entry counts among them; none where its files are not in order.
    pub commitments: Commitments,
    /// Up to when every hour is told of; none where its files are not in order.
    pub until: Option<UnixSeconds>,
    /// The logs before it whose keys lead to its own, the last one first, where it says itself that
    /// it follows that one; of the public part nobody sees that.
    pub ancestors: Vec<String>,
    /// When its first leaf is of, and its last one.
    pub span: (UnixSeconds, UnixSeconds),
}

/// Checks the log in `folder`. Of findings about its files there is at most one, since nothing of
/// it can be believed then.
///
/// A report's figures are counted on the way, unless another copy of the log was before.
pub fn verify(
    folder: &Folder,
    demands: &Demands,
    report: Option<&mut PublishedReport>,
) -> Verified {
    // Nobody knows whose log it is before its checkpoint is believed.
    let place = folder.path().display().to_string();
    let here = format!("{place} {CHECKPOINT}");
    let (note, checkpoint) = match folder.checkpoint(CHECKPOINT) {
        Ok(read) => read,
        Err(message) => return refused(place, Finding::new("note", here, message)),
    };
    let origin = checkpoint.origin.clone();
    let believed = folder.key_notes(&demands.keys);
    let keys = with_followed(&demands.keys, &believed);
    if let Err(finding) = check_author(&note, &origin, &keys, &here) {
        return refused(place, finding);
    }
    let withdrawals = withdrawals(folder, &checkpoint);
    let mut history = LogHistory::new(&origin, withdrawals.clone());
    if let Err(finding) = pins(folder, &checkpoint, demands, &keys).and_then(|pins| {
        let is_public = demands.is_public;
        LogReading::new(folder, &checkpoint, pins, is_public, report, &withdrawals)
            .read(&mut history)
    }) {
        return refused(origin, finding);
    }
    let log = LogReport {
        size: checkpoint.size,
        root: data_encoding::HEXLOWER.encode(&checkpoint.root),
        cosigners: cosigners(&note, &demands.keys, &origin),
        findings: demands.missing_quorum(&note, &origin).into_iter().collect(),
        origin,
        ..LogReport::default()
    };
    let verified = Verified {
        ancestors: ancestors(&log.origin, &believed),
        log,
        ..Verified::default()
    };
    if demands.is_public {
        verified
    } else {
        add_history(verified, history, demands)
    }
}

/// Adds what the leaves say, and what is wrong with it.
fn add_history(verified: Verified, mut history: LogHistory, demands: &Demands) -> Verified {
    let Verified {
        log, mut ancestors, ..
    } = verified;
    history.finish();
    let mut findings = std::mem::take(&mut history.findings);
    let until = history.until();
    findings.extend(log.findings);
    let ToldEvent {
        first_hour,
        hours,
        silent_hours,
        gap_s,
        not_in_force,
        events,
        restored,
        follows,
        unjudged,
        withdrawn,
        versions,
    } = history.told;
    findings.extend(
        versions
            .iter()
            .filter_map(|(version, seq)| demands.unsigned_version(&log.origin, version, *seq)),
    );
    let log = LogReport {
        from: first_hour.map(|hour| Moment(hour).to_string()),
        until: until.map(|until| Moment(until).to_string()),
        hours,
        silent_hours,
        gap_s,
        not_in_force,
        events,
        restored,
        follows,
        unjudged,
        withdrawn,
        versions: versions
            .into_keys()
            .filter_map(|(list, serial, manifest)| Some((list, serial?, manifest?)))
            .collect(),
        findings,
        ..log
    };
    if log.before() != ancestors.first().map(String::as_str) {
        ancestors.clear();
    }
    Verified {
        log,
        totals: Some(history.totals),
        commitments: history.commitments,
        until,
        ancestors,
        span: history.span,
    }
}

/// The names of the logs whose keys lead to the key of this one.
fn ancestors(origin: &str, notes: &[LogKeyNote]) -> Vec<String> {
    let mut names = vec![origin.to_owned()];
    for note in notes.iter().rev() {
        if names.last().is_some_and(|last| *last == note.key.name()) {
            names.push(note.follows.clone());
        }
    }
    names.split_off(1)
}

fn refused(origin: String, finding: Finding) -> Verified {
    Verified {
        log: LogReport {
            origin,
            findings: vec![finding],
            ..LogReport::default()
        },
        ..Verified::default()
    }
}

/// Who of the keys' owners cosigned; one whose cosignature does not hold is not among them.
pub(super) fn cosigners(note: &Note, keys: &[VerifyKey], origin: &str) -> Vec<Cosigner> {
    let others = keys
        .iter()
        .filter(|key| key.algorithm() == Algorithm::Cosignature && key.name() != origin);
    let signed = others.filter_map(|key| {
        let signature = note
            .signatures()
            .iter()
            .find(|signature| signature.id == key.id() && signature.name == key.name())?;
        let holds = key.verify(note.text().as_bytes(), &signature.octets);
        let at = cosigned_at(signature).and_then(|at| at.try_into().ok())?;
        holds.then(|| Cosigner {
            name: key.name().to_owned(),
            at,
        })
    });
    signed.collect()
}
