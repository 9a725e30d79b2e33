//! Follows the hours of one log: what each leaf says against the events, the hour's other leaves
//! and all hours before.

use super::FINDINGS_MAX;
use super::history::{LogHistory, as_told, figures, told};
use crate::record::HourLeaf;

impl LogHistory<'_> {
    /// Reads the leaf at `seq`, an hour of one list.
    pub(super) fn take_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        if self
            .hour
            .as_ref()
            .is_none_or(|open| open.hour != leaf.hour.0)
        {
            self.close_hour();
            self.give_up_clock();
            self.open_hour(seq, leaf);
        }
        if let Some(message) = leaf.imbalance() {
            self.find_at(seq, "sum", message);
        }
        if self.runs.times.awaits_clock(leaf) && self.awaiting.len() < FINDINGS_MAX {
            self.awaiting.push(seq);
        }
        let Some(open) = &self.hour else { return };
        let mut found = Vec::new();
        if open.lists.last().map_or("", String::as_str) >= leaf.list {
            found.push((
                "list",
                format!("list {} is told of twice, or out of order", leaf.list),
            ));
        }
        let is_shared = open.figures == figures(leaf)
            && open.form == leaf.v
            && open.boot == leaf.boot
            && open.gaps.iter().map(as_told).eq(leaf.gaps.iter().map(told));
        if !is_shared {
            found.push((
                "sum",
                "the resolver's figures differ from those in the hour's other leaves".to_owned(),
            ));
        }
        let misplaced = leaf.misplaced_time();
        let misplaced = misplaced.or_else(|| self.runs.times.contradiction(leaf));
        found.extend(misplaced.map(|message| ("gap", message)));
        if !self.runs.has_started(leaf) {
            let message =
                "it is not the boot, software and configuration of the last run that was started";
            found.push(("run", message.to_owned()));
        }
        let standing = self.versions.get(leaf.list).map(|told| &told.standing);
        let standing = standing.map_or((None, None), |(serial, manifest)| {
            (*serial, manifest.as_deref())
        });
        if standing != (leaf.serial, leaf.manifest) {
            found.push((
                "version",
                "serial and manifest are not those of the list's last version".to_owned(),
            ));
        }
        found
            .into_iter()
            .for_each(|(code, message)| self.find_at(seq, code, message));
        self.count_hour(seq, leaf);
    }

    /// Adds what the leaf counts to what the log says in all.
    fn count_hour(&mut self, seq: u64, leaf: &HourLeaf<'_>) {
        self.add_up(seq, leaf.list, leaf.blocked.sum());
        self.runs.times.note_out(leaf);
        if self.hour.as_ref().is_some_and(|open| open.stands) {
            self.totals.add_list(leaf.list, leaf.blocked);
            self.totals.add_absence(leaf.list, leaf.not_in_force_s());
            self.told.note_absences(leaf);
        } else {
            self.told.withdrawn.add(leaf);
        }
        let is_taken_over = self.runs.times.is_taken_over(leaf.hour.0);
        if leaf.in_force_s > 0 || leaf.blocked.sum() > 0 && !is_taken_over {
            let manifest = leaf.manifest.map(str::to_owned);
            self.note_version(seq, (leaf.list.to_owned(), leaf.serial, manifest));
        }
        if let Some(open) = &mut self.hour {
            open.lists.insert(leaf.list.to_owned());
            open.blocked += leaf.blocked.sum();
        }
    }
}
