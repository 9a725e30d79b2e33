//! A client's packet at every door: the reply is one that a client can read, echoes the id, and
//! keeps to the size that was asked for.
#![cfg_attr(fuzzing, no_main)]

#[allow(dead_code, reason = "the tests' scene has more than is needed here")]
#[path = "../../tests/kit/in_process.rs"]
pub(crate) mod in_process;

use std::cell::RefCell;

use tokio::runtime::Runtime;
use wardline::count::Door;
use wardline::query::{AnswerDesk, Answering, Asked, Outcome, Rate};
use wardline::wire::Message;

/// The ends of the scene's answers: the stop page's address, and that of every name in the cache.
const STOP_PAGE: [u8; 6] = [0, 4, 192, 0, 2, 1];
const CACHED: [u8; 6] = [0, 4, 198, 51, 100, 1];

struct Scene {
    answering: Answering,
    desk: AnswerDesk,
    runtime: Runtime,
}

thread_local! {
    static SCENE: RefCell<Scene> = RefCell::new({
        let runtime = Runtime::new().expect("a runtime");
        let guard = runtime.enter();
        let answering = in_process::answering(1000, 100);
        drop(guard);
        let desk = answering.desk_for_batches(4, 1);
        Scene { answering, desk, runtime }
    });
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|packet: &[u8]| {
    run(packet);
});

pub(crate) fn run(packet: &[u8]) -> &'static str {
    SCENE.with_borrow_mut(|scene| ask_everywhere(scene, packet))
}

fn ask_everywhere(scene: &mut Scene, packet: &[u8]) -> &'static str {
    let _guard = scene.runtime.enter();
    let standing = scene.answering.clients().classify([127, 0, 0, 1].into());
    let round = scene.answering.round(&mut scene.desk);
    scene.desk.foresee(&round, [packet].into_iter());
    let mut room = vec![0; 65_535];
    let mut reached = "silence";
    for door in [Door::Udp, Door::Tcp, Door::Tls] {
        for rate in [Rate::Slip, Rate::Within] {
            let asked = Asked {
                packet,
                standing,
                door,
                rate,
                seat: 0,
            };
            let answering = &scene.answering;
            reached = match answering.answer(&round, &mut scene.desk, &asked, &mut room) {
                Outcome::Reply(octets) => check_reply(packet, &room[..octets], door),
                Outcome::Silence => "silence",
                Outcome::Later(_) => "later",
            };
        }
    }
    reached
}

fn check_reply(packet: &[u8], reply: &[u8], door: Door) -> &'static str {
    assert!(
        reply.len() <= 1232 || door != Door::Udp,
        "a long reply over UDP"
    );
    assert!(
        reply.starts_with(&packet[..2]) && reply[2] & 0x80 != 0,
        "another id, or no reply"
    );
    Message::new(reply)
        .and_then(|message| message.walk(|_| ()))
        .expect("a whole message");
    let holds = |answer: [u8; 6]| reply.windows(answer.len()).any(|octets| octets == answer);
    if holds(STOP_PAGE) {
        "blocked"
    } else if holds(CACHED) {
        "cached"
    } else {
        "other reply"
    }
}
