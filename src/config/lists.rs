//! `[lists]` and `[[list]]`: what is blocked, on what ground, and what a blocked client is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::files::FileContent;
use super::list_action::{ActionKeys, ActionWord, FilteringDatabaseKeys, contact};
use super::never_block::ListsSection;
use super::review::{Review, is_written, unwritten};
use super::sources::{FolderSection, GuardSection, PullSection, StageSection};
use super::transfer::{ListTransferSection, TransferredZone};
use crate::list::parse::{Column, Format, HEADING_OCTETS_MAX, Heading};
use crate::list::{EntryTally, ListIndex};
use crate::policy::{Basis, ListRules};
use crate::seal::VerifyKey;
use crate::update::{Identities, ListOrigin, ListSource, Text, Trust, Unsigned};

/// More lists than any provider applies; keeps the metrics' cardinality small.
const LISTS_MAX: usize = 256;

/// The longest that a client may keep a blocked answer: it must be gone soon after a name is taken
/// off a list.
const TTL_S_MAX: u32 = 300;

/// No law waits for longer than a month.
const APPLY_WITHIN_S_MAX: u64 = 31 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListSection {
    pub(super) id: Spanned<String>,
    file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    unsigned: UnsignedWord,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    keys: Vec<Spanned<String>>,
    identity: Option<Spanned<PathBuf>>,
    folder: Option<FolderSection>,
    pull: Option<PullSection>,
    #[serde(default)]
    pub(super) push: bool,
    #[serde(default)]
    guard: GuardSection,
    #[serde(default)]
    stage: StageSection,
    apply_within_s: Option<Spanned<u64>>,
    #[serde(default = "two_signatures")]
    signatures: Spanned<usize>,
    #[serde(default = "plain")]
    format: FormatWord,
    column: Option<Spanned<ColumnWord>>,
    transfer: Option<ListTransferSection>,
    authority: Spanned<String>,
    basis: BasisWord,
    legal_basis: Spanned<String>,
    #[serde(default)]
    pub(super) contact: Vec<Spanned<String>>,
    #[serde(default)]
    filtering_databases: Vec<FilteringDatabaseKeys>,
    #[serde(default = "english")]
    language: Spanned<String>,
    #[serde(default = "stop_page")]
    action: Spanned<ActionWord>,
    #[serde(default)]
    stop: Vec<Spanned<String>>,
    #[serde(default = "a_minute")]
    ttl_s: Spanned<u32>,
    #[serde(default = "no")]
    entry_counts: Spanned<bool>,
}

/// The two-agency rule: two independent agencies confirm an entry.
fn two_signatures() -> Spanned<usize> {
    unwritten(2)
}

const fn plain() -> FormatWord {
    FormatWord::Plain
}

fn stop_page() -> Spanned<ActionWord> {
    unwritten(ActionWord::StopPage)
}

fn english() -> Spanned<String> {
    unwritten("en".to_owned())
}

fn a_minute() -> Spanned<u32> {
    unwritten(60)
}

pub(super) fn no() -> Spanned<bool> {
    unwritten(false)
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FormatWord {
    Plain,
    Hosts,
    Rpz,
    Csv,
}

/// A CSV file's column of names: by its heading, or by its number, from 1, where there is no
/// header.
#[derive(Deserialize)]
#[serde(untagged)]
enum ColumnWord {
    Heading(String),
    Number(u16),
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum UnsignedWord {
    #[default]
    Refuse,
    Allow,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum BasisWord {
    Law,
    Provider,
    Subscriber,
}

/// A list whose own keys have been checked.
pub(super) struct CheckedList {
    /// Where its id is written.
    place: String,
    pub(super) rules: ListRules,
    pub(super) source: ListSource,
    pub(super) zone: Option<TransferredZone>,
}

/// Check all lists, each by itself.
pub(super) fn check_lists(
    lists: Vec<ListSection>,
    shared: &ListsSection,
    review: &mut Review<'_>,
) -> Vec<CheckedList> {
    if let Some(list) = lists.get(LISTS_MAX) {
        review.say(
            &list.id,
            format!("at most {LISTS_MAX} lists: join some of them"),
        );
    }
    let rejects_percent_max = review.number(
        "rejects_percent_max",
        &shared.rejects_percent_max,
        0.0..=100.0,
    );
    let mut checked: Vec<CheckedList> = Vec::new();
    for (index, list) in lists.into_iter().enumerate() {
        let id = review.id("id", &list.id);
        let taken = checked
            .iter()
            .find(|other| other.rules.id.eq_ignore_ascii_case(&id));
        if let Some(other) = taken {
            let message = format!(
                "the list id {id:?} is taken at {}: choose another",
                other.place
            );
            review.say(&list.id, message);
        }
        let rules = list.check_rules(&id, review);
        let source = ListSource {
            is_required: list.required,
            id,
            index: index as ListIndex,
            text: list
                .file
                .as_ref()
                .map(|file| Text::File(review.path(file.get_ref()))),
            format: list.check_format(review),
            rejects_percent_max,
            papers: list.check_papers(review),
            limits: list.guard.check(review),
            stage: list.stage.check(review),
            apply_within: list.check_apply_within(review),
            sources: list.check_sources(review),
            identities: list.check_identity(review),
            rules: Some(Arc::new(rules.clone())),
            entry_counts: list.check_entry_counts(review),
        };
        let transfer = list.transfer.as_ref();
        let zone =
            transfer.and_then(|transfer| transfer.check(source.format, list.file.as_ref(), review));
        checked.push(CheckedList {
            place: review.place_of(&list.id),
            rules,
            source,
            zone,
        });
    }
    checked
}

impl ListSection {
    /// What a blocked question gets, and what is told of the list.
    fn check_rules(&self, id: &str, review: &mut Review<'_>) -> ListRules {
        ListRules {
            id: id.to_owned(),
            authority: review.words("authority", &self.authority),
            legal_basis: review.words("legal_basis", &self.legal_basis),
            basis: match self.basis {
                BasisWord::Law => Basis::Law,
                BasisWord::Provider => Basis::Provider,
                BasisWord::Subscriber => Basis::Subscriber,
            },
            contact: self
                .contact
                .iter()
                .map(|value| contact(value, review))
                .collect(),
            filtering_databases: self
                .filtering_databases
                .iter()
                .map(|entry| entry.check(review))
                .collect(),
            language: review.id("language", &self.language),
            action: self.action_keys().check(review),
            ttl_s: review.number("ttl_s", &self.ttl_s, 0..=TTL_S_MAX),
        }
    }

    const fn action_keys(&self) -> ActionKeys<'_> {
        ActionKeys {
            id: &self.id,
            action: &self.action,
            stop: self.stop.as_slice(),
        }
    }

    /// The format; `column` speaks of CSV files alone.
    fn check_format(&self, review: &mut Review<'_>) -> Format {
        let column = match (self.format, &self.column) {
            (FormatWord::Plain, _) => return Format::Plain,
            (FormatWord::Hosts, _) => return Format::Hosts,
            (FormatWord::Rpz, _) => return Format::Rpz,
            (FormatWord::Csv, None) => return Format::Csv(Column::Usual),
            (FormatWord::Csv, Some(column)) => column,
        };
        let checked = match column.get_ref() {
            ColumnWord::Number(number) => number.checked_sub(1).map(Column::At),
            ColumnWord::Heading(text) => Heading::new(text).map(Column::Headed),
        };
        if checked.is_none() {
            review.say(
                column,
                format!(
                    "column: a heading of 1 to {HEADING_OCTETS_MAX} octets, or a number from 1"
                ),
            );
        }
        Format::Csv(checked.unwrap_or(Column::Usual))
    }

    /// Where the list is looked for.
    fn check_sources(&self, review: &mut Review<'_>) -> Vec<ListOrigin> {
        let folder = self
            .folder
            .iter()
            .map(|folder| ListOrigin::Folder(review.path(&folder.path)));
        let mut sources: Vec<ListOrigin> = folder.collect();
        sources.extend(
            self.pull
                .iter()
                .flat_map(|pull| pull.check(review))
                .map(ListOrigin::Pull),
        );
        sources.extend(self.push.then_some(ListOrigin::Push));
        match &self.file {
            Some(file) if !sources.is_empty() => {
                review.say(
                    file,
                    "file: a list with a file has no other source: leave the file \
                                  out, or the others",
                );
            }
            None if sources.is_empty() && self.transfer.is_none() => {
                review.say_missing(
                    &self.id,
                    "the list comes from nowhere: give it [list.folder], [list.pull], \
                     [list.transfer], push = true, or a `file`",
                );
            }
            _ => {}
        }
        if self.file.is_none() && !sources.is_empty() && self.keys.is_empty() {
            review.say_missing(
                &self.id,
                "what comes from elsewhere needs `keys` to be believed by",
            );
        }
        sources
    }

    /// The age keys that entries may be encrypted to.
    fn check_identity(&self, review: &mut Review<'_>) -> Identities {
        let Some(file) = &self.identity else {
            return Identities::default();
        };
        let identities = Identities::in_file(review.path(file.get_ref()));
        review.list_file(file, FileContent::Identities(identities.clone()));
        identities
    }

    /// Whose signatures the list needs; a plain file has none and needs the operator's word
    /// instead.
    fn check_papers(&self, review: &mut Review<'_>) -> Trust {
        let mut keys: Vec<VerifyKey> = Vec::new();
        for value in &self.keys {
            match VerifyKey::parse(value.get_ref()) {
                Ok(key) if keys.contains(&key) => {
                    review.say(value, "keys: this key is named twice")
                }
                Ok(key) => keys.push(key),
                Err(fault) => review.say(
                    value,
                    format!("keys: {fault}; `wardline key show FILE` prints it"),
                ),
            }
        }
        let threshold = *self.signatures.get_ref();
        if threshold == 0 || (!self.keys.is_empty() && threshold > self.keys.len()) {
            let message = format!(
                "signatures = {threshold}: choose a value from 1 to the number of `keys`, or name \
                 more of them"
            );
            if is_written(&self.signatures) {
                review.say_missing(&self.signatures, message);
            } else {
                review.say_missing(&self.id, message);
            }
        }
        if let (Some(file), UnsignedWord::Refuse) = (&self.file, self.unsigned) {
            review.say_missing(
                file,
                "file: a plain file carries no signature: write unsigned = \"allow\" \
                              to answer for it yourself",
            );
        }
        let unsigned = if self.unsigned == UnsignedWord::Allow {
            Unsigned::Allow
        } else {
            Unsigned::Refuse
        };
        Trust {
            threshold,
            keys,
            unsigned,
        }
    }

    /// The deadline; only a manifest says when an issue was made, so that one can be held to it.
    fn check_apply_within(&self, review: &mut Review<'_>) -> Option<Duration> {
        let value = self.apply_within_s.as_ref()?;
        // Of one that comes from elsewhere without keys that is said already.
        let comes_from_elsewhere = self.push || self.folder.is_some() || self.pull.is_some();
        if self.keys.is_empty() && !comes_from_elsewhere {
            review.say_missing(
                value,
                "apply_within_s: only a signed list says when it was issued: name its `keys`, or \
                 leave this out",
            );
            return None;
        }
        let within_s = review.number("apply_within_s", value, 1..=APPLY_WITHIN_S_MAX);
        Some(Duration::from_secs(within_s))
    }

    /// Only entries of our own format can have numbers to be counted by.
    fn check_entry_counts(&self, review: &mut Review<'_>) -> Option<Arc<EntryTally>> {
        let is_counted = *self.entry_counts.get_ref();
        if is_counted && !matches!(self.format, FormatWord::Plain) {
            review.say(
                &self.entry_counts,
                "entry_counts: only entries of format \"plain\" have \
                                            numbers to be counted by: leave it out",
            );
        }
        is_counted.then(Arc::default)
    }
}
