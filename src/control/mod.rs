//! The control socket: an operator on this machine asks the running program one thing a connection,
//! in one line of JSON each way.

mod answer;
mod changes;
mod client;
mod facts;
mod protocol;
mod server;
mod underway;

pub use answer::{NothingResolved, Resolution, ServerParts};
pub use changes::{AnswerKind, TemporaryChange};
pub use client::{AskFault, ask};
pub use facts::{Configuration, Facts, ReloadTurn};
pub use protocol::{
    CacheStatus, ConfigReload, ControlReply, EntryPlace, Flushed, GroupAnswer, GroupVerdict,
    LatencyBucket, ListStatus, MemoryStatus, OtherList, Questions, Reloaded, Request,
    RootCopyStatus, Status, UnderwayStatus, UpstreamStatus, Why,
};
pub use server::{BindRefusal, ControlServer, Socket};
pub use underway::{Underway, Work};
