//! `wardline audit verify`: is the record whole, unchanged and in itself right? A table to read, or
//! JSON.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::failure::CommandFailure;
use super::super::output::{self, Style, TextColumn, count, number, table};
use super::findings::describe_findings;
use super::keys::read_keys;
use crate::audit::{
    CosignPolicy, Demands, Finding, Folder, LogReport, Pin, PublishedReport, Totals, Verified,
    describe_ended, read_pin, read_regular, verify,
};
use crate::clock::UnixSeconds;
use crate::record::Blocked;
use crate::report::parse_span;
use crate::seal::NOTE_OCTETS_MAX;

/// The longest report: years of days take a tenth of this.
const REPORT_OCTETS_MAX: usize = 64 << 20;

/// What is checked, and against what.
#[derive(Debug, clap::Args)]
pub(in super::super) struct Args {
    /// Folders of exported logs, or folders of such folders.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// The public key of a log's author or of a cosigner, or a file with one a line; each author's
    /// log must be there.
    #[arg(long, value_name = "KEY", required_unless_present = "policy")]
    key: Vec<String>,
    /// A policy (C2SP tlog-policy): its logs and witnesses are known, and each log must have the
    /// cosignatures of its quorum.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A checkpoint from before, which its log must still fit.
    #[arg(long, value_name = "FILE")]
    since: Vec<PathBuf>,
    /// Each log must tell all hours up to, and without, this day or hour (UTC).
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// A published report (JSON), whose figures must be those of the logs together.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Manifests that a curator signed, or folders of them: of their lists, no other version may
    /// have been in force.
    #[arg(long, value_name = "FILE", requires = "curator")]
    manifest: Vec<PathBuf>,
    /// A curator's public key, or a file with one a line.
    #[arg(long, value_name = "KEY")]
    curator: Vec<String>,
}

/// All that was found.
#[derive(Serialize)]
struct VerifiedOutcome {
    verdict: &'static str,
    logs: Vec<LogReport>,
    blocked: BTreeMap<String, Blocked>,
    not_in_force_s: BTreeMap<String, u64>,
    questions: u64,
    findings: Vec<Finding>,
    /// What was not looked at, and what would have it looked at.
    not_checked: Vec<&'static str>,
}

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let outcome = check(args)?;
    match style {
        Style::Json => output::print_json(&outcome)?,
        Style::Text => output::print(&describe(&outcome))?,
    }
    match outcome.findings.len() {
        0 => Ok(()),
        findings => Err(CommandFailure::Failed(format!(
            "the record is not in order: {}",
            count(findings as u64, "finding")
        ))),
    }
}

fn check(args: &Args) -> Result<VerifiedOutcome, CommandFailure> {
    let keys = read_keys(&args.key)?;
    let mut demands = Demands {
        keys,
        ..Demands::default()
    };
    if let Some(path) = &args.policy {
        demands.set_policy(read_policy(path)?);
    }
    let mut folders = Vec::new();
    for path in &args.folders {
        folders.extend(Folder::find(path).map_err(CommandFailure::Usage)?);
    }
    let mut pins = Vec::new();
    for path in &args.since {
        let octets = read_named(path, NOTE_OCTETS_MAX)?;
        let pin = read_pin(&octets, &demands.keys, &path.display().to_string());
        pins.push(pin.map_err(CommandFailure::Usage)?);
    }
    let until = parse_span(None, args.until.as_deref())
        .map_err(|error| CommandFailure::Usage(error.to_string().replace("--to", "--until")))?
        .until;
    let copies = folders.iter();
    pins.extend(copies.filter_map(|folder| Pin::of_copy(folder, &demands.keys)));
    (demands.pins, demands.until) = (pins, until);
    read_manifests(args, &mut demands)?;
    let report = args.report.as_deref();
    let report = report.map(|path| read_named(path, REPORT_OCTETS_MAX));
    let report = report
        .transpose()?
        .map(|octets| PublishedReport::read(&octets));
    let verified = folders.iter().map(|folder| verify(folder, &demands));
    Ok(VerifiedOutcome {
        not_checked: not_checked(args),
        ..judge(verified.collect(), &demands, report.as_ref())
    })
}

fn not_checked(args: &Args) -> Vec<&'static str> {
    let questions = [
        (
            args.since.is_empty() && args.until.is_none(),
            "whether the end of a log was cut off: a checkpoint from before (--since) or a time \
             that it must reach (--until) tells",
        ),
        (
            args.manifest.is_empty(),
            "which versions of the lists a curator signed (--manifest, --curator)",
        ),
        (args.report.is_none(), "published reports (--report)"),
        (
            args.policy.is_none(),
            "whether as many have cosigned as must (--policy)",
        ),
        (true, "counts by entry (wardline audit opened)"),
    ];
    let open = questions.into_iter().filter(|(is_open, _)| *is_open);
    open.map(|(_, question)| question).collect()
}

/// A file that the caller names, of no more octets than that.
fn read_named(path: &Path, octets_max: usize) -> Result<Vec<u8>, CommandFailure> {
    read_regular(path, octets_max).map_err(|error| wrong_file(path, &error))
}

fn wrong_file(path: &Path, error: &dyn std::fmt::Display) -> CommandFailure {
    CommandFailure::Usage(format!("{}: {error}", path.display()))
}

fn read_policy(path: &Path) -> Result<CosignPolicy, CommandFailure> {
    let octets = read_named(path, NOTE_OCTETS_MAX)?;
    CosignPolicy::parse(&octets).map_err(|fault| wrong_file(path, &fault))
}

fn read_manifests(args: &Args, demands: &mut Demands) -> Result<(), CommandFailure> {
    let keys = read_keys(&args.curator)?;
    for path in &args.manifest {
        let mut files = vec![path.clone()];
        if path.is_dir() {
            let entries = path
                .read_dir()
                .map_err(|error| wrong_file(path, &error))?
                .flatten()
                .map(|entry| entry.path());
            files = entries
                .filter(|path| {
                    path.extension()
                        .is_some_and(|extension| extension == "manifest")
                })
                .collect();
        }
        for file in files {
            let octets = read_named(&file, NOTE_OCTETS_MAX)?;
            demands
                .add_manifest(&octets, &keys)
                .map_err(|error| wrong_file(&file, &error))?;
        }
    }
    Ok(())
}

/// Puts the logs together; of several copies of a log the longest counts.
fn judge(
    mut verified: Vec<Verified>,
    demands: &Demands,
    report: Option<&PublishedReport>,
) -> VerifiedOutcome {
    verified.sort_by(|a, b| (&a.log.origin, b.log.size).cmp(&(&b.log.origin, a.log.size)));
    let (mut totals, mut last) = (Totals::default(), None);
    let mut told_until = Vec::new();
    for Verified {
        log,
        totals: sums,
        until,
        ..
    } in &verified
    {
        if last != Some(&log.origin) {
            sums.iter().for_each(|sums| totals.add(sums));
            told_until.push(*until);
        }
        last = Some(&log.origin);
    }
    let is_whole = verified.iter().all(|verified| verified.totals.is_some());
    let mut findings: Vec<Finding> = verified
        .iter()
        .flat_map(|verified| verified.log.findings.clone())
        .collect();
    let origins: Vec<&str> = verified
        .iter()
        .map(|verified| verified.log.origin.as_str())
        .collect();
    findings.extend(demands.missing_logs(&origins));
    findings.extend(
        report
            .filter(|_| is_whole)
            .into_iter()
            .flat_map(|report| report.check(&totals, told_until.iter().copied().min().flatten())),
    );
    let everything = (UnixSeconds::MIN, UnixSeconds::MAX);
    let lists = totals.blocked.keys().map(|list| {
        (
            list.clone(),
            totals.blocked(list, everything.0, everything.1),
        )
    });
    VerifiedOutcome {
        verdict: if findings.is_empty() {
            "in order"
        } else {
            "not in order"
        },
        blocked: lists.collect(),
        questions: totals.questions.values().sum(),
        not_in_force_s: totals.not_in_force_s,
        logs: verified.into_iter().map(|verified| verified.log).collect(),
        findings,
        not_checked: Vec::new(),
    }
}

fn describe(outcome: &VerifiedOutcome) -> String {
    let columns = [
        TextColumn::Left("LOG"),
        TextColumn::Left("FROM"),
        TextColumn::Left("UP TO"),
        TextColumn::Right("HOURS"),
        TextColumn::Right("LEAVES"),
        TextColumn::Right("NOT ON RECORD"),
        TextColumn::Right("CRASHES"),
        TextColumn::Left("COSIGNED BY"),
        TextColumn::Left("IN ORDER"),
    ];
    let rows = outcome.logs.iter().map(|log| {
        let cosigners: Vec<String> = log
            .cosigners
            .iter()
            .map(|cosigner| format!("{} {}", cosigner.name, output::time(cosigner.at)))
            .collect();
        vec![
            log.origin.clone(),
            log.from.clone().unwrap_or_else(|| "no hour yet".to_owned()),
            log.until.clone().unwrap_or_else(|| "-".to_owned()),
            number(log.hours),
            number(log.size),
            length(log.gap_s.values().sum()),
            number(log.events.get("crash").copied().unwrap_or_default()),
            if cosigners.is_empty() {
                "nobody with a key given".to_owned()
            } else {
                cosigners.join(", ")
            },
            if log.findings.is_empty() { "yes" } else { "NO" }.to_owned(),
        ]
    });
    let mut text = table(&columns, &rows.collect::<Vec<_>>());
    for log in &outcome.logs {
        if let Some(restored) = &log.restored {
            text.push_str(&format!(
                "\nRESTORED: {} {}\n",
                log.origin,
                describe_ended(restored)
            ));
        }
    }
    text.push_str("\nBlocked questions (a question is not a person and not a visit):\n");
    text.push_str(&describe_blocked(&outcome.blocked));
    text.push_str(&format!(
        "Of {} in all.\n\n",
        count(outcome.questions, "question")
    ));
    text.push_str(&describe_absences(outcome));
    text.push_str(&describe_findings(&outcome.findings));
    text.push_str(if outcome.findings.is_empty() {
        "The record is in order: it is signed, nothing in it was changed or left out, and all of \
         it adds up.\n"
    } else {
        "The record is NOT in order. What is named above, and what depends on it, is no evidence.\n"
    });
    for question in &outcome.not_checked {
        text.push_str(&format!("NOT CHECKED: {question}.\n"));
    }
    text
}

fn describe_blocked(blocked: &BTreeMap<String, Blocked>) -> String {
    let columns = ["ADDRESS", "HTTPS", "OTHER", "VIA CNAME", "SUM"].map(TextColumn::Right);
    let columns: Vec<TextColumn> = [TextColumn::Left("LIST")]
        .into_iter()
        .chain(columns)
        .collect();
    let rows = blocked.iter().map(|(list, blocked)| {
        let numbers = [
            blocked.address,
            blocked.https,
            blocked.other,
            blocked.via_cname,
            blocked.sum(),
        ]
        .map(number);
        [list.clone()].into_iter().chain(numbers).collect()
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

/// When lists were not in force, while the resolver answered.
fn describe_absences(outcome: &VerifiedOutcome) -> String {
    let columns = ["LOG", "LIST", "FROM", "UP TO"].map(TextColumn::Left);
    let columns: Vec<TextColumn> = columns
        .into_iter()
        .chain([TextColumn::Right("LENGTH")])
        .collect();
    let times = outcome.logs.iter().flat_map(|log| {
        let lists = log.not_in_force.iter();
        lists.flat_map(move |(list, times)| times.iter().map(move |time| (log, list, time)))
    });
    let rows = times.map(|(log, list, time)| {
        vec![
            log.origin.clone(),
            list.clone(),
            time.from.to_string(),
            time.until.to_string(),
            length(time.seconds),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let mut text = match rows.as_slice() {
        // Of what is not in order nobody can say so.
        [] if !outcome.findings.is_empty() => return String::new(),
        [] => "All configured lists were in force in every second that was counted.\n".to_owned(),
        rows => format!(
            "Lists that were configured and not in force while the resolver answered:\n{}",
            table(&columns, rows)
        ),
    };
    let silent = outcome.logs.iter().map(|log| log.silent_hours).sum();
    if silent > 0 {
        let hours = count(silent, "hour");
        text.push_str(&format!("{hours} of an older form do not say that.\n"));
    }
    text.push('\n');
    text
}

/// Seconds as hours, minutes and seconds.
fn length(seconds: u64) -> String {
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
