//! Counting for the regulator and the operator: numbers by list and kind of question, never who
//! asked or for what name.

mod cells;
mod classes;
mod hour;
mod opening;
mod record;
mod step_kind;

pub use cells::EntryCounts;
pub use cells::{Board, Cells, Door, Event, Kind, LATENCY_BOUNDS_US, ListCounts, OwnCells, Tally};
pub use classes::{DnssecResult, QuestionType, Refusal, ReplyCode};
pub use hour::{HourCounts, Meter};
pub use opening::{Opening, Openings, OpeningsFault, read_counts};
pub use record::{
    Gap, GapKind, HourRecord, ListGap, ListIdentity, ListRecord, Papers, Record, Stretch,
    ToldHours, WithdrawnTime,
};
pub use step_kind::StepKind;
