//! What a log has said of one list's versions: which is in force, and which may come next.

use std::collections::BTreeMap;

/// Serials whose manifests are remembered of a list, the highest ones: rollbacks go no farther.
const SERIALS_MAX: usize = 64;

/// The versions of one list, as its log tells of them.
///
/// Serials only rise. A version that is told to be in force is above all before it, is the one that
/// was told last (by a rollback, or before a restart), or is the highest one again; and one serial
/// has one manifest. Otherwise the log must say first that what is kept of the list was `restored`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListVersions {
    /// Serial and manifest of the version that is in force.
    pub standing: (Option<u64>, Option<String>),
    /// The manifests of the highest serials.
    known: BTreeMap<u64, Option<String>>,
}

impl ListVersions {
    /// With what is remembered.
    pub fn new(
        standing: (Option<u64>, Option<String>),
        known: impl IntoIterator<Item = (u64, Option<String>)>,
    ) -> Self {
        Self {
            standing,
            known: known.into_iter().collect(),
        }
    }

    /// The highest version so far.
    pub fn highest(&self) -> Option<(u64, Option<&str>)> {
        let (serial, manifest) = self.known.last_key_value()?;
        Some((*serial, manifest.as_deref()))
    }

    /// Why this version cannot have come in force; nothing where it can.
    pub fn misfit(&self, serial: Option<u64>, manifest: Option<&str>) -> Option<&'static str> {
        let serial = serial?;
        let is_standing = (self.standing.0, self.standing.1.as_deref()) == (Some(serial), manifest);
        let is_high = self.highest().is_none_or(|(highest, _)| serial >= highest);
        if !is_standing && !is_high {
            return Some("the serial goes back, and no rollback or restore before says why");
        }
        self.other_manifest(serial, manifest)
    }

    /// Why this version cannot have been put in force again; nothing where it can.
    pub fn rollback_misfit(
        &self,
        serial: Option<u64>,
        manifest: Option<&str>,
    ) -> Option<&'static str> {
        self.other_manifest(serial?, manifest)
    }

    fn other_manifest(&self, serial: u64, manifest: Option<&str>) -> Option<&'static str> {
        let known = self.known.get(&serial);
        let is_other = known.is_some_and(|known| known.as_deref() != manifest);
        is_other.then_some("the serial had another manifest before")
    }

    /// A version is in force.
    pub fn stand(&mut self, serial: Option<u64>, manifest: Option<&str>) {
        let manifest = manifest.map(str::to_owned);
        self.standing = (serial, manifest.clone());
        if let Some(serial) = serial {
            self.known.insert(serial, manifest);
            if self.known.len() > SERIALS_MAX {
                self.known.pop_first();
            }
        }
    }

    /// What is kept of the list was restored, or the list was not configured: what came before
    /// says nothing any more.
    pub fn forget(&mut self) {
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(versions: &[u64]) -> ListVersions {
        let mut told = ListVersions::default();
        for serial in versions {
            told.stand(Some(*serial), Some(&format!("m{serial}")));
        }
        told
    }

    #[test]
    fn serials_rise_and_have_one_manifest() {
        let told = after(&[5, 7]);
        assert_eq!(told.misfit(Some(7), Some("m7")), None, "a restart");
        assert_eq!(told.misfit(Some(8), Some("m8")), None);
        assert_eq!(told.misfit(None, None), None, "a plain file");
        assert!(told.misfit(Some(5), Some("m5")).is_some());
        assert!(told.misfit(Some(6), Some("m6")).is_some());
        assert!(told.misfit(Some(7), Some("other")).is_some());
        assert!(told.misfit(Some(7), None).is_some());
    }

    #[test]
    fn a_rollback_is_told_and_then_stands() {
        let mut told = after(&[5, 7]);
        assert_eq!(told.rollback_misfit(Some(5), Some("m5")), None);
        assert!(told.rollback_misfit(Some(5), Some("other")).is_some());
        told.stand(Some(5), Some("m5"));
        assert_eq!(told.misfit(Some(5), Some("m5")), None);
        assert_eq!(told.misfit(Some(7), Some("m7")), None, "back to the newest");
        assert!(told.misfit(Some(6), Some("m6")).is_some());
        told.stand(None, None);
        assert!(told.misfit(Some(5), Some("m5")).is_some());
        told.forget();
        assert_eq!(told.misfit(Some(5), Some("other")), None);
    }

    #[test]
    fn the_highest_serials_are_remembered() {
        let told = after(&(1..200).collect::<Vec<_>>());
        assert_eq!(told.known.len(), SERIALS_MAX);
        assert!(told.rollback_misfit(Some(199), Some("other")).is_some());
        assert_eq!(told.rollback_misfit(Some(1), Some("other")), None);
    }
}
