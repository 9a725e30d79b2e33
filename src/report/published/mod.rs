//! The report for the public: by list and day or month, with small figures hidden.

mod captions;
mod chart;
mod csv;
mod figures;
mod gather;
mod hide;
mod html;
mod json;
mod merge;
mod tables;
mod text;

use super::Format;
pub use figures::{AppliedVersion, InForce, LogHead, Period, Published, PublishedList, publish};
pub use gather::GapSum;
pub use hide::{Figure, K, Shown};

/// The report in this form, ready to print; ends with a newline.
///
/// It holds nothing of the moment at which it is made, so that the same records give the same
/// octets.
pub fn render(report: &Published, format: Format) -> String {
    match format {
        Format::Text => text::render(report),
        Format::Csv => csv::render(report),
        Format::Json => json::render(report),
        Format::Html => html::render(report),
    }
}
