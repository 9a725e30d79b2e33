//! CSV files: one column holds the names; the others are passed over.
//!
//! RFC 4180, with `,` or `;` between the fields, but no field goes over the end of its line.

use super::{Reason, plain};
use crate::list::Scope;

/// Headings that stand for the column of names where none is configured.
const HEADINGS: [&str; 5] = ["name", "domain", "host", "hostname", "fqdn"];
/// The longest heading that can be configured, in octets.
pub const HEADING_OCTETS_MAX: usize = 32;

/// Which column holds the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The first line is a header, and the column has a usual heading: `name`, `domain`, `host`,
    /// `hostname` or `fqdn`.
    Usual,
    /// The first line is a header, and this is the column's heading.
    Headed(Heading),
    /// There is no header; the column's place, from 0.
    At(u16),
}

/// A column's heading; a copy of it is small, so that a list's format stays a plain value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    octets: [u8; HEADING_OCTETS_MAX],
    len: u8,
}

impl Heading {
    /// The heading `text`; nothing where it is empty or longer than [`HEADING_OCTETS_MAX`].
    pub fn new(text: &str) -> Option<Self> {
        let mut octets = [0; HEADING_OCTETS_MAX];
        octets
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        (!text.is_empty()).then_some(Self {
            octets,
            len: text.len() as u8,
        })
    }

    fn is(&self, field: &[u8]) -> bool {
        self.octets
            .get(..usize::from(self.len))
            .is_some_and(|heading| heading.eq_ignore_ascii_case(field))
    }
}

/// Reads the lines of one file, whose first line tells their shape.
pub(super) struct CsvReader {
    column: Column,
    shape: Option<Shape>,
}

/// What every line after the first is like.
#[derive(Clone, Copy)]
struct Shape {
    separator: u8,
    columns: usize,
    /// The column of names; nothing where the header has none.
    at: Option<usize>,
}

impl CsvReader {
    pub(super) const fn new(column: Column) -> Self {
        Self {
            column,
            shape: None,
        }
    }

    /// Read one line and hand out its entry, if it has one.
    pub(super) fn read_line(
        &mut self,
        line: &[u8],
        wire: &mut Vec<u8>,
        sink: &mut impl FnMut(&[u8], Scope),
    ) -> Result<u64, Reason> {
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(0);
        }
        let shape = match self.shape {
            Some(shape) => shape,
            None => {
                let shape = self.read_shape(line)?;
                self.shape = Some(shape);
                if !matches!(self.column, Column::At(_)) {
                    return shape.at.map(|_| 0).ok_or(Reason::NoColumn);
                }
                shape
            }
        };
        let Some(at) = shape.at else {
            return Err(Reason::NoColumn);
        };
        let mut name = None;
        let columns = split(line, shape.separator, |column, field| {
            if column == at {
                name = Some(field);
            }
        })?;
        match name {
            Some(name) if columns == shape.columns => plain::read_name(name, wire, sink),
            _ => Err(Reason::Columns),
        }
    }

    fn read_shape(&self, first: &[u8]) -> Result<Shape, Reason> {
        let separator = if first.contains(&b';') { b';' } else { b',' };
        let mut found = None;
        let columns = split(first, separator, |column, field| {
            let is_it = match self.column {
                Column::Usual => HEADINGS
                    .iter()
                    .any(|heading| heading.as_bytes().eq_ignore_ascii_case(field)),
                Column::Headed(heading) => heading.is(field),
                Column::At(at) => column == usize::from(at),
            };
            // Two columns that could be meant are none.
            match found {
                None if is_it => found = Some(Some(column)),
                Some(_) if is_it => found = Some(None),
                _ => {}
            }
        })?;
        Ok(Shape {
            separator,
            columns,
            at: found.flatten(),
        })
    }
}

/// Hand out a line's fields without the quotes around them, and say how many there are. Doubled
/// quotes stay double.
fn split<'l>(
    line: &'l [u8],
    separator: u8,
    mut each: impl FnMut(usize, &'l [u8]),
) -> Result<usize, Reason> {
    let (mut rest, mut columns) = (line, 0);
    loop {
        let (field, tail) = match rest.trim_ascii_start().strip_prefix(b"\"") {
            Some(quoted) => {
                let (field, behind) = quoted.split_at(closing_quote(quoted).ok_or(Reason::Quotes)?);
                let behind = behind.get(1..).unwrap_or_default().trim_ascii_start();
                match behind.split_first() {
                    None => (field, None),
                    Some((octet, tail)) if *octet == separator => (field, Some(tail)),
                    Some(_) => return Err(Reason::Quotes),
                }
            }
            None => {
                let end = memchr::memchr(separator, rest);
                let field = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                if field.contains(&b'"') {
                    return Err(Reason::Quotes);
                }
                (field.trim_ascii(), end.and_then(|end| rest.get(end + 1..)))
            }
        };
        each(columns, field);
        columns += 1;
        match tail {
            Some(tail) => rest = tail,
            None => return Ok(columns),
        }
    }
}

/// Where the quote is that is not one half of a doubled one.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        if text.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{entries, reasons};
    use super::super::{Format, Reason};
    use super::{Column, Heading};

    const USUAL: Format = Format::Csv(Column::Usual);

    #[test]
    fn the_header_names_the_column() {
        let comma = b"\xef\xbb\xbfNr,Domain,Why\r\n1,a.test,\"x, y\"\r\n\r\n2,\"=B.test\",\"say \
                      \"\"no\"\"\"\r\n3, c.test ,\n";
        let (found, parsed) = entries(comma, USUAL);
        assert_eq!(found, ["a.test", "=b.test", "c.test"]);
        assert_eq!((parsed.lines, parsed.entries, parsed.rejects), (5, 3, 0));
        let (found, _) = entries(
            "nr;Eintrag;stand\n1;b\u{fc}cher.test;2,5\n".as_bytes(),
            headed("eintrag"),
        );
        assert_eq!(found, ["xn--bcher-kva.test"]);
        assert_eq!(entries(b"name\na.test\n", USUAL).0, ["a.test"]);
    }

    fn headed(text: &str) -> Format {
        Format::Csv(Column::Headed(Heading::new(text).unwrap()))
    }

    #[test]
    fn a_numbered_column_needs_no_header() {
        assert_eq!(
            entries(b"a.test;1\nb.test;2\n", Format::Csv(Column::At(0))).0,
            ["a.test", "b.test"]
        );
        assert_eq!(
            reasons(b"a.test;1\n", Format::Csv(Column::At(2))),
            [(1, Reason::NoColumn)]
        );
    }

    #[test]
    fn every_bad_line_has_its_reason() {
        let cases: [(&[u8], Reason); 12] = [
            (b"1", Reason::Columns),
            (b"1,a.test,x,y", Reason::Columns),
            (b"1;a.test;x", Reason::Columns),
            (b"1,,x", Reason::NoName),
            (b"1,\"a.test,x", Reason::Quotes),
            (b"1,\"a.test\"b,x", Reason::Quotes),
            (b"1,a\"b.test,x", Reason::Quotes),
            (b"1,\"a\"\"b.test\",x", Reason::Character),
            (b"1,https://a.test/,x", Reason::Scheme),
            (b"1,a.test/x,x", Reason::Path),
            (b"1,*.a.test,x", Reason::Wildcard),
            (b"1,192.0.2.7,x", Reason::Address),
        ];
        for (line, reason) in cases {
            let text = [b"nr,name,why\n", line].concat();
            assert_eq!(
                reasons(&text, USUAL),
                [(2, reason)],
                "{}",
                String::from_utf8_lossy(line)
            );
        }
    }

    #[test]
    fn without_a_column_of_names_every_line_is_a_reject() {
        for header in ["nr,what", "name,domain", "a.test,1"] {
            let text = format!("{header}\na.test,1\n");
            assert_eq!(
                reasons(text.as_bytes(), USUAL),
                [(1, Reason::NoColumn), (2, Reason::NoColumn)],
                "{header}"
            );
        }
        assert_eq!(
            reasons(b"name,x\na.test,1\n", headed("domain")),
            [(1, Reason::NoColumn), (2, Reason::NoColumn)]
        );
    }

    #[test]
    fn a_heading_has_a_length() {
        assert_eq!(Heading::new(""), None);
        assert_eq!(Heading::new(&"a".repeat(33)), None);
        assert!(Heading::new(&"a".repeat(32)).unwrap().is(&b"A".repeat(32)));
    }
}
