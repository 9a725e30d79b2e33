//! The list flow, from top to bottom: what a source offers is believed, decrypted, read, guarded,
//! tried out, kept, put in force and proven.
//!
//! Each step makes of one type the next, which nothing else can make: none can be left out. Where
//! one fails, the list in force stays. `build` runs aside, all else with the list's keeper.

use std::io;
use std::sync::Arc;

use super::against::{Against, FileSight, Rest};
use super::bundle::{Bundle, Way};
use super::decisions::Generation;
use super::decrypt::{clear, unused};
use super::disk::Stored;
use super::front::LiveFront;
use super::listed::Unsigned;
use super::load::{Bounds, Loaded, hex, left_over, load};
use super::prove::{ProbeAnswers, Prover, Unproven};
use super::refusal::Cause;
use super::refused::RefusedOffer;
use super::removal::Overlay;
use super::stand::{Entered, Held, Stand};
use super::state::ListChange;
use super::text::{Stamp, Text};
use super::trial::OnTrial;
use super::verify::{Believed, SerialStanding};
use crate::clock::{now_ms, wall_s};
use crate::list::Hash;
use crate::list::guard::{Code, GuardFinding};
use crate::policy::Shadow;

/// What a source offers.
pub(super) struct Offered {
    pub(super) bundle: Bundle,
    pub(super) received_ms: i64,
    /// It is the list's own file, which is read when it has come to rest.
    pub(super) rest: Option<Rest>,
}

/// Offered, and to be believed.
pub(super) struct Vouched {
    offered: Offered,
    pub(super) believed: Option<Believed>,
    pub(super) verified_ms: i64,
}

/// What an offer's papers come to.
pub(super) enum Belief {
    /// To be read.
    New(Box<Vouched>),
    /// It is in force, tried out, or gone back from.
    Known(Hash),
}

/// Are its papers in order, and is it newer than what there is?
pub(super) fn believe(offered: Offered, stand: &Stand) -> Result<Belief, Box<RefusedOffer>> {
    let place = &offered.bundle.origin.place;
    let believed = match &offered.bundle.manifest {
        None if stand.list.papers.unsigned == Unsigned::Refuse && offered.rest.is_none() => {
            return Err(RefusedOffer::new(Cause::Unsigned, place));
        }
        None => None,
        Some(note) => match stand.judge(note) {
            Ok(SerialStanding::Known(known)) => return Ok(Belief::Known(known.hash)),
            Ok(SerialStanding::Newer(believed)) => Some(believed),
            Err(cause) => return Err(RefusedOffer::new(cause, place)),
        },
    };
    Ok(Belief::New(Box::new(Vouched {
        offered,
        believed,
        verified_ms: now_ms(),
    })))
}

/// What building came to.
pub(super) struct Built {
    pub(super) sight: FileSight,
    /// Nothing where the text is in force already, or was gone back from.
    pub(super) result: Result<Option<Guarded>, Box<RefusedOffer>>,
}

/// Decrypt, read and guard; seconds for a million names.
pub(super) fn build(vouched: Vouched, against: &Against) -> Built {
    let place = vouched.offered.bundle.origin.place.clone();
    let believed = vouched.believed.clone();
    let (sight, rested) = against.rest(vouched.offered.rest.as_ref());
    let read = rested.and_then(|rested| read(decrypt(vouched, against)?, rested, against));
    let refused = |cause| RefusedOffer::with(cause, &place, believed);
    let result = read
        .map_err(refused)
        .and_then(|read| read.map(|read| guard(read, against)).transpose());
    Built { sight, result }
}

/// Believed, with its entries in the clear.
struct ClearList {
    vouched: Vouched,
    /// In memory alone where it came encrypted.
    text: Text,
    unused_identities: Vec<String>,
}

fn decrypt(vouched: Vouched, against: &Against) -> Result<ClearList, Cause> {
    let manifest = vouched.believed.as_ref().map(|believed| &believed.manifest);
    let text = clear(vouched.offered.bundle.text.clone(), manifest, &against.list)?;
    let unused_identities = unused(&vouched.offered.bundle.text, manifest, &against.list);
    Ok(ClearList {
        vouched,
        text,
        unused_identities,
    })
}

/// Read and compiled.
struct ReadList {
    vouched: Vouched,
    loaded: Loaded,
    unproven: Option<Unproven>,
    unused_identities: Vec<String>,
}

fn read(
    clear: ClearList,
    rested: Option<Stamp>,
    against: &Against,
) -> Result<Option<ReadList>, Cause> {
    let ClearList {
        vouched,
        text,
        unused_identities,
    } = clear;
    let manifest = vouched.believed.as_ref().map(|believed| &believed.manifest);
    let snapshot = against.front.live.load_full();
    let before = snapshot.table(against.list.index);
    let protected = against.front.protected();
    let bounds = Bounds {
        protected: &protected,
        limits: &against.list.limits,
        before: before.filter(|_| against.is_live).map(|table| &**table),
        gives_way: against.is_live,
    };
    let stamp = rested.map_or_else(|| Stamp::of_text(&text), |stamp| Ok(Some(stamp)))?;
    let in_force = manifest.is_none().then_some(against.in_force.as_str());
    let script = against.list.script_of(&text, manifest);
    let Some(loaded) = load(script, snapshot.key(), stamp, in_force, bounds)? else {
        return Ok(None);
    };
    if manifest.is_none() && Some(hex(&loaded.digest)) == against.left {
        return Ok(None);
    }
    if let Some(manifest) = manifest
        && loaded.parsed.entries + loaded.parsed.expired != manifest.entries
    {
        return Err(Cause::Count {
            found: loaded.parsed.entries + loaded.parsed.expired,
            stated: manifest.entries,
        });
    }
    let times = [vouched.offered.received_ms, vouched.verified_ms];
    let unproven = manifest.map(|manifest| Unproven::new(manifest, &text, times));
    Ok(Some(ReadList {
        vouched,
        loaded,
        unproven: unproven.transpose()?,
        unused_identities,
    }))
}

/// In order, or let pass by the operator.
pub(super) struct Guarded {
    /// The manifest's hash, or the text's own where it has no manifest.
    pub(super) known_by: Hash,
    pub(super) loaded: Loaded,
    pub(super) believed: Option<Believed>,
    pub(super) bundle: Bundle,
    pub(super) received_ms: i64,
    unproven: Option<Unproven>,
    unused_identities: Vec<String>,
    /// Where its text lies in the list's folder; nothing where the list is not kept.
    pub(super) stored: Option<Result<Stored, io::Error>>,
}

impl Guarded {
    pub(super) fn serial(&self) -> Option<u64> {
        let believed = self.believed.as_ref();
        believed.map(|believed| believed.manifest.serial)
    }

    pub(super) fn place(&self) -> &str {
        &self.bundle.origin.place
    }

    /// Not in order: it is not put in force unless the operator lets it pass.
    fn hold_back(self, findings: Vec<GuardFinding>) -> Box<RefusedOffer> {
        let codes = findings.iter().map(|finding| finding.code).collect();
        let refused = RefusedOffer::with(
            Cause::Guard(findings),
            &self.bundle.origin.place,
            self.believed,
        );
        let stored = self.stored.and_then(Result::ok);
        let held = Held::new(self.known_by, codes, self.bundle, self.received_ms);
        refused.holding(Held { stored, ..held })
    }
}

fn guard(read: ReadList, against: &Against) -> Result<Guarded, Box<RefusedOffer>> {
    let ReadList {
        vouched,
        loaded,
        unproven,
        unused_identities,
    } = read;
    let (believed, received_ms) = (vouched.believed, vouched.offered.received_ms);
    let known_by = believed
        .as_ref()
        .map_or(Hash(loaded.digest), |believed| believed.hash);
    let bundle = vouched.offered.bundle;
    let mut found = loaded.findings.clone();
    let serial = believed.as_ref().map(|believed| believed.manifest.serial);
    found
        .extend(serial.and_then(|serial| GuardFinding::of_leap(against.highest, serial, wall_s())));
    let findings = left_over(&found, known_by, &against.passes);
    let on_trial = against.stored_trial(known_by);
    let store = |folder| on_trial.map_or_else(|| bundle.store(folder, loaded.digest), Ok);
    let stored = against.folder.as_deref().map(store);
    let guarded = Guarded {
        known_by,
        loaded,
        believed,
        bundle,
        received_ms,
        unproven,
        unused_identities,
        stored,
    };
    if findings.is_empty() {
        Ok(guarded)
    } else {
        Err(guarded.hold_back(findings))
    }
}

/// Tried out for long enough, or not to be tried out.
pub(super) struct Tried(Guarded);

/// What becomes of what is in order.
pub(super) enum Trying {
    Begun(Box<OnTrial<Guarded>>),
    Over(Box<Tried>),
}

/// Try it out first, where its list is configured so and something is in force that stays
/// meanwhile.
pub(super) fn try_out(guarded: Guarded, stand: &Stand) -> Trying {
    let is_passed = stand.lets_pass(guarded.known_by, Code::Shadow);
    if stand.list.stage.time.is_zero() || !stand.is_live() || is_passed {
        return Trying::Over(Box::new(Tried(guarded)));
    }
    let table = Arc::clone(&guarded.loaded.table);
    let entries = table.entry_count() as u64;
    let shadow = Arc::new(Shadow::new(stand.list.index, table));
    Trying::Begun(Box::new(OnTrial::begin(guarded, shadow, entries)))
}

/// End a trial: what was tried out may come in force, or is held back.
pub(super) fn end_trial(
    trial: OnTrial<Guarded>,
    stand: &Stand,
) -> Result<Tried, Box<RefusedOffer>> {
    match stand.list.stage.judge(trial.counted()) {
        Some(finding) => Err(trial.tried.hold_back(vec![finding])),
        None => Ok(Tried(trial.tried)),
    }
}

/// Remembered on disk: from now on it may be put in force.
pub(super) struct Kept {
    pub(super) entered: Entered,
    unproven: Option<Unproven>,
}

impl Kept {
    /// A generation that was kept before, and read back.
    pub(super) const fn taken_back(entered: Entered, unproven: Option<Unproven>) -> Self {
        Self { entered, unproven }
    }
}

/// Remember it as the one in force. A list with a file of its own, which is read again at the next
/// start, comes in force all the same where that fails.
pub(super) fn keep(tried: Tried, stand: &mut Stand) -> Result<Kept, Box<RefusedOffer>> {
    let Guarded {
        loaded,
        believed,
        bundle,
        unproven,
        unused_identities,
        stored,
        ..
    } = tried.0;
    let generation = Generation {
        number: 0,
        serial: believed.as_ref().map(|believed| believed.manifest.serial),
        manifest: believed.as_ref().map(|believed| believed.hash.to_string()),
        sha256: hex(&loaded.digest),
        entries: loaded.table.entry_count() as u64,
        accepted: wall_s(),
        way: bundle.origin.way.word().to_owned(),
    };
    let number = match stand.remember(generation, stored) {
        Err(error) if bundle.origin.way == Way::File => {
            stand.tell_unkept(&error);
            None
        }
        Err(error) => return Err(RefusedOffer::with(error, &bundle.origin.place, believed)),
        Ok(number) => number,
    };
    let entered = Entered {
        loaded,
        manifest: believed.map(|believed| believed.manifest),
        note: bundle.manifest,
        kept: number,
        is_rolled_back: false,
        unused_identities,
        place: bundle.origin.place,
    };
    Ok(Kept { entered, unproven })
}

/// In force for every question.
pub(super) struct EnteredList {
    /// What our doors are to be asked for; nothing where there is no manifest to prove.
    pub(super) unproven: Option<Unproven>,
    entries: u64,
    rejects: u64,
}

impl EnteredList {
    /// What coming in force changed.
    pub(super) const fn change(&self) -> ListChange {
        let Self {
            entries, rejects, ..
        } = *self;
        ListChange::Swapped { entries, rejects }
    }
}

/// Put it in force, with what removals take off it at this moment; `tell` shows how the list stands
/// to others, who may not find the new list in force and the old one told.
pub(super) fn enter(
    kept: Kept,
    stand: &mut Stand,
    front: &LiveFront,
    tell: impl FnOnce(&Stand),
) -> EnteredList {
    let (list, entered) = (stand.list.index, &kept.entered);
    let table = Arc::clone(&entered.loaded.table);
    let key = front.live.load().key();
    let removed = stand.overlay(entered.manifest.as_ref(), key, wall_s());
    front.swap(|before| {
        let mut next = before.with_table(list, table);
        if let Some(removed) = &removed.table {
            next = next.with_removed(list, Some(Arc::clone(removed)));
        }
        let entered = note_entered(kept, stand, next.generation(), removed);
        tell(stand);
        (next, entered)
    })
}

/// It is in force: as [`enter`], for the start, when there is nothing to swap.
pub(super) fn note_entered(
    kept: Kept,
    stand: &mut Stand,
    generation: u64,
    removed: Overlay,
) -> EnteredList {
    let Kept {
        entered,
        mut unproven,
    } = kept;
    if let Some(unproven) = &mut unproven {
        unproven.note_live();
    }
    stand.note_live(&entered, generation);
    stand.note_overlay(removed, &entered.loaded.table);
    EnteredList {
        unproven,
        entries: entered.loaded.table.entry_count() as u64,
        rejects: entered.loaded.parsed.rejects,
    }
}

/// Ask our own doors about a list that is in force; takes as long as they take.
pub(super) fn prove(unproven: &Unproven, prover: &Prover) -> ProbeAnswers {
    prover.ask_all(unproven)
}
