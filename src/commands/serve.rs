//! `wardline serve`: starts the engine, says when it is ready, follows signals, and stops it in
//! order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use super::failure::{CommandFailure, failed, lines, load};
use super::{log, output};
use crate::clock::monotonic;
use crate::config::Config;
use crate::control::ReloadTurn;
use crate::engine::{OpenedEngine, Operator, RunningEngine, StartWait, notify};
use crate::process::{self, Manners};
use crate::update::{ListState, Updater, Which};

/// Start everything, answer until told to stop, end in order.
pub(super) fn run(path: Option<&Path>) -> Result<(), CommandFailure> {
    let started = monotonic();
    let config = load(path)?;
    log::start(config.log);
    check(&config)?;
    let runtime = start_runtime()?;
    // Followed from here on, so that a signal that comes while the lists are loaded waits instead
    // of killing.
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let opened = OpenedEngine::open(config, runtime.handle(), started).map_err(failed)?;
    if runtime.block_on(opened.wait(signals.stop())) == StartWait::Stopped {
        return Ok(());
    }
    let path = path.map(Path::to_path_buf);
    let operator = Operator {
        load: Box::new(move || Config::load(path.as_deref())),
        log: Box::new(log::set_level),
    };
    let engine = RunningEngine::start(opened, operator).map_err(failed)?;
    let told = runtime.block_on(answer_until_told(signals, &engine, started));
    notify(&[NotifyState::Stopping]);
    engine.stop().map_err(failed)?;
    runtime.shutdown_background();
    info!("stopped");
    told
}

/// What keeps a start from being tried.
fn check(config: &Config) -> Result<(), CommandFailure> {
    let problems = config.check_start_files();
    if !problems.is_empty() {
        return Err(CommandFailure::Usage(lines(&problems)));
    }
    config
        .protected()
        .map(drop)
        .map_err(CommandFailure::Usage)?;
    if !config.resolve.checks_signatures() {
        warn!(
            "{}: signatures are not checked: answers can be forged",
            config.place
        );
    }
    Ok(())
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
    engine: &Arc<RunningEngine>,
    started: Instant,
) -> Result<(), CommandFailure> {
    output::print(&ready_line(engine.updater(), &engine.doors()))?;
    notify(&[NotifyState::Ready]);
    info!(ms = started.elapsed().as_millis() as u64, "ready");
    let mut reminder = tokio::time::interval(REMIND);
    let mut again = tokio::time::interval(AGAIN);
    loop {
        tokio::select! {
            _ = reminder.tick() => remind(engine.updater()),
            _ = again.tick() => aside(engine, RunningEngine::look_again).await,
            _ = signals.hangup.recv() => aside(engine, reload).await,
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
        }
    }
}

/// Do this off the threads that answer.
async fn aside(engine: &Arc<RunningEngine>, work: impl FnOnce(&RunningEngine) + Send + 'static) {
    let engine = Arc::clone(engine);
    let done = tokio::task::spawn_blocking(move || work(&engine)).await;
    if let Err(error) = done {
        warn!("what was to be done ended early ({error})");
    }
}

/// Read the configuration and all lists again; the outcome is in the log.
fn reload(engine: &RunningEngine) {
    let begun = NotifyState::monotonic_usec_now();
    notify(&begun.map_or_else(
        |_| vec![NotifyState::Reloading],
        |now| vec![NotifyState::Reloading, now],
    ));
    let _work = engine.underway().begin_reload();
    if engine.reload(ReloadTurn::Real).is_ok() {
        engine.updater().reload(Which::All);
    }
    notify(&[NotifyState::Ready]);
}

/// How often it is said that a list is not in force.
const REMIND: Duration = Duration::from_secs(60);
/// How often is looked again for what could not be had before, and for what changed by itself.
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
