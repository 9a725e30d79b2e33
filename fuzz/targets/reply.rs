//! What authorities or an upstream resolver say, through the whole way that a real one's words
//! take: read, judged, validated, laid out.
//!
//! The server stands on a loopback socket. It echoes each question's id and name, so that it is
//! believed to be the right one, and says the fuzzer's octets for the rest: flags, counts, and all
//! that follows the question.
#![cfg_attr(fuzzing, no_main)]

#[path = "../kit/messages.rs"]
mod messages;

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use wardline::cache::{Entry, Lifetimes};
use wardline::name::Name;
use wardline::resolve::{Question, Resolver, Settings, forward, recurse};

const LIFETIMES: Lifetimes = Lifetimes {
    ttl_s_min: 0,
    stale_s_max: 86_400,
    ttl_s_max: 3_600,
    negative_ttl_s_max: 900,
};
/// The root's key in signed seeds; nobody has the secret one any more.
const ANCHOR: &str = ". DNSKEY 257 3 15 3l7/gcTAh0e+oTJZ1DQBra7MRKSvzYVQzpzAP6csvVc=\n";
/// Short, since a reply that cannot be read is waited out.
const PATIENCE: Duration = Duration::from_millis(50);

struct Scene {
    runtime: Runtime,
    address: SocketAddr,
    replies: Arc<Mutex<Replies>>,
}

/// What the server says to each question in turn; the last for all that follow.
#[derive(Default)]
struct Replies {
    messages: Vec<Vec<u8>>,
    at: usize,
}

impl Replies {
    fn next(&mut self) -> Vec<u8> {
        self.at += 1;
        let last = self.messages.last();
        self.messages
            .get(self.at - 1)
            .or(last)
            .cloned()
            .unwrap_or_default()
    }
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let address = socket.local_addr().expect("an address");
    let replies = Arc::<Mutex<Replies>>::default();
    let said = Arc::clone(&replies);
    std::thread::spawn(move || {
        let mut asked = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut asked) {
            let words = said.lock().expect("the replies").next();
            let _ = socket.send_to(&reply(&asked[..length], &words), from);
        }
    });
    Scene {
        runtime: Runtime::new().expect("a runtime"),
        address,
        replies,
    }
});

/// Id and question as asked; flags, counts and records as the fuzzer says.
fn reply(asked: &[u8], words: &[u8]) -> Vec<u8> {
    let name = Name::from_wire(&asked[12..]).expect("our own question");
    let question = &asked[12..12 + name.as_wire().len() + 4];
    let (head, records) = words.split_at(words.len().min(5));
    let mut header = [0; 5];
    header[..head.len()].copy_from_slice(head);
    let [high, low, answers, authorities, additionals] = header;
    // TC would send us to TCP, where nobody listens.
    let high = 0x80 | high & 0x05;
    let counts = [0, 1, 0, answers, 0, authorities, 0, additionals];
    [&asked[..2], &[high, low], &counts, question, records].concat()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// The bits of the first octet choose the way; two octets are the type that is asked for; the rest
/// is what the server says.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((&[way, type_high, type_low], words)) = input.split_first_chunk() else {
        return "too short";
    };
    let scene = &*SCENE;
    *scene.replies.lock().expect("the replies") = Replies {
        messages: messages::split(words).into_iter().map(Vec::from).collect(),
        at: 0,
    };
    let settings = Settings {
        recurse: recursion(way, scene.address),
        forward: (way & 1 == 1).then(|| forwarding(scene.address)),
        zones: vec![],
        private_names: None,
        patience: PATIENCE,
        dns64: None,
        renumbering: vec![],
    };
    let question = Question {
        name: Name::parse("www.zone.test").expect("a name"),
        qtype: u16::from_be_bytes([type_high, type_low]),
        dnssec_ok: way & 8 == 0,
        checking_disabled: way & 16 == 0,
    };
    scene.runtime.block_on(async {
        let resolver = Resolver::start(settings).expect("a resolver");
        let Ok(fetched) = resolver.fetch(&question, PATIENCE).await else {
            return "failed";
        };
        let is_authentic = fetched.wire[3] & 0x20 != 0;
        Entry::from_wire(fetched.wire, fetched.ede, 0, LIFETIMES)
            .expect("what comes from outside can be kept");
        if is_authentic { "validated" } else { "fetched" }
    })
}

fn recursion(way: u8, server: SocketAddr) -> recurse::Settings {
    let is_signed = way & 2 != 0;
    let anchors = is_signed.then(|| ANCHOR.to_owned()).into_iter().collect();
    recurse::Settings {
        root_hints: Some(format!(". NS ns.test.\nns.test. A {}\n", server.ip())),
        trust_anchors: Some(anchors),
        validate: way & 1 == 0 || way & 4 == 0,
        ipv6: false,
        loopback: true,
        private: true,
        prime: false,
        port: server.port(),
        ..recurse::Settings::default()
    }
}

fn forwarding(server: SocketAddr) -> forward::Settings {
    forward::Settings {
        upstreams: vec![server.into()],
        timeout: PATIENCE,
        attempts: 1,
        ..forward::Settings::default()
    }
}
