//! The parts of the running resolver are exchanged for those of another configuration: all that can
//! go wrong is made first, then what questions are answered by is swapped in an instant.

use std::sync::Arc;

use tracing::error;

use super::answering::{next_guards, resolver, stream_settings, terms};
use super::certificate::{CertificateWatch, acceptable_identity, tls_identity};
use super::counting::run_settings;
use super::doors::BoundDoors;
use super::flushed::Forgotten;
use super::list_changes::ListChanges;
use super::looking::{Looking, open_push};
use super::opening::warn_without_lists;
use super::plan::Plan;
use super::proofs::Proofs;
use super::resolver::resolve_settings;
use super::running::{EngineParts, RunningEngine, warn_of_few_files};
use super::start_error::StartError;
use crate::config::Config;
use crate::list::guard::Protected;
use crate::measure;
use crate::resolve::{self, Resolver};
use crate::serve::tls::{LiveIdentity, TlsIdentity};
use crate::serve::{Guards, InService};
use crate::store::RunChange;
use crate::update::push::PushDoor;
use crate::witness::Witnesses;

/// All of the next configuration that can go wrong, made before anything is changed.
pub(super) struct PreparedConfig {
    resolve: resolve::Settings,
    /// Nothing where the way outside stays.
    resolver: Option<Resolver>,
    guards: Guards,
    identity: Option<TlsIdentity>,
    protected: Protected,
}

impl PreparedConfig {
    /// Make it; nothing is changed by that.
    pub(super) fn new(parts: &EngineParts, next: &Config, plan: &Plan) -> Result<Self, StartError> {
        let resolve = resolve_settings(next)?;
        let follows = |config: &Config| config.resolve.recurse.update_trust_anchors;
        let is_other = resolve != parts.resolve || follows(next) != follows(&parts.config);
        let serving = parts.ground.current.load();
        Ok(Self {
            resolver: is_other.then(|| resolver(next)).transpose()?,
            resolve,
            guards: next_guards(&serving.guards, next, plan.touches(&["limits"]))?,
            identity: identity(parts, next, plan)?,
            protected: next.protected()?,
        })
    }
}

/// The certificate that is in force stays, whatever its date; another one must be such that clients
/// accept it.
fn identity(
    parts: &EngineParts,
    next: &Config,
    plan: &Plan,
) -> Result<Option<TlsIdentity>, StartError> {
    let is_other = plan.touches(&["tls"]) || parts.certificate.has_changed(next);
    if is_other {
        acceptable_identity(next)
    } else {
        tls_identity(next)
    }
}

/// A change that is being made.
pub(super) struct PartsExchange<'e> {
    pub(super) engine: &'e RunningEngine,
    pub(super) parts: &'e mut EngineParts,
    pub(super) plan: &'e Plan,
}

impl PartsExchange<'_> {
    /// Put this configuration in force as one. An error changes nothing.
    pub(super) fn put_in_force(
        self,
        mut next: Config,
        prepared: PreparedConfig,
    ) -> Result<(), StartError> {
        let Self {
            engine,
            parts,
            plan,
        } = self;
        let bound = engine.runtime.block_on(parts.doors.bind(&next))?;
        let metrics = open_metrics(&parts.config, &next, engine)?;
        let push = open_push_elsewhere(&parts.config, &next, engine)?;
        let lists = ListChanges::find(plan, &parts.config, &mut next, engine)?;
        let looks_anew = lists.any() || plan.touches(&["list", "lists", "transfer"]);
        if looks_anew {
            // Nothing is offered to a list that goes.
            parts.looking = None;
        }
        let has_other_way = prepared.resolver.is_some();
        let forgotten = Forgotten::of_ways(&parts.resolve, &prepared.resolve);
        let local = Forgotten::of_local(&parts.config.local, &next.local);
        parts.resolve = prepared.resolve;
        let swap = swap(
            engine,
            parts,
            &next,
            (prepared.resolver, prepared.guards),
            &lists.gone,
        );
        let changed = change_run(engine, parts, plan, &next, swap);
        if let Err(error) = changed {
            // Nothing was changed; who looks for lists was only let go.
            parts.look_for_lists(engine);
            return Err(error);
        }
        // From here on nothing can fail as a whole.
        let answering = Arc::clone(&engine.current.load().answering);
        forgotten.flush(answering.cache());
        local.flush(answering.cache());
        if next.cache.octets_max != parts.config.cache.octets_max {
            answering.cache().resize(next.cache.octets_max);
        }
        lists.set(&next, engine, prepared.protected);
        parts.exchange_doors(&next, bound, prepared.identity, engine);
        if let Some(metrics) = metrics {
            let streams = &parts.ground.streams;
            parts.metrics = metrics.map(|publisher| engine.publish(publisher, streams));
        }
        match push {
            Some(push) => parts.push = push,
            None => parts
                .push
                .iter()
                .zip(&next.push)
                .for_each(|(door, settings)| door.change(settings)),
        }
        (engine.operator.log)(next.log);
        warn_of_few_files(&next);
        warn_without_lists(&next);
        parts.proofs = Proofs::new(&next);
        parts.certificate = CertificateWatch::new(&next);
        parts.config = next;
        if has_other_way {
            parts.follow_anchors(engine);
        }
        parts.look_for_lists(engine);
        parts.proofs.begin(&engine.updater, &parts.doors.udp());
        let witnesses = parts.witnesses(engine, plan.touches(&["audit.witness"]));
        let waiting = plan.waiting.iter().map(|change| change.key.clone());
        engine.tell(parts, witnesses, waiting.collect());
        Ok(())
    }
}

/// What puts other terms in force: an instant, in which no list is there that goes.
fn swap(
    engine: &RunningEngine,
    parts: &mut EngineParts,
    next: &Config,
    (resolver, guards): (Option<Resolver>, Guards),
    gone: &[String],
) -> impl FnOnce() + Send + 'static {
    let before = engine.current.load_full();
    let has_other_way = resolver.is_some();
    let answering = before.answering.under(terms(next), resolver);
    let (settings, streams) = (stream_settings(next), parts.ground.streams.clone());
    let (waiting, current) = (next.limits.waiting, Arc::clone(&engine.current));
    let (updater, gone) = (Arc::clone(&engine.updater), gone.to_vec());
    // Freed later, by nobody who answers.
    parts.retired.push(Arc::clone(&before));
    move || {
        for id in &gone {
            if let Err(refusal) = updater.take_away(id) {
                error!(list = %id, "it cannot be taken away: {refusal}");
            }
        }
        guards
            .waiters
            .allow(waiting, Arc::clone(&guards.client_limits));
        streams.change(settings, &guards);
        current.store(Arc::new(InService {
            answering: Arc::new(answering),
            guards,
        }));
        if has_other_way {
            before.answering.retire();
        }
    }
}

/// End the run and begin another one, with other terms in force between both; where the file is the
/// same one, only those change.
fn change_run(
    engine: &RunningEngine,
    parts: &EngineParts,
    plan: &Plan,
    next: &Config,
    swap: impl FnOnce() + Send + 'static,
) -> Result<(), StartError> {
    if next.digest == parts.config.digest {
        swap();
        return Ok(());
    }
    let change = RunChange {
        next: run_settings(next, &engine.promises, &engine.updater),
        meanwhile: Box::new(swap),
    };
    let changed = parts.keeper.change(change);
    changed.map_err(|error| format!("the counts so far cannot be written: {error}"))?;
    engine.journal.note(plan.event());
    Ok(())
}

/// What becomes of a door: nothing where it stays, another one or none otherwise.
type Exchanged<T> = Option<Option<T>>;

fn open_metrics(
    before: &Config,
    next: &Config,
    engine: &RunningEngine,
) -> Result<Exchanged<measure::Publisher>, StartError> {
    if next.metrics == before.metrics {
        return Ok(None);
    }
    let readiness = || Arc::clone(&engine.readiness);
    let start = |listen| measure::start(listen, readiness());
    Ok(Some(next.metrics.map(start).transpose()?))
}

/// The door that lists are pushed to, where its address is another one.
fn open_push_elsewhere(
    before: &Config,
    next: &Config,
    engine: &RunningEngine,
) -> Result<Exchanged<PushDoor>, StartError> {
    let address = |config: &Config| config.push.as_ref().map(|push| push.listen);
    if address(before) == address(next) {
        return Ok(None);
    }
    open_push(next, &engine.updater).map(Some)
}

impl EngineParts {
    fn exchange_doors(
        &mut self,
        next: &Config,
        bound: BoundDoors,
        identity: Option<TlsIdentity>,
        engine: &RunningEngine,
    ) {
        match (identity, &self.ground.identity) {
            (Some(identity), Some(live)) => live.store(Arc::new(identity)),
            (Some(identity), None) => {
                self.ground.identity = Some(Arc::new(LiveIdentity::from_pointee(identity)));
            }
            (None, _) => {}
        }
        let unwanted = self.doors.take_unwanted(&next.listen);
        if let Err(error) = self.doors.open(bound, &next.listen, &self.ground) {
            error!("a door stays shut: {error}");
        }
        self.closing.retain(|closing| !closing.is_finished());
        self.closing.push(engine.runtime.spawn(unwanted.close()));
    }

    /// Look for the lists, where nobody does.
    fn look_for_lists(&mut self, engine: &RunningEngine) {
        if self.looking.is_some() {
            return;
        }
        match Looking::start(&self.config, &engine.updater, &engine.runtime) {
            Ok(looking) => self.looking = Some(looking),
            // It is tried again.
            Err(error) => error!("nobody looks for lists: {error}"),
        }
    }

    fn follow_anchors(&mut self, engine: &RunningEngine) {
        if let Some(before) = self.anchors.take() {
            before.abort();
        }
        self.anchors = engine.follow_anchors(&self.config);
    }

    /// Who cosigns the log.
    fn witnesses(&self, engine: &RunningEngine, are_others: bool) -> Witnesses {
        let before = engine.facts.load().witnesses.clone();
        if !are_others {
            return before;
        }
        let started = Witnesses::start(&self.config.audit.witnesses, &self.config.state);
        started.unwrap_or_else(|error| {
            error!("the witnesses stay as they were: {error}");
            before
        })
    }
}
