//! What a verifier demands of a log beyond its own order: pinned heads, versions that a curator
//! signed.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::folder::{CHECKPOINT, Folder, check_author, parse_checkpoint};
use super::policy::CosignPolicy;
use super::told::ListVersion;
use crate::clock::UnixSeconds;
use crate::list::manifest::Manifest;
use crate::record::{Moment, recovery_name};
use crate::seal::checkpoint::Checkpoint;
use crate::seal::{Algorithm, Note, VerifyKey};

/// The code of a finding that two copies of a log differ.
pub(super) const FORK: &str = "fork";

/// What a log is checked for beyond itself.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The keys of authors and cosigners.
    pub keys: Vec<VerifyKey>,
    /// What was seen of the logs elsewhere or before.
    pub pins: Vec<Pin>,
    /// Up to when, and without, each log must tell.
    pub until: Option<UnixSeconds>,
    /// Who must have cosigned each log; nobody where there is none.
    pub policy: Option<CosignPolicy>,
    /// Are only checkpoints and hashes there?
    pub is_public: bool,
    /// Are commitments to entry counts wanted?
    pub opens: bool,
    /// How many of the keys, at their end, are of logs that need not be there.
    pub accepted: usize,
    /// What curators signed: serials and hashes of manifests by their list.
    pub manifests: BTreeMap<String, BTreeSet<(u64, String)>>,
}

/// A checkpoint that a log must still fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// The code of the finding where the log does not fit it: `since` for an older checkpoint,
    /// `fork` for another copy of the log.
    pub code: &'static str,
    /// Where it comes from.
    pub place: String,
}

impl Pin {
    /// What a copy of a log says that one of `keys` signed, for other copies of it: one must be the
    /// beginning of the other.
    pub fn of_copy(folder: &Folder, keys: &[VerifyKey]) -> Option<Self> {
        let (note, checkpoint) = folder.checkpoint(CHECKPOINT).ok()?;
        let keys = folder.known_keys(keys);
        check_author(&note, &checkpoint.origin, &keys, CHECKPOINT).ok()?;
        let place = format!("{} {CHECKPOINT} in another folder", checkpoint.origin);
        Some(Self {
            checkpoint,
            code: FORK,
            place,
        })
    }
}

/// An older checkpoint, which its author must have signed, be it with a key that follows from
/// `keys` by the words in one of the folders.
///
/// # Errors
/// When it is none, or not signed with one of these.
pub fn read_pin(
    octets: &[u8],
    keys: &[VerifyKey],
    folders: &[Folder],
    file: &str,
) -> Result<Pin, String> {
    let (note, checkpoint) =
        parse_checkpoint(octets).map_err(|message| format!("{file}: {message}"))?;
    let check = |keys: &[VerifyKey]| check_author(&note, &checkpoint.origin, keys, file);
    let follows = |folder: &Folder| check(&folder.known_keys(keys)).is_ok();
    if let Err(finding) = check(keys)
        && !folders.iter().any(follows)
    {
        return Err(format!("{file}: {}", finding.message));
    }
    let place = format!("{} since {}", checkpoint.origin, checkpoint.size);
    Ok(Pin {
        checkpoint,
        code: "since",
        place,
    })
}

impl Demands {
    /// Notes a manifest that one of the curators' `keys` signed.
    ///
    /// # Errors
    /// When it is none, or nobody's of them.
    pub fn add_manifest(&mut self, octets: &[u8], keys: &[VerifyKey]) -> Result<(), String> {
        let note = Note::parse(octets).map_err(|error| error.to_string())?;
        let manifest = Manifest::parse(note.text()).map_err(|error| error.to_string())?;
        if note
            .signers(keys)
            .map_err(|error| error.to_string())?
            .is_empty()
        {
            return Err("is not signed with a curator's key that was given".to_owned());
        }
        let version = (manifest.serial, Manifest::hash_of(&note).to_string());
        self.manifests
            .entry(manifest.list)
            .or_default()
            .insert(version);
        Ok(())
    }

    /// A version that was in force, where manifests of its list were given and it is none of them,
    /// or does not say which it is.
    pub(super) fn unsigned_version(
        &self,
        origin: &str,
        (list, serial, manifest): &ListVersion,
        seq: u64,
    ) -> Option<Finding> {
        let signed = self.manifests.get(list)?;
        let version = serial.zip(manifest.clone());
        let is_signed = version.is_some_and(|version| signed.contains(&version));
        let message = || match serial {
            Some(serial) => format!(
                "serial {serial} of list {list} was in force, and no manifest that was given is \
                 that one"
            ),
            None => format!("list {list} was in force without a word on which version it was"),
        };
        (!is_signed).then(|| Finding::new("manifest", format!("{origin} leaf {seq}"), message()))
    }

    /// Takes a policy, whose logs and witnesses are known from now on.
    pub fn set_policy(&mut self, policy: CosignPolicy) {
        let known = policy.keys().filter(|key| !self.keys.contains(key));
        let known: Vec<VerifyKey> = known.cloned().collect();
        self.accepted = known.len();
        self.keys.extend(known);
        self.policy = Some(policy);
    }

    /// That too few have cosigned a log's checkpoint.
    pub(super) fn missing_quorum(&self, note: &Note, origin: &str) -> Option<Finding> {
        // A note with a wrong signature by one of these keys was refused before.
        let has_cosigned = |key: &VerifyKey| {
            let keys = std::slice::from_ref(key);
            note.signers(keys).is_ok_and(|signers| !signers.is_empty())
        };
        let policy = self.policy.as_ref()?;
        let message = "those who cosigned are not the quorum that the policy demands";
        let place = format!("{origin} {CHECKPOINT}");
        (!policy.is_met(has_cosigned)).then(|| Finding::new("quorum", place, message))
    }

    /// That a log does not tell as far as it must.
    pub fn missing_end(&self, origin: &str, until: Option<UnixSeconds>) -> Option<Finding> {
        let missing = |wanted: &UnixSeconds| until.is_none_or(|until| until < *wanted);
        let wanted = Moment(self.until.filter(missing)?);
        let reached = until.map_or("nothing".to_owned(), |until| {
            format!("up to {}", Moment(until))
        });
        let message = format!("tells {reached}, not up to {wanted}");
        Some(Finding::new("until", origin, message))
    }

    /// The authors' keys whose log is not among these.
    pub fn missing_logs(&self, origins: &[&str]) -> Vec<Finding> {
        let demanded = self.keys.len() - self.accepted;
        let authors = self.keys.iter().take(demanded).filter(|key| {
            let is_of_log = key.algorithm() == Algorithm::Ed25519;
            // A recovery key has no log of its own.
            let is_recovery = key.name() == recovery_name(key.name());
            is_of_log && !is_recovery && !origins.contains(&key.name())
        });
        authors
            .map(|key| {
                Finding::new(
                    "absent",
                    key.name(),
                    "a key was given for this log, and the log is not there",
                )
            })
            .collect()
    }
}
