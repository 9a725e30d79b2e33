//! Asking the authorities ourselves, from the root down: settings, root hints, the budget of a question, and the chase along aliases.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::hickory::{Engine, Step, encode};
use super::{Failure, Fetched, Question, StartError, Tally};
use crate::name::Name;

/// The root servers' addresses, for the first question.
const ROOT_HINTS: &str = include_str!("root.hints");
/// Aliases followed for one question; Unbound allows 11 restarts.
const ALIASES_MAX: usize = 11;
/// Servers asked for one question in all.
const ASKED_MAX: u32 = 50;
/// Names of many labels cost a probe a label and may cost a DS a label.
const ASKED_PER_LABEL: u32 = 2;
/// So many labels count; IPv6 reverse names have 34.
const LABELS_COUNTED_MAX: usize = 34;
/// Questions of the validator for one question, answered from memory or not.
const STEPS_MAX: u32 = 500;
/// Fresh starts for one step of a question when servers kept silent: a lost packet must not be the end.
const FRESH_STARTS_MAX: usize = 2;

/// How authorities are asked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Root hints as zone file text, one record a line; without it the built-in ones.
    pub root_hints: Option<String>,
    /// Trust anchors as zone file texts, one text a file, of DNSKEY records; without it the built-in root anchors (key tags 20326 and
    /// 38696). No text at all is no anchor at all: nothing is validated.
    pub trust_anchors: Option<Vec<String>>,
    /// Zones whose signatures are not checked, with all below them (negative trust anchors, RFC 7646).
    pub negative_anchors: Vec<Name>,
    /// Check signatures (RFC 4035).
    pub validate: bool,
    /// Believe signatures and DS digests made with SHA-1 (algorithms 5 and 7, digest type 1), which RFC 9905 deprecates.
    pub sha1: bool,
    /// Tell each server no more of the name than it needs (RFC 9156).
    pub minimise: bool,
    /// Ask authorities over IPv4.
    pub ipv4: bool,
    /// Ask authorities over IPv6.
    pub ipv6: bool,
    /// Authorities may stand on loopback addresses.
    pub loopback: bool,
    /// Authorities may stand on private and documentation addresses (RFC 1918, RFC 4193, RFC 5737, RFC 3849).
    pub private: bool,
    /// The port of all authorities.
    pub port: u16,
    /// The largest UDP reply asked for, in octets (RFC 6891 section 6.2.5).
    pub edns_octets: u16,
    /// The addresses that questions go out from, at most one of each family; without one the system chooses.
    pub outgoing: Vec<IpAddr>,
    /// Ask the roots for their own names and addresses first (RFC 8109).
    pub prime: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            root_hints: None,
            trust_anchors: None,
            negative_anchors: Vec::new(),
            validate: true,
            sha1: false,
            minimise: true,
            ipv4: true,
            ipv6: true,
            loopback: false,
            private: false,
            port: 53,
            edns_octets: 1232,
            outgoing: Vec::new(),
            prime: true,
        }
    }
}

impl Settings {
    /// Are signatures checked at all?
    pub fn validates(&self) -> bool {
        self.validate && self.trust_anchors.as_ref().is_none_or(|anchors| !anchors.is_empty())
    }
}

/// The way from the root down.
pub(super) struct Recursion {
    engine: RwLock<Arc<Engine>>,
    settings: Settings,
    roots: Vec<IpAddr>,
    tally: Arc<Tally>,
}

impl Recursion {
    pub(super) fn start(settings: Settings) -> Result<Self, StartError> {
        let mut roots = parse_hints(settings.root_hints.as_deref().unwrap_or(ROOT_HINTS))?;
        roots.retain(|address| if address.is_ipv4() { settings.ipv4 } else { settings.ipv6 });
        if roots.is_empty() {
            return Err(StartError::NoRoot);
        }
        let tally = Arc::new(Tally::default());
        let engine = RwLock::new(Arc::new(Engine::build(&settings, &roots, &tally)?));
        Ok(Self { engine, settings, roots, tally })
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Begin anew with empty caches; questions in flight finish with the old ones.
    pub(super) fn forget(&self) -> Result<(), StartError> {
        let engine = Arc::new(Engine::build(&self.settings, &self.roots, &self.tally)?);
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        Ok(())
    }

    /// Find the answer, alias after alias, within the question's budget.
    pub(super) async fn fetch(&self, question: &Question) -> Result<Fetched, Failure> {
        let engine = Arc::clone(&self.engine.read().unwrap_or_else(PoisonError::into_inner));
        let labels = question.name.label_count().min(LABELS_COUNTED_MAX) as u32;
        let budget = Arc::new(Budget {
            left: AtomicU32::new(ASKED_MAX + ASKED_PER_LABEL * labels),
            steps_left: AtomicU32::new(STEPS_MAX),
            silences: AtomicU32::new(0),
        });
        BUDGET.scope(Arc::clone(&budget), chase(&engine, question, &budget)).await
    }
}

/// Follow the aliases ourselves: hickory drops the chain when its end does not exist, and validates it as one when it must not.
async fn chase(engine: &Engine, question: &Question, budget: &Budget) -> Result<Fetched, Failure> {
    let mut steps: Vec<Step> = Vec::with_capacity(1);
    let mut visited = vec![question.name.clone()];
    loop {
        let name = visited.last().unwrap_or(&question.name);
        let step = persist(engine, name, question, budget).await?;
        let next = step.next.clone();
        steps.push(step);
        match next {
            None => return encode(question, steps),
            Some(target) if visited.contains(&target) || visited.len() > ALIASES_MAX => return Err(Failure::TooMuchWork),
            Some(target) => visited.push(target),
        }
    }
}

/// One step, begun anew when it failed because servers kept silent.
async fn persist(engine: &Engine, name: &Name, question: &Question, budget: &Budget) -> Result<Step, Failure> {
    let mut fresh_starts = 0;
    loop {
        let silences = budget.silences.load(Ordering::Relaxed);
        let failure = match engine.step(name, question).await {
            Ok(step) => return Ok(step),
            Err(failure) => failure,
        };
        let silent = budget.silences.load(Ordering::Relaxed) > silences;
        if budget.left.load(Ordering::Relaxed) == 0 || budget.steps_left.load(Ordering::Relaxed) == 0 {
            return Err(Failure::TooMuchWork);
        }
        if !silent || fresh_starts == FRESH_STARTS_MAX {
            return Err(if silent && failure == Failure::Unusable { Failure::Unreachable } else { failure });
        }
        fresh_starts += 1;
    }
}

tokio::task_local! {
    static BUDGET: Arc<Budget>;
}

/// What one question may still cost, and what went wrong on the way.
struct Budget {
    left: AtomicU32,
    steps_left: AtomicU32,
    silences: AtomicU32,
}

/// Pay for asking one server; `Err` when the question has used up what it may. Outside of a question everything is free.
pub(super) fn charge() -> Result<(), Failure> {
    pay(|budget| &budget.left)
}

/// Take the payment back: nothing went out. A host without IPv6 would spend its budget on the root's addresses otherwise.
pub(super) fn refund() {
    // Outside of a question nothing was paid.
    let _ = BUDGET.try_with(|budget| budget.left.fetch_add(1, Ordering::Relaxed));
}

/// Pay for one question of the validator, and give others a turn: from memory it would walk on without a pause.
pub(super) async fn charge_step() -> Result<(), Failure> {
    tokio::task::consume_budget().await;
    pay(|budget| &budget.steps_left)
}

fn pay(purse: impl FnOnce(&Budget) -> &AtomicU32) -> Result<(), Failure> {
    let paid = BUDGET.try_with(|budget| {
        let paid = purse(budget).try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        paid.map(|_| ()).map_err(|_| Failure::TooMuchWork)
    });
    paid.unwrap_or(Ok(()))
}

/// A server was asked and kept silent.
pub(super) fn note_silence() {
    // Outside of a question nobody wants to know.
    let _ = BUDGET.try_with(|budget| budget.silences.fetch_add(1, Ordering::Relaxed));
}

/// The addresses in a hints file (RFC 8109 section 2): A and AAAA records, one a line, names and TTLs ignored.
fn parse_hints(text: &str) -> Result<Vec<IpAddr>, StartError> {
    let mut addresses = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fault = || StartError::RootHints { line: index + 1 };
        let fields: Vec<&str> = line.split(';').next().unwrap_or_default().split_whitespace().collect();
        match fields.as_slice() {
            [] => {}
            [.., rtype, _] if rtype.eq_ignore_ascii_case("NS") => {}
            [.., rtype, address] if rtype.eq_ignore_ascii_case("A") || rtype.eq_ignore_ascii_case("AAAA") => {
                let address: IpAddr = address.parse().map_err(|_| fault())?;
                if address.is_ipv4() != rtype.eq_ignore_ascii_case("A") {
                    return Err(fault());
                }
                addresses.push(address);
            }
            _ => return Err(fault()),
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_hints_are_the_thirteen_letters() {
        let roots = parse_hints(ROOT_HINTS).unwrap();
        assert_eq!(roots.iter().filter(|address| address.is_ipv4()).count(), 13);
        assert_eq!(roots.iter().filter(|address| address.is_ipv6()).count(), 13);
    }

    #[test]
    fn bad_hints_are_refused_with_their_line() {
        for (text, line) in [("\n. NS a.\na. A 2001:db8::1", 3), ("a. A 192.0.2.999", 1), ("a. TXT x", 1), ("$TTL 60", 1)] {
            match parse_hints(text) {
                Err(StartError::RootHints { line: found }) => assert_eq!(found, line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
