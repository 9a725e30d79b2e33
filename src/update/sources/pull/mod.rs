//! Fetches lists over HTTPS, with an ETag, a cap on everything, and a way to the server that never
//! leads through ourselves.

mod agent;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{info, warn};
use ureq::http::StatusCode;
use zeroize::Zeroizing;

use crate::clock::monotonic;
use crate::list::key_link::KeyLink;
use crate::list::manifest::Manifest;
use crate::list::removal::Removal;
use crate::seal::{NOTE_OCTETS_MAX, Note};
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::listed::{ENTRIES_OCTETS_MAX, PullSettings};
use crate::update::mailbox::Mailbox;
use crate::update::refusal::Cause;
use crate::update::removal::SignedRemoval;
use crate::update::state::ListChange;
use crate::update::text::Text;
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

/// Fetch a list again and again until told to stop.
pub(super) fn run(list: &Mailbox, settings: &PullSettings, stopped: &Receiver<()>) {
    let mut pull = Pull {
        list,
        settings,
        part: PulledFile::new(settings.url.clone()),
    };
    let asked = || list.view().asked;
    follow(
        &list.list.id,
        &settings.url,
        settings.every,
        settings,
        &Interrupts {
            stopped,
            asked: &asked,
        },
        |agent| pull.look(agent),
    );
}

/// Fetch a list's chain of keys and its removals, on a thread of their own and more often than the
/// list: taking back is never slower than putting in.
pub(super) fn run_notes(list: &Mailbox, settings: &PullSettings, stopped: &Receiver<()>) {
    let [keys, removals] = [KeyLink::file(&list.list.id), Removal::file(&list.list.id)]
        .map(|file| beside(&settings.url, &file));
    let every = (settings.every / REMOVALS_OFTENER)
        .max(REMOVALS_EVERY_MIN)
        .min(settings.every);
    let [mut keys, mut removals] = [keys, removals].map(|url| Pull {
        list,
        settings,
        part: PulledFile::new(url),
    });
    let asked = || list.view().asked;
    follow(
        &list.list.id,
        &removals.part.url.clone(),
        every,
        settings,
        &Interrupts {
            stopped,
            asked: &asked,
        },
        |agent| {
            keys.look_for_keys(agent)?;
            removals.look_for_removals(agent)
        },
    );
}

/// Look again and again; a server that fails is left alone for longer each time, up to the ordinary
/// pause.
fn follow(
    id: &str,
    url: &str,
    every: Duration,
    settings: &PullSettings,
    told: &Interrupts<'_>,
    mut look: impl FnMut(&ureq::Agent) -> Result<(), String>,
) {
    let (mut failures, mut agent, mut said) = (0_u32, None, String::new());
    loop {
        let looked = match &agent {
            Some(agent) => look(agent),
            None => build(settings).and_then(|built| look(agent.insert(built))),
        };
        if looked.is_err() {
            // The certificates that the server's must lead to may have been replaced.
            agent = None;
        }
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

/// What a manifest leads to.
enum PulledIssue {
    /// It is in force, or tried out.
    Known,
    /// It is not believed, or its entries are not there: it was told.
    Refused,
    New(Bundle),
}

struct Pull<'a> {
    list: &'a Mailbox,
    settings: &'a PullSettings,
    part: PulledFile,
}

impl Pull<'_> {
    /// One look at the server for a list.
    fn look(&mut self, agent: &ureq::Agent) -> Result<(), String> {
        let (octets, tag) = match fetch(agent, &self.part, NOTE_OCTETS_MAX as u64)? {
            PulledLook::New(octets, tag) => (octets, tag),
            PulledLook::Same => {
                self.list.note_reached();
                return Ok(());
            }
            PulledLook::Missing => return Ok(()),
        };
        self.list.note_reached();
        let is_done = match self.bundle(agent, &octets)? {
            PulledIssue::Known => true,
            PulledIssue::Refused => false,
            PulledIssue::New(bundle) => {
                !matches!(self.list.offer(bundle).change, ListChange::Refused { .. })
            }
        };
        // What is refused is fetched again, entries and all: the server may be in the middle of an
        // update, and the clock or the keys may change.
        if is_done {
            self.part.tag = tag;
        }
        Ok(())
    }

    /// One look at the server for a chain of keys.
    fn look_for_keys(&mut self, agent: &ureq::Agent) -> Result<(), String> {
        let look = fetch(agent, &self.part, NOTE_OCTETS_MAX as u64)?;
        if let PulledLook::New(octets, tag) = look {
            let followed = self.list.follow_keys(&octets, &self.origin()).change;
            if !followed.is_refused_for_now() {
                self.part.tag = tag;
            }
        }
        Ok(())
    }

    /// One look at the server for removals.
    fn look_for_removals(&mut self, agent: &ureq::Agent) -> Result<(), String> {
        let look = fetch(agent, &self.part, NOTE_OCTETS_MAX as u64)?;
        let PulledLook::New(octets, tag) = look else {
            return Ok(());
        };
        let origin = self.origin();
        let fault = match SignedRemoval::open_all(&octets, &self.list.list.identities) {
            Ok((opened, fault)) => {
                for signed in opened {
                    self.list.remove(signed, &origin);
                }
                fault
            }
            Err(cause) => Some(cause),
        };
        let is_again = fault.as_ref().is_some_and(Cause::is_passing);
        if let Some(cause) = fault {
            self.list.note_trouble(cause, &origin.place);
        }
        if !is_again {
            self.part.tag = tag;
        }
        Ok(())
    }

    /// The list behind a manifest.
    fn bundle(&self, agent: &ureq::Agent, octets: &[u8]) -> Result<PulledIssue, String> {
        let origin = self.origin();
        let refuse = |cause| {
            self.list.note_trouble(cause, &origin.place);
            Ok(PulledIssue::Refused)
        };
        let note = match Note::parse(octets) {
            Ok(note) => note,
            Err(fault) => return refuse(Cause::Note(fault)),
        };
        // Whether it is to be believed is asked before anything large is fetched.
        match self.list.wants(&note) {
            Err(cause) => return refuse(cause),
            Ok(false) => return Ok(PulledIssue::Known),
            Ok(true) => {}
        }
        let manifest = Manifest::parse(note.text()).map_err(|fault| fault.to_string())?;
        let entries = PulledFile::new(beside(&self.settings.url, &manifest.entries_file()));
        let look = fetch(agent, &entries, octets_max(manifest.entries))?;
        let PulledLook::New(octets, _) = look else {
            return refuse(Cause::NoEntries);
        };
        Ok(PulledIssue::New(Bundle {
            list: self.list.list.index,
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

/// What a look at a file on the server found.
enum PulledLook {
    /// What it holds now, with its tag.
    New(Zeroizing<Vec<u8>>, Option<String>),
    /// It is what it was.
    Same,
    /// There is none.
    Missing,
}

/// Look at a file on the server.
fn fetch(agent: &ureq::Agent, part: &PulledFile, octets_max: u64) -> Result<PulledLook, String> {
    let mut request = agent.get(&part.url);
    if let Some(tag) = &part.tag {
        request = request.header("If-None-Match", tag);
    }
    let mut reply = request.call().map_err(|error| error.to_string())?;
    match reply.status() {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED => return Ok(PulledLook::Same),
        StatusCode::NOT_FOUND => return Ok(PulledLook::Missing),
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
    Ok(PulledLook::New(octets.into(), tag))
}

/// The address of a file in the same folder.
fn beside(url: &str, file: &str) -> String {
    let folder = url
        .rfind('/')
        .and_then(|end| url.get(..=end))
        .unwrap_or(url);
    format!("{folder}{file}")
}
