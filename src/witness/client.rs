//! Brings the resolver's checkpoints to its witnesses, each on a thread of its own, and keeps what
//! they cosign. Neither answering nor the writing of counts waits for a witness.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ADD_CHECKPOINT;
use super::exchange::{WitnessSaid, build, submit};
use super::standing::WitnessStanding;
use super::trees::{LogTrees, OwnCheckpoint};
use crate::clock::UnixSeconds;
use crate::process::{Manners, give_way};
use crate::seal::submission::Submission;
use crate::seal::{Signature, VerifyKey, checkpoint};
use crate::store::{Cosignatures, KeptCosignature, StoreError};

/// How often it is looked whether there is a new checkpoint.
const LOOK: Duration = Duration::from_secs(2);
/// The first pause after a failure, which doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(600);

/// One witness, as the configuration names it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is: `https://HOST` or `http://HOST`, with a path if its owner says so.
    pub url: String,
    /// The key that its cosignatures are checked with.
    pub key: VerifyKey,
    /// Where its host is; empty where the URL has its address.
    pub addresses: Vec<SocketAddr>,
    /// The authorities that vouch for its certificate, PEM; none where it has no certificate.
    pub ca: Option<PathBuf>,
}

/// The witnesses of a running resolver; a clone looks at the same ones.
#[derive(Clone, Debug, Default)]
pub struct Witnesses(Arc<Followed>);

#[derive(Debug, Default)]
struct Followed {
    standings: Vec<Arc<Mutex<WitnessStanding>>>,
    /// Dropped with the last clone, which ends the threads.
    _stops: Vec<Sender<()>>,
}

impl Witnesses {
    /// Follows the log in the state folder from now on, until the last clone is dropped.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(all: &[Settings], state: &Path) -> std::io::Result<Self> {
        let trees = Arc::new(LogTrees::new(state));
        let mut followed = Followed::default();
        for settings in all {
            let standing = Arc::new(Mutex::new(WitnessStanding {
                name: settings.key.name().to_owned(),
                ..WitnessStanding::default()
            }));
            let (stop, stopped) = channel();
            let mut follower = Follower {
                settings: settings.clone(),
                state: state.into(),
                trees: Arc::clone(&trees),
                standing: Arc::clone(&standing),
                agent: None,
                cosignatures: None,
                last: None,
            };
            std::thread::Builder::new()
                .name("witness".to_owned())
                .spawn(move || follower.follow(&stopped))?;
            followed.standings.push(standing);
            followed._stops.push(stop);
        }
        Ok(Self(Arc::new(followed)))
    }

    /// How it stands with each, in the order of the configuration.
    pub fn standings(&self) -> Vec<WitnessStanding> {
        let standings = self.0.standings.iter();
        standings
            .map(|standing| {
                let standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
                standing.clone()
            })
            .collect()
    }
}

/// What one thread works on.
struct Follower {
    settings: Settings,
    state: PathBuf,
    trees: Arc<LogTrees>,
    standing: Arc<Mutex<WitnessStanding>>,
    agent: Option<ureq::Agent>,
    cosignatures: Option<Cosignatures>,
    /// What the witness cosigned last of the log that goes on.
    last: Option<KeptCosignature>,
}

/// Why a checkpoint has no cosignature of the witness.
enum NotCosigned {
    /// Somebody must see to it.
    Refused(String),
    /// It is tried again.
    Passing(String),
}

impl Follower {
    fn follow(&mut self, stopped: &Receiver<()>) {
        // Where the system refuses, the thread is only less polite.
        let _ = give_way(Manners::Behind);
        let mut failures = 0_u32;
        loop {
            // Without a log that can be read now nothing is known anew.
            let pause = match self.trees.last() {
                None => LOOK,
                Some(own) => {
                    let tried = self.bring(&own);
                    failures = if tried.is_ok() {
                        0
                    } else {
                        failures.saturating_add(1)
                    };
                    self.tell(tried);
                    pause_after(failures)
                }
            };
            if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }

    /// Has the checkpoint cosigned, unless it is already.
    fn bring(&mut self, own: &OwnCheckpoint) -> Result<(), NotCosigned> {
        let known = self.known_of(&own.checkpoint.origin)?;
        if known == Some(own.checkpoint.size) {
            return Ok(());
        }
        // A log with fewer leaves than were cosigned of it was put back: then the witness is asked
        // what it has, as where we do not know.
        let known_here = known.filter(|known| *known <= own.checkpoint.size);
        let mut old = known_here.unwrap_or_default();
        let mut said = self.submit(own, old)?;
        if let WitnessSaid::Has(has) = said {
            check_told(has, known, own)?;
            old = has;
            said = self.submit(own, old)?;
        }
        match said {
            WitnessSaid::Cosigned(signature) => self.keep(own, &signature),
            WitnessSaid::Has(has) => Err(NotCosigned::Refused(format!(
                "it says that it has cosigned {has} leaves, and said {old} a moment ago"
            ))),
            WitnessSaid::Refused(why) => Err(NotCosigned::Refused(why)),
            WitnessSaid::Unreached(why) => Err(NotCosigned::Passing(why)),
        }
    }

    /// How many leaves of a log it has cosigned, as far as we know.
    fn known_of(&mut self, origin: &str) -> Result<Option<u64>, NotCosigned> {
        if self.last.as_ref().is_none_or(|last| last.origin != origin) {
            let key = self.settings.key.to_string();
            self.last = self.with_cosignatures(|kept| kept.last(origin, &key))?;
            self.note(self.last.clone());
        }
        Ok(self.last.as_ref().map(|last| last.size))
    }

    fn with_cosignatures<T>(
        &mut self,
        act: impl FnOnce(&Cosignatures) -> Result<T, StoreError>,
    ) -> Result<T, NotCosigned> {
        let opened = match self.cosignatures.take() {
            Some(open) => open,
            None => Cosignatures::open(&self.state).map_err(passing)?,
        };
        // After a failure it is opened anew: it may have been moved, or be damaged.
        let done = act(&opened).map_err(passing)?;
        self.cosignatures = Some(opened);
        Ok(done)
    }

    fn submit(&mut self, own: &OwnCheckpoint, old: u64) -> Result<WitnessSaid, NotCosigned> {
        let proof = self.trees.prove(old, &own.checkpoint);
        let submission = Submission {
            old,
            proof: proof.map_err(NotCosigned::Refused)?,
            note: own.note.clone(),
        };
        let Settings {
            url,
            key,
            addresses,
            ca,
        } = &self.settings;
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => build(ca.as_deref(), addresses).map_err(NotCosigned::Passing)?,
        };
        let url = format!("{}{ADD_CHECKPOINT}", url.trim_end_matches('/'));
        let said = submit(&agent, &url, key, &submission);
        // After a failure the certificates are read again: they may have been replaced.
        if !matches!(said, WitnessSaid::Unreached(_)) {
            self.agent = Some(agent);
        }
        Ok(said)
    }

    fn keep(&mut self, own: &OwnCheckpoint, signature: &Signature) -> Result<(), NotCosigned> {
        let at = checkpoint::cosigned_at(signature).unwrap_or_default();
        let kept = KeptCosignature {
            origin: own.checkpoint.origin.clone(),
            size: own.checkpoint.size,
            witness: self.settings.key.to_string(),
            at: UnixSeconds::try_from(at).unwrap_or(UnixSeconds::MAX),
            line: signature.to_string(),
        };
        self.with_cosignatures(|file| file.keep(&kept))?;
        self.note(Some(kept.clone()));
        self.last = Some(kept);
        Ok(())
    }

    fn note(&self, kept: Option<KeptCosignature>) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.size = kept.as_ref().map(|kept| kept.size);
        standing.at = kept.map(|kept| kept.at);
    }

    /// Only a change goes to the log, as a witness may be away for long.
    fn tell(&self, tried: Result<(), NotCosigned>) {
        let (fault, is_refused) = match tried {
            Ok(()) => (None, false),
            Err(NotCosigned::Refused(why)) => (Some(why), true),
            Err(NotCosigned::Passing(why)) => (Some(why), false),
        };
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = (standing.fault.clone(), standing.is_refused);
        (standing.fault, standing.is_refused) = (fault.clone(), is_refused);
        drop(standing);
        let witness = self.settings.key.name();
        match fault {
            Some(_) if before == (fault.clone(), is_refused) => {}
            Some(why) if is_refused => tracing::error!(witness, "NOT COSIGNED: {why}"),
            Some(why) => tracing::warn!(witness, "not cosigned yet: {why}; it is tried again"),
            None if before.0.is_some() => tracing::info!(witness, "cosigned again"),
            None => {}
        }
    }
}

/// How long to wait after so many failures in a row.
fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => LOOK,
        Some(before) => PAUSE_MAX.min(PAUSE * 2_u32.saturating_pow(before.min(16))),
    }
}

/// Whether what a witness says that it has can be.
fn check_told(has: u64, known: Option<u64>, own: &OwnCheckpoint) -> Result<(), NotCosigned> {
    let origin = &own.checkpoint.origin;
    let size = own.checkpoint.size;
    if has > size {
        return Err(NotCosigned::Refused(format!(
            "SPLIT VIEW: it has cosigned {has} leaves of {origin}, and this log has {size}: \
             another resolver signs with this log's key, or its state was copied or restored"
        )));
    }
    match known {
        Some(known) if has < known => Err(NotCosigned::Refused(format!(
            "it says that it has cosigned {has} leaves of {origin}, and its cosignature under \
             {known} is kept here: it has forgotten, or does not say the truth; ask its owner, who \
             needs a new key"
        ))),
        _ => Ok(()),
    }
}

fn passing(error: impl std::fmt::Display) -> NotCosigned {
    NotCosigned::Passing(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_longest() {
        let pauses = [0, 1, 2, 3, 9, 10, 100, u32::MAX].map(|n| pause_after(n).as_secs());
        assert_eq!(pauses, [2, 2, 4, 8, 512, 600, 600, 600]);
    }
}
