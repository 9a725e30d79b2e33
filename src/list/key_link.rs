//! A key link: the note in which a list's old quorum names the keys that sign the list from now on,
//! and those whose signatures count no more. Links form a chain (`key_chain`).
//!
//! `<id>.keys` holds all links of a list, one note behind the other from link 1 on, so that a
//! resolver that was away for years can follow them. A note starts at the version line, which is
//! never a line of a link or of a signature, so nothing stands between two notes.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_HASH, MAY_ID, MAY_TIME, id, number, time,
    write_time,
};
use crate::clock::UnixSeconds;
use crate::seal::{Algorithm, VerifyKey};

pub(super) const VERSION: &str = "wardline-keys/v1";
/// The most keys that a link names, and the most that it revokes.
pub const LINK_KEYS_MAX: usize = 32;
/// The highest link number and serial that a link may hold: every reader of JSON can hold it.
pub const LINK_NUMBER_MAX: u64 = (1 << 53) - 1;
/// The line of `threshold`.
const THRESHOLD_LINE: usize = 6;

const MAY_LINK_NUMBER: &str = "a whole number from 1 to 9007199254740991";
const MAY_THRESHOLD: &str = "a whole number from 1 to the number of keys";
const MAY_KEY: &str = "a public Ed25519 key that stands once and in the order of the keys' texts";
const MAY_KEYS: &str = "there at most 32 times";
const MAY_REVOKE: &str = "`KEY from SERIAL`: a public Ed25519 key that is none of the keys above, \
                          once and in the order of the keys' texts, and a serial from 1";

/// What the text of a link's note says. Fields are written in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLink {
    /// The list's id.
    pub list: String,
    /// Its place in the chain, from 1.
    pub number: u64,
    /// What it follows: link 1 the configuration, each other the link before.
    pub origin: LinkOrigin,
    /// When it was made, in seconds since 1970; told to people, and nothing is decided by it.
    pub issued: UnixSeconds,
    /// How many of the keys must sign.
    pub threshold: usize,
    /// Those that sign from now on, in the order of their texts: 1 to [`LINK_KEYS_MAX`].
    pub keys: Vec<VerifyKey>,
    /// Those whose signatures count no more, in the order of their texts: at most
    /// [`LINK_KEYS_MAX`].
    pub revoked: Vec<Revocation>,
}

/// What a link follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkOrigin {
    /// [`anchor`] of the keys in the configuration; of link 1 alone.
    Anchor(Hash),
    /// [`KeyLink::hash`] of the link before.
    Previous(Hash),
}

/// A key whose signatures count no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The key.
    pub key: VerifyKey,
    /// The first serial that it may have signed in other hands, from 1.
    pub from_serial: u64,
}

impl KeyLink {
    /// Read the text of a note; whether the note is to be believed is another question. Only the
    /// text that [`KeyLink::to_text`] writes is accepted.
    ///
    /// # Errors
    /// Names the line and what may stand there.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let mut lines = FormReader::new(text, VERSION)?;
        let list = lines.required("list", MAY_ID, id)?;
        let number = lines.required("number", MAY_LINK_NUMBER, bounded)?;
        let origin = if number == 1 {
            LinkOrigin::Anchor(lines.required("anchor", MAY_HASH, Hash::parse)?)
        } else {
            LinkOrigin::Previous(lines.required("previous", MAY_HASH, Hash::parse)?)
        };
        let issued = lines.required("issued", MAY_TIME, time)?;
        let threshold = lines.required("threshold", MAY_THRESHOLD, super::form::number)?;
        let keys = read_keys(&mut lines)?;
        let revoked = read_revoked(&mut lines, &keys)?;
        lines.finish()?;
        if !(1..=keys.len()).contains(&threshold) {
            return Err(FormFault {
                line: THRESHOLD_LINE,
                problem: FormProblem::Value("threshold", MAY_THRESHOLD),
            });
        }
        Ok(Self {
            list,
            number,
            origin,
            issued,
            threshold,
            keys,
            revoked,
        })
    }

    /// The one text of this link: what is signed.
    pub fn to_text(&self) -> String {
        let origin = match self.origin {
            LinkOrigin::Anchor(hash) => format!("anchor: {hash}"),
            LinkOrigin::Previous(hash) => format!("previous: {hash}"),
        };
        let mut text = format!(
            "{VERSION}\nlist: {}\nnumber: {}\n{origin}\nissued: {}\nthreshold: {}\n",
            self.list,
            self.number,
            write_time(self.issued),
            self.threshold
        );
        for key in &self.keys {
            text.push_str(&format!("key: {key}\n"));
        }
        for Revocation { key, from_serial } in &self.revoked {
            text.push_str(&format!("revoke: {key} from {from_serial}\n"));
        }
        text
    }

    /// The SHA-256 of the signed text without its signatures: what the next link follows.
    pub fn hash(&self) -> Hash {
        Hash::of(self.to_text().as_bytes())
    }

    /// The name of the chain's file beside the manifest.
    pub fn file(list: &str) -> String {
        format!("{list}.keys")
    }

    /// Put keys and revocations in the order in which a link has them; each key stays once.
    pub fn sort(&mut self) {
        sort_keys(&mut self.keys);
        self.revoked
            .sort_by_cached_key(|revocation| revocation.key.to_string());
    }
}

/// What a chain starts from: the SHA-256 of the configuration's keys, in the order of their texts,
/// and of how many of them must sign. Another set has another anchor, which voids the chain.
pub fn anchor(keys: &[VerifyKey], threshold: usize) -> Hash {
    let mut keys = keys.to_vec();
    sort_keys(&mut keys);
    let mut text = format!("wardline-anchor/v1\nthreshold: {}\n", threshold.max(1));
    for key in &keys {
        text.push_str(&format!("key: {key}\n"));
    }
    Hash::of(text.as_bytes())
}

fn sort_keys(keys: &mut Vec<VerifyKey>) {
    keys.sort_by_cached_key(ToString::to_string);
    keys.dedup();
}

/// Are they one signer? Names do not matter.
pub(super) fn is_same_signer(one: &VerifyKey, other: &VerifyKey) -> bool {
    one.octets() == other.octets()
}

fn read_keys(lines: &mut FormReader<'_>) -> Result<Vec<VerifyKey>, FormFault> {
    let mut keys: Vec<VerifyKey> = vec![lines.required("key", MAY_KEY, key)?];
    loop {
        let (is_full, may) = fill(keys.len(), MAY_KEY);
        let next = lines.optional("key", may, |text| {
            key(text).filter(|key| !is_full && is_next(keys.iter(), key))
        })?;
        let Some(next) = next else { return Ok(keys) };
        keys.push(next);
    }
}

fn read_revoked(
    lines: &mut FormReader<'_>,
    keys: &[VerifyKey],
) -> Result<Vec<Revocation>, FormFault> {
    let mut revoked: Vec<Revocation> = Vec::new();
    loop {
        let (is_full, may) = fill(revoked.len(), MAY_REVOKE);
        let next = lines.optional("revoke", may, |text| {
            revocation(text).filter(|Revocation { key, .. }| {
                !is_full
                    && is_next(revoked.iter().map(|before| &before.key), key)
                    && !keys.iter().any(|kept| is_same_signer(kept, key))
            })
        })?;
        let Some(next) = next else { return Ok(revoked) };
        revoked.push(next);
    }
}

/// Whether no more may follow, and what a further line must be.
const fn fill(count: usize, may: &'static str) -> (bool, &'static str) {
    if count < LINK_KEYS_MAX {
        (false, may)
    } else {
        (true, MAY_KEYS)
    }
}

/// Does `key` come behind all of `before`, and is it none of them under another name? Two keys with
/// the same name and id would make each other's signatures look forged.
fn is_next<'k>(before: impl Iterator<Item = &'k VerifyKey>, key: &VerifyKey) -> bool {
    let text = key.to_string();
    let mut before = before;
    before.all(|other| {
        other.to_string() < text
            && !is_same_signer(other, key)
            && (other.name(), other.id()) != (key.name(), key.id())
    })
}

fn key(text: &str) -> Option<VerifyKey> {
    VerifyKey::parse(text)
        .ok()
        .filter(|key| key.algorithm() == Algorithm::Ed25519 && key.to_string() == text)
}

fn revocation(text: &str) -> Option<Revocation> {
    let (key_text, serial) = text.split_once(" from ")?;
    Some(Revocation {
        key: key(key_text)?,
        from_serial: bounded(serial)?,
    })
}

fn bounded(text: &str) -> Option<u64> {
    number(text).filter(|number| (1..=LINK_NUMBER_MAX).contains(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::SigningKey;

    const ONE: &str = "demo-agency-1.example+36b77dab+AW6kmWLU/mgTpW8uqV3CIc+BdAjrR+/WQm1r0fH1RiDo";
    const TWO: &str = "demo-agency-2.example+5f64353f+AdJwvxGDUyT3DvbWKS3uQhQ8UsJPLd8mCsraI/4UBLGV";
    const GONE: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn text() -> String {
        format!(
            "wardline-keys/v1\nlist: example\nnumber: 1\n\
             anchor: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
             issued: 2026-03-01T14:00:00Z\nthreshold: 2\nkey: {ONE}\nkey: {TWO}\n\
             revoke: {GONE} from 17\n"
        )
    }

    #[test]
    fn a_link_has_one_text() {
        let link = KeyLink::parse(&text()).unwrap();
        assert_eq!(
            (link.list.as_str(), link.number, link.threshold),
            ("example", 1, 2)
        );
        assert_eq!(link.origin, LinkOrigin::Anchor(Hash::of(b"")));
        assert_eq!(
            link.keys,
            [ONE, TWO].map(|key| VerifyKey::parse(key).unwrap())
        );
        assert_eq!(link.revoked[0].from_serial, 17);
        assert_eq!(link.to_text(), text());
        assert_eq!(link.hash(), Hash::of(text().as_bytes()));
        let next = text()
            .replace("number: 1", "number: 2")
            .replace("anchor:", "previous:");
        let next = KeyLink::parse(&next).unwrap();
        assert_eq!(next.origin, LinkOrigin::Previous(Hash::of(b"")));
    }

    /// Each change of the text is refused, in this line and for this reason.
    fn refuse_each(cases: &[(&str, &str, usize, String)]) {
        for (from, to, line, message) in cases {
            assert!(text().contains(from), "{from}");
            let fault = KeyLink::parse(&text().replacen(from, to, 1)).unwrap_err();
            assert_eq!(fault.to_string(), format!("line {line}: {message}"), "{to}");
        }
    }

    #[test]
    fn every_fault_of_its_head_has_its_line() {
        let order = "is expected here; the keys have a fixed order";
        let hash = "64 hexadecimal digits in lower case";
        refuse_each(&[
            (
                "keys/v1",
                "keys/v2",
                1,
                "the first line must be `wardline-keys/v1`".to_owned(),
            ),
            (
                "list: example",
                "list: -",
                2,
                format!("`list` must be {MAY_ID}"),
            ),
            (
                "number: 1",
                "number: 0",
                3,
                format!("`number` must be {MAY_LINK_NUMBER}"),
            ),
            (
                "number: 1",
                "number: 01",
                3,
                format!("`number` must be {MAY_LINK_NUMBER}"),
            ),
            (
                "number: 1",
                "number: 9007199254740992",
                3,
                format!("`number` must be {MAY_LINK_NUMBER}"),
            ),
            ("number: 1", "number: 2", 4, format!("`previous:` {order}")),
            ("anchor:", "previous:", 4, format!("`anchor:` {order}")),
            (
                "anchor: e",
                "anchor: E",
                4,
                format!("`anchor` must be {hash}"),
            ),
            (
                "03-01T14",
                "02-30T14",
                5,
                format!("`issued` must be {MAY_TIME}"),
            ),
        ]);
        for lines in 0..8 {
            let cut: String = text().split_inclusive('\n').take(lines).collect();
            assert!(KeyLink::parse(&cut).is_err(), "{lines} lines");
        }
    }

    #[test]
    fn every_fault_of_its_keys_has_its_line() {
        let key = format!("`key` must be {MAY_KEY}");
        let revoke = format!("`revoke` must be {MAY_REVOKE}");
        let unexpected = "a key that is unknown, in the wrong place, or given twice";
        let [ordered, swapped] =
            [(ONE, TWO), (TWO, ONE)].map(|(first, second)| format!("key: {first}\nkey: {second}"));
        refuse_each(&[
            (
                "threshold: 2",
                "threshold: 3",
                6,
                format!("`threshold` must be {MAY_THRESHOLD}"),
            ),
            (
                "threshold: 2",
                "threshold: 0",
                6,
                format!("`threshold` must be {MAY_THRESHOLD}"),
            ),
            ("+36b77dab+", "+36b77dac+", 7, key.clone()),
            ("key: demo-agency-1", "key:  demo-agency-1", 7, key.clone()),
            (&ordered, &swapped, 8, key.clone()),
            (TWO, ONE, 8, key),
            (" from 17", " from 0", 9, revoke.clone()),
            (" from 17", "", 9, revoke.clone()),
            (" from 17", " from 9007199254740992", 9, revoke.clone()),
            (GONE, TWO, 9, revoke),
            (" from 17\n", " from 17\n\n", 10, unexpected.to_owned()),
            ("revoke: ", "key: ", 9, format!("`key` must be {MAY_KEY}")),
        ]);
    }

    #[test]
    fn keys_are_few_and_each_is_another_signer() {
        let keys: Vec<VerifyKey> = (0..=LINK_KEYS_MAX)
            .map(|at| {
                SigningKey::generate(&format!("key-{at}.test"))
                    .unwrap()
                    .public()
            })
            .collect();
        let mut link = KeyLink::parse(&text()).unwrap();
        (link.keys, link.revoked) = (keys, Vec::new());
        link.sort();
        let fault = KeyLink::parse(&link.to_text()).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "line 39: `key` must be there at most 32 times"
        );
        link.keys.truncate(LINK_KEYS_MAX);
        assert_eq!(KeyLink::parse(&link.to_text()).as_ref(), Ok(&link));

        // The same key under another name, named again or revoked.
        let seed = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let octets = VerifyKey::parse(GONE).unwrap();
        let id = Hash::of(&[b"Twin\n\x01".as_slice(), octets.octets()].concat()).to_string();
        let twin = SigningKey::parse(&format!("PRIVATE+KEY+Twin+{}+{seed}", &id[..8])).unwrap();
        (link.keys, link.threshold) = (vec![octets.clone(), twin.public()], 1);
        assert_eq!(KeyLink::parse(&link.to_text()).unwrap_err().line, 8);
        link.keys = vec![octets];
        link.revoked = vec![Revocation {
            key: twin.public(),
            from_serial: 1,
        }];
        assert_eq!(KeyLink::parse(&link.to_text()).unwrap_err().line, 8);
        let cosigner = VerifyKey::parse(&twin.public_cosigner().to_string()).unwrap();
        (link.keys, link.revoked) = (vec![cosigner], Vec::new());
        assert_eq!(KeyLink::parse(&link.to_text()).unwrap_err().line, 7);
    }

    #[test]
    fn an_anchor_is_the_set_and_its_number() {
        let [one, two] = [ONE, TWO].map(|key| VerifyKey::parse(key).unwrap());
        let both = anchor(&[one.clone(), two.clone()], 2);
        assert_eq!(both, anchor(&[two, one.clone()], 2));
        assert_ne!(both, anchor(std::slice::from_ref(&one), 2));
        assert_ne!(anchor(std::slice::from_ref(&one), 2), anchor(&[one], 1));
    }

    prop_compose! {
        fn links()(
            list in "[a-z0-9][a-z0-9-]{0,20}",
            number in 1..=LINK_NUMBER_MAX,
            octets: [u8; 32],
            issued in 0..2_000_000_000_i64,
            names in proptest::collection::vec("[a-z]{1,9}\\.test", 1..6),
            gone in proptest::collection::vec(1..=LINK_NUMBER_MAX, 0..4),
            threshold: prop::sample::Index,
        ) -> KeyLink {
            let new = |name: &str| SigningKey::generate(name).unwrap().public();
            let keys: Vec<VerifyKey> = names.iter().map(|name| new(name)).collect();
            let revoke = |from_serial| Revocation { key: new("gone.test"), from_serial };
            let hash = Hash(octets);
            let mut link = KeyLink {
                list,
                number,
                origin: match number {
                    1 => LinkOrigin::Anchor(hash),
                    _ => LinkOrigin::Previous(hash),
                },
                issued,
                threshold: threshold.index(keys.len()) + 1,
                keys,
                revoked: gone.into_iter().map(revoke).collect(),
            };
            link.sort();
            link
        }
    }

    proptest! {
        #[test]
        fn written_links_are_read_again(link in links()) {
            prop_assert_eq!(KeyLink::parse(&link.to_text()), Ok(link));
        }

        #[test]
        fn what_is_read_is_what_is_written(at in 0..text().len(), octet in 0x20_u8..0x7f) {
            let mut octets = text().into_bytes();
            octets[at] = octet;
            let text = String::from_utf8(octets).unwrap();
            if let Ok(link) = KeyLink::parse(&text) {
                prop_assert_eq!(link.to_text(), text);
            }
        }
    }
}
