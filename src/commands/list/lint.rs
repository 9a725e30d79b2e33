//! `wardline list lint DIR`: everything to look at before signing; fails where signing would be
//! refused.

use std::path::PathBuf;

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{Style, print, print_json, time};
use super::desk::{Desk, count_entries, today};
use super::removals::taken_back;
use crate::clock::wall_s;
use crate::list::diff::Diff;
use crate::list::expiry::warning_of_issue;
use crate::list::guard::{Change, Guard, GuardFinding, GuardLimits, LinePlace, Protected};
use crate::list::lint::{Remark, find_removed, lint, name_at};
use crate::list::records::EntryRecord;

/// Remarks that are shown for one concern; the rest are counted.
const SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Args {
    /// The list's folder.
    folder: PathBuf,
    /// Show the names too.
    #[arg(long)]
    names: bool,
}

/// Everything that was found on a desk.
pub(super) struct Lint {
    entries: Vec<(u64, EntryRecord)>,
    rejects: Vec<String>,
    remarks: Vec<Remark>,
    findings: Vec<GuardFinding>,
    /// That the last issue expires soon.
    expiry: Option<String>,
}

/// The code of a last issue that expires soon; it keeps nothing from being signed.
const EXPIRY: &str = "lint.expiry";

/// What `--json` prints.
#[derive(Serialize)]
struct PrintedLint<'a> {
    entries: usize,
    errors: Vec<String>,
    rejects: &'a [String],
    remarks: Vec<PrintedRemark>,
    findings: Vec<String>,
    expiry: Option<&'a str>,
}

#[derive(Serialize)]
struct PrintedRemark {
    code: &'static str,
    is_error: bool,
    line: u64,
    number: Option<u32>,
    name: Option<String>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let found = Lint::of(&Desk::open(&args.folder)?)?;
    let errors = found.errors();
    match style {
        Style::Text => print(&found.describe(args.names))?,
        Style::Json => print_json(&found.printed(args.names, &errors))?,
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(CommandFailure::Failed(format!(
            "the list cannot be signed as it is: {}",
            errors.join(", ")
        )))
    }
}

impl Lint {
    /// Look at the entries at work.
    pub(super) fn of(desk: &Desk) -> Result<Self, CommandFailure> {
        let (entries, parsed) = desk.entries()?;
        let place = desk.path("entries.txt");
        let mut rejects: Vec<String> = parsed
            .rejects_shown
            .iter()
            .map(|reject| format!("{}:{}: {}", place.display(), reject.line, reject.reason))
            .collect();
        if parsed.rejects > rejects.len() as u64 {
            rejects.push(format!(
                "{}: {} more lines are no entries",
                place.display(),
                parsed.rejects - rejects.len() as u64
            ));
        }
        let mut remarks = lint(&entries, today(), desk.settings.verify_days);
        remarks.extend(find_removed(&entries, &taken_back(desk)?));
        remarks.sort();
        let protected = Protected::shipped();
        let mut guard = Guard::new(&protected);
        for (line, record) in &entries {
            guard.see(
                LinePlace {
                    line: *line,
                    number: record.number,
                },
                record.name.as_wire(),
                record.scope,
            );
        }
        let after: Vec<EntryRecord> = entries.iter().map(|(_, record)| record.clone()).collect();
        // Whoever signs second is told of the same changes as the first.
        let before = desk.whole_entries()?;
        let change = before.as_ref().map_or(
            Change {
                before: None,
                after: after.len() as u64,
                added: after.len() as u64,
            },
            |before| {
                let diff = Diff::between(before, &after);
                Change {
                    before: Some(before.len() as u64),
                    after: after.len() as u64,
                    added: diff.added.len() as u64,
                }
            },
        );
        let findings = guard.finish(&GuardLimits::default(), &change).held;
        Ok(Self {
            entries,
            rejects,
            remarks,
            findings,
            expiry: expiry_of(desk)?,
        })
    }

    /// Note what the guard finds besides the entries.
    pub(super) fn add(&mut self, finding: GuardFinding) {
        self.findings.push(finding);
    }

    /// The codes that keep the list from being signed, each once.
    pub(super) fn errors(&self) -> Vec<&'static str> {
        let rejects = (!self.rejects.is_empty()).then_some("lint.reject");
        let remarks = self
            .remarks
            .iter()
            .map(|remark| remark.concern)
            .filter(|concern| concern.is_error());
        let findings = self.findings.iter().map(|finding| finding.code.as_str());
        let mut codes: Vec<&str> = rejects
            .into_iter()
            .chain(remarks.map(|concern| concern.as_str()))
            .chain(findings)
            .collect();
        codes.dedup();
        codes
    }

    /// The lines that concern these codes.
    pub(super) fn explain(&self, codes: &[&str]) -> Vec<String> {
        let is_asked = |line: &String| {
            line.split_once(": ")
                .is_some_and(|(code, _)| codes.contains(&code))
        };
        self.lines(false).into_iter().filter(is_asked).collect()
    }

    fn lines(&self, with_names: bool) -> Vec<String> {
        let mut lines: Vec<String> = self
            .rejects
            .iter()
            .map(|reject| format!("lint.reject: {reject}"))
            .collect();
        lines.extend(self.findings.iter().map(ToString::to_string));
        lines.extend(self.expiry.iter().map(|said| format!("{EXPIRY}: {said}")));
        for group in self
            .remarks
            .chunk_by(|one, other| one.concern == other.concern)
        {
            for remark in group.iter().take(SHOWN_MAX) {
                let number = remark
                    .number
                    .map(|number| format!(" entry {number}"))
                    .unwrap_or_default();
                let name = name_at(&self.entries, remark.line)
                    .filter(|_| with_names)
                    .map(|name| format!(" ({name})"))
                    .unwrap_or_default();
                let concern = remark.concern;
                lines.push(format!(
                    "{}: line {}{number}{name}: {concern}",
                    concern.as_str(),
                    remark.line
                ));
            }
            let hidden = group.len().saturating_sub(SHOWN_MAX);
            lines.extend(
                group
                    .first()
                    .filter(|_| hidden > 0)
                    .map(|first| format!("{}: {hidden} more", first.concern.as_str())),
            );
        }
        lines
    }

    fn describe(&self, with_names: bool) -> String {
        let lines = self.lines(with_names);
        let verdict = if lines.is_empty() {
            "nothing to look at".to_owned()
        } else {
            format!("{} to look at", lines.len())
        };
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{lines}{}: {verdict}\n", count_entries(self.entries.len()))
    }

    fn printed(&self, with_names: bool, errors: &[&str]) -> PrintedLint<'_> {
        let remark = |remark: &Remark| PrintedRemark {
            code: remark.concern.as_str(),
            is_error: remark.concern.is_error(),
            line: remark.line,
            number: remark.number,
            name: name_at(&self.entries, remark.line)
                .filter(|_| with_names)
                .map(ToString::to_string),
        };
        PrintedLint {
            entries: self.entries.len(),
            errors: errors.iter().map(|code| (*code).to_owned()).collect(),
            rejects: &self.rejects,
            remarks: self.remarks.iter().map(remark).collect(),
            findings: self.findings.iter().map(ToString::to_string).collect(),
            expiry: self.expiry.as_deref(),
        }
    }
}

/// That the last issue expires soon, where it does.
fn expiry_of(desk: &Desk) -> Result<Option<String>, CommandFailure> {
    let Some(issue) = desk.issue()? else {
        return Ok(None);
    };
    let manifest = issue.manifest;
    let warning = warning_of_issue(manifest.issued, manifest.expires, wall_s());
    Ok(warning.map(|warning| {
        format!(
            "serial {} {warning}, on {}: `wardline list sign --renew` issues it again",
            manifest.serial,
            time(manifest.expires)
        )
    }))
}
