//! One listed name as text: strict, and never repaired, since a URL cut down to its host is the
//! classic over-block.

use std::fmt::{self, Write};
use std::net::IpAddr;

use idna::AsciiDenyList;
use idna::uts46::{ErrorPolicy, Hyphens, ProcessingError, ProcessingSuccess, Uts46};
use zeroize::Zeroizing;

use super::line::LINE_OCTETS_MAX;
use super::reason::Reason;
use crate::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX};

/// The most that a line's text becomes in wire form before it is found too long.
pub(super) const WIRE_OCTETS_MAX: usize = LINE_OCTETS_MAX + 2;

/// More characters than any label has before it is mapped: an A-label holds 59, and two become one
/// at the most in most scripts.
const LABEL_CHARACTERS_MAX: usize = 2 * LABEL_OCTETS_MAX;

/// Put the wire form of the listed name `text` into `wire`.
pub(super) fn read(text: &[u8], wire: &mut Vec<u8>) -> Result<(), Reason> {
    // Without an early end, so that the compiler checks many octets at a time.
    if text.iter().fold(true, |all, &octet| all & is_plain(octet)) {
        read_ascii(text, wire)
    } else {
        read_odd(text, wire)
    }
}

const fn is_plain(octet: u8) -> bool {
    let letter = (octet | 0x20).wrapping_sub(b'a') < 26;
    let digit = octet.wrapping_sub(b'0') < 10;
    letter | digit | (octet == b'.') | (octet == b'-') | (octet == b'_')
}

fn read_ascii(text: &[u8], wire: &mut Vec<u8>) -> Result<(), Reason> {
    match text {
        b"" => return Err(Reason::NoName),
        b"." => return Err(Reason::Root),
        _ => {}
    }
    let text = text.strip_suffix(b".").unwrap_or(text);
    if write_labels(text, wire)? == 1 {
        return Err(Reason::TopLevel);
    }
    let last_is_digit = text.last().is_some_and(u8::is_ascii_digit);
    if last_is_digit && str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok()) {
        return Err(Reason::Address);
    }
    if memchr::memmem::find(wire, b"xn--").is_some() {
        check_a_labels(text)?;
    }
    Ok(())
}

/// Write the labels of plain text: the same octets, with each dot turned into the length of the
/// label behind it. Returns how many.
fn write_labels(text: &[u8], wire: &mut Vec<u8>) -> Result<usize, Reason> {
    wire.clear();
    wire.push(0);
    wire.extend_from_slice(text);
    wire.make_ascii_lowercase();
    wire.push(0);
    let (mut length_at, mut count) = (0, 0);
    for dot in memchr::memchr_iter(b'.', text).chain([text.len()]) {
        let len = dot - length_at;
        match len {
            0 => return Err(Reason::EmptyLabel),
            1..=LABEL_OCTETS_MAX => {}
            _ => return Err(Reason::LongLabel),
        }
        if let Some(length) = wire.get_mut(length_at) {
            *length = len as u8;
        }
        length_at = dot + 1;
        count += 1;
    }
    if wire.len() > NAME_OCTETS_MAX {
        Err(Reason::LongName)
    } else {
        Ok(count)
    }
}

/// Text with a character that no plain name has: say what it is, or read it as an internationalised
/// name.
fn read_odd(text: &[u8], wire: &mut Vec<u8>) -> Result<(), Reason> {
    let text = str::from_utf8(text).map_err(|_| Reason::Encoding)?;
    if text.contains("://") {
        return Err(Reason::Scheme);
    }
    if text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(Reason::Address);
    }
    for (character, reason) in [
        ('/', Reason::Path),
        (':', Reason::Port),
        ('*', Reason::Wildcard),
    ] {
        if text.contains(character) {
            return Err(reason);
        }
    }
    if text.contains([' ', '\t']) {
        return Err(Reason::ManyWords);
    }
    if text.is_ascii() {
        return Err(Reason::Character);
    }
    // Writing a label in Punycode takes the square of its characters: a line of 4 KB took a
    // millisecond.
    if text
        .split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'])
        .any(|label| label.chars().count() > LABEL_CHARACTERS_MAX)
    {
        return Err(Reason::LongLabel);
    }
    let mut ascii = Ascii {
        octets: Zeroizing::new([0; NAME_OCTETS_MAX]),
        len: 0,
        is_full: false,
    };
    process(text, AsciiDenyList::STD3, WordScript::Ascii, &mut ascii)?;
    if ascii.is_full {
        Err(Reason::LongName)
    } else {
        read_ascii(ascii.text(), wire)
    }
}

/// Does each `xn--` label stand for a text that IDNA allows?
fn check_a_labels(text: &[u8]) -> Result<(), Reason> {
    let text = str::from_utf8(text).map_err(|_| Reason::Encoding)?;
    process(
        text,
        AsciiDenyList::EMPTY,
        WordScript::Unicode,
        &mut Nowhere,
    )
}

/// In which script a name is written out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordScript {
    Ascii,
    Unicode,
}

/// Map and check an internationalised name (UTS #46) and write it to `sink`; the library's easier
/// functions leave copies in memory.
fn process(
    text: &str,
    refused: AsciiDenyList,
    script: WordScript,
    sink: &mut impl Write,
) -> Result<(), Reason> {
    let is_unicode = |_: &[char], _: &[char], _| script == WordScript::Unicode;
    let processed = Uts46::new().process(
        text.as_bytes(),
        refused,
        Hyphens::Allow,
        ErrorPolicy::FailFast,
        is_unicode,
        sink,
        None,
    );
    match processed {
        Ok(ProcessingSuccess::Passthrough) => sink.write_str(text).map_err(|_| Reason::Idn),
        Ok(ProcessingSuccess::WroteToSink) => Ok(()),
        Err(ProcessingError::ValidityError) => Err(Reason::Idn),
        Err(ProcessingError::SinkError) => Err(Reason::LongName),
    }
}

/// Room for one name in A-labels; the library's own text would grow, move, and leave copies behind.
struct Ascii {
    octets: Zeroizing<[u8; NAME_OCTETS_MAX]>,
    len: usize,
    /// There was more than there is room for.
    is_full: bool,
}

impl Ascii {
    fn text(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

impl Write for Ascii {
    /// Takes everything, for the library panics where it is refused something in the middle of a
    /// label (idna 1.1).
    fn write_str(&mut self, text: &str) -> fmt::Result {
        match self
            .octets
            .get_mut(self.len..)
            .and_then(|rest| rest.get_mut(..text.len()))
        {
            Some(room) => room.copy_from_slice(text.as_bytes()),
            None => self.is_full = true,
        }
        self.len += text.len();
        Ok(())
    }
}

/// Where what is only checked is written to.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}
