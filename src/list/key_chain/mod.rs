//! The chain of key links: which keys sign a list today, followed from those in the configuration,
//! and which signatures count no more. Each link is signed by the old quorum and by the new one.
//!
//! The configuration is the recovery: a chain starts at exactly its keys, so that another key, or
//! another number of signatures, voids every link.

mod fault;
mod notes;

pub use fault::{ChainFault, LinkQuorum};
pub use notes::{CHAIN_LINKS_MAX, CHAIN_OCTETS_MAX, parse_chain, write_chain};

use serde::{Deserialize, Serialize};

use super::form::Hash;
use super::key_link::{KeyLink, LinkOrigin, Revocation, anchor, is_same_signer};
use crate::seal::{Note, VerifyKey};

/// Keys, and how many of them must sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<VerifyKey>,
    /// How many, at least 1.
    pub threshold: usize,
}

/// A chain that was followed from the configuration's keys, link by link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChain {
    list: String,
    anchor: Hash,
    configured: KeySet,
    /// Each link and its hash, from number 1.
    links: Vec<(KeyLink, Hash)>,
    revoked: Vec<Revocation>,
}

/// How far a chain has come: what a resolver keeps, so that it never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainFloor {
    /// Of the configuration that the chain starts from; under another one the floor says nothing.
    pub anchor: Hash,
    /// The highest link.
    pub number: u64,
    /// Its hash.
    pub hash: Hash,
}

/// Who of the old keys and of the new ones has signed a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSigners {
    /// Those of the keys before, without those that the link revokes.
    pub old: Vec<VerifyKey>,
    /// How many must have.
    pub old_needed: usize,
    /// Those of the keys that the link names.
    pub new: Vec<VerifyKey>,
    /// How many must have.
    pub new_needed: usize,
}

impl KeyChain {
    /// The chain of a list that has no link: the configuration's keys sign.
    pub fn start(list: &str, configured: &[VerifyKey], threshold: usize) -> Self {
        Self {
            list: list.to_owned(),
            anchor: anchor(configured, threshold),
            configured: KeySet {
                keys: configured.to_vec(),
                threshold: threshold.max(1),
            },
            links: Vec::new(),
            revoked: Vec::new(),
        }
    }

    /// Follow a chain from link 1 on.
    ///
    /// # Errors
    /// Names the first link that does not hold.
    pub fn follow(
        list: &str,
        configured: &[VerifyKey],
        threshold: usize,
        notes: &[Note],
    ) -> Result<Self, ChainFault> {
        let mut chain = Self::start(list, configured, threshold);
        for note in notes {
            chain.append(note)?;
        }
        Ok(chain)
    }

    /// The chain with one more link.
    ///
    /// # Errors
    /// When it is not the next link, or too few have signed it.
    pub fn admit(&self, note: &Note) -> Result<Self, ChainFault> {
        let mut chain = self.clone();
        chain.append(note)?;
        Ok(chain)
    }

    /// Who has signed a note that would be the next link.
    ///
    /// # Errors
    /// When it could not be, whoever signs it.
    pub fn signers(&self, note: &Note) -> Result<(KeyLink, LinkSigners), ChainFault> {
        let number = self.number() + 1;
        let link = KeyLink::parse(note.text()).map_err(|fault| ChainFault::Form {
            link: number,
            fault,
        })?;
        self.check_place(&link)?;
        self.check_revoked(&link)?;
        let today = self.today();
        let old = today.keys.iter().filter(|key| {
            let mut revoked = link.revoked.iter();
            !revoked.any(|revocation| is_same_signer(&revocation.key, key))
        });
        let old: Vec<VerifyKey> = old.cloned().collect();
        let signed = |keys: &[VerifyKey]| -> Result<Vec<VerifyKey>, ChainFault> {
            let signers = note.signers(keys).map_err(|error| ChainFault::Forged {
                link: number,
                error,
            })?;
            Ok(signers.into_iter().cloned().collect())
        };
        let signers = LinkSigners {
            old: signed(&old)?,
            old_needed: today.threshold,
            new: signed(&link.keys)?,
            new_needed: link.threshold,
        };
        Ok((link, signers))
    }

    /// The keys that sign today, and how many of them must.
    pub fn today(&self) -> KeySet {
        self.links
            .last()
            .map_or_else(|| self.configured.clone(), |(link, _)| KeySet::of(link))
    }

    /// The configuration's keys, which the chain starts from.
    pub const fn configured(&self) -> &KeySet {
        &self.configured
    }

    /// The list's id.
    pub fn list(&self) -> &str {
        &self.list
    }

    /// [`anchor`] of the configuration's keys.
    pub const fn anchor(&self) -> Hash {
        self.anchor
    }

    /// The links, from number 1.
    pub fn links(&self) -> impl Iterator<Item = &KeyLink> {
        self.links.iter().map(|(link, _)| link)
    }

    /// The number of the last link; 0 without one.
    pub fn number(&self) -> u64 {
        self.links.last().map_or(0, |(link, _)| link.number)
    }

    /// What the next link follows.
    pub fn origin(&self) -> LinkOrigin {
        self.links
            .last()
            .map_or(LinkOrigin::Anchor(self.anchor), |(_, hash)| {
                LinkOrigin::Previous(*hash)
            })
    }

    /// All keys that were revoked, each with its lowest serial.
    pub fn revoked(&self) -> &[Revocation] {
        &self.revoked
    }

    /// From which serial on a key's signatures count no more; none where it was never revoked.
    pub fn revoked_from(&self, key: &VerifyKey) -> Option<u64> {
        let mut revoked = self.revoked.iter();
        revoked
            .find(|revocation| is_same_signer(&revocation.key, key))
            .map(|revocation| revocation.from_serial)
    }

    /// How far it has come; none without a link.
    pub fn floor(&self) -> Option<ChainFloor> {
        self.links.last().map(|(link, hash)| ChainFloor {
            anchor: self.anchor,
            number: link.number,
            hash: *hash,
        })
    }

    /// May the chain be followed where an earlier one came as far as `floor`?
    ///
    /// # Errors
    /// When it is shorter, or has another link in that place. A floor under another configuration
    /// says nothing.
    pub fn check_floor(&self, floor: &ChainFloor) -> Result<(), ChainFault> {
        if floor.anchor != self.anchor {
            return Ok(());
        }
        let mut links = self.links.iter();
        match links.find(|(link, _)| link.number == floor.number) {
            Some((_, hash)) if *hash == floor.hash => Ok(()),
            Some(_) => Err(ChainFault::Fork {
                number: floor.number,
            }),
            None => Err(ChainFault::Behind {
                number: floor.number,
                found: self.number(),
            }),
        }
    }

    /// Have enough of today's keys signed an issue with this serial?
    pub fn vouches(&self, note: &Note, serial: u64) -> bool {
        self.is_enough(&self.today(), note, serial)
    }

    /// Have enough keys of some set signed it: of today's, of an earlier link's, or of the
    /// configuration's? So an issue stays good that was accepted before its keys were replaced.
    pub fn vouched_once(&self, note: &Note, serial: u64) -> bool {
        self.sets().any(|set| self.is_enough(&set, note, serial))
    }

    /// Does an issue with this serial need a signature that counts no more? It carries one, and no
    /// set of the chain has signed it without. Such an issue must not come into force again.
    pub fn needs_revoked(&self, note: &Note, serial: u64) -> bool {
        let revoked = self.revoked.iter();
        let revoked: Vec<VerifyKey> = revoked
            .filter(|revocation| revocation.from_serial <= serial)
            .map(|revocation| revocation.key.clone())
            .collect();
        // A revoked key's signature that does not hold is no better than one that does.
        let is_signed = note
            .signers(&revoked)
            .map_or(true, |signers| !signers.is_empty());
        is_signed && !self.vouched_once(note, serial)
    }

    fn sets(&self) -> impl Iterator<Item = KeySet> {
        let links = self.links.iter().map(|(link, _)| KeySet::of(link));
        std::iter::once(self.configured.clone()).chain(links)
    }

    fn is_enough(&self, set: &KeySet, note: &Note, serial: u64) -> bool {
        let counts = |key: &&VerifyKey| self.revoked_from(key).is_none_or(|from| serial < from);
        let keys: Vec<VerifyKey> = set.keys.iter().filter(counts).cloned().collect();
        note.signers(&keys)
            .is_ok_and(|signers| signers.len() >= set.threshold)
    }

    fn append(&mut self, note: &Note) -> Result<(), ChainFault> {
        if self.links.len() == CHAIN_LINKS_MAX {
            return Err(ChainFault::Large);
        }
        let (link, signers) = self.signers(note)?;
        signers.check(link.number)?;
        for new in &link.revoked {
            let mut revoked = self.revoked.iter_mut();
            match revoked.find(|old| is_same_signer(&old.key, &new.key)) {
                Some(old) => old.from_serial = new.from_serial,
                None => self.revoked.push(new.clone()),
            }
        }
        let hash = link.hash();
        self.links.push((link, hash));
        Ok(())
    }

    /// Is it the link that comes next?
    fn check_place(&self, link: &KeyLink) -> Result<(), ChainFault> {
        let expected = self.number() + 1;
        if link.list != self.list {
            return Err(ChainFault::OtherList { link: expected });
        }
        if link.number != expected {
            return Err(ChainFault::Number {
                expected,
                found: link.number,
            });
        }
        if link.origin != self.origin() {
            return Err(match link.origin {
                LinkOrigin::Anchor(_) => ChainFault::Anchor,
                LinkOrigin::Previous(_) => ChainFault::Previous { link: expected },
            });
        }
        Ok(())
    }

    /// What was revoked stays so.
    fn check_revoked(&self, link: &KeyLink) -> Result<(), ChainFault> {
        for key in &link.keys {
            if self.revoked_from(key).is_some() {
                return Err(ChainFault::NamesRevoked {
                    link: link.number,
                    key: key.name().to_owned(),
                });
            }
        }
        for Revocation { key, from_serial } in &link.revoked {
            if let Some(from) = self.revoked_from(key).filter(|from| from <= from_serial) {
                return Err(ChainFault::RevokedAlready {
                    link: link.number,
                    key: key.name().to_owned(),
                    from_serial: from,
                });
            }
        }
        Ok(())
    }
}

impl KeySet {
    fn of(link: &KeyLink) -> Self {
        Self {
            keys: link.keys.clone(),
            threshold: link.threshold,
        }
    }
}

impl LinkSigners {
    /// Are both quorums there?
    ///
    /// # Errors
    /// Names the one that is not, the old one first.
    pub fn check(&self, link: u64) -> Result<(), ChainFault> {
        let quorums = [
            (LinkQuorum::Old, self.old.len(), self.old_needed),
            (LinkQuorum::New, self.new.len(), self.new_needed),
        ];
        for (quorum, signed, needed) in quorums {
            if signed < needed {
                return Err(ChainFault::Signatures {
                    link,
                    quorum,
                    signed,
                    needed,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::SigningKey;

    /// Five people with keys; `people[..3]` are in the configuration, and two of them must sign.
    fn people() -> Vec<SigningKey> {
        let names = ["a.test", "b.test", "c.test", "d.test", "e.test"];
        names.map(|name| SigningKey::generate(name).unwrap()).into()
    }

    fn public(keys: &[&SigningKey]) -> Vec<VerifyKey> {
        keys.iter().map(|key| key.public()).collect()
    }

    fn start(people: &[SigningKey]) -> KeyChain {
        KeyChain::start("example", &public(&[&people[0], &people[1], &people[2]]), 2)
    }

    fn link(chain: &KeyChain, keys: &[&SigningKey], revoked: &[(&SigningKey, u64)]) -> KeyLink {
        let revoked = revoked.iter().map(|(key, from_serial)| Revocation {
            key: key.public(),
            from_serial: *from_serial,
        });
        let mut link = KeyLink {
            list: "example".to_owned(),
            number: chain.number() + 1,
            origin: chain.origin(),
            issued: 1_772_373_600,
            threshold: 2,
            keys: public(keys),
            revoked: revoked.collect(),
        };
        link.sort();
        link
    }

    fn signed(text: &str, keys: &[&SigningKey]) -> Note {
        let mut note = Note::new(text).unwrap();
        keys.iter().for_each(|key| note.sign(key).unwrap());
        note
    }

    fn says(result: Result<KeyChain, ChainFault>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_link_needs_the_old_and_the_new_quorum() {
        let people = people();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| &people[at]);
        let chain = start(&people);
        let text = link(&chain, &[d, e], &[]).to_text();
        let admit = |keys: &[&SigningKey]| chain.admit(&signed(&text, keys));
        assert_eq!(
            says(admit(&[a, d, e])),
            "link 1 is signed by 1 of the 2 old keys that it needs"
        );
        assert_eq!(
            says(admit(&[a, b, d])),
            "link 1 is signed by 1 of the 2 new keys that it needs"
        );
        let next = admit(&[b, c, d, e]).unwrap();
        assert_eq!(next.today().keys, public(&[d, e]));
        assert_eq!((next.number(), chain.number()), (1, 0));

        // Who stays in signs for both.
        let back = link(&next, &[a, d], &[]).to_text();
        assert_eq!(
            says(next.admit(&signed(&back, &[a, b, c, d]))),
            "link 2 is signed by 1 of the 2 old keys that it needs"
        );
        let third = next.admit(&signed(&back, &[a, d, e])).unwrap();
        assert_eq!(third.today().keys, public(&[a, d]));

        // From the file, and from the configuration.
        let notes = [signed(&text, &[b, c, d, e]), signed(&back, &[a, d, e])];
        let file = write_chain(&notes);
        assert_eq!(parse_chain(file.as_bytes()).as_deref(), Ok(&notes[..]));
        let configured = public(&[c, b, a]);
        let followed = KeyChain::follow("example", &configured, 2, &notes).unwrap();
        assert_eq!(followed.floor(), third.floor());
        for (keys, threshold) in [(&configured[..2], 2), (&configured[..], 1)] {
            let other = KeyChain::follow("example", keys, threshold, &notes);
            assert_eq!(other, Err(ChainFault::Anchor));
        }
        let other = KeyChain::follow("other", &configured, 2, &notes);
        assert_eq!(other, Err(ChainFault::OtherList { link: 1 }));
    }

    #[test]
    fn links_stand_in_their_place() {
        let people = people();
        let [a, b, c, d, _] = [0, 1, 2, 3, 4].map(|at| &people[at]);
        let chain = start(&people);
        let first = signed(&link(&chain, &[a, b, d], &[]).to_text(), &[a, b]);
        let fork = signed(&link(&chain, &[a, b, c], &[]).to_text(), &[a, b]);
        let [one, other] = [&first, &fork].map(|note| chain.admit(note).unwrap());
        let second = signed(&link(&one, &[a, b], &[]).to_text(), &[a, b]);
        assert_eq!(
            says(one.admit(&first)),
            "link 2 is expected, but this is link 1: take the whole chain"
        );
        assert_eq!(
            says(chain.admit(&second)),
            "link 1 is expected, but this is link 2: take the whole chain"
        );
        assert_eq!(
            says(other.admit(&second)),
            "link 2 follows another link 1 than ours: somebody signed two"
        );
        let two = one.admit(&second).unwrap();
        let floor = |chain: &KeyChain| chain.floor().unwrap();
        assert_eq!(two.check_floor(&floor(&one)), Ok(()));
        assert_eq!(two.check_floor(&floor(&two)), Ok(()));
        assert_eq!(
            one.check_floor(&floor(&two)),
            Err(ChainFault::Behind {
                number: 2,
                found: 1
            })
        );
        assert_eq!(
            two.check_floor(&floor(&other)),
            Err(ChainFault::Fork { number: 1 })
        );
        let anew = KeyChain::start("example", &public(&[c, d]), 2);
        assert_eq!(anew.check_floor(&floor(&two)), Ok(()));
        assert!(matches!(
            chain.admit(&signed("wardline-list/v1\n", &[a])),
            Err(ChainFault::Form { link: 1, .. })
        ));
        let changed = write_chain(&[first]).replacen("threshold: 2", "threshold: 3", 1);
        let changed = parse_chain(changed.as_bytes()).unwrap();
        assert_eq!(
            says(chain.admit(&changed[0])),
            "link 1: signature 1 does not hold: the text or the signature was changed after \
             signing"
        );
    }

    #[test]
    fn a_revoked_key_signs_nothing_new() {
        let people = people();
        let [a, b, c, d, _] = [0, 1, 2, 3, 4].map(|at| &people[at]);
        let chain = start(&people);
        let text = link(&chain, &[a, b, d], &[(c, 7)]).to_text();
        assert_eq!(
            says(chain.admit(&signed(&text, &[a, c, d]))),
            "link 1 is signed by 1 of the 2 old keys that it needs"
        );
        let chain = chain.admit(&signed(&text, &[a, b])).unwrap();
        assert_eq!(
            (
                chain.revoked_from(&c.public()),
                chain.revoked_from(&a.public())
            ),
            (Some(7), None)
        );
        let again = |keys: &[&SigningKey], revoked: &[(&SigningKey, u64)]| {
            chain.admit(&signed(&link(&chain, keys, revoked).to_text(), &[a, b]))
        };
        assert_eq!(
            says(again(&[a, b, c], &[])),
            "link 2 names the key c.test, which was revoked"
        );
        assert_eq!(
            says(again(&[a, b], &[(c, 7)])),
            "link 2 revokes the key c.test, which is revoked from serial 7 on"
        );
        let earlier = again(&[a, b], &[(c, 5)]).unwrap();
        assert_eq!(earlier.revoked_from(&c.public()), Some(5));
    }

    #[test]
    fn kept_issues_are_held_against_the_chain() {
        let people = people();
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| &people[at]);
        let first = start(&people);
        let text = link(&first, &[a, b, d], &[(c, 7)]).to_text();
        let chain = first.admit(&signed(&text, &[a, b])).unwrap();
        let issue = |keys: &[&SigningKey]| signed("an issue\n", keys);
        // Who signed, the serial, and whether it is vouched for, was once, and needs the key.
        let cases: [(&[&SigningKey], u64, [bool; 3]); 9] = [
            (&[a, b], 9, [true, true, false]),
            (&[a, d], 9, [true, true, false]),
            (&[a, b, c], 9, [true, true, false]),
            (&[a, c], 6, [false, true, false]),
            (&[a, c], 7, [false, false, true]),
            (&[a, c], 9, [false, false, true]),
            (&[c], 9, [false, false, true]),
            (&[c, e], 9, [false, false, true]),
            (&[a, e], 9, [false, false, false]),
        ];
        for (keys, serial, expected) in cases {
            let note = issue(keys);
            let found = [
                chain.vouches(&note, serial),
                chain.vouched_once(&note, serial),
                chain.needs_revoked(&note, serial),
            ];
            let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
            assert_eq!(found, expected, "{names:?} {serial}");
        }
        // A configuration with another set voids the chain; its own first link revokes anew.
        let anew = KeyChain::start("example", &public(&[d, e]), 2);
        let note = issue(&[a, c]);
        assert!(!anew.vouches(&note, 9) && !anew.needs_revoked(&note, 9));
        let text = link(&anew, &[d, e], &[(c, 7)]).to_text();
        let anew = anew.admit(&signed(&text, &[d, e])).unwrap();
        assert!(anew.needs_revoked(&note, 9) && !anew.needs_revoked(&note, 6));
    }

    #[test]
    fn a_file_says_where_a_note_is_broken() {
        let people = people();
        let [a, b, ..] = &people[..] else { return };
        let chain = start(&people);
        let one = write_chain(&[signed(&link(&chain, &[a, b], &[]).to_text(), &[a, b])]);
        let lines = one.lines().count();
        let says = |text: &str| parse_chain(text.as_bytes()).unwrap_err().to_string();
        let (next, unsigned) = (
            lines + 1,
            "the note is not signed: an empty line and a signature",
        );
        assert!(says("").starts_with(&format!("link 1 (from line 1 of the file): {unsigned}")));
        let cut = format!("{one}wardline-keys/v1\nlist: example\n");
        assert!(says(&cut).starts_with(&format!(
            "link 2 (from line {next} of the file): {unsigned}"
        )));
        assert!(says(&format!("{one}\n{one}")).contains("link 1 (from line 1 of the file): "));
        assert_eq!(
            parse_chain(&vec![b'a'; CHAIN_OCTETS_MAX + 1]),
            Err(ChainFault::Large)
        );
        assert_eq!(
            parse_chain(one.repeat(CHAIN_LINKS_MAX + 1).as_bytes()),
            Err(ChainFault::Large)
        );
        assert_eq!(
            parse_chain(one.repeat(CHAIN_LINKS_MAX).as_bytes()).map(|notes| notes.len()),
            Ok(CHAIN_LINKS_MAX)
        );
    }

    proptest! {
        #[test]
        fn written_chains_are_read_again(
            numbers in proptest::collection::vec((2..1_u64 << 53, 1..1_u64 << 53), 1..5),
        ) {
            let people = people();
            let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| &people[at]);
            let mut notes = Vec::new();
            for (number, from_serial) in numbers {
                let mut link = link(&start(&people), &[a, b, c], &[(d, from_serial)]);
                (link.number, link.origin) = (number, LinkOrigin::Previous(link.hash()));
                let read = KeyLink::parse(&link.to_text());
                prop_assert_eq!(read.as_ref(), Ok(&link));
                notes.push(signed(&link.to_text(), &[a, e]));
            }
            let text = write_chain(&notes);
            let read = parse_chain(text.as_bytes()).unwrap();
            prop_assert_eq!(write_chain(&read), text);
            prop_assert_eq!(read, notes);
        }

        /// Whoever signs, a chain moves only by both quorums.
        #[test]
        fn both_quorums_or_nothing(
            signers: [bool; 5],
            new: [bool; 5],
            revoked in 0_usize..6,
            threshold in 1_usize..4,
        ) {
            let people = people();
            let chain = start(&people);
            let chosen = |who: [bool; 5]| -> Vec<&SigningKey> {
                people.iter().zip(who).filter(|(_, is)| *is).map(|(key, _)| key).collect()
            };
            let gone = people.get(revoked);
            let is_gone = |key: &SigningKey| gone.is_some_and(|gone| gone.name() == key.name());
            let keys = chosen(new).into_iter().filter(|key| !is_gone(key));
            let keys: Vec<&SigningKey> = keys.collect();
            let gone: Vec<(&SigningKey, u64)> = gone.map(|key| (key, 3)).into_iter().collect();
            prop_assume!(threshold <= keys.len());
            let mut link = link(&chain, &keys, &gone);
            link.threshold = threshold;
            let note = signed(&link.to_text(), &chosen(signers));
            let signs = |key: &SigningKey| {
                chosen(signers).iter().any(|signer| signer.name() == key.name())
            };
            let of_old = signers[..3].iter().enumerate();
            let old = of_old.filter(|(at, is)| **is && *at != revoked).count();
            let fresh = keys.iter().filter(|key| signs(key)).count();
            prop_assert_eq!(chain.admit(&note).is_ok(), old >= 2 && fresh >= threshold);
        }

        #[test]
        fn any_octets_are_a_chain_or_refused(octets: Vec<u8>) {
            let _ = parse_chain(&octets);
        }
    }
}
