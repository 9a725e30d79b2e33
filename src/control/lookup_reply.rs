//! What is said to `lookup`: how a question is answered. These shapes are what `--json` prints.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::verdict::GroupVerdict;
use crate::resolve::{PresentedReply, TraceStep};

/// A question of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupRequest {
    /// The name, as text.
    pub name: String,
    /// The record type's number.
    pub qtype: u16,
    /// As this client; without it as one in no group.
    #[serde(default)]
    pub client: Option<IpAddr>,
    /// Use nothing that was learnt before, and change none of it.
    #[serde(default)]
    pub fresh: bool,
    /// With DO: signatures are wanted.
    #[serde(default)]
    pub dnssec_ok: bool,
    /// With CD: whatever is found out about them.
    #[serde(default)]
    pub checking_disabled: bool,
}

/// How a question is answered, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupReply {
    /// The name, absolute, in A-labels.
    pub name: String,
    /// The type's mnemonic.
    #[serde(rename = "type")]
    pub qtype: String,
    /// The client's group; none where the client may not ask.
    pub group: Option<String>,
    /// Nothing that was learnt before was used.
    pub fresh: bool,
    /// The answer that was kept when the question came.
    pub kept: Option<KeptStatus>,
    /// How it was resolved; nothing where nobody was asked.
    pub steps: Vec<TraceStep>,
    /// Steps beyond those that are kept.
    pub steps_left_out: u32,
    /// Packets, and questions over TCP and TLS, that were sent for it.
    pub packets: u32,
    /// What was held against the lists, in that order; the first that is listed decides.
    pub names: Vec<HeldName>,
    /// How a client's question would be counted: `blocked`, `hit`, `miss`, `own`, `refused`,
    /// `failed`.
    pub ended: String,
    /// The list that blocked it.
    pub list: Option<String>,
    /// What the client would get; none where that is nothing.
    pub response: Option<PresentedReply>,
}

/// A kept answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptStatus {
    /// Seconds that are left of its time to live; below nought where it has run out.
    pub left_s: i64,
    /// It is a failure (RFC 9520).
    pub is_failure: bool,
    /// It was the answer.
    pub is_used: bool,
}

/// A name that was held against the lists of the client's group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldName {
    /// The question's, or an alias's.
    pub name: String,
    /// The lists, in the order in which they are asked.
    pub lists: Vec<String>,
    /// What is decided.
    #[serde(flatten)]
    pub verdict: GroupVerdict,
}
