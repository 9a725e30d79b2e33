//! What stops a start.

/// What stops a start; the message says what to do.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;
