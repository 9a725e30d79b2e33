//! Looks once a second how the resolver does: whether somebody outside answers, what an operator
//! must see to, whether clients can be sent here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{self, MissedTickBehavior};
use tracing::{error, info};

use super::reach::{HeardOutside, Reach, ReachNews, Trouble};
use super::running::RunningEngine;
use crate::clock::{UnixSeconds, monotonic, wall_s};
use crate::measure::{Readiness, ReadinessState};
use crate::query::Answering;

const BEAT: Duration = Duration::from_secs(1);
/// So many beats after the start it is tried whether anybody outside answers, where no client has
/// asked by then, and so often while nobody does.
const TRY_AGAIN: u32 = 10;
const DAY_S: i64 = 86_400;
/// Those who renew certificates do so weeks before they run out.
const CERTIFICATE_DAYS: i64 = 7;

/// Look until the engine is gone.
pub(super) async fn beat(engine: Weak<RunningEngine>) {
    let (mut ticks, mut reach, mut beats) = (time::interval(BEAT), Reach::default(), 0_u32);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(engine) = engine.upgrade() else {
            return;
        };
        let answering = Arc::clone(&engine.current.load().answering);
        beats = beats.wrapping_add(1);
        let heard = heard(&answering);
        let is_unheard = beats == TRY_AGAIN && heard.replies == 0;
        if is_unheard || reach.trouble().is_some() && beats.is_multiple_of(TRY_AGAIN) {
            let answering = Arc::clone(&answering);
            tokio::spawn(async move { answering.try_outside().await });
        }
        let news = reach.look(heard, monotonic());
        tell(news, &engine);
        let readiness = engine.readiness(reach.trouble());
        engine.readiness.store(Arc::new(readiness));
    }
}

fn heard(answering: &Answering) -> HeardOutside {
    let (totals, fetched) = (answering.resolver().totals(), answering.fetched());
    HeardOutside {
        replies: totals.answers,
        failures: totals.failures,
        answers: fetched.answers,
        bogus: fetched.bogus,
    }
}

fn tell(news: Option<ReachNews>, engine: &RunningEngine) {
    match news {
        Some(ReachNews::Trouble(trouble)) => error!("CANNOT RESOLVE: {}", explain(trouble, engine)),
        Some(ReachNews::Over) => info!("names are resolved again"),
        None => {}
    }
}

/// What is wrong and what to check.
fn explain(trouble: Trouble, engine: &RunningEngine) -> &'static str {
    let forwards = engine.forwards();
    match trouble {
        Trouble::Silence if forwards => {
            "no upstream resolver answers: check the route to them, what filters port 53 (UDP and \
             TCP) or 853, and `wardline status`; kept answers are still given"
        }
        Trouble::Silence => {
            "no server outside answers: check the default route, what filters port 53 (UDP and \
             TCP), and `dig @198.41.0.4 . NS`; kept answers are still given"
        }
        Trouble::Unbelievable => {
            "nothing that is heard can be validated: check the clock, `trust_anchors`, and whether \
             somebody on the way answers in the servers' place (`dig @198.41.0.4 . DNSKEY +dnssec`)"
        }
    }
}

/// That the certificate is about to run out, or has.
fn tell_certificate(until: UnixSeconds) -> Option<String> {
    let left_s = until - wall_s();
    if left_s < 0 {
        return Some("the certificate has expired: clients that check it go away".to_owned());
    }
    let days = left_s / DAY_S;
    (days < CERTIFICATE_DAYS).then(|| format!("the certificate is valid for {days} days more"))
}

impl RunningEngine {
    /// How it stands, with what is to be seen to.
    fn readiness(&self, trouble: Option<Trouble>) -> Readiness {
        let facts = self.facts.load();
        let mut why: Vec<String> = trouble
            .iter()
            .map(|trouble| format!("cannot resolve: {}", explain(*trouble, self)))
            .collect();
        for list in self.updater.states() {
            if list.live_since == 0 {
                why.push(format!("list {}: not in force", list.id));
            }
            let alarms = list.alarms.iter();
            why.extend(alarms.map(|alarm| format!("list {}: {}", list.id, alarm.message)));
        }
        let counts = self.health.read();
        let unwritten = counts
            .last_error
            .map(|error| format!("counts not written: {error}"));
        why.extend(unwritten.into_iter().chain(counts.clock));
        why.extend(facts.certificate_until.and_then(tell_certificate));
        let waiting = facts.waiting.iter();
        why.extend(waiting.map(|key| format!("{key} waits for a restart")));
        let state = match trouble {
            Some(_) => ReadinessState::Down,
            None if facts.is_leaving => ReadinessState::Leaving,
            None if why.is_empty() => ReadinessState::Ready,
            None => ReadinessState::Degraded,
        };
        Readiness { state, why }
    }
}
