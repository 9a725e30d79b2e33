//! Counting for the regulator and the operator: numbers by list and kind of question, never who
//! asked or for what name.

mod cells;
mod hour;
mod hourly;
mod leaf;
mod leaf_parts;
mod opening;
mod record;

pub use cells::EntryCounts;
pub use cells::{Board, Cells, Door, Event, Kind, LATENCY_BOUNDS_US, ListCounts, OwnCells, Tally};
pub use hour::{HourCounts, Meter};
pub use hourly::{Applied, HourTotal, Hourly, ListHour, Seal, Step, StepKind};
pub use leaf::{EventLeaf, HOUR_KIND, HourLeaf, LEAF_OCTETS_MAX, Leaf, is_plain};
pub use leaf_parts::{
    Blocked, Carried, Ended, HOUR_LEAF_VERSION, LEAF_VERSION, LeafFault, LeafGap, LeafSpan, Moment,
};
pub use opening::{ENTRY_COUNTS_KIND, Opening, Openings, OpeningsFault, read_counts};
pub use record::{
    Gap, GapKind, HourRecord, ListGap, ListIdentity, ListRecord, Papers, Record, Stretch,
};
