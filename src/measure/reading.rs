//! What is measured at one moment.

use crate::clock::UnixSeconds;
use crate::count::Tally;

/// What is measured at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Everything counted since the start.
    pub tally: Tally,
    /// The lists, in the order of the tally's.
    pub lists: Vec<ListReading>,
    /// Answers in the cache.
    pub cache_entries: u64,
    /// Memory that they take, in bytes.
    pub cache_bytes: u64,
    /// Answers given after they had run out, since nobody could be reached.
    pub stale: u64,
    /// Answers renewed ahead of time.
    pub renewed: u64,
    /// Answers refused because they lead into private networks, where that is asked for.
    pub rebindings: Option<u64>,
    /// Until when the copy of the root zone holds, if there is one.
    pub root_copy_until: Option<UnixSeconds>,
    /// The provider's resolvers that we forward to, of everything or of single zones.
    pub upstreams: Vec<UpstreamReading>,
    /// When the process started.
    pub started: UnixSeconds,
    /// When the counts were last written to disk; none before the first time.
    pub last_flush: Option<UnixSeconds>,
    /// How many times they could not be written.
    pub flush_failures: u64,
    /// Did another audit log begin in this run, as the one before could not go on?
    pub is_log_restored: bool,
    /// Who cosigns the audit log.
    pub witnesses: Vec<WitnessReading>,
}

/// One list at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListReading {
    /// Its place among the counts.
    pub place: usize,
    /// Its id.
    pub id: String,
    /// Entries in the live table.
    pub entries: u64,
    /// Lines of the live list that could not be read.
    pub rejects: u64,
    /// Its serial, if it has one.
    pub serial: Option<u64>,
    /// Since when it is live, if it is.
    pub live_since: Option<UnixSeconds>,
    /// How old it is by its own papers, or by its file's time, in seconds.
    pub age_s: Option<u64>,
    /// When its issue expires, if it does.
    pub expires: Option<UnixSeconds>,
    /// Each kind of alarm, and whether it is raised.
    pub alarms: Vec<(&'static str, bool)>,
    /// When a newer one was last refused, if ever.
    pub last_refusal: Option<UnixSeconds>,
}

/// One of the provider's resolvers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamReading {
    /// Its address, as configured.
    pub address: String,
    /// The zone that it is asked about; none where that is everything.
    pub zone: Option<String>,
    /// Is it asked at present?
    pub is_up: bool,
    /// How many times it was asked.
    pub asked: u64,
    /// How many times it did not answer, or not usefully.
    pub failures: u64,
}

/// One of those who cosign the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessReading {
    /// Its name.
    pub name: String,
    /// How many leaves it has cosigned; none where it has cosigned nothing yet.
    pub leaves: Option<u64>,
    /// How long ago that was, in seconds.
    pub age_s: Option<u64>,
    /// Does it refuse to cosign, or is its cosignature not one?
    pub is_refused: bool,
}
