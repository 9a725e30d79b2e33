//! Wardline: an access-blocking DNS resolver for internet providers.
//!
//! The modules stand in layers, lowest first; a module uses only layers above its own line (ARCHITECTURE.md says why).

// 1 words
pub mod clock;
pub mod name;

// 2 shapes

// 3 knowledge
pub mod count;

// 4 answers
pub mod report;
pub mod resolve;
pub mod store;

// 5 spine

// 6 doors
pub mod measure;

// 7 edge
