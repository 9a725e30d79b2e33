//! The report for the public: by list and day or month, with small figures hidden.

mod captions;
mod chart;
mod csv;
mod document;
mod figures;
mod gather;
mod hide;
mod html;
mod issues;
mod json;
mod log_so_far;
mod logged;
mod tables;
mod text;

use super::ReportFormat;
pub use document::{ByList, MonthFigures, PublishedDocument, PublishedHead};
pub use figures::{InForce, LogHead, Period, Published, PublishedList, choose_months, publish};
pub use gather::{AppliedVersion, GapSum};
pub use hide::{Figure, K, Shown};
pub use json::document;
pub use log_so_far::HeadPlace;
pub use logged::{LoggedFigures, reading_order, resolver_of};

/// The report in this form, ready to print; ends with a newline.
///
/// It holds nothing of the moment at which it is made, so that the same records give the same
/// octets.
pub fn render(report: &Published, format: ReportFormat) -> String {
    match format {
        ReportFormat::Text => text::render(report),
        ReportFormat::Csv => csv::render(report),
        ReportFormat::Json => json::render(report),
        ReportFormat::Html => html::render(report),
    }
}
