//! The audit log outside the resolver: written as static files, and checked by whoever has them and
//! the keys.
//!
//! `docs/audit-format.md` describes the files and every check; `tools/verify_audit.py` is written
//! from it and not from this code.

mod begins;
mod cosign;
mod demands;
mod entry_counts;
mod export;
mod folder;
mod history;
mod log_runs;
mod policy;
mod published;
mod reading;
mod restored;
mod runs;
mod standing;
mod told;
mod totals;
mod verify;

pub use cosign::{CosignError, Seen, cosign};
pub use demands::{Demands, Pin, read_pin};
pub use entry_counts::{Commitments, Opened};
pub use export::{ExportError, ExportPart, LogExporter};
pub use folder::{Folder, read_regular};
pub use policy::{CosignPolicy, PolicyFault};
pub use published::PublishedReport;
pub use restored::{describe_closed, describe_ended, misfits};
pub use told::{AbsentTime, Unjudged};
pub use totals::Totals;
pub use verify::{Cosigner, LogReport, Verified, verify};

/// Findings that are kept of one log: whoever sees so many needs no more.
const FINDINGS_MAX: usize = 100;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What kind of thing, in one word; the words are in `docs/audit-format.md`.
    pub code: &'static str,
    /// Where: the log's origin, and the leaf, hour or file.
    pub place: String,
    /// What is wrong.
    pub message: String,
}

impl Finding {
    fn new(code: &'static str, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            place: place.into(),
            message: message.into(),
        }
    }
}
