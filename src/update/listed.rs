//! One list as the configuration describes it: what it is, what is believed of it, how it is tried
//! out, and where it is looked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::identities::Identities;
use super::refusal::{Cause, Refusal, place_of};
use super::text::{Script, Text};
use crate::clock::wall_s;
use crate::list::guard::GuardLimits;
use crate::list::manifest::Manifest;
use crate::list::parse::Format;
use crate::list::{EntryTally, ListIndex};
use crate::policy::ListRules;
use crate::seal::VerifyKey;

/// The largest entries file that is read.
pub(super) const ENTRIES_OCTETS_MAX: u64 = 1 << 30;

/// One list as configured.
#[derive(Clone, Debug)]
pub struct ListSource {
    /// Nothing is answered before it is in force.
    pub is_required: bool,
    /// Its id, for messages and status.
    pub id: String,
    /// Its place in the configuration.
    pub index: ListIndex,
    /// Its file, watched for changes; none where it comes by bundles alone.
    pub text: Option<Text>,
    /// How the text is written.
    pub format: Format,
    /// The list is refused when more than this share of its lines is no entry, in per cent.
    pub rejects_percent_max: f64,
    /// What it must carry to be believed.
    pub papers: Trust,
    /// Where it is looked for, beside or instead of a file.
    pub sources: Vec<ListOrigin>,
    /// The keys that its entries may be encrypted to.
    pub identities: Identities,
    /// How much may change from one issue to the next; nothing bounds what a plain file changes,
    /// but what it lists.
    pub limits: GuardLimits,
    /// How a new issue is tried out before it comes in force.
    pub stage: Stage,
    /// How soon after it is issued an issue must be in force; nothing where nobody says.
    pub apply_within: Option<Duration>,
    /// What is done with the list, which its manifest may ask otherwise; nothing where nobody says.
    pub rules: Option<Arc<ListRules>>,
    /// Where the questions are counted that each of its entries blocks; usually nowhere.
    pub entry_counts: Option<Arc<EntryTally>>,
}

/// What a list must carry to be believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The keys whose signatures count.
    pub keys: Vec<VerifyKey>,
    /// How many of them must have signed a manifest.
    pub threshold: usize,
    /// What to do with a list that has no manifest.
    pub unsigned: Unsigned,
}

/// What to do with a list that has no manifest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unsigned {
    /// It is not believed.
    #[default]
    Refuse,
    /// The operator answers for it.
    Allow,
}

/// How a list's new issues are tried out before they come in force.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stage {
    /// For how long; zero for not at all.
    pub time: Duration,
    /// It ends earlier with so many questions.
    pub questions_max: u64,
    /// An issue is held back when it would block more than this share of the questions, in per
    /// cent, and nothing in force blocks them.
    pub percent_max: f64,
}

impl Default for Stage {
    /// Not at all.
    fn default() -> Self {
        Self {
            time: Duration::ZERO,
            questions_max: 1_000_000,
            percent_max: 1.0,
        }
    }
}

/// Where a list is looked for, beside or instead of a file.
#[derive(Clone, Debug)]
pub enum ListOrigin {
    /// A folder with the manifest, the entries and removals.
    Folder(PathBuf),
    /// Addresses on the web.
    Pull(PullSettings),
    /// Whoever has the token may push it to our listener.
    Push,
}

/// Where and how a list is fetched.
#[derive(Clone, Debug)]
pub struct PullSettings {
    /// The manifest's address, `https://…`; the entries and a removal lie beside it.
    pub url: String,
    /// Where the server is; asked in this order.
    pub addresses: Vec<SocketAddr>,
    /// Where no address is given: the resolvers that know it. Never ourselves.
    pub bootstrap: Vec<SocketAddr>,
    /// The certificates that the server's must lead to, PEM.
    pub ca: PathBuf,
    /// The pause between two looks.
    pub every: Duration,
}

/// The share of a list's lines that may be no entries where nobody says otherwise, in per cent.
const REJECTS_PERCENT_MAX: f64 = 5.0;

impl ListSource {
    /// A list that the operator answers for, with the default share of rejects.
    pub fn unsigned(id: &str, index: ListIndex, text: Text, format: Format) -> Self {
        let papers = Trust {
            unsigned: Unsigned::Allow,
            ..Trust::default()
        };
        Self {
            is_required: false,
            id: id.to_owned(),
            index,
            text: Some(text),
            format,
            rejects_percent_max: REJECTS_PERCENT_MAX,
            papers,
            limits: GuardLimits::default(),
            stage: Stage::default(),
            apply_within: None,
            sources: Vec::new(),
            identities: Identities::default(),
            rules: None,
            entry_counts: None,
        }
    }

    /// How often its sources are looked at; nothing for what is only pushed, or is a file here.
    pub(super) fn looked_at_every(&self) -> Option<Duration> {
        let of = |source: &ListOrigin| match source {
            ListOrigin::Folder(_) => Some(Duration::ZERO),
            ListOrigin::Pull(settings) => Some(settings.every),
            ListOrigin::Push => None,
        };
        // What has no source here is a zone, which has timers of its own.
        let is_zone = self.text.is_none() && self.sources.is_empty();
        let zone = is_zone.then_some(Duration::ZERO);
        self.sources.iter().filter_map(of).max().or(zone)
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.text {
            Some(Text::File(path)) => Some(path),
            _ => None,
        }
    }

    /// The file's path for messages.
    pub fn place(&self) -> String {
        match &self.text {
            Some(Text::File(path)) => place_of(path),
            Some(Text::Embedded(_)) => "built-in list".to_owned(),
            Some(Text::Memory(_)) | None => "its sources".to_owned(),
        }
    }

    pub(super) fn refuse(&self, cause: Cause, place: String) -> Refusal {
        Refusal {
            id: self.id.clone(),
            place,
            cause,
        }
    }

    /// How a text of this list is read: in the list's own format, or in ours where a manifest names
    /// it.
    pub(super) fn script_of<'a>(
        &'a self,
        text: &'a Text,
        manifest: Option<&Manifest>,
    ) -> Script<'a> {
        let format = if manifest.is_some() {
            Format::Plain
        } else {
            self.format
        };
        let expected = manifest.map(|manifest| manifest.sha256.0);
        Script {
            text,
            format,
            rejects_percent_max: self.rejects_percent_max,
            now: wall_s(),
            expected,
            entry_counts: self.entry_counts.as_ref(),
        }
    }
}
