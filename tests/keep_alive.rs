//! Shows how kept answers are kept alive: renewed while they are popular, given after their end
//! while nobody can be reached (RFC 8767).

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;

use crate::kit::ask::{Client, Edns, Question, Response};
use crate::kit::internet::Internet;
use crate::kit::program::Program;
use crate::kit::running::Running;
use crate::kit::tool::{FAKETIME, is_missing};
use crate::kit::until;
use crate::kit::wall_clock::WallClock;

/// The TTL of www.good.test, in seconds.
const TTL_S: u64 = 300;
const STALE_ANSWER: u16 = 3;
const PATIENCE: Duration = Duration::from_secs(5);

fn www(running: &Running) -> Response {
    Client::udp(running.address()).ask(&Question::new("www.good.test.", "A").edns(Edns::default()))
}

fn ttl_s(response: &Response) -> u64 {
    let answer = response
        .message
        .answers
        .iter()
        .find(|record| record.record_type() == RecordType::A)
        .expect("an answer");
    answer.ttl.into()
}

/// An internet that falls silent after a first answer, and a program whose clock runs past that
/// answer's end.
fn outage(keys: &str) -> (Running, WallClock) {
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new()
        .recurse(&internet)
        .toml(keys)
        .clock(&clock)
        .start();
    assert_eq!(www(&running).rcode(), "NOERROR");
    drop(internet);
    clock.advance(Duration::from_secs(TTL_S + 1));
    (running, clock)
}

#[test]
fn what_ran_out_is_given_while_nobody_can_be_reached() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (running, mut clock) = outage("");
    let first = www(&running);
    assert_eq!(
        (first.rcode().as_str(), first.ede(), ttl_s(&first)),
        ("NOERROR", vec![STALE_ANSWER], 30)
    );
    let begun = Instant::now();
    assert_eq!(www(&running).ede(), [STALE_ANSWER]);
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "for a while nobody is asked again: {:?}",
        begun.elapsed()
    );
    clock.advance(Duration::from_secs(86_400));
    assert_eq!(
        www(&running).rcode(),
        "SERVFAIL",
        "a day later it is too old"
    );
}

#[test]
fn nothing_is_given_after_its_end_where_that_is_switched_off() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (running, _clock) = outage("[cache]\nstale_s_max = 0\n");
    assert_eq!(www(&running).rcode(), "SERVFAIL");
}

/// A name that came onto a list meanwhile is blocked, however well its old answer would do.
#[test]
fn what_ran_out_is_not_given_for_listed_names() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new()
        .recurse(&internet)
        .list("law", "other.example\n")
        .clock(&clock)
        .start();
    assert_eq!(www(&running).answers(), ["www.good.test. A 198.51.100.11"]);
    drop(internet);
    clock.advance(Duration::from_secs(TTL_S + 1));
    running.replace_list("law", "good.test\n");
    until("the name is blocked", PATIENCE, || {
        (www(&running).answers() == ["www.good.test. A 192.0.2.1"]).then_some(())
    });
}

#[test]
fn a_slow_authority_costs_no_more_than_the_time_set() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let upstream = internet.forwarder_slow();
    let running = Program::new()
        .forward(upstream)
        .toml("[cache]\nstale_after_ms = 100\n")
        .clock(&clock)
        .start();
    www(&running);
    clock.advance(Duration::from_secs(TTL_S + 1));
    // One that had waited for the authority would have its answer.
    assert_eq!(www(&running).ede(), [STALE_ANSWER]);
    until(
        "the answer is renewed behind the client's back",
        PATIENCE,
        || www(&running).ede().is_empty().then_some(()),
    );
    // A packet whose reply is overdue goes out once more, on a busy machine this one too.
    let asked = internet.forwarded("www.good.test.", "A");
    assert!((2..=4).contains(&asked), "{asked}");
}

/// An upstream in front of another one, until it hangs: it takes questions over UDP and connections
/// over TCP then, and says nothing.
struct Hanging {
    at: SocketAddr,
    hangs: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    /// The system takes connections for it.
    _tcp: TcpListener,
    relay: Option<JoinHandle<()>>,
}

impl Hanging {
    fn before(upstream: SocketAddr) -> Self {
        let both = || {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let udp = UdpSocket::bind(tcp.local_addr().expect("an address")).ok()?;
            Some((udp, tcp))
        };
        let mut tries = (0..20).filter_map(|_| both());
        let (udp, tcp) = tries.next().expect("a port that is free for both");
        let at = tcp.local_addr().expect("an address");
        let (hangs, is_over) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (silent, over) = (Arc::clone(&hangs), Arc::clone(&is_over));
        let relay = thread::spawn(move || {
            let behind = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            behind.connect(upstream).expect("an upstream");
            let mut octets = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut octets) {
                if over.load(Relaxed) {
                    return;
                }
                if silent.load(Relaxed) {
                    continue;
                }
                behind.send(&octets[..length]).expect("loopback");
                let length = behind.recv(&mut octets).expect("a reply");
                udp.send_to(&octets[..length], from).expect("loopback");
            }
        });
        Self {
            at,
            hangs,
            is_over,
            _tcp: tcp,
            relay: Some(relay),
        }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.is_over.store(true, Relaxed);
        let last = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        last.send_to(&[0], self.at).expect("loopback");
        let _ = self.relay.take().map(JoinHandle::join);
    }
}

/// Nobody says that there will be no answer: the client does not wait for that.
#[test]
fn an_upstream_that_hangs_costs_no_more_than_the_time_set() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let upstream = Hanging::before(internet.forwarder());
    let running = Program::new()
        .forward(upstream.at)
        .toml(
            "[resolve]\npatience_ms = 60000\n[resolve.forward]\ntimeout_ms = 30000\n\
             [cache]\nstale_after_ms = 300\n",
        )
        .clock(&clock)
        .start();
    assert!(www(&running).ede().is_empty());
    upstream.hangs.store(true, Relaxed);
    clock.advance(Duration::from_secs(TTL_S + 1));
    // The client gives up long before the upstream would be given up.
    for _ in 0..2 {
        let stale = www(&running);
        assert_eq!(
            (stale.rcode().as_str(), stale.ede(), ttl_s(&stale)),
            ("NOERROR", vec![STALE_ANSWER], 30)
        );
    }
}

#[test]
fn popular_answers_are_renewed_before_they_run_out() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new()
        .forward(internet.forwarder())
        .clock(&clock)
        .start();
    www(&running);
    clock.advance(Duration::from_secs(TTL_S * 8 / 10));
    www(&running);
    assert_eq!(internet.forwarded("www.good.test.", "A"), 1, "too early");
    clock.advance(Duration::from_secs(TTL_S / 10 + 5));
    assert!(ttl_s(&www(&running)) <= 30, "nobody waits for the renewal");
    until("it is renewed", PATIENCE, || {
        (running.json(&["status", "--json"])["cache"]["renewed"] == 1).then_some(())
    });
    clock.advance(Duration::from_secs(40));
    let ttl_s = ttl_s(&www(&running));
    assert!((250..=TTL_S).contains(&ttl_s), "{ttl_s}");
    assert_eq!(
        internet.forwarded("www.good.test.", "A"),
        2,
        "and the new one is given"
    );
}

/// An answer that ran out outlives a renewal that brings nothing to believe, and yields to one that
/// does.
#[test]
fn what_ran_out_outlives_a_bogus_renewal() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new().recurse(&internet).clock(&clock).start();
    let signed =
        || Client::udp(running.address()).ask(&Question::new("www.good.test.", "A").dnssec_ok());
    assert!(www(&running).ede().is_empty() && signed().message.authentic_data);
    internet.spoil("good.test.");
    clock.advance(Duration::from_secs(TTL_S + 1));
    for _ in 0..2 {
        for response in [www(&running), signed()] {
            assert_eq!(
                (response.rcode().as_str(), response.ede(), ttl_s(&response)),
                ("NOERROR", vec![STALE_ANSWER], 30)
            );
        }
    }
    let never = Client::udp(running.address()).ask(&Question::new("good.test.", "MX").dnssec_ok());
    assert_eq!(
        (never.rcode().as_str(), never.ede()),
        ("SERVFAIL", vec![6]),
        "what is bogus is given to nobody"
    );
}

/// A wildcard's answer is kept with the proof that nothing stands closer: another one, which is
/// bogus, neither replaces it nor borrows that proof (RFC 4035 section 5.3.4).
#[test]
fn a_wildcard_s_answer_goes_stale_with_its_own_proof() {
    if is_missing(&FAKETIME) {
        return;
    }
    let (internet, mut clock) = (Internet::start(), WallClock::new());
    let running = Program::new().recurse(&internet).clock(&clock).start();
    let ask = |name| Client::udp(running.address()).ask(&Question::new(name, "A").dnssec_ok());
    let proofs = |response: &Response| {
        let proofs = response.message.authorities.iter();
        proofs
            .filter(|proof| proof.record_type() == RecordType::NSEC)
            .count()
    };
    let fresh = ask("any.wild.test.");
    assert!(fresh.message.authentic_data && proofs(&fresh) > 0);
    internet.spoil("wild.test.");
    clock.advance(Duration::from_secs(TTL_S + 1));
    for _ in 0..2 {
        let stale = ask("any.wild.test.");
        assert_eq!(
            (stale.rcode().as_str(), stale.ede(), proofs(&stale)),
            ("NOERROR", vec![STALE_ANSWER], proofs(&fresh))
        );
    }
    // Its neighbour has no proof of its own to go stale with.
    let other = ask("other.wild.test.");
    assert_eq!((other.rcode().as_str(), other.ede()), ("SERVFAIL", vec![6]));
    internet.mend("wild.test.");
    clock.advance(Duration::from_secs(60));
    let anew = ask("any.wild.test.");
    assert!(anew.ede().is_empty() && anew.message.authentic_data && proofs(&anew) > 0);
}
