//! What the counts' keeper is given: the store, what is in force, and what single entries block.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::UnixSeconds;
use crate::config::Config;
use crate::count::ListIdentity;
use crate::list::{EntryTally, ListIndex};
use crate::policy::ListRules;
use crate::seal::VerifyKey;
use crate::store::{
    self, Author, InForceSince, ListForce, Promises, RunSettings, Store, StoreError, StoreOpener,
};
use crate::update::{ListSource, Updater};

/// Opens the store of the counts, and begins it anew where it cannot be used.
fn store_opener(
    config: &Config,
    identities: Vec<ListIdentity>,
    promises: &Promises,
) -> StoreOpener {
    let opening = StoreOpening::new(config, identities, promises);
    Box::new(move |began| {
        // Where it cannot be made, what is opened in it says so.
        let _ = store::make_private_folder(&opening.state);
        opening.open(began).or_else(|error| {
            store::set_unusable_aside(&opening.state, error)?;
            opening.open(began)
        })
    })
}

/// Opens the store for a run that answers nothing.
pub fn open_store(
    config: &Config,
    promises: &Promises,
    at: UnixSeconds,
) -> Result<Store, StoreError> {
    let lists = config.lists().iter();
    let identities = lists.map(|(rules, _)| identity(rules)).collect();
    StoreOpening::new(config, identities, promises).open(at)
}

/// What a store is opened with.
struct StoreOpening {
    state: PathBuf,
    key: PathBuf,
    name: String,
    digest: String,
    recovery: Option<VerifyKey>,
    identities: Vec<ListIdentity>,
    promises: Promises,
}

impl StoreOpening {
    fn new(config: &Config, identities: Vec<ListIdentity>, promises: &Promises) -> Self {
        Self {
            state: config.state.clone(),
            key: config.audit.key.clone(),
            name: store::origin(&config.audit.provider, &config.audit.resolver),
            digest: config.digest.clone(),
            recovery: config.audit.recovery.clone(),
            identities,
            promises: promises.clone(),
        }
    }

    fn open(&self, at: UnixSeconds) -> Result<Store, StoreError> {
        let author = Author::open(&self.key, &self.name, &self.digest)?;
        let author = author.with_recovery(self.recovery.clone());
        Store::open_promised(&self.state, &self.identities, author, &self.promises, at)
    }
}

/// What a run with these lists is written by.
pub(super) fn run_settings(
    config: &Config,
    promises: &Promises,
    updater: &Arc<Updater>,
) -> RunSettings {
    let lists = config.lists();
    let identities: Vec<_> = lists.iter().map(|(rules, _)| identity(rules)).collect();
    let ids = lists.iter().map(|(rules, _)| rules.id.clone()).collect();
    RunSettings {
        opener: store_opener(config, identities, promises),
        in_force: in_force(updater, ids),
        places: lists.iter().map(|(_, list)| list.index).collect(),
        flush_every: config.flush,
    }
}

/// How these lists stand; one that has not come yet is not in force.
fn in_force(updater: &Arc<Updater>, ids: Vec<String>) -> InForceSince {
    let updater = Arc::clone(updater);
    Box::new(move || {
        let states = updater.states();
        let list = |id: &String| {
            let mut states = states.iter();
            let state = states.find(|state| state.id == *id && state.live_since > 0);
            ListForce {
                since: state.map(|state| state.live_since),
                id: id.clone(),
            }
        };
        ids.iter().map(list).collect()
    })
}

/// Where the questions are counted that single entries block, of the lists that want it.
pub(super) fn entry_tallies(config: &Config) -> BTreeMap<ListIndex, Arc<EntryTally>> {
    let tally = |(_, source): &(ListRules, ListSource)| {
        Some((source.index, Arc::clone(source.entry_counts.as_ref()?)))
    };
    config.lists().iter().filter_map(tally).collect()
}

fn identity(rules: &ListRules) -> ListIdentity {
    ListIdentity {
        id: rules.id.clone(),
        authority: rules.authority.clone(),
        legal_basis: rules.legal_basis.clone(),
    }
}
