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
    /// The copy of the root zone, if there is one.
    pub root_copy: Option<RootCopyReading>,
    /// The trust anchors.
    pub anchors: Vec<AnchorReading>,
    /// Open connections, and how many may be.
    pub connections: PlacesReading,
    /// Questions that wait for an answer from outside, and how many may.
    pub waiting: PlacesReading,
    /// Datagrams that the kernel dropped in front of each UDP door, by the door's own address.
    pub kernel_drops: Vec<(String, u64)>,
    /// Memory of what was learnt on the way to answers, in octets.
    pub resolver_bytes: u64,
    /// Memory of the lists' tables, in octets.
    pub lists_bytes: u64,
    /// The most memory that the program may take, in octets.
    pub memory_budget_bytes: u64,
    /// What the system says of the process.
    pub process: ProcessReading,
    /// CPU seconds by kind of thread.
    pub threads: Vec<(&'static str, f64)>,
    /// When the certificate of the TLS doors runs out, where there is one.
    pub certificate_until: Option<UnixSeconds>,
    /// How the configuration was last read.
    pub configuration: ConfigurationReading,
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
    /// When a source was last reached, if ever.
    pub reached: Option<UnixSeconds>,
    /// Issues that came into force later than their deadline.
    pub deadlines_missed: u64,
    /// The deadline, in seconds from issued to in force, where there is one.
    pub apply_within_s: Option<u64>,
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

/// Places, of which each question or connection takes one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlacesReading {
    /// Those that are taken.
    pub taken: u64,
    /// All.
    pub max: u64,
}

/// The copy of the root zone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootCopyReading {
    /// Its serial.
    pub serial: u32,
    /// Until when it holds.
    pub until: UnixSeconds,
    /// Does it hold? Otherwise the root's servers are asked.
    pub holds: bool,
}

/// A trust anchor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnchorReading {
    /// The zone that it is of.
    pub zone: String,
    /// Its key's tag.
    pub key_tag: u16,
    /// How it stands, in the words of RFC 5011; none where it does not follow its zone's keys.
    pub state: Option<&'static str>,
    /// Could the zone's keys not be had when they were last asked for?
    pub has_fault: bool,
}

/// What the system says of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessReading {
    /// Memory that it has, in octets.
    pub resident_bytes: u64,
    /// Files and sockets that it has open.
    pub open_fds: u64,
    /// How many it may have open.
    pub max_fds: u64,
}

/// How the configuration was last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationReading {
    /// When it was last read and put in force.
    pub read: UnixSeconds,
    /// Was it put in force when it was last to be read?
    pub is_good: bool,
    /// Keys that wait for a restart.
    pub keys_waiting: u64,
}
