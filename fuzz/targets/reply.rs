//! What an authority or an upstream resolver says, through the whole way that a real one's words
//! take: read, judged, validated, laid out.
//!
//! The server stands on a loopback socket. It echoes each question's id and name, so that it is
//! believed to be the right one, and says the fuzzer's octets for the rest: flags, counts, and all
//! that follows the question.
#![no_main]

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use wardline::cache::{Entry, Lifetimes};
use wardline::name::Name;
use wardline::resolve::{Mode, Question, Resolver, Settings, forward, recurse};

const LIFETIMES: Lifetimes = Lifetimes {
    ttl_s_min: 0,
    stale_s_max: 86_400,
    ttl_s_max: 3_600,
    negative_ttl_s_max: 900,
};
const PATIENCE: Duration = Duration::from_millis(200);

struct Scene {
    runtime: Runtime,
    address: SocketAddr,
    words: Arc<Mutex<Vec<u8>>>,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let words = Arc::<Mutex<Vec<u8>>>::default();
    let said = Arc::clone(&words);
    std::thread::spawn(move || {
        let mut asked = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut asked) {
            let words = said.lock().expect("the words").clone();
            let reply = reply(&asked[..length], &words);
            let _ = socket.send_to(&reply, from);
        }
    });
    Scene {
        runtime: Runtime::new().expect("a runtime"),
        address,
        words,
    }
});

/// Id and question as asked; flags, counts and records as the fuzzer says.
fn reply(asked: &[u8], words: &[u8]) -> Vec<u8> {
    let name = Name::from_wire(&asked[12..]).expect("our own question");
    let question = &asked[12..12 + name.as_wire().len() + 4];
    let (head, records) = words.split_at(words.len().min(8));
    let mut header = [0; 8];
    header[..head.len()].copy_from_slice(head);
    let [
        flags_high,
        flags_low,
        _,
        answers,
        _,
        authorities,
        _,
        additionals,
    ] = header;
    // TC would send us to TCP, where nobody listens.
    let flags_high = 0x80 | flags_high & 0x05;
    [
        &asked[..2],
        &[
            flags_high,
            flags_low,
            0,
            1,
            0,
            answers,
            0,
            authorities,
            0,
            additionals,
        ],
        question,
        records,
    ]
    .concat()
}

fuzz_target!(|input: (u8, u16, &[u8])| {
    let (way, qtype, words) = input;
    let scene = &*SCENE;
    *scene.words.lock().expect("the words") = words.to_vec();
    let recursion = recurse::Settings {
        root_hints: Some(format!(
            ". NS ns.test.\nns.test. A {}\n",
            scene.address.ip()
        )),
        trust_anchors: (way & 2 == 0).then(Vec::new),
        ipv6: false,
        loopback: true,
        private: true,
        prime: false,
        port: scene.address.port(),
        ..recurse::Settings::default()
    };
    let mode = if way & 1 == 0 {
        Mode::Recurse(recursion)
    } else {
        let validate = (way & 4 == 0).then_some(recursion);
        let upstreams = vec![scene.address.into()];
        Mode::Forward(forward::Settings {
            upstreams,
            timeout: PATIENCE,
            attempts: 1,
            validate,
            ..forward::Settings::default()
        })
    };
    let question = Question {
        name: Name::parse("www.zone.test").expect("a name"),
        qtype,
        dnssec_ok: way & 8 == 0,
        checking_disabled: way & 16 == 0,
    };
    scene.runtime.block_on(async {
        let settings = Settings {
            mode,
            zones: vec![],
            private_names: None,
            patience: PATIENCE,
            dns64: None,
            renumbering: vec![],
        };
        let resolver = Resolver::start(settings).expect("a resolver");
        if let Ok(fetched) = resolver.fetch(&question, PATIENCE).await {
            Entry::from_wire(fetched.wire, fetched.ede, 0, LIFETIMES).expect(
                "what comes from \
                outside can be kept",
            );
        }
    });
});
