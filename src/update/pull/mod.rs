//! Fetches lists over HTTPS, with an ETag, a cap on everything, and a way to the server that never
//! leads through ourselves.

mod agent;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{info, warn};
use ureq::http::StatusCode;
use zeroize::Zeroizing;

use super::Updater;
use super::bundle::{Bundle, Origin, Way};
use super::folder::ENTRIES_OCTETS_MAX;
use super::refusal::Cause;
use super::source::Text;
use super::state::ListChange;
use crate::clock::monotonic;
use crate::list::ListIndex;
use crate::list::manifest::Manifest;
use crate::list::removal::Removal;
use crate::seal::{NOTE_OCTETS_MAX, Note};
use agent::build;

/// The first pause after a failure; it doubles up to the ordinary one.
const BACK_OFF: Duration = Duration::from_secs(2);

/// Removals are looked for so many times as often as lists, but not more often than this.
const REMOVALS_OFTENER: u32 = 10;
const REMOVALS_EVERY_MIN: Duration = Duration::from_millis(500);

/// How often a pause looks whether somebody asks for it to end.
const LOOK: Duration = Duration::from_millis(200);

/// Pauses are stretched at random by up to this share, so that many resolvers do not ask at one
/// moment.
const JITTER: f64 = 0.1;

/// Where and how a list is fetched.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The manifest's address, `https://…`; the entries and a removal lie beside it.
    pub url: String,
    /// Where the server is; asked in this order.
    pub addresses: Vec<SocketAddr>,
    /// Where no address is given: the resolvers that know it. Never ourselves.
    pub bootstrap: Vec<SocketAddr>,
    /// The certificates that the server's must lead to, PEM.
    pub ca: PathBuf,
    /// The pause between two looks.
    pub every: Duration,
}

/// Fetch a list again and again until told to stop.
pub(super) fn run(
    updater: &Updater,
    list: ListIndex,
    id: &str,
    settings: &Settings,
    stopped: &Receiver<()>,
) {
    let mut pull = Pull {
        list,
        settings,
        part: PulledFile::new(settings.url.clone()),
    };
    let asked = || updater.times_asked(list);
    follow(
        id,
        &settings.url,
        settings.every,
        settings,
        &Interrupts {
            stopped,
            asked: &asked,
        },
        |agent| pull.look(updater, agent),
    );
}

/// Fetch a list's removals, on a thread of their own and more often than the list: taking back is
/// never slower than putting in.
pub(super) fn run_removals(
    updater: &Updater,
    list: ListIndex,
    id: &str,
    settings: &Settings,
    stopped: &Receiver<()>,
) {
    let url = beside(&settings.url, &Removal::file(id));
    let every = (settings.every / REMOVALS_OFTENER)
        .max(REMOVALS_EVERY_MIN)
        .min(settings.every);
    let mut pull = Pull {
        list,
        settings,
        part: PulledFile::new(url.clone()),
    };
    let asked = || updater.times_asked(list);
    follow(
        id,
        &url,
        every,
        settings,
        &Interrupts {
            stopped,
            asked: &asked,
        },
        |agent| pull.look_for_removal(updater, agent),
    );
}

/// Look again and again; a server that fails is left alone for longer each time, up to the ordinary
/// pause.
fn follow(
    id: &str,
    url: &str,
    every: Duration,
    settings: &Settings,
    told: &Interrupts<'_>,
    mut look: impl FnMut(&ureq::Agent) -> Result<(), String>,
) {
    let (mut failures, mut agent, mut said) = (0_u32, None, String::new());
    loop {
        let looked = match &agent {
            Some(agent) => look(agent),
            None => build(settings).and_then(|built| look(agent.insert(built))),
        };
        match looked {
            Ok(()) => {
                if failures > 0 {
                    info!(list = id, "{url}: can be fetched again");
                }
                (failures, said) = (0, String::new());
            }
            Err(reason) => {
                failures = failures.saturating_add(1);
                if reason != said {
                    warn!(
                        list = id,
                        "{url}: cannot be fetched: {reason}; what is in force stays"
                    );
                    said = reason;
                }
            }
        }
        let pause = if failures == 0 {
            every
        } else {
            every.min(BACK_OFF * 2_u32.saturating_pow(failures.min(16) - 1))
        };
        if told.wait(stretched(pause)) == Waited::Stopped {
            return;
        }
    }
}

/// What ends a pause early.
struct Interrupts<'a> {
    stopped: &'a Receiver<()>,
    /// How often somebody asked to look again.
    asked: &'a dyn Fn() -> u64,
}

#[derive(PartialEq, Eq)]
enum Waited {
    Stopped,
    Enough,
}

impl Interrupts<'_> {
    fn wait(&self, pause: Duration) -> Waited {
        let (begun, asked) = (monotonic(), (self.asked)());
        loop {
            let left = pause.saturating_sub(begun.elapsed());
            if left.is_zero() || (self.asked)() != asked {
                return Waited::Enough;
            }
            if self.stopped.recv_timeout(left.min(LOOK)) != Err(RecvTimeoutError::Timeout) {
                return Waited::Stopped;
            }
        }
    }
}

fn stretched(pause: Duration) -> Duration {
    let share = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
    pause.mul_f64(JITTER.mul_add(share, 1.0))
}

/// A file on the server, and what it was when it was last taken.
struct PulledFile {
    url: String,
    tag: Option<String>,
}

impl PulledFile {
    pub(super) const fn new(url: String) -> Self {
        Self { url, tag: None }
    }
}

struct Pull<'a> {
    list: ListIndex,
    settings: &'a Settings,
    part: PulledFile,
}

impl Pull<'_> {
    /// One look at the server for a list.
    fn look(&mut self, updater: &Updater, agent: &ureq::Agent) -> Result<(), String> {
        let Some((octets, tag)) = fetch(agent, &self.part, NOTE_OCTETS_MAX as u64)? else {
            return Ok(());
        };
        if let Some(bundle) = self.bundle(updater, agent, &octets)?
            && let ListChange::Refused { .. } = updater.take(bundle).change
        {
            // The server may be in the middle of an update: the same manifest is fetched again,
            // entries and all.
            return Ok(());
        }
        self.part.tag = tag;
        Ok(())
    }

    /// One look at the server for a removal.
    fn look_for_removal(&mut self, updater: &Updater, agent: &ureq::Agent) -> Result<(), String> {
        let Some((octets, tag)) = fetch(agent, &self.part, NOTE_OCTETS_MAX as u64)? else {
            return Ok(());
        };
        match updater.open_removal(self.list, &octets) {
            Ok(signed) => drop(updater.take_removal(self.list, &signed, &self.origin())),
            Err(cause) => updater.refuse(self.list, cause, &self.origin().place),
        }
        self.part.tag = tag;
        Ok(())
    }

    /// The list behind a manifest; nothing where it is in force, or where it is not even worth
    /// fetching.
    fn bundle(
        &self,
        updater: &Updater,
        agent: &ureq::Agent,
        octets: &[u8],
    ) -> Result<Option<Bundle>, String> {
        let origin = self.origin();
        let refuse = |cause| {
            updater.refuse(self.list, cause, &origin.place);
            Ok(None)
        };
        let note = match Note::parse(octets) {
            Ok(note) => note,
            Err(fault) => return refuse(Cause::Note(fault)),
        };
        // Whether it is to be believed is asked before anything large is fetched.
        match updater.wants(self.list, &note) {
            Err(cause) => return refuse(cause),
            Ok(false) => return Ok(None),
            Ok(true) => {}
        }
        let manifest = Manifest::parse(note.text()).map_err(|fault| fault.to_string())?;
        let entries = PulledFile::new(beside(&self.settings.url, &manifest.entries_file()));
        let Some((octets, _)) = fetch(agent, &entries, octets_max(manifest.entries))? else {
            return refuse(Cause::NoEntries);
        };
        Ok(Some(Bundle {
            list: self.list,
            manifest: Some(note),
            text: Text::Memory(octets.into()),
            origin,
        }))
    }

    fn origin(&self) -> Origin {
        Origin {
            way: Way::Pull,
            place: self.part.url.escape_debug().to_string(),
        }
    }
}

/// More octets than an entry with all its details can have, and than encryption adds to a list.
const ENTRY_OCTETS_MAX: u64 = 400;
const EXTRA_OCTETS: u64 = 64 * 1024;

/// The most that a list of so many entries can need: a server that sends more is cut off.
fn octets_max(entries: u64) -> u64 {
    entries
        .saturating_mul(ENTRY_OCTETS_MAX)
        .saturating_add(EXTRA_OCTETS)
        .min(ENTRIES_OCTETS_MAX)
}

/// What a file holds, and its tag.
type Fetched = (Zeroizing<Vec<u8>>, Option<String>);

/// What a file holds now, with its tag; nothing where it is what it was, or where there is none.
fn fetch(
    agent: &ureq::Agent,
    part: &PulledFile,
    octets_max: u64,
) -> Result<Option<Fetched>, String> {
    let mut request = agent.get(&part.url);
    if let Some(tag) = &part.tag {
        request = request.header("If-None-Match", tag);
    }
    let mut reply = request.call().map_err(|error| error.to_string())?;
    match reply.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED | StatusCode::NOT_FOUND => return Ok(None),
        status => return Err(format!("the server answers {status}")),
    }
    let tag = reply
        .headers()
        .get("etag")
        .and_then(|tag| tag.to_str().ok())
        .map(str::to_owned);
    let octets = reply
        .body_mut()
        .with_config()
        .limit(octets_max)
        .read_to_vec()
        .map_err(|error| error.to_string())?;
    Ok(Some((octets.into(), tag)))
}

/// The address of a file in the same folder.
fn beside(url: &str, file: &str) -> String {
    let folder = url
        .rfind('/')
        .and_then(|end| url.get(..=end))
        .unwrap_or(url);
    format!("{folder}{file}")
}
