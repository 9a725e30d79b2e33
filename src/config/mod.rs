//! The configuration file: read once, checked whole, and handed to `commands` as plain values that
//! no other module knows.

mod advice;
mod as_written;
mod cache;
mod certificate;
mod changes;
mod clients;
mod doubts;
mod files;
mod forward;
mod include;
mod legible;
mod limits;
mod list_action;
mod listen;
mod lists;
mod local;
mod mend;
mod never_block;
mod protected;
mod resolve;
mod review;
mod sources;
mod syntax;
mod text;
mod transfer;
mod tree;
mod upkeep;
mod witness;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use crate::answer::local::Settings as LocalNames;
use crate::clock::{UnixSeconds, wall_s};
use crate::list::ListIndex;
use crate::policy::{GroupSettings, ListRules};
use crate::update::{ListSource, Text, push};
pub use advice::{Advice, advise};
use as_written::AsWritten;
pub use cache::CacheLimits;
use changes::changes_between;
pub use changes::{KeyChange, ValueChange};
use files::{FileUse, NamedFile, state_fault};
pub use forward::{Forward, OwnZone, OwnZoneTarget};
pub use limits::Limits;
pub use listen::{Listen, TlsFiles};
pub use never_block::NeverBlock;
pub use resolve::{Recurse, Resolve, ResolveMode};
use review::Review;
use text::ConfigText;
pub use text::Problem;
pub use transfer::TransferredZone;
use tree::ConfigTree;
pub use upkeep::{AuditLog, LogLevel};

/// The commented reference with all defaults, which is also what runs where no file is given.
pub const REFERENCE: &str = include_str!("../../config/wardline.toml");
/// The list that is in force where no file is given.
const EXAMPLE_LIST: &str = include_str!("../../blocklists/example.txt");

/// Everything an operator can choose, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from, for messages.
    pub place: String,
    /// The folder for counts and the control socket.
    pub state: PathBuf,
    /// The folder outside it where what was promised is kept a second time.
    pub promised: PathBuf,
    /// `[listen]` and `[tls]`.
    pub listen: Listen,
    /// The networks of `[clients]`.
    pub allow: Vec<IpNet>,
    /// `[limits]`.
    pub limits: Limits,
    /// `[resolve]`.
    pub resolve: Resolve,
    /// `[cache]`.
    pub cache: CacheLimits,
    /// `[local]`.
    pub local: LocalNames,
    /// A changed list is read when nobody has written to it for this long.
    pub quiet: Duration,
    /// Where lists may be pushed to.
    pub push: Option<push::Settings>,
    /// Where primaries say that a zone changed.
    pub notify: Vec<SocketAddr>,
    /// The operator's own names that are never blocked.
    pub never_block: NeverBlock,
    /// How often counts are written to disk.
    pub flush: Duration,
    /// `[audit]`.
    pub audit: AuditLog,
    /// SHA-256 of the file, and of those it includes with their names, in hexadecimal: the audit
    /// log says with it when the configuration changed.
    pub digest: String,
    /// Where metrics are fetched.
    pub metrics: Option<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
    /// How much is logged.
    pub log: LogLevel,
    lists: Vec<(ListRules, ListSource)>,
    zones: Vec<(ListIndex, TransferredZone)>,
    groups: Vec<GroupSettings>,
    files: Vec<NamedFile>,
    written: AsWritten,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Document {
    #[serde(rename = "include")]
    _include: Vec<String>,
    state: PathBuf,
    promised: Option<Spanned<PathBuf>>,
    listen: listen::ListenSection,
    tls: listen::TlsSection,
    clients: clients::ClientsSection,
    limits: limits::LimitsSection,
    resolve: resolve::ResolveSection,
    cache: cache::CacheSection,
    local: local::LocalSection,
    lists: never_block::ListsSection,
    list: Vec<lists::ListSection>,
    push: sources::PushSection,
    transfer: transfer::TransferSection,
    group: Vec<clients::GroupSection>,
    count: upkeep::CountSection,
    audit: upkeep::AuditSection,
    metrics: upkeep::MetricsSection,
    control: upkeep::ControlSection,
    log: upkeep::LogSection,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            _include: Vec::new(),
            state: PathBuf::from("wardline-state"),
            promised: None,
            listen: Default::default(),
            tls: Default::default(),
            clients: Default::default(),
            limits: Default::default(),
            resolve: Default::default(),
            cache: Default::default(),
            local: Default::default(),
            lists: Default::default(),
            list: Vec::new(),
            push: Default::default(),
            transfer: Default::default(),
            group: Vec::new(),
            count: Default::default(),
            audit: Default::default(),
            metrics: Default::default(),
            control: Default::default(),
            log: Default::default(),
        }
    }
}

impl Config {
    /// Read and check a file, or take the built-in configuration; all that is wrong is told at
    /// once.
    pub fn load(path: Option<&Path>) -> Result<Self, Vec<Problem>> {
        match Self::load_past_mistakes(path) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(problems),
        }
    }

    /// The same, to look for what else is wrong: with mistakes there may still be a configuration,
    /// in which defaults stand for what cannot be used.
    pub fn load_past_mistakes(path: Option<&Path>) -> (Option<Self>, Vec<Problem>) {
        match path {
            Some(path) => Self::read(path),
            None => Self::built_in(),
        }
    }

    /// The control socket that a file names, whatever else is wrong with it; nothing where it is no
    /// TOML.
    pub fn control_of(path: &Path) -> Option<PathBuf> {
        let (config, _) = Self::load_past_mistakes(Some(path));
        config.map(|config| config.control)
    }

    /// All lists with their rules and their sources, in the order of the configuration.
    pub fn lists(&self) -> &[(ListRules, ListSource)] {
        &self.lists
    }

    /// Give the lists these places, in their order: what speaks of a list by its place speaks of
    /// the same list afterwards.
    pub fn set_places(&mut self, places: &[ListIndex]) {
        let place = |index: ListIndex| places.get(usize::from(index)).copied().unwrap_or(index);
        for (list, _) in &mut self.zones {
            *list = place(*list);
        }
        for group in &mut self.groups {
            group.lists.iter_mut().for_each(|list| *list = place(*list));
        }
        for ((_, list), place) in self.lists.iter_mut().zip(places) {
            list.index = *place;
        }
    }

    /// Go on with the counts by entry of the lists that were counted so before.
    pub fn go_on_counting(&mut self, before: &Self) {
        for (rules, list) in &mut self.lists {
            let mut known = before.lists.iter();
            let known = known.find(|(known, _)| known.id == rules.id);
            let tally = known.and_then(|(_, known)| known.entry_counts.as_ref());
            if let (Some(counts), Some(tally)) = (&mut list.entry_counts, tally) {
                *counts = Arc::clone(tally);
            }
        }
    }

    /// The lists that are transferred as zones, with their places among all lists.
    pub fn zones(&self) -> &[(ListIndex, TransferredZone)] {
        &self.zones
    }

    /// All groups but everybody's.
    pub fn groups(&self) -> &[GroupSettings] {
        &self.groups
    }

    /// What is written otherwise in `next`, one line a key; a list, a group or the like that is
    /// new or gone is one line.
    pub fn changes_to(&self, next: &Self) -> Vec<KeyChange> {
        let reference = toml::from_str(REFERENCE).unwrap_or_default();
        changes_between(&self.written.table, &next.written.table, &reference)
    }

    /// Check that the files it names can be read now and hold what they are for, and that the state
    /// folder can be written to: all that is wrong.
    pub fn check_files(&self) -> Vec<Problem> {
        let state = state_fault(&self.state);
        let state = state.map(|fault| self.written.problem("state", fault));
        let files = self.files.iter().flat_map(NamedFile::check);
        self.sorted(state.into_iter().chain(files))
    }

    /// Check that the files can be read without which nothing can be answered. What a list needs
    /// keeps nobody else from being answered, and is looked for again.
    pub fn check_start_files(&self) -> Vec<Problem> {
        let files = self.files.iter();
        let files = files.filter(|file| file.used == FileUse::Start);
        self.sorted(files.filter_map(|file| file.open().err()))
    }

    /// What a client would have against the certificate of the TLS doors, or keeps it from being
    /// shown; nothing where there are no such doors.
    pub fn certificate_faults(&self) -> Vec<String> {
        let Some(TlsFiles { certificate, key }) = &self.listen.identity else {
            return Vec::new();
        };
        let name = self.listen.tls_name.as_ref().map(ToString::to_string);
        certificate::faults(certificate, key, name.as_deref(), wall_s())
    }

    /// Until when the certificate of the TLS doors is valid.
    pub fn certificate_until(&self) -> Option<UnixSeconds> {
        certificate::until(&self.listen.identity.as_ref()?.certificate)
    }

    /// The main file's before those of included ones, by their lines.
    fn sorted(&self, problems: impl Iterator<Item = Problem>) -> Vec<Problem> {
        let mut problems: Vec<Problem> = problems.collect();
        problems.sort_by_key(|problem| {
            let is_included = problem.place != self.place;
            (is_included, problem.place.clone(), problem.line)
        });
        problems
    }

    /// The reference, with the example list that the program carries and the state in the working
    /// folder.
    fn built_in() -> (Option<Self>, Vec<Problem>) {
        let texts = ConfigText::new(REFERENCE.to_owned(), "built-in configuration", "built-in");
        let (mut config, problems) = Self::parse(texts, Path::new(""), Vec::new());
        for (_, source) in config.iter_mut().flat_map(|config| &mut config.lists) {
            source.text = Some(Text::Embedded(EXAMPLE_LIST));
        }
        (config, problems)
    }

    fn read(path: &Path) -> (Option<Self>, Vec<Problem>) {
        let place = path.display().to_string();
        let read = match include::read_main(path) {
            Ok(read) => read,
            Err(message) => {
                let problem = Problem {
                    place,
                    line: None,
                    message,
                };
                return (None, vec![problem]);
            }
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let problems = read.problem(&place).into_iter().collect();
        let texts = ConfigText::new(read.text, &place, &name);
        Self::parse(texts, path.parent().unwrap_or(Path::new("")), problems)
    }

    /// Check a main file's text, and what it includes; `folder` is where it lies, and `problems`
    /// are known already.
    fn parse(
        mut texts: ConfigText,
        folder: &Path,
        mut problems: Vec<Problem>,
    ) -> (Option<Self>, Vec<Problem>) {
        problems.extend(include::read_included(&mut texts, folder));
        let read = ConfigTree::parse(&texts, &mut problems).and_then(|mut tree| {
            let document = tree.read::<Document>(&mut problems)?;
            Some((document, tree))
        });
        let Some((document, tree)) = read else {
            texts.sort(&mut problems);
            return (None, problems);
        };
        let place = &texts.main().place;
        let written = tree.written();
        let mut review = Review::new(&texts, folder, problems, tree.into_doubts());
        let mut config = document.check(place, &mut review);
        config.files = review.files;
        config.written = written;
        config.digest = texts.digest();
        texts.sort(&mut review.problems);
        (Some(config), review.problems)
    }
}

impl Document {
    fn check(self, place: &str, review: &mut Review<'_>) -> Config {
        let state = review.path(&self.state);
        let promised = upkeep::check_promised(self.promised.as_ref(), &state, review);
        let listen = self.listen.check(&self.tls, review);
        let allow = self.clients.check(review);
        let lists = lists::check_lists(self.list, &self.lists, review);
        Config {
            place: place.to_owned(),
            limits: self.limits.check(review),
            resolve: self.resolve.check(&listen, review),
            cache: self.cache.check(review),
            local: self.local.check(review),
            quiet: self.lists.check_quiet(review),
            push: self.push.check(review),
            notify: self.transfer.check(review),
            never_block: self.lists.check_never_block(review),
            flush: self.count.check(review),
            audit: self.audit.check(&state, review),
            digest: String::new(),
            metrics: self.metrics.check(&listen, review),
            control: self.control.check(&state, review),
            log: self.log.level,
            groups: clients::check_groups(&self.group, &allow, &lists, review),
            zones: lists
                .iter()
                .filter_map(|list| Some((list.source.index, list.zone.clone()?)))
                .collect(),
            lists: lists
                .into_iter()
                .map(|list| (list.rules, list.source))
                .collect(),
            files: Vec::new(),
            written: AsWritten::default(),
            state,
            promised,
            listen,
            allow,
        }
    }
}

#[cfg(test)]
mod tests;
