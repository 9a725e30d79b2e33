//! Why a line is no entry.

use std::fmt;

/// Why a line is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A URL with its scheme.
    Scheme,
    /// A path behind the name.
    Path,
    /// A port behind the name.
    Port,
    /// An IP address.
    Address,
    /// A `*`.
    Wildcard,
    /// The root.
    Root,
    /// A single label: everything below a top-level domain.
    TopLevel,
    /// Nothing between two dots.
    EmptyLabel,
    /// A label over 63 octets.
    LongLabel,
    /// A name over 255 octets.
    LongName,
    /// A line over [`super::LINE_OCTETS_MAX`].
    LongLine,
    /// More than one word.
    ManyWords,
    /// A character that no listed name has.
    Character,
    /// Octets that are not UTF-8.
    Encoding,
    /// Non-ASCII text or an `xn--` label that IDNA does not allow.
    Idn,
    /// No name where one is needed.
    NoName,
    /// A hosts line that does not start with an address.
    NoAddress,
    /// A field behind the name that is unknown or there twice.
    Field,
    /// A field behind the name with a value that it cannot have.
    FieldValue,
    /// A line that is no record in zone text.
    ZoneText,
    /// A directive other than `$TTL` and `$ORIGIN`.
    Directive,
    /// A record of a zone whose owner is not below the zone's name.
    OutsideZone,
    /// An RPZ trigger on something other than the question's name.
    Trigger,
    /// An RPZ action that does not block.
    Exception,
    /// RPZ data of its own instead of an action.
    LocalData,
    /// An RPZ wildcard without the name itself right before it.
    LoneWildcard,
    /// Quotes that do not enclose a whole field.
    Quotes,
    /// More or fewer columns than the first line has.
    Columns,
    /// A header that does not tell which column holds the names.
    NoColumn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "a URL, not a name: list the domain itself if all of it is meant",
            Self::Path => "a path behind the name: list the domain itself if all of it is meant",
            Self::Port => "a port behind the name: list the name alone",
            Self::Address => "an IP address: only names can be listed",
            Self::Wildcard => "a wildcard: a name covers everything below it already",
            Self::Root => "the root cannot be listed",
            Self::TopLevel => "a top-level domain cannot be listed",
            Self::EmptyLabel => "an empty label: two dots in a row, or a dot in front",
            Self::LongLabel => "a label of more than 63 octets",
            Self::LongName => "a name of more than 255 octets",
            Self::LongLine => "a line of more than 4096 octets",
            Self::ManyWords => "more than one word: write one name a line",
            Self::Character => "a character other than letters, digits, hyphen, underscore and dot",
            Self::Encoding => {
                "not UTF-8; a list in Latin-1 is converted with `iconv -f WINDOWS-1252 -t UTF-8`"
            }
            Self::Idn => "not a valid internationalised name (IDNA)",
            Self::NoName => "no name",
            Self::NoAddress => "a hosts line starts with an address",
            Self::Field => {
                "a field other than number=, verified=, expires= and category=, or one \
                            of them twice"
            }
            Self::FieldValue => {
                "a field's value: number=1 to 4294967295, verified= and expires= a \
                                 day as 2026-03-01, category= a word"
            }
            Self::ZoneText => "not a record in zone file form",
            Self::Directive => {
                "a directive other than $TTL and $ORIGIN: write the records \
                                themselves"
            }
            Self::OutsideZone => {
                "a record outside the zone: its name must end with that of the \
                                  SOA record or of $ORIGIN"
            }
            Self::Trigger => {
                "an RPZ trigger other than the question's name (rpz-ip and the like): \
                              only names can be listed"
            }
            Self::Exception => {
                "rpz-passthru and rpz-tcp-only do not block, and a list has no \
                                exceptions: list what is meant, name by name"
            }
            Self::LocalData => {
                "RPZ data of its own: the configuration says what a blocked name \
                                gets; write CNAME ."
            }
            Self::LoneWildcard => {
                "an RPZ wildcard without its own name in the record before: what \
                                   lies below alone cannot be listed"
            }
            Self::Quotes => "quotes that do not enclose a whole field of the line",
            Self::Columns => "more or fewer columns than the first line has",
            Self::NoColumn => {
                "the first line does not tell which column holds the names: set \
                               `column` to its heading or number"
            }
        })
    }
}
