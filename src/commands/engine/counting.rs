//! What the counts' keeper is given: the store, what is in force, and what single entries block.

use std::sync::Arc;

use crate::config::Config;
use crate::count::ListIdentity;
use crate::list::{EntryTally, ListIndex};
use crate::policy::ListRules;
use crate::store::{self, Author, InForceSince, ListForce, Promises, Store, StoreOpener};
use crate::update::{ListSource, ListState, Updater};

/// Opens the store of the counts, and begins it anew where it cannot be used.
pub(super) fn store_opener(
    config: &Config,
    identities: Vec<ListIdentity>,
    promises: &Promises,
) -> StoreOpener {
    let name = store::origin(&config.audit.provider, &config.audit.resolver);
    let (audit, state) = (config.audit.key.clone(), config.state.clone());
    let (digest, promises) = (config.digest.clone(), promises.clone());
    let recovery = config.audit.recovery.clone();
    Box::new(move |began| {
        // Where it cannot be made, what is opened in it says so.
        let _ = store::make_private_folder(&state);
        let open = || {
            let author = Author::open(&audit, &name, &digest)?;
            let author = author.with_recovery(recovery.clone());
            Store::open_promised(&state, &identities, author, &promises, began)
        };
        open().or_else(|error| {
            store::set_unusable_aside(&state, error)?;
            open()
        })
    })
}

/// How the lists stand, for what writes the counts.
pub(super) fn in_force(updater: &Arc<Updater>) -> InForceSince {
    let updater = Arc::clone(updater);
    Box::new(move || {
        let states = updater.states().into_iter();
        let list = |state: ListState| ListForce {
            since: (state.live_since > 0).then_some(state.live_since),
            id: state.id,
        };
        states.map(list).collect()
    })
}

/// Where the questions are counted that single entries block, of the lists that want it.
pub(super) fn entry_tallies(config: &Config) -> Vec<(ListIndex, Arc<EntryTally>)> {
    let tally = |(_, source): &(ListRules, ListSource)| {
        Some((source.index, Arc::clone(source.entry_counts.as_ref()?)))
    };
    config.lists().iter().filter_map(tally).collect()
}

pub(super) fn identity(rules: &ListRules) -> ListIdentity {
    ListIdentity {
        id: rules.id.clone(),
        authority: rules.authority.clone(),
        legal_basis: rules.legal_basis.clone(),
    }
}
