//! What every test stands on: a small internet and a client that asks.
#![allow(dead_code, reason = "the kit is wider than what the tests of one day use")]

pub(crate) mod ask;
pub(crate) mod internet;
