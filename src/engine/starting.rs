//! The second half of a start: the way outside, the doors, the store.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use super::answering::{guards, put_together, stream_settings};
use super::certificate::{CertificateWatch, tls_identity};
use super::counting::{entry_tallies, run_settings};
use super::doors::{DoorGround, Doors, threads};
use super::opening::{OpenedEngine, facts};
use super::proofs::Proofs;
use super::pulse::beat;
use super::resolver::resolve_settings;
use super::running::{EngineParts, Operator, RunningEngine, warn_of_few_files};
use super::start_error::StartError;
use super::temporary::Temporary;
use crate::clock;
use crate::config::Config;
use crate::control::Facts;
use crate::count::Board;
use crate::measure::{self, LiveReadiness};
use crate::policy::Live;
use crate::query::Answering;
use crate::serve::tcp::Streams;
use crate::serve::tls::LiveIdentity;
use crate::serve::{Current, InService};
use crate::store::Keeper;
use crate::witness::Witnesses;

impl RunningEngine {
    /// Open the way outside, all doors and the store. Questions are answered when this returns.
    ///
    /// # Errors
    /// Where a door or the way outside cannot be opened.
    pub fn start(opened: OpenedEngine, operator: Operator) -> Result<Arc<Self>, StartError> {
        let (config, runtime) = (opened.config, opened.runtime);
        let _inside = runtime.enter();
        let work = opened.underway.begin("the doors and the store are opened");
        let board = Arc::new(Board::new(config.lists().len()));
        board.count_entries(entry_tallies(&config));
        let ground = ground(&config, &runtime, opened.updater.live(), &board)?;
        let mut doors = Doors::default();
        let bound = runtime.block_on(doors.bind(&config))?;
        warn_of_few_files(&config);
        let readiness = LiveReadiness::default();
        let metrics = config.metrics;
        let publisher = metrics.map(|listen| measure::start(listen, Arc::clone(&readiness)));
        let publisher = publisher.transpose()?;
        // A run begins in the log once nothing can keep its doors shut any more: a start that
        // failed is no crash.
        let run = run_settings(&config, &opened.promises, &opened.updater);
        let keeper = Keeper::start(Arc::clone(&board), run, &opened.journal)?;
        // By now it is known whether the log goes on.
        let witnesses = Witnesses::start(&config.audit.witnesses, &config.state)?;
        let engine = Arc::new(Self {
            runtime: runtime.clone(),
            operator,
            facts: first_facts(&config),
            health: keeper.health(),
            readiness,
            updater: opened.updater,
            journal: opened.journal,
            promises: opened.promises,
            underway: opened.underway,
            last_reload: Arc::default(),
            losses: Arc::default(),
            board,
            current: Arc::clone(&ground.current),
            started: opened.started,
            started_at: clock::wall_s(),
            parts: Mutex::default(),
        });
        if let Err(error) = doors.open(bound, &config.listen, &ground) {
            keeper.stop()?;
            return Err(error);
        }
        let parts = EngineParts {
            started: config.clone(),
            file: config.clone(),
            temporary: Temporary::default(),
            resolve: resolve_settings(&config)?,
            anchors: engine.follow_anchors(&config),
            metrics: publisher.map(|publisher| engine.publish(publisher, &ground.streams)),
            proofs: Proofs::new(&config),
            certificate: CertificateWatch::new(&config),
            config,
            ground,
            doors,
            closing: Vec::new(),
            looking: Some(opened.looking),
            push: opened.push,
            keeper,
            retired: Vec::new(),
            control: None,
        };
        engine.tell(&parts, witnesses, Vec::new());
        *engine.parts() = Some(parts);
        runtime.spawn(beat(Arc::downgrade(&engine)));
        opened.control.replace(engine.control_parts());
        drop(work);
        if let Some(parts) = &mut *engine.parts() {
            parts.control = Some(opened.control);
            parts.proofs.begin(&engine.updater, &parts.doors.udp());
        }
        Ok(engine)
    }
}

/// What the operator can ask about before a door is open.
fn first_facts(config: &Config) -> Arc<ArcSwap<Facts>> {
    let facts = facts(config, Vec::new(), Witnesses::default());
    Arc::new(ArcSwap::from_pointee(facts))
}

/// What all doors answer by.
fn ground(
    config: &Config,
    runtime: &Handle,
    live: &Arc<Live>,
    board: &Arc<Board>,
) -> Result<DoorGround, StartError> {
    let (answering, due) = put_together(config, live, board)?;
    let current = Arc::new(Current::from_pointee(InService {
        answering: Arc::new(answering),
        guards: guards(config)?,
    }));
    let renewing = Arc::clone(&current);
    let present = move || Arc::clone(&renewing.load().answering);
    runtime.spawn(Answering::renew(present, due));
    let streams = Streams::new(Arc::clone(&current), threads(), stream_settings(config));
    let identity = tls_identity(config)?.map(LiveIdentity::from_pointee);
    Ok(DoorGround {
        current,
        streams,
        identity: identity.map(Arc::new),
    })
}
