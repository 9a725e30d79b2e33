//! Which of a zone's servers are lame for it (RFC 9499 section 7), and since when: kept with the
//! zone's delegation, to show it. A lame server is asked again by every question.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::UnixSeconds;

/// Servers noted of one zone.
const SERVERS_MAX: usize = 16;

/// The servers that said last that they do not know the zone.
#[derive(Debug, Default)]
pub(super) struct LameServers {
    /// Are there any? Asked at each answer, before the lock is taken.
    any: AtomicBool,
    since: Mutex<Vec<(SocketAddr, UnixSeconds)>>,
}

impl LameServers {
    /// It does not know the zone.
    pub(super) fn note_lame(&self, at: SocketAddr, now: UnixSeconds) {
        let mut since = self.lock();
        let is_known = since.iter().any(|(known, _)| *known == at);
        if !is_known && since.len() < SERVERS_MAX {
            since.push((at, now));
            self.any.store(true, Relaxed);
        }
    }

    /// It does.
    pub(super) fn note_helpful(&self, at: SocketAddr) {
        if self.any.load(Relaxed) {
            let mut since = self.lock();
            since.retain(|(known, _)| *known != at);
            self.any.store(!since.is_empty(), Relaxed);
        }
    }

    /// Since when it is lame, if it is.
    pub(super) fn since(&self, at: SocketAddr) -> Option<UnixSeconds> {
        let since = self.lock();
        let known = since.iter().find(|(known, _)| *known == at);
        known.map(|(_, since)| *since)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(SocketAddr, UnixSeconds)>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_lame_from_the_first_word_until_it_helps() {
        let (lame, at) = (LameServers::default(), |last| {
            SocketAddr::from(([192, 0, 2, last], 53))
        });
        lame.note_lame(at(1), 100);
        lame.note_lame(at(1), 200);
        lame.note_lame(at(2), 300);
        assert_eq!(
            [1, 2, 3].map(|n| lame.since(at(n))),
            [Some(100), Some(300), None]
        );
        lame.note_helpful(at(1));
        assert_eq!([1, 2].map(|n| lame.since(at(n))), [None, Some(300)]);
        for n in 0..=u8::MAX {
            lame.note_lame(at(n), 400);
        }
        assert_eq!(lame.lock().len(), SERVERS_MAX);
    }
}
