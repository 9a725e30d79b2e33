//! HTTP/1.1 for the doors that take few requests and short ones, and for what we ask of others.

mod client;
mod head;

pub use client::{ClientSettings, FindAddresses, client, named_addresses, read_authorities};
pub use head::{HEAD_OCTETS_MAX, HeadFault, RequestHead, head_end};
