//! Wardline: an access-blocking DNS resolver for internet providers.
//!
//! The modules stand in layers, lowest first; a module uses only layers above its own line
//! (ARCHITECTURE.md says why).

// 1 words
pub mod clock;
pub mod name;
pub mod process;
pub mod seal;

// 2 shapes
pub mod http;
pub mod list;
pub mod wire;

// 3 record
pub mod record;

// 4 knowledge
pub mod count;
pub mod policy;

// 5 answers
pub mod answer;
pub mod cache;
pub mod report;
pub mod resolve;

// 6 proof
pub mod audit;

// 7 store
pub mod store;

// 8 copies
pub mod backup;

// 9 spine
pub mod query;

// 10 doors
pub mod measure;
pub mod serve;
pub mod update;
pub mod witness;

// 11 edge
pub mod config;
pub mod control;

// 12 engine
pub mod engine;

// 13 commands
pub mod commands;

/// Keeps small long-lived things (cached answers) apart from large short-lived ones (questions
/// under way). With glibc's allocator 100,000 cached answers of 21 MiB held 190 MiB, since each
/// kept the memory around it from going back.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;
