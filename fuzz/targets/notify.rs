//! What a zone's primary tells us of changes (NOTIFY, TSIG): whatever comes, the next message has
//! its answer.
#![no_main]

use std::net::{TcpListener, UdpSocket};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use wardline::list::parse::Format;
use wardline::name::Name;
use wardline::update::transfer::{TsigAlgorithm, Caps, TsigKey, Settings, Transfers, SecondaryZone};
use wardline::update::{self, ListSource, Text, Updater};

/// NOTIFY for a zone that nobody has, which is answered with NOTAUTH.
const SENTINEL: &[u8] = b"\xab\xcd\x20\0\0\x01\0\0\0\0\0\0\x07nowhere\x04test\0\0\x06\0\x01";

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
    let ids = ["open", "keyed"];
    let list = |(index, id): (usize, &&str)| {
        ListSource::unsigned(
            id,
            index as u16,
            Text::Embedded("listed CNAME .\n"),
            Format::Rpz,
        )
    };
    let lists = ids.iter().enumerate().map(list).collect();
    let (updater, _) = Updater::start(update::Settings {
        lists,
        ..update::Settings::default()
    })
    .expect("lists");
    let key = || {
        TsigKey::new(
            Name::parse("key.test").expect("a name"),
            TsigAlgorithm::Sha256,
            b"secret".to_vec().into(),
        )
    };
    let zone = |(index, id): (usize, &&str)| SecondaryZone {
        list: index as u16,
        id: (*id).to_owned(),
        zone: Name::parse(&format!("{id}.test")).expect("a name"),
        primaries: vec![address],
        key: (*id == "keyed").then(key),
        caps: Caps {
            octets: 1 << 20,
            records: 1_000,
        },
        time_max: Duration::from_secs(1),
    };
    let folder = std::env::temp_dir().join(format!("wardline-fuzz-{}", std::process::id()));
    let zones = ids.iter().enumerate().map(zone).collect();
    let settings = Settings {
        zones,
        notify: vec![([127, 0, 0, 1], 0).into()],
        folder,
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

fuzz_target!(|packet: &[u8]| {
    let socket = &SCENE.socket;
    if socket.send(packet).is_err() {
        return;
    }
    socket.send(SENTINEL).expect("loopback");
    let mut reply = [0; 4096];
    // One socket takes one sender's packets in their order, so the sentinel's answer comes last.
    loop {
        let length = socket.recv(&mut reply).expect("an answer to the sentinel");
        assert!(length >= 12 && reply[2] & 0x80 != 0, "no reply");
        if reply[..2] == SENTINEL[..2] && reply[..length].ends_with(&SENTINEL[12..]) {
            return;
        }
    }
});
