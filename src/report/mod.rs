//! Renders what was counted: the published report for everybody, and the exact figures for the
//! operator alone.
//!
//! Both hold counts by list and time, the lists' papers, and what is missing. Neither can hold an
//! address or a listed name: the records that they are made from have none.

mod meaning;

mod complaints;
mod csv;
mod exact;
mod month;
mod prose;
mod published;
mod span;
pub use complaints::{ComplaintCount, Complaints, MonthComplaints};
pub use exact::render as render_exact;
pub use month::{DAY_S, Month, Months};
pub use published::*;
pub use span::{SpanError, parse_months, parse_span};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// Aligned tables to read.
    Text,
    /// One table with a header row (RFC 4180), one figure a row.
    Csv,
    /// One object; its fields keep their names as long as its `version` stays.
    Json,
    /// One page for a browser or for paper.
    Html,
}
