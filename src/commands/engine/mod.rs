//! Puts the running resolver together from its configuration, and takes it apart again without
//! losing a question.

mod anchors;
mod counting;
mod readings;
mod resolver;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::answer::blocked::Page;
use crate::answer::local::Local;
use crate::cache::{Cache, Lifetimes};
use crate::clock;
use crate::config::Config;
use crate::count::{Board, ListIdentity};
use crate::list::ListIndex;
use crate::measure;
use crate::policy::{Clients, Live};
use crate::process;
use crate::query::{Answering, Due, Parts, RenewalSettings};
use crate::resolve::Resolver;
use crate::serve::Guards;
use crate::serve::client_limits::ClientLimitTable;
use crate::serve::cookies::Cookies;
use crate::serve::limits::ReplyRate;
use crate::serve::proxy::Balancers;
use crate::serve::tcp::{self, Streams};
use crate::serve::tls::{self, TlsIdentity};
use crate::serve::udp::{self, Udp};
use crate::serve::waiters::Waiters;
use crate::store::{Health, Journal, Keeper, Promises};
use crate::update::Updater;
use crate::witness::Witnesses;
pub(super) use counting::open_store;
use counting::{entry_tallies, identity, in_force, store_opener};
use readings::{ReadingSource, publish};
pub(super) use resolver::StartError;
use resolver::{resolve_settings, special_use, with_made_addresses};

/// Files that are open beside connections: sockets to others, lists, the store.
const FILES_BESIDE_CONNECTIONS: u64 = 2000;

/// How much longer than a client's patience a stopping door waits for answers under way.
const DRAIN_EXTRA: Duration = Duration::from_secs(1);

/// The running resolver.
pub(super) struct RunningEngine {
    runtime: Runtime,
    answering: Arc<Answering>,
    board: Arc<Board>,
    doors: Vec<String>,
    udp: Udp,
    streams: JoinSet<()>,
    stop: watch::Sender<bool>,
    keeper: Keeper,
    witnesses: Witnesses,
}

impl RunningEngine {
    /// Open the way outside, all doors and the store. Questions are answered when this returns.
    pub(super) fn start(
        runtime: Runtime,
        config: &Config,
        updater: &Arc<Updater>,
        journal: &Journal,
        promises: &Promises,
    ) -> Result<Self, StartError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let started = clock::wall_s();
        let identities: Vec<ListIdentity> = config
            .lists()
            .iter()
            .map(|(rules, _)| identity(rules))
            .collect();
        let board = Arc::new(Board::new(identities.len()).with_entries(entry_tallies(config)));
        let guard = runtime.enter();
        let (answering, due) = put_together(config, updater.live(), &board)?;
        let answering = Arc::new(answering);
        runtime.spawn(Arc::clone(&answering).renew(due));
        follow_anchors(&runtime, &answering, config);
        let (stop, stopped) = watch::channel(false);
        let mut streams = JoinSet::new();
        let mut doors = Vec::new();
        let bound = udp::Bound::bind(&udp_settings(config, threads))?;
        doors.extend(
            bound
                .addresses()
                .iter()
                .map(|address| format!("udp {address}")),
        );
        warn_of_few_files(config);
        let guards = guards(config)?;
        let opening = open_streams(config, &answering, &guards, threads, &stopped, &mut streams);
        doors.extend(runtime.block_on(opening)?);
        let publisher = config.metrics.map(measure::start).transpose()?;
        let metrics = publisher.iter().map(|publisher| publisher.address());
        doors.extend(metrics.map(|address| format!("metrics {address}")));
        // A run begins in the log once nothing can keep its doors shut any more: a start that
        // failed is no crash.
        let keeper = Keeper::start(
            Arc::clone(&board),
            store_opener(config, identities, promises),
            journal,
            config.flush,
            in_force(updater),
        )?;
        // By now it is known whether the log goes on.
        let witnesses = Witnesses::start(&config.audit.witnesses, &config.state)?;
        if let Some(publisher) = publisher {
            let source = ReadingSource {
                board: Arc::clone(&board),
                answering: Arc::clone(&answering),
                updater: Arc::clone(updater),
                health: keeper.health(),
                witnesses: witnesses.clone(),
                started,
            };
            publisher.publish(&source.read());
            runtime.spawn(publish(publisher, source));
        }
        let udp = match bound.serve(&answering, &guards, config.limits.waiting) {
            Ok(udp) => udp,
            Err(error) => {
                keeper.stop()?;
                return Err(error.into());
            }
        };
        drop(guard);
        Ok(Self {
            runtime,
            answering,
            board,
            doors,
            udp,
            streams,
            stop,
            keeper,
            witnesses,
        })
    }

    /// The runtime of everything but the UDP threads.
    pub(super) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The open doors, like "udp 127.0.0.1:5300".
    pub(super) fn doors(&self) -> &[String] {
        &self.doors
    }

    /// How the writing of the counts goes.
    pub(super) fn health(&self) -> Health {
        self.keeper.health()
    }

    /// How it stands with those who cosign the log.
    pub(super) fn witnesses(&self) -> Witnesses {
        self.witnesses.clone()
    }

    /// The counts of all threads.
    pub(super) const fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// The answering function and what it holds: clients, cache, resolver.
    pub(super) const fn answering(&self) -> &Arc<Answering> {
        &self.answering
    }

    /// Close the doors, finish what is in flight, and write the last counts.
    pub(super) fn stop(self) -> Result<(), StartError> {
        let Self {
            runtime,
            udp,
            mut streams,
            stop,
            keeper,
            ..
        } = self;
        runtime.block_on(async move {
            let _ = stop.send(true);
            udp.close().await;
            while streams.join_next().await.is_some() {}
        });
        keeper.stop()?;
        runtime.shutdown_background();
        Ok(())
    }
}

/// Let the trust anchors follow their zones' keys, and be told to their servers, as it is wanted.
fn follow_anchors(runtime: &Runtime, answering: &Answering, config: &Config) {
    let recurse = &config.resolve.recurse;
    if recurse.update_trust_anchors || recurse.signal_trust_anchors {
        let resolver = answering.resolver().clone();
        runtime.spawn(anchors::follow(resolver, config.state.clone()));
    }
}

/// What would stop a start although the files that the configuration names can be opened: what
/// stands in them.
pub(super) fn check(config: &Config) -> Vec<String> {
    let identity = config.listen.identity.as_ref().map_or(Ok(()), |files| {
        TlsIdentity::load(&files.certificate, &files.key).map(drop)
    });
    let resolver = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::from)
        .and_then(|runtime| {
            let _guard = runtime.enter();
            Ok(Resolver::start(resolve_settings(config)?).map(drop)?)
        });
    let refusals = [
        identity.err().map(|fault| fault.to_string()),
        resolver.err().map(|error| error.to_string()),
    ];
    refusals.into_iter().flatten().collect()
}

fn put_together(
    config: &Config,
    live: &Arc<Live>,
    board: &Arc<Board>,
) -> Result<(Answering, Due), StartError> {
    let list_count = config.lists().len() as ListIndex;
    let mut resolve = resolve_settings(config)?;
    resolve.recurse.kept_anchors = anchors::read(config);
    Ok(Answering::new(Parts {
        live: Arc::clone(live),
        clients: Arc::new(Clients::new(&config.allow, config.groups(), list_count)),
        pages: config
            .lists()
            .iter()
            .map(|(rules, _)| Page::new(&with_made_addresses(rules, config.resolve.dns64.as_ref())))
            .collect(),
        board: Arc::clone(board),
        cache: Cache::new(config.cache.octets_max)?,
        lifetimes: Lifetimes {
            ttl_s_min: config.cache.ttl_s_min,
            stale_s_max: config.cache.stale_s_max,
            ttl_s_max: config.cache.ttl_s_max,
            negative_ttl_s_max: config.cache.negative_ttl_s_max,
        },
        special_use: special_use(&config.resolve, &config.listen),
        udp_octets_max: config.limits.udp_octets,
        local: Local::new(config.local.clone()),
        resolver: Resolver::start(resolve)?,
        waiting_max: config.limits.waiting,
        renewal: RenewalSettings {
            stale_after: config.cache.stale_after,
            prefetch: config.cache.prefetch,
        },
    }))
}

fn udp_settings(config: &Config, threads: usize) -> udp::Settings {
    let threads = if config.listen.threads == 0 {
        threads
    } else {
        config.listen.threads
    };
    udp::Settings {
        addresses: config.listen.udp.clone(),
        threads,
    }
}

async fn open_streams(
    config: &Config,
    answering: &Arc<Answering>,
    guards: &Guards,
    threads: usize,
    stopped: &crate::serve::stop::Stop,
    tasks: &mut JoinSet<()>,
) -> Result<Vec<String>, StartError> {
    let mut doors = Vec::new();
    let settings = tcp::Settings {
        idle: config.limits.idle,
        drain: config.resolve.patience + DRAIN_EXTRA,
        connections: config.limits.connections,
    };
    let streams = Streams::new(Arc::clone(answering), threads, settings, guards);
    for &address in &config.listen.tcp {
        let listener = tcp::bind(address).await?;
        doors.push(format!("tcp {}", listener.local_addr()?));
        tasks.spawn(tcp::serve(listener, streams.clone(), stopped.clone()));
    }
    let Some(files) = &config.listen.identity else {
        return Ok(doors);
    };
    let identity = TlsIdentity::load(&files.certificate, &files.key)?;
    for &address in &config.listen.tls {
        let listener = tcp::bind(address).await?;
        doors.push(format!("tls {}", listener.local_addr()?));
        tasks.spawn(tls::serve(
            listener,
            identity.clone(),
            streams.clone(),
            stopped.clone(),
        ));
    }
    Ok(doors)
}

/// Each connection, and each question to somebody else, is an open file.
fn warn_of_few_files(config: &Config) {
    let wanted = config.limits.connections as u64 + FILES_BESIDE_CONNECTIONS;
    match process::raise_open_files() {
        Ok(files) if files >= wanted => {}
        Ok(files) => tracing::warn!(
            files,
            connections = config.limits.connections,
            "fewer files may be open than [limits] connections and questions to others need: raise \
             LimitNOFILE"
        ),
        Err(error) => tracing::warn!(%error, "the limit of open files is not known"),
    }
}

fn guards(config: &Config) -> Result<Guards, StartError> {
    let limits = &config.limits;
    let cookies = match &limits.cookie_secrets {
        _ if !limits.cookies => None,
        Some(file) => Some(Arc::new(Cookies::read(file)?)),
        None => Some(Arc::new(Cookies::random()?)),
    };
    let client_limits = Arc::new(ClientLimitTable::new(limits.of_client, &limits.networks));
    Ok(Guards {
        rate: Arc::new(ReplyRate::new(Arc::clone(&client_limits), limits.slip)),
        waiters: Waiters::new(limits.waiting, Arc::clone(&client_limits)),
        client_limits,
        cookies,
        balancers: Arc::new(Balancers::new(config.listen.balancers.clone())),
    })
}
