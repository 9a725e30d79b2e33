//! The first half of a start: the lists, who looks for them, and the control socket. Nothing is
//! answered yet, but the operator can ask what is missing, and let it pass.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tracing::{error, warn};

use super::answering::clients;
use super::budget::MemoryBudget;
use super::looking::{Looking, open_push};
use super::start_error::StartError;
use super::waiting::{StartWait, wait_for_lists};
use crate::config::Config;
use crate::control::{
    ConfigReload, Configuration, ControlServer, Facts, NothingResolved, ReloadTurn, RequestRates,
    ServerParts, Socket, TemporaryChange, Underway,
};
use crate::count::Board;
use crate::measure::{LiveReadiness, Readiness, ReadinessState};
use crate::store::{Health, Journal, Promises, make_private_folder};
use crate::update::push::PushDoor;
use crate::update::{Settings, Updater};
use crate::witness::Witnesses;

/// A resolver that answers nothing yet.
pub struct OpenedEngine {
    pub(super) config: Config,
    pub(super) runtime: Handle,
    /// It answers already.
    pub(super) control: ControlServer,
    pub(super) underway: Underway,
    pub(super) journal: Journal,
    pub(super) promises: Promises,
    pub(super) updater: Arc<Updater>,
    pub(super) looking: Looking,
    pub(super) push: Option<PushDoor>,
    pub(super) started: Instant,
}

impl OpenedEngine {
    /// Bring all lists in force that can be, and begin to look for the others.
    ///
    /// # Errors
    /// Where nothing can be answered at all: another process has the state, an address cannot be
    /// had, the system has no memory or threads left.
    pub fn open(config: Config, runtime: &Handle, started: Instant) -> Result<Self, StartError> {
        make_folder(&config);
        let underway = Underway::default();
        let control =
            ControlServer::start(Socket::bind(&config.control)?, underway.clone(), started)?;
        let work = underway.begin("the lists are read and put in force");
        let journal = Journal::default();
        let promises = Promises::open(&config.promised);
        let updater = load_lists(&config, &journal, &promises)?;
        let push = open_push(&config, &updater)?;
        let looking = Looking::start(&config, &updater, runtime)?;
        drop(work);
        control.replace(waiting_parts(&config, &updater, &underway, started));
        Ok(Self {
            config,
            runtime: runtime.clone(),
            control,
            underway,
            journal,
            promises,
            updater,
            looking,
            push,
            started,
        })
    }

    /// Wait until every list with `required = true` is in force, or `told` says stop.
    pub async fn wait(&self, told: impl Future<Output = ()>) -> StartWait {
        wait_for_lists(&self.updater, &self.underway, told).await
    }
}

/// What an operator can ask before questions are answered: lists that are waited for can be let
/// pass.
fn waiting_parts(
    config: &Config,
    updater: &Arc<Updater>,
    underway: &Underway,
    started: Instant,
) -> ServerParts {
    let facts = facts(config, Vec::new(), Witnesses::default());
    ServerParts {
        updater: Arc::clone(updater),
        facts: Arc::new(ArcSwap::from_pointee(facts)),
        configuration: Box::new(NotYet),
        board: Arc::new(Board::new(config.lists().len())),
        health: Health::default(),
        readiness: waiting_readiness(),
        resolution: Box::new(NothingResolved),
        underway: underway.clone(),
        started,
        rates: RequestRates::default(),
    }
}

const NOT_YET: &str = "the program waits for lists with `required = true`, and changes nothing \
                       before it answers: restart it, or bring the lists in force";

/// The configuration of a program that has not begun to answer.
struct NotYet;

impl Configuration for NotYet {
    fn reload(&self, _: ReloadTurn) -> Result<ConfigReload, String> {
        Err(NOT_YET.to_owned())
    }

    fn change(&self, _: &TemporaryChange) -> Result<Vec<String>, String> {
        Err(NOT_YET.to_owned())
    }
}

/// Nobody is answered yet.
fn waiting_readiness() -> LiveReadiness {
    Arc::new(ArcSwap::from_pointee(Readiness {
        state: ReadinessState::Down,
        why: vec!["waits for lists with `required = true`".to_owned()],
    }))
}

/// What the operator can ask about.
pub(super) fn facts(config: &Config, doors: Vec<String>, witnesses: Witnesses) -> Facts {
    let rules = config.lists().iter();
    let rules = rules.map(|(rules, list)| (list.index, rules.clone()));
    Facts {
        clients: Arc::new(clients(config)),
        rules: rules.collect::<BTreeMap<_, _>>(),
        doors,
        octets_without_lists: MemoryBudget::new(config).without_lists(),
        witnesses,
        waiting: Vec::new(),
        temporary: Vec::new(),
        is_leaving: false,
        certificate_until: None,
        negative_anchors: Vec::new(),
    }
}

fn load_lists(
    config: &Config,
    journal: &Journal,
    promises: &Promises,
) -> Result<Arc<Updater>, StartError> {
    let lists = config.lists().iter().map(|(_, list)| list.clone());
    let settings = Settings {
        lists: lists.collect(),
        quiet: config.quiet,
        state: Some(config.state.clone()),
        protected: config.protected()?,
        journal: journal.clone(),
        promises: promises.clone(),
    };
    warn_without_lists(config);
    Ok(Updater::start(settings)?.0)
}

pub(super) fn warn_without_lists(config: &Config) {
    if config.lists().is_empty() {
        warn!("{}: there is no [[list]]: nothing is blocked", config.place);
    }
}

/// Make the state folder, for its owner alone; one that is there stays as it is. Whoever keeps
/// something there says what cannot be kept, and tries again.
fn make_folder(config: &Config) {
    if let Err(error) = make_private_folder(&config.state) {
        let state = config.state.display();
        error!(
            "{state}: cannot be made ({error}): free its disk, or choose another `state` folder"
        );
    }
}
