//! The ways in: each door takes questions off the network, has them answered by `query`, and sends the replies.

pub mod kernel;
pub mod limits;
pub mod udp;
