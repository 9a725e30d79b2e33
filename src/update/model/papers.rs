//! Issues and removals as a curator signs them, at random.

use std::fmt;
use std::rc::Rc;
use std::sync::LazyLock;

use super::dice::Dice;
use crate::clock::UnixSeconds;
use crate::list::guard::Code;
use crate::list::manifest::{ListAction, Manifest, ManifestBasis, Secrecy, Settlement};
use crate::list::removal::{CarriedRemoval, Removal};
use crate::list::serial::LEAP_MAX;
use crate::list::{Hash, Scope};
use crate::name::Name;
use crate::seal::{Note, SigningKey};
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::text::Text;

pub(super) const LIST: &str = "signed";
/// The names there are; the last one must never be blocked.
pub(super) const NAMES: [&str; 8] = [
    "a.example",
    "b.example",
    "c.example",
    "d.example",
    "e.example",
    "f.example",
    "g.example",
    "never.example",
];
pub(super) const NEVER: usize = NAMES.len() - 1;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;

pub(super) static CURATOR: LazyLock<SigningKey> = LazyLock::new(|| key("curator.test"));
static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| key("stranger.test"));

fn key(name: &str) -> SigningKey {
    SigningKey::generate(name).unwrap()
}

pub(super) fn name(number: usize) -> Name {
    Name::parse(NAMES[number]).unwrap()
}

/// One issue of the list.
pub(super) struct ModelIssue {
    pub(super) serial: u64,
    pub(super) names: Vec<usize>,
    pub(super) issued: UnixSeconds,
    pub(super) expires: UnixSeconds,
    settles: Option<Vec<Hash>>,
    pub(super) is_signed: bool,
    /// The entries are not those that the manifest names.
    pub(super) is_damaged: bool,
    pub(super) hash: Hash,
    note: Note,
    text: String,
}

struct IssuePlan {
    serial: u64,
    names: Vec<usize>,
    issued: UnixSeconds,
    lasts: i64,
    settles: Option<Vec<Hash>>,
    /// Makes each text another one.
    comment: u64,
    is_signed: bool,
    is_damaged: bool,
}

/// Enough to follow a sequence that failed.
impl fmt::Debug for ModelIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            serial,
            names,
            issued,
            expires,
            settles,
            hash,
            ..
        } = self;
        let settles = settles.as_ref().map(|hashes| brief(hashes));
        write!(f, "issue {serial} ({}) of {names:?}", brief(&[*hash]))?;
        write!(f, " from {issued} to {expires} settles {settles:?}")?;
        f.write_str(if self.is_signed { "" } else { " unsigned" })?;
        f.write_str(if self.is_damaged { " damaged" } else { "" })
    }
}

fn brief(hashes: &[Hash]) -> String {
    let brief = |hash: &Hash| hash.to_string().chars().take(6).collect::<String>();
    hashes.iter().map(brief).collect::<Vec<_>>().join(" ")
}

impl PartialEq for ModelIssue {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl ModelIssue {
    /// An issue of these entries, signed in order.
    pub(super) fn of(serial: u64, names: &[usize], now: UnixSeconds, settles: &[Hash]) -> Self {
        let plan = IssuePlan {
            serial,
            names: names.to_vec(),
            issued: now,
            lasts: 30 * DAY_S,
            settles: Some(settles.to_vec()),
            comment: 0,
            is_signed: true,
            is_damaged: false,
        };
        Self::make(plan)
    }

    /// A random issue with this serial, signed at a moment of the curator's clock.
    pub(super) fn sign(
        dice: &mut Dice,
        serial: u64,
        now: UnixSeconds,
        removals: &[Rc<IssuedRemoval>],
    ) -> Self {
        let mut names: Vec<usize> = (0..NEVER).filter(|_| dice.is(60)).collect();
        names.extend(dice.is(15).then_some(NEVER));
        if names.is_empty() {
            names.push(0);
        }
        let settles = match dice.roll(100) {
            0..20 => None,
            percent => {
                let settled = removals.iter().filter(|_| percent < 70 || dice.is(50));
                let mut hashes: Vec<Hash> = settled.map(|removed| removed.hash).collect();
                hashes.sort_unstable();
                Some(hashes)
            }
        };
        let issued = now + *dice.pick(&[0, 0, 0, 0, 0, 0, 0, -HOUR_S, -DAY_S, HOUR_S]);
        let lasts = *dice.pick(&[30 * DAY_S, 30 * DAY_S, 30 * DAY_S, 30 * DAY_S, DAY_S, 60]);
        Self::make(IssuePlan {
            serial,
            names,
            issued,
            lasts,
            settles,
            comment: dice.roll(u64::MAX),
            is_signed: !dice.is(4),
            is_damaged: !dice.is(96),
        })
    }

    fn make(plan: IssuePlan) -> Self {
        let IssuePlan {
            serial,
            names,
            issued,
            lasts,
            settles,
            comment,
            is_signed,
            is_damaged,
        } = plan;
        let lines = names.iter().map(|name| format!("{}\n", NAMES[*name]));
        let text = format!("# {comment}\n{}", lines.collect::<String>());
        let manifest = Manifest {
            list: LIST.to_owned(),
            authority: "Example Authority".to_owned(),
            basis: ManifestBasis::Law,
            legal_basis: "Example Act".to_owned(),
            action: ListAction::StopPage,
            serial,
            issued,
            expires: issued + lasts,
            previous: None,
            entries: names.len() as u64,
            sha256: Hash::of(text.as_bytes()),
            test_entry: None,
            secrecy: Secrecy::Open,
            settles: settles
                .clone()
                .map_or(Settlement::ByDate, Settlement::Named),
        };
        Self {
            serial,
            names,
            issued,
            expires: issued + lasts,
            settles,
            is_signed,
            is_damaged,
            hash: manifest.hash(),
            note: signed(&manifest.to_text(), is_signed),
            text: text + if is_damaged { "z.example\n" } else { "" },
        }
    }

    pub(super) fn settles(&self, removed: &IssuedRemoval) -> bool {
        match &self.settles {
            None => self.issued > removed.from,
            Some(hashes) => hashes.contains(&removed.hash),
        }
    }

    /// What the guard finds, where this was accepted last.
    pub(super) fn findings(&self, floor: Option<&Rc<Self>>) -> Vec<Code> {
        let leaps = floor.is_some_and(|floor| self.serial > floor.serial + LEAP_MAX);
        let is_wide = self.names.contains(&NEVER);
        let found = [(is_wide, Code::NeverBlock), (leaps, Code::Serial)];
        let found = found.into_iter().filter(|(is_found, _)| *is_found);
        found.map(|(_, code)| code).collect()
    }

    pub(super) fn bundle(&self) -> Bundle {
        let text = self.text.clone().into_bytes();
        Bundle {
            list: 0,
            manifest: Some(self.note.clone()),
            text: Text::Memory(std::sync::Arc::new(text.into())),
            origin: origin(),
        }
    }
}

pub(super) fn origin() -> Origin {
    Origin {
        way: Way::Push,
        place: "the curator".to_owned(),
    }
}

/// One emergency removal.
pub(super) struct IssuedRemoval {
    pub(super) from: UnixSeconds,
    pub(super) until: UnixSeconds,
    pub(super) names: Vec<usize>,
    pub(super) is_signed: bool,
    pub(super) hash: Hash,
    note: Note,
}

impl fmt::Debug for IssuedRemoval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            until,
            names,
            hash,
            ..
        } = self;
        write!(f, "removal ({}) of {names:?}", brief(&[*hash]))?;
        write!(f, " from {from} to {until}")?;
        f.write_str(if self.is_signed { "" } else { " unsigned" })
    }
}

impl PartialEq for IssuedRemoval {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl IssuedRemoval {
    /// For a day, signed in order.
    pub(super) fn of(names: &[usize], from: UnixSeconds) -> Self {
        Self::make(names.to_vec(), (from, from + DAY_S), 0, true)
    }

    /// A random one, signed at a moment of the curator's clock.
    pub(super) fn sign(dice: &mut Dice, now: UnixSeconds) -> Self {
        let mut names: Vec<usize> = (0..NEVER).filter(|_| dice.is(30)).collect();
        if names.is_empty() {
            names.push(dice.roll(NEVER as u64) as usize);
        }
        let ahead = [0, 0, 0, 0, 0, -HOUR_S, -DAY_S, 200, 2 * HOUR_S, 25 * HOUR_S];
        let from = now + *dice.pick(&ahead);
        let until = from + *dice.pick(&[100, HOUR_S, DAY_S, DAY_S, 31 * DAY_S]);
        let number = 1 + dice.roll(u64::MAX - 1);
        Self::make(names, (from, until), number, !dice.is(5))
    }

    fn make(
        names: Vec<usize>,
        (from, until): (UnixSeconds, UnixSeconds),
        number: u64,
        is_signed: bool,
    ) -> Self {
        let removal = Removal {
            list: LIST.to_owned(),
            from,
            until,
            reason: format!("listed by mistake {number}"),
            entries: names.iter().map(|at| (name(*at), Scope::Below)).collect(),
        };
        Self {
            from,
            until,
            names,
            is_signed,
            hash: removal.hash(),
            note: signed(&removal.to_text(), is_signed),
        }
    }

    pub(super) fn carried(&self) -> CarriedRemoval {
        CarriedRemoval::Open(self.note.clone())
    }
}

fn signed(text: &str, is_ours: bool) -> Note {
    let mut note = Note::new(text).unwrap();
    let key: &SigningKey = if is_ours { &CURATOR } else { &STRANGER };
    note.sign(key).unwrap();
    note
}
