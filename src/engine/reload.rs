//! The configuration is read again: checked whole, then put in force as one, while questions are
//! answered. What is wrong with it changes nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use tracing::{error, info, warn};

use super::StartError;
use super::answering::{next_guards, resolver, stream_settings, terms};
use super::counting::{entry_tallies, run_settings};
use super::doors::BoundDoors;
use super::flushed::Forgotten;
use super::looking::{Looking, open_push};
use super::opening::warn_without_lists;
use super::proofs::Proofs;
use super::readings::LastReload;
use super::resolver::resolve_settings;
use super::restart_keys::{as_far_as_possible, explain, is_one};
use super::running::{Engine, Parts, tls_identity, warn_of_few_files};
use crate::clock::wall_s;
use crate::config::{Config, KeyChange, Problem};
use crate::control::{ConfigReload, Configuration, ReloadTurn};
use crate::list::guard::Protected;
use crate::measure;
use crate::record::{ConfigurationChanged, Statement};
use crate::resolve::{self, Resolver};
use crate::serve::tls::{LiveIdentity, TlsIdentity};
use crate::serve::{Guards, InService};
use crate::store::{JournalEvent, RunChange};
use crate::update::push::PushDoor;
use crate::witness::Witnesses;

impl Configuration for Weak<Engine> {
    fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let engine = self.upgrade().ok_or(STOPPING)?;
        engine.reload(turn)
    }
}

const STOPPING: &str = "the program stops";

/// What is otherwise in the next configuration.
struct Plan {
    /// Can be in force while the program runs.
    changed: Vec<KeyChange>,
    /// Waits for a restart.
    waiting: Vec<KeyChange>,
}

/// All of the next configuration that can go wrong, made before anything is changed.
struct Prepared {
    resolve: resolve::Settings,
    /// Nothing where the way outside stays.
    resolver: Option<Resolver>,
    guards: Guards,
    identity: Option<TlsIdentity>,
    protected: Protected,
}

impl Engine {
    /// Read the configuration again and put it in force, or say what that would change.
    ///
    /// # Errors
    /// All that is wrong with it; what was in force stays.
    pub fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let reloaded = self.try_reload(turn);
        if turn == ReloadTurn::Real {
            self.note_reload(reloaded.is_ok());
        }
        match &reloaded {
            Err(reason) if turn == ReloadTurn::Real => {
                error!("the configuration was NOT changed: {reason}");
            }
            Ok(told) if turn == ReloadTurn::Real => {
                let of = |words: &[String]| words.join("; ");
                if !told.changed.is_empty() {
                    info!("the configuration was changed: {}", of(&told.changed));
                }
                if !told.waiting.is_empty() {
                    warn!("the configuration waits in part: {}", of(&told.waiting));
                }
            }
            _ => {}
        }
        reloaded
    }

    /// For the metrics: was it put in force?
    fn note_reload(&self, is_good: bool) {
        let before = **self.last_reload.load();
        let at = if is_good { wall_s() } else { before.at };
        self.last_reload.store(Arc::new(LastReload { at, is_good }));
    }

    fn try_reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let mut parts = self.parts();
        let parts = parts.as_mut().ok_or(STOPPING)?;
        let next = (self.operator.load)().map_err(|problems| lines(&problems))?;
        let problems = next.check_start_files();
        if !problems.is_empty() {
            return Err(lines(&problems));
        }
        let plan = Plan::new(parts, &next);
        let next = as_far_as_possible(next, &parts.started);
        let _inside = self.runtime.enter();
        let prepared = Prepared::new(parts, &next, &plan).map_err(|error| error.to_string())?;
        if turn == ReloadTurn::Real {
            let change = Change {
                engine: self,
                parts,
                plan: &plan,
            };
            change
                .put_in_force(next, prepared)
                .map_err(|error| error.to_string())?;
        }
        Ok(ConfigReload {
            changed: plan.changed.iter().map(ToString::to_string).collect(),
            waiting: plan.waiting.iter().map(explain).collect(),
            dry_run: turn == ReloadTurn::DryRun,
        })
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Plan {
    fn new(parts: &Parts, next: &Config) -> Self {
        let (mut changed, mut waiting) = (
            parts.config.changes_to(next),
            parts.started.changes_to(next),
        );
        changed.retain(|change| !is_one(change));
        waiting.retain(is_one);
        Self { changed, waiting }
    }

    /// Was anything changed in one of these sections?
    fn touches(&self, sections: &[&str]) -> bool {
        let is_in = |change: &KeyChange| {
            let mut sections = sections.iter();
            sections.any(|section| is_below(&change.key, section))
        };
        self.changed.iter().any(is_in)
    }

    /// Is this list set up otherwise, where it was there before?
    fn touches_list(&self, id: &str) -> bool {
        self.touches(&[&format!("list.{id}"), &format!("list.\"{id}\""), "lists"])
    }
}

/// Is it this section or key, or stands it in it?
fn is_below(key: &str, section: &str) -> bool {
    let rest = key.strip_prefix(section);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Prepared {
    fn new(parts: &Parts, next: &Config, plan: &Plan) -> Result<Self, StartError> {
        let resolve = resolve_settings(next)?;
        let follows = |config: &Config| config.resolve.recurse.update_trust_anchors;
        let is_other = resolve != parts.resolve || follows(next) != follows(&parts.config);
        let serving = parts.ground.current.load();
        Ok(Self {
            resolver: is_other.then(|| resolver(next)).transpose()?,
            resolve,
            guards: next_guards(&serving.guards, next, plan.touches(&["limits"]))?,
            identity: tls_identity(next)?,
            protected: next.protected()?,
        })
    }
}

/// A change that is being made.
struct Change<'e> {
    engine: &'e Engine,
    parts: &'e mut Parts,
    plan: &'e Plan,
}

/// The lists of both configurations.
struct ListChanges {
    gone: Vec<String>,
    /// Those that are new, or set up otherwise, by their place in the next configuration.
    set: Vec<usize>,
}

impl Change<'_> {
    fn put_in_force(self, mut next: Config, prepared: Prepared) -> Result<(), StartError> {
        let Self {
            engine,
            parts,
            plan,
        } = self;
        let bound = engine.runtime.block_on(parts.doors.bind(&next))?;
        let metrics = open_metrics(&parts.config, &next)?;
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

impl ListChanges {
    /// What becomes of the lists, with the place of each.
    fn find(
        plan: &Plan,
        before: &Config,
        next: &mut Config,
        engine: &Engine,
    ) -> Result<Self, StartError> {
        let ids = |config: &Config| -> BTreeSet<String> {
            let lists = config.lists().iter();
            lists.map(|(rules, _)| rules.id.clone()).collect()
        };
        let (old, new) = (ids(before), ids(next));
        let places = next
            .lists()
            .iter()
            .map(|(rules, _)| engine.updater.reserve(&rules.id));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        engine.board.make_room(
            places
                .iter()
                .map(|place| usize::from(*place) + 1)
                .max()
                .unwrap_or(0),
        );
        next.set_places(&places);
        next.go_on_counting(before);
        let is_set = |id: &String| !old.contains(id) || plan.touches_list(id);
        let set = next.lists().iter().enumerate();
        let set = set
            .filter(|(_, (rules, _))| is_set(&rules.id))
            .map(|(index, _)| index);
        Ok(Self {
            set: set.collect(),
            gone: old.difference(&new).cloned().collect(),
        })
    }

    fn any(&self) -> bool {
        !self.gone.is_empty() || !self.set.is_empty()
    }

    /// Have those kept that are new or set up otherwise.
    fn set(&self, next: &Config, engine: &Engine, protected: Protected) {
        engine.updater.protect(protected);
        engine.updater.wait_quiet(next.quiet);
        for index in &self.set {
            let Some((rules, source)) = next.lists().get(*index) else {
                continue;
            };
            if let Err(refusal) = engine.updater.set(source.clone()) {
                error!(list = %rules.id, "NOT IN FORCE: {refusal}");
            }
        }
        engine.board.count_entries(entry_tallies(next));
    }
}

/// What puts other terms in force: an instant, in which no list is there that goes.
fn swap(
    engine: &Engine,
    parts: &mut Parts,
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
    engine: &Engine,
    parts: &Parts,
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

impl Plan {
    /// For the journal and the audit log.
    fn event(&self) -> JournalEvent {
        let keys =
            |changes: &[KeyChange]| changes.iter().map(|change| change.key.clone()).collect();
        let changed = ConfigurationChanged::new(keys(&self.changed), keys(&self.waiting));
        JournalEvent::now(Statement::Configured(changed))
    }
}

/// What becomes of a door: nothing where it stays, another one or none otherwise.
type Exchanged<T> = Option<Option<T>>;

fn open_metrics(
    before: &Config,
    next: &Config,
) -> Result<Exchanged<measure::Publisher>, StartError> {
    if next.metrics == before.metrics {
        return Ok(None);
    }
    Ok(Some(next.metrics.map(measure::start).transpose()?))
}

/// The door that lists are pushed to, where its address is another one.
fn open_push_elsewhere(
    before: &Config,
    next: &Config,
    engine: &Engine,
) -> Result<Exchanged<PushDoor>, StartError> {
    let address = |config: &Config| config.push.as_ref().map(|push| push.listen);
    if address(before) == address(next) {
        return Ok(None);
    }
    open_push(next, &engine.updater).map(Some)
}

impl Parts {
    fn exchange_doors(
        &mut self,
        next: &Config,
        bound: BoundDoors,
        identity: Option<TlsIdentity>,
        engine: &Engine,
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
    fn look_for_lists(&mut self, engine: &Engine) {
        if self.looking.is_some() {
            return;
        }
        match Looking::start(&self.config, &engine.updater, &engine.runtime) {
            Ok(looking) => self.looking = Some(looking),
            // It is tried again.
            Err(error) => error!("nobody looks for lists: {error}"),
        }
    }

    fn follow_anchors(&mut self, engine: &Engine) {
        if let Some(before) = self.anchors.take() {
            before.abort();
        }
        self.anchors = engine.follow_anchors(&self.config);
    }

    /// Who cosigns the log.
    fn witnesses(&self, engine: &Engine, are_others: bool) -> Witnesses {
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
