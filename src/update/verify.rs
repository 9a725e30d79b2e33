//! Holds a list's papers against what the operator configured, before a single entry is read.

use super::decisions::Highest;
use super::refusal::Cause;
use crate::clock::UnixSeconds;
use crate::list::Hash;
use crate::list::key_chain::KeySet;
use crate::list::manifest::Manifest;
use crate::list::removal::Removal;
use crate::seal::{Note, VerifyKey};

/// How far a curator's clock may be ahead of ours, in seconds.
const AHEAD_S_MAX: i64 = 300;

/// A manifest that the configured keys have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Believed {
    pub(super) manifest: Manifest,
    /// What the manifest is known by.
    pub(super) hash: Hash,
}

/// How a manifest stands to the one that was last accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SerialStanding {
    /// Above it.
    Newer(Believed),
    /// It is the same.
    Known(Believed),
}

impl SerialStanding {
    /// Is it above it?
    pub(super) const fn is_newer(&self) -> bool {
        matches!(self, Self::Newer(_))
    }
}

/// Are enough of the list's keys under the note, and does it speak of this list?
pub(super) fn believe(note: &Note, list: &str, quorum: &KeySet) -> Result<Believed, Cause> {
    let signed = signers(note, &quorum.keys)?.len();
    let needed = quorum.threshold.max(1);
    if signed < needed {
        return Err(Cause::Signatures { signed, needed });
    }
    let manifest = Manifest::parse(note.text()).map_err(Cause::Papers)?;
    if !manifest.list.eq(list) {
        return Err(Cause::OtherList);
    }
    Ok(Believed {
        hash: Manifest::hash_of(note),
        manifest,
    })
}

/// Is a manifest above the one that was last accepted, and of this time?
pub(super) fn judge_time(
    believed: Believed,
    highest: Option<Highest>,
    now: UnixSeconds,
) -> Result<SerialStanding, Cause> {
    let Manifest {
        serial,
        issued,
        expires,
        ..
    } = believed.manifest;
    if let Some(highest) = highest {
        if serial < highest.serial {
            return Err(Cause::OldSerial {
                serial,
                highest: highest.serial,
            });
        }
        if serial == highest.serial {
            return if believed.hash == highest.manifest {
                Ok(SerialStanding::Known(believed))
            } else {
                Err(Cause::SameSerial { serial })
            };
        }
    }
    if issued > now + AHEAD_S_MAX {
        return Err(Cause::Future {
            ahead_s: issued - now,
        });
    }
    if expires <= now {
        return Err(Cause::Expired {
            since_s: now - expires,
        });
    }
    Ok(SerialStanding::Newer(believed))
}

/// A removal that one of the list's keys has signed and that has not run out.
pub(super) fn believe_removal(
    note: &Note,
    list: &str,
    keys: &[VerifyKey],
    now: UnixSeconds,
) -> Result<Removal, Cause> {
    if signers(note, keys)?.is_empty() {
        return Err(Cause::Signatures {
            signed: 0,
            needed: 1,
        });
    }
    let removal = Removal::parse(note.text()).map_err(Cause::Papers)?;
    if removal.list != list {
        return Err(Cause::OtherList);
    }
    if removal.until <= now {
        return Err(Cause::RemovalOver {
            since_s: now - removal.until,
        });
    }
    Ok(removal)
}

fn signers<'k>(note: &Note, keys: &'k [VerifyKey]) -> Result<Vec<&'k VerifyKey>, Cause> {
    note.signers(keys).map_err(Cause::Note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::manifest::{ListAction, ManifestBasis, Secrecy, Settlement};
    use crate::seal::SigningKey;

    const NOW: UnixSeconds = 1_772_373_600;

    fn manifest(serial: u64) -> Manifest {
        Manifest {
            list: "example".to_owned(),
            authority: "Example Authority".to_owned(),
            basis: ManifestBasis::Law,
            legal_basis: "Example Act".to_owned(),
            action: ListAction::StopPage,
            serial,
            issued: NOW,
            expires: NOW + 86_400,
            previous: None,
            entries: 1,
            sha256: Hash::of(b"a.test\n"),
            test_entry: None,
            secrecy: Secrecy::Open,
            settles: Settlement::ByDate,
        }
    }

    fn signed(manifest: &Manifest, keys: &[&SigningKey]) -> Note {
        let mut note = Note::new(&manifest.to_text()).unwrap();
        keys.iter().for_each(|key| note.sign(key).unwrap());
        note
    }

    #[test]
    fn so_many_of_the_lists_own_keys_must_have_signed() {
        let [one, two, stranger] =
            ["one.test", "two.test", "one.test"].map(|name| SigningKey::generate(name).unwrap());
        let papers = KeySet {
            keys: vec![one.public(), two.public()],
            threshold: 2,
        };
        let believed =
            |keys: &[&SigningKey]| believe(&signed(&manifest(1), keys), "example", &papers);
        assert_eq!(believed(&[&one, &two]).unwrap().manifest, manifest(1));
        assert!(
            believed(&[&one, &two, &stranger]).is_ok(),
            "a stranger's signature means nothing"
        );
        assert!(matches!(
            believed(&[&one]),
            Err(Cause::Signatures {
                signed: 1,
                needed: 2
            })
        ));
        assert!(matches!(
            believed(&[&one, &stranger]),
            Err(Cause::Signatures {
                signed: 1,
                needed: 2
            })
        ));
        let note = signed(&manifest(1), &[&one, &two]);
        assert!(matches!(
            believe(&note, "other", &papers),
            Err(Cause::OtherList)
        ));
        let nobody = KeySet {
            keys: vec![],
            threshold: 0,
        };
        assert!(matches!(
            believe(&note, "example", &nobody),
            Err(Cause::Signatures {
                signed: 0,
                needed: 1
            })
        ));
    }

    #[test]
    fn serials_rise_and_times_are_of_now() {
        let believed = |manifest: Manifest| Believed {
            hash: manifest.hash(),
            manifest,
        };
        let highest = Highest {
            serial: 7,
            manifest: manifest(7).hash(),
        };
        let judge = |manifest: Manifest| judge_time(believed(manifest), Some(highest), NOW);
        assert!(matches!(judge(manifest(8)), Ok(SerialStanding::Newer(_))));
        assert!(matches!(judge(manifest(7)), Ok(SerialStanding::Known(_))));
        assert!(matches!(
            judge(manifest(6)),
            Err(Cause::OldSerial {
                serial: 6,
                highest: 7
            })
        ));
        assert!(matches!(
            judge(Manifest {
                entries: 2,
                ..manifest(7)
            }),
            Err(Cause::SameSerial { serial: 7 })
        ));
        assert!(matches!(
            judge(Manifest {
                issued: NOW + 301,
                ..manifest(8)
            }),
            Err(Cause::Future { ahead_s: 301 })
        ));
        assert!(matches!(
            judge(Manifest {
                issued: NOW + 300,
                ..manifest(8)
            }),
            Ok(SerialStanding::Newer(_))
        ));
        assert!(matches!(
            judge(Manifest {
                issued: 0,
                expires: NOW,
                ..manifest(8)
            }),
            Err(Cause::Expired { since_s: 0 })
        ));
        assert!(matches!(
            judge_time(believed(manifest(1)), None, NOW),
            Ok(SerialStanding::Newer(_))
        ));
    }
}
