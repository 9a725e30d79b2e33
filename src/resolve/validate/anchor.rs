//! Trust anchors: which zones' keys are believed because the operator says so, and below which
//! names nothing is checked.

use std::collections::HashMap;

use hickory_proto::dnssec::rdata::{DNSKEY, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKey, PublicKeyBuf};
use hickory_proto::rr::{Name, RecordType};

use super::rules::Rules;
use super::verdict::Insecurity;
use crate::resolve::convert::lowest_zone;
use crate::resolve::start_error::StartError;

/// The root's keys of 2017 and 2024, as <https://data.iana.org/root-anchors/root-anchors.xml> gives
/// them.
const ROOT: &str = "\
. DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
. DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16
";

/// What one zone's keys are held against.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Anchor {
    /// Digests of keys.
    pub(super) digests: Vec<DS>,
    /// Whole keys.
    pub(super) keys: Vec<DNSKEY>,
}

/// Where a name stands among the anchors.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnchorStanding<'a> {
    /// Below no anchor, or nearer to a negative one (RFC 7646): nothing is checked.
    Outside(Insecurity),
    /// At or below the zone of this anchor.
    Below(&'a Name, &'a Anchor),
}

/// All anchors, positive and negative.
#[derive(Clone, Debug, Default)]
pub(crate) struct Anchors {
    zones: HashMap<Name, Option<Anchor>>,
    /// Of the root's keys, for RFC 8509; none without an anchor at the root.
    root_tags: Option<Vec<u16>>,
}

impl Anchors {
    /// Read anchors from `texts`, each in zone file form with DS and DNSKEY records of any owners;
    /// no text, no validation.
    ///
    /// `negative` are zones below which nothing is checked; at the same name they are the stronger.
    pub(crate) fn read(texts: &[String], negative: &[Name]) -> Result<Self, StartError> {
        let mut zones: HashMap<Name, Option<Anchor>> = HashMap::new();
        for (text, number) in texts.iter().zip(1..) {
            let entries = parse(text).map_err(|line| {
                let told = format!(
                    "text {number}, line {line}: want DS or DNSKEY records, as in \
                                    `. DS 20326 8 2 E06D…`"
                );
                StartError::TrustAnchors(told)
            })?;
            for (owner, material) in entries {
                let anchor = zones.entry(owner).or_default().get_or_insert_default();
                match material {
                    Material::Digest(digest) => anchor.digests.push(digest),
                    Material::Key(key) => anchor.keys.push(key),
                }
            }
        }
        zones.extend(negative.iter().map(|name| (name.to_lowercase(), None)));
        Ok(Self::of(zones))
    }

    fn of(zones: HashMap<Name, Option<Anchor>>) -> Self {
        let root = zones.get(&Name::root()).and_then(Option::as_ref);
        Self {
            root_tags: root.map(Anchor::tags),
            zones,
        }
    }

    /// The same with another anchor for a zone. Where none of its keys is left, the anchor of a
    /// zone above counts (RFC 5011 section 5); where there is none either, all below it fails,
    /// rather than that nothing is checked any more.
    pub(super) fn with(&self, zone: &Name, anchor: Anchor) -> Self {
        let mut zones = self.zones.clone();
        zones.remove(zone);
        let is_left = !anchor.digests.is_empty() || !anchor.keys.is_empty();
        let others = Self::of(zones.clone());
        if is_left || matches!(others.standing(zone), AnchorStanding::Outside(_)) {
            zones.insert(zone.clone(), Some(anchor));
        }
        Self::of(zones)
    }

    /// The zone's own anchor.
    pub(super) fn at(&self, zone: &Name) -> Option<&Anchor> {
        self.zones.get(zone)?.as_ref()
    }

    /// All positive anchors.
    pub(super) fn positive(&self) -> impl Iterator<Item = (&Name, &Anchor)> {
        let zones = self.zones.iter();
        zones.filter_map(|(zone, anchor)| Some((zone, anchor.as_ref()?)))
    }

    /// The built-in anchors of the root.
    pub(crate) fn root() -> Vec<String> {
        vec![ROOT.to_owned()]
    }

    /// Without a positive anchor nothing is ever checked.
    pub(crate) fn is_empty(&self) -> bool {
        self.zones.values().all(Option::is_none)
    }

    /// All zones with an anchor, positive or negative.
    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.zones.keys()
    }

    /// The tags of the root's keys, for RFC 8509; `None` without an anchor at the root.
    pub(super) fn root_tags(&self) -> Option<&[u16]> {
        self.root_tags.as_deref()
    }

    /// The nearest anchor at or above `name`.
    pub(super) fn standing(&self, name: &Name) -> AnchorStanding<'_> {
        let mut zone = name.clone();
        loop {
            match self.zones.get_key_value(&zone) {
                Some((owner, Some(anchor))) => return AnchorStanding::Below(owner, anchor),
                Some((_, None)) => return AnchorStanding::Outside(Insecurity::NegativeAnchor),
                None if zone.is_root() => return AnchorStanding::Outside(Insecurity::Unanchored),
                None => zone = zone.base_name(),
            }
        }
    }

    /// The same for records of a type: DS records belong to the zone above their name (RFC 4035
    /// section 2.4).
    pub(super) fn standing_of(&self, name: &Name, rtype: RecordType) -> AnchorStanding<'_> {
        self.standing(&lowest_zone(name, rtype))
    }
}

/// One record in zone file form, with its owner.
pub(super) fn parse_one(text: &str) -> Option<(Name, Anchor)> {
    let (owner, material) = parse(text).ok()?.into_iter().next()?;
    let mut anchor = Anchor::default();
    match material {
        Material::Digest(digest) => anchor.digests.push(digest),
        Material::Key(key) => anchor.keys.push(key),
    }
    Some((owner, anchor))
}

/// Is it the same public key, whatever its flags say?
pub(super) fn is_same_key(one: &DNSKEY, other: &DNSKEY) -> bool {
    let (one, other) = (one.public_key(), other.public_key());
    one.algorithm() == other.algorithm() && one.public_bytes() == other.public_bytes()
}

enum Material {
    Digest(DS),
    Key(DNSKEY),
}

/// The records of a text, or the line (from 1) where one begins that cannot be read.
fn parse(text: &str) -> Result<Vec<(Name, Material)>, usize> {
    let mut entries = Vec::new();
    let mut last = None;
    for AnchorLine { line, owned, words } in split(text)? {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words
            .first()
            .is_some_and(|word| word.eq_ignore_ascii_case("$TTL"))
        {
            continue;
        }
        let (name, rest) = match words.split_first() {
            Some((first, rest)) if owned => (owner(first).ok_or(line)?, rest),
            _ => (last.clone().ok_or(line)?, words.as_slice()),
        };
        entries.push((name.clone(), material(rest).ok_or(line)?));
        last = Some(name);
    }
    Ok(entries)
}

/// One record's words.
struct AnchorLine {
    line: usize,
    /// The line began with a word, not with a space: that is the owner (RFC 1035 section 5.1).
    owned: bool,
    words: Vec<String>,
}

/// Take a text apart: comments away, what stands in parentheses on one line.
fn split(text: &str) -> Result<Vec<AnchorLine>, usize> {
    let mut entries: Vec<AnchorLine> = Vec::new();
    let mut depth = 0_usize;
    for (line, number) in text.lines().zip(1..) {
        let line = line
            .split(';')
            .next()
            .unwrap_or_default()
            .trim_start_matches('\u{feff}');
        if depth == 0 {
            entries.push(AnchorLine {
                line: number,
                owned: !line.starts_with(char::is_whitespace),
                words: Vec::new(),
            });
        }
        let spaced = line.replace('(', " ( ").replace(')', " ) ");
        for word in spaced.split_whitespace() {
            match word {
                "(" => depth += 1,
                ")" => depth = depth.checked_sub(1).ok_or(number)?,
                word => {
                    if let Some(entry) = entries.last_mut() {
                        entry.words.push(word.trim_matches('"').to_owned());
                    }
                }
            }
        }
    }
    if depth > 0 {
        return Err(entries.last().map_or(1, |entry| entry.line));
    }
    entries.retain(|entry| !entry.words.is_empty());
    Ok(entries)
}

/// A name in presentation form, taken as absolute.
fn owner(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?.to_lowercase();
    name.set_fqdn(true);
    Some(name)
}

/// What follows the owner: TTL and class in any order or not at all, then type and data.
fn material(words: &[&str]) -> Option<Material> {
    let is_early = |word: &&&str| {
        word.eq_ignore_ascii_case("IN") || word.starts_with(|c: char| c.is_ascii_digit())
    };
    let skipped = words.iter().take_while(is_early).count();
    let (kind, data) = words
        .get(skipped..)
        .filter(|_| skipped <= 2)?
        .split_first()?;
    let (head, tail) = data.split_at_checked(3)?;
    let &[first, second, third] = head else {
        return None;
    };
    if kind.eq_ignore_ascii_case("DS") {
        let digest = data_encoding::HEXUPPER_PERMISSIVE
            .decode(tail.concat().as_bytes())
            .ok()
            .filter(|digest| !digest.is_empty())?;
        return Some(Material::Digest(DS::new(
            first.parse().ok()?,
            algorithm(second)?,
            digest_type(third)?,
            digest,
        )));
    }
    let key = data_encoding::BASE64
        .decode(tail.concat().as_bytes())
        .ok()
        .filter(|key| !key.is_empty())?;
    let is_key = kind.eq_ignore_ascii_case("DNSKEY") && second == "3";
    is_key.then(|| {
        Some(Material::Key(DNSKEY::with_flags(
            first.parse().ok()?,
            PublicKeyBuf::new(key, algorithm(third)?),
        )))
    })?
}

/// By number or by mnemonic (RFC 4034 appendix A.1 and its successors).
fn algorithm(text: &str) -> Option<Algorithm> {
    let number = match text.to_ascii_uppercase().as_str() {
        "RSAMD5" => 1,
        "DSA" => 3,
        "RSASHA1" => 5,
        "DSA-NSEC3-SHA1" => 6,
        "RSASHA1-NSEC3-SHA1" | "NSEC3RSASHA1" => 7,
        "RSASHA256" => 8,
        "RSASHA512" => 10,
        "ECC-GOST" => 12,
        "ECDSAP256SHA256" => 13,
        "ECDSAP384SHA384" => 14,
        "ED25519" => 15,
        "ED448" => 16,
        other => other.parse().ok()?,
    };
    Some(Algorithm::from_u8(number))
}

fn digest_type(text: &str) -> Option<DigestType> {
    let number = match text.to_ascii_uppercase().as_str() {
        "SHA-1" | "SHA1" => 1,
        "SHA-256" | "SHA256" => 2,
        "SHA-384" | "SHA384" => 4,
        other => other.parse().ok()?,
    };
    Some(DigestType::from(number))
}

impl Anchor {
    /// Could any key be vouched for by what we know of? Else nothing below can be checked, which
    /// the operator did ask for.
    pub(super) fn is_usable(&self, rules: Rules) -> bool {
        self.digests
            .iter()
            .any(|ds| rules.knows(ds.algorithm()) && rules.digests(ds.digest_type()))
            || self
                .keys
                .iter()
                .any(|key| rules.knows(key.public_key().algorithm()))
    }

    /// The tags of all keys that are vouched for.
    pub(super) fn tags(&self) -> Vec<u16> {
        self.tagged().map(|(tag, _)| tag).collect()
    }

    /// The tags and the algorithms' numbers of all keys that are vouched for.
    pub(super) fn tagged(&self) -> impl Iterator<Item = (u16, u8)> {
        let digests = self.digests.iter();
        let digests = digests.map(|ds| (ds.key_tag(), u8::from(ds.algorithm())));
        let whole = self.keys.iter().filter_map(|key| {
            let algorithm = key.public_key().algorithm();
            Some((key.calculate_key_tag().ok()?, u8::from(algorithm)))
        });
        digests.chain(whole)
    }

    /// Each record for itself.
    pub(super) fn singly(&self) -> impl Iterator<Item = Self> {
        let digests = self.digests.iter().map(|digest| Self {
            digests: vec![digest.clone()],
            keys: Vec::new(),
        });
        let keys = self.keys.iter().map(|key| Self {
            digests: Vec::new(),
            keys: vec![key.clone()],
        });
        digests.chain(keys)
    }

    /// Is this one of the keys that are named as a whole?
    pub(super) fn names(&self, key: &DNSKEY) -> bool {
        self.keys.iter().any(|ours| is_same_key(ours, key))
    }

    /// Is the zone's key named, as a whole or by its digest?
    pub(super) fn vouches_for(&self, zone: &Name, key: &DNSKEY) -> bool {
        let covers = |ds: &DS| ds.covers(zone, key).unwrap_or(false);
        self.names(key) || self.digests.iter().any(covers)
    }

    /// Name one more of the zone's keys.
    pub(super) fn add(&mut self, zone: &Name, key: &DNSKEY) {
        if !self.vouches_for(zone, key) {
            self.keys.push(key.clone());
        }
    }

    /// Name a key of the zone's no more.
    pub(super) fn remove(&mut self, zone: &Name, key: &DNSKEY) {
        self.keys.retain(|ours| !is_same_key(ours, key));
        self.digests
            .retain(|ds| !ds.covers(zone, key).unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::dnssec::TrustAnchors;

    use super::*;

    fn read(text: &str) -> Result<Anchors, StartError> {
        Anchors::read(&[text.to_owned()], &[])
    }

    fn name(text: &str) -> Name {
        owner(text).unwrap()
    }

    #[test]
    fn the_built_in_anchors_are_those_of_the_roots_keys() {
        let anchors = Anchors::read(&Anchors::root(), &[]).unwrap();
        let AnchorStanding::Below(zone, anchor) = anchors.standing(&name("www.example.com."))
        else {
            panic!("below the root")
        };
        assert!(zone.is_root());
        let known = TrustAnchors::default();
        for digest in &anchor.digests {
            let covers = |at: usize| {
                let key = known.get(at).unwrap();
                let key = DNSKEY::with_flags(
                    257,
                    PublicKeyBuf::new(key.public_bytes().to_vec(), key.algorithm()),
                );
                digest.covers(&Name::root(), &key).unwrap()
            };
            assert!((0..known.len()).any(covers), "{}", digest.key_tag());
        }
        assert_eq!(anchor.digests.len(), 2);
    }

    #[test]
    fn the_forms_of_zone_files_are_read() {
        let key = "AwEAAbMnyNxXj4hzzJz2wuJc1Rc6PzW8G3P6ctt8eiX4xI0u";
        let digest = "46e4ffc6e9a4793b488954bd3f0cc6af0dfb201b";
        for text in [
            format!("example.com. 3600 IN DS 2854 3 1 {digest}"),
            format!(
                "example.com IN 3600 DS 2854 DSA SHA-1 {}",
                digest.to_uppercase()
            ),
            format!(
                "; a comment\n\nEXAMPLE.com.\tDS ( 2854 3 1 ; here\n {} \n\t{} ) ; there\n",
                &digest[..13],
                &digest[13..]
            ),
            format!("$TTL 300\nexample.com. DS 2854 dsa 1 {digest}\n"),
            format!("\u{feff}example.com. DS 2854 3 1 \"{digest}\"\r\n"),
        ] {
            let anchors = read(&text).unwrap();
            let AnchorStanding::Below(_, anchor) = anchors.standing(&name("example.com.")) else {
                panic!("{text}")
            };
            let read = &anchor.digests[0];
            assert_eq!(
                (
                    read.key_tag(),
                    u8::from(read.algorithm()),
                    u8::from(read.digest_type()),
                    read.digest().len()
                ),
                (2854, 3, 1, 20)
            );
        }
        let text = format!(
            "a.test. DNSKEY 257 3 8 ( {} {} )\n\tIN DNSKEY 256 3 RSASHA256 {key}\n",
            &key[..9],
            &key[9..]
        );
        let anchors = read(&text).unwrap();
        let AnchorStanding::Below(_, anchor) = anchors.standing(&name("b.a.test.")) else {
            panic!("below a.test")
        };
        assert_eq!(anchor.keys.len(), 2);
        assert!(
            anchor.names(&anchor.keys[0])
                && matches!(anchors.standing(&name("test.")), AnchorStanding::Outside(_))
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (text, line) in [
            ("\n; nothing\n. DS 20326 8 2", 3),
            (". DS 20326 8 2 XYZ", 1),
            (". NS ns.test.", 1),
            ("  DS 1 8 2 AA", 1),
            (". DS 1 8 2 AA )", 1),
            (". DNSKEY 257 3 8 (\nAAAA", 1),
            (". DNSKEY 257 2 8 AAAA", 1),
            ("a..test. DS 1 8 2 AA", 1),
            (". DS 70000 8 2 AA", 1),
            (". DS", 1),
            (".", 1),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(
                error.contains(&format!("text 1, line {line}:")),
                "{text:?}: {error}"
            );
        }
    }

    #[test]
    fn the_nearest_anchor_counts() {
        let texts = [ROOT.to_owned(), "a.test. DS 1 8 2 AA".to_owned()];
        let anchors = Anchors::read(&texts, &[name("b.a.test."), name("c.test.")]).unwrap();
        let zone = |text: &str, rtype| match anchors.standing_of(&name(text), rtype) {
            AnchorStanding::Below(zone, _) => zone.to_string(),
            AnchorStanding::Outside(_) => "outside".to_owned(),
        };
        let (a, ds) = (RecordType::A, RecordType::DS);
        for (text, rtype, expected) in [
            ("www.a.test.", a, "a.test."),
            ("a.test.", a, "a.test."),
            ("a.test.", ds, "."),
            ("x.b.a.test.", a, "outside"),
            ("b.a.test.", ds, "a.test."),
            ("c.test.", a, "outside"),
            ("test.", a, "."),
            (".", ds, "."),
        ] {
            assert_eq!(zone(text, rtype), expected, "{text} {rtype}");
        }
        assert!(!anchors.is_empty() && Anchors::read(&[], &[name("a.test.")]).unwrap().is_empty());
    }
}
