//! Resolvers that recurse themselves, for everything or for single zones: how they are asked, and
//! what they say as the engine wants it.

mod dot;
mod leaf;
mod peer;
mod server;
mod upstreams;

pub use server::{Server, Upstream};
pub use upstreams::Settings;
pub(super) use upstreams::Upstreams;
