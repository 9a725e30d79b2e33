//! Entries of our own format with their details: the number that everybody speaks of them by, and
//! what the curator keeps about them.

use std::io::{self, BufRead};

use jiff::civil::Date;
use zeroize::Zeroizing;

use super::expiries::{Expiries, ReadOptions};
use super::line::{LINE_OCTETS_MAX, Length, Parsed, take_line};
use super::parts;
use super::{Reason, word};
use crate::list::Scope;
use crate::name::Name;

/// The most octets of a category.
pub const CATEGORY_OCTETS_MAX: usize = 32;

/// One entry as its line says it.
#[derive(Clone, Copy)]
pub struct ListEntry<'a> {
    /// The line, from 1.
    pub line: u64,
    /// The name in lower-case wire form.
    pub wire: &'a [u8],
    /// How far it reaches.
    pub scope: Scope,
    /// What stands behind the name.
    pub details: Details<'a>,
}

/// The details of an entry; each may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details<'a> {
    /// Its number: random, from 1, so that it says nothing of the name.
    pub number: Option<u32>,
    /// The day on which somebody last found the material there.
    pub verified: Option<Date>,
    /// The last day on which it may be listed.
    pub expires: Option<Date>,
    /// The curator's word for its kind: small letters, digits and hyphens.
    pub category: Option<&'a str>,
}

/// Read a list in our own format with the details of its entries. An error is one of reading, never
/// of content; the buffers are wiped.
pub fn read_entries(text: impl BufRead, sink: impl FnMut(&ListEntry<'_>)) -> io::Result<Parsed> {
    read_entries_with(text, ReadOptions::default(), sink)
}

/// As [`read_entries`], with options.
pub fn read_entries_with(
    mut text: impl BufRead,
    options: ReadOptions,
    mut sink: impl FnMut(&ListEntry<'_>),
) -> io::Result<Parsed> {
    let mut parsed = Parsed::default();
    let mut expiries = Expiries::new(options);
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_OCTETS_MAX + 1));
    let mut wire = Zeroizing::new(Vec::with_capacity(word::WIRE_OCTETS_MAX));
    while let Some(length) = take_line(&mut text, &mut line)? {
        parsed.lines += 1;
        let mut words = line.as_slice();
        if parsed.lines == 1 {
            words = words.strip_prefix(b"\xef\xbb\xbf").unwrap_or(words);
        }
        let read = match length {
            Length::Over => Err(Reason::LongLine),
            Length::Within => read_line(words, parsed.lines, &mut expiries, &mut wire, &mut sink),
        };
        match read {
            Ok(entries) => parsed.entries += entries,
            Err(reason) => parsed.note_reject(reason),
        }
    }
    expiries.finish(&mut parsed);
    Ok(parsed)
}

/// Read one name as a line of our own format has it, with an `=` in front where it is meant alone,
/// and nothing behind it.
pub fn read_name(text: &[u8]) -> Result<(Name, Scope), Reason> {
    let parts = parts::split(text).ok_or(Reason::NoName)?;
    if !parts.details.is_empty() {
        return Err(Reason::ManyWords);
    }
    let mut wire = Zeroizing::new(Vec::with_capacity(word::WIRE_OCTETS_MAX));
    word::read(parts.name, &mut wire)?;
    Ok((
        Name::from_wire(&wire).map_err(|_| Reason::Character)?,
        parts.scope,
    ))
}

fn read_line(
    line: &[u8],
    number: u64,
    expiries: &mut Expiries,
    wire: &mut Vec<u8>,
    sink: &mut impl FnMut(&ListEntry<'_>),
) -> Result<u64, Reason> {
    let Some(parts) = parts::split(line) else {
        return Ok(0);
    };
    word::read(parts.name, wire)?;
    let details = read_details(parts.details)?;
    if !expiries.admit(details.expires) {
        return Ok(0);
    }
    sink(&ListEntry {
        line: number,
        wire,
        scope: parts.scope,
        details,
    });
    Ok(1)
}

/// Read what stands behind a name: `key=value` fields in any order, each at most once.
pub(super) fn read_details(text: &[u8]) -> Result<Details<'_>, Reason> {
    let mut details = Details::default();
    for field in text
        .split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
    {
        let equals = memchr::memchr(b'=', field).ok_or(Reason::ManyWords)?;
        let (key, value) = field.split_at_checked(equals).ok_or(Reason::Field)?;
        let value = value.get(1..).ok_or(Reason::FieldValue)?;
        let is_first = match key {
            b"number" => details
                .number
                .replace(read_number(value).ok_or(Reason::FieldValue)?)
                .is_none(),
            b"verified" => details
                .verified
                .replace(day(value).ok_or(Reason::FieldValue)?)
                .is_none(),
            b"expires" => details
                .expires
                .replace(day(value).ok_or(Reason::FieldValue)?)
                .is_none(),
            b"category" => details
                .category
                .replace(category(value).ok_or(Reason::FieldValue)?)
                .is_none(),
            _ => false,
        };
        if !is_first {
            return Err(Reason::Field);
        }
    }
    Ok(details)
}

/// Octets rather than text, since a list of a million entries is read in parts of a second.
fn read_number(text: &[u8]) -> Option<u32> {
    if matches!(text, [] | [b'0', ..]) {
        return None;
    }
    text.iter().try_fold(0_u32, |number, digit| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        (digit < 10)
            .then(|| number.checked_mul(10)?.checked_add(digit))
            .flatten()
    })
}

/// A day as `2026-03-01` and in no other way (RFC 3339 section 5.6, full-date).
pub fn read_day(text: &str) -> Option<Date> {
    day(text.as_bytes())
}

fn day(text: &[u8]) -> Option<Date> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *text else {
        return None;
    };
    let two = |tens: u8, ones: u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        (tens < 10 && ones < 10).then(|| (tens * 10 + ones) as i8)
    };
    let (century, year) = (two(a, b)?, two(c, d)?);
    Date::new(
        i16::from(century) * 100 + i16::from(year),
        two(e, f)?,
        two(g, h)?,
    )
    .ok()
}

/// A category's word, where it is one.
pub fn read_category(text: &str) -> Option<&str> {
    category(text.as_bytes())
}

fn category(text: &[u8]) -> Option<&str> {
    let is_word = text
        .iter()
        .all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-');
    if is_word && (1..=CATEGORY_OCTETS_MAX).contains(&text.len()) {
        str::from_utf8(text).ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read() {
        let text =
            b"a.test number=4711 verified=2026-03-01 expires=2026-09-01 category=hotline-1 # \
              why\n=b.test\tcategory=x  number=1\nc.test\n";
        let mut found = Vec::new();
        let parsed = read_entries(text.as_slice(), |entry| {
            let Details {
                number,
                verified,
                expires,
                category,
            } = entry.details;
            let days =
                [verified, expires].map(|day| day.map(|day| day.to_string()).unwrap_or_default());
            let name = Name::from_wire(entry.wire).unwrap();
            found.push(format!(
                "{} {}{name} {number:?} {days:?} {category:?}",
                entry.line,
                entry.scope.mark()
            ));
        });
        assert_eq!(parsed.unwrap().entries, 3);
        assert_eq!(
            found,
            [
                "1 a.test Some(4711) [\"2026-03-01\", \"2026-09-01\"] Some(\"hotline-1\")",
                "2 =b.test Some(1) [\"\", \"\"] Some(\"x\")",
                "3 c.test None [\"\", \"\"] None",
            ]
        );
    }

    #[test]
    fn every_bad_detail_has_its_reason() {
        let cases = [
            ("b.test", Reason::ManyWords),
            ("number=1 b.test", Reason::ManyWords),
            ("nummer=1", Reason::Field),
            ("=1", Reason::Field),
            ("number=1 number=2", Reason::Field),
            ("number=", Reason::FieldValue),
            ("number=0", Reason::FieldValue),
            ("number=01", Reason::FieldValue),
            ("number=+1", Reason::FieldValue),
            ("number=4294967296", Reason::FieldValue),
            ("verified=2026-02-30", Reason::FieldValue),
            ("verified=26-02-03", Reason::FieldValue),
            ("verified=2026-2-03", Reason::FieldValue),
            ("verified=2026-0+-03", Reason::FieldValue),
            ("expires=2026-03-01T00", Reason::FieldValue),
            ("category=", Reason::FieldValue),
            ("category=A", Reason::FieldValue),
            ("category=a=b", Reason::FieldValue),
            (&format!("category={}", "a".repeat(33)), Reason::FieldValue),
        ];
        for (details, reason) in cases {
            assert_eq!(read_details(details.as_bytes()), Err(reason), "{details}");
            let line = format!("a.test {details}\n");
            let both = [
                read_entries(line.as_bytes(), |_| ()).unwrap(),
                super::super::read(line.as_bytes(), super::super::Format::Plain, |_, _| ())
                    .unwrap(),
            ];
            assert!(
                both.iter().all(|parsed| parsed
                    .rejects_shown
                    .first()
                    .is_some_and(|reject| reject.reason == reason)),
                "{details}"
            );
        }
    }

    #[test]
    fn both_readings_find_the_same_entries() {
        let text =
            b"\xef\xbb\xbfa.test\r\n=b.test number=1\r\nhttps://c.test/ number=1\n# d.test\n \
              b\xc3\xbccher.test  verified=2026-01-01 \n";
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let one = read_entries(text.as_slice(), |entry| {
            with.push((entry.wire.to_vec(), entry.scope))
        })
        .unwrap();
        let two = super::super::read(
            text.as_slice(),
            super::super::Format::Plain,
            |wire, scope| without.push((wire.to_vec(), scope)),
        )
        .unwrap();
        assert_eq!((with.len(), &with, one), (3, &without, two));
    }
}
