//! The geometry of the page's charts: plain shapes in a space of 1000 by 100, stretched to fit; all
//! words stand beside them as text.

use super::figures::InForce;
use super::hide::Figure;

/// The width of the space.
const WIDTH: f64 = 1000.0;
/// Its height.
const HEIGHT: f64 = 100.0;
/// The share of its place that a bar takes.
const BAR: f64 = 0.78;
/// The least height at which something missing can be seen.
const SEEN: f64 = 18.0;
/// Times to apply are drawn between these, in seconds, each ten or so times the one before.
const DECADES: [(u64, &str); 6] = [
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (86_400, "1 day"),
];

/// A rectangle with what it stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    /// Said by a browser that points at it.
    pub(super) says: String,
}

/// Bars over time, with bands where figures are hidden.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Bars {
    pub(super) bars: Vec<Bar>,
    pub(super) hidden: Vec<Bar>,
    /// The figure at the top of the space.
    pub(super) top: u64,
}

/// A point in the space.
#[derive(Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) says: String,
}

/// A line across the space and its name.
#[derive(Debug, PartialEq)]
pub(super) struct Level {
    pub(super) y: String,
    pub(super) name: &'static str,
}

/// Periods that follow each other and are drawn as one.
#[derive(Clone, Copy)]
struct ChartRun {
    first: usize,
    last: usize,
}

impl ChartRun {
    /// Adds a place to the run before it, or begins another one.
    fn add(runs: &mut Vec<Self>, place: usize) {
        match runs.last_mut().filter(|run| run.last + 1 == place) {
            Some(run) => run.last = place,
            None => runs.push(Self {
                first: place,
                last: place,
            }),
        }
    }

    /// Its rectangle, without seams between its periods.
    fn rectangle(self, step: f64, name: impl Fn(usize) -> String, what: &str) -> Bar {
        let Self { first, last } = self;
        let says = if first == last {
            format!("{}: {what}", name(first))
        } else {
            format!("{} to {}: {what}", name(first), name(last))
        };
        let width = step * float((last - first + 1) as u64);
        rectangle(step * float(first as u64), 0.0, width, HEIGHT, says)
    }
}

/// One bar a figure, and a band where figures are hidden; `name` gives the period at a place.
pub(super) fn bars(figures: &[Figure], name: impl Fn(usize) -> String) -> Bars {
    let top = round_up(
        figures
            .iter()
            .filter_map(|figure| figure.shown())
            .max()
            .unwrap_or_default(),
    );
    let step = WIDTH / float(figures.len().max(1) as u64);
    let mut chart = Bars {
        top,
        ..Bars::default()
    };
    let mut hidden = Vec::new();
    for (place, figure) in figures.iter().enumerate() {
        let x = step * float(place as u64);
        match figure {
            Figure::Shown(count) => {
                let height = HEIGHT * float(*count) / float(top);
                let says = format!("{}: {}", name(place), crate::report::prose::grouped(*count));
                chart.bars.push(rectangle(
                    x + step * (1.0 - BAR) / 2.0,
                    HEIGHT - height,
                    step * BAR,
                    height,
                    says,
                ));
            }
            Figure::Hidden => ChartRun::add(&mut hidden, place),
            Figure::Absent => {}
        }
    }
    let bands = hidden.into_iter();
    chart.hidden = bands
        .map(|run| run.rectangle(step, &name, "hidden"))
        .collect();
    chart
}

/// What was in force from below, as one bar where nothing was missing for days, and what was
/// missing hanging from above, large enough to be seen.
pub(super) fn strip(days: &[InForce], name: impl Fn(usize) -> String) -> (Vec<Bar>, Vec<Bar>) {
    let step = WIDTH / float(days.len().max(1) as u64);
    let (mut whole, mut full, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for (place, day) in days.iter().enumerate().filter(|(_, day)| day.due_s > 0) {
        let x = step * float(place as u64);
        let lack = day.due_s.saturating_sub(day.seconds);
        let says = format!(
            "{}: {}",
            name(place),
            day.per_10_000()
                .map_or_else(String::new, super::captions::per_cent)
        );
        if lack == 0 {
            ChartRun::add(&mut whole, place);
            continue;
        }
        let height = (HEIGHT * float(lack) / float(day.due_s)).max(SEEN);
        full.push(rectangle(x, height, step, HEIGHT - height, says.clone()));
        missing.push(rectangle(x, 0.0, step, height, says));
    }
    let all = super::captions::per_cent(10_000);
    full.extend(
        whole
            .into_iter()
            .map(|run| run.rectangle(step, &name, &all)),
    );
    (full, missing)
}

/// Where a time to apply stands: `at` is its part of the span, from 0 to 1, `seconds` grow upwards
/// by decades.
pub(super) fn dot(at: f64, seconds: u64, says: String) -> Dot {
    Dot {
        x: number(at.clamp(0.0, 1.0) * WIDTH),
        y: number(height_of(seconds)),
        says,
    }
}

/// The lines that times to apply are read against.
pub(super) fn levels() -> Vec<Level> {
    DECADES
        .into_iter()
        .map(|(seconds, name)| Level {
            y: number(height_of(seconds)),
            name,
        })
        .collect()
}

/// By the logarithm, with room for a dot at either end.
fn height_of(seconds: u64) -> f64 {
    let part = float(seconds.clamp(1, 86_400)).ln() / float(86_400).ln();
    HEIGHT - 4.0 - part * (HEIGHT - 8.0)
}

/// The next of 1, 2, 4, 5, 8 and 10 times a power of ten: half of it is a round figure too.
fn round_up(most: u64) -> u64 {
    let mut scale = 1_u64;
    loop {
        let Some(round) = [1, 2, 4, 5, 8, 10]
            .into_iter()
            .map(|step| scale.saturating_mul(step))
            .find(|round| *round >= most.max(10))
        else {
            scale = scale.saturating_mul(10);
            continue;
        };
        return round;
    }
}

fn rectangle(x: f64, y: f64, width: f64, height: f64, says: String) -> Bar {
    Bar {
        x: number(x),
        y: number(y),
        width: number(width),
        height: number(height),
        says,
    }
}

/// Two decimals are finer than any screen.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Exact up to 2^53, and a drawing needs less.
#[allow(
    clippy::cast_precision_loss,
    reason = "a drawing needs no more than a double has"
)]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_fill_their_places_and_hidden_ones_have_no_height_of_their_own() {
        let chart = bars(
            &[
                Figure::Shown(40),
                Figure::Hidden,
                Figure::Absent,
                Figure::Shown(20),
            ],
            |place| format!("day {place}"),
        );
        assert_eq!(
            (chart.top, chart.bars.len(), chart.hidden.len()),
            (40, 2, 1)
        );
        let [first, last] = &chart.bars[..] else {
            panic!("two bars")
        };
        assert_eq!(
            (first.y.as_str(), first.height.as_str(), first.says.as_str()),
            ("0", "100", "day 0: 40")
        );
        assert_eq!(
            (last.x.as_str(), last.y.as_str(), last.height.as_str()),
            ("777.5", "50", "50")
        );
        assert_eq!(
            (
                chart.hidden[0].height.as_str(),
                chart.hidden[0].says.as_str()
            ),
            ("100", "day 1: hidden")
        );
    }

    #[test]
    fn what_goes_on_for_days_is_one_shape() {
        let hidden = [
            [Figure::Hidden; 3].as_slice(),
            &[Figure::Absent, Figure::Hidden],
        ]
        .concat();
        let chart = bars(&hidden, |place| format!("day {place}"));
        let said: Vec<_> = chart.hidden.iter().map(|bar| bar.says.as_str()).collect();
        assert_eq!(said, ["day 0 to day 2: hidden", "day 4: hidden"]);
        assert_eq!(
            (chart.hidden[0].width.as_str(), chart.hidden[1].x.as_str()),
            ("600", "800")
        );
        let day = InForce {
            seconds: 86_400,
            due_s: 86_400,
        };
        let (full, missing) = strip(&[day; 4], |place| place.to_string());
        assert_eq!((full.len(), missing.len()), (1, 0));
        assert_eq!(
            (full[0].width.as_str(), full[0].says.as_str()),
            ("1000", "0 to 3: 100.00 %")
        );
    }

    #[test]
    fn a_second_that_is_missing_is_seen() {
        let day = |seconds, due_s| InForce { seconds, due_s };
        let (full, missing) = strip(
            &[day(86_400, 86_400), day(86_399, 86_400), day(0, 0)],
            |place| place.to_string(),
        );
        assert_eq!((full.len(), missing.len()), (2, 1));
        assert_eq!(
            (missing[0].height.as_str(), missing[0].says.as_str()),
            ("18", "1: 99.99 %")
        );
    }

    #[test]
    fn axes_end_at_round_figures() {
        assert_eq!(
            [0, 10, 11, 399, 401, 2001, 99_999].map(round_up),
            [10, 10, 20, 400, 500, 4000, 100_000]
        );
        assert!(round_up(u64::MAX) == u64::MAX);
        assert_eq!(
            [
                dot(0.5, 1, String::new()).y,
                dot(2.0, u64::MAX, String::new()).y
            ],
            ["96", "4"]
        );
    }
}
