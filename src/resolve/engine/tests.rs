//! The recursor against a small internet of signed, unsigned, lame, silent and hostile zones.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use hickory_proto::dnssec::crypto::Ed25519SigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, DnssecSigner, SigningKey};
use hickory_proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME};
use hickory_proto::rr::{Name as HickoryName, RData, Record, RecordType};

use super::Engine;
use crate::name::Name;
use crate::resolve::budget::Budget;
use crate::resolve::rrset::{Ask, Cut, RrSet, Said};
use crate::resolve::validate::{self, Anchors, TrustAnchors, Validator};
use crate::resolve::{Failure, Question, Resolver, Settings, StartError, recurse};

const DNAME: RecordType = RecordType::DNAME;

const SOA: &str = "@ 300 IN SOA ns.test. root.test. 1 3600 600 86400 60\n";

const ROOT: &str = "\
@        300 NS n2.
test     300 NS n2.
example  300 NS n3.
ip6.arpa 300 NS n6.
";

const TEST: &str = "\
@      300 NS n2.
good   300 NS n4.
bogus  300 NS n5.
bare   300 NS n5.
*.wild 300 A  192.0.2.9
";

const EXAMPLE: &str = "\
@     300 NS n3.
plain 300 NS n6.
lame  300 NS n7.
lame  300 NS n6.
deaf  300 NS n8.
deaf  300 NS n6.
dname 300 NS n9.
mute  300 NS n8.
evil  300 NS n9.
side  300 NS n9.
side  300 NS n6.
";

const GOOD: &str = "\
@      300 NS    n4.
www    300 A     192.0.2.1
alias  300 CNAME www
far    300 CNAME www.plain.example.
gone   300 CNAME no.good.test.
*.wild 300 A     192.0.2.2
cwild  300 CNAME a.wild
loop   300 CNAME pool
pool   300 CNAME loop
mail   300 MX    10 www
";

const BOGUS: &str = "\
@   300 NS n5.
www 300 A  192.0.2.3
";

/// Unsigned zones of n6 and of a server that serves them badly, with the address of their names.
const BESIDE_A_BAD_SERVER: [(&str, &str, &str); 3] = [
    ("lame.example.", "n7", "192.0.2.5"),
    ("deaf.example.", "n8", "192.0.2.6"),
    ("side.example.", "n9", "192.0.2.7"),
];

/// A question, with its flags | RCODE or failure, `ad` | the answers | the authority types.
const TOLD: &str = "
www.good.test A              | NoError ad  | A 192.0.2.1
www.good.test A do           | NoError ad  | A 192.0.2.1, RRSIG
www.good.test AAAA           | NoError ad  |                       | SOA
www.good.test AAAA do        | NoError ad  |                       | NSEC, RRSIG, SOA
www.good.test SOA            | NoError ad  |                       | SOA
mail.good.test MX            | NoError ad  | MX 10 www.good.test.
no.good.test A               | NXDomain ad |                       | SOA
no.test A do                 | NXDomain ad |                       | NSEC3, RRSIG, SOA
alias.good.test A            | NoError ad  | CNAME www.good.test., A 192.0.2.1
alias.good.test CNAME        | NoError ad  | CNAME www.good.test.
alias.good.test AAAA         | NoError ad  | CNAME www.good.test.  | SOA
gone.good.test A             | NXDomain ad | CNAME no.good.test.   | SOA
far.good.test A              | NoError     | CNAME www.plain.example., A 192.0.2.4
x.wild.good.test A           | NoError ad  | A 192.0.2.2
x.y.wild.good.test A do      | NoError ad  | A 192.0.2.2, RRSIG    | NSEC, RRSIG
x.wild.test A                | NoError ad  | A 192.0.2.9
cwild.good.test A            | NoError ad  | CNAME a.wild.good.test., A 192.0.2.2
loop.good.test A             | ServFail    | CNAME pool.good.test., CNAME loop.good.test.
www.bogus.test A             | KeyMissing
www.bogus.test A cd          | NoError     | A 192.0.2.3
www.bogus.test A do cd       | NoError     | A 192.0.2.3, RRSIG
# The parent has a DS, and the zone not even keys.
www.bare.test A              | KeyMissing
no.bare.test A               | KeyMissing
www.plain.example A          | NoError     | A 192.0.2.4
www.plain.example AAAA do    | NoError     |                       | SOA
no.plain.example A           | NXDomain    |                       | SOA
# The digest of a DS differs from run to run: it is not compared.
good.test DS                 | NoError ad
plain.example NS             | NoError     | NS n6.
";

/// A small internet on 127.8.N.x, all at one port; each test has its own N.
struct Internet {
    net: u8,
    port: u16,
    root_key: String,
    servers: Vec<Server<Catalog>>,
}

struct Signer {
    key: Box<dyn Fn() -> Ed25519SigningKey>,
    dnskey: DNSKEY,
}

fn signer() -> Signer {
    let pkcs8 = Ed25519SigningKey::generate_pkcs8().unwrap();
    let key = Box::new(move || Ed25519SigningKey::from_pkcs8(&pkcs8).unwrap());
    let dnskey = DNSKEY::from_key(&key().to_public_key().unwrap());
    Signer { key, dnskey }
}

fn ds(zone: &str, signer: &Signer) -> Record {
    let zone = HickoryName::from_ascii(zone).unwrap();
    let digest = signer
        .dnskey
        .to_digest(&zone, DigestType::SHA256)
        .unwrap()
        .as_ref()
        .to_vec();
    let tag = signer.dnskey.calculate_key_tag().unwrap();
    Record::from_rdata(
        zone,
        300,
        RData::DNSSEC(DNSSECRData::DS(DS::new(
            tag,
            Algorithm::ED25519,
            DigestType::SHA256,
            digest,
        ))),
    )
}

fn zone(
    origin: &str,
    text: &str,
    extra: Vec<Record>,
    signer: Option<&Signer>,
    denial: NxProofKind,
) -> InMemoryZoneHandler {
    let name = HickoryName::from_ascii(origin).unwrap();
    let (_, records) = Parser::new(format!("{SOA}{text}"), None, Some(name.clone()))
        .parse()
        .unwrap();
    let mut zone = InMemoryZoneHandler::new(
        name.clone(),
        records,
        ZoneType::Primary,
        AxfrPolicy::Deny,
        Some(denial),
    )
    .unwrap();
    for record in extra {
        zone.upsert_mut(record, 1);
    }
    if let Some(signer) = signer {
        let signer = DnssecSigner::new(
            signer.dnskey.clone(),
            Box::new((signer.key)()),
            name,
            Duration::from_secs(86_400),
        );
        zone.add_zone_signing_key_mut(signer).unwrap();
        zone.secure_zone_mut().unwrap();
    }
    zone
}

/// As many labels as an IPv6 address has in ip6.arpa, and one.
fn deep() -> String {
    "1.".repeat(32) + "deep"
}

fn signed<'a>(
    origin: &'a str,
    text: &str,
    delegations: Vec<Record>,
    signer: &Signer,
) -> (&'a str, InMemoryZoneHandler) {
    let zone = zone(origin, text, delegations, Some(signer), NxProofKind::Nsec);
    (origin, zone)
}

fn unsigned<'a>(origin: &'a str, text: &str) -> (&'a str, InMemoryZoneHandler) {
    let zone = zone(origin, text, vec![], None, NxProofKind::Nsec);
    (origin, zone)
}

impl Internet {
    async fn build(net: u8) -> Self {
        let first = UdpSocket::bind((format!("127.8.{net}.200"), 0))
            .await
            .unwrap();
        let [root, test, good, bogus, wrong] = std::array::from_fn(|_| signer());
        let mut internet = Self {
            net,
            port: first.local_addr().unwrap().port(),
            root_key: format!(". 300 IN DNSKEY {}", root.dnskey),
            servers: Vec::new(),
        };
        // All servers are named in the root: hickory's server gives no glue from below a zone cut.
        let hosts: String = (2..=9)
            .map(|last| format!("n{last} 300 A 127.8.{net}.{last}\n"))
            .collect();
        let text = format!("{ROOT}{hosts}");
        let root = signed(".", &text, vec![ds("test.", &test)], &root);
        internet.serve(1, vec![root]).await;
        let delegations = vec![
            ds("good.test.", &good),
            ds("bogus.test.", &wrong),
            ds("bare.test.", &wrong),
        ];
        let nsec3 = NxProofKind::Nsec3 {
            algorithm: Default::default(),
            salt: [].into(),
            iterations: 0,
            opt_out: false,
        };
        let test = zone("test.", TEST, delegations, Some(&test), nsec3);
        internet.serve(2, vec![("test.", test)]).await;
        internet.serve(3, vec![unsigned("example.", EXAMPLE)]).await;
        let text = format!("{GOOD}{} 300 PTR www\n", deep());
        let good = signed("good.test.", &text, vec![], &good);
        internet.serve(4, vec![good]).await;
        let bogus = signed("bogus.test.", BOGUS, vec![], &bogus);
        let bare = unsigned("bare.test.", BOGUS);
        internet.serve(5, vec![bogus, bare]).await;
        let mut plain = vec![
            unsigned("plain.example.", "@ 300 NS n6.\nwww 300 A 192.0.2.4\n"),
            unsigned("ip6.arpa.", "@ 300 NS n6.\n1.0 300 PTR www.good.test.\n"),
        ];
        for (origin, bad, address) in BESIDE_A_BAD_SERVER {
            let text = format!("@ 300 NS {bad}.\n@ 300 NS n6.\n*.n 300 A {address}\n");
            plain.push(unsigned(origin, &text));
        }
        internet.serve(6, plain).await;
        // Refuses everything: it has no zone. The server at 8 keeps silent.
        internet.serve(7, vec![]).await;
        internet.serve_dname(9).await;
        internet
    }

    fn at(&self, last: u8) -> SocketAddr {
        format!("127.8.{}.{last}:{}", self.net, self.port)
            .parse()
            .unwrap()
    }

    async fn serve(&mut self, last: u8, zones: Vec<(&str, InMemoryZoneHandler)>) {
        let mut catalog = Catalog::new();
        for (origin, zone) in zones {
            catalog.upsert(
                HickoryName::from_ascii(origin).unwrap().into(),
                vec![Arc::new(zone)],
            );
        }
        let mut server = Server::new(catalog);
        server.register_socket(UdpSocket::bind(self.at(last)).await.unwrap());
        server.register_listener(
            TcpListener::bind(self.at(last)).await.unwrap(),
            Duration::from_secs(5),
            4096,
        );
        self.servers.push(server);
        if last == 7 {
            let silent = UdpSocket::bind(self.at(8)).await.unwrap();
            tokio::spawn(async move {
                silent
                    .recv_from(&mut [0; 1])
                    .await
                    .map(|_| std::future::pending::<()>())
                    .unwrap()
                    .await
            });
        }
    }

    /// `old.dname.example` is a DNAME to `plain.example`; about `side.example` nothing is known but
    /// who serves `example`; below `evil.example` everything is delegated to a hundred servers that
    /// have to be looked for below `evil.example`.
    async fn serve_dname(&self, last: u8) {
        let socket = UdpSocket::bind(self.at(last)).await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let asked = Message::from_vec(&buffer[..length]).unwrap();
                let query = asked.queries[0].clone();
                let mut reply = Message::response(asked.metadata.id, OpCode::Query);
                reply.metadata.authoritative = true;
                if HickoryName::from_ascii("side.example.")
                    .unwrap()
                    .zone_of(query.name())
                {
                    reply.metadata.authoritative = false;
                    let servers = RData::NS(hickory_proto::rr::rdata::NS(
                        HickoryName::from_ascii("n3.").unwrap(),
                    ));
                    reply.authorities.push(Record::from_rdata(
                        HickoryName::from_ascii("example.").unwrap(),
                        300,
                        servers,
                    ));
                }
                if HickoryName::from_ascii("evil.example.")
                    .unwrap()
                    .zone_of(query.name())
                {
                    reply.metadata.authoritative = false;
                    for server in 0..100 {
                        let server = HickoryName::from_ascii(format!(
                            "n{server}.h{}.evil.example.",
                            u16::from_be_bytes([buffer[0], buffer[1]])
                        ))
                        .unwrap();
                        let server = RData::NS(hickory_proto::rr::rdata::NS(server));
                        reply.authorities.push(Record::from_rdata(
                            query.name().clone(),
                            300,
                            server,
                        ));
                    }
                }
                let old = HickoryName::from_ascii("old.dname.example.").unwrap();
                if old.zone_of(query.name()) && old != *query.name() {
                    let data =
                        hickory_proto::rr::rdata::NULL::with(b"\x05plain\x07example\x00".to_vec());
                    reply.add_answer(Record::from_rdata(
                        old,
                        300,
                        RData::Unknown {
                            code: DNAME,
                            rdata: data,
                        },
                    ));
                    let target = HickoryName::from_ascii("www.wrong.example.").unwrap();
                    reply.add_answer(Record::from_rdata(
                        query.name().clone(),
                        300,
                        RData::CNAME(CNAME(target)),
                    ));
                }
                reply.add_query(query);
                socket
                    .send_to(&reply.to_vec().unwrap(), from)
                    .await
                    .unwrap();
            }
        });
    }

    fn resolver(&self, validate: bool) -> Resolver {
        let settings = recurse::Settings {
            root_hints: Some(format!(
                ". 300 NS ns.root.test.\nns.root.test. 300 A 127.8.{}.1",
                self.net
            )),
            trust_anchors: Some(vec![self.root_key.clone()]),
            validate,
            ipv6: false,
            loopback: true,
            private: true,
            // The root zone here names no root server.
            prime: false,
            port: self.port,
            ..recurse::Settings::default()
        };
        Resolver::start(Settings {
            recurse: settings,
            forward: None,
            zones: Vec::new(),
            private_names: None,
            patience: Duration::from_secs(4),
            dns64: None,
            renumbering: Vec::new(),
        })
        .unwrap()
    }
}

/// What a reply says: RCODE, AD, answers (type and data), authority types.
#[derive(Debug, PartialEq, Eq)]
struct Told(String, bool, Vec<String>, Vec<String>);

async fn ask(
    resolver: &Resolver,
    name: &str,
    rtype: RecordType,
    flags: &str,
) -> Result<Told, Failure> {
    let question = Question {
        name: Name::parse(name).unwrap(),
        qtype: rtype.into(),
        dnssec_ok: flags.contains("do"),
        checking_disabled: flags.contains("cd"),
    };
    let fetched = resolver.fetch(&question, resolver.patience()).await?;
    assert_eq!(fetched.wire[..3], [0, 0, 0x80]);
    assert!(
        fetched.wire[12..].starts_with(question.name.as_wire()),
        "the question stands at octet 12, in full"
    );
    let message = Message::from_vec(&fetched.wire).unwrap();
    assert!(
        message.additionals.is_empty()
            && message.edns.is_none()
            && message.metadata.recursion_available
    );
    let data = |record: &Record| match record.record_type() {
        rtype @ (RecordType::RRSIG | DNAME) => rtype.to_string(),
        rtype => format!("{rtype} {}", record.data),
    };
    let mut authorities: Vec<_> = message
        .authorities
        .iter()
        .map(|record| record.record_type().to_string())
        .collect();
    authorities.sort();
    authorities.dedup();
    let (rcode, ad) = (
        format!("{:?}", message.metadata.response_code),
        message.metadata.authentic_data,
    );
    Ok(Told(
        rcode,
        ad,
        message.answers.iter().map(data).collect(),
        authorities,
    ))
}

fn told(
    rcode: &str,
    secure: bool,
    answers: &[&str],
    authorities: &[&str],
) -> Result<Told, Failure> {
    let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Ok(Told(
        rcode.to_owned(),
        secure,
        own(answers),
        own(authorities),
    ))
}

/// The last three fields of a line of `TOLD`.
fn parse_told<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<Told, Failure> {
    let outcome = fields.next().unwrap();
    if outcome == "KeyMissing" {
        return Err(Failure::KeyMissing);
    }
    let mut texts = || -> Vec<&str> {
        let texts = fields.next().unwrap_or_default().split(", ");
        texts.filter(|text| !text.is_empty()).collect()
    };
    let (answers, authorities) = (texts(), texts());
    let rcode = outcome.trim_end_matches(" ad");
    told(rcode, rcode != outcome, &answers, &authorities)
}

/// From the servers, and then from what is kept.
async fn assert_told(resolver: &Resolver, question: &str, want: &Result<Told, Failure>) {
    let (name, rest) = question.split_once(' ').unwrap();
    let (rtype, flags) = rest.split_once(' ').unwrap_or((rest, ""));
    let rtype = rtype.parse().unwrap();
    for round in ["cold", "warm"] {
        let mut got = ask(resolver, name, rtype, flags).await;
        if let (RecordType::DS, Ok(told)) = (rtype, &mut got) {
            told.2.clear();
        }
        assert_eq!(&got, want, "{question} {round}");
    }
}

#[tokio::test]
async fn signed_and_unsigned_names_are_told_apart() {
    let internet = Internet::build(1).await;
    let resolver = internet.resolver(true);
    for line in TOLD.trim().lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('|').map(str::trim);
        let question = fields.next().unwrap();
        assert_told(&resolver, question, &parse_told(fields)).await;
    }
    let pointer = told("NoError", true, &["PTR www.good.test."], &[]);
    assert_told(&resolver, &(deep() + ".good.test PTR"), &pointer).await;
    resolver.forget(None).unwrap();
    let a = RecordType::A;
    assert_eq!(
        ask(&resolver, "www.good.test", a, "").await,
        told("NoError", true, &["A 192.0.2.1"], &[])
    );
    let unchecked = internet.resolver(false);
    assert_eq!(
        ask(&unchecked, "www.bogus.test", a, "").await,
        told("NoError", false, &["A 192.0.2.3"], &[])
    );
}

#[tokio::test]
async fn one_bad_server_of_two_costs_no_answer() {
    let internet = Internet::build(2).await;
    let mut failures = 0;
    // Chance decides who is asked first: some time it is the bad one.
    for _ in 0..8 {
        failures += ask_lame_zones(&internet).await;
    }
    assert!(failures > 0);
}

async fn ask_lame_zones(internet: &Internet) -> u64 {
    let resolver = internet.resolver(true);
    for (zone, data) in [
        ("lame", "A 192.0.2.5"),
        ("deaf", "A 192.0.2.6"),
        ("side", "A 192.0.2.7"),
    ] {
        for number in 0..20 {
            let got = ask(
                &resolver,
                &format!("h{number}.n.{zone}.example"),
                RecordType::A,
                "",
            )
            .await;
            assert_eq!(got, told("NoError", false, &[data], &[]), "{zone} {number}");
        }
    }
    resolver.totals().failures
}

#[tokio::test]
async fn silence_ends_within_patience() {
    let internet = Internet::build(3).await;
    let start = Instant::now();
    let got = ask(
        &internet.resolver(true),
        "www.mute.example",
        RecordType::A,
        "",
    )
    .await;
    assert_eq!(got, Err(Failure::Unreachable));
    assert!(start.elapsed() < Duration::from_millis(4500));
}

#[tokio::test]
async fn a_dname_leads_where_it_says_whatever_alias_comes_with_it() {
    let internet = Internet::build(4).await;
    let resolver = internet.resolver(true);
    let want = told(
        "NoError",
        false,
        &["DNAME", "CNAME www.plain.example.", "A 192.0.2.4"],
        &[],
    );
    assert_eq!(
        ask(&resolver, "www.old.dname.example", RecordType::A, "").await,
        want
    );
    let alias = told(
        "NoError",
        false,
        &["DNAME", "CNAME www.plain.example."],
        &[],
    );
    assert_eq!(
        ask(&resolver, "www.old.dname.example", RecordType::CNAME, "").await,
        alias,
        "the alias itself was asked for"
    );
}

#[tokio::test]
async fn a_reverse_name_that_does_not_exist_costs_few_questions() {
    let internet = Internet::build(5).await;
    let resolver = internet.resolver(true);
    let name = "f.".repeat(30) + "1.1.ip6.arpa";
    let asked = || resolver.totals().answers;
    assert_eq!(
        ask(&resolver, &name, RecordType::PTR, "").await,
        told("NXDomain", false, &[], &["SOA"])
    );
    let cold = asked();
    let name = "f.".repeat(30) + "2.1.ip6.arpa";
    assert_eq!(
        ask(&resolver, &name, RecordType::PTR, "").await,
        told("NXDomain", false, &[], &["SOA"])
    );
    assert!(cold < 15 && asked() - cold < 3, "{cold} {}", asked());
    let exists = told("NoError", false, &["PTR www.good.test."], &[]);
    assert_eq!(
        ask(&resolver, "1.0.ip6.arpa", RecordType::PTR, "").await,
        exists
    );
}

#[tokio::test]
async fn no_question_costs_more_than_its_budget() {
    let internet = Internet::build(6).await;
    let resolver = internet.resolver(true);
    let mut before = 0;
    for number in 0..5 {
        let start = Instant::now();
        let got = ask(
            &resolver,
            &format!("a.b.c.d{number}.evil.example"),
            RecordType::A,
            "",
        )
        .await;
        let totals = resolver.totals();
        assert!(
            matches!(got, Err(Failure::TooMuchWork | Failure::Unreachable)),
            "{got:?}"
        );
        assert!(
            totals.answers + totals.failures - before <= 50,
            "{number} {totals:?}"
        );
        assert!(
            start.elapsed() < Duration::from_secs(1),
            "{number} {:?}",
            start.elapsed()
        );
        before = totals.answers + totals.failures;
    }
}

#[tokio::test]
async fn what_was_learnt_is_not_asked_again() {
    let internet = Internet::build(7).await;
    let resolver = internet.resolver(true);
    let mut before = 0;
    for (name, rtype, cost) in [
        ("www.good.test", RecordType::A, 15),
        ("www.good.test", RecordType::MX, 1),
        ("mail.good.test", RecordType::MX, 2),
        ("alias.good.test", RecordType::A, 3),
        ("no.good.test", RecordType::A, 2),
        ("www.plain.example", RecordType::A, 12),
        ("www.plain.example", RecordType::AAAA, 1),
        ("www.plain.example", RecordType::A, 1),
    ] {
        ask(&resolver, name, rtype, "").await.unwrap();
        let asked = resolver.totals().answers;
        println!("{name} {rtype} {}", asked - before);
        assert!(asked - before <= cost, "{name} {rtype} {}", asked - before);
        before = asked;
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let settings = recurse::Settings {
        trust_anchors: Some(vec!["example. 300 IN DS 1 8 2".to_owned()]),
        ..recurse::Settings::default()
    };
    let start = |settings: &recurse::Settings| {
        Resolver::start(Settings {
            recurse: settings.clone(),
            forward: None,
            zones: Vec::new(),
            private_names: None,
            patience: Duration::from_secs(4),
            dns64: None,
            renumbering: Vec::new(),
        })
        .err()
    };
    assert!(matches!(
        start(&settings),
        Some(StartError::TrustAnchors(_))
    ));
    assert!(
        start(&recurse::Settings {
            trust_anchors: None,
            ..settings.clone()
        })
        .is_none()
    );
    assert!(
        start(&recurse::Settings {
            validate: false,
            ..settings
        })
        .is_none()
    );
}

/// Twelve aliases, `a0.test` to `a12.test`, whose servers are so far that each question costs three
/// packets; nothing is signed.
struct Far;

impl Ask for Far {
    async fn ask(
        &self,
        name: &HickoryName,
        rtype: RecordType,
        _: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Said>, Failure> {
        for _ in 0..3 {
            budget.pay_packet()?;
        }
        let label = name.iter().next().map(<[u8]>::to_vec).unwrap_or_default();
        let place = std::str::from_utf8(&label).unwrap().strip_prefix('a');
        let data = match place.and_then(|place| place.parse::<u8>().ok()) {
            Some(12) => Some(RData::A(A::new(192, 0, 2, 1))),
            Some(n) => {
                let target = HickoryName::from_ascii(format!("a{}.test.", n + 1));
                Some(RData::CNAME(CNAME(target.unwrap())))
            }
            None => None,
        };
        let set = data.filter(|_| rtype == RecordType::A).map(|data| RrSet {
            name: name.clone(),
            rtype: data.record_type(),
            ttl_s: 300,
            records: vec![Record::from_rdata(name.clone(), 300, data)],
            signatures: Vec::new(),
        });
        Ok(Arc::new(Said {
            rcode: ResponseCode::NoError,
            answer: set.into_iter().collect(),
            authority: Vec::new(),
            servers: Vec::new(),
            zone: HickoryName::root(),
            from: None,
            age_s: 0,
            authoritative: true,
            contradicts: false,
            blocked: None,
        }))
    }

    async fn cut(
        &self,
        zone: &HickoryName,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Cut>, Failure> {
        self.ask(zone, RecordType::DS, avoid, budget).await?;
        Err(Failure::Unreachable)
    }

    fn apex(&self, _: &HickoryName) -> HickoryName {
        HickoryName::root()
    }
}

/// Checking an answer for AD costs no client its answer that wants it unchecked (CD).
#[tokio::test]
async fn what_is_checked_for_ad_alone_does_not_use_up_the_budget() {
    let anchors = Anchors::read(&Anchors::root(), &[]).unwrap();
    let engine = Engine {
        routes: Far,
        walker: None,
        validator: Some(Validator::new(validate::Settings {
            anchors: Arc::new(TrustAnchors::fixed(anchors)),
            boundaries: Vec::new(),
            sha1: false,
            aggressive: false,
            memory_octets_max: 1 << 20,
        })),
    };
    for dnssec_ok in [false, true] {
        let question = Question {
            name: Name::parse("a0.test").unwrap(),
            qtype: RecordType::A.into(),
            dnssec_ok,
            checking_disabled: true,
        };
        let fetched = engine
            .chase(&question, &Budget::new(Duration::from_secs(60)))
            .await
            .unwrap();
        let message = Message::from_vec(&fetched.wire).unwrap();
        assert_eq!(message.answers.len(), 13, "DO {dnssec_ok}");
        assert!(!message.metadata.authentic_data);
    }
}
