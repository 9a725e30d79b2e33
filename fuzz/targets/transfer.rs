//! A zone's primary that says anything to whoever transfers it (AXFR, TSIG): each input is one
//! visit to a primary on loopback.
#![no_main]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;
use wardline::list::parse::Format;
use wardline::name::Name;
use wardline::update::transfer::{TsigAlgorithm, Caps, TsigKey, Settings, Transfers, SecondaryZone};
use wardline::update::{self, ListSource, Text, Updater};

struct Scene {
    runtime: Runtime,
    updater: Arc<Updater>,
    primary: SocketAddr,
    words: Arc<Mutex<Vec<u8>>>,
    folder: PathBuf,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let primary = listener.local_addr().expect("an address");
    let words = Arc::<Mutex<Vec<u8>>>::default();
    let said = Arc::clone(&words);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let words = said.lock().expect("the words").clone();
            let _ = converse(stream, &words);
        }
    });
    let base = if PathBuf::from("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    let folder = base.join(format!("wardline-fuzz-{}", std::process::id()));
    let list = ListSource::unsigned("zone", 0, Text::Embedded("listed CNAME .\n"), Format::Rpz);
    let (updater, _) = Updater::start(update::Settings {
        lists: vec![list],
        ..update::Settings::default()
    })
    .expect("a list");
    Scene {
        runtime: Runtime::new().expect("a runtime"),
        updater,
        primary,
        words,
        folder,
    }
});

/// The serial that is asked for first is always a newer one; all that follows is the fuzzer's, with
/// the id of the question.
fn converse(mut stream: TcpStream, words: &[u8]) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let first = receive(&mut stream)?;
    let soa = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\0\0\0\x09\0\0\x0e\x10\0\0\x0e\x10\0\0\x0e\x10\0\0\0\x3c";
    send(
        &mut stream,
        &[
            &first[..2],
            b"\x84\0\0\x01\0\x01\0\0\0\0",
            &first[12..],
            soa,
        ]
        .concat(),
    )?;
    let asked = receive(&mut stream)?;
    // Messages are parted where the fuzzer says 0xff 0xff.
    for message in split(words) {
        send(&mut stream, &[&asked[..2], message].concat())?;
    }
    Ok(())
}

fn split(words: &[u8]) -> Vec<&[u8]> {
    let mut parts = vec![];
    let mut rest = words;
    while let Some(at) = rest.windows(2).position(|pair| pair == [0xff, 0xff]) {
        parts.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    parts.push(rest);
    parts
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}

fn send(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    stream.write_all(
        &[
            &(message.len().min(65_535) as u16).to_be_bytes()[..],
            message,
        ]
        .concat(),
    )
}

fuzz_target!(|input: (bool, &[u8])| {
    let (keyed, words) = input;
    let scene = &*SCENE;
    *scene.words.lock().expect("the words") = words.to_vec();
    let key = || {
        TsigKey::new(
            Name::parse("key.test").expect("a name"),
            TsigAlgorithm::Sha256,
            b"secret".to_vec().into(),
        )
    };
    let zone = SecondaryZone {
        list: 0,
        id: "zone".to_owned(),
        zone: Name::parse("rpz.test").expect("a name"),
        primaries: vec![scene.primary],
        key: keyed.then(key),
        caps: Caps {
            octets: 1 << 20,
            records: 1_000,
        },
        time_max: Duration::from_secs(1),
    };
    let settings = Settings {
        zones: vec![zone],
        notify: vec![],
        folder: scene.folder.clone(),
    };
    drop(Transfers::start(
        settings,
        &scene.updater,
        scene.runtime.handle(),
    ));
    let _ = std::fs::remove_dir_all(&scene.folder);
});
