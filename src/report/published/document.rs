//! The published report as one JSON object for machines: its form, which is read as it is written.
//!
//! Field names stay as long as `version` is 1; new ones may come. A figure is a number, `"hidden"`,
//! or `null` where the list was not in force. `until` is the first month after the last one.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hide::{Figure, K};

/// A published report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedDocument {
    /// [`PublishedDocument::KIND`].
    pub report: String,
    /// [`PublishedDocument::VERSION`].
    pub version: u32,
    /// The program that made it, and its version.
    pub software: String,
    /// `day` or `month`.
    pub by: String,
    /// The first month.
    pub from: Option<String>,
    /// The first month after the last one.
    pub until: Option<String>,
    /// What a count is, in words.
    pub meaning: String,
    /// What is hidden, in words.
    pub hiding: String,
    /// Figures below this are hidden.
    pub hidden_below: u64,
    /// What it is to be in force, in words.
    pub in_force: String,
    /// What is left out, in words.
    pub left_out: String,
    /// How it is checked, in words.
    pub checking: String,
    /// Resolvers with an hour in these months, each counted once.
    pub resolvers: usize,
    /// Copies that were not counted again.
    pub copies_left_out: usize,
    /// The lists, by id.
    pub lists: Vec<PublishedFigures>,
    /// The months, which follow each other.
    pub months: Vec<MonthFigures>,
    /// Months that were asked for and are not over.
    pub not_over: Vec<String>,
    /// Over all months.
    pub sums: BlockedFigures,
    /// The audit logs after these months.
    pub log_heads: Vec<PublishedHead>,
}

/// An audit log after these months.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedHead {
    /// Its name.
    pub origin: String,
    /// How many leaves it had.
    pub size: String,
    /// The root over them, in base64.
    pub root: String,
    /// When its last leaf is of.
    pub signed_at: String,
}

/// A list in these months.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFigures {
    /// Its id.
    pub id: String,
    /// Who answers for it.
    pub papers: Vec<ListPapers>,
    /// The versions that took effect.
    pub versions: Vec<PublishedVersion>,
}

/// A version that took effect in these months.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedVersion {
    /// Its serial.
    pub serial: u64,
    /// When it was issued.
    pub issued: String,
    /// When it was in force everywhere.
    pub live: String,
    /// From the one to the other.
    pub seconds: u64,
}

/// Who answers for a list, from a date on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPapers {
    /// Since when.
    pub since: String,
    /// Who made it.
    pub authority: String,
    /// On what ground.
    pub legal_basis: String,
}

/// The figures of a month.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthFigures {
    /// Which.
    pub month: String,
    /// Blocked questions by list.
    pub blocked: ByList<Figure>,
    /// Those of all lists together.
    pub blocked_by_all: Figure,
    /// All questions in millions; none where that would tell too much.
    pub questions_in_millions: Option<u64>,
    /// How long each list was in force.
    pub in_force: ByList<ForceSeconds>,
    /// What was done about each list.
    pub done: ByList<ByList<u64>>,
    /// What is not on record, by kind.
    pub gaps: ByList<GapFigures>,
    /// When lists were not in force though resolvers ran with them.
    pub not_in_force: ByList<GapFigures>,
    /// Its days, in a report by day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<DayFigures>>,
}

/// The figures of a day.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayFigures {
    /// Which.
    pub day: String,
    /// Blocked questions by list.
    pub blocked: ByList<Figure>,
    /// Those of all lists together.
    pub blocked_by_all: Figure,
}

/// Blocked questions by the list's id, and of all lists together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockedFigures {
    /// By list.
    pub blocked: ByList<Figure>,
    /// Of all.
    pub blocked_by_all: Figure,
}

/// How long a list was in force, added up over the resolvers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForceSeconds {
    /// Seconds in force.
    pub seconds: u64,
    /// Seconds that it should have been.
    pub due_seconds: u64,
}

/// How often and how long something was missing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GapFigures {
    /// How often.
    pub count: u64,
    /// How long.
    pub seconds: u64,
}

/// An object whose fields keep the order that they were given in; each stands once.
#[derive(Debug, PartialEq, Eq)]
pub struct ByList<V>(pub Vec<(String, V)>);

impl PublishedDocument {
    /// What `report` says.
    pub const KIND: &str = "wardline-report";
    /// The version of this form.
    pub const VERSION: u32 = 1;

    /// The text; ends with a newline.
    pub fn to_json(&self) -> String {
        // Texts and numbers only: nothing that JSON cannot hold.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Reads a report; refuses every text but the one that [`PublishedDocument::to_json`] makes of
    /// it, so that no field stands twice or is of another type or in another place.
    ///
    /// # Errors
    /// When it is another text; the words say what was found.
    pub fn parse(octets: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(octets).map_err(|error| error.to_string())?;
        if read.report != Self::KIND || read.version != Self::VERSION {
            return Err("is no published report of version 1".to_owned());
        }
        if read.hidden_below != K || !read.has_sorted_lists() {
            let message = "hides by another rule, or has its lists or logs in another order";
            return Err(message.to_owned());
        }
        if read.to_json().as_bytes() != octets {
            return Err("is not written as a report is: it was edited".to_owned());
        }
        Ok(read)
    }

    /// Do the figures stand in the order of their lists?
    fn has_sorted_lists(&self) -> bool {
        let is_sorted = |month: &MonthFigures| {
            let mut days = month.days.iter().flatten();
            month.blocked.is_sorted()
                && days.all(|day| day.blocked.is_sorted())
                && month.in_force.is_sorted()
                && month.done.is_sorted()
                && month.not_in_force.is_sorted()
        };
        let heads = self.log_heads.iter();
        self.sums.blocked.is_sorted()
            && self.months.iter().all(is_sorted)
            && heads.is_sorted_by(|one, other| one.origin < other.origin)
    }
}

impl<V> ByList<V> {
    fn is_sorted(&self) -> bool {
        self.0.is_sorted_by(|(one, _), (other, _)| one < other)
    }

    /// What stands under this id.
    pub fn get(&self, id: &str) -> Option<&V> {
        self.0
            .iter()
            .find(|(key, _)| key == id)
            .map(|(_, value)| value)
    }
}

impl<V: Serialize> Serialize for ByList<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for ByList<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Fields<V> {
            type Value = ByList<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose fields stand once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let (mut fields, mut known) = (Vec::<(String, V)>::new(), BTreeSet::new());
                while let Some((key, value)) = map.next_entry::<String, V>()? {
                    if !known.insert(key.clone()) {
                        return Err(A::Error::custom(format!("{key:?} stands twice")));
                    }
                    fields.push((key, value));
                }
                Ok(ByList(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shown(count) => serializer.serialize_u64(*count),
            Self::Hidden => serializer.serialize_str("hidden"),
            Self::Absent => serializer.serialize_none(),
        }
    }
}

/// How a figure is read.
#[derive(Deserialize)]
#[serde(untagged)]
enum ReadFigure {
    Count(u64),
    Word(String),
    Nothing(()),
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match ReadFigure::deserialize(deserializer)? {
            ReadFigure::Count(count) => Ok(Self::Shown(count)),
            ReadFigure::Word(word) if word == "hidden" => Ok(Self::Hidden),
            ReadFigure::Word(word) => Err(D::Error::custom(format!("{word:?} is no figure"))),
            ReadFigure::Nothing(()) => Ok(Self::Absent),
        }
    }
}
