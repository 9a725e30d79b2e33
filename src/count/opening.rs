//! What a commitment to the counts of a list's entries is made of: the resolver keeps it, and gives
//! it to the curator alone.
//!
//! `docs/audit-format.md` describes the commitment and the openings. Neither type can be printed by
//! accident.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::cells::EntryCounts;
use crate::clock::UnixSeconds;
use crate::record::Moment;
use crate::seal::sha256;

const SALT_OCTETS: usize = 32;
const VERSION: u64 = 1;

/// What one commitment is opened with.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// The hour's first second.
    pub hour: UnixSeconds,
    /// Random octets, without which the counts could be guessed from the commitment.
    pub salt: [u8; SALT_OCTETS],
    /// The counts, none of them 0.
    pub counts: EntryCounts,
}

impl Opening {
    /// An opening with a new salt; an error where the system gives no randomness.
    pub fn new(hour: UnixSeconds, counts: EntryCounts) -> Result<Self, getrandom::Error> {
        let mut salt = [0; SALT_OCTETS];
        getrandom::fill(&mut salt)?;
        Ok(Self { hour, salt, counts })
    }

    /// The counts as the commitment has them: one JSON object in the leaves' canonical text.
    pub fn counts_text(&self) -> String {
        // Keys are sorted as texts there: 10 comes before 9.
        let sorted: BTreeMap<String, u64> = self
            .counts
            .iter()
            .map(|(number, count)| (number.to_string(), *count))
            .collect();
        let counts: Vec<String> = sorted
            .iter()
            .map(|(number, count)| format!("\"{number}\":{count}"))
            .collect();
        format!("{{{}}}", counts.join(","))
    }

    /// SHA-256 of the salt and the counts' text, in hexadecimal.
    pub fn commitment(&self) -> String {
        HEXLOWER.encode(&sha256(
            &[&self.salt, self.counts_text().as_bytes()].concat(),
        ))
    }
}

/// Counts from their text; none where it is not one.
pub fn read_counts(text: &str) -> Option<EntryCounts> {
    serde_json::from_str(text).ok()
}

/// The openings of one list, as they travel to its curator, encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Openings {
    /// The name of the log: `provider/resolver`.
    pub origin: String,
    /// The list's id.
    pub list: String,
    /// One an hour, earliest first.
    pub openings: Vec<Opening>,
}

/// The text is no openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "holds no openings of entry counts that this wardline can read: name a file that `wardline \
     audit open` wrote"
)]
pub struct OpeningsFault;

/// The text's form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpeningDocument {
    v: u64,
    origin: String,
    list: String,
    openings: Vec<Hour>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hour {
    hour: Moment,
    salt: String,
    counts: EntryCounts,
}

impl Openings {
    /// The JSON text that is encrypted.
    pub fn to_json(&self) -> Result<Vec<u8>, OpeningsFault> {
        let hours = self.openings.iter().map(|opening| Hour {
            hour: Moment(opening.hour),
            salt: HEXLOWER.encode(&opening.salt),
            counts: opening.counts.clone(),
        });
        let document = OpeningDocument {
            v: VERSION,
            origin: self.origin.clone(),
            list: self.list.clone(),
            openings: hours.collect(),
        };
        serde_json::to_vec(&document).map_err(|_| OpeningsFault)
    }

    /// Reads such a text.
    pub fn parse(json: &[u8]) -> Result<Self, OpeningsFault> {
        let OpeningDocument {
            v,
            origin,
            list,
            openings,
        } = serde_json::from_slice(json).map_err(|_| OpeningsFault)?;
        let opening = |Hour { hour, salt, counts }: Hour| {
            let salt = HEXLOWER.decode(salt.as_bytes()).ok()?.try_into().ok()?;
            Some(Opening {
                hour: hour.0,
                salt,
                counts,
            })
        };
        let openings: Option<Vec<Opening>> = openings.into_iter().map(opening).collect();
        match openings {
            Some(openings) if v == VERSION => Ok(Self {
                origin,
                list,
                openings,
            }),
            _ => Err(OpeningsFault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            hour: 1_767_225_600,
            salt: [7; SALT_OCTETS],
            counts: EntryCounts::from([(9, 1), (10, 4_000_000_000_000), (4_294_967_295, 2)]),
        }
    }

    #[test]
    fn a_commitment_is_the_hash_of_salt_and_canonical_counts() {
        assert_eq!(
            opening().counts_text(),
            r#"{"10":4000000000000,"4294967295":2,"9":1}"#
        );
        let value: serde_json::Value = serde_json::from_str(&opening().counts_text()).unwrap();
        assert_eq!(
            opening().counts_text(),
            value.to_string(),
            "canonical as the leaves are"
        );
        assert_eq!(
            read_counts(&opening().counts_text()),
            Some(opening().counts)
        );
        let hashed = [
            &[7; 32][..],
            br#"{"10":4000000000000,"4294967295":2,"9":1}"#,
        ]
        .concat();
        assert_eq!(opening().commitment(), HEXLOWER.encode(&sha256(&hashed)));
        let empty = || Opening::new(0, EntryCounts::new()).unwrap();
        assert_eq!(empty().counts_text(), "{}");
        assert_ne!(
            empty().commitment(),
            empty().commitment(),
            "the same counts have another salt each hour"
        );
    }

    #[test]
    fn openings_come_back_and_nothing_else_does() {
        let openings = Openings {
            origin: "provider.example/one".into(),
            list: "law".into(),
            openings: vec![opening()],
        };
        let json = String::from_utf8(openings.to_json().unwrap()).unwrap();
        assert!(Openings::parse(json.as_bytes()).is_ok_and(|read| read == openings));
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"list\"", "\"liste\""),
            ("\"9\":1", "\"x\":1"),
            ("\"9\":1", "\"4294967296\":1"),
            ("\"9\":1", "\"9\":-1"),
            ("0707", "07"),
            ("2026-01-01T00:00:00Z", "yesterday"),
        ] {
            assert_ne!(json.replacen(from, to, 1), json, "{from}");
            assert!(
                Openings::parse(json.replacen(from, to, 1).as_bytes()).is_err(),
                "{to}"
            );
        }
    }
}
