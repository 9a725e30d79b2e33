//! A list's record against what was promised outside the state folder: one that is below it was
//! restored from an older copy, copied, or emptied.

use tracing::error;

use super::decisions::Highest;
use super::refusal::Cause;
use super::stand::Stand;
use super::state::{ListAlarm, ListAlarmKind};
use super::trust::KeyStanding;
use crate::record::{FoundSerial, Statement};
use crate::store::ListPromise;

impl Stand {
    /// The highest issue that was promised. One that is kept, and that today's keys have not
    /// signed, does not count: a thief's serial locks nobody out.
    pub(super) fn promised(&self) -> Option<Highest> {
        let record = &self.shelf.as_ref()?.record;
        let (serial, manifest) = self.promises.list(&self.list.id).highest?;
        let known_by = Some(manifest.to_string());
        let mut generations = record.generations.iter();
        let kept = generations.find(|kept| kept.manifest == known_by);
        let counts = kept.is_none_or(|kept| self.vouching_of_kept(kept) == KeyStanding::Vouched);
        counts.then_some(Highest { serial, manifest })
    }

    /// What was promised, where the record can be read and does not reach it.
    pub(super) fn below_promise(&self, promised: Option<Highest>) -> Option<Highest> {
        let shelf = self.shelf.as_ref();
        let shelf = shelf.filter(|shelf| shelf.fault().is_none())?;
        promised.filter(|promised| promised.is_above(shelf.record.highest()))
    }

    /// Something else was accepted, or other keys may sign: find the floor anew and promise it.
    pub(super) fn raise_floor(&mut self) {
        self.find_floor();
        self.promise();
    }

    /// Promise what is accepted now, and how far the keys have come.
    fn promise(&self) {
        if self.shelf.is_none() {
            return;
        }
        let before = self.promises.list(&self.list.id).keys;
        let holds = before.is_none_or(|floor| self.trust.check_floor(&floor).is_ok());
        let keys = self.trust.floor().filter(|_| holds).or(before);
        let highest = self.floor.map(|floor| (floor.serial, floor.manifest));
        let promise = ListPromise { highest, keys };
        self.promises.promise_list(&self.list.id, &promise);
    }

    /// Have the keys come as far as was promised? Until they have, it is not known who may sign.
    pub(super) fn check_promised_keys(&self) -> Result<(), Cause> {
        let promised = self.promises.list(&self.list.id).keys;
        promised.map_or(Ok(()), |floor| self.trust.check_floor(&floor))
    }

    /// Say at the start that the record was restored; where it was not, promise what it says.
    pub(super) fn note_restored(&self) {
        let Some(promised) = self.restored else {
            return self.promise();
        };
        let Highest { serial, manifest } = promised;
        error!(list = %self.list.id, serial, "{}", self.restored_message(promised));
        let found = self.recorded_serial();
        let said = Statement::ListRestored(FoundSerial { found });
        self.note_issue(said, serial, manifest);
    }

    pub(super) fn restored_alarm(&self) -> Option<ListAlarm> {
        self.restored.map(|promised| ListAlarm {
            kind: ListAlarmKind::Restored,
            message: self.restored_message(promised),
        })
    }

    fn restored_message(&self, promised: Highest) -> String {
        let serial = promised.serial;
        let found = self.recorded_serial().map_or_else(
            || "none".to_owned(),
            |found| format!("serial {found} at most"),
        );
        format!(
            "restored: serial {serial} was accepted before, and the state folder knows of {found}: \
             it was restored from an older copy, copied or emptied. No issue below serial {serial} \
             is accepted and no receipt is signed until that one or a higher one has come: have \
             it fetched or issued again"
        )
    }

    fn recorded_serial(&self) -> Option<u64> {
        self.shelf.as_ref()?.record.serial
    }
}
