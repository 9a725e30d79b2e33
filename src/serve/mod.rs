//! The doors that questions come in by: UDP, TCP and TLS, and what keeps one client from shutting them for the others.

pub mod limits;
