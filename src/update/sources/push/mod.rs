//! The listener that curators push to: HTTPS, one request a connection. The token is the permission
//! to speak; only signatures are believed.
//!
//! `PUT /v1/lists/<id>` takes `{"manifest": note, "entries": base64}`, `PUT
//! /v1/lists/<id>/removal` removals, `PUT /v1/lists/<id>/keys` a chain of keys, and `GET
//! /v1/lists/<id>` tells how the list stands, with its receipt.

mod secrets;
mod settings;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::error;
use zeroize::{Zeroize, Zeroizing};

use self::secrets::PushSecrets;
pub use self::secrets::check_tokens;
pub use self::settings::{PushFault, Settings};
use crate::clock::monotonic;
use crate::http::{
    Admission, Body, BodyLimits, FindTls, HttpAnswer, HttpDoor, HttpListener, HttpRefusal,
    ListenerLimits, RequestHead, Service,
};
use crate::list::Hash;
use crate::seal::Note;
use crate::update::bundle::{Bundle, Origin, Way};
use crate::update::listed::ListOrigin;
use crate::update::mailbox::Mailbox;
use crate::update::receipts::Receipts;
use crate::update::refusal::Cause;
use crate::update::removal::SignedRemoval;
use crate::update::roster::Roster;
use crate::update::state::ListChange;
use crate::update::text::Text;
use crate::update::updater::Updater;

/// Requests with a token at once, each of which may be as large as a list; an address that many
/// curators share may have all but two.
const LIMITS: ListenerLimits = ListenerLimits {
    lobby: 64,
    seats: 8,
    seats_per_address: 6,
};
/// Where lists are, each by its id.
const LISTS: &str = "/v1/lists/";
/// Lists that are read and judged at once, which takes its time: the other seats are left for
/// removals and for those who ask.
const BUNDLES: usize = 4;
/// How often files that could not be read are looked at again.
const LOOK: Duration = Duration::from_secs(1);
/// How long a request may take to come, in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// The open listener, not serving yet.
pub struct Listener {
    listener: HttpListener,
    secrets: Arc<FoundSecrets>,
}

/// The open door; closed when it is dropped.
pub struct PushDoor {
    secrets: Arc<FoundSecrets>,
    _door: HttpDoor,
}

impl PushDoor {
    /// Answer whoever pushes one of the lists that there are at the time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn serve(listener: Listener, updater: &Updater) -> io::Result<Self> {
        let secrets = Arc::clone(&listener.secrets);
        let _door = listener.serve(Arc::clone(updater.lists()))?;
        Ok(Self { secrets, _door })
    }

    /// From now on with these certificate, key and tokens, which are read again; those that cannot
    /// be read now leave the door as it was, and that is said.
    pub fn change(&self, settings: &Settings) {
        match PushSecrets::read(settings) {
            Ok(read) => {
                self.secrets.settings.store(Arc::new(settings.clone()));
                self.secrets.secrets.store(Some(Arc::new(read)));
            }
            Err(fault) => error!("the push listener stays as it was: {fault}"),
        }
    }
}

/// Certificate, key and tokens, which may come later than the listener.
struct FoundSecrets {
    settings: ArcSwap<Settings>,
    /// Nothing until they can be read.
    secrets: ArcSwapOption<PushSecrets>,
    /// It was told that they cannot.
    has_complained: AtomicBool,
    /// When they were looked for.
    looked: Mutex<Option<Instant>>,
}

impl Listener {
    /// Take the address. Certificate, key and tokens that cannot be read now are looked for again
    /// with each connection, and until then nobody can push.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn open(settings: &Settings) -> Result<Self, PushFault> {
        let listener = HttpListener::bind(settings.listen).map_err(|error| PushFault {
            place: settings.listen.to_string(),
            reason: format!("cannot listen: {error}"),
        })?;
        let secrets = FoundSecrets {
            settings: ArcSwap::from_pointee(settings.clone()),
            secrets: ArcSwapOption::empty(),
            has_complained: AtomicBool::new(false),
            looked: Mutex::new(None),
        };
        secrets.find();
        Ok(Self {
            listener,
            secrets: Arc::new(secrets),
        })
    }

    fn serve(self, lists: Arc<Roster>) -> io::Result<HttpDoor> {
        let secrets = Arc::clone(&self.secrets);
        let tls: FindTls = Box::new(move || Some(Arc::clone(&secrets.find()?.tls)));
        let service = Pushes {
            secrets: self.secrets,
            lists,
            bundles: Arc::new(Semaphore::new(BUNDLES)),
        };
        self.listener.serve("push", LIMITS, Some(tls), service)
    }
}

impl FoundSecrets {
    /// Certificate, key and tokens, as soon as they can be read.
    fn find(&self) -> Option<Arc<PushSecrets>> {
        let read = self.secrets.load_full();
        if read.is_some() {
            return read;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = monotonic();
        if looked.is_some_and(|looked| now.saturating_duration_since(looked) < LOOK) {
            return None;
        }
        *looked = Some(now);
        match PushSecrets::read(&self.settings.load()) {
            Ok(secrets) => {
                let secrets = Arc::new(secrets);
                self.secrets.store(Some(Arc::clone(&secrets)));
                Some(secrets)
            }
            Err(fault) => {
                if !self.has_complained.swap(true, Relaxed) {
                    error!("{fault}; until that is mended nobody can push");
                }
                None
            }
        }
    }
}

/// What goes back: a status and an object.
type Said = (&'static str, Value);

fn say((status, object): Said) -> HttpAnswer {
    HttpAnswer::new(status, "application/json", object.to_string())
}

/// How a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Put,
}

/// Answers those who have a token.
struct Pushes {
    secrets: Arc<FoundSecrets>,
    lists: Arc<Roster>,
    bundles: Arc<Semaphore>,
}

impl Service for Pushes {
    fn refuse(&self, refusal: &HttpRefusal) -> HttpAnswer {
        say((refusal.status, json!({ "error": refusal.message })))
    }

    fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal> {
        let method = match head.method {
            "GET" => Method::Get,
            "PUT" => Method::Put,
            _ => {
                let message = "only GET and PUT are answered here";
                return Err(HttpRefusal::new("405 Method Not Allowed", message));
            }
        };
        let bearer = head.field("authorization")?;
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        let secrets = self.secrets.find();
        if !secrets.is_some_and(|secrets| secrets.admits(bearer.unwrap_or_default())) {
            let message = "the token is not one of those in [push] tokens";
            return Err(HttpRefusal::new("401 Unauthorized", message));
        }
        let (lists, target) = (Arc::clone(&self.lists), head.target.to_owned());
        // Only a list has no part behind its id.
        let is_list = target
            .strip_prefix(LISTS)
            .is_some_and(|rest| !rest.contains('/'));
        let place = match method {
            Method::Put if is_list => {
                let place = Arc::clone(&self.bundles).try_acquire_owned();
                Some(place.map_err(|_| HttpRefusal::full("other lists are being judged"))?)
            }
            _ => None,
        };
        Ok(Admission {
            limits: BodyLimits {
                octets_max: self.secrets.settings.load().octets_max,
                too_large: "the list is larger than [push] mib_max",
                patience: PATIENCE,
            },
            answer: Box::new(move |body| {
                let (said, bundle) = answer(&lists, method, &target, body);
                let mut answer = say(said);
                if let Some((list, bundle)) = bundle {
                    answer.then = Some(Box::new(move || {
                        list.offer(bundle);
                        drop(place);
                    }));
                }
                answer
            }),
        })
    }
}

/// What a curator pushes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pushed {
    manifest: String,
    entries: String,
}

/// Answer a request; a bundle is judged after the answer, and the curator asks what became of
/// it.
fn answer(
    lists: &Roster,
    method: Method,
    target: &str,
    body: Body,
) -> (Said, Option<(Mailbox, Bundle)>) {
    let missing = (
        (
            "404 Not Found",
            json!({ "error": "there is no such list that may be pushed" }),
        ),
        None,
    );
    let Some(rest) = target.strip_prefix(LISTS) else {
        return missing;
    };
    let (id, part) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(list) = lists.named(id).filter(may_be_pushed) else {
        return missing;
    };
    let origin = Origin {
        way: Way::Push,
        place: "the push listener".to_owned(),
    };
    match (method, part) {
        (Method::Get, "") => (("200 OK", describe(&list)), None),
        (Method::Put, "removal") => (take_removal(&list, &body, &origin), None),
        (Method::Put, "keys") => (follow_keys(&list, &body, &origin), None),
        (Method::Put, "") => match unpack(body) {
            Ok((note, entries)) => {
                let bundle = Bundle {
                    list: list.list.index,
                    manifest: Some(note),
                    text: Text::Memory(entries.into()),
                    origin,
                };
                (
                    ("202 Accepted", json!({ "state": "judging" })),
                    Some((list, bundle)),
                )
            }
            Err(reason) => (("400 Bad Request", json!({ "error": reason })), None),
        },
        _ => missing,
    }
}

fn follow_keys(list: &Mailbox, body: &[u8], origin: &Origin) -> Said {
    match list.follow_keys(body, origin).change {
        ListChange::Refused { message, .. } => {
            ("422 Unprocessable Content", json!({ "error": message }))
        }
        ListChange::Keys { link } => ("200 OK", json!({ "state": "followed", "link": link })),
        _ => ("200 OK", json!({ "state": "followed" })),
    }
}

fn may_be_pushed(list: &Mailbox) -> bool {
    let is_push = |source: &ListOrigin| matches!(source, ListOrigin::Push);
    list.list.sources.iter().any(is_push)
}

/// How a list stands, with the receipt for what is in force.
fn describe(list: &Mailbox) -> Value {
    let view = list.view();
    let state = &view.state;
    let manifest = state.manifest.as_deref().and_then(Hash::parse);
    let receipts = view.folder.as_deref().map(Receipts::of);
    let receipt = manifest.and_then(|manifest| receipts?.find(manifest));
    let refusal = state.last_refusal.as_ref().map(|refusal| &refusal.message);
    let refused = state
        .last_refusal
        .as_ref()
        .and_then(|refusal| refusal.manifest.as_ref());
    let word = match (&refusal, &state.trial, state.live_since, &receipt) {
        (Some(_), ..) => "refused",
        (_, Some(_), ..) => "shadow",
        (.., 0, _) => "none",
        (.., None) => "live",
        (.., Some(_)) => "proven",
    };
    let shadow_until = state.trial.as_ref().map(|trial| trial.until);
    json!({
        "serial": state.serial, "manifest": state.manifest, "entries": state.entries,
        "live-since": state.live_since,
        "state": word, "shadow-until": shadow_until, "message": refusal, "refused": refused,
        "receipt": receipt,
    })
}

fn take_removal(list: &Mailbox, body: &[u8], origin: &Origin) -> Said {
    let (opened, fault) = match SignedRemoval::open_all(body, &list.list.identities) {
        Ok(opened) => opened,
        Err(Cause::Removals(fault)) => {
            return ("400 Bad Request", json!({ "error": fault.to_string() }));
        }
        Err(_) => {
            let error = "the removal cannot be read";
            return ("400 Bad Request", json!({ "error": error }));
        }
    };
    let (mut said, mut refused) = (json!({ "state": "removed" }), None);
    let mut removed = None;
    for signed in opened {
        match list.remove(signed, origin).change {
            ListChange::Refused { message, .. } => refused = Some(message),
            ListChange::Removed { entries } => removed = Some(removed.unwrap_or(0) + entries),
            ListChange::RemovalWaits { from } => said = json!({ "state": "waiting", "from": from }),
            ListChange::Settled => said = json!({ "state": "settled" }),
            ListChange::Swapped { .. }
            | ListChange::Staged { .. }
            | ListChange::Keys { .. }
            | ListChange::Asked
            | ListChange::Unchanged => {}
        }
    }
    if let Some(Cause::Secret(reason)) = fault {
        refused = Some(reason);
    }
    match (refused, removed) {
        (Some(message), _) => ("422 Unprocessable Content", json!({ "error": message })),
        (None, Some(entries)) => ("200 OK", json!({ "state": "removed", "entries": entries })),
        (None, None) => ("200 OK", said),
    }
}

/// The note and the entries; nothing is believed yet, and what is not needed any more is wiped.
fn unpack(mut body: Zeroizing<Vec<u8>>) -> Result<(Note, Zeroizing<Vec<u8>>), String> {
    let pushed: Result<Pushed, _> = serde_json::from_slice(&body);
    body.zeroize();
    let mut pushed =
        pushed.map_err(|_| "the body is not {\"manifest\": …, \"entries\": …}".to_owned())?;
    let entries = BASE64.decode(pushed.entries.as_bytes()).map(Zeroizing::new);
    pushed.entries.zeroize();
    let entries = entries.map_err(|_| "`entries` is not base64".to_owned())?;
    let note =
        Note::parse(pushed.manifest.as_bytes()).map_err(|fault| format!("`manifest`: {fault}"))?;
    Ok((note, entries))
}
