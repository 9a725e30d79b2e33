//! What a configuration cannot be blamed for: whatever follows from a mistake that is told already.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::text::ConfigText;

/// Values that could not be read, and the sections that may lack them.
#[derive(Default)]
pub(super) struct Doubts {
    /// Where values stand that are told already.
    pub(super) values: Vec<Range<usize>>,
    /// Values that stand nowhere were put in the place of missing ones.
    pub(super) have_stand_ins: bool,
    /// Where sections begin, sorted.
    sections: Vec<usize>,
    /// Those that lack a value: what is missing in them may be that one.
    doubtful: Vec<usize>,
}

impl Doubts {
    /// Learn where sections begin, and hold those in doubt that have a value in doubt.
    pub(super) fn find_sections(&mut self, root: &DeTable<'_>, texts: &ConfigText) {
        self.sections = vec![0];
        self.sections
            .extend(texts.included().iter().map(|file| file.start));
        find_headings(root, texts, &mut self.sections);
        self.sections.sort_unstable();
        for value in self.values.clone() {
            self.doubt_section_of(value.start);
        }
    }

    /// Hold the section in doubt that this octet stands in.
    pub(super) fn doubt_section_of(&mut self, at: usize) {
        self.doubtful.push(self.section_of(at));
    }

    /// Is this value told already, or one that stands nowhere?
    pub(super) fn concern(&self, span: &Range<usize>) -> bool {
        let is_stand_in = span.is_empty() && self.have_stand_ins;
        let overlaps = |value: &Range<usize>| value.start <= span.start && span.start <= value.end;
        is_stand_in || self.values.iter().any(overlaps)
    }

    /// May something be missing beside this octet for the only reason that it cannot be read?
    pub(super) fn concern_section_of(&self, at: usize) -> bool {
        self.doubtful.contains(&self.section_of(at))
    }

    fn section_of(&self, at: usize) -> usize {
        let before = self.sections.iter().rev().find(|start| **start <= at);
        before.copied().unwrap_or_default()
    }
}

/// The places of the headings of all sections, `[heading]` and `[[heading]]`.
fn find_headings(table: &DeTable<'_>, texts: &ConfigText, headings: &mut Vec<usize>) {
    let mut find = |value: &Spanned<DeValue<'_>>| {
        if let DeValue::Table(table) = value.get_ref() {
            if texts
                .slice(value.span())
                .is_some_and(|text| text.starts_with('['))
            {
                headings.push(value.span().start);
            }
            find_headings(table, texts, headings);
        }
    };
    for (_, value) in table {
        match value.get_ref() {
            DeValue::Array(values) => values.iter().for_each(&mut find),
            _ => find(value),
        }
    }
}
