//! Response policy zones as zone text: the names that are to be blocked when they are asked for
//! (draft-vixie-dnsop-dns-rpz).
//!
//! Zone text follows RFC 1035 section 5.1. Only triggers on the question's name are entries, and
//! only actions that block; what a blocked name gets is the configuration's matter. `name` is that
//! name alone; `*.name` right behind it adds all below. A wildcard by itself would leave out its
//! own name, which a list cannot say, and taking the name in would block more than was meant: it is
//! a reject.

use zeroize::Zeroizing;

use super::line::LINE_OCTETS_MAX;
use super::{Reason, word};
use crate::list::Scope;

/// Types of records that a signed zone holds beside its triggers (RFC 4034, RFC 5155).
const SIGNING_TYPES: [&[u8]; 3] = [b"RRSIG", b"NSEC", b"NSEC3"];

/// Reads the lines of one zone; a record's owner, the origin and open brackets hold from one line
/// to the next.
pub(super) struct RpzReader {
    /// The current `$ORIGIN`, without its last dot; nothing before the first one.
    origin: Option<Vec<u8>>,
    /// The zone's name, once a record has shown it.
    apex: Apex,
    /// The owner of the record before, in full where the origin is known.
    owner: Zeroizing<Vec<u8>>,
    /// Is `owner` in full?
    is_absolute: bool,
    /// The wire name of the last entry, which a wildcard may widen.
    last: Zeroizing<Vec<u8>>,
    is_bracketed: bool,
}

/// What is known of the zone's name.
#[derive(PartialEq, Eq)]
enum Apex {
    /// No record yet.
    Unseen,
    /// The text never says it; all names are relative to it.
    Unsaid,
    /// This one, without its last dot.
    Named(Vec<u8>),
}

/// What a record's owner is to the zone.
enum Owner<'o> {
    Apex,
    Trigger(&'o [u8]),
}

impl RpzReader {
    pub(super) fn new() -> Self {
        let room = || Zeroizing::new(Vec::with_capacity(2 * LINE_OCTETS_MAX + 2));
        Self {
            origin: None,
            apex: Apex::Unseen,
            owner: room(),
            is_absolute: false,
            last: room(),
            is_bracketed: false,
        }
    }

    /// Read one line and hand out its entry, if it has one.
    pub(super) fn read_line(
        &mut self,
        line: &[u8],
        wire: &mut Vec<u8>,
        sink: &mut impl FnMut(&[u8], Scope),
    ) -> Result<u64, Reason> {
        let was_bracketed = self.is_bracketed;
        let line = self.without_comment(line)?;
        if was_bracketed {
            // The rest of a record whose first line has been judged.
            return Ok(0);
        }
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(first) = words.clone().next() else {
            return Ok(0);
        };
        if first.starts_with(b"$") {
            words.next();
            return self.follow(first, words);
        }
        if !line.first().is_some_and(u8::is_ascii_whitespace) {
            words.next();
            self.take_owner(first);
        } else if self.apex == Apex::Unseen {
            self.take_owner(b"@");
        }
        let (kind, rdata) = record_type(words)?;
        self.read_record(kind, rdata, wire, sink)
    }

    /// Cut a comment off, and keep account of brackets; both mean nothing inside quotes.
    fn without_comment<'l>(&mut self, line: &'l [u8]) -> Result<&'l [u8], Reason> {
        let (mut is_quoted, mut is_escaped) = (false, false);
        let mut end = line.len();
        for (at, &octet) in line.iter().enumerate() {
            match octet {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_quoted = !is_quoted,
                _ if is_quoted => {}
                b';' => {
                    end = at;
                    break;
                }
                b'(' | b')' if self.is_bracketed == (octet == b'(') => {
                    return Err(Reason::ZoneText);
                }
                b'(' | b')' => self.is_bracketed = octet == b'(',
                _ => {}
            }
        }
        if is_quoted {
            Err(Reason::ZoneText)
        } else {
            Ok(line.get(..end).unwrap_or_default().trim_ascii_end())
        }
    }

    /// Obey a directive.
    fn follow<'l>(
        &mut self,
        directive: &[u8],
        mut words: impl Iterator<Item = &'l [u8]>,
    ) -> Result<u64, Reason> {
        let (Some(value), None) = (words.next(), words.next()) else {
            return Err(Reason::Directive);
        };
        if directive.eq_ignore_ascii_case(b"$TTL") {
            return if is_ttl(value) {
                Ok(0)
            } else {
                Err(Reason::Directive)
            };
        }
        if !directive.eq_ignore_ascii_case(b"$ORIGIN") {
            return Err(Reason::Directive);
        }
        let origin = match (value.strip_suffix(b"."), &self.origin) {
            (Some(full), _) => full.to_vec(),
            (None, Some(origin)) => joined(value, origin),
            (None, None) => return Err(Reason::Directive),
        };
        self.origin = Some(origin);
        Ok(0)
    }

    fn take_owner(&mut self, text: &[u8]) {
        self.owner.clear();
        let origin = self.origin.as_deref();
        self.is_absolute = true;
        match (text.strip_suffix(b"."), origin) {
            (Some(full), _) => self.owner.extend_from_slice(full),
            (None, Some(origin)) if text == b"@" => self.owner.extend_from_slice(origin),
            (None, Some(origin)) => {
                self.owner.extend_from_slice(text);
                if !origin.is_empty() {
                    self.owner.push(b'.');
                    self.owner.extend_from_slice(origin);
                }
            }
            (None, None) => {
                self.is_absolute = false;
                self.owner
                    .extend_from_slice(if text == b"@" { b"" } else { text });
            }
        }
    }

    fn read_record(
        &mut self,
        kind: &[u8],
        rdata: Rdata<'_>,
        wire: &mut Vec<u8>,
        sink: &mut impl FnMut(&[u8], Scope),
    ) -> Result<u64, Reason> {
        if self.apex == Apex::Unseen {
            let is_soa = kind.eq_ignore_ascii_case(b"SOA");
            self.apex = match &self.origin {
                _ if is_soa && self.is_absolute => Apex::Named(self.owner.to_vec()),
                Some(origin) => Apex::Named(origin.clone()),
                None => Apex::Unsaid,
            };
        }
        let trigger = match self.place_owner()? {
            Owner::Trigger(trigger) => trigger,
            Owner::Apex => return Ok(0),
        };
        if SIGNING_TYPES
            .iter()
            .any(|signing| signing.eq_ignore_ascii_case(kind))
        {
            return Ok(0);
        }
        let last_label = trigger
            .rsplit(|octet| *octet == b'.')
            .next()
            .unwrap_or_default();
        if last_label
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case(b"rpz-"))
        {
            return Err(Reason::Trigger);
        }
        check_action(kind, rdata)?;
        match trigger.strip_prefix(b"*") {
            Some(b"") => return Err(Reason::Root),
            Some([b'.', name @ ..]) => {
                word::read(name, wire)?;
                if *wire != *self.last {
                    return Err(Reason::LoneWildcard);
                }
                sink(wire, Scope::Below);
            }
            _ => {
                word::read(trigger, wire)?;
                self.last.clear();
                self.last.extend_from_slice(wire);
                sink(wire, Scope::Exact);
            }
        }
        Ok(1)
    }

    /// The owner as seen from the zone's name.
    fn place_owner(&self) -> Result<Owner<'_>, Reason> {
        let owner = self.owner.as_slice();
        let (apex, is_named) = match &self.apex {
            Apex::Named(apex) => (apex.as_slice(), true),
            Apex::Unsaid | Apex::Unseen => (&[][..], false),
        };
        if is_named != self.is_absolute {
            return Err(Reason::OutsideZone);
        }
        let (below, end) = owner
            .split_at_checked(owner.len().wrapping_sub(apex.len()))
            .ok_or(Reason::OutsideZone)?;
        if !end.eq_ignore_ascii_case(apex) {
            return Err(Reason::OutsideZone);
        }
        match below.strip_suffix(b".") {
            _ if below.is_empty() => Ok(Owner::Apex),
            _ if apex.is_empty() => Ok(Owner::Trigger(below)),
            Some(b"") => Err(Reason::EmptyLabel),
            Some(below) => Ok(Owner::Trigger(below)),
            None => Err(Reason::OutsideZone),
        }
    }
}

/// A record's words behind its type.
#[derive(Clone, Copy)]
enum Rdata<'l> {
    One(&'l [u8]),
    Other,
}

/// A record's type and data, with the lifetime and class in front of them taken off.
fn record_type<'l>(words: impl Iterator<Item = &'l [u8]>) -> Result<(&'l [u8], Rdata<'l>), Reason> {
    let mut words = words.skip_while(|word| is_ttl(word) || word.eq_ignore_ascii_case(b"IN"));
    let kind = words
        .next()
        .filter(|word| is_type(word))
        .ok_or(Reason::ZoneText)?;
    match (words.next(), words.next()) {
        (None, _) => Err(Reason::ZoneText),
        (Some(word), None) => Ok((kind, Rdata::One(word))),
        _ => Ok((kind, Rdata::Other)),
    }
}

/// Does the record block? `.` answers NXDOMAIN, `*.` NODATA, `rpz-drop.` nothing.
fn check_action(kind: &[u8], rdata: Rdata<'_>) -> Result<(), Reason> {
    match rdata {
        _ if !kind.eq_ignore_ascii_case(b"CNAME") => Err(Reason::LocalData),
        Rdata::Other => Err(Reason::ZoneText),
        Rdata::One(b"." | b"*.") => Ok(()),
        Rdata::One(target) if target.eq_ignore_ascii_case(b"rpz-drop.") => Ok(()),
        Rdata::One(target)
            if [&b"rpz-passthru."[..], b"rpz-tcp-only."]
                .iter()
                .any(|pass| pass.eq_ignore_ascii_case(target)) =>
        {
            Err(Reason::Exception)
        }
        Rdata::One(_) => Err(Reason::LocalData),
    }
}

/// A lifetime: seconds, or `1h30m` as BIND writes it.
fn is_ttl(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_digit)
        && word
            .iter()
            .all(|octet| octet.is_ascii_digit() || b"smhdw".contains(&octet.to_ascii_lowercase()))
}

/// Could this be a record's type? Upper or lower case, but as a whole, so that a list of another
/// format is not taken for a zone.
fn is_type(word: &[u8]) -> bool {
    const TYPES: [&[u8]; 26] = [
        b"A",
        b"AAAA",
        b"CAA",
        b"CNAME",
        b"DNAME",
        b"DNSKEY",
        b"DS",
        b"HINFO",
        b"HTTPS",
        b"LOC",
        b"MX",
        b"NAPTR",
        b"NS",
        b"NSEC",
        b"NSEC3",
        b"NSEC3PARAM",
        b"PTR",
        b"RP",
        b"RRSIG",
        b"SOA",
        b"SPF",
        b"SRV",
        b"SSHFP",
        b"SVCB",
        b"TLSA",
        b"TXT",
    ];
    let number = word
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case(b"TYPE"))
        .and_then(|_| word.get(4..));
    number.is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
        || TYPES.iter().any(|kind| kind.eq_ignore_ascii_case(word))
}

fn joined(name: &[u8], origin: &[u8]) -> Vec<u8> {
    if origin.is_empty() {
        name.to_vec()
    } else {
        [name, b".", origin].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::Reason;
    use super::super::tests::{entries, reasons};

    const HEAD: &str = "$TTL 60\n@ IN SOA localhost. root.localhost. (\n 1 ; serial\n 3600 600 \
                        86400 60 )\n IN NS localhost.\n";

    fn zone(records: &str) -> (Vec<String>, Vec<(u64, Reason)>) {
        let text = format!("{HEAD}{records}");
        (
            entries(text.as_bytes(), Format::Rpz).0,
            reasons(text.as_bytes(), Format::Rpz),
        )
    }

    #[test]
    fn a_name_is_exact_and_its_wildcard_widens_it() {
        let records = "a.test CNAME .\nB.test 60 IN CNAME *. ; why\n\n; a comment\n*.b.test IN \
                       1h30m cname .\nc.test CNAME rpz-drop.\n";
        assert_eq!(
            zone(records),
            (
                ["=a.test", "=b.test", "b.test", "=c.test"]
                    .map(str::to_owned)
                    .to_vec(),
                vec![]
            )
        );
    }

    #[test]
    fn names_are_seen_from_the_zone() {
        let cases = [
            (
                "$ORIGIN rpz.test.\n@ SOA . . 1 1 1 1 1\na.test CNAME .\n*.a.test.rpz.test. CNAME \
                 .\n",
                vec!["=a.test", "a.test"],
            ),
            (
                "rpz.test. 1 IN SOA . . 1 1 1 1 1\nA.test.RPZ.test. CNAME .\n",
                vec!["=a.test"],
            ),
            (
                "$ORIGIN .\nrpz.test SOA . . 1 1 1 1 1\n\tNS a.\n$ORIGIN test.rpz.test.\na CNAME \
                 .\n$ORIGIN a.test.rpz.test.\n* CNAME .\n",
                vec!["=a.test", "a.test"],
            ),
            (
                "$ORIGIN rpz.test.\n$ORIGIN test\na.x CNAME .\n",
                vec!["=a.x"],
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(entries(text.as_bytes(), Format::Rpz).0, expected, "{text}");
            assert_eq!(reasons(text.as_bytes(), Format::Rpz), [], "{text}");
        }
    }

    #[test]
    fn a_signed_zones_own_records_are_passed_over() {
        let records = "a.test CNAME .\na.test RRSIG CNAME 13 2 60 20300101000000 20200101000000 1 \
                       rpz. AAAA\n\tNSEC b.test CNAME RRSIG NSEC\n";
        assert_eq!(zone(records), (vec!["=a.test".to_owned()], vec![]));
    }

    #[test]
    fn every_bad_record_has_its_reason() {
        let cases = [
            ("32.7.2.0.192.rpz-ip CNAME .", Reason::Trigger),
            (
                "24.0.2.0.192.RPZ-client-ip CNAME rpz-drop.",
                Reason::Trigger,
            ),
            ("ns.test.rpz-nsdname CNAME .", Reason::Trigger),
            ("32.7.2.0.192.rpz-nsip CNAME .", Reason::Trigger),
            ("a.test CNAME rpz-passthru.", Reason::Exception),
            ("a.test CNAME rpz-tcp-only.", Reason::Exception),
            ("a.test CNAME stop.test.", Reason::LocalData),
            ("a.test CNAME rpz-passthru", Reason::LocalData),
            ("a.test A 192.0.2.7", Reason::LocalData),
            ("a.test TXT \"; (\"", Reason::LocalData),
            ("a.test TYPE65280 \\# 0", Reason::LocalData),
            ("*.a.test CNAME .", Reason::LoneWildcard),
            ("* CNAME .", Reason::Root),
            ("*.test CNAME .", Reason::TopLevel),
            ("test CNAME .", Reason::TopLevel),
            ("a.*.test CNAME .", Reason::Wildcard),
            ("a.test. CNAME .", Reason::OutsideZone),
            ("a\\.b.test CNAME .", Reason::Character),
            ("192.0.2.7 CNAME .", Reason::Address),
            ("a..test CNAME .", Reason::EmptyLabel),
            ("xn--a.test CNAME .", Reason::Idn),
            ("a.test", Reason::ZoneText),
            ("a.test CNAME", Reason::ZoneText),
            ("a.test CNAME . .", Reason::ZoneText),
            ("a.test CH CNAME .", Reason::ZoneText),
            ("a.test b.test", Reason::ZoneText),
            ("a.test CNAME ) .", Reason::ZoneText),
            ("a.test TXT \"open", Reason::ZoneText),
            ("$INCLUDE more", Reason::Directive),
            ("$GENERATE 1-9 a$.test CNAME .", Reason::Directive),
            ("$ORIGIN relative", Reason::Directive),
            ("$TTL long", Reason::Directive),
        ];
        for (record, reason) in cases {
            assert_eq!(zone(record), (vec![], vec![(6, reason)]), "{record}");
        }
    }

    #[test]
    fn a_wildcard_widens_the_record_before_it_alone() {
        let (found, rejects) =
            zone("a.test CNAME .\nb.test CNAME .\n*.a.test CNAME .\n*.b.test CNAME .\n");
        assert_eq!(found, ["=a.test", "=b.test", "b.test"]);
        assert_eq!(rejects, [(8, Reason::LoneWildcard)]);
    }

    #[test]
    fn a_named_zone_refuses_names_beside_it() {
        let text =
            b"rpz.test. SOA . . 1 1 1 1 1\na.xrpz.test. CNAME .\na.test CNAME .\n.rpz.test. \
                     CNAME .\nt. CNAME .\n";
        let expected = [
            (2, Reason::OutsideZone),
            (3, Reason::OutsideZone),
            (4, Reason::EmptyLabel),
            (5, Reason::OutsideZone),
        ];
        assert_eq!(reasons(text, Format::Rpz), expected);
    }
}
