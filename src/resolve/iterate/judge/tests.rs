//! Replies of all kinds, judged.

use hickory_proto::op::{MessageType, OpCode, Query};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::serialize::txt::Parser;

use super::*;

/// The sections of a reply as zone file text.
#[derive(Default)]
struct Script<'a> {
    rcode: u16,
    authoritative: bool,
    answer: &'a str,
    authority: &'a str,
    additional: &'a str,
    /// Records in the authority section that are no text.
    strange: Vec<Record>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn records(text: &str) -> Vec<Record> {
    let Ok((_, sets)) = Parser::new(text, None, Some(Name::root())).parse() else {
        panic!("{text}")
    };
    sets.into_values()
        .flat_map(|set| set.records_without_rrsigs().cloned().collect::<Vec<_>>())
        .collect()
}

/// Judge the reply of a server of `test.` to a question for A records.
fn judge_script(asked_name: &str, script: &Script<'_>) -> Judgement {
    let mut message = Message::new(7, MessageType::Response, OpCode::Query);
    message.metadata.response_code = ResponseCode::from(0, script.rcode as u8);
    message.metadata.authoritative = script.authoritative;
    message.add_query(Query::query(name(asked_name), RecordType::A));
    message.answers = records(script.answer);
    message.authorities = records(script.authority);
    message.authorities.extend(script.strange.clone());
    message.additionals = records(script.additional);
    let (zone, asked_name) = (name("test."), name(asked_name));
    let asked = AskedZone {
        zone: &zone,
        name: &asked_name,
        rtype: RecordType::A,
        is_partial: false,
        glue: Glue::InBailiwick,
    };
    judge(
        &message.to_vec().unwrap(),
        &asked,
        "192.0.2.53".parse().unwrap(),
    )
}

/// One word, and what it is about.
fn told(judgement: &Judgement) -> String {
    let sets = |sets: &[RrSet]| {
        sets.iter()
            .map(|set| format!("{} {} {}", set.name, set.rtype, set.records.len()))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match judgement {
        Judgement::Answer(said, _) => format!(
            "{} [{}] [{}] of {}",
            said.rcode,
            sets(&said.answer),
            sets(&said.authority),
            said.zone
        ),
        Judgement::Referral(referral) | Judgement::Apex(referral) => {
            let server = |server: &NameServer| format!("{} {:?}", server.name, server.addresses);
            format!(
                "to {} {}",
                referral.child,
                referral
                    .servers
                    .iter()
                    .map(server)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        }
        Judgement::Useless(why) => format!("{why:?}"),
    }
}

#[test]
fn answers_are_kept_and_everything_beside_them_is_not() {
    let script = Script {
        answer: "www.a.test. 60 A 192.0.2.1\nwww.a.test. 60 A 192.0.2.2\nother.a.test. 60 A \
                 192.0.2.3\nwww.example. 60 A 192.0.2.4",
        authority: "a.test. 60 NS ns.a.test.\nexample. 60 NS ns.evil.test.",
        additional: "ns.a.test. 60 A 192.0.2.66",
        authoritative: true,
        ..Script::default()
    };
    assert_eq!(
        told(&judge_script("www.a.test.", &script)),
        "No Error [www.a.test. A 2] [] of test."
    );
}

/// A delegation by DELEG (draft-ietf-deleg) is nothing to who asks without DE: NS beside it leads
/// down as ever, and alone it leads nowhere, whatever stands in it.
#[test]
fn deleg_records_lead_nowhere() {
    let deleg = |owner: &str, data: &[u8]| {
        let data = RData::Unknown {
            code: RecordType::Unknown(61440),
            rdata: NULL::with(data.to_vec()),
        };
        Record::from_rdata(name(owner), 60, data)
    };
    for data in [&b"\0"[..], b"\0\x01\0\x04\xc0\0\x02\x01", &[0xff; 300]] {
        let script = Script {
            authority: "a.test. 60 NS ns.a.test.",
            additional: "ns.a.test. 60 A 192.0.2.1",
            strange: vec![deleg("a.test.", data), deleg("b.test.", data)],
            ..Script::default()
        };
        assert_eq!(
            told(&judge_script("www.a.test.", &script)),
            "to a.test. ns.a.test. [192.0.2.1]",
            "{data:?}"
        );
        let alone = Script {
            strange: vec![deleg("a.test.", data)],
            ..Script::default()
        };
        assert!(matches!(
            judge_script("www.a.test.", &alone),
            Judgement::Useless(_)
        ));
    }
}

#[test]
fn referrals_lead_down_and_bring_only_the_zone_s_own_glue() {
    let script = Script {
        authority: "a.test. 60 NS ns.a.test.\na.test. 60 NS ns.b.test.\na.test. 60 NS \
                    ns.example.\na.test. 60 NS lost.a.test.",
        additional: "ns.a.test. 60 A 192.0.2.1\nns.b.test. 60 A 192.0.2.2\nns.example. 60 A \
                     192.0.2.3\nwww.a.test. 60 A 192.0.2.4",
        ..Script::default()
    };
    let Judgement::Referral(mut referral) = judge_script("www.a.test.", &script) else {
        panic!("no referral")
    };
    referral
        .servers
        .sort_by(|one, other| one.name.cmp(&other.name));
    let want = "to a.test. ns.example. [], ns.a.test. [192.0.2.1], ns.b.test. [192.0.2.2]";
    assert_eq!(told(&Judgement::Referral(referral)), want);
    // With AA, as some servers do.
    assert!(matches!(
        judge_script(
            "www.a.test.",
            &Script {
                authoritative: true,
                ..script
            }
        ),
        Judgement::Referral(_)
    ));
}

#[test]
fn who_sends_us_up_or_aside_or_says_nothing_is_lame() {
    let lame = |script: &Script<'_>| told(&judge_script("www.a.test.", script)) == "Lame";
    assert!(lame(&Script::default()), "neither answer nor authority");
    for authority in [
        ". 60 NS ns.root.",
        "example. 60 NS ns.example.",
        "b.test. 60 NS ns.b.test.",
        "a.test. 60 NS ns.a.test.",
    ] {
        assert!(
            lame(&Script {
                authority,
                ..Script::default()
            }),
            "{authority}"
        );
    }
    assert!(lame(&Script {
        authority: ". 60 NS ns.root.",
        authoritative: true,
        ..Script::default()
    }));
    assert!(
        lame(&Script {
            rcode: 3,
            ..Script::default()
        }),
        "a network that says NXDOMAIN to everything"
    );
    for (rcode, why) in [
        (1, "DislikesEdns"),
        (2, "Refuses"),
        (4, "DislikesEdns"),
        (5, "Refuses"),
        (9, "Refuses"),
    ] {
        assert_eq!(
            told(&judge_script(
                "www.a.test.",
                &Script {
                    rcode,
                    ..Script::default()
                }
            )),
            why
        );
    }
}

#[test]
fn thousands_of_records_are_no_answer() {
    let of = |count: u32| {
        (0..count)
            .map(|n| format!("www.a.test. 60 A 192.0.{}.{}\n", n / 256, n % 256))
            .collect::<String>()
    };
    let judged = |count| {
        told(&judge_script(
            "www.a.test.",
            &Script {
                answer: &of(count),
                authoritative: true,
                ..Script::default()
            },
        ))
    };
    assert_eq!(judged(1_000), "No Error [www.a.test. A 1000] [] of test.");
    assert_eq!(judged(1_001), "Malformed");
}

#[test]
fn denials_bear_the_name_of_who_denies() {
    let soa = "a.test. 60 SOA ns.a.test. root.a.test. 1 2 3 4 5";
    let denied = Script {
        rcode: 3,
        authority: soa,
        ..Script::default()
    };
    assert_eq!(
        told(&judge_script("www.a.test.", &denied)),
        "Non-Existent Domain [] [a.test. SOA 1] of a.test."
    );
    let empty = Script {
        authoritative: true,
        ..Script::default()
    };
    assert_eq!(
        told(&judge_script("www.a.test.", &empty)),
        "No Error [] [] of test."
    );
    let others = Script {
        answer: "www.a.test. 60 TXT x",
        ..Script::default()
    };
    assert_eq!(
        told(&judge_script("www.a.test.", &others)),
        "No Error [] [] of test."
    );
    let foreign = Script {
        rcode: 3,
        authority: "example. 60 SOA ns.example. root.example. 1 2 3 4 5",
        ..Script::default()
    };
    assert_eq!(told(&judge_script("www.a.test.", &foreign)), "Lame");
}

#[test]
fn an_alias_brings_its_target_only_where_that_stands_beside_it() {
    for (target, has_more) in [
        ("w2.a.test.", true),
        ("w2.b.test.", false),
        ("w2.sub.a.test.", false),
        ("w2.example.", false),
    ] {
        let answer = format!("www.a.test. 60 CNAME {target}\n{target} 60 A 192.0.2.1");
        let script = Script {
            answer: &answer,
            authoritative: true,
            ..Script::default()
        };
        let Judgement::Answer(said, links) = judge_script("www.a.test.", &script) else {
            panic!("{target}")
        };
        assert_eq!(
            (said.answer.len(), links.len()),
            (1, usize::from(has_more)),
            "{target}"
        );
    }
}

#[test]
fn a_chain_of_aliases_is_taken_link_by_link_and_not_for_ever() {
    let links = |answer: &str| match judge_script(
        "n1.a.test.",
        &Script {
            answer,
            authoritative: true,
            ..Script::default()
        },
    ) {
        Judgement::Answer(_, links) => links
            .iter()
            .map(|link| link.name.to_ascii())
            .collect::<Vec<_>>(),
        other => panic!("{}", told(&other)),
    };
    let chain = |last: usize| {
        (1..last)
            .map(|n| format!("n{n}.a.test. 60 CNAME n{}.a.test.\n", n + 1))
            .collect::<String>()
    };
    assert_eq!(
        links(&format!(
            "{}n3.a.test. 60 CNAME n.b.test.\nn.b.test. 60 A 192.0.2.1",
            chain(3)
        )),
        ["n2.a.test.", "n3.a.test."]
    );
    assert_eq!(
        links(&format!("{}n3.a.test. 60 A 192.0.2.1", chain(3))),
        ["n2.a.test.", "n3.a.test."]
    );
    assert_eq!(
        links(&format!("{}n3.a.test. 60 CNAME n2.a.test.", chain(3))),
        ["n2.a.test.", "n3.a.test."]
    );
    assert_eq!(links(&chain(40)).len(), LINKS_MAX);
}

#[test]
fn rubbish_is_malformed_and_a_bare_formerr_is_about_edns() {
    let (zone, asked_name) = (name("test."), name("www.test."));
    let asked = AskedZone {
        zone: &zone,
        name: &asked_name,
        rtype: RecordType::A,
        is_partial: false,
        glue: Glue::InBailiwick,
    };
    let from = "192.0.2.53".parse().unwrap();
    let header = |flags: u8| [0, 7, 0x80, flags, 0, 1, 0, 9, 0, 0, 0, 0, 0xff];
    assert_eq!(told(&judge(&header(0), &asked, from)), "Malformed");
    assert_eq!(told(&judge(&header(1), &asked, from)), "DislikesEdns");
    assert_eq!(told(&judge(&[], &asked, from)), "Malformed");
}
