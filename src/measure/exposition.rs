//! The Prometheus text format, version 0.0.4: families of samples, each with its help and its type.

use std::fmt::{Display, Write as _};

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FamilyKind {
    /// It only grows, but for a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by upper bounds, and their sum.
    Histogram,
}

impl FamilyKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A page that is being written.
#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// The family that is being written.
pub(super) struct Family<'p> {
    page: &'p mut Exposition,
    name: &'static str,
}

impl Exposition {
    /// Begin a family, which is told of even where it has no sample.
    pub(super) fn family(
        &mut self,
        name: &'static str,
        kind: FamilyKind,
        help: &str,
    ) -> Family<'_> {
        let word = kind.word();
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {word}");
        Family { page: self, name }
    }

    /// A family of one counter.
    pub(super) fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, FamilyKind::Counter, help).add(&[], value);
    }

    /// A family of one gauge.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, FamilyKind::Gauge, help).add(&[], value);
    }

    /// A family of one gauge, without a sample where nothing is known.
    pub(super) fn gauge_if(&mut self, name: &'static str, help: &str, value: Option<impl Display>) {
        let mut family = self.family(name, FamilyKind::Gauge, help);
        if let Some(value) = value {
            family.add(&[], value);
        }
    }

    /// The page.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// A sample with these labels.
    pub(super) fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.add_part("", labels, value);
    }

    /// A sample of a histogram: of a bucket, the sum or the count.
    pub(super) fn add_part(&mut self, part: &str, labels: &[(&str, &str)], value: impl Display) {
        let text = &mut self.page.text;
        text.push_str(self.name);
        text.push_str(part);
        for (index, (label, word)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let _ = write!(text, "{before}{label}=\"");
            word.chars().for_each(|letter| push_escaped(text, letter));
            text.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(text, "{end} {value}");
    }
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
        assert_eq!(
            page.finish(),
            "# HELP a_total About a.\n# TYPE a_total counter\na_total 3\n# HELP b About b.\n\
             # TYPE b gauge\n# HELP c About c.\n# TYPE c histogram\n\
             c_bucket{le=\"0.5\",of=\"a\\\\b\\\"c\\nd\"} 0.25\n"
        );
    }
}
