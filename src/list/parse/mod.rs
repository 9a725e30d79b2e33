//! Reads a list's text: each line becomes entries or a reject; no bad line ever stops the reading.

mod line;
mod parts;
mod reason;
pub use line::{LINE_OCTETS_MAX, Parsed, REJECTS_SHOWN_MAX, Reject};
use line::{Length, take_line};

mod csv;
mod entry;
mod expiries;
mod hosts;
mod plain;
mod rpz;
mod word;
use super::Scope;
pub use csv::{Column, HEADING_OCTETS_MAX, Heading};
pub use entry::{
    CATEGORY_OCTETS_MAX, Details, ListEntry, read_category, read_day, read_entries,
    read_entries_with, read_name,
};
use expiries::Expiries;
pub use expiries::ReadOptions;
pub use reason::Reason;
use std::io::{self, BufRead};
use zeroize::Zeroizing;

/// How a list's text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One name a line, details behind it; a leading `=` means that name alone.
    Plain,
    /// A hosts file: an address and names.
    Hosts,
    /// A response policy zone as zone text.
    Rpz,
    /// A CSV file with a column of names.
    Csv(Column),
}

/// Read a list and hand each entry's wire name and scope to `sink`.
///
/// Lines end with LF or CRLF, and a byte order mark in front is passed over. An error is one of
/// reading, never of content. No entry stays in memory: the buffers are wiped, and so large that
/// they never move and leave a copy behind.
pub fn read(
    text: impl BufRead,
    format: Format,
    sink: impl FnMut(&[u8], Scope),
) -> io::Result<Parsed> {
    read_with(text, format, ReadOptions::default(), sink)
}

/// As [`read`], with options. Only our own format knows the last days of its entries.
pub fn read_with(
    mut text: impl BufRead,
    format: Format,
    options: ReadOptions,
    mut sink: impl FnMut(&[u8], Scope),
) -> io::Result<Parsed> {
    let mut parsed = Parsed::default();
    let mut expiries = Expiries::new(options);
    let mut zone = rpz::RpzReader::new();
    let mut csv = csv::CsvReader::new(if let Format::Csv(column) = format {
        column
    } else {
        Column::Usual
    });
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_OCTETS_MAX + 1));
    let mut wire = Zeroizing::new(Vec::with_capacity(word::WIRE_OCTETS_MAX));
    while let Some(length) = take_line(&mut text, &mut line)? {
        parsed.lines += 1;
        let mut words = line.as_slice();
        if parsed.lines == 1 {
            words = words.strip_prefix(b"\xef\xbb\xbf").unwrap_or(words);
        }
        let read = match (length, format) {
            (Length::Over, _) => Err(Reason::LongLine),
            (Length::Within, Format::Plain) => {
                plain::read_line(words, &mut expiries, &mut wire, &mut sink)
            }
            (Length::Within, Format::Hosts) => hosts::read_line(words, &mut wire, &mut sink),
            (Length::Within, Format::Rpz) => zone.read_line(words, &mut wire, &mut sink),
            (Length::Within, Format::Csv(_)) => csv.read_line(words, &mut wire, &mut sink),
        };
        match read {
            Ok(entries) => parsed.entries += entries,
            Err(reason) => parsed.note_reject(reason),
        }
    }
    expiries.finish(&mut parsed);
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;

    pub(super) fn entries(text: &[u8], format: Format) -> (Vec<String>, Parsed) {
        let mut found = Vec::new();
        let parsed = read(text, format, |wire, scope| {
            let mark = if scope == Scope::Exact { "=" } else { "" };
            found.push(format!("{mark}{}", Name::from_wire(wire).unwrap()));
        });
        (found, parsed.unwrap())
    }

    pub(super) fn reasons(text: &[u8], format: Format) -> Vec<(u64, Reason)> {
        entries(text, format)
            .1
            .rejects_shown
            .iter()
            .map(|reject| (reject.line, reject.reason))
            .collect()
    }

    #[test]
    fn plain_lines_become_entries() {
        let text = b"\xef\xbb\xbf# comment\r\nBlocked.Example \r\n\n =exact.example. # \
                     why\nb\xc3\xbccher.test\n_x.a-b.test";
        let (found, parsed) = entries(text, Format::Plain);
        assert_eq!(
            found,
            [
                "blocked.example",
                "=exact.example",
                "xn--bcher-kva.test",
                "_x.a-b.test"
            ]
        );
        assert_eq!((parsed.lines, parsed.entries, parsed.rejects), (6, 4, 0));
    }

    #[test]
    fn hosts_lines_become_entries() {
        let text = b"127.0.0.1 localhost\n::1 localhost ip6-localhost\n0.0.0.0 a.test b.test # \
                     c.test\n0.0.0.0 0.0.0.0\n";
        let (found, parsed) = entries(text, Format::Hosts);
        assert_eq!(found, ["a.test", "b.test"]);
        assert_eq!((parsed.entries, parsed.rejects), (2, 0));
        assert_eq!(
            reasons(b"a.test\n0.0.0.0\n0.0.0.0 a.test b..test\n", Format::Hosts),
            [
                (1, Reason::NoAddress),
                (2, Reason::NoName),
                (3, Reason::EmptyLabel),
            ]
        );
    }

    #[test]
    fn every_bad_line_has_its_reason() {
        let long_label = format!("{}.test", "a".repeat(64));
        let long_name = format!("{}test", "abcdefg.".repeat(32));
        let cases: [(&[u8], Reason); 24] = [
            (b"https://a.test/", Reason::Scheme),
            (b"a.test/path", Reason::Path),
            (b"a.test:80", Reason::Port),
            (b"192.0.2.7.", Reason::Address),
            (b"2001:db8::7", Reason::Address),
            (b"[2001:db8::7]", Reason::Address),
            (b"*.a.test", Reason::Wildcard),
            (b"a.*.test", Reason::Wildcard),
            (b"a..test", Reason::EmptyLabel),
            (b".a.test", Reason::EmptyLabel),
            (b".", Reason::Root),
            (b"test", Reason::TopLevel),
            (b"=test.", Reason::TopLevel),
            (b"=", Reason::NoName),
            (b"a.test b.test", Reason::ManyWords),
            (b"a\0.test", Reason::Character),
            (b"a,b.test", Reason::Character),
            (b"a\\.b.test", Reason::Character),
            ("a\u{202e}b.test".as_bytes(), Reason::Idn),
            (b"\xff\xfea.test", Reason::Encoding),
            (b"xn--a.test", Reason::Idn),
            (b"xn--999999999.test", Reason::Idn),
            (long_label.as_bytes(), Reason::LongLabel),
            (long_name.as_bytes(), Reason::LongName),
        ];
        for (line, reason) in cases {
            assert_eq!(
                reasons(line, Format::Plain),
                [(1, reason)],
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn an_endless_line_is_one_reject() {
        let text = [b"a.test\n", "x".repeat(100_000).as_bytes(), b"\nb.test\n"].concat();
        assert_eq!(reasons(&text, Format::Plain), [(2, Reason::LongLine)]);
        assert_eq!(entries(&text, Format::Plain).0, ["a.test", "b.test"]);
    }

    #[test]
    fn rejects_are_counted_past_those_shown() {
        let (_, parsed) = entries(
            "a.test\n"
                .repeat(75)
                .as_bytes()
                .iter()
                .chain(&b"*\n".repeat(25))
                .copied()
                .collect::<Vec<_>>()
                .as_slice(),
            Format::Plain,
        );
        assert_eq!(
            (parsed.rejects, parsed.rejects_shown.len()),
            (25, REJECTS_SHOWN_MAX)
        );
        assert!((parsed.rejects_percent() - 25.0).abs() < 1e-9);
    }
}
