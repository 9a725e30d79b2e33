//! An emergency removal: names that must stop being blocked at once, for a stated time, without a
//! new issue of the list. Signed as a note; one of the list's keys is enough, since taking back is
//! never slower than putting in.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_ID, MAY_TIME, MAY_WORDS, id, time, words,
    write_time,
};
use super::{Scope, parse};
use crate::clock::UnixSeconds;
use crate::name::Name;

const VERSION: &str = "wardline-removal/v1";
/// The most names in one removal; more want a new issue of the list.
pub const REMOVED_NAMES_MAX: usize = 1000;
/// The longest that a removal may hold: one signer alone must not be able to undo for good what
/// several have signed.
pub const REMOVAL_S_MAX: i64 = 31 * 86_400;

/// What the text of a removal's note says.
#[derive(Clone, PartialEq, Eq)]
pub struct Removal {
    /// The list's id.
    pub list: String,
    /// From when on, in seconds since 1970.
    pub from: UnixSeconds,
    /// Until when; the list must have been mended by then.
    pub until: UnixSeconds,
    /// Why, in words; it may be shown and must hold no name.
    pub reason: String,
    /// The entries, each as the list has it: the name, and whether it covers those below it.
    pub entries: Vec<(Name, Scope)>,
}

impl Removal {
    /// Read the text of a note; whether the note is to be believed is another question.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let mut lines = FormReader::new(text, VERSION)?;
        let list = lines.required("list", MAY_ID, id)?;
        let from = lines.required("from", MAY_TIME, time)?;
        let until = lines.required("until", MAY_TIME, time)?;
        let reason = lines.required("reason", MAY_WORDS, words)?;
        let may =
            "a name as the list has it, in lower case, with `=` in front where the entry is exact";
        let mut entries = vec![lines.required("remove", may, entry)?];
        while let Some(entry) = lines.optional("remove", may, entry)? {
            if entries.len() == REMOVED_NAMES_MAX {
                return Err(FormFault {
                    line: 6 + entries.len(),
                    problem: FormProblem::Value("remove", "there at most 1000 times"),
                });
            }
            entries.push(entry);
        }
        lines.finish()?;
        if !(1..=REMOVAL_S_MAX).contains(&until.saturating_sub(from)) {
            return Err(FormFault {
                line: 4,
                problem: FormProblem::Value("until", "later than `from`, and by 31 days at most"),
            });
        }
        Ok(Self {
            list,
            from,
            until,
            reason,
            entries,
        })
    }

    /// The one text of this removal: what is signed.
    pub fn to_text(&self) -> String {
        let (from, until) = (write_time(self.from), write_time(self.until));
        let mut text = format!(
            "{VERSION}\nlist: {}\nfrom: {from}\nuntil: {until}\nreason: {}\n",
            self.list, self.reason
        );
        for (name, scope) in &self.entries {
            text.push_str(&format!("remove: {}{name}\n", scope.mark()));
        }
        text
    }

    /// The SHA-256 of the signed text: what a removal is known by.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_text().as_bytes())
    }

    /// Does it hold at this time?
    pub const fn holds_at(&self, now: UnixSeconds) -> bool {
        self.from <= now && now < self.until
    }

    /// The name of the note's file beside the manifest's.
    pub fn file(list: &str) -> String {
        format!("{list}.removal")
    }
}

/// Without the names: a removal may end up in a message about something else.
impl std::fmt::Debug for Removal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Removal")
            .field("list", &self.list)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

fn entry(text: &str) -> Option<(Name, Scope)> {
    let (name, scope) = parse::read_name(text.as_bytes()).ok()?;
    // One spelling only, so that the same removal always has the same hash.
    (format!("{}{name}", scope.mark()) == text).then_some((name, scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "wardline-removal/v1\nlist: example\nfrom: 2026-03-01T14:00:00Z\nuntil: 2026-03-08T14:00:00Z\n\
        reason: listed by mistake\nremove: blocked.example\nremove: =exact.example\n";

    #[test]
    fn a_removal_has_one_text() {
        let removal = Removal::parse(TEXT).unwrap();
        assert_eq!(removal.to_text(), TEXT);
        let entries: Vec<String> = removal
            .entries
            .iter()
            .map(|(name, scope)| format!("{name} {scope:?}"))
            .collect();
        assert_eq!(entries, ["blocked.example Below", "exact.example Exact"]);
        assert!(
            removal.holds_at(removal.from)
                && !removal.holds_at(removal.until)
                && !removal.holds_at(removal.from - 1)
        );
        assert!(!format!("{removal:?}").contains("blocked"));
    }

    #[test]
    fn every_fault_has_its_line() {
        let refused = |from: &str, to: &str| {
            Removal::parse(&TEXT.replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        let name = "`remove` must be a name as the list has it, in lower case, with `=` in front \
                    where the entry is exact";
        let cases = [
            (
                "removal/v1",
                "list/v1",
                "line 1: the first line must be `wardline-removal/v1`".to_owned(),
            ),
            (
                "03-08T14",
                "03-01T14",
                "line 4: `until` must be later than `from`, and by 31 days at most".to_owned(),
            ),
            (
                "03-08T14",
                "04-02T14",
                "line 4: `until` must be later than `from`, and by 31 days at most".to_owned(),
            ),
            (
                "reason: listed by mistake\n",
                "",
                "line 5: `reason:` is expected here; the keys have a fixed order".to_owned(),
            ),
            (
                "remove: blocked.example",
                "remove: Blocked.example",
                format!("line 6: {name}"),
            ),
            (
                "remove: blocked.example",
                "remove: blocked.example.",
                format!("line 6: {name}"),
            ),
            (
                "remove: =exact.example",
                "remove: example",
                format!("line 7: {name}"),
            ),
            (
                "remove: =exact.example",
                "removed: a.example",
                "line 7: a key that is unknown, in the wrong place, or given twice".to_owned(),
            ),
            (
                "remove: blocked.example\nremove: =exact.example\n",
                "",
                "line 6: `remove:` is expected here; the keys have a fixed order".to_owned(),
            ),
        ];
        for (from, to, message) in cases {
            let said = refused(from, to);
            assert_eq!(said, message);
        }
        let many = TEXT.to_owned() + &"remove: a.example\n".repeat(REMOVED_NAMES_MAX);
        assert_eq!(
            Removal::parse(&many).unwrap_err().to_string(),
            "line 1006: `remove` must be there at most 1000 times"
        );
    }
}
