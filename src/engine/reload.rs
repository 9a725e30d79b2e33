//! The configuration is read again: checked whole, then put in force as one, while questions are
//! answered. What is wrong with it changes nothing.

use std::sync::{Arc, Weak};

use tracing::{error, info};

use super::exchange::{PartsExchange, PreparedConfig};
use super::plan::Plan;
use super::readings::LastReload;
use super::restart_keys::{as_far_as_possible, explain};
use super::running::{EngineParts, RunningEngine};
use super::start_error::StartError;
use super::temporary::Temporary;
use crate::clock::wall_s;
use crate::config::{Config, Problem};
use crate::control::{ConfigReload, Configuration, ReloadTurn, TemporaryChange};

impl Configuration for Weak<RunningEngine> {
    fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let engine = self.upgrade().ok_or(STOPPING)?;
        engine.reload(turn)
    }

    fn change(&self, change: &TemporaryChange) -> Result<Vec<String>, String> {
        let engine = self.upgrade().ok_or(STOPPING)?;
        engine.change(change)
    }
}

const STOPPING: &str = "the program stops";

impl RunningEngine {
    /// Read the configuration again and put it in force, or say what that would change.
    ///
    /// # Errors
    /// All that is wrong with it; what was in force stays.
    pub fn reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let reloaded = self.try_reload(turn);
        if turn == ReloadTurn::Real {
            self.note_reload(reloaded.is_ok());
        }
        if let (Err(reason), ReloadTurn::Real) = (&reloaded, turn) {
            error!("the configuration was NOT changed: {reason}");
        }
        reloaded
    }

    /// For the metrics: was it put in force?
    fn note_reload(&self, is_good: bool) {
        let before = **self.last_reload.load();
        let at = if is_good { wall_s() } else { before.at };
        self.last_reload.store(Arc::new(LastReload { at, is_good }));
    }

    fn try_reload(&self, turn: ReloadTurn) -> Result<ConfigReload, String> {
        let mut parts = self.parts();
        let parts = parts.as_mut().ok_or(STOPPING)?;
        let next = (self.operator.load)().map_err(|problems| lines(&problems))?;
        let problems = next.check_start_files();
        if !problems.is_empty() {
            return Err(lines(&problems));
        }
        let plan = Plan::new(parts, &next);
        let file = as_far_as_possible(next, &parts.started);
        let next = parts.temporary.lay_over(file.clone());
        self.exchange(parts, &plan, next, turn)
            .map_err(|error| error.to_string())?;
        if turn == ReloadTurn::Real {
            parts.file = file;
            plan.log();
        }
        Ok(ConfigReload {
            changed: plan.changed.iter().map(ToString::to_string).collect(),
            waiting: plan.waiting.iter().map(explain).collect(),
            dry_run: turn == ReloadTurn::DryRun,
        })
    }
}

impl RunningEngine {
    /// Put this configuration in force, or only see whether that could be done.
    fn exchange(
        &self,
        parts: &mut EngineParts,
        plan: &Plan,
        next: Config,
        turn: ReloadTurn,
    ) -> Result<(), StartError> {
        let _inside = self.runtime.enter();
        let prepared = PreparedConfig::new(parts, &next, plan)?;
        if turn == ReloadTurn::DryRun {
            return Ok(());
        }
        let change = PartsExchange {
            engine: self,
            parts,
            plan,
        };
        change.put_in_force(next, prepared)
    }

    /// Change something until the next start; gives all that is changed so, in words.
    ///
    /// # Errors
    /// Why it cannot be; nothing is changed then.
    pub fn change(&self, change: &TemporaryChange) -> Result<Vec<String>, String> {
        let mut parts = self.parts();
        let parts = parts.as_mut().ok_or(STOPPING)?;
        let temporary = parts.temporary.with(change, &parts.file)?;
        let changed = self.lay_over(parts, temporary);
        changed.map_err(|error| error.to_string())?;
        let words = parts.temporary.words();
        info!("changed until the next start: {}", words.join("; "));
        Ok(words)
    }

    /// Take back what was to last for a time that is over.
    pub(super) fn end_what_is_over(&self, parts: &mut EngineParts) {
        let Some(temporary) = parts.temporary.without_what_is_over() else {
            return;
        };
        if let Err(error) = self.lay_over(parts, temporary) {
            error!("what was to last for a time does so for longer: {error}");
        }
    }

    fn lay_over(&self, parts: &mut EngineParts, temporary: Temporary) -> Result<(), StartError> {
        let next = temporary.lay_over(parts.file.clone());
        let plan = Plan::new(parts, &parts.file);
        let before = std::mem::replace(&mut parts.temporary, temporary);
        let exchanged = self.exchange(parts, &plan, next, ReloadTurn::Real);
        if exchanged.is_err() {
            parts.temporary = before;
        }
        exchanged
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
