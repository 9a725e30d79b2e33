//! The running resolver: its parts, how it starts and how it stops.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};
use tracing::{info, warn};

use super::anchors;
use super::budget::MemoryBudget;
use super::certificate::CertificateWatch;
use super::doors::{DoorGround, Doors};
use super::looking::Looking;
use super::opening::facts;
use super::proofs::Proofs;
use super::readings::{LastReload, Losses, ReadingSource, publish};
use super::resolution::LiveResolution;
use super::start_error::StartError;
use super::temporary::Temporary;
use crate::clock::UnixSeconds;
use crate::config::{Config, LogLevel, Problem};
use crate::control::{ControlServer, Facts, RequestRates, ServerParts, Underway};
use crate::count::Board;
use crate::measure::{LiveReadiness, ThreadTimes};
use crate::resolve;
use crate::serve::tcp::Streams;
use crate::serve::{Current, InService};
use crate::store::{Health, Journal, Keeper, Promises};
use crate::update::Updater;
use crate::update::push::PushDoor;
use crate::witness::Witnesses;
use crate::{measure, process};

/// Files that are open beside connections: sockets to others, lists, the store.
const FILES_BESIDE_CONNECTIONS: u64 = 2000;

/// The running resolver.
pub struct RunningEngine {
    pub(super) runtime: Handle,
    pub(super) operator: Operator,
    pub(super) updater: Arc<Updater>,
    pub(super) journal: Journal,
    pub(super) promises: Promises,
    pub(super) board: Arc<Board>,
    pub(super) current: Arc<Current>,
    pub(super) facts: Arc<ArcSwap<Facts>>,
    pub(super) health: Health,
    pub(super) readiness: LiveReadiness,
    pub(super) underway: Underway,
    pub(super) last_reload: Arc<ArcSwap<LastReload>>,
    pub(super) losses: Arc<Losses>,
    pub(super) started: Instant,
    pub(super) started_at: UnixSeconds,
    /// Changed by one at a time; nothing once it has stopped.
    pub(super) parts: Mutex<Option<EngineParts>>,
}

/// What the engine asks of the command that runs it.
pub struct Operator {
    /// Reads the configuration again.
    pub load: Box<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>,
    /// Has this much logged from now on.
    pub log: Box<dyn Fn(LogLevel) + Send + Sync>,
}

/// What a change of the configuration exchanges.
pub(super) struct EngineParts {
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
    pub(super) certificate: CertificateWatch,
    pub(super) anchors: Option<AbortHandle>,
    /// What was answered by before, until nobody does any more.
    pub(super) retired: Vec<Arc<InService>>,
    pub(super) control: Option<ControlServer>,
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

impl RunningEngine {
    /// What could not be had before is looked for again, and what changed by itself is seen.
    pub fn look_again(&self) {
        // Whoever changes the parts looks at all of it.
        let Ok(mut parts) = self.parts.try_lock() else {
            return;
        };
        if let Some(parts) = &mut *parts {
            parts.proofs.begin(&self.updater, &parts.doors.udp());
            self.end_what_is_over(parts);
            let was_until = parts.certificate.until;
            parts.certificate.look(&parts.config, &parts.ground);
            if parts.certificate.until != was_until {
                let facts = self.facts.load();
                let certificate_until = parts.certificate.until;
                let told = Facts {
                    certificate_until,
                    ..Facts::clone(&facts)
                };
                self.facts.store(Arc::new(told));
            }
            parts
                .retired
                .retain(|retired| Arc::strong_count(retired) > 1);
        }
    }

    /// The lists.
    pub const fn updater(&self) -> &Arc<Updater> {
        &self.updater
    }

    /// What takes its time, for the operator.
    pub const fn underway(&self) -> &Underway {
        &self.underway
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
        // The control socket goes last, so that a stop that takes long says what it waits for.
        let work = self
            .underway
            .begin("the program stops: what was asked is answered, the last counts are written");
        drop((parts.looking.take(), parts.push.take()));
        self.runtime.block_on(async {
            parts.doors.close().await;
            for closing in parts.closing {
                let _ = closing.await;
            }
        });
        parts.keeper.stop()?;
        drop(work);
        Ok(())
    }

    /// Are other resolvers asked, and not the authorities?
    pub(super) fn forwards(&self) -> bool {
        !self
            .current
            .load()
            .answering
            .resolver()
            .upstreams()
            .is_empty()
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Option<EngineParts>> {
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
    pub(super) fn publish(&self, publisher: measure::Publisher, streams: &Streams) -> MetricsDoor {
        let mut source = ReadingSource {
            board: Arc::clone(&self.board),
            current: Arc::clone(&self.current),
            streams: streams.clone(),
            losses: Arc::clone(&self.losses),
            updater: Arc::clone(&self.updater),
            health: self.health.clone(),
            facts: Arc::clone(&self.facts),
            last_reload: Arc::clone(&self.last_reload),
            started: self.started_at,
            threads: ThreadTimes::default(),
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
    pub(super) fn tell(&self, parts: &EngineParts, witnesses: Witnesses, waiting: Vec<String>) {
        let mut doors = parts.doors.names();
        doors.extend(parts.metrics.iter().map(|door| door.name.clone()));
        let notified = parts.looking.iter().flat_map(Looking::notified);
        doors.extend(notified.map(|address| format!("notify {address}")));
        let facts = facts(&parts.config, doors, witnesses);
        self.facts.store(Arc::new(Facts {
            waiting,
            temporary: parts.temporary.words(),
            is_leaving: parts.temporary.is_leaving,
            certificate_until: parts.certificate.until,
            negative_anchors: parts.temporary.all_negative_anchors(&parts.file),
            ..facts
        }));
        self.losses.store(Arc::new(parts.doors.losses()));
        let octets = self
            .updater
            .states()
            .into_iter()
            .map(|list| 2 * list.octets);
        let budget = MemoryBudget::new(&parts.config);
        info!("{}", budget.describe(octets.sum()));
    }

    pub(super) fn control_parts(self: &Arc<Self>) -> ServerParts {
        ServerParts {
            updater: Arc::clone(&self.updater),
            facts: Arc::clone(&self.facts),
            configuration: Box::new(Arc::downgrade(self)),
            board: Arc::clone(&self.board),
            health: self.health.clone(),
            readiness: Arc::clone(&self.readiness),
            resolution: Box::new(LiveResolution {
                current: Arc::clone(&self.current),
                runtime: self.runtime.clone(),
            }),
            underway: self.underway.clone(),
            started: self.started,
            rates: RequestRates::default(),
        }
    }
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
