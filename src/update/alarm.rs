//! What somebody must see to, though a list is in force: raised once, told again when it gets
//! worse, and over by itself when it is mended.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::stand::Stand;
use super::state::{ListAlarm, ListAlarmKind};
use super::trust::KeyStanding;
use crate::clock::{ClockReading, HOUR_S, UnixSeconds};
use crate::list::expiry::{ExpiryStage, warning_of_issue};
use crate::list::write_time;
use crate::policy::{Difference, differences};
use crate::record::{IssueExpired, Statement};

/// So long may the sources of a list not be reached before that is an alarm, and so many looks.
const SILENT_S: i64 = HOUR_S;
const LOOKS_MISSED: i64 = 4;
/// A look at a source takes no longer than this to be told.
const LOOK_MAX: Duration = Duration::from_secs(15);

impl Stand {
    /// Raise what is to be raised at this time, and take back what is mended.
    pub(super) fn note_alarms(&mut self, now: UnixSeconds) {
        self.look_at_clock();
        let mut alarms = Vec::new();
        alarms.extend(self.expiry_alarm(now));
        alarms.extend(self.difference_alarm());
        alarms.extend(self.unvouched_alarm());
        alarms.extend(self.silent_alarm(now));
        alarms.extend(self.restored_alarm());
        if alarms == self.state.alarms {
            return;
        }
        let before = std::mem::replace(&mut self.state.alarms, alarms);
        self.tell_alarms(&before);
    }

    /// Say what is new, and what is over.
    fn tell_alarms(&self, before: &[ListAlarm]) {
        let (list, serial) = (&self.list.id, self.state.serial);
        for alarm in self
            .state
            .alarms
            .iter()
            .filter(|alarm| !before.contains(alarm))
        {
            warn!(%list, serial, "{}", alarm.message);
        }
        for kind in ListAlarmKind::ALL {
            let is_raised = |alarms: &[ListAlarm]| alarms.iter().any(|alarm| alarm.kind == kind);
            if is_raised(before) && !is_raised(&self.state.alarms) {
                info!(%list, serial, alarm = kind.word(), "an alarm is over");
            }
        }
    }

    fn expiry_alarm(&mut self, now: UnixSeconds) -> Option<ListAlarm> {
        let manifest = self.manifest.as_ref();
        let warning =
            manifest.and_then(|manifest| warning_of_issue(manifest.issued, manifest.expires, now));
        let has_expired = warning.is_some_and(|warning| warning.stage == ExpiryStage::Expired);
        if has_expired && !self.state.is_expired {
            let state = &self.state;
            let said = Statement::Expired(IssueExpired {
                expires: state.expires,
                manifest: state.manifest.clone(),
                serial: state.serial,
            });
            self.note(said, None);
        }
        self.state.is_expired = has_expired;
        let stage = warning?.stage;
        let message = match stage {
            ExpiryStage::Expired => {
                "the list has run out and goes on blocking: have its curator issue it anew"
                    .to_owned()
            }
            stage => format!(
                "the list runs out within {}: have its curator issue it anew",
                if stage.days() == 1 {
                    "a day".to_owned()
                } else {
                    format!("{} days", stage.days())
                }
            ),
        };
        let kind = ListAlarmKind::Expiry;
        Some(ListAlarm { kind, message })
    }

    /// Notice that the wall clock was set forward since the last look.
    fn look_at_clock(&mut self) {
        let now = ClockReading::now();
        let before = std::mem::replace(&mut self.last_look, now);
        if before.step_s(now) > Some(0) {
            self.stepped = Some(now.monotonic);
        }
    }

    /// None of the sources that are looked at has been reached for long. What is only pushed says
    /// nothing by being silent.
    fn silent_alarm(&self, now: UnixSeconds) -> Option<ListAlarm> {
        let looked_at = self
            .list
            .looked_at_every()?
            .max(self.pace.unwrap_or_default());
        // A clock that was set forward is no silence: what can be reached is, with the next look.
        let has_looked = |stepped: Instant| stepped.elapsed() >= looked_at + LOOK_MAX;
        if !self.stepped.is_none_or(has_looked) {
            return None;
        }
        let since = self.state.reached.unwrap_or(self.opened);
        let silent_s = now.saturating_sub(since);
        let allowed_s = SILENT_S.max(looked_at.as_secs() as i64 * LOOKS_MISSED);
        (silent_s > allowed_s).then(|| ListAlarm {
            kind: ListAlarmKind::Silent,
            message: format!(
                "no source has been reached since {}: what is in force may be out of date; look \
                 at the network and at who serves the list",
                write_time(since)
            ),
        })
    }

    fn unvouched_alarm(&self) -> Option<ListAlarm> {
        let is_unvouched = self.is_live() && self.vouching != KeyStanding::Vouched;
        is_unvouched.then(|| ListAlarm {
            kind: ListAlarmKind::Unvouched,
            message: "unvouched: the keys that may sign the list today have not signed the issue \
                      in force, which gets no receipt: have it issued anew"
                .to_owned(),
        })
    }

    /// In what the configuration does otherwise than the manifest in force asks.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let (Some(manifest), Some(rules)) = (&self.manifest, &self.list.rules) else {
            return Vec::new();
        };
        differences(manifest, rules)
    }

    fn difference_alarm(&self) -> Option<ListAlarm> {
        let differences = self.differences();
        if differences.is_empty() {
            return None;
        }
        let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
        Some(ListAlarm {
            kind: ListAlarmKind::Difference,
            message: told.join("; "),
        })
    }
}
