//! Something that happened, as the log has it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event_kind::EventKind;
use super::form::{
    LEAF_VERSION, NUMBER_MAX, SALTED_LEAF_VERSION, TOUCHES_MAX, is_plain_word, is_salt,
};
use super::hour::HOUR_KIND;
use super::moment::Moment;
use super::statement::Statement;
use super::touch::words_of;

/// Something that happened to the resolver or to a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLeaf<'a> {
    /// When.
    pub at: Moment,
    /// Particulars, by kind.
    pub body: Map<String, Value>,
    /// The run that it happened to: 16 hexadecimal digits.
    pub boot: &'a str,
    /// What.
    pub kind: &'a str,
    /// The list that it happened to, if to one.
    pub list: Option<&'a str>,
    /// SHA-256 of the list's manifest, in hexadecimal.
    pub manifest: Option<&'a str>,
    /// Whose resolver it is.
    pub provider: &'a str,
    /// Which of the provider's resolvers.
    pub resolver: &'a str,
    /// As in an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<&'a str>,
    /// The leaf's place in the log, from 0.
    pub seq: u64,
    /// The list's serial.
    pub serial: Option<u64>,
    /// What it bears on, in the words of [`Touch`](super::Touch), sorted: whoever does not know
    /// its kind cannot judge that. None in the forms before 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub touches: Option<Vec<&'a str>>,
    /// [`SALTED_LEAF_VERSION`], or [`LEAF_VERSION`] in older logs.
    pub v: u64,
}

impl EventLeaf<'_> {
    /// Has it what an event of its form has, and nothing else?
    pub(super) fn is_in_form(&self) -> bool {
        let small = self.seq <= NUMBER_MAX && self.serial.unwrap_or_default() <= NUMBER_MAX;
        let words = [self.boot, self.kind, self.provider, self.resolver];
        let of_list = self.list.into_iter().chain(self.manifest);
        self.kind != HOUR_KIND
            && self.at.is_in_time()
            && small
            && self.body.values().all(is_plain)
            && words.into_iter().chain(of_list).all(is_plain_word)
            && self.has_right_envelope()
    }

    /// In the form 3 it has a salt and says what it touches; of a kind that is known here it says
    /// exactly what one of its kind says.
    fn has_right_envelope(&self) -> bool {
        let (Some(salt), Some(touches)) = (self.salt, &self.touches) else {
            let has_neither = self.salt.is_none() && self.touches.is_none();
            return has_neither && self.v == LEAF_VERSION;
        };
        let is_sorted = touches.is_sorted_by(|before, word| before < word);
        let is_known = EventKind::parse(self.kind).is_none_or(|_| {
            let said = self.said();
            said.is_some_and(|said| words_of(said.touches()).eq(touches.iter().copied()))
        });
        self.v == SALTED_LEAF_VERSION
            && is_salt(salt)
            && is_sorted
            && touches.len() <= TOUCHES_MAX
            && touches.iter().all(|word| is_plain_word(word))
            && is_known
    }

    /// Does it bear on counts or on what is in force, in a way that is not known here?
    pub fn is_beyond_judgement(&self) -> bool {
        let touches_something = self.touches.as_ref().is_some_and(|words| !words.is_empty());
        touches_something && EventKind::parse(self.kind).is_none()
    }

    /// What it says; nothing where it is of a kind that is not known here, or does not say what one
    /// of its kind says today.
    pub fn said(&self) -> Option<Statement> {
        Statement::read(
            EventKind::parse(self.kind)?,
            self.list.is_some(),
            &self.body,
        )
    }
}

/// Whether the body of an event may hold this: no fractions, no huge numbers, nothing nested but a
/// list of texts.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_u64().is_some_and(|number| number <= NUMBER_MAX),
        Value::Array(values) => values.iter().all(Value::is_string),
        Value::Object(_) => false,
    }
}
