//! The control socket: an operator on this machine asks the running program one thing a connection,
//! in one line of JSON each way.

mod answer;
mod changes;
mod client;
mod facts;
mod lookup_reply;
mod lookups;
mod protocol;
mod request_rate;
mod resolution;
mod server;
mod standings;
mod underway;
mod verdict;

pub use answer::ServerParts;
pub use changes::{AnswerKind, TemporaryChange};
pub use client::{AskFault, ask};
pub use facts::{Configuration, Facts, ReloadTurn};
pub use lookup_reply::{HeldName, KeptStatus, LookupReply, LookupRequest};
pub use protocol::{
    CacheStatus, ConfigReload, ControlReply, Flushed, LatencyBucket, ListStatus, MemoryStatus,
    Questions, Reloaded, Request, RootCopyStatus, Status, UnderwayStatus,
};
pub use request_rate::RequestRates;
pub use resolution::{NothingResolved, Resolution};
pub use server::{BindRefusal, ControlServer, Socket};
pub use standings::{
    AnchorsReply, NegativeAnchorOrigin, NegativeAnchorStatus, QuestionsReply, ServersReply,
    UpstreamStatus, UpstreamsReply,
};
pub use underway::{Underway, Work};
pub use verdict::{EntryPlace, GroupAnswer, GroupVerdict, OtherList, Why};
