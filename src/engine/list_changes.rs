//! What becomes of the lists when the configuration changes.

use std::collections::BTreeSet;

use tracing::error;

use super::counting::entry_tallies;
use super::plan::Plan;
use super::running::RunningEngine;
use super::start_error::StartError;
use crate::config::Config;
use crate::list::guard::Protected;

/// The lists of both configurations.
pub(super) struct ListChanges {
    pub(super) gone: Vec<String>,
    /// Those that are new, or set up otherwise, by their place in the next configuration.
    set: Vec<usize>,
}

impl ListChanges {
    /// What becomes of the lists, with the place of each.
    pub(super) fn find(
        plan: &Plan,
        before: &Config,
        next: &mut Config,
        engine: &RunningEngine,
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

    pub(super) fn any(&self) -> bool {
        !self.gone.is_empty() || !self.set.is_empty()
    }

    /// Have those kept that are new or set up otherwise.
    pub(super) fn set(&self, next: &Config, engine: &RunningEngine, protected: Protected) {
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
