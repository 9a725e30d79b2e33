//! `wardline serve`: puts the parts together, says when it is ready, and takes them down again in
//! order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::budget::MemoryBudget;
use super::engine::RunningEngine;
use super::failure::{CommandFailure, failed, lines};
use super::proofs::Proofs;
use super::service::notify;
use super::waiting::{StartWait, WaitingControl, wait_for_lists};
use super::{log, output, transfers};
use crate::cache::Flush;
use crate::clock::{monotonic, wall_s};
use crate::config::Config;
use crate::control::{
    CacheStatus, Resolution, RootCopyStatus, ServerParts, Socket, UpstreamStatus,
};
use crate::policy::ListRules;
use crate::process::{self, Manners};
use crate::query::Answering;
use crate::resolve::{AnchorStatus, RootStanding};
use crate::store::{Journal, Promises, make_private_folder};
use crate::update::push::Listener;
use crate::update::{ListState, Settings, Sources, Updater, Watch, Which};

/// Start everything, answer until told to stop, end in order.
pub(super) fn run(config: &Config) -> Result<(), CommandFailure> {
    let started = monotonic();
    log::start(config.log);
    let problems = config.check_start_files();
    if !problems.is_empty() {
        return Err(CommandFailure::Usage(lines(&problems)));
    }
    if !config.resolve.checks_signatures() {
        warn!(
            "{}: signatures are not checked: answers can be forged",
            config.place
        );
    }
    let runtime = start_runtime()?;
    // Followed from here on, so that a signal that comes while the lists are loaded waits instead
    // of killing.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    make_folder(&config.state);
    let socket = Socket::bind(&config.control).map_err(failed)?;
    let journal = Journal::default();
    let promises = Promises::open(&config.promised);
    let (updater, rules) = load_lists(config, &journal, &promises)?;
    let push = config.push.as_ref().map(Listener::open);
    let push = push.transpose().map_err(failed)?;
    let mut proofs = Proofs::new(config, &rules);
    let sources = Sources::start(&updater, push).map_err(failed)?;
    let transfers = transfers::start(config, &updater, runtime.handle())?;
    let watch = Watch::start(&updater).map_err(failed)?;
    let control =
        WaitingControl::open(socket, config, &updater, &rules, started).map_err(failed)?;
    if runtime.block_on(wait_for_lists(&updater, signals.stop())) == StartWait::Stopped {
        return Ok(());
    }
    let engine = RunningEngine::start(runtime, config, &updater, &journal, &promises);
    let engine = engine.map_err(failed)?;

    let answering = engine.answering();
    let notified = transfers.addresses().iter();
    let notified = notified.map(|address| format!("notify {address}"));
    let doors: Vec<String> = engine.doors().iter().cloned().chain(notified).collect();
    let budget = tell_budget(config, &updater);
    let parts = ServerParts {
        octets_without_lists: budget.without_lists(),
        updater: Arc::clone(&updater),
        clients: Arc::clone(answering.clients()),
        rules,
        board: Arc::clone(engine.board()),
        health: engine.health(),
        witnesses: engine.witnesses(),
        doors: doors.clone(),
        resolution: Box::new(LiveResolution(Arc::clone(answering))),
        started,
    };
    let server = match control.serve(parts) {
        Ok(server) => server,
        Err(error) => return engine.stop().and(Err(error.into())).map_err(failed),
    };

    proofs.begin(&updater, engine.doors());
    let told = engine.runtime().block_on(answer_until_told(
        signals,
        &updater,
        &doors,
        started,
        || {
            proofs.begin(&updater, engine.doors());
        },
    ));
    notify(&[NotifyState::Stopping]);
    drop((server, watch, sources, transfers));
    updater.stop();
    engine.stop().map_err(failed)?;
    info!("stopped");
    told
}

/// What memory is promised, which is said.
fn tell_budget(config: &Config, updater: &Updater) -> MemoryBudget {
    let budget = MemoryBudget::new(config);
    let octets = updater.states().iter().map(|list| 2 * list.octets).sum();
    info!("{}", budget.describe(octets));
    budget
}

/// The threads that resolve and hold connections.
fn start_runtime() -> Result<Runtime, CommandFailure> {
    // Where the system refuses, resolving is only less polite.
    let polite = || drop(process::give_way(Manners::Behind));
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().on_thread_start(polite);
    builder.build().map_err(failed)
}

/// Say that everything is live, then follow the signals until one says stop.
async fn answer_until_told(
    mut signals: Signals,
    updater: &Arc<Updater>,
    doors: &[String],
    started: Instant,
    mut try_again: impl FnMut(),
) -> Result<(), CommandFailure> {
    output::print(&ready_line(updater, doors))?;
    notify(&[NotifyState::Ready]);
    info!(ms = started.elapsed().as_millis() as u64, "ready");
    let mut reminder = tokio::time::interval(REMIND);
    let mut again = tokio::time::interval(AGAIN);
    loop {
        tokio::select! {
            _ = reminder.tick() => remind(updater),
            _ = again.tick() => try_again(),
            _ = signals.hangup.recv() => reload(Arc::clone(updater)).await,
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
        }
    }
}

/// How often it is said that a list is not in force.
const REMIND: Duration = Duration::from_secs(60);
/// How often a key for receipts is looked for where there is none.
const AGAIN: Duration = Duration::from_secs(5);

/// Say which lists are not in force, so that nobody takes silence for blocking.
fn remind(updater: &Updater) {
    for list in updater.states() {
        if list.live_since == 0 {
            let why = why_not(&list);
            error!(list = %list.id, "NOT IN FORCE: none of its names is blocked: {why}");
        }
    }
}

fn why_not(list: &ListState) -> &str {
    list.last_refusal
        .as_ref()
        .map_or("it has not come yet", |refusal| &refusal.message)
}

/// The signals that we follow.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// Followed so that it does not end the program: a file that may not grow is an error of
    /// writing, and answering needs no disk.
    _file_size: Signal,
}

impl Signals {
    fn new() -> Result<Self, CommandFailure> {
        let follow = |kind| signal(kind).map_err(failed);
        Ok(Self {
            hangup: follow(SignalKind::hangup())?,
            terminate: follow(SignalKind::terminate())?,
            interrupt: follow(SignalKind::interrupt())?,
            _file_size: follow(SignalKind::from_raw(libc::SIGXFSZ))?,
        })
    }

    /// Until one says stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Read all lists again, off the threads that answer; the outcome is in the log.
async fn reload(updater: Arc<Updater>) {
    let begun = NotifyState::monotonic_usec_now();
    notify(&begun.map_or_else(
        |_| vec![NotifyState::Reloading],
        |now| vec![NotifyState::Reloading, now],
    ));
    let reloaded = tokio::task::spawn_blocking(move || updater.reload(Which::All)).await;
    if let Err(error) = reloaded {
        warn!("the reload ended early ({error})");
    }
    notify(&[NotifyState::Ready]);
}

fn load_lists(
    config: &Config,
    journal: &Journal,
    promises: &Promises,
) -> Result<(Arc<Updater>, Vec<ListRules>), CommandFailure> {
    let (rules, lists): (Vec<_>, Vec<_>) = config.lists().iter().cloned().unzip();
    if lists.is_empty() {
        warn!("{}: there is no [[list]]: nothing is blocked", config.place);
    }
    let settings = Settings {
        lists,
        quiet: config.quiet,
        state: Some(config.state.clone()),
        protected: config.protected().map_err(CommandFailure::Usage)?,
        journal: journal.clone(),
        promises: promises.clone(),
    };
    let (updater, _) = Updater::start(settings).map_err(failed)?;
    Ok((updater, rules))
}

/// The one line on standard output: what is live now.
fn ready_line(updater: &Updater, doors: &[String]) -> String {
    let lists = updater.states();
    let lists = lists.iter().map(|list| {
        let stands = match (list.live_since, list.entries) {
            (0, _) => format!("NOT IN FORCE ({})", why_not(list)),
            (_, 1) => "1 entry".to_owned(),
            (_, entries) => format!("{entries} entries"),
        };
        format!("list {} {stands}", list.id)
    });
    let lists = if lists.len() == 0 {
        "no list".to_owned()
    } else {
        lists.collect::<Vec<_>>().join(", ")
    };
    format!(
        "ready: {}; {lists}; pid {}\n",
        doors.join(", "),
        std::process::id()
    )
}

/// Make the state folder, for its owner alone; one that is there stays as it is. Whoever keeps
/// something there says what cannot be kept, and tries again.
fn make_folder(state: &Path) {
    if let Err(error) = make_private_folder(state) {
        let state = state.display();
        error!(
            "{state}: cannot be made ({error}): free its disk, or choose another `state` folder"
        );
    }
}

/// Cache and resolver, as the control socket sees them.
struct LiveResolution(Arc<Answering>);

impl Resolution for LiveResolution {
    fn cache(&self) -> CacheStatus {
        let fill = self.0.cache().fill();
        let renewals = self.0.renewals();
        CacheStatus {
            answers: fill.entries as u64,
            octets: fill.octets,
            octets_max: fill.octets_max,
            stale: renewals.stale,
            renewed: renewals.renewed,
            ..CacheStatus::default()
        }
    }

    fn flush(&self, what: Flush<'_>) -> u64 {
        let below = match what {
            Flush::All => None,
            Flush::Name(name) | Flush::Below(name) => Some(name),
        };
        if let Err(error) = self.0.resolver().forget(below) {
            warn!("the resolver keeps what it learnt ({error})");
        }
        self.0.cache().flush(what) as u64
    }

    fn root_copy(&self) -> Option<RootCopyStatus> {
        let RootStanding { serial, until } = self.0.resolver().root_copy()?;
        Some(RootCopyStatus {
            serial,
            until,
            holds: wall_s() < until,
        })
    }

    fn trust_anchors(&self) -> Vec<AnchorStatus> {
        self.0.resolver().anchors()
    }

    fn rebindings(&self) -> Option<u64> {
        self.0.resolver().totals().rebindings
    }

    fn upstreams(&self) -> Vec<UpstreamStatus> {
        let upstreams = self.0.resolver().upstreams().into_iter();
        let status = upstreams.map(|upstream| UpstreamStatus {
            address: upstream.server.to_string(),
            zone: upstream.zone.map(|zone| zone.to_string()),
            is_up: upstream.down_since.is_none(),
            asked: upstream.answers + upstream.failures,
            failed: upstream.failures,
        });
        status.collect()
    }
}
