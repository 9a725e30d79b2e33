//! The emergency removals of a list on its desk: in the clear in `removals/` until they run out,
//! and handed out in one file until an issue has taken them up.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::super::failure::CommandFailure;
use super::super::files::{read, unreadable, unwritable, write_file};
use super::desk::Desk;
use super::encrypt::seal_entries;
use crate::clock::{UnixSeconds, wall_s};
use crate::list::manifest::{SETTLED_MAX, Secrecy, Settlement};
use crate::list::removal::{CarriedRemoval, REMOVALS_OCTETS_MAX, Removal, parse_several};
use crate::list::{Hash, Scope};
use crate::name::Name;
use crate::seal::Note;
use crate::seal::age::armor;

/// The folder on the desk; a removal's file is named by what the removal is known by.
const FOLDER: &str = "removals";

/// What the removals of a list say, by what they are known by.
pub(super) type KnownRemovals = BTreeMap<Hash, Removal>;

/// The removals that were made here, and those that lie open in `issue/`; some may be over.
pub(super) fn known(desk: &Desk) -> Result<KnownRemovals, CommandFailure> {
    let mut known = BTreeMap::new();
    let mut add = |place: PathBuf, known_by: Option<Hash>, octets: &[u8]| {
        let failed = |what: String| CommandFailure::Failed(format!("{}: {what}", place.display()));
        let note = Note::parse(octets).map_err(|error| failed(error.to_string()))?;
        let removal = Removal::parse(note.text()).map_err(|fault| failed(fault.to_string()))?;
        if removal.list != desk.settings.id {
            return Err(failed("it is a removal from another list".to_owned()));
        }
        known.insert(known_by.unwrap_or_else(|| removal.hash()), removal);
        Ok(())
    };
    for carried in handed_out(desk)? {
        if let CarriedRemoval::Open(note) = carried {
            let place = desk.handed_out(&Removal::file(&desk.settings.id));
            add(place, None, note.to_string().as_bytes())?;
        }
    }
    for (known_by, place) in kept(desk)? {
        let octets = read(&place)?;
        add(place, Some(known_by), &octets)?;
    }
    Ok(known)
}

/// The files of the removals that were made here.
fn kept(desk: &Desk) -> Result<Vec<(Hash, PathBuf)>, CommandFailure> {
    let folder = desk.path(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| unreadable(&folder, &error))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let place = entry.map_err(|error| unreadable(&folder, &error))?.path();
        let name = place.file_name().and_then(|name| name.to_str());
        let known_by = name
            .and_then(|name| name.strip_suffix(".txt"))
            .and_then(Hash::parse);
        files.extend(known_by.map(|known_by| (known_by, place)));
    }
    Ok(files)
}

/// The removals that resolvers are given, as they travel; oldest first.
pub(super) fn handed_out(desk: &Desk) -> Result<Vec<CarriedRemoval>, CommandFailure> {
    let place = desk.handed_out(&Removal::file(&desk.settings.id));
    if !place.exists() {
        return Ok(Vec::new());
    }
    parse_several(&read(&place)?)
        .map_err(|fault| CommandFailure::Failed(format!("{}: {fault}", place.display())))
}

/// What an issue of this moment settles: every removal that has not run out. The lint holds back
/// entries that are to stay removed.
pub(super) fn settlement_at(known: &KnownRemovals, at: UnixSeconds) -> Settlement {
    let open = known.iter().filter(|(_, removal)| !removal.is_over_at(at));
    Settlement::Named(open.map(|(known_by, _)| *known_by).collect())
}

/// The entries that removals took back which have not run out. One that the resolvers' issue
/// settled and lists all the same is not among them: somebody said then that it is meant.
pub(super) fn taken_back(desk: &Desk) -> Result<Vec<(Name, Scope)>, CommandFailure> {
    let now = wall_s();
    let issue = desk.whole_issue()?;
    let settled = issue
        .as_ref()
        .map_or(&[][..], |issue| issue.manifest.settles.named());
    let listed = desk.whole_entries()?.unwrap_or_default();
    let is_listed = |(name, scope): &(Name, Scope)| {
        listed
            .iter()
            .any(|record| record.name == *name && record.scope == *scope)
    };
    let mut entries = Vec::new();
    for (known_by, removal) in known(desk)? {
        if !removal.is_over_at(now) {
            let is_settled = settled.contains(&known_by);
            let taken = removal.entries.into_iter();
            entries.extend(taken.filter(|entry| !(is_settled && is_listed(entry))));
        }
    }
    Ok(entries)
}

/// Hand out a removal beside those that have neither run out nor been settled by an issue with all
/// its signatures. Returns the file for the resolvers.
pub(super) fn hand_out(desk: &Desk, note: Note) -> Result<PathBuf, CommandFailure> {
    let clear = note.to_string();
    // The names of a secret list leave the desk encrypted only.
    let carried = match desk.secrecy() {
        Secrecy::Open => CarriedRemoval::Open(note),
        Secrecy::Age => CarriedRemoval::Sealed(armor(&seal_entries(desk, &clear)?)),
    };
    let known_by = carried.known_by();
    let (now, known) = (wall_s(), known(desk)?);
    let open = known.values().filter(|removal| !removal.is_over_at(now));
    if open.count() >= SETTLED_MAX {
        return Err(too_many());
    }
    let issue = desk.whole_issue()?;
    let is_needed = |hash: Hash| {
        known.get(&hash).is_some_and(|removal| {
            let is_settled = issue
                .as_ref()
                .is_some_and(|issue| issue.manifest.has_settled(hash, removal.from));
            hash != known_by && !removal.is_over_at(now) && !is_settled
        })
    };
    let mut all = handed_out(desk)?;
    all.retain(|carried| is_needed(carried.known_by()));
    all.push(carried);
    let text: String = all.iter().map(CarriedRemoval::to_text).collect();
    if text.len() > REMOVALS_OCTETS_MAX {
        return Err(too_many());
    }
    let folder = desk.path(FOLDER);
    fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    write_file(&folder.join(format!("{known_by}.txt")), clear.as_bytes())?;
    let place = desk.handed_out(&Removal::file(&desk.settings.id));
    write_file(&place, text.as_bytes())?;
    for (hash, file) in kept(desk)? {
        let is_over = known
            .get(&hash)
            .is_some_and(|removal| removal.is_over_at(now));
        if is_over {
            fs::remove_file(&file).map_err(|error| unwritable(&file, &error))?;
        }
    }
    Ok(place)
}

fn too_many() -> CommandFailure {
    CommandFailure::Failed(
        "too many removals hold at once: sign an issue without these entries instead".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_settles_what_has_not_run_out() {
        let removal = |until| Removal {
            list: "example".to_owned(),
            from: 0,
            until,
            reason: "mistake".to_owned(),
            entries: Vec::new(),
        };
        let [one, two] = [Hash([1; 32]), Hash([2; 32])];
        let known = BTreeMap::from([(two, removal(200)), (one, removal(100))]);
        let cases = [(99, vec![one, two]), (100, vec![two]), (200, vec![])];
        for (at, hashes) in cases {
            assert_eq!(settlement_at(&known, at), Settlement::Named(hashes), "{at}");
        }
    }
}
