//! The table of contents of the tests: one binary, so that the program and the kit are linked once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop where it stands"
)]

mod answers;
mod audit;
mod bad_lists;
mod blocked;
mod comes_later;
mod commands;
mod contradictions;
mod copied;
mod crash;
mod curated;
mod curator;
mod deleted;
mod disk;
mod dns64;
mod doors;
mod entry_counts;
mod extended_errors;
mod field_tools;
mod forgeries;
mod forward;
mod gone_back;
mod health;
mod hostile;
mod hostile_evidence;
mod internet;
mod keep_alive;
mod key_docs;
mod killed;
mod kit;
mod laboratory;
mod limits;
mod lists;
mod lookup;
mod metrics;
mod moved;
mod over_time;
mod peers;
mod privacy;
mod published;
mod real_list;
mod reconfigured;
mod regression;
mod reload;
mod report;
mod restored;
mod rfc8906;
mod root_copy;
mod seeded;
mod several_actions;
mod siege;
mod status;
mod story;
mod tidy;
mod torture;
mod transfer;
mod trust_anchors;
mod upgraded;
mod upstreams;
mod validating_forwarders;
mod wall_clock;
mod weather;
mod witness;
mod year;
mod zone_above;
mod zones;
