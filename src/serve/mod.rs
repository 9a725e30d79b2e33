//! The doors that questions come in by: UDP, TCP and TLS, and what keeps one client from shutting them for the others.

mod connection;
mod desks;
pub mod limits;
pub mod tcp;
pub mod tls;

pub use desks::Desks;
