//! Holds a published report against what the leaves add up to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::record::Moment;

use super::{Finding, Totals};

/// The figures of a published report (JSON); the rest of it says nothing about sums.
#[derive(Debug, Deserialize)]
pub struct PublishedReport {
    months: Vec<PublishedMonth>,
    sums: SumFigures,
}

#[derive(Debug, Deserialize)]
struct PublishedMonth {
    month: String,
    blocked: Figures,
    days: Option<Vec<PublishedDay>>,
}

#[derive(Debug, Deserialize)]
struct PublishedDay {
    day: String,
    blocked: Figures,
}

#[derive(Debug, Deserialize)]
struct SumFigures {
    blocked: Figures,
}

/// By list: a number, `"hidden"`, or null where the list has no hour in that time.
type Figures = BTreeMap<String, Value>;

impl PublishedReport {
    /// Each figure that is not hidden and not what the leaves of all logs add up to.
    pub fn check(&self, totals: &Totals) -> Vec<Finding> {
        let mut sums: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for (list, days) in &totals.blocked {
            for (day, blocked) in days {
                let day: String = Moment(*day).to_string().chars().take(10).collect();
                let month = day.chars().take(7).collect();
                for time in [day, month] {
                    *sums.entry((list, time)).or_default() += blocked.sum();
                }
            }
        }
        let mut findings = Vec::new();
        for month in &self.months {
            let days = month
                .days
                .iter()
                .flatten()
                .map(|day| (&day.day, &day.blocked));
            for (time, figures) in std::iter::once((&month.month, &month.blocked)).chain(days) {
                let counted = sums
                    .keys()
                    .filter(|(_, at)| at == time)
                    .map(|(list, _)| *list);
                let lists: BTreeSet<&str> =
                    figures.keys().map(String::as_str).chain(counted).collect();
                for list in lists {
                    let sum = sums.get(&(list, time.clone())).copied();
                    if !fits(figures.get(list), sum) {
                        findings.push(wrong(time, list, sum));
                    }
                }
            }
        }
        for (list, figure) in &self.sums.blocked {
            let sum: u64 = self
                .months
                .iter()
                .filter_map(|month| month.blocked.get(list)?.as_u64())
                .sum();
            if figure.as_u64().is_some_and(|figure| figure != sum) {
                let message = format!("is not the sum of its months, which is {sum}");
                findings.push(Finding::new(
                    "report",
                    format!("report sums list {list}"),
                    message,
                ));
            }
        }
        findings
    }
}

fn fits(figure: Option<&Value>, sum: Option<u64>) -> bool {
    match (figure, sum) {
        (Some(Value::String(word)), _) => word == "hidden",
        (Some(Value::Number(number)), Some(sum)) => number.as_u64() == Some(sum),
        (None | Some(Value::Null), None) => true,
        _ => false,
    }
}

fn wrong(time: &str, list: &str, sum: Option<u64>) -> Finding {
    let sum = sum.map_or_else(
        || "tell of no hour".to_owned(),
        |sum| format!("add up to {sum}"),
    );
    Finding::new(
        "report",
        format!("report {time} list {list}"),
        format!("is not what the leaves say: they {sum}"),
    )
}
