//! The ways in: each door takes questions off the network, has them answered by `query`, and sends
//! the replies.

mod backlog;
mod certificate;
pub mod client_limits;
mod connection;
pub mod cookies;
mod edns_options;
mod guards;
mod in_service;
pub mod kernel;
pub mod limits;
pub mod proxy;
mod slots;
pub mod stop;
mod stream_answers;
mod stream_terms;
pub mod tcp;
pub mod tls;
pub mod udp;
mod udp_socket;

pub use guards::Guards;
pub use in_service::{Current, InService};
pub use stream_answers::Desks;

pub mod waiters;
