//! What a screen is made of.

/// How a line is shown where there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Heading,
    /// Somebody should know.
    Note,
    /// Somebody must see to it.
    Bad,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScreenLine {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl ScreenLine {
    /// What is not to be shown as it is, as it could steer the terminal, is left out.
    pub(super) fn new(tone: Tone, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().replace('\n', " ");
        let text = text.chars().filter(|letter| !letter.is_control()).collect();
        Self { tone, text }
    }
}

/// Columns and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScreenSize {
    pub(super) columns: usize,
    pub(super) rows: usize,
}
