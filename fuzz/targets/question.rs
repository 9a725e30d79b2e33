//! A client's packet at every door: the reply is one that a client can read, echoes the id, and
//! keeps to the size that was asked for.
#![no_main]

#[allow(dead_code, reason = "the tests' scene has more than is needed here")]
#[path = "../../tests/kit/in_process.rs"]
mod in_process;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use wardline::count::Door;
use wardline::query::{Answering, Asked, AnswerDesk, Outcome, Rate};
use wardline::wire::Message;

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

fuzz_target!(|packet: &[u8]| SCENE.with_borrow_mut(|scene| {
    let _guard = scene.runtime.enter();
    let standing = scene.answering.clients().classify([127, 0, 0, 1].into());
    let round = scene.answering.round(&mut scene.desk);
    scene.desk.foresee(&round, [packet].into_iter());
    let mut room = vec![0; 65_535];
    for door in [Door::Udp, Door::Tcp, Door::Tls] {
        for rate in [Rate::Within, Rate::Slip] {
            let asked = Asked {
                packet,
                standing,
                door,
                rate,
                seat: 0,
            };
            if let Outcome::Reply(octets) =
                scene
                    .answering
                    .answer(&round, &mut scene.desk, &asked, &mut room)
            {
                let reply = &room[..octets];
                assert!(octets <= 1232 || door != Door::Udp, "a long reply over UDP");
                assert!(
                    reply.starts_with(&packet[..2]) && reply[2] & 0x80 != 0,
                    "another id, or no reply"
                );
                Message::new(reply)
                    .and_then(|message| message.walk(|_| ()))
                    .expect("a whole message");
            }
        }
    }
}));
