//! A witness decides what it cosigns (C2SP tlog-witness, "add-checkpoint").

use crate::clock::UnixSeconds;
use crate::seal::checkpoint::{self, Checkpoint};
use crate::seal::submission::Submission;
use crate::seal::tree::is_consistent;
use crate::seal::{Note, SigningKey, VerifyKey};

use super::known::KnownLogs;
use super::state::{LastCosigned, Turn, WitnessState};

/// A witness: its key, the logs that it knows and what it has cosigned of them.
#[derive(Debug)]
pub struct Witness {
    key: SigningKey,
    logs: KnownLogs,
    state: WitnessState,
}

/// What a witness says to a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// 200: the cosignature, a line.
    Cosigned(String),
    /// 400: it cannot be read, or its old size is greater than the checkpoint's.
    Unreadable(String),
    /// 404: the log is not known.
    Unknown,
    /// 403: none of the log's keys has signed it.
    Unsigned,
    /// 409: the old size is not this one, which was cosigned last.
    Stale(u64),
    /// 409: the checkpoint of this size that was cosigned has another root.
    OtherRoot(u64),
    /// 422: the proof does not hold.
    Unproven,
    /// 500: it cannot be remembered, and is therefore not cosigned.
    Failed,
}

impl Witness {
    /// A witness that cosigns with `key`.
    pub const fn new(key: SigningKey, logs: KnownLogs, state: WitnessState) -> Self {
        Self { key, logs, state }
    }

    /// The key that its cosignatures are checked with.
    pub fn key(&self) -> VerifyKey {
        self.key.public_cosigner()
    }

    /// The logs that it knows.
    pub const fn logs(&self) -> &KnownLogs {
        &self.logs
    }

    /// Answers the body of a request that came at `now`. What is cosigned is on disk before this
    /// returns.
    pub fn add_checkpoint(&self, body: &[u8], now: UnixSeconds) -> WitnessAnswer {
        let submission = match Submission::parse(body) {
            Ok(submission) => submission,
            Err(fault) => return WitnessAnswer::Unreadable(fault.to_string()),
        };
        let checkpoint = match Checkpoint::parse_extended(submission.note.text()) {
            Ok(checkpoint) => checkpoint,
            Err(fault) => return WitnessAnswer::Unreadable(fault.to_string()),
        };
        let Some(keys) = self.logs.keys(&checkpoint.origin) else {
            return WitnessAnswer::Unknown;
        };
        // A signature of a known key that does not hold makes the note no note.
        if submission.note.signers(keys).unwrap_or_default().is_empty() {
            return WitnessAnswer::Unsigned;
        }
        if submission.old > checkpoint.size {
            let fault = "the old size is greater than the checkpoint's";
            return WitnessAnswer::Unreadable(fault.to_owned());
        }
        let decided = self.state.decide(&checkpoint.origin, |turn, last| {
            judge(turn, last, &submission, &checkpoint, now)
        });
        match decided {
            Ok(Ruling::Sign) => self.sign(submission.note.text(), now),
            Ok(Ruling::Refuse(answer)) => answer,
            Err(fault) => {
                tracing::error!("{fault}; until then nothing is cosigned");
                WitnessAnswer::Failed
            }
        }
    }

    fn sign(&self, text: &str, now: UnixSeconds) -> WitnessAnswer {
        let at = u64::try_from(now).unwrap_or_default().max(1);
        let signed = Note::new(text).and_then(|mut note| {
            checkpoint::cosign(&mut note, &self.key, at)?;
            Ok(note)
        });
        match signed {
            Ok(note) => WitnessAnswer::Cosigned(
                note.signatures()
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect(),
            ),
            Err(fault) => WitnessAnswer::Unreadable(fault.to_string()),
        }
    }
}

/// What was decided and written down.
enum Ruling {
    Sign,
    Refuse(WitnessAnswer),
}

/// The checks that need what was cosigned last, in the order of the specification.
fn judge(
    turn: &Turn<'_>,
    last: LastCosigned,
    submission: &Submission,
    checkpoint: &Checkpoint,
    now: UnixSeconds,
) -> rusqlite::Result<Ruling> {
    let Checkpoint { origin, size, root } = checkpoint;
    let note = submission.note.to_string();
    if submission.old != last.size {
        // The true log is known at this size: another root is a split view, whatever was sent as
        // the old size.
        if *size == last.size && *root != last.root {
            contradict(turn, checkpoint, &note, now)?;
        }
        return Ok(Ruling::Refuse(WitnessAnswer::Stale(last.size)));
    }
    if *size == last.size && *root != last.root {
        contradict(turn, checkpoint, &note, now)?;
        return Ok(Ruling::Refuse(WitnessAnswer::OtherRoot(last.size)));
    }
    let is_proven = if last.size == 0 {
        submission.proof.is_empty()
    } else {
        is_consistent((last.size, &last.root), (*size, root), &submission.proof)
    };
    if !is_proven {
        contradict(turn, checkpoint, &note, now)?;
        return Ok(Ruling::Refuse(WitnessAnswer::Unproven));
    }
    turn.remember(checkpoint, &note)?;
    tracing::info!(origin, size, "cosigned");
    Ok(Ruling::Sign)
}

/// Keeps what may be evidence, and says so once.
fn contradict(
    turn: &Turn<'_>,
    checkpoint: &Checkpoint,
    note: &str,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    if turn.keep_contradiction(checkpoint, note, now)? {
        let Checkpoint { origin, size, .. } = checkpoint;
        tracing::error!(
            origin,
            size,
            "NOT COSIGNED: this checkpoint has its author's signature and was not shown to \
             continue the one that was cosigned last: it is kept in the state's table \
             `contradiction`; ask the author for both logs"
        );
    }
    Ok(())
}
