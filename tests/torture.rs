//! Puts a million broken and random packets through the answering function inside this process, and
//! at the running program.

use std::net::UdpSocket;

use tokio::runtime::{Builder, Runtime};
use wardline::count::Door;
use wardline::policy::Standing;
use wardline::query::{AnswerDesk, Answering, Asked, Outcome, Rate};
use wardline::serve::kernel::BATCH;
use wardline::wire::Message;

use crate::kit::ask::{Client, Question};
use crate::kit::in_process::{Order, answering, cached_name, listed_name, question};
use crate::kit::program::Program;

const NAMES: usize = 2_000;
/// `WARDLINE_TORTURE` sets another number for the long run.
const MUTATED: usize = 1_000_000;
const RANDOM: usize = 100_000;

/// The answering function, and the runtime that must be around it.
fn start() -> (Runtime, Answering) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let guard = runtime.enter();
    let answering = answering(NAMES, NAMES);
    drop(guard);
    (runtime, answering)
}

/// What came of a packet: the reply's octets; empty for silence; `None` when the answer has to be
/// fetched.
type Answered = Option<Vec<u8>>;

fn answer(
    answering: &Answering,
    desk: &mut AnswerDesk,
    packets: &[Vec<u8>],
    look: Look,
) -> Vec<Answered> {
    let standing: Standing = answering.clients().classify([127, 0, 0, 1].into());
    let round = answering.round(desk);
    if look == Look::Ahead {
        desk.foresee(&round, packets.iter().map(Vec::as_slice));
    }
    let mut room = [0; 1232];
    let mut answer = |(seat, packet): (usize, &Vec<u8>)| {
        let seat = if look == Look::Ahead { seat } else { 0 };
        let asked = Asked {
            packet,
            standing,
            door: Door::Udp,
            rate: Rate::Within,
            seat,
        };
        match answering.answer(&round, desk, &asked, &mut room) {
            Outcome::Reply(len) => Some(room[..len].to_vec()),
            Outcome::Silence => Some(vec![]),
            Outcome::Later(_) => None,
        }
    };
    packets.iter().enumerate().map(&mut answer).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Ahead,
    Never,
}

/// A question of some kind: listed, below, cached, unknown; any type; with and without OPT; any
/// spelling.
fn some_question(order: &mut Order) -> Vec<u8> {
    let name = match order.next() % 5 {
        0 => listed_name(order.next() % NAMES),
        1 => format!("www.{}", listed_name(order.next() % NAMES)),
        2 | 3 => cached_name(order.next() % NAMES),
        _ => format!("u{}.unknown.example", order.next() % 1000),
    };
    let mut packet = question(&name);
    let name_end = packet.len() - 4;
    for octet in &mut packet[12..name_end] {
        if order.next().is_multiple_of(2) {
            octet.make_ascii_uppercase();
        }
    }
    let kinds = [1, 28, 65, 16, 255, 43, 5, 252];
    packet[name_end + 1] = kinds[order.next() % kinds.len()];
    packet[2] = (order.next() % 2) as u8;
    packet[3] = [0, 0x10, 0x20, 0x30][order.next() % 4];
    if order.next().is_multiple_of(2) {
        packet[11] = 1;
        packet.extend([
            0,
            0,
            41,
            4,
            0xd0,
            0,
            0,
            (order.next() % 2 * 0x80) as u8,
            0,
            0,
            0,
        ]);
    }
    packet
}

fn mutate(packet: &mut Vec<u8>, order: &mut Order) {
    for _ in 0..1 + order.next() % 4 {
        let at = order.next() % packet.len().max(1);
        match order.next() % 6 {
            0 => packet.truncate(at),
            1 => packet.insert(at.min(packet.len()), order.next() as u8),
            2 => packet.extend_from_within(at.min(packet.len())..),
            _ => {
                if let Some(octet) = packet.get_mut(at) {
                    *octet = order.next() as u8;
                }
            }
        }
    }
    packet.truncate(2048);
}

#[test]
fn broken_packets_get_a_whole_reply_or_none() {
    let (runtime, answering) = start();
    let _guard = runtime.enter();
    let mut desk = answering.desk_for_batches(BATCH, 1);
    let count =
        std::env::var("WARDLINE_TORTURE").map_or(MUTATED, |text| text.parse().expect("a number"));
    let seed = u64::from(std::process::id());
    let mut order = Order(seed);
    println!("seed {seed}");
    for _ in 0..count / BATCH {
        let batch: Vec<Vec<u8>> = (0..BATCH)
            .map(|_| {
                let mut packet = some_question(&mut order);
                mutate(&mut packet, &mut order);
                packet
            })
            .collect();
        for (packet, answered) in
            batch
                .iter()
                .zip(answer(&answering, &mut desk, &batch, Look::Ahead))
        {
            let Some(reply) = answered.filter(|reply| !reply.is_empty()) else {
                continue;
            };
            assert_eq!(
                reply[..2],
                packet[..2],
                "the id of {packet:02x?}, seed {seed}"
            );
            assert!(
                reply[2] & 0x80 != 0 && reply.len() <= 1232,
                "{packet:02x?}, seed {seed}"
            );
            let walked = Message::new(&reply).and_then(|message| message.walk(|_| ()));
            assert!(walked.is_ok(), "{reply:02x?} to {packet:02x?}, seed {seed}");
        }
    }
}

#[test]
fn looking_ahead_changes_no_answer() {
    let (runtime, answering) = start();
    let _guard = runtime.enter();
    let (mut fast, mut slow) = (answering.desk_for_batches(BATCH, 1), answering.desk());
    let mut order = Order(7);
    let (mut replies, mut fetched) = (0, 0);
    for _ in 0..RANDOM / BATCH {
        let batch: Vec<Vec<u8>> = (0..BATCH).map(|_| some_question(&mut order)).collect();
        let (ahead, never) = (
            answer(&answering, &mut fast, &batch, Look::Ahead),
            answer(&answering, &mut slow, &batch, Look::Never),
        );
        for ((packet, ahead), never) in batch.iter().zip(ahead).zip(never) {
            assert_eq!(without_ttls(&ahead), without_ttls(&never), "{packet:02x?}");
            replies += usize::from(ahead.is_some());
            fetched += usize::from(ahead.is_none());
        }
    }
    assert!(
        replies > RANDOM / 2 && fetched > RANDOM / 20,
        "{replies} replies, {fetched} to be fetched"
    );
}

#[test]
fn a_question_that_nobody_has_time_for_is_refused_aloud_or_in_silence() {
    let (runtime, answering) = start();
    let _guard = runtime.enter();
    let mut desk = answering.desk();
    let (standing, packet) = (
        answering.clients().classify([127, 0, 0, 1].into()),
        question("unknown.example"),
    );
    let asked = Asked {
        packet: &packet,
        standing,
        door: Door::Udp,
        rate: Rate::Within,
        seat: 0,
    };
    let mut room = [0; 1232];
    let round = answering.round(&mut desk);
    let Outcome::Later(later) = answering.answer(&round, &mut desk, &asked, &mut room) else {
        panic!("it is neither listed nor kept")
    };
    assert!(matches!(
        answering.shed(&later, false, desk.cells(), &mut room),
        Outcome::Silence
    ));
    let Outcome::Reply(len) = answering.shed(&later, true, desk.cells(), &mut room) else {
        panic!("no refusal")
    };
    assert_eq!(
        (&room[..2], room[3] & 15, len),
        (&packet[..2], 2, packet.len()),
        "SERVFAIL with the question"
    );
}

/// Classes that questions are asked in: IN, CH, NONE, ANY.
const CLASSES: [u16; 4] = [1, 3, 254, 255];

/// The zone above has it to give.
const DS: u16 = 43;

/// All types, in four classes, with all opcodes, for a listed name and for one that nobody knows:
/// each has its answer. A listed name's own servers are never asked.
#[test]
fn every_type_class_and_opcode_has_its_answer() {
    let (runtime, answering) = start();
    let _guard = runtime.enter();
    let mut desk = answering.desk();
    let mut outside = 0;
    for (name, is_listed) in [
        (listed_name(7), true),
        ("unknown.example".to_owned(), false),
    ] {
        for qtype in 0..=u16::MAX {
            for class in CLASSES {
                let batch: Vec<Vec<u8>> = (0..16)
                    .map(|opcode| odd_question(&name, qtype, class, opcode))
                    .collect();
                for (opcode, answered) in answer(&answering, &mut desk, &batch, Look::Never)
                    .into_iter()
                    .enumerate()
                {
                    let at =
                        format!("type {qtype}, class {class}, opcode {opcode}, listed {is_listed}");
                    let Some(reply) = answered else {
                        assert!(
                            opcode == 0 && class == 1 && (!is_listed || qtype == DS),
                            "{at}: is asked outside"
                        );
                        outside += 1;
                        continue;
                    };
                    assert!(
                        reply.len() >= 12 && reply[..2] == [0x12, 0x34] && reply[2] & 0x80 != 0,
                        "{at}: {reply:02x?}"
                    );
                    assert_eq!(usize::from(reply[2] >> 3 & 15), opcode, "{at}");
                    let rcode = reply[3] & 15;
                    assert!(
                        if opcode == 0 {
                            rcode != 2 && rcode != 3
                        } else {
                            rcode == 4
                        },
                        "{at}: {reply:02x?}"
                    );
                    let has_answer = reply[6..8] != [0, 0];
                    assert!(
                        !has_answer
                            || (is_listed && matches!(qtype, 1 | 255))
                            || class == 3
                            || qtype == 255,
                        "{at}: {reply:02x?}"
                    );
                }
            }
        }
    }
    // All types but 0, OPT and the six of transfers; for ANY, whether the name exists.
    // Of the listed name, its DS.
    assert_eq!(outside, 65_536 - 2 - 6 + 1);
}

fn odd_question(name: &str, qtype: u16, class: u16, opcode: u8) -> Vec<u8> {
    let mut packet = question(name);
    packet[2] |= opcode << 3;
    let end = packet.len();
    packet[end - 4..].copy_from_slice(&[qtype.to_be_bytes(), class.to_be_bytes()].concat());
    packet
}

/// Long run: all types once more at the running program, where nobody is to be asked for those that
/// nobody has.
#[test]
#[ignore = "takes minutes"]
fn every_type_has_its_answer_from_the_program() {
    let settings =
        "[resolve]\nspecial_use = false\npatience_ms = 500\n[limits]\nudp_replies_per_s = 0\n";
    let running = Program::new()
        .forward(([127, 0, 0, 1], 9).into())
        .toml(settings)
        .list("l", "listed.test\n")
        .start();
    let client = Client::udp(running.address());
    for qtype in 0..=u16::MAX {
        for class in CLASSES {
            for name in ["listed.test", "unknown.test"] {
                let reply = client.send(&odd_question(name, qtype, class, 0));
                let reply = reply
                    .unwrap_or_else(|| panic!("{name}, type {qtype}, class {class}: no answer"));
                assert!(
                    name != "listed.test" || reply[3] & 15 != 2,
                    "type {qtype}, class {class}: SERVFAIL"
                );
            }
        }
    }
}

/// A reply with its TTLs at 0: a second may pass between two answers.
fn without_ttls(answered: &Answered) -> Answered {
    let mut reply = answered.clone()?;
    let mut places = vec![];
    if let Ok(message) = Message::new(&reply) {
        message
            .walk(|record| places.extend((record.rtype != 41).then_some(record.ttl_at)))
            .expect("a whole reply");
    }
    for at in places {
        reply[at..at + 4].fill(0);
    }
    Some(reply)
}

/// So many packets are sent before replies are looked for.
const WINDOW: usize = 64;
/// What the resident memory may grow by in the second half, in KiB. It follows how many questions
/// ever waited at once, at 14 KiB each: after 1,000,000 and after 3,000,000 packets it ended alike
/// (measured: 62 and 64 MiB), but reached that sooner or later.
const GROWTH_KIB_MAX: u64 = 32 << 10;

#[test]
fn the_running_program_withstands_broken_packets() {
    let count =
        std::env::var("WARDLINE_TORTURE").map_or(MUTATED, |text| text.parse().expect("a number"));
    let settings = "[resolve]\nspecial_use = false\npatience_ms = 500\n[limits]\nudp_replies_per_s \
                    = 0\n[cache]\nsize_mib = 1\n";
    // Nobody is at this upstream: every miss fails at once.
    let running = Program::new()
        .forward(([127, 0, 0, 1], 9).into())
        .toml(settings)
        .list("l", "listed.test\n")
        .start();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(running.address()).expect("an address");
    socket
        .set_nonblocking(true)
        .expect("a socket that does not wait");
    let seed = u64::from(std::process::id());
    let mut order = Order(seed);
    let (mut resident, mut replies, mut room) = (0, 0, [0; 4096]);
    for window in 0..count / WINDOW {
        for _ in 0..WINDOW {
            let mut packet = some_question(&mut order);
            mutate(&mut packet, &mut order);
            // A full buffer loses packets, as a network may.
            let _ = socket.send(&packet);
        }
        while socket.recv(&mut room).is_ok() {
            replies += 1;
        }
        if window % 1000 == 0 {
            // Over TCP: the UDP socket may be full.
            let stop_page =
                Client::tcp(running.address()).ask(&Question::new("below.listed.test", "A"));
            assert!(
                stop_page.is_stopped(),
                "after {} packets, seed {seed}",
                window * WINDOW
            );
        }
        if window == count / WINDOW / 2 {
            resident = running.resident_kib();
        }
    }
    assert!(replies > count / 50, "{replies} replies to {count} packets");
    let grown = running.resident_kib().saturating_sub(resident);
    println!(
        "{count} packets, {replies} replies; resident {resident} KiB after half, {grown} KiB more \
         in the end; seed {seed}"
    );
    assert!(
        grown <= GROWTH_KIB_MAX,
        "{resident} KiB after half of the packets, {grown} KiB more in the end, seed {seed}"
    );
}
