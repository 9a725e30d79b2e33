//! Words and numbers for people to read: broken lines, grouped digits, lengths of time.

/// Lines of prose are broken here.
const WIDTH: usize = 100;

/// One line, without blanks at its end.
pub(super) fn push_line(page: &mut String, line: &str) {
    page.push_str(line.trim_end());
    page.push('\n');
}

/// Breaks a paragraph into lines.
pub(super) fn push_prose(page: &mut String, prose: &str) {
    let mut line = String::new();
    for word in prose.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > WIDTH {
            push_line(page, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push_line(page, &line);
}

/// `23 h 17 min`, `17 min 05 s`, `5 s`
pub(super) fn length(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, 0, 0) => format!("{hours} h"),
        (hours, minutes, 0) => format!("{hours} h {minutes:02} min"),
        (hours, minutes, seconds) => format!("{hours} h {minutes:02} min {seconds:02} s"),
    }
}

/// Thousands apart: `1 234 567`.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Nothing in an authority's name may steer the reader's terminal or turn the line around.
pub(super) fn plain(text: &str) -> String {
    let steers = |c: char| {
        let marks = matches!(c, '\u{200e}' | '\u{200f}');
        c.is_control() || marks || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if steers(c) { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_lengths_are_readable() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1 000", "1 234 567"]
        );
        assert_eq!(
            [5, 60, 65, 3600, 3660, 90_061].map(length),
            [
                "5 s",
                "1 min",
                "1 min 05 s",
                "1 h",
                "1 h 01 min",
                "25 h 01 min 01 s"
            ]
        );
        assert_eq!(plain("A\u{1b}[2J\u{202e}B"), "A\u{fffd}[2J\u{fffd}B");
    }
}
