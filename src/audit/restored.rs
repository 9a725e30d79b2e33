//! A log that follows another one, because the state that the other was kept in was restored,
//! copied or emptied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::count::EventLeaf;

/// The log that ended, as the one that follows it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoredLog {
    /// Its name.
    pub origin: String,
    /// How many of its leaves were signed, as far as is known.
    pub size: u64,
    /// The root of their tree, in hexadecimal.
    pub root: String,
    /// How many were found.
    pub found: u64,
    /// `shorter`, `other` or `unknown`.
    pub why: String,
}

impl RestoredLog {
    /// What such an event says at `seq` of the log `own`: a log follows another one from its
    /// beginning, or not at all.
    ///
    /// # Errors
    /// Where it stands elsewhere, or does not say which other log ended.
    pub(super) fn told_at(seq: u64, leaf: &EventLeaf<'_>, own: &str) -> Result<Self, String> {
        let told = serde_json::from_value(Value::Object(leaf.body.clone())).ok();
        told.filter(|told: &Self| seq == 1 && told.origin != own)
            .ok_or_else(|| {
                "does not stand behind the first start, or does not say which other log ended"
                    .to_owned()
            })
    }

    /// In words.
    pub fn describe(&self) -> String {
        let Self {
            origin,
            size,
            root,
            found,
            why,
        } = self;
        let known = match why.as_str() {
            "unknown" => "at least ",
            _ => "",
        };
        format!(
            "follows {origin}, which ended with {known}{size} leaves (root {root}), as the state \
             was restored, copied or emptied ({why}: {found} leaves were found)"
        )
    }
}
