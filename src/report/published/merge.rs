//! One record of a resolver out of several copies of its counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::count::{Hourly, ListHour, ListRecord, Papers};

/// The records in groups that share a run's mark, for these are copies of one resolver's record.
pub(super) fn by_resolver(records: &[Hourly]) -> Vec<Vec<&Hourly>> {
    let mut groups: Vec<(BTreeSet<&str>, Vec<&Hourly>)> = Vec::new();
    for record in records {
        let mut boots: BTreeSet<&str> = record.boots.iter().map(String::as_str).collect();
        let mut copies = vec![record];
        // A record may join groups that had nothing in common before.
        groups.retain_mut(|(marks, others)| {
            let same = !marks.is_disjoint(&boots);
            if same {
                boots.append(marks);
                copies.append(others);
            }
            !same
        });
        groups.push((boots, copies));
    }
    groups.into_iter().map(|(_, copies)| copies).collect()
}

/// One record from copies of different age: an hour's counts only grow, so the larger ones are the
/// later ones.
pub(super) fn merge(copies: &[&Hourly]) -> Hourly {
    let mut lists: BTreeMap<&str, Vec<Papers>> = BTreeMap::new();
    for list in copies.iter().flat_map(|copy| &copy.lists) {
        let papers = lists.entry(&list.id).or_default();
        papers.extend(
            list.papers
                .iter()
                .filter(|paper| !papers.contains(paper))
                .cloned()
                .collect::<Vec<_>>(),
        );
        papers.sort_by_key(|papers| papers.since);
    }
    let places: BTreeMap<&str, usize> = lists
        .keys()
        .enumerate()
        .map(|(place, id)| (*id, place))
        .collect();
    let (mut hours, mut cells) = (BTreeMap::new(), BTreeMap::new());
    for copy in copies {
        for hour in &copy.hours {
            let questions = hours.entry(hour.hour).or_insert(*hour);
            questions.questions = questions.questions.max(hour.questions);
        }
        for cell in &copy.cells {
            let Some(list) = copy
                .lists
                .get(cell.list)
                .and_then(|list| places.get(list.id.as_str()).copied())
            else {
                continue;
            };
            let known = cells
                .entry((cell.hour, list))
                .or_insert(ListHour { list, ..*cell });
            known.blocked = known.blocked.max(cell.blocked);
            known.ran_s = known.ran_s.max(cell.ran_s);
        }
    }
    let latest = copies
        .iter()
        .max_by_key(|copy| (copy.written_until, copy.read_at));
    Hourly {
        boots: Vec::new(),
        read_at: latest.map_or(0, |latest| latest.read_at),
        complete_until: copies
            .iter()
            .map(|copy| copy.complete_until)
            .min()
            .unwrap_or_default(),
        written_until: latest.map_or(0, |latest| latest.written_until),
        gaps: latest.map(|latest| latest.gaps.clone()).unwrap_or_default(),
        list_gaps: latest.map_or_else(Vec::new, |latest| latest.list_gaps.clone()),
        hours: hours.into_values().collect(),
        cells: cells.into_values().collect(),
        applied: copies
            .iter()
            .flat_map(|copy| copy.applied.clone())
            .collect(),
        steps: latest.map_or_else(Vec::new, |latest| latest.steps.clone()),
        seals: latest
            .map(|latest| latest.seals.clone())
            .unwrap_or_default(),
        lists: lists
            .into_iter()
            .map(|(id, papers)| ListRecord {
                id: id.to_owned(),
                papers,
            })
            .collect(),
    }
}
