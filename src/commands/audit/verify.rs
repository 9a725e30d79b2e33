//! `wardline audit verify`: is the record whole, unchanged and in itself right? A table to read, or
//! JSON.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::failure::CommandFailure;
use super::super::output::{self, Style, count};
use super::keys::read_keys;
use super::verified::{IN_ORDER, NOT_IN_ORDER, NOT_JUDGED, VerifiedOutcome, describe};
use crate::audit::{
    CosignPolicy, Demands, Finding, Folder, LOGS_MAX, Pin, PublishedReport, Totals, Verified,
    followed, misfits, read_pin, read_regular, verify,
};
use crate::report::{parse_span, reading_order};
use crate::seal::NOTE_OCTETS_MAX;

/// The longest report: ten years of days and lists.
const REPORT_OCTETS_MAX: usize = 8 << 20;

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
    /// The folders are of the public part of logs: checkpoints and hashes, no figures.
    #[arg(long, conflicts_with_all = ["report", "manifest", "until"])]
    public: bool,
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

pub(super) fn run(args: &Args, style: Style) -> Result<(), CommandFailure> {
    let outcome = check(args)?;
    match style {
        Style::Json => output::print_json(&outcome)?,
        Style::Text => output::print(&describe(&outcome))?,
    }
    let unjudged = outcome
        .logs
        .iter()
        .map(|log| log.unjudged.len())
        .sum::<usize>();
    match outcome.findings.len() {
        0 if unjudged > 0 => Err(CommandFailure::Usage(format!(
            "the record cannot be judged: {} of kinds that this wardline does not know; check it \
             with a newer one",
            count(unjudged as u64, "statement")
        ))),
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
        is_public: args.public,
        ..Demands::default()
    };
    if let Some(path) = &args.policy {
        demands.set_policy(read_policy(path)?);
    }
    let mut folders = Vec::new();
    for path in &args.folders {
        folders.extend(Folder::find(path).map_err(CommandFailure::Usage)?);
    }
    if folders.len() > LOGS_MAX {
        let message = format!("more than {LOGS_MAX} logs are named: check them in several calls");
        return Err(CommandFailure::Usage(message));
    }
    let mut pins = Vec::new();
    for path in &args.since {
        let octets = read_named(path, NOTE_OCTETS_MAX)?;
        let file = path.display().to_string();
        let pin = read_pin(&octets, &demands.keys, &folders, &file);
        pins.push(pin.map_err(CommandFailure::Usage)?);
    }
    let until = parse_span(None, args.until.as_deref())
        .map_err(|error| CommandFailure::Usage(error.to_string().replace("--to", "--until")))?
        .until;
    pins.extend(order(&mut folders, &demands));
    (demands.pins, demands.until) = (pins, until);
    read_manifests(args, &mut demands)?;
    let report = args.report.as_deref();
    let report = report.map(|path| read_named(path, REPORT_OCTETS_MAX));
    let report = report.transpose()?;
    let mut report = report.map(|octets| PublishedReport::read(&octets));
    let mut sums = LogSums::default();
    let verified = folders.iter();
    let verified = verified.map(|folder| sums.add(verify(folder, &demands, report.as_mut())));
    let verified = verified.collect();
    Ok(VerifiedOutcome {
        not_checked: not_checked(args),
        ..judge(verified, sums, &demands, report)
    })
}

/// Findings that are kept of all logs together, but for the first of each.
const FINDINGS_MAX: usize = 1000;
/// Lists that are kept of all logs together.
const LISTS_MAX: usize = 1000;

/// What the logs add up to; of each the longest copy that can be believed.
#[derive(Default)]
struct LogSums {
    totals: Totals,
    counted: BTreeSet<String>,
    findings: usize,
}

impl LogSums {
    /// Adds a log, and keeps no more of it than is told in the end.
    fn add(&mut self, mut verified: Verified) -> Verified {
        let origin = &verified.log.origin;
        if let Some(sums) = verified.totals.take() {
            let lists = sums.blocked.keys();
            let new = lists.filter(|list| !self.totals.blocked.contains_key(*list));
            if self.totals.blocked.len() + new.count() > LISTS_MAX {
                let message = "with this log there are more than 1,000 lists";
                verified.log.findings = vec![Finding::excess(origin, message)];
            } else {
                // What is kept says no more than that they are in order.
                verified.totals = Some(Totals::default());
                if self.counted.insert(origin.clone()) {
                    self.totals.add(&sums);
                }
            }
        }
        let room = FINDINGS_MAX.saturating_sub(self.findings).max(1);
        verified.log.findings.truncate(room);
        self.findings += verified.log.findings.len();
        verified
    }
}

/// Brings the logs of a resolver one after the other, the longest copy of each first; gives what
/// each copy says, for the other ones.
fn order(folders: &mut Vec<Folder>, demands: &Demands) -> Vec<Pin> {
    let copies = folders.drain(..);
    let copies = copies.map(|folder| (Pin::of_copy(&folder, &demands.keys), folder));
    let mut copies: Vec<_> = copies.collect();
    copies.sort_by_cached_key(|(pin, _)| {
        let checkpoint = pin.as_ref().map(|pin| &pin.checkpoint);
        checkpoint.map(|checkpoint| reading_order(&checkpoint.origin, checkpoint.size))
    });
    let (pins, ordered): (Vec<_>, Vec<_>) = copies.into_iter().unzip();
    *folders = ordered;
    pins.into_iter().flatten().collect()
}

fn not_checked(args: &Args) -> Vec<&'static str> {
    let questions = [
        (
            args.public,
            "what the entries say, and any figure: only the regulator has the whole log",
        ),
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
            args.report.is_some(),
            "what the report says in words, who answers for its lists, its deadlines, the months \
             that it says are not over, and how many copies were left out",
        ),
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
    LogSums { totals, .. }: LogSums,
    demands: &Demands,
    report: Option<PublishedReport>,
) -> VerifiedOutcome {
    verified.sort_by(|a, b| (&a.log.origin, b.log.size).cmp(&(&b.log.origin, a.log.size)));
    let mut told: Vec<_> = verified
        .iter()
        .map(|verified| (verified.log.origin.as_str(), verified.until))
        .collect();
    told.dedup_by_key(|(origin, _)| *origin);
    // A log that another one follows tells up to there.
    let followed = followed(&verified);
    told.retain(|(origin, _)| !followed.contains(*origin));
    let is_whole = verified.iter().all(|verified| verified.totals.is_some());
    let mut findings: Vec<Finding> = verified
        .iter()
        .flat_map(|verified| verified.log.findings.clone())
        .collect();
    findings.extend(misfits(&verified));
    let whole = verified
        .iter()
        .filter(|verified| verified.totals.is_some() && !followed.contains(&verified.log.origin));
    findings.extend(
        whole.filter_map(|verified| demands.missing_end(&verified.log.origin, verified.until)),
    );
    let origins = verified.iter().flat_map(|verified| {
        let own = std::iter::once(&verified.log.origin);
        own.chain(&verified.ancestors).map(String::as_str)
    });
    findings.extend(demands.missing_logs(&origins.collect::<Vec<_>>()));
    let until = told.iter().map(|(_, until)| *until).min().flatten();
    let report = report.filter(|_| is_whole);
    findings.extend(report.into_iter().flat_map(|report| report.check(until)));
    VerifiedOutcome {
        verdict: match verified
            .iter()
            .all(|verified| verified.log.unjudged.is_empty())
        {
            _ if !findings.is_empty() => NOT_IN_ORDER,
            true => IN_ORDER,
            false => NOT_JUDGED,
        },
        blocked: totals.blocked,
        questions: totals.questions,
        not_in_force_s: totals.not_in_force_s,
        logs: verified.into_iter().map(|verified| verified.log).collect(),
        findings,
        not_checked: Vec::new(),
    }
}
