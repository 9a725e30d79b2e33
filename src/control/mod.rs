//! The control socket: an operator on this machine asks the running program one thing a connection,
//! in one line of JSON each way.

mod answer;
mod client;
mod protocol;
mod server;

pub use answer::{Parts, Resolution};
pub use client::{AskFault, ask};
pub use protocol::{
    CacheStatus, Flushed, GroupAnswer, GroupVerdict, ListStatus, MemoryStatus, Place, Questions,
    Reloaded, Reply, Request, RootCopyStatus, Status, UpstreamStatus, Why,
};
pub use server::{BindRefusal, Server, Socket};
