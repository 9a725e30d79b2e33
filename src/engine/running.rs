//! The running resolver: its parts, how it starts and how it stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{info, warn};

use super::answering::{guards, put_together, stream_settings};
use super::budget::MemoryBudget;
use super::counting::{entry_tallies, run_settings};
use super::doors::{DoorGround, Doors, threads};
use super::looking::Looking;
use super::opening::{OpenedEngine, facts};
use super::proofs::Proofs;
use super::readings::{ReadingSource, publish};
use super::resolution::LiveResolution;
use super::resolver::resolve_settings;
use super::temporary::Temporary;
use super::{StartError, anchors};
use crate::clock::{self, UnixSeconds};
use crate::config::{Config, LogLevel, Problem};
use crate::control::{ControlServer, Facts, RequestRates, ServerParts};
use crate::count::Board;
use crate::query::Answering;
use crate::resolve;
use crate::serve::tcp::Streams;
use crate::serve::tls::{LiveIdentity, TlsIdentity};
use crate::serve::{Current, InService};
use crate::store::{Health, Journal, Keeper, Promises};
use crate::update::Updater;
use crate::update::push::PushDoor;
use crate::witness::Witnesses;
use crate::{measure, process};

/// Files that are open beside connections: sockets to others, lists, the store.
const FILES_BESIDE_CONNECTIONS: u64 = 2000;

/// The running resolver.
pub struct Engine {
    pub(super) runtime: Handle,
    pub(super) operator: Operator,
    pub(super) updater: Arc<Updater>,
    pub(super) journal: Journal,
    pub(super) promises: Promises,
    pub(super) board: Arc<Board>,
    pub(super) current: Arc<Current>,
    pub(super) facts: Arc<ArcSwap<Facts>>,
    pub(super) health: Health,
    started: Instant,
    started_at: UnixSeconds,
    /// Changed by one at a time; nothing once it has stopped.
    parts: Mutex<Option<Parts>>,
}

/// What the engine asks of the command that runs it.
pub struct Operator {
    /// Reads the configuration again.
    pub load: Box<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>,
    /// Has this much logged from now on.
    pub log: Box<dyn Fn(LogLevel) + Send + Sync>,
}

/// What a change of the configuration exchanges.
pub(super) struct Parts {
    /// What was in force at the start.
    pub(super) started: Config,
    /// As the file has it, as far as it can be in force.
    pub(super) file: Config,
    /// What an operator changed since.
    pub(super) temporary: Temporary,
    /// What is in force: both together.
    pub(super) config: Config,
    /// The way outside as it was asked for.
    pub(super) resolve: resolve::Settings,
    pub(super) ground: DoorGround,
    pub(super) doors: Doors,
    /// Doors that are closed as soon as all is answered that came in by them.
    pub(super) closing: Vec<JoinHandle<()>>,
    pub(super) looking: Option<Looking>,
    pub(super) push: Option<PushDoor>,
    pub(super) metrics: Option<MetricsDoor>,
    pub(super) proofs: Proofs,
    pub(super) keeper: Keeper,
    pub(super) anchors: Option<AbortHandle>,
    /// What was answered by before, until nobody does any more.
    pub(super) retired: Vec<Arc<InService>>,
    control: Option<ControlServer>,
}

/// Where Prometheus asks.
pub(super) struct MetricsDoor {
    pub(super) name: String,
    publishing: AbortHandle,
}

impl Drop for MetricsDoor {
    fn drop(&mut self) {
        self.publishing.abort();
    }
}

impl Engine {
    /// Open the way outside, all doors and the store. Questions are answered when this returns.
    ///
    /// # Errors
    /// Where a door or the way outside cannot be opened.
    pub fn start(opened: OpenedEngine, operator: Operator) -> Result<Arc<Self>, StartError> {
        let OpenedEngine {
            config,
            runtime,
            control,
            journal,
            promises,
            updater,
            looking,
            push,
            started,
        } = opened;
        let _inside = runtime.enter();
        let board = Arc::new(Board::new(config.lists().len()));
        board.count_entries(entry_tallies(&config));
        let (answering, due) = put_together(&config, updater.live(), &board)?;
        let answering = Arc::new(answering);
        let ground = ground(&config, answering)?;
        let current = Arc::clone(&ground.current);
        let renewing = Arc::clone(&current);
        let present = move || Arc::clone(&renewing.load().answering);
        runtime.spawn(Answering::renew(present, due));
        let mut doors = Doors::default();
        let bound = runtime.block_on(doors.bind(&config))?;
        warn_of_few_files(&config);
        let publisher = config.metrics.map(measure::start).transpose()?;
        // A run begins in the log once nothing can keep its doors shut any more: a start that
        // failed is no crash.
        let run = run_settings(&config, &promises, &updater);
        let keeper = Keeper::start(Arc::clone(&board), run, &journal)?;
        // By now it is known whether the log goes on.
        let witnesses = Witnesses::start(&config.audit.witnesses, &config.state)?;
        let engine = Arc::new(Self {
            runtime: runtime.clone(),
            operator,
            facts: Arc::new(ArcSwap::from_pointee(facts(
                &config,
                Vec::new(),
                witnesses.clone(),
            ))),
            health: keeper.health(),
            updater,
            journal,
            promises,
            board,
            current,
            started,
            started_at: clock::wall_s(),
            parts: Mutex::default(),
        });
        if let Err(error) = doors.open(bound, &config.listen, &ground) {
            keeper.stop()?;
            return Err(error);
        }
        let parts = Parts {
            started: config.clone(),
            file: config.clone(),
            temporary: Temporary::default(),
            resolve: resolve_settings(&config)?,
            anchors: engine.follow_anchors(&config),
            metrics: publisher.map(|publisher| engine.publish(publisher)),
            proofs: Proofs::new(&config),
            config,
            ground,
            doors,
            closing: Vec::new(),
            looking: Some(looking),
            push,
            keeper,
            retired: Vec::new(),
            control: None,
        };
        engine.tell(&parts, witnesses, Vec::new());
        *engine.parts() = Some(parts);
        let server = control.serve(engine.control_parts());
        match server {
            Ok(server) => {
                if let Some(parts) = &mut *engine.parts() {
                    parts.control = Some(server);
                    parts.proofs.begin(&engine.updater, &parts.doors.udp());
                }
                Ok(engine)
            }
            Err(error) => engine.stop().and(Err(error.into())),
        }
    }

    /// What could not be had before is looked for again, and what changed by itself is seen.
    pub fn look_again(&self) {
        // Whoever changes the parts looks at all of it.
        let Ok(mut parts) = self.parts.try_lock() else {
            return;
        };
        if let Some(parts) = &mut *parts {
            parts.proofs.begin(&self.updater, &parts.doors.udp());
            self.end_what_is_over(parts);
            parts
                .retired
                .retain(|retired| Arc::strong_count(retired) > 1);
        }
    }

    /// The lists.
    pub const fn updater(&self) -> &Arc<Updater> {
        &self.updater
    }

    /// The open doors, like "udp 127.0.0.1:5300".
    pub fn doors(&self) -> Vec<String> {
        self.facts.load().doors.clone()
    }

    /// Close the doors, finish what is in flight, and write the last counts.
    ///
    /// # Errors
    /// Where the last counts cannot be written.
    pub fn stop(&self) -> Result<(), StartError> {
        // A change that waits for a list lets go of it.
        self.updater.stop();
        let Some(mut parts) = self.parts().take() else {
            return Ok(());
        };
        drop((
            parts.control.take(),
            parts.looking.take(),
            parts.push.take(),
        ));
        self.runtime.block_on(async {
            parts.doors.close().await;
            for closing in parts.closing {
                let _ = closing.await;
            }
        });
        parts.keeper.stop()?;
        Ok(())
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Option<Parts>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Let the trust anchors follow their zones' keys, and be told to their servers, as it is
    /// wanted.
    pub(super) fn follow_anchors(&self, config: &Config) -> Option<AbortHandle> {
        let recurse = &config.resolve.recurse;
        let is_wanted = recurse.update_trust_anchors || recurse.signal_trust_anchors;
        is_wanted.then(|| {
            let resolver = self.current.load().answering.resolver().clone();
            let follow = anchors::follow(resolver, config.state.clone());
            self.runtime.spawn(follow).abort_handle()
        })
    }

    /// Show at this door how the resolver does.
    pub(super) fn publish(&self, publisher: measure::Publisher) -> MetricsDoor {
        let source = ReadingSource {
            board: Arc::clone(&self.board),
            current: Arc::clone(&self.current),
            updater: Arc::clone(&self.updater),
            health: self.health.clone(),
            facts: Arc::clone(&self.facts),
            started: self.started_at,
        };
        publisher.publish(&source.read());
        MetricsDoor {
            name: format!("metrics {}", publisher.address()),
            publishing: self
                .runtime
                .spawn(publish(publisher, source))
                .abort_handle(),
        }
    }

    /// Let the operator see what is in force, and say what memory is promised.
    pub(super) fn tell(&self, parts: &Parts, witnesses: Witnesses, waiting: Vec<String>) {
        let mut doors = parts.doors.names();
        doors.extend(parts.metrics.iter().map(|door| door.name.clone()));
        let notified = parts.looking.iter().flat_map(Looking::notified);
        doors.extend(notified.map(|address| format!("notify {address}")));
        let facts = facts(&parts.config, doors, witnesses);
        self.facts.store(Arc::new(Facts {
            waiting,
            temporary: parts.temporary.words(),
            is_leaving: parts.temporary.is_leaving,
            negative_anchors: parts.temporary.all_negative_anchors(&parts.file),
            ..facts
        }));
        let octets = self
            .updater
            .states()
            .into_iter()
            .map(|list| 2 * list.octets);
        let budget = MemoryBudget::new(&parts.config);
        info!("{}", budget.describe(octets.sum()));
    }

    fn control_parts(self: &Arc<Self>) -> ServerParts {
        ServerParts {
            updater: Arc::clone(&self.updater),
            facts: Arc::clone(&self.facts),
            configuration: Box::new(Arc::downgrade(self)),
            board: Arc::clone(&self.board),
            health: self.health.clone(),
            resolution: Box::new(LiveResolution {
                current: Arc::clone(&self.current),
                runtime: self.runtime.clone(),
            }),
            started: self.started,
            rates: RequestRates::default(),
        }
    }
}

/// What all doors answer by.
fn ground(config: &Config, answering: Arc<Answering>) -> Result<DoorGround, StartError> {
    let current = Arc::new(Current::from_pointee(InService {
        answering,
        guards: guards(config)?,
    }));
    let streams = Streams::new(Arc::clone(&current), threads(), stream_settings(config));
    let identity = tls_identity(config)?.map(LiveIdentity::from_pointee);
    Ok(DoorGround {
        current,
        streams,
        identity: identity.map(Arc::new),
    })
}

/// The certificate and its key, where there is to be a TLS door.
pub(super) fn tls_identity(config: &Config) -> Result<Option<TlsIdentity>, StartError> {
    let files = config.listen.identity.as_ref();
    let load = |files: &crate::config::TlsFiles| TlsIdentity::load(&files.certificate, &files.key);
    Ok(files.map(load).transpose()?)
}

/// Each connection, and each question to somebody else, is an open file.
pub(super) fn warn_of_few_files(config: &Config) {
    let wanted = config.limits.connections as u64 + FILES_BESIDE_CONNECTIONS;
    match process::raise_open_files() {
        Ok(files) if files >= wanted => {}
        Ok(files) => warn!(
            files,
            connections = config.limits.connections,
            "fewer files may be open than [limits] connections and questions to others need: raise \
             LimitNOFILE"
        ),
        Err(error) => warn!(%error, "the limit of open files is not known"),
    }
}
