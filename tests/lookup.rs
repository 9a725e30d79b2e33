//! `wardline lookup`: the way of a question, as the operator is shown it, against what the
//! authorities saw and what clients get.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kit::ask::{Question, ask};
use crate::kit::internet::{Expected, Internet, hostile_answers};
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::until;

const LIST: &str = "blocked.example\n=exact.example\n";
/// Programs that share the work; most of it is waiting for silent servers.
const WORKERS: u8 = 8;
/// A busy machine makes servers late, and lateness costs repetitions: what is wrong must be wrong
/// thrice.
const ATTEMPTS: usize = 3;
const CENSORED: u64 = 16;

fn start(internet: &Internet, from: IpAddr) -> Running {
    let outgoing = format!("[resolve.recurse]\noutgoing = [\"{from}\"]\n");
    Program::new()
        .recurse(internet)
        .list("law", LIST)
        .toml(&outgoing)
        .start()
}

/// Looks up, as soon as the rate allows.
fn look_up(running: &Running, arguments: &[&str]) -> Value {
    let arguments = [&["lookup", "--json"], arguments].concat();
    until("a lookup within the rate", Duration::from_secs(30), || {
        let (code, stdout, stderr) = running.run(&arguments);
        if code != 0 {
            assert!(
                stderr.contains("within a second"),
                "{arguments:?}: {stderr}"
            );
            return None;
        }
        Some(serde_json::from_str(&stdout).expect("JSON"))
    })
}

/// Every hostile zone: the way ends as the table says, and has the packets that its servers saw.
#[test]
fn the_way_shown_is_the_way_gone() {
    let internet = Internet::hostile();
    let wrong: Vec<String> = thread::scope(|scope| {
        let internet = &internet;
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| scope.spawn(move || work(internet, worker)))
            .collect();
        let each = workers.into_iter();
        each.flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    });
    assert!(
        wrong.is_empty(),
        "{} lines\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn work(internet: &Internet, worker: u8) -> Vec<String> {
    let from = IpAddr::V4(Ipv4Addr::new(127, 0, 11, 10 + worker));
    let running = start(internet, from);
    let lines = hostile_answers()
        .into_iter()
        .skip(worker.into())
        .step_by(WORKERS.into());
    let mut wrong = Vec::new();
    for expected in lines {
        let mut faults = check(internet, &running, from, &expected);
        for _ in 1..ATTEMPTS {
            if faults.is_empty() {
                break;
            }
            faults = check(internet, &running, from, &expected);
        }
        if !faults.is_empty() {
            wrong.push(format!(
                "{} {}: {}",
                expected.name,
                expected.kind,
                faults.join("; ")
            ));
        }
    }
    wrong
}

fn check(internet: &Internet, running: &Running, from: IpAddr, expected: &Expected) -> Vec<String> {
    let (code, _, stderr) = running.run(&["flush"]);
    assert_eq!(code, 0, "{stderr}");
    internet.forget_client(from);
    let shown = look_up(running, &[&expected.name, &expected.kind, "--dnssec"]);
    let mut faults = Vec::new();
    let mut check = |what: &str, got: String, wanted: String| {
        if got != wanted {
            faults.push(format!("{what} {got}, not {wanted}"));
        }
    };
    let reply = &shown["response"];
    let codes = reply["ede"].as_array().into_iter().flatten();
    let codes: Vec<u64> = codes.filter_map(|error| error["code"].as_u64()).collect();
    let code = codes.first().copied();
    if expected.listed.is_some() {
        check(
            "ended",
            shown["ended"].to_string(),
            "\"blocked\"".to_owned(),
        );
        let is_told = codes.contains(&CENSORED);
        check(
            "EDE",
            format!("{codes:?} {is_told}"),
            format!("{codes:?} true"),
        );
    } else {
        let rcode = reply["rcode"].as_str().unwrap_or_default();
        check("rcode", rcode.to_owned(), expected.rcode.clone());
        if expected.ede.is_some() || expected.rcode != "SERVFAIL" {
            let wanted = expected.ede.map(u64::from);
            check("EDE", format!("{code:?}"), format!("{wanted:?}"));
        }
    }
    let (told, summed) = (shown["packets"].as_u64(), sum_of_steps(&shown));
    check(
        "packets of all steps",
        format!("{summed}"),
        format!("{}", told.unwrap_or(0)),
    );
    // Where nobody listens, the host says so and nobody sees the packet.
    let unseen =
        exchanges(&shown).filter(|step| step["outcome"] == "broken" && step["tcp_why"].is_null());
    let unseen: u64 = unseen.filter_map(|step| step["udp"].as_u64()).sum();
    let told = told.unwrap_or(0).saturating_sub(unseen) as usize;
    let mut seen = internet.packets_of(from);
    // A packet may be under way still.
    let deadline = Instant::now() + Duration::from_millis(500);
    while seen < told && Instant::now() < deadline {
        thread::yield_now();
        seen = internet.packets_of(from);
    }
    if seen != told {
        faults.push(format!(
            "{told} packets told, {seen} seen:\n    {}\n    {}",
            internet.packet_lines(from).join("\n    "),
            exchanges(&shown)
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join("\n    ")
        ));
    }
    faults
}

fn exchanges(shown: &Value) -> impl Iterator<Item = &Value> {
    let steps = shown["steps"].as_array().expect("steps").iter();
    steps.filter(|step| step["step"] == "exchange")
}

fn sum_of_steps(shown: &Value) -> u64 {
    let sent = |step: &Value| ["udp", "tcp", "tls"].map(|over| step[over].as_u64().unwrap_or(0));
    exchanges(shown).flat_map(sent).sum()
}

/// A resolver with a list, and a group that is exempt from it.
fn resolver(internet: &Internet) -> Running {
    let groups = "[[group]]\nname = \"police\"\nprefixes = [\"127.0.9.0/24\"]\nlists = []\n";
    Program::new()
        .recurse(internet)
        .list("law", LIST)
        .toml(groups)
        .start()
}

/// What an operator asks is on no record.
fn assert_uncounted(running: &Running) {
    let status = running.json(&["status", "--json"]);
    assert_eq!(status["questions"]["total"], 0);
    assert_eq!(status["lists"][0]["blocked"], 0);
}

/// What an operator looks up is answered as clients are, and is on no record.
#[test]
fn a_lookup_is_what_a_client_gets_and_counts_for_nothing() {
    let internet = Internet::start();
    let running = resolver(&internet);
    let name = "www.good.test.";
    let first = look_up(&running, &[name]);
    assert_eq!(
        (&first["ended"], &first["kept"]),
        (&"miss".into(), &Value::Null)
    );
    let packets = first["packets"].as_u64().expect("packets");
    assert!(packets >= 3 && sum_of_steps(&first) == packets, "{first}");
    let steps = first["steps"].as_array().expect("steps");
    let has = |step: &str| steps.iter().any(|other| other["step"] == step);
    for step in [
        "question",
        "start",
        "zone",
        "exchange",
        "signature",
        "keys",
        "verdict",
    ] {
        assert!(has(step), "{step}: {first}");
    }
    let signed = steps
        .iter()
        .find(|step| step["step"] == "signature" && step["name"] == name && step["type"] == "A");
    let signed = signed.expect("the answer's signature");
    assert!(
        signed["zone"] == "good.test." && signed["key_tag"].is_u64() && signed["fault"].is_null(),
        "{signed}"
    );
    // It is kept, as a client's answer would be.
    let second = look_up(&running, &[name]);
    assert_eq!(
        (&second["ended"], &second["packets"]),
        (&"hit".into(), &0.into())
    );
    assert_eq!(second["kept"]["is_used"], true);
    assert_eq!(first["response"]["answer"], second["response"]["answer"]);
    // A fresh one goes all the way, and leaves everything as it is.
    let kept = || running.json(&["status", "--json"])["cache"]["answers"].clone();
    let before = kept();
    for other in [name, "www.plain.test."] {
        let fresh = look_up(&running, &[other, "--fresh"]);
        assert_eq!(fresh["ended"], "miss");
        assert!(fresh["packets"].as_u64() >= Some(3), "{fresh}");
    }
    assert_eq!(before, kept());
    assert_uncounted(&running);
    assert_eq!(
        ask(running.address(), name, "A").rcode(),
        first["response"]["rcode"]
    );
}

/// Lists are held against it as against a client's question, and told.
#[test]
fn a_lookup_of_a_listed_name_asks_nobody_and_says_by_which_list() {
    let internet = Internet::start();
    let running = resolver(&internet);
    let name = "www.good.test.";
    // Lists: nobody is asked about a name that is listed for this client.
    let blocked = look_up(&running, &["www.blocked.example."]);
    assert_eq!(
        (&blocked["ended"], &blocked["list"]),
        (&"blocked".into(), &"law".into())
    );
    assert_eq!(blocked["packets"], 0);
    let held = &blocked["names"][0];
    assert_eq!(
        (&held["verdict"], &held["lists"][0]),
        (&"block".into(), &"law".into())
    );
    let errors = blocked["response"]["ede"].as_array().expect("errors");
    assert!(
        errors.iter().any(|error| error["code"] == CENSORED),
        "{errors:?}"
    );
    let exempt = look_up(&running, &["www.blocked.example.", "--client", "127.0.9.7"]);
    assert_eq!(
        (&exempt["group"], &exempt["list"]),
        (&"police".into(), &Value::Null)
    );
    assert_eq!(exempt["names"][0]["verdict"], "exempt");
    let stranger = look_up(&running, &[name, "--client", "192.0.2.1"]);
    assert_eq!(stranger["response"]["rcode"], "REFUSED");
    assert!(stranger["group"].is_null() && stranger["names"] == serde_json::json!([]));
    // For people.
    until("a lookup within the rate", Duration::from_secs(30), || {
        let (code, text, _) = running.run(&["lookup", "www.blocked.example", "TXT"]);
        let is_told = text.contains("Decided: blocked by list law (stop-page)");
        (code == 0).then(|| assert!(is_told, "{text}"))
    });
    for wrong in [&["lookup", "a..b"][..], &["lookup", "a.test", "NOSUCH"]] {
        assert_eq!(running.run(wrong).0, 2, "{wrong:?}");
    }
    assert_uncounted(&running);
}

#[test]
fn servers_that_misbehave_are_shown_with_what_they_do() {
    let internet = Internet::hostile();
    let running = start(&internet, IpAddr::V4(Ipv4Addr::new(127, 0, 11, 30)));
    let servers = |zone: &str| {
        until("a request within the rate", Duration::from_secs(30), || {
            let (code, stdout, _) = running.run(&["servers", zone, "--json"]);
            (code == 0).then(|| serde_json::from_str::<Value>(&stdout).expect("JSON"))
        })
    };
    let unknown = servers("lame-sideways.test.");
    assert_eq!(unknown["known"]["zone"], ".", "nothing was asked yet");
    let standing = |zone: &str, name: &str| {
        look_up(&running, &[name]);
        let shown = servers(zone);
        assert_eq!(shown["known"]["zone"], zone);
        shown["known"]["servers"]
            .as_array()
            .expect("servers")
            .clone()
    };
    let any = |standings: &[Value], is: &dyn Fn(&Value) -> bool| standings.iter().any(is);
    // Which of the two is asked first is left to chance; the lame one is, sooner or later.
    let lame = until("a lame server", Duration::from_secs(30), || {
        running.run(&["flush"]);
        let lame = standing("lame-sideways.test.", "www.lame-sideways.test.");
        any(&lame, &|server| server["lame_since"].is_i64()).then_some(lame)
    });
    assert!(
        any(&lame, &|server| server["lame_since"].is_null()),
        "{lame:?}"
    );
    assert!(any(&lame, &|server| server["round_trip_us"].is_u64()));
    let silent = standing("all-silent.test.", "www.all-silent.test.");
    assert!(any(&silent, &|server| server["silences"].as_u64()
        > Some(0)
        && server["silent_for_s"].is_u64()));
    let alone = standing("tcp-only.test.", "www.tcp-only.test.");
    assert!(
        any(&alone, &|server| server["tcp_alone_for_s"].is_u64()),
        "{alone:?}"
    );
}

/// How many wait, for how long, and below which top-level domain; and nobody's name.
#[test]
fn questions_under_way_are_counted_without_their_names() {
    let internet = Internet::hostile();
    let running = start(&internet, IpAddr::V4(Ipv4Addr::new(127, 0, 11, 31)));
    let mut turn = 0;
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
    let shown = until("questions under way", Duration::from_secs(60), || {
        for n in 0..40 {
            let question = Question::new(&format!("r{turn}-{n}.all-silent.test."), "A");
            let sent = socket.send_to(&question.octets(), running.address());
            sent.expect("loopback");
        }
        turn += 1;
        let (code, stdout, _) = running.run(&["questions", "--json"]);
        assert!(code == 0 && !stdout.contains("silent"), "{stdout}");
        let shown: Value = serde_json::from_str(&stdout).expect("JSON");
        (shown["by_top_level"]["test"].as_u64() >= Some(10)).then_some(shown)
    });
    assert!(
        shown["under_way"].as_u64() >= Some(10) && shown["oldest_ms"].is_u64(),
        "{shown}"
    );
    assert!(shown["in_fullest_zone"].as_u64() >= Some(10), "{shown}");
    let (code, text, _) = running.run(&["questions"]);
    assert!(
        code == 0 && text.contains("under way") && !text.contains("silent"),
        "{text}"
    );
}

#[test]
fn upstreams_and_anchors_have_screens_of_their_own() {
    let internet = Internet::start();
    let running = Program::new()
        .forward_checked(internet.forwarder(), &internet)
        .start();
    let shown = look_up(&running, &["www.good.test."]);
    let asked = exchanges(&shown).next().expect("an exchange");
    assert_eq!(asked["server"], internet.forwarder().to_string());
    assert!(asked["zone"].is_null() && asked["udp"] == 1, "{asked}");
    let upstreams = running.json(&["upstreams", "--json"]);
    let upstream = &upstreams["upstreams"][0];
    assert!(
        upstream["asked"].as_u64() > Some(0) && upstream["is_up"] == true,
        "{upstreams}"
    );
    assert_eq!(upstream["under_way"], 0);
    let elsewhere = running.json(&["servers", "good.test", "--json"]);
    assert!(elsewhere["known"].is_null());
    let (code, _, stderr) = running.run(&["negative-anchor", "add", "broken.test"]);
    assert_eq!(code, 0, "{stderr}");
    let anchors = running.json(&["anchors", "--json"]);
    assert_eq!(anchors["anchors"][0]["zone"], ".");
    let negative = serde_json::json!([{ "name": "broken.test", "origin": "temporary" }]);
    assert_eq!(anchors["negative"], negative);
}

#[test]
#[ignore = "prints the examples of docs/lookup.md"]
fn examples() {
    let internet = Internet::hostile();
    let running = start(&internet, IpAddr::V4(Ipv4Addr::new(127, 0, 11, 32)));
    for arguments in [
        &["lookup", "www.good.test", "--fresh"][..],
        &["lookup", "www.good.test"],
        &["lookup", "www.good.test"],
        &["lookup", "www.expired-signature.test"],
        &["lookup", "www.lame-sideways.test"],
        &["lookup", "www.all-silent.test"],
        &["lookup", "www.cname-to-listed.test"],
        &["lookup", "www.blocked.example"],
        &["lookup", "www.blocked.example", "--json"],
        &["servers", "lame-sideways.test"],
        &["servers", "all-silent.test"],
        &["questions"],
        &["anchors"],
        &["upstreams"],
    ] {
        let (code, stdout, stderr) = running.run(arguments);
        println!(
            "$ wardline {}\n{stdout}{stderr}({code})\n",
            arguments.join(" ")
        );
    }
}
