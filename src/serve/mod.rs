//! The ways in: each door takes questions off the network, has them answered by `query`, and sends the replies.

mod addenda;
mod backlog;
mod connection;
pub mod cookies;
mod desks;
pub mod kernel;
pub mod limits;
pub mod proxy;
pub mod tcp;
pub mod tls;
pub mod udp;

pub use desks::Desks;
pub mod waiters;
