//! Counting for the regulator and the operator: numbers by list and kind of question, never who
//! asked or for what name.

mod cells;
mod hour;
mod hourly;
mod opening;
mod record;

pub use cells::EntryCounts;
pub use cells::{Board, Cells, Door, Event, Kind, LATENCY_BOUNDS_US, ListCounts, OwnCells, Tally};
pub use hour::{HourCounts, Meter};
pub use hourly::{Applied, HourTotal, Hourly, ListHour, Seal, Step, StepKind};
pub use opening::{Opening, Openings, OpeningsFault, read_counts};
pub use record::{
    Gap, GapKind, HourRecord, ListGap, ListIdentity, ListRecord, Papers, Record, Stretch,
    WithdrawnTime,
};
