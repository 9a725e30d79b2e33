//! `wardline check`: everything that is wrong with the configuration and the lists, found without
//! starting.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::failure::{CommandFailure, lines};
use super::output::{Style, TextColumn, number, print, print_json, table, time, warn};
use crate::clock::wall_s;
use crate::config::{Advice, Config, Problem, advise};
use crate::engine;
use crate::list::expiry::warning_of_issue;
use crate::list::manifest::Manifest;
use crate::list::parse::Reject;
use crate::seal::Note;
use crate::store::Promises;
use crate::update::{Inspection, ListOrigin, ListSource, inspect};

/// What was found, as `--json` prints it.
#[derive(Serialize)]
struct Findings {
    config: String,
    is_in_order: bool,
    problems: Vec<CheckFindings>,
    /// What does not stop a start, and should be mended.
    warnings: Vec<CheckFindings>,
    lists: Vec<ListFindings>,
}

/// One mistake in the configuration, or one warning of it.
#[derive(Serialize)]
struct CheckFindings {
    file: String,
    line: Option<usize>,
    message: String,
}

/// One list.
#[derive(Serialize)]
struct ListFindings {
    id: String,
    file: String,
    lines: u64,
    entries: u64,
    duplicates: u64,
    rejects: u64,
    first_rejects: Vec<LineFinding>,
    /// What the guard found and lets pass.
    passed: Vec<String>,
    refusal: Option<String>,
    /// How soon after it is issued an issue must be in force.
    apply_within_s: Option<u64>,
    /// That the issue in its folder expires soon, where it does.
    expiry: Option<String>,
}

/// One line that is no entry.
#[derive(Serialize)]
struct LineFinding {
    line: u64,
    reason: String,
}

pub(super) fn run(path: Option<&Path>, style: Style) -> Result<(), CommandFailure> {
    let (config, mut problems) = Config::load_past_mistakes(path);
    let (mut lists, mut warnings) = (Vec::new(), Vec::new());
    // Defaults stand for what cannot be used: no advice is given on them.
    if let Some(config) = config.as_ref().filter(|_| !problems.is_empty()) {
        problems.extend(config.check_files());
    } else if let Some(config) = &config {
        let found = check(config);
        problems = found.problems;
        warnings = found.warnings;
        // A file of names that cannot be read is told of already.
        if let Ok(protected) = config.protected() {
            let found = config.lists().iter().map(|(_, source)| {
                let state = Some(config.state.as_path());
                ListFindings::new(source, inspect(source, &protected, state))
            });
            lists.extend(found);
        }
    }
    let refusals: Vec<String> = lists
        .iter()
        .filter_map(|list| list.refusal.clone())
        .collect();
    let place = config.map_or_else(
        || path.unwrap_or(Path::new("")).display().to_string(),
        |config| config.place,
    );
    let findings = Findings {
        config: place,
        is_in_order: problems.is_empty() && refusals.is_empty(),
        problems: problems.iter().map(CheckFindings::new).collect(),
        warnings: warnings.iter().map(CheckFindings::new).collect(),
        lists,
    };
    match style {
        Style::Json => print_json(&findings)?,
        Style::Text => print(&findings.describe())?,
    }
    warn(&warnings);
    if !problems.is_empty() {
        let rest = refusals.into_iter().map(|refusal| format!("\n{refusal}"));
        return Err(CommandFailure::Usage(
            lines(&problems) + &rest.collect::<String>(),
        ));
    }
    if refusals.is_empty() {
        Ok(())
    } else {
        Err(CommandFailure::Failed(refusals.join("\n")))
    }
}

/// What is wrong with a configuration that can be read: with its files, with who can reach what,
/// and, where nothing else is, with what a start makes of it.
fn check(config: &Config) -> Advice {
    let mut found = advise(config);
    found.problems.extend(config.check_files());
    let of_config = |message: String| Problem {
        place: config.place.clone(),
        line: None,
        message,
    };
    if found.problems.is_empty() {
        let refusals = engine::check(config).into_iter();
        found.problems.extend(refusals.map(of_config));
    }
    let unkept = Promises::check(&config.promised, &config.state);
    found.warnings.extend(unkept.map(of_config));
    found
}

impl CheckFindings {
    fn new(problem: &Problem) -> Self {
        Self {
            file: problem.place.clone(),
            line: problem.line,
            message: problem.message.clone(),
        }
    }
}

impl ListFindings {
    fn new(source: &ListSource, inspection: Inspection) -> Self {
        let Inspection {
            entries,
            parsed,
            overrides,
            passed,
            refusal,
        } = inspection;
        let first = |reject: &Reject| LineFinding {
            line: reject.line,
            reason: reject.reason.to_string(),
        };
        Self {
            id: source.id.clone(),
            file: source.place(),
            lines: parsed.lines,
            entries,
            duplicates: if refusal.is_some() {
                0
            } else {
                parsed.entries.saturating_sub(entries)
            },
            rejects: parsed.rejects,
            first_rejects: parsed.rejects_shown.iter().map(first).collect(),
            passed: passed.into_iter().chain(overrides).collect(),
            refusal,
            apply_within_s: source.apply_within.map(|within| within.as_secs()),
            expiry: source
                .sources
                .iter()
                .find_map(|origin| expiry_of(origin, &source.id)),
        }
    }
}

impl ListFindings {
    /// How soon an issue must be in force, where somebody says.
    fn describe_deadline(&self) -> Option<String> {
        let within_s = number(self.apply_within_s?);
        let id = &self.id;
        Some(format!(
            "\n{id}: each issue is due in force {within_s} s after it was issued\n"
        ))
    }
}

/// That the issue in a watched folder expires soon, or has expired. Whether it is to be believed is
/// found out when it is taken.
fn expiry_of(origin: &ListOrigin, list: &str) -> Option<String> {
    let ListOrigin::Folder(folder) = origin else {
        return None;
    };
    let place = folder.join(Manifest::file(list));
    let note = Note::parse(&fs::read(&place).ok()?).ok()?;
    let Manifest {
        issued, expires, ..
    } = Manifest::parse(note.text()).ok()?;
    let warning = warning_of_issue(issued, expires, wall_s())?;
    Some(format!(
        "{}: {warning}, on {}",
        place.display(),
        time(expires)
    ))
}

impl Findings {
    fn describe(&self) -> String {
        let verdict = if self.is_in_order {
            "in order"
        } else {
            "not in order"
        };
        let mut text = format!("{}: {verdict}\n", self.config);
        if !self.lists.is_empty() {
            let columns = [
                TextColumn::Left("LIST"),
                TextColumn::Right("ENTRIES"),
                TextColumn::Right("DUPLICATES"),
                TextColumn::Right("REJECTS"),
                TextColumn::Right("LINES"),
                TextColumn::Left("FILE"),
            ];
            let rows = self.lists.iter().map(|list| {
                let [entries, duplicates, rejects, lines] =
                    [list.entries, list.duplicates, list.rejects, list.lines].map(number);
                vec![
                    list.id.clone(),
                    entries,
                    duplicates,
                    rejects,
                    lines,
                    list.file.clone(),
                ]
            });
            text.push('\n');
            text.push_str(&table(&columns, &rows.collect::<Vec<_>>()));
        }
        if self.is_in_order && self.lists.is_empty() {
            text.push_str("there is no [[list]]: nothing is blocked\n");
        }
        for list in self.lists.iter().filter(|list| !list.passed.is_empty()) {
            text.push('\n');
            for passed in &list.passed {
                text.push_str(&format!("{}: {passed}\n", list.file));
            }
        }
        text.extend(
            self.lists
                .iter()
                .filter_map(ListFindings::describe_deadline),
        );
        for said in self.lists.iter().filter_map(|list| list.expiry.as_ref()) {
            text.push_str(&format!("\n{said}\n"));
        }
        for list in self.lists.iter().filter(|list| list.rejects > 0) {
            text.push('\n');
            for reject in &list.first_rejects {
                text.push_str(&format!(
                    "{}:{}: {}\n",
                    list.file, reject.line, reject.reason
                ));
            }
            let hidden = list.rejects - list.first_rejects.len() as u64;
            if hidden > 0 {
                text.push_str(&format!(
                    "{}: {} more lines are no entries\n",
                    list.file,
                    number(hidden)
                ));
            }
        }
        text
    }
}
