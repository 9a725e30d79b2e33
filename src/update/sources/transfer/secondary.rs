//! One zone's secondary: asks when the zone's timers or a primary say so, and hands what is new to
//! the updater.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::copy::{Draft, ZoneCopy};
use super::exchange::{FetchedZone, TransferFault, Visit, visit};
use super::message::Soa;
use super::shared_key::SharedKey;
use super::zone::SecondaryZone;
use crate::clock::monotonic;
use crate::store::make_private_folder;
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::mailbox::Mailbox;
use crate::update::refusal::Cause;
use crate::update::state::ListChange;
use crate::update::text::Text;

/// The zone's own timers are taken within these bounds, in seconds.
const TIMER_S_MIN: u32 = 1;
const TIMER_S_MAX: u32 = 86_400;
/// What a timer is shortened by at the most, so that many resolvers do not ask at once.
const JITTER_PERCENT_MAX: u32 = 10;
/// How soon a zone is judged again that was refused for a reason that passes.
const DEFERRED_S: u32 = 2;
/// How often to try where no zone has told its timers yet.
const RETRY_S: u32 = 10;
/// Between two visits that primaries ask for: whoever forges their address makes us ask no more
/// often than this.
const SPACING: Duration = Duration::from_millis(200);

/// What ends a secondary's wait.
pub(super) enum Wake {
    /// The primary with this address says that the zone changed.
    Told(IpAddr),
    /// The program stops.
    Stop,
}

/// One zone's secondary.
pub(super) struct Secondary {
    zone: SecondaryZone,
    path: PathBuf,
    list: Mailbox,
    stop: Arc<AtomicBool>,
    copy: Option<ZoneCopy>,
    /// A new zone that was refused for a reason that passes, and where it is from.
    deferred: Option<(Draft, String)>,
    /// When a primary last confirmed or brought the zone.
    confirmed: Instant,
    has_expired: bool,
}

/// What a round came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TransferRound {
    /// A primary answered.
    Confirmed,
    /// What it brought is to be judged again.
    Deferred,
    /// None answered.
    Failed,
}

impl Secondary {
    pub(super) fn new(
        zone: SecondaryZone,
        path: PathBuf,
        list: Mailbox,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self {
            zone,
            path,
            list,
            stop,
            copy: None,
            deferred: None,
            confirmed: monotonic(),
            has_expired: false,
        }
    }

    /// Take up the copy that was kept, to ask for what changed since. It is offered where nothing
    /// is in force: what was decided about the list is newer than the copy.
    fn begin(&mut self) {
        let Some(copy) = ZoneCopy::open(&self.path, &self.zone.zone) else {
            return;
        };
        if self.list.view().state.live_since > 0 {
            self.copy = Some(copy);
            return;
        }
        let (path, serial) = (copy.path().to_path_buf(), copy.soa.serial);
        let place = format!("zone {} as it was kept", self.zone.zone);
        if self.hand_over(path, &place, serial) == Handed::Taken {
            self.copy = Some(copy);
        }
    }

    /// Follow the zone until told to stop.
    pub(super) fn run(mut self, woken: &Receiver<Wake>) {
        self.begin();
        let mut due = monotonic();
        let mut visited = due;
        let mut told = None;
        loop {
            match woken.recv_timeout(due.saturating_duration_since(monotonic())) {
                Ok(Wake::Told(from)) => {
                    told = Some(from);
                    due = due.min(visited + SPACING);
                    continue;
                }
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.stop.load(Relaxed) {
                return;
            }
            visited = monotonic();
            let round = self.round(told.take());
            self.list.note_pace(self.pause(TransferRound::Confirmed));
            due = monotonic() + self.pause(round);
        }
    }

    /// Ask the primaries one after the other until one answers, the one that spoke up first. What
    /// is to be judged again comes before, unless a primary has something newer.
    fn round(&mut self, told: Option<IpAddr>) -> TransferRound {
        if let Some((draft, place)) = self.deferred.take()
            && told.is_none()
        {
            return self.bring(draft, place);
        }
        if let Some(folder) = self.path.parent() {
            // Where there is no place for the copy, keeping it fails, and is told.
            let _ = make_private_folder(folder);
        }
        let mut primaries = self.zone.primaries.clone();
        primaries.sort_by_key(|primary| Some(primary.ip()) != told);
        let mut last = None;
        for primary in primaries {
            match self.visit(primary) {
                Ok(FetchedZone::Current) => {
                    self.list.note_current();
                    self.confirm();
                    return TransferRound::Confirmed;
                }
                Ok(FetchedZone::New(draft)) => {
                    self.list.note_reached();
                    self.confirm();
                    return self.bring(draft, self.place(primary));
                }
                Err(TransferFault::Stopped) => return TransferRound::Failed,
                Err(fault) => {
                    if let Some((place, earlier)) = last.replace((self.place(primary), fault)) {
                        warn!(list = %self.zone.id, "{place}: {earlier}");
                    }
                }
            }
        }
        if let Some((place, fault)) = last {
            self.complain(&place, &fault);
        }
        TransferRound::Failed
    }

    /// Ask one primary, under the shared key as it is now.
    fn visit(&self, primary: SocketAddr) -> Result<FetchedZone, TransferFault> {
        let key = self.zone.key.as_ref().map(SharedKey::read).transpose();
        let key = key.map_err(TransferFault::Key)?;
        let asked = Visit {
            zone: &self.zone,
            key: key.as_deref(),
            stop: &self.stop,
        };
        visit(&asked, primary, self.copy.as_ref(), &self.path)
    }

    /// Have a new zone judged, and keep it where it came in force. One that is refused for a
    /// reason that passes is judged again soon.
    fn bring(&mut self, draft: Draft, place: String) -> TransferRound {
        match self.hand_over(draft.path().to_path_buf(), &place, draft.soa.serial) {
            Handed::Taken => match draft.keep() {
                Ok(copy) => self.copy = Some(copy),
                Err(fault) => {
                    warn!(list = %self.zone.id, "{place}: the list is in force, but {fault}");
                }
            },
            Handed::Refused => draft.leave(),
            Handed::Deferred => {
                self.deferred = Some((draft, place));
                return TransferRound::Deferred;
            }
        }
        TransferRound::Confirmed
    }

    fn complain(&mut self, place: &str, fault: &TransferFault) {
        let expired = self.expiry().map(|soa| {
            format!(
                "; no primary has confirmed the zone for {} s: it has expired",
                soa.expire_s
            )
        });
        self.has_expired = expired.is_some();
        self.list.note_trouble(
            Cause::Transfer(format!("{fault}{}", expired.unwrap_or_default())),
            place,
        );
    }

    fn place(&self, primary: SocketAddr) -> String {
        format!("zone {} from {primary}", self.zone.zone)
    }

    fn confirm(&mut self) {
        self.confirmed = monotonic();
        if std::mem::take(&mut self.has_expired) {
            info!(list = %self.zone.id, "zone {} is no longer expired", self.zone.zone);
        }
    }

    /// Has no primary confirmed the zone for as long as it is good? Then its SOA record.
    fn expiry(&self) -> Option<Soa> {
        let soa = self.copy.as_ref()?.soa;
        (self.confirmed.elapsed() > Duration::from_secs(soa.expire_s.into())).then_some(soa)
    }

    fn hand_over(&self, path: PathBuf, place: &str, serial: u32) -> Handed {
        let bundle = Bundle {
            list: self.zone.list,
            manifest: None,
            text: Text::File(path),
            origin: Origin {
                way: Way::Transfer,
                place: place.to_owned(),
            },
        };
        match self.list.offer(bundle).change {
            // What is tried out is offered again with the next round, and is known by then to be in
            // force or not.
            change if change.is_refused_for_now() => Handed::Deferred,
            ListChange::Refused { .. } | ListChange::Staged { .. } => Handed::Refused,
            ListChange::Swapped { .. }
            | ListChange::Removed { .. }
            | ListChange::RemovalWaits { .. }
            | ListChange::Settled
            | ListChange::Keys { .. }
            | ListChange::Asked
            | ListChange::Unchanged => {
                info!(list = %self.zone.id, serial, "{place} is in force");
                Handed::Taken
            }
        }
    }

    fn pause(&self, round: TransferRound) -> Duration {
        let soa = self.copy.as_ref().map(|copy| copy.soa);
        let timer_s = match round {
            TransferRound::Deferred => DEFERRED_S,
            TransferRound::Confirmed => soa.map_or(RETRY_S, |soa| soa.refresh_s),
            TransferRound::Failed => soa.map_or(RETRY_S, |soa| soa.retry_s),
        };
        shortened(timer_s.clamp(TIMER_S_MIN, TIMER_S_MAX), random())
    }
}

/// What the list's keeper made of a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handed {
    Taken,
    Refused,
    /// Refused for a reason that passes.
    Deferred,
}

/// A timer, shortened by a share of the jitter.
fn shortened(timer_s: u32, random: u8) -> Duration {
    let whole = Duration::from_secs(timer_s.into());
    whole - whole * JITTER_PERCENT_MAX / 100 * u32::from(random) / u32::from(u8::MAX)
}

fn random() -> u8 {
    let mut octet = [0];
    // Without randomness the timers are only less spread.
    let _ = getrandom::fill(&mut octet);
    octet[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_shortened_by_a_tenth_at_the_most() {
        assert_eq!(shortened(1000, 0), Duration::from_secs(1000));
        assert_eq!(shortened(1000, 255), Duration::from_secs(900));
        assert_eq!(shortened(TIMER_S_MAX, 255), Duration::from_secs(77_760));
    }
}
