//! Writes to standard output and standard error; a reader that went away (`| head`) is no mistake.

pub(super) use crate::engine::number;
use std::io::{self, Write};

use serde::Serialize;

use super::failure::CommandFailure;
use crate::config::Problem;

/// For whom a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// People.
    Text,
    /// Programs.
    Json,
}

impl Style {
    pub(super) const fn of(is_json: bool) -> Self {
        if is_json { Self::Json } else { Self::Text }
    }
}

/// Print a text as it is.
pub(super) fn print(text: &str) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandFailure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Print a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CommandFailure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    match written
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CommandFailure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Tell standard error; each line says whose it is.
pub(super) fn complain(message: &str) {
    let text: String = message
        .lines()
        .map(|line| format!("wardline: {line}\n"))
        .collect();
    // There is nobody left to tell that telling failed.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Warn on standard error, one line each.
pub(super) fn warn(warnings: &[Problem]) {
    let lines = warnings
        .iter()
        .map(|warning| format!("warning: {warning}\n"));
    let text: String = lines.collect();
    // As above.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// On which side a column's cells stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum TextColumn {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Lay out rows under their headings.
pub(super) fn table(columns: &[TextColumn], rows: &[Vec<String>]) -> String {
    let heading = |column: &TextColumn| match column {
        TextColumn::Left(heading) | TextColumn::Right(heading) => (*heading).to_owned(),
    };
    let headings: Vec<String> = columns.iter().map(heading).collect();
    let all = || std::iter::once(&headings).chain(rows);
    let width = |index: usize| {
        all()
            .filter_map(|row| row.get(index))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in all() {
        let cells =
            row.iter()
                .zip(columns)
                .zip(&widths)
                .map(|((cell, column), &width)| match column {
                    TextColumn::Left(_) => format!("{cell:<width$}"),
                    TextColumn::Right(_) => format!("{cell:>width$}"),
                });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Seconds since 1970 as a date and time in UTC.
pub(super) fn time(at: crate::clock::UnixSeconds) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// A number with its noun, in the singular or with an s.
pub(super) fn count(value: u64, noun: &str) -> String {
    let ending = if value == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", number(value))
}

/// A number of leaves of a log.
pub(super) fn leaves(value: u64) -> String {
    let noun = if value == 1 { "leaf" } else { "leaves" };
    format!("{} {noun}", number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned() {
        let rows = [
            vec!["a".to_owned(), "1,000".to_owned()],
            vec!["longer".to_owned(), "2".to_owned()],
        ];
        assert_eq!(
            table(
                &[TextColumn::Left("LIST"), TextColumn::Right("ENTRIES")],
                &rows
            ),
            "LIST    ENTRIES\na         1,000\nlonger        2\n"
        );
    }

    #[test]
    fn numbers_and_times_are_readable() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(time(0), "1970-01-01T00:00:00Z");
    }
}
