//! Who must have cosigned a log before it is believed: a policy file as C2SP tlog-policy describes
//! it.

use std::collections::BTreeSet;
use std::fmt;

use crate::seal::{Algorithm, VerifyKey};

/// A policy has no more lines than this.
const LINES_MAX: usize = 10_000;

/// Logs that are known, and the rule by which witnesses make their checkpoints valid.
#[derive(Clone, Debug)]
pub struct CosignPolicy {
    logs: Vec<VerifyKey>,
    /// Witnesses and groups in their order; a group's members stand before it.
    defined: Vec<(Vec<u8>, CosignRule)>,
    /// Which of them must have witnessed a checkpoint; none where nobody must.
    quorum: Option<usize>,
}

/// What a name stands for.
#[derive(Clone, Debug)]
enum CosignRule {
    Witness(VerifyKey),
    /// So many of these.
    Group(usize, Vec<usize>),
}

/// What is wrong with a policy, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    line: usize,
    reason: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// What has been read so far.
#[derive(Default)]
struct PolicyReading {
    logs: Vec<VerifyKey>,
    defined: Vec<(Vec<u8>, CosignRule)>,
    quorum: Option<Option<usize>>,
    /// Those that are members of a group already.
    members: BTreeSet<usize>,
}

impl CosignPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// When a line is none of a policy, or there is not exactly one quorum.
    pub fn parse(octets: &[u8]) -> Result<Self, PolicyFault> {
        let mut reading = PolicyReading::default();
        let fault = |line: usize, reason: String| PolicyFault { line, reason };
        let lines: Vec<&[u8]> = octets.split(|octet| *octet == b'\n').collect();
        if lines.len() > LINES_MAX {
            return Err(fault(LINES_MAX, "a policy has fewer lines".to_owned()));
        }
        for (at, line) in lines.iter().enumerate() {
            let read = reading.read_line(line);
            read.map_err(|reason| fault(at + 1, reason))?;
        }
        let last = lines.len();
        let quorum = reading.quorum.ok_or_else(|| {
            let reason = "a policy has one line `quorum NAME`, or `quorum none`";
            fault(last, reason.to_owned())
        })?;
        Ok(Self {
            logs: reading.logs,
            defined: reading.defined,
            quorum,
        })
    }

    /// The keys of its logs and of its witnesses.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyKey> {
        let witnesses = self.defined.iter().filter_map(|(_, rule)| match rule {
            CosignRule::Witness(key) => Some(key),
            CosignRule::Group(..) => None,
        });
        self.logs.iter().chain(witnesses)
    }

    /// Is a checkpoint valid that was cosigned with these keys?
    pub fn is_met(&self, has_cosigned: impl Fn(&VerifyKey) -> bool) -> bool {
        let mut witnessed: Vec<bool> = Vec::with_capacity(self.defined.len());
        for (_, rule) in &self.defined {
            let is_witness = match rule {
                CosignRule::Witness(key) => has_cosigned(key),
                CosignRule::Group(threshold, members) => {
                    let count = members
                        .iter()
                        .filter(|at| witnessed.get(**at) == Some(&true));
                    count.count() >= *threshold
                }
            };
            witnessed.push(is_witness);
        }
        self.quorum
            .is_none_or(|at| witnessed.get(at) == Some(&true))
    }
}

impl PolicyReading {
    fn read_line(&mut self, line: &[u8]) -> Result<(), String> {
        if line
            .iter()
            .any(|octet| *octet < b' ' && *octet != b'\t' || *octet == 0x7f)
        {
            return Err("has a control character".to_owned());
        }
        let words = line.split(|octet| matches!(octet, b' ' | b'\t'));
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        match words[..] {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key] | [b"log", key, _] => {
                let key = read_key(key, Algorithm::Ed25519)?;
                if self.logs.iter().any(|known| known.octets() == key.octets()) {
                    return Err("this log's key stands in the policy already".to_owned());
                }
                self.logs.push(key);
                Ok(())
            }
            [b"witness", name, key] | [b"witness", name, key, _] => {
                let key = read_key(key, Algorithm::Cosignature)?;
                if self.has_witness(&key) {
                    return Err("this witness's key stands in the policy already".to_owned());
                }
                self.define(name, CosignRule::Witness(key))
            }
            [b"group", name, threshold, ref members @ ..] => {
                let members = self.read_members(members)?;
                let threshold = read_threshold(threshold, members.len())?;
                self.define(name, CosignRule::Group(threshold, members))
            }
            [b"quorum", name] => {
                let quorum = match name {
                    b"none" => None,
                    name => Some(self.find(name)?),
                };
                match self.quorum.replace(quorum) {
                    None => Ok(()),
                    Some(_) => Err("a policy has one quorum".to_owned()),
                }
            }
            _ => Err(
                "write `log KEY [URL]`, `witness NAME KEY [URL]`, `group NAME all|any|NUMBER \
                 NAME…` or `quorum NAME`"
                    .to_owned(),
            ),
        }
    }

    fn has_witness(&self, key: &VerifyKey) -> bool {
        let mut rules = self.defined.iter().map(|(_, rule)| rule);
        rules.any(
            |rule| matches!(rule, CosignRule::Witness(known) if known.octets() == key.octets()),
        )
    }

    fn define(&mut self, name: &[u8], rule: CosignRule) -> Result<(), String> {
        if name == b"none" || self.find(name).is_ok() {
            return Err(format!("the name {} is taken", name.escape_ascii()));
        }
        self.defined.push((name.to_vec(), rule));
        Ok(())
    }

    fn find(&self, name: &[u8]) -> Result<usize, String> {
        let place = self.defined.iter().position(|(known, _)| known == name);
        place.ok_or_else(|| format!("no line above defines {}", name.escape_ascii()))
    }

    /// A name is a member once, so that each witness counts in one way only.
    fn read_members(&mut self, names: &[&[u8]]) -> Result<Vec<usize>, String> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let place = self.find(name)?;
            if !self.members.insert(place) {
                let name = name.escape_ascii();
                return Err(format!("{name} is a member of a group already"));
            }
            members.push(place);
        }
        Ok(members)
    }
}

fn read_key(word: &[u8], algorithm: Algorithm) -> Result<VerifyKey, String> {
    let text = str::from_utf8(word).map_err(|_| "a key is text".to_owned())?;
    let key = VerifyKey::parse(text).map_err(|error| error.to_string())?;
    if key.algorithm() == algorithm {
        Ok(key)
    } else {
        Err(match algorithm {
            Algorithm::Ed25519 => "a log has a key of algorithm 1".to_owned(),
            Algorithm::Cosignature => "a witness has a key of algorithm 4".to_owned(),
        })
    }
}

fn read_threshold(word: &[u8], members: usize) -> Result<usize, String> {
    let number = str::from_utf8(word)
        .ok()
        .filter(|text| !text.starts_with('+'));
    let threshold = match word {
        b"all" => Some(members),
        b"any" => Some(1),
        _ => number.and_then(|text| text.parse().ok()),
    };
    threshold
        .filter(|threshold| (1..=members).contains(threshold))
        .ok_or_else(|| format!("write all, any, or a number from 1 to its {members} members"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SigningKey;

    fn keys() -> Vec<SigningKey> {
        let name = |n: usize| format!("w{n}.example");
        (0..6)
            .map(|n| SigningKey::generate(&name(n)).unwrap())
            .collect()
    }

    /// Two of three of one house, and one of two of another.
    fn text(keys: &[SigningKey]) -> String {
        let mut text = format!(
            "# who looks\n\nlog {} https://log.example/\n",
            keys[5].public()
        );
        for (name, key) in ["X1", "X2", "X3", "Y1", "Y2"].iter().zip(keys) {
            text.push_str(&format!("\twitness  {name} {}\n", key.public_cosigner()));
        }
        text + "group X 2 X1 X2 X3\ngroup Y any Y1 Y2\ngroup both all X Y \nquorum both\n"
    }

    #[test]
    fn a_quorum_counts_its_groups() {
        let keys = keys();
        let policy = CosignPolicy::parse(text(&keys).as_bytes()).unwrap();
        assert_eq!(policy.keys().count(), 6);
        let is_met = |who: &[usize]| {
            let cosigned: Vec<_> = who.iter().map(|n| keys[*n].public_cosigner()).collect();
            policy.is_met(|key| cosigned.contains(key))
        };
        assert!(is_met(&[0, 1, 3]) && is_met(&[0, 2, 4]) && is_met(&[0, 1, 2, 3, 4]));
        for too_few in [&[][..], &[0, 1], &[0, 1, 2], &[3, 4], &[0, 3], &[2, 3, 4]] {
            assert!(!is_met(too_few), "{too_few:?}");
        }
        let nobody = CosignPolicy::parse(b"quorum none\n").unwrap();
        assert!(nobody.is_met(|_| false) && nobody.keys().count() == 0);
    }

    #[test]
    fn each_mistake_has_its_line() {
        let keys = keys();
        let good = text(&keys);
        let (log, witness) = (keys[5].public(), keys[4].public_cosigner());
        for (from, to, said) in [
            ("quorum both\n", String::new(), "one line `quorum NAME`"),
            (
                "quorum both",
                "quorum both\nquorum both".to_owned(),
                "one quorum",
            ),
            ("quorum both", "quorum Z".to_owned(), "defines Z"),
            ("group X 2", "group X 4".to_owned(), "1 to its 3 members"),
            ("group X 2", "group X 0".to_owned(), "1 to its 3 members"),
            ("group X 2", "group X +2".to_owned(), "1 to its 3 members"),
            ("any Y1 Y2", "any".to_owned(), "1 to its 0 members"),
            ("any Y1 Y2", "any Y1 Y1".to_owned(), "Y1 is a member"),
            ("any Y1 Y2", "any Y1 X1".to_owned(), "X1 is a member"),
            ("any Y1 Y2", "any Y1 none".to_owned(), "defines none"),
            ("all X Y", "all X Z".to_owned(), "defines Z"),
            ("group Y ", "group X ".to_owned(), "X is taken"),
            ("group Y ", "group none ".to_owned(), "none is taken"),
            ("# who looks", format!("log {log}"), "already"),
            ("# who looks", format!("log {witness}"), "algorithm 1"),
            ("# who looks", format!("witness W {log}"), "algorithm 4"),
            ("# who looks", format!("witness W {witness}"), "already"),
            ("# who looks", "log abc".to_owned(), "key"),
            ("# who looks", "observer W".to_owned(), "write `log"),
            ("# who looks", "# who\rlooks".to_owned(), "control"),
        ] {
            let text = good.replacen(from, &to, 1);
            assert_ne!(text, good, "{from}");
            let fault = CosignPolicy::parse(text.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(
                fault.starts_with("line ") && fault.contains(said),
                "{to}: {fault}"
            );
        }
    }
}
