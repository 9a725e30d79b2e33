//! Signed zones in memory, and the validator asked about them as it asks the iterator.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, NSEC, NSEC3, RRSIG};
use hickory_proto::dnssec::{
    Algorithm, DigestType, Nsec3HashAlgorithm, PublicKeyBuf, SigningKey, TBS,
};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{A, CNAME, NULL, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use super::keys::now_s;
use super::nsec3::{Hash, Parameters};
use super::verdict::{Insecurity, Security};
use super::{Anchors, Settings, TrustAnchors, Validator};
use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::rrset::{Ask, Cut, RrSet, Said};

pub(super) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

pub(super) fn set(owner: &str, data: Vec<RData>) -> RrSet {
    let records: Vec<Record> = data
        .into_iter()
        .map(|data| Record::from_rdata(name(owner), 300, data))
        .collect();
    RrSet {
        name: name(owner),
        rtype: records[0].record_type(),
        ttl_s: 300,
        records,
        signatures: Vec::new(),
    }
}

pub(super) fn address(last: u8) -> RData {
    RData::A(A::new(192, 0, 2, last))
}

pub(super) fn nsec(owner: &str, next: &str, types: &[RecordType]) -> RrSet {
    set(
        owner,
        vec![RData::DNSSEC(DNSSECRData::NSEC(NSEC::new(
            name(next),
            types.iter().copied(),
        )))],
    )
}

pub(super) fn soa(zone: &str) -> RrSet {
    set(
        zone,
        vec![RData::SOA(SOA::new(
            name("ns.test."),
            name("root.test."),
            1,
            3600,
            600,
            86_400,
            60,
        ))],
    )
}

/// A zone's one key.
pub(super) struct Signer {
    zone: Name,
    key: Ed25519SigningKey,
    pkcs8: Vec<u8>,
    pub(super) dnskey: DNSKEY,
}

impl Signer {
    pub(super) fn new(zone: &str) -> Self {
        let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
        let key = Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap();
        let dnskey = DNSKEY::with_flags(257, key.to_public_key().unwrap());
        Self {
            zone: name(zone),
            key,
            pkcs8: pkcs8.secret_pkcs8_der().to_vec(),
            dnskey,
        }
    }

    /// The same key, which says that it is revoked (RFC 5011 section 2.1).
    pub(super) fn revoked(&self) -> Self {
        let key = Ed25519SigningKey::from_pkcs8(&self.pkcs8.as_slice().into()).unwrap();
        let dnskey = DNSKEY::with_flags(257 | 0x80, key.to_public_key().unwrap());
        Self {
            zone: self.zone.clone(),
            key,
            pkcs8: self.pkcs8.clone(),
            dnskey,
        }
    }

    pub(super) fn ds(&self, kind: DigestType) -> DS {
        let digest = self.dnskey.to_digest(&self.zone, kind).unwrap();
        DS::new(
            self.dnskey.calculate_key_tag().unwrap(),
            Algorithm::ED25519,
            kind,
            digest.as_ref().to_vec(),
        )
    }

    pub(super) fn ds_set(&self) -> RrSet {
        set(
            &self.zone.to_ascii(),
            vec![RData::DNSSEC(DNSSECRData::DS(self.ds(DigestType::SHA256)))],
        )
    }

    pub(super) fn keys(&self) -> RrSet {
        self.sign(set(
            &self.zone.to_ascii(),
            vec![RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey.clone()))],
        ))
    }

    pub(super) fn sign(&self, set: RrSet) -> RrSet {
        self.sign_as(set, |_| {})
    }

    /// Sign with a signature that differs from the right one in what `change` does.
    pub(super) fn sign_as(&self, mut set: RrSet, change: impl FnOnce(&mut SigInput)) -> RrSet {
        let mut input = SigInput {
            type_covered: set.rtype,
            algorithm: Algorithm::ED25519,
            num_labels: set.name.num_labels(),
            original_ttl: set.ttl_s,
            sig_expiration: SerialNumber::new(now_s().wrapping_add(3600)),
            sig_inception: SerialNumber::new(now_s().wrapping_sub(3600)),
            key_tag: self.dnskey.calculate_key_tag().unwrap(),
            signer_name: self.zone.clone(),
        };
        change(&mut input);
        let signature = TBS::from_input(&set.name, DNSClass::IN, &input, set.records.iter())
            .map(|tbs| self.key.sign(&tbs).unwrap());
        let signature = RRSIG::from_sig(input, signature.unwrap_or_else(|_| vec![0; 64]));
        set.signatures.push(Record::from_rdata(
            set.name.clone(),
            set.ttl_s,
            RData::DNSSEC(DNSSECRData::RRSIG(signature)),
        ));
        set
    }
}

pub(super) fn spoil(mut set: RrSet) -> RrSet {
    let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &set.signatures[0].data else {
        panic!("a signature")
    };
    let mut octets = signature.sig().to_vec();
    octets[10] ^= 1;
    let spoilt = RRSIG::from_sig(signature.input().clone(), octets);
    set.signatures[0].data = RData::DNSSEC(DNSSECRData::RRSIG(spoilt));
    set
}

pub(super) fn budget() -> Budget {
    Budget::new(Duration::from_secs(4))
}

/// Two servers of every zone; the second says the same as the first unless told otherwise.
#[derive(Default)]
pub(super) struct World {
    /// As with a forwarder: nobody tells of delegations.
    tells_nothing: bool,
    said: BTreeMap<(Name, u16, usize), Said>,
    asked: AtomicUsize,
}

impl World {
    pub(super) fn says(
        &mut self,
        owner: &str,
        rtype: RecordType,
        answer: &[RrSet],
        authority: &[RrSet],
    ) {
        self.both(owner, rtype, ResponseCode::NoError, answer, authority);
    }

    pub(super) fn denies(&mut self, owner: &str, rtype: RecordType, authority: &[RrSet]) {
        self.both(owner, rtype, ResponseCode::NXDomain, &[], authority);
    }

    fn both(
        &mut self,
        owner: &str,
        rtype: RecordType,
        rcode: ResponseCode,
        answer: &[RrSet],
        authority: &[RrSet],
    ) {
        for server in 0..2 {
            self.one(
                server,
                owner,
                rtype,
                rcode,
                answer.to_vec(),
                authority.to_vec(),
            );
        }
    }

    pub(super) fn one(
        &mut self,
        server: usize,
        owner: &str,
        rtype: RecordType,
        rcode: ResponseCode,
        answer: Vec<RrSet>,
        authority: Vec<RrSet>,
    ) {
        let from = Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, server as u8 + 1)));
        let zone = self.zone_of(&name(owner), rtype);
        let said = Said {
            rcode,
            answer,
            authority,
            servers: Vec::new(),
            contradicts: false,
            blocked: None,
            zone,
            from,
            age_s: 0,
            authoritative: true,
        };
        self.said.insert((name(owner), rtype.into(), server), said);
    }

    /// All zones are known as soon as they have a DNSKEY set.
    fn zone_of(&self, owner: &Name, rtype: RecordType) -> Name {
        if self.tells_nothing {
            return Name::root();
        }
        let mut zone = if rtype == RecordType::DS && !owner.is_root() {
            owner.base_name()
        } else {
            owner.clone()
        };
        while !zone.is_root()
            && !self
                .said
                .contains_key(&(zone.clone(), RecordType::DNSKEY.into(), 0))
        {
            zone = zone.base_name();
        }
        zone
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Ask for World {
    async fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        avoid: &[IpAddr],
        _: &Budget,
    ) -> Result<Arc<Said>, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let said = (0..2).filter_map(|server| self.said.get(&(name.clone(), rtype.into(), server)));
        let said = said
            .into_iter()
            .find(|said| !avoid.contains(&said.from.unwrap()));
        said.map(|said| Arc::new(said.clone()))
            .ok_or(Failure::Unreachable)
    }

    async fn cut(
        &self,
        zone: &Name,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Cut>, Failure> {
        let said = self.ask(zone, RecordType::DS, avoid, budget).await?;
        let ds = said
            .answer
            .iter()
            .find(|set| set.rtype == RecordType::DS)
            .cloned();
        Ok(Arc::new(Cut {
            child: zone.clone(),
            parent: said.zone.clone(),
            ds,
            denial: said.authority.clone(),
            from: said.from,
        }))
    }

    fn apex(&self, name: &Name) -> Name {
        self.zone_of(name, RecordType::A)
    }
}

/// The root and `test.` are signed, `plain.test.` is not.
struct Signed {
    world: World,
    root: Signer,
    test: Signer,
}

impl Signed {
    fn new() -> Self {
        let (root, test) = (Signer::new("."), Signer::new("test."));
        let mut world = World::default();
        world.says(".", RecordType::DNSKEY, &[root.keys()], &[]);
        world.says("test.", RecordType::DS, &[root.sign(test.ds_set())], &[]);
        world.says("test.", RecordType::DNSKEY, &[test.keys()], &[]);
        let plain = test.sign(nsec(
            "plain.test.",
            "www.test.",
            &[RecordType::NS, RecordType::RRSIG, RecordType::NSEC],
        ));
        world.says(
            "plain.test.",
            RecordType::DS,
            &[],
            &[test.sign(soa("test.")), plain],
        );
        world.says(
            "plain.test.",
            RecordType::DNSKEY,
            &[],
            &[soa("plain.test.")],
        );
        let own = test.sign(nsec(
            "www.test.",
            "test.",
            &[RecordType::A, RecordType::RRSIG, RecordType::NSEC],
        ));
        world.says(
            "www.test.",
            RecordType::DS,
            &[],
            &[test.sign(soa("test.")), own],
        );
        world.says(
            "www.test.",
            RecordType::A,
            &[test.sign(set("www.test.", vec![address(1)]))],
            &[],
        );
        world.says(
            "www.plain.test.",
            RecordType::A,
            &[set("www.plain.test.", vec![address(2)])],
            &[],
        );
        Self { world, root, test }
    }

    fn validator(&self) -> Validator {
        self.validator_with(&[])
    }

    fn validator_with(&self, negative: &[Name]) -> Validator {
        let anchor = format!(". DNSKEY {}", self.root.dnskey);
        let anchors = Anchors::read(&[anchor], negative).unwrap();
        Validator::new(Settings {
            anchors: Arc::new(TrustAnchors::fixed(anchors)),
            boundaries: Vec::new(),
            sha1: false,
            aggressive: true,
            memory_octets_max: 1 << 20,
        })
    }

    async fn verdict(&self, owner: &str, rtype: RecordType) -> Result<Security, Failure> {
        self.validator()
            .ask(&self.world, &name(owner), rtype, &budget())
            .await
            .map(|judged| judged.verdict)
    }
}

const A_TYPE: RecordType = RecordType::A;

#[tokio::test]
async fn a_chain_of_trust_leads_to_secure_and_to_insecure() {
    let mut zones = Signed::new();
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Ok(Security::Secure)
    );
    assert_eq!(
        zones.verdict("www.plain.test.", A_TYPE).await,
        Ok(Security::Insecure(Insecurity::Unsigned))
    );
    assert_eq!(
        zones.verdict("plain.test.", RecordType::DS).await,
        Ok(Security::Secure)
    );
    // The servers of test. answer for a zone below it that nobody has told of.
    zones.world.says(
        "below.plain.test.",
        A_TYPE,
        &[set("below.plain.test.", vec![address(3)])],
        &[],
    );
    assert_eq!(
        zones.verdict("below.plain.test.", A_TYPE).await,
        Ok(Security::Insecure(Insecurity::Unsigned))
    );
    let negative = zones
        .validator_with(&[name("test.")])
        .ask(&zones.world, &name("www.test."), A_TYPE, &budget())
        .await
        .unwrap();
    let why = Insecurity::NegativeAnchor;
    assert_eq!(negative.verdict, Security::Insecure(why));
}

#[tokio::test]
async fn signatures_that_do_not_hold_are_told_apart() {
    let mut zones = Signed::new();
    let plain = || set("www.test.", vec![address(1)]);
    let shift = |by: i32| SerialNumber::new(now_s().wrapping_add_signed(by));
    let cases = [
        (plain(), Failure::Unsigned),
        (spoil(zones.test.sign(plain())), Failure::Bogus),
        (
            zones
                .root
                .sign_as(plain(), |input| input.signer_name = name("test.")),
            Failure::Bogus,
        ),
        (
            zones
                .test
                .sign_as(plain(), |input| input.sig_expiration = shift(-60)),
            Failure::Expired,
        ),
        (
            zones
                .test
                .sign_as(plain(), |input| input.sig_inception = shift(60)),
            Failure::NotYetValid,
        ),
        (
            zones.test.sign_as(plain(), |input| input.num_labels = 3),
            Failure::Bogus,
        ),
        (
            zones.test.sign_as(plain(), |input| input.key_tag ^= 1),
            Failure::Bogus,
        ),
        (
            zones
                .test
                .sign_as(plain(), |input| input.signer_name = name("www.example.")),
            Failure::Unsigned,
        ),
        (
            zones
                .test
                .sign_as(plain(), |input| input.type_covered = RecordType::AAAA),
            Failure::Unsigned,
        ),
        // A wildcard made it, as the signature has it, and nothing says that it may.
        (
            zones.test.sign_as(plain(), |input| input.num_labels = 1),
            Failure::Unproven,
        ),
    ];
    for (at, (set, expected)) in cases.into_iter().enumerate() {
        zones.world.says("www.test.", A_TYPE, &[set], &[]);
        assert_eq!(
            zones.verdict("www.test.", A_TYPE).await,
            Err(expected),
            "case {at}"
        );
    }
}

#[tokio::test]
async fn another_server_is_asked_after_a_bogus_one() {
    let mut zones = Signed::new();
    let good = zones.test.sign(set("www.test.", vec![address(1)]));
    zones.world.one(
        0,
        "www.test.",
        A_TYPE,
        ResponseCode::NoError,
        vec![spoil(good)],
        vec![],
    );
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Ok(Security::Secure)
    );
    let bad_keys = spoil(zones.test.keys());
    zones.world.one(
        0,
        "test.",
        RecordType::DNSKEY,
        ResponseCode::NoError,
        vec![bad_keys.clone()],
        vec![],
    );
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Ok(Security::Secure)
    );
    zones.world.one(
        1,
        "test.",
        RecordType::DNSKEY,
        ResponseCode::NoError,
        vec![bad_keys],
        vec![],
    );
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Err(Failure::Bogus)
    );
    let other = Signer::new("test.");
    zones
        .world
        .says("test.", RecordType::DNSKEY, &[other.keys()], &[]);
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Err(Failure::KeyMissing)
    );
}

#[tokio::test]
async fn what_we_do_not_know_is_insecure() {
    let mut zones = Signed::new();
    let digest = zones.test.ds(DigestType::SHA256);
    let ds = |algorithm: u8, kind: u8| {
        DS::new(
            digest.key_tag(),
            Algorithm::from_u8(algorithm),
            DigestType::from(kind),
            digest.digest().to_vec(),
        )
    };
    for (algorithm, kind, expected) in [
        (253, 2, Ok(Security::Insecure(Insecurity::Algorithm))),
        (5, 2, Ok(Security::Insecure(Insecurity::Algorithm))),
        (15, 99, Ok(Security::Insecure(Insecurity::Digest))),
        (15, 1, Ok(Security::Insecure(Insecurity::Digest))),
        (15, 2, Ok(Security::Secure)),
        (13, 2, Err(Failure::KeyMissing)),
    ] {
        let delegation = set(
            "test.",
            vec![RData::DNSSEC(DNSSECRData::DS(ds(algorithm, kind)))],
        );
        zones
            .world
            .says("test.", RecordType::DS, &[zones.root.sign(delegation)], &[]);
        assert_eq!(
            zones.verdict("www.test.", A_TYPE).await,
            expected,
            "{algorithm} {kind}"
        );
    }
}

#[tokio::test]
async fn absence_needs_proof_and_proofs_are_used_again() {
    let mut zones = Signed::new();
    let apex = zones.test.sign(nsec(
        "test.",
        "plain.test.",
        &[RecordType::NS, RecordType::SOA, RecordType::DNSKEY],
    ));
    let start = zones.test.sign(soa("test."));
    zones
        .world
        .denies("new.test.", A_TYPE, &[start.clone(), apex.clone()]);
    assert_eq!(
        zones.verdict("new.test.", A_TYPE).await,
        Ok(Security::Secure)
    );
    zones
        .world
        .denies("new.test.", A_TYPE, std::slice::from_ref(&start));
    assert_eq!(
        zones.verdict("new.test.", A_TYPE).await,
        Err(Failure::Unproven)
    );
    zones.world.denies("new.test.", A_TYPE, &[soa("test.")]);
    zones.world.says("new.test.", RecordType::DS, &[], &[]);
    assert_eq!(
        zones.verdict("new.test.", A_TYPE).await,
        Err(Failure::Unsigned)
    );
    zones.world.denies("new.test.", A_TYPE, &[start, apex]);
    let validator = zones.validator();
    let ask = async |owner: &str| {
        validator
            .ask(&zones.world, &name(owner), A_TYPE, &budget())
            .await
            .map(|judged| judged.said)
    };
    assert_eq!(ask("new.test.").await.unwrap().authority.len(), 2);
    let before = zones.world.asked();
    for random in ["any.test.", "b.c.d.test.", "a.test."] {
        let said = ask(random).await.unwrap();
        assert_eq!(
            (
                said.rcode,
                said.authority[0].ttl_s <= 60,
                zones.world.asked()
            ),
            (ResponseCode::NXDomain, true, before),
            "{random}"
        );
    }
    // Outside of the gap nothing is known.
    assert_eq!(ask("x.test.").await.err(), Some(Failure::Unreachable));
}

#[tokio::test]
async fn a_wildcard_answers_again_without_being_asked() {
    let mut zones = Signed::new();
    let made = |owner: &str| {
        zones.test.sign_as(
            set(owner, vec![RData::CNAME(CNAME(name("www.test.")))]),
            |input| input.num_labels = 1,
        )
    };
    let gap = zones.test.sign(nsec(
        "*.test.",
        "plain.test.",
        &[RecordType::CNAME, RecordType::RRSIG, RecordType::NSEC],
    ));
    let answer = made("one.test.");
    zones.world.says("one.test.", A_TYPE, &[answer], &[gap]);
    let validator = zones.validator();
    let ask = async |owner: &str| {
        validator
            .ask(&zones.world, &name(owner), A_TYPE, &budget())
            .await
    };
    let judged = ask("one.test.").await.unwrap();
    assert_eq!(
        (judged.verdict, judged.said.authority.len()),
        (Security::Secure, 1)
    );
    let before = zones.world.asked();
    let judged = ask("a.b.test.").await.unwrap();
    assert_eq!(
        (
            judged.verdict,
            &judged.said.answer[0].name,
            zones.world.asked()
        ),
        (Security::Secure, &name("a.b.test."), before)
    );
    assert_eq!(ask("two.test.").await.err(), Some(Failure::Unreachable));
}

#[tokio::test]
async fn many_signatures_that_do_not_hold_cost_no_more_than_is_allowed() {
    let mut zones = Signed::new();
    let mut answer = set("www.test.", vec![address(1)]);
    for _ in 0..40 {
        answer = zones.test.sign(answer);
    }
    let mut spoilt = answer.clone();
    for signature in &mut spoilt.signatures {
        let mut single = RrSet {
            signatures: vec![signature.clone()],
            ..answer.clone()
        };
        single = spoil(single);
        *signature = single.signatures.remove(0);
    }
    zones.world.says("www.test.", A_TYPE, &[spoilt], &[]);
    let budget = budget();
    let failure = zones
        .validator()
        .ask(&zones.world, &name("www.test."), A_TYPE, &budget)
        .await
        .err();
    // Eight of them are looked at with each of two servers, and then the question has failed too
    // often.
    assert_eq!(failure, Some(Failure::Bogus));
    assert_eq!(budget.note_failed_check(), Err(Failure::TooMuchWork));
}

#[tokio::test]
async fn times_to_live_are_cut_to_what_was_signed() {
    let mut zones = Signed::new();
    let plain = || set("www.test.", vec![address(1)]);
    for (original_ttl, left_s, expected) in [(300, 3600, 300), (100, 3600, 100), (300, 50, 50)] {
        let signed = zones.test.sign_as(plain(), |input| {
            input.original_ttl = original_ttl;
            input.sig_expiration = SerialNumber::new(now_s().wrapping_add(left_s));
        });
        zones.world.says("www.test.", A_TYPE, &[signed], &[]);
        let judged = zones
            .validator()
            .ask(&zones.world, &name("www.test."), A_TYPE, &budget())
            .await
            .unwrap();
        let ttl_s = judged.said.answer[0].ttl_s;
        // The clock may have moved on by a second or two.
        assert!(
            ttl_s <= expected && ttl_s + 2 >= expected,
            "{ttl_s} {expected}"
        );
    }
}

#[tokio::test]
async fn an_insecure_zone_beside_the_name_makes_nothing_insecure() {
    let mut zones = Signed::new();
    let stranger = Signer::new("plain.test.");
    let gap = stranger.sign(nsec("a.plain.test.", "plain.test.", &[A_TYPE]));
    let start = stranger.sign(soa("plain.test."));
    zones
        .world
        .denies("www.test.", A_TYPE, &[start.clone(), gap.clone()]);
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Err(Failure::Unproven)
    );
    zones.world.denies("no.plain.test.", A_TYPE, &[start, gap]);
    assert_eq!(
        zones.verdict("no.plain.test.", A_TYPE).await,
        Ok(Security::Insecure(Insecurity::Unsigned))
    );
    let spared = zones.validator_with(&[name("plain.test.")]);
    let verdict = spared
        .ask(&zones.world, &name("www.test."), A_TYPE, &budget())
        .await
        .map(|judged| judged.verdict);
    assert_eq!(verdict, Err(Failure::Unproven));
    // Signed as a zone that is none.
    let none = Signer::new("www.test.");
    zones.world.says(
        "www.test.",
        A_TYPE,
        &[none.sign(set("www.test.", vec![address(9)]))],
        &[],
    );
    assert_eq!(
        zones.verdict("www.test.", A_TYPE).await,
        Err(Failure::Bogus)
    );
}

#[tokio::test]
async fn what_stands_above_an_anchor_cannot_answer_for_what_is_below() {
    let mut zones = Signed::new();
    let anchor = format!("test. DNSKEY {}", zones.test.dnskey);
    let anchors = Anchors::read(&[anchor], &[]).unwrap();
    let validator = Validator::new(Settings {
        anchors: Arc::new(TrustAnchors::fixed(anchors)),
        boundaries: Vec::new(),
        sha1: false,
        aggressive: true,
        memory_octets_max: 1 << 20,
    });
    let forged = |rcode, answer| Said {
        rcode,
        answer,
        authority: Vec::new(),
        servers: Vec::new(),
        contradicts: false,
        blocked: None,
        zone: Name::root(),
        from: None,
        age_s: 0,
        authoritative: true,
    };
    let answer = forged(
        ResponseCode::NoError,
        vec![set("www.test.", vec![address(9)])],
    );
    zones.world.said.insert(
        (name("www.test."), A_TYPE.into(), 0),
        Said {
            from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ..answer
        },
    );
    zones
        .world
        .said
        .remove(&(name("www.test."), A_TYPE.into(), 1));
    let verdict = async |owner: &str| {
        validator
            .ask(&zones.world, &name(owner), A_TYPE, &budget())
            .await
            .map(|judged| judged.verdict)
    };
    assert_eq!(verdict("www.test.").await, Err(Failure::Unsigned));
    assert_eq!(
        verdict("www.plain.test.").await,
        Ok(Security::Insecure(Insecurity::Unsigned))
    );
}

/// An island below an unsigned parent: what its anchor vouches for is not denied by anybody above
/// (CVE-2026-50106, CVE-2026-35501).
#[tokio::test]
async fn nobody_above_denies_what_an_island_s_anchor_vouches_for() {
    let mut zones = Signed::new();
    let island = Signer::new("island.plain.test.");
    let anchors = Anchors::read(
        &[
            format!(". DNSKEY {}", zones.root.dnskey),
            format!("island.plain.test. DNSKEY {}", island.dnskey),
        ],
        &[],
    );
    let validator = Validator::new(Settings {
        anchors: Arc::new(TrustAnchors::fixed(anchors.unwrap())),
        boundaries: Vec::new(),
        sha1: false,
        aggressive: true,
        memory_octets_max: 1 << 20,
    });
    let (owner, apex) = ("www.island.plain.test.", "island.plain.test.");
    let world = &mut zones.world;
    world.says(apex, RecordType::DNSKEY, &[island.keys()], &[]);
    let own = island.sign(nsec(owner, apex, &[A_TYPE]));
    world.says(owner, RecordType::DS, &[], &[island.sign(soa(apex)), own]);
    let gap = || nsec(apex, "zz.island.plain.test.", &[RecordType::NS]);
    let as_parent =
        |set: RrSet| island.sign_as(set, |input| input.signer_name = name("plain.test."));
    for (zone, authority) in [
        (".", vec![]),
        (".", vec![soa("plain.test."), gap()]),
        ("plain.test.", vec![soa("plain.test."), gap()]),
        (
            "plain.test.",
            vec![as_parent(soa("plain.test.")), as_parent(gap())],
        ),
        (apex, vec![soa(apex), gap()]),
    ] {
        for rcode in [ResponseCode::NXDomain, ResponseCode::NoError] {
            let forged = Said {
                rcode,
                answer: Vec::new(),
                authority: authority.clone(),
                servers: Vec::new(),
                contradicts: false,
                blocked: None,
                zone: name(zone),
                from: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
                age_s: 0,
                authoritative: true,
            };
            let key = (name(owner), A_TYPE.into(), 0);
            world.said.insert(key, forged);
            let judged = validator.ask(world, &name(owner), A_TYPE, &budget()).await;
            let failure = judged.map(|judged| judged.verdict).unwrap_err();
            assert!(failure.is_bogus(), "{zone} {rcode}: {failure:?}");
        }
    }
}

/// Below `test.` a signed `c.test.`, and below that an unsigned `grand.c.test.`, of which
/// `c.test.` says nothing.
fn grandchildren(tells_nothing: bool) -> (Signed, Signer, Signer) {
    let mut zones = Signed::new();
    let (child, grandchild) = (Signer::new("c.test."), Signer::new("grand.c.test."));
    let world = &mut zones.world;
    world.tells_nothing = tells_nothing;
    world.says(
        "c.test.",
        RecordType::DS,
        &[zones.test.sign(child.ds_set())],
        &[],
    );
    world.says("c.test.", RecordType::DNSKEY, &[child.keys()], &[]);
    world.says(
        "grand.c.test.",
        RecordType::DNSKEY,
        &[grandchild.keys()],
        &[],
    );
    let own = child.sign(nsec("x.c.test.", "c.test.", &[A_TYPE]));
    world.says("x.c.test.", RecordType::DS, &[], &[own]);
    world.says(
        "www.grand.c.test.",
        A_TYPE,
        &[set("www.grand.c.test.", vec![address(7)])],
        &[],
    );
    (zones, child, grandchild)
}

/// That `grand.c.test.` has no DS, as this zone says it.
fn no_ds_of_grandchild(signer: &Signer, zone: &str) -> [RrSet; 2] {
    let next = format!("x.{zone}");
    let denial = nsec("grand.c.test.", &next, &[RecordType::NS]);
    [signer.sign(soa(zone)), signer.sign(denial)]
}

/// Who signed `c.test.`'s delegation has no say about what stands below it (RFC 4035 section 5.2).
#[tokio::test]
async fn a_grandparent_says_nothing_of_the_ds_below_its_child() {
    for tells_nothing in [false, true] {
        let (mut zones, child, grandchild) = grandchildren(tells_nothing);
        zones.world.says(
            "grand.c.test.",
            RecordType::DS,
            &[],
            &no_ds_of_grandchild(&zones.test, "test."),
        );
        // What is wrong is found on the way up, or on the way down.
        let fault = if tells_nothing {
            Failure::Unsigned
        } else {
            Failure::Unproven
        };
        assert_eq!(zones.verdict("www.grand.c.test.", A_TYPE).await, Err(fault));
        let validator = zones.validator();
        let ask = async |world: &World, owner: &str, rtype| {
            let judged = validator.ask(world, &name(owner), rtype, &budget()).await;
            judged.map(|judged| judged.verdict)
        };
        // By asking for its keys the child is known, whoever speaks.
        zones.world.says(
            "x.c.test.",
            A_TYPE,
            &[child.sign(set("x.c.test.", vec![address(8)]))],
            &[],
        );
        assert_eq!(
            ask(&zones.world, "x.c.test.", A_TYPE).await,
            Ok(Security::Secure)
        );
        assert_eq!(
            ask(&zones.world, "grand.c.test.", RecordType::DS).await,
            Err(Failure::Unproven)
        );
        // DS records of the grandparent's are none either.
        let ds = zones.test.sign(grandchild.ds_set());
        zones
            .world
            .says("grand.c.test.", RecordType::DS, &[ds], &[]);
        let signed = grandchild.sign(set("www.grand.c.test.", vec![address(7)]));
        zones
            .world
            .says("www.grand.c.test.", A_TYPE, &[signed], &[]);
        assert_eq!(
            ask(&zones.world, "www.grand.c.test.", A_TYPE).await,
            Err(Failure::Unsigned)
        );
        // The parent's count, both ways.
        let ds = child.sign(grandchild.ds_set());
        zones
            .world
            .says("grand.c.test.", RecordType::DS, &[ds], &[]);
        assert_eq!(
            ask(&zones.world, "www.grand.c.test.", A_TYPE).await,
            Ok(Security::Secure)
        );
        zones.world.says(
            "grand.c.test.",
            RecordType::DS,
            &[],
            &no_ds_of_grandchild(&child, "c.test."),
        );
        zones.world.says(
            "www.grand.c.test.",
            A_TYPE,
            &[set("www.grand.c.test.", vec![address(7)])],
            &[],
        );
        assert_eq!(
            zones.verdict("www.grand.c.test.", A_TYPE).await,
            Ok(Security::Insecure(Insecurity::Unsigned))
        );
    }
}

/// A client may ask for DS itself, of an upstream that tells of no delegations, before anything is
/// known of the zones between: the parent is found by what is proven then, too.
#[tokio::test]
async fn a_grandparent_s_denial_of_ds_is_not_believed_from_an_upstream_either() {
    let owner = "grand.c.test.";
    let (mut zones, child, grandchild) = grandchildren(true);
    let denial = nsec(owner, "x.c.test.", &[RecordType::NS]);
    let by = |signer: &Signer, zone| vec![signer.sign(soa(zone)), signer.sign(denial.clone())];
    for (answer, authority, verdict) in [
        (vec![], by(&zones.test, "test."), Err(Failure::Unproven)),
        (
            vec![zones.test.sign(grandchild.ds_set())],
            vec![],
            Err(Failure::Unsigned),
        ),
        (vec![], by(&child, "c.test."), Ok(Security::Secure)),
        (
            vec![child.sign(grandchild.ds_set())],
            vec![],
            Ok(Security::Secure),
        ),
    ] {
        zones.world.says(owner, RecordType::DS, &answer, &authority);
        assert_eq!(zones.verdict(owner, RecordType::DS).await, verdict);
    }
    // Nor on the way down to the zone that is denied.
    let signed = grandchild.sign(set("www.grand.c.test.", vec![address(7)]));
    zones
        .world
        .says("www.grand.c.test.", A_TYPE, &[signed], &[]);
    let forged = by(&zones.test, "test.");
    zones.world.says(owner, RecordType::DS, &[], &forged);
    assert_eq!(
        zones.verdict("www.grand.c.test.", A_TYPE).await,
        Err(Failure::Unproven)
    );
}

/// Labels without a zone between the signer and a name, as in `ip6.arpa`: each is asked about once.
#[tokio::test]
async fn the_way_down_to_a_deep_name_is_walked_once() {
    let (mut zones, child, _) = grandchildren(true);
    let owner = "a.b.d.e.f.g.h.c.test.";
    let nothing = nsec("c.test.", owner, &[RecordType::NS, RecordType::SOA]);
    let mut above = name(owner).base_name();
    while above != name("c.test.") {
        let said = [child.sign(soa("c.test.")), child.sign(nothing.clone())];
        zones
            .world
            .says(&above.to_ascii(), RecordType::DS, &[], &said);
        above = above.base_name();
    }
    let denial = nsec(owner, "c.test.", &[RecordType::NS]);
    let said = [child.sign(soa("c.test.")), child.sign(denial)];
    zones.world.says(owner, RecordType::DS, &[], &said);
    let verdict = zones.verdict(owner, RecordType::DS).await;
    assert_eq!(verdict, Ok(Security::Secure));
    let asked = zones.world.asked();
    assert!(asked <= 16, "{asked} questions");
}

/// An NSEC3 at the apex of `test.` that leaves out all unsigned delegations.
fn opt_out_of_test() -> RrSet {
    let parameters = Parameters {
        iterations: 0,
        salt: Vec::new(),
    };
    let apex: Hash = parameters.hash(&name("test."), &budget()).unwrap();
    let label = data_encoding::BASE32HEX_NOPAD.encode(&apex).to_lowercase();
    let (salt, next, types) = (Vec::new(), apex.to_vec(), [RecordType::SOA]);
    let data = NSEC3::new(Nsec3HashAlgorithm::SHA1, true, 0, salt, next, types);
    set(
        &format!("{label}.test."),
        vec![RData::DNSSEC(DNSSECRData::NSEC3(data))],
    )
}

/// Nor about names, whatever it says of them: wildcards, DNAMEs, denials with opt-out.
#[tokio::test]
async fn a_grandparent_says_nothing_of_names_below_its_child() {
    const OWNER: &str = "x.c.test.";
    for tells_nothing in [false, true] {
        let (mut zones, child, _) = grandchildren(tells_nothing);
        let validator = zones.validator();
        let verdict = async |world: &World| {
            let judged = validator.ask(world, &name(OWNER), A_TYPE, &budget()).await;
            judged.map(|judged| judged.verdict)
        };
        let own = child.sign(set(OWNER, vec![address(8)]));
        zones.world.says(OWNER, A_TYPE, &[own], &[]);
        assert_eq!(verdict(&zones.world).await, Ok(Security::Secure));
        let test = &zones.test;
        let forged = || set(OWNER, vec![address(9)]);
        let gap = test.sign(nsec("b.test.", "d.test.", &[A_TYPE]));
        let wildcard = test.sign_as(forged(), |input| input.num_labels = 1);
        let dname = test.sign(set(
            "test.",
            vec![RData::Unknown {
                code: RecordType::DNAME,
                rdata: NULL::with(vec![5, b'o', b't', b'h', b'e', b'r', 0]),
            }],
        ));
        let alias = set(OWNER, vec![RData::CNAME(CNAME(name("x.c.other.")))]);
        for (kind, answer) in [
            ("a wildcard", vec![wildcard]),
            ("the name itself", vec![test.sign(forged())]),
            ("a DNAME", vec![dname, alias]),
        ] {
            let proof = std::slice::from_ref(&gap);
            zones.world.says(OWNER, A_TYPE, &answer, proof);
            assert_eq!(
                verdict(&zones.world).await,
                Err(Failure::Unsigned),
                "{kind}"
            );
        }
        let start = test.sign(soa("test."));
        let first = test.sign(nsec("test.", "b.test.", &[RecordType::SOA]));
        for denial in [
            vec![start.clone(), first, gap],
            vec![start, test.sign(opt_out_of_test())],
        ] {
            zones.world.denies(OWNER, A_TYPE, &denial);
            assert_eq!(verdict(&zones.world).await, Err(Failure::Unproven));
        }
    }
}

/// What stands in an unsigned zone is insecure, whoever above it has signed the like.
#[tokio::test]
async fn a_signature_from_above_makes_nothing_secure_in_an_unsigned_zone() {
    let mut zones = Signed::new();
    let signed = zones.test.sign(set("www.plain.test.", vec![address(9)]));
    zones.world.says("www.plain.test.", A_TYPE, &[signed], &[]);
    let gap = zones
        .test
        .sign(nsec("a.plain.test.", "www.test.", &[A_TYPE]));
    zones.world.denies(
        "no.plain.test.",
        A_TYPE,
        &[zones.test.sign(soa("test.")), gap],
    );
    for owner in ["www.plain.test.", "no.plain.test."] {
        assert_eq!(
            zones.verdict(owner, A_TYPE).await,
            Ok(Security::Insecure(Insecurity::Unsigned)),
            "{owner}"
        );
    }
}

/// The NSEC at a wildcard may be asked for by a name that the wildcard stands for, and denies
/// nothing there.
#[tokio::test]
async fn the_nsec_of_a_wildcard_is_an_answer_and_no_proof() {
    let mut zones = Signed::new();
    let made = zones.test.sign_as(
        nsec("one.test.", "plain.test.", &[A_TYPE, RecordType::NSEC]),
        |input| input.num_labels = 1,
    );
    let gap = zones.test.sign(nsec("*.test.", "plain.test.", &[A_TYPE]));
    zones.world.says(
        "one.test.",
        RecordType::NSEC,
        std::slice::from_ref(&made),
        std::slice::from_ref(&gap),
    );
    assert_eq!(
        zones.verdict("one.test.", RecordType::NSEC).await,
        Ok(Security::Secure)
    );
    let start = zones.test.sign(soa("test."));
    zones
        .world
        .says("one.test.", RecordType::TXT, &[], &[start, made.clone()]);
    assert_eq!(
        zones.verdict("one.test.", RecordType::TXT).await,
        Err(Failure::Unproven)
    );
    zones.world.says("one.test.", RecordType::DS, &[], &[made]);
    zones.world.says(
        "one.test.",
        A_TYPE,
        &[set("one.test.", vec![address(4)])],
        &[],
    );
    assert_eq!(
        zones.verdict("one.test.", A_TYPE).await,
        Err(Failure::Unsigned)
    );
}

/// A zone that has an RSA key of less than 1,024 bits is insecure, and only its own keys make it
/// so.
#[tokio::test]
async fn a_zone_with_a_short_key_is_insecure() {
    let short = {
        let public = [&[3, 1, 0, 1][..], &[0xff; 64]].concat();
        let public = PublicKeyBuf::new(public, Algorithm::RSASHA256);
        RData::DNSSEC(DNSSECRData::DNSKEY(DNSKEY::with_flags(256, public)))
    };
    let mut zones = Signed::new();
    let long = RData::DNSSEC(DNSSECRData::DNSKEY(zones.test.dnskey.clone()));
    let keys = set("test.", vec![long, short]);
    let unsigned = RrSet {
        signatures: zones.test.keys().signatures,
        ..keys.clone()
    };
    for (keys, expected) in [
        (
            zones.test.sign(keys),
            Ok(Security::Insecure(Insecurity::Algorithm)),
        ),
        (unsigned, Err(Failure::Bogus)),
    ] {
        zones.world.says("test.", RecordType::DNSKEY, &[keys], &[]);
        assert_eq!(zones.verdict("www.test.", A_TYPE).await, expected);
    }
}
