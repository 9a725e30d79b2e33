//! The Prometheus text format, version 0.0.4: families of samples, each with its help and its type.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyKind {
    /// It only grows, but for a restart.
    Counter,
    /// The same of seconds, in fractions.
    Seconds,
    /// It goes up and down.
    Gauge,
    /// Counts by upper bounds, and their sum.
    Histogram,
}

impl FamilyKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter | Self::Seconds => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A page that is being written: counters and gauges by the `metrics` crate, in a recorder of this
/// page's own, so that what is gone has no sample any more.
///
/// By hand is written what the crate has no word for: histograms whose buckets are counted already,
/// counters of seconds, which are no whole numbers, and families without a sample.
pub(super) struct Exposition {
    recorder: PrometheusRecorder,
    text: String,
    /// The families without a sample so far.
    empty: BTreeMap<&'static str, (FamilyKind, &'static str)>,
}

/// The family that is being written.
pub(super) struct Family<'p> {
    page: &'p mut Exposition,
    name: &'static str,
    kind: FamilyKind,
    help: &'static str,
    /// Its help and its type are in the page's text.
    is_told: bool,
}

impl Default for Exposition {
    fn default() -> Self {
        Self {
            recorder: PrometheusBuilder::new().build_recorder(),
            text: String::new(),
            empty: BTreeMap::new(),
        }
    }
}

impl Exposition {
    /// Begin a family, which is told of even where it has no sample.
    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: FamilyKind,
        help: &'static str,
    ) -> Family<'_> {
        self.empty.insert(name, (kind, help));
        Family {
            page: self,
            name,
            kind,
            help,
            is_told: false,
        }
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(name, FamilyKind::Counter, help).add(&[], value);
    }

    /// A family of one gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Display) {
        self.family(name, FamilyKind::Gauge, help).add(&[], value);
    }

    /// A family of one gauge, without a sample where nothing is known.
    pub(super) fn gauge_if(
        &mut self,
        name: &'static str,
        help: &'static str,
        value: Option<impl Display>,
    ) {
        let mut family = self.family(name, FamilyKind::Gauge, help);
        if let Some(value) = value {
            family.add(&[], value);
        }
    }

    /// The page.
    pub(super) fn finish(mut self) -> String {
        for (name, (kind, help)) in self.empty {
            tell(&mut self.text, name, kind, help);
        }
        self.recorder.handle().render() + &self.text
    }
}

impl Family<'_> {
    /// A sample with these labels.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let value = value.to_string();
        let owned = labels.iter();
        let owned = owned.map(|(label, word)| Label::new((*label).to_owned(), (*word).to_owned()));
        let owned: Vec<Label> = owned.collect();
        let (name, help) = (self.name, self.help);
        let is_written = match self.kind {
            FamilyKind::Counter => value.parse().is_ok_and(|value| {
                metrics::with_local_recorder(&self.page.recorder, || {
                    describe_counter!(name, help);
                    counter!(name, owned).absolute(value);
                });
                true
            }),
            FamilyKind::Gauge => value.parse().is_ok_and(|value: f64| {
                metrics::with_local_recorder(&self.page.recorder, || {
                    describe_gauge!(name, help);
                    gauge!(name, owned).set(value);
                });
                true
            }),
            FamilyKind::Seconds | FamilyKind::Histogram => false,
        };
        self.page.empty.remove(name);
        if !is_written {
            self.add_part("", labels, value);
        }
    }

    /// A sample of a histogram: of a bucket, the sum or the count.
    pub(super) fn add_part(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        self.page.empty.remove(self.name);
        if !self.is_told {
            tell(&mut self.page.text, self.name, self.kind, self.help);
            self.is_told = true;
        }
        let text = &mut self.page.text;
        text.push_str(self.name);
        text.push_str(part);
        for (index, (label, word)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, "{before}{label}=\"");
            word.chars().for_each(|letter| push_escaped(text, letter));
            text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{end} {value}");
    }
}

/// A family's help and its type.
fn tell(text: &mut String, name: &str, kind: FamilyKind, help: &str) {
    let word = kind.word();
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {word}");
}

/// As the format wants it in a label's value.
fn push_escaped(text: &mut String, letter: char) {
    match letter {
        '\\' => text.push_str("\\\\"),
        '"' => text.push_str("\\\""),
        '\n' => text.push_str("\\n"),
        letter => text.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_their_family() {
        let mut page = Exposition::default();
        page.counter("a_total", "About a.", 3);
        page.gauge_if("b", "About b.", None::<u64>);
        let mut family = page.family("c", FamilyKind::Histogram, "About c.");
        family.add_part("_bucket", &[("le", "0.5"), ("of", "a\\b\"c\nd")], 0.25);
        page.family("d_total", FamilyKind::Seconds, "About d.")
            .add(&[], 0.5);
        let lines = page.finish();
        let lines: Vec<&str> = lines.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "# HELP a_total About a.",
                "# TYPE a_total counter",
                "a_total 3",
                "# HELP c About c.",
                "# TYPE c histogram",
                "c_bucket{le=\"0.5\",of=\"a\\\\b\\\"c\\nd\"} 0.25",
                "# HELP d_total About d.",
                "# TYPE d_total counter",
                "d_total 0.5",
                "# HELP b About b.",
                "# TYPE b gauge",
            ]
        );
    }
}
