//! The control socket: an operator on this machine asks the running program one thing a connection,
//! in one line of JSON each way.

mod answer;
mod client;
mod facts;
mod protocol;
mod request_rate;
mod server;
mod verdict;

pub use answer::{NothingResolved, Resolution, ServerParts};
pub use client::{AskFault, ask};
pub use facts::{Configuration, Facts, ReloadTurn};
pub use protocol::{
    AnswerKind, CacheStatus, ConfigReload, ControlReply, Flushed, ListStatus, MemoryStatus,
    Questions, Reloaded, Request, RootCopyStatus, Status, TemporaryChange, UpstreamStatus,
};
pub use request_rate::RequestRates;
pub use server::{BindRefusal, ControlServer, Socket};
pub use verdict::{EntryPlace, GroupAnswer, GroupVerdict, OtherList, Why};
