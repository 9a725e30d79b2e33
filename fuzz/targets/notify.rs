//! What a zone's primary tells us of changes (NOTIFY, TSIG): whatever comes, the next message has
//! its answer.
#![cfg_attr(fuzzing, no_main)]

#[path = "../kit/folder.rs"]
mod folder;
#[path = "../kit/tsig.rs"]
mod tsig;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use wardline::list::parse::Format;
use wardline::name::Name;
use wardline::update::transfer::{Caps, SecondaryZone, Settings, SharedKey, Transfers};
use wardline::update::{self, ListSource, Text, Updater};

/// NOTIFY for a zone that nobody has, which is answered with NOTAUTH.
const SENTINEL: &[u8] = b"\xab\xcd\x20\0\0\x01\0\0\0\0\0\0\x07nowhere\x04test\0\0\x06\0\x01";
/// The zones `open.test` and `keyed.test`.
const IDS: [&str; 2] = ["open", "keyed"];

struct Scene {
    _runtime: Runtime,
    _updater: Arc<Updater>,
    _transfers: Transfers,
    socket: UdpSocket,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    // A primary that hangs up: what it is told of is never had.
    let primary = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = primary.local_addr().expect("an address");
    std::thread::spawn(move || primary.incoming().for_each(drop));
    let text = Text::Embedded("listed.example CNAME .\n");
    let list = |(id, index)| ListSource::unsigned(id, index, text.clone(), Format::Rpz);
    let (updater, _) = Updater::start(update::Settings {
        lists: IDS.into_iter().zip(0..).map(list).collect(),
        ..update::Settings::default()
    })
    .expect("lists");
    let settings = Settings {
        zones: IDS
            .into_iter()
            .zip(0..)
            .map(|(id, index)| zone(id, index, address))
            .collect(),
        notify: vec![([127, 0, 0, 1], 0).into()],
        folder: folder::of_process().join("notify"),
    };
    let runtime = Runtime::new().expect("a runtime");
    let transfers = Transfers::start(settings, &updater, runtime.handle()).expect("a door");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .connect(transfers.addresses()[0])
        .expect("an address");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a deadline");
    Scene {
        _runtime: runtime,
        _updater: updater,
        _transfers: transfers,
        socket,
    }
});

fn zone(id: &str, list: u16, primary: SocketAddr) -> SecondaryZone {
    SecondaryZone {
        list,
        id: id.to_owned(),
        zone: Name::parse(&format!("{id}.test")).expect("a name"),
        primaries: vec![primary],
        key: (id == "keyed").then(|| SharedKey::of(tsig::key())),
        caps: Caps {
            octets: 1 << 20,
            records: 1_000,
        },
        time_max: Duration::from_secs(1),
    }
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// The first octet says whether the rest, a message, is signed with the right key: `s`.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((signs, packet)) = input.split_first() else {
        return "too short";
    };
    let mut packet = packet.to_vec();
    if *signs == b's' {
        tsig::Signer::default().sign(&mut packet);
    }
    let socket = &SCENE.socket;
    if socket.send(&packet).is_err() {
        return "not sent";
    }
    socket.send(SENTINEL).expect("loopback");
    let mut reached = "silence";
    let mut reply = [0; 4096];
    // One socket takes one sender's packets in their order, so the sentinel's answer comes last.
    loop {
        let length = socket.recv(&mut reply).expect("an answer to the sentinel");
        assert!(length >= 12 && reply[2] & 0x80 != 0, "no reply");
        if reply[..2] == SENTINEL[..2] && reply[..length].ends_with(&SENTINEL[12..]) {
            return reached;
        }
        let has_record = reply[11] == 1;
        reached = match reply[3] & 0xf {
            0 if has_record => "believed",
            0 => "heard",
            _ => "refused",
        };
    }
}
