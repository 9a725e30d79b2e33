//! Domain names for everybody above: lower-case wire form, its text form, and the keyed hashes of
//! its suffixes.
//!
//! Text follows RFC 1035 section 5.1 (`\.` and `\DDD` escapes); names with non-ASCII text are
//! turned into A-labels (RFC 5890, UTS #46).

mod reverse;
mod suffix;

use std::fmt;

pub use suffix::{ALL_DEPTHS, Depths, HashKey, SuffixHash, SuffixHashes};

/// The most octets a name has on the wire, the root label included (RFC 1035 section 3.1).
pub const NAME_OCTETS_MAX: usize = 255;
/// The most octets a label has (RFC 1035 section 3.1).
pub const LABEL_OCTETS_MAX: usize = 63;
/// The most labels a name has, the root not counted.
pub const LABELS_MAX: usize = 127;

/// A domain name in wire form, lower-case, ending with the root label.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    wire: Box<[u8]>,
}

/// Why a text or some octets are not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Nothing between two dots, or a dot in front.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label of more than 63 octets.
    #[error("a label is longer than 63 octets")]
    LongLabel,
    /// More than 255 octets in all.
    #[error("the name is longer than 255 octets")]
    LongName,
    /// A backslash that starts no escape of RFC 1035.
    #[error("an escape is not \\X or \\DDD")]
    BadEscape,
    /// Text that UTS #46 does not map to A-labels.
    #[error("the name cannot be written in A-labels")]
    BadIdn,
    /// Octets that are not an uncompressed name.
    #[error("the octets are not a name")]
    BadWire,
}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self {
            wire: Box::from([0]),
        }
    }

    /// Read a name in presentation form; a final dot is allowed and changes nothing.
    pub fn parse(text: &str) -> Result<Self, NameFault> {
        if text == "." {
            return Ok(Self::root());
        }
        if text.is_ascii() {
            return Self::parse_ascii(text.as_bytes());
        }
        let ascii = idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::STD3)
            .map_err(|_| NameFault::BadIdn)?;
        Self::parse_ascii(ascii.as_bytes())
    }

    /// Take an uncompressed name off the front of `octets`; upper-case letters are lowered.
    pub fn from_wire(octets: &[u8]) -> Result<Self, NameFault> {
        let mut at = 0;
        loop {
            let len = usize::from(*octets.get(at).ok_or(NameFault::BadWire)?);
            if len > LABEL_OCTETS_MAX {
                return Err(NameFault::BadWire);
            }
            at += 1 + len;
            if at > NAME_OCTETS_MAX {
                return Err(NameFault::LongName);
            }
            if len == 0 {
                break;
            }
        }
        let wire = octets.get(..at).ok_or(NameFault::BadWire)?;
        Ok(Self {
            wire: wire.to_ascii_lowercase().into(),
        })
    }

    /// The octets: length-prefixed labels, lower-case, root label last.
    pub fn as_wire(&self) -> &[u8] {
        &self.wire
    }

    /// The labels from the leftmost to the one below the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest: &[u8] = &self.wire;
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first()?;
            let (label, tail) = tail.split_at_checked(usize::from(*len))?;
            rest = tail;
            (!label.is_empty()).then_some(label)
        })
    }

    /// How many labels, the root not counted.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// Is this name `parent` or below it?
    pub fn is_within(&self, parent: &Self) -> bool {
        is_within(&self.wire, &parent.wire)
    }

    fn parse_ascii(text: &[u8]) -> Result<Self, NameFault> {
        let mut wire = Vec::with_capacity(text.len() + 2);
        write_labels(text, &mut wire)?;
        Ok(Self { wire: wire.into() })
    }
}

/// Is the name `wire` the name `parent` or below it? Both are uncompressed and lower-case.
pub fn is_within(wire: &[u8], parent: &[u8]) -> bool {
    let mut rest = wire;
    loop {
        if rest == parent {
            return true;
        }
        match rest.split_first() {
            Some((&len, tail)) if len > 0 => {
                rest = tail.get(usize::from(len)..).unwrap_or_default()
            }
            _ => return false,
        }
    }
}

/// Write the lower-case wire form of an ASCII presentation name into the empty `wire`.
fn write_labels(text: &[u8], wire: &mut Vec<u8>) -> Result<(), NameFault> {
    if text.is_empty() {
        return Err(NameFault::EmptyLabel);
    }
    let mut rest = text;
    while !rest.is_empty() {
        let length_at = wire.len();
        wire.push(0);
        rest = write_label(rest, wire)?;
        let len = wire.len() - length_at - 1;
        if len == 0 {
            return Err(NameFault::EmptyLabel);
        }
        if len > LABEL_OCTETS_MAX {
            return Err(NameFault::LongLabel);
        }
        if let Some(length) = wire.get_mut(length_at) {
            *length = len as u8;
        }
        if wire.len() >= NAME_OCTETS_MAX {
            return Err(NameFault::LongName);
        }
    }
    wire.push(0);
    Ok(())
}

/// Write one label's octets and return the text behind its dot.
fn write_label<'a>(text: &'a [u8], wire: &mut Vec<u8>) -> Result<&'a [u8], NameFault> {
    let mut rest = text;
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        match octet {
            b'.' => return Ok(rest),
            b'\\' => {
                let (octet, tail) = read_escape(rest)?;
                wire.push(octet.to_ascii_lowercase());
                rest = tail;
            }
            _ => wire.push(octet.to_ascii_lowercase()),
        }
    }
    Ok(rest)
}

fn read_escape(text: &[u8]) -> Result<(u8, &[u8]), NameFault> {
    match text {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            let value = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
            u8::try_from(value)
                .map(|octet| (octet, rest))
                .map_err(|_| NameFault::BadEscape)
        }
        [b'0'..=b'9', ..] | [] => Err(NameFault::BadEscape),
        [octet, rest @ ..] => Ok((*octet, rest)),
    }
}

impl Name {
    /// In presentation format with the dot of the root behind it, as servers and `dig` print names.
    pub fn absolute(&self) -> String {
        match self.to_string() {
            root if root == "." => root,
            relative => format!("{relative}."),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self.wire == [0] {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b';' | b'(' | b')' | b'@' | b'$' => {
                        write!(f, "\\{}", octet as char)?
                    }
                    0x21..=0x7e => write!(f, "{}", octet as char)?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

/// `Debug` shows the length alone, so that no derived `Debug` above can print a listed name.
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({} octets)", self.wire.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_agree() {
        let name = Name::parse("WWW.Blocked.Example.").unwrap();
        assert_eq!(name.as_wire(), b"\x03www\x07blocked\x07example\x00");
        assert_eq!(name.to_string(), "www.blocked.example");
        assert_eq!(
            Name::from_wire(b"\x03wWw\x07blocked\x07EXAMPLE\x00rest").unwrap(),
            name
        );
        assert_eq!(
            Name::parse("a\\.b\\032.test").unwrap().as_wire(),
            b"\x04a.b \x04test\x00"
        );
        assert_eq!(
            Name::parse("bücher.example").unwrap().to_string(),
            "xn--bcher-kva.example"
        );
        assert_eq!(Name::root().to_string(), ".");
    }

    #[test]
    fn bad_names_are_refused() {
        for (text, fault) in [
            ("", NameFault::EmptyLabel),
            ("a..test", NameFault::EmptyLabel),
            (".test", NameFault::EmptyLabel),
            ("a\\25.test", NameFault::BadEscape),
            ("a\\999.test", NameFault::BadEscape),
            ("a\\", NameFault::BadEscape),
        ] {
            assert_eq!(Name::parse(text), Err(fault), "{text}");
        }
        assert_eq!(Name::parse(&"a".repeat(64)), Err(NameFault::LongLabel));
        assert_eq!(Name::parse(&["a"; 128].join(".")), Err(NameFault::LongName));
        assert_eq!(
            Name::parse(&["a"; 127].join(".")).unwrap().label_count(),
            127
        );
        assert_eq!(Name::from_wire(b"\x40"), Err(NameFault::BadWire));
        assert_eq!(Name::from_wire(b"\x03ab"), Err(NameFault::BadWire));
    }

    #[test]
    fn within_follows_labels_not_letters() {
        let parent = Name::parse("blocked.example").unwrap();
        assert!(Name::parse("a.blocked.example").unwrap().is_within(&parent));
        assert!(parent.is_within(&parent));
        assert!(!Name::parse("unblocked.example").unwrap().is_within(&parent));
    }
}
