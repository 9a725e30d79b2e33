//! Shows upstreams over TLS: nobody else is believed, and a connection serves many questions.

use std::time::Duration;

use crate::kit::ask::{Client, Question, ask};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::until;

#[test]
fn an_upstream_over_tls_is_believed_by_its_name() {
    let internet = Internet::start();
    let upstream = Program::new().forward(internet.forwarder()).tls().start();
    let running = Program::new()
        .forward_secure(upstream.tls_address(), "resolver.test")
        .metrics()
        .start();
    for name in [
        "www.good.test.",
        "www.plain.test.",
        "mail.good.test.",
        "big.good.test.",
    ] {
        let kind = if name.starts_with("big") { "TXT" } else { "A" };
        assert_eq!(
            Client::tcp(running.address())
                .ask(&Question::new(name, kind))
                .rcode(),
            "NOERROR",
            "{name}"
        );
    }
    let shown = running.json(&["status", "--json"])["upstreams"][0].clone();
    assert_eq!(
        (
            shown["address"]
                .as_str()
                .unwrap()
                .split_once('#')
                .unwrap()
                .1,
            shown["failed"].as_u64()
        ),
        ("resolver.test", Some(0))
    );
    let asked = upstream.json(&["status", "--json"])["questions"]["total"].clone();
    assert_eq!(asked, 4, "all of them by TLS");
}

#[test]
fn an_upstream_with_another_name_is_not_asked_at_all() {
    let internet = Internet::start();
    let upstream = Program::new().forward(internet.forwarder()).tls().start();
    let running = Program::new()
        .forward_secure(upstream.tls_address(), "other.test")
        .start();
    assert_eq!(
        ask(running.address(), "www.good.test.", "A").rcode(),
        "SERVFAIL"
    );
    until("it is passed over", Duration::from_secs(10), || {
        (running.json(&["status", "--json"])["upstreams"][0]["is_up"] == false).then_some(())
    });
    assert_eq!(internet.forwarded("www.good.test.", "A"), 0);
    assert!(
        running
            .stderr()
            .contains("no TLS connection to an upstream resolver"),
        "{}",
        running.stderr()
    );
}
