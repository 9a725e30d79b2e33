//! A zone's primary that says anything to whoever transfers it (AXFR, IXFR, TSIG): each input is
//! one visit to a primary on loopback.
#![cfg_attr(fuzzing, no_main)]

#[path = "../kit/folder.rs"]
mod folder;
#[path = "../kit/messages.rs"]
mod messages;
#[path = "../kit/tsig.rs"]
mod tsig;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use wardline::list::guard::GuardLimits;
use wardline::list::parse::Format;
use wardline::name::Name;
use wardline::update::transfer::{Caps, SecondaryZone, Settings, SharedKey, Transfers};
use wardline::update::{self, ListSource, Text, Updater};

const ZONE: &str = "rpz.test";
/// The zone as an earlier visit left it, with a serial before the primary's.
const COPY: &str = "$ORIGIN rpz.test.\n@ SOA . . 8 3600 3600 3600 0\nlisted.example CNAME .\n\
                    ; end of 1 records\n";
/// The primary's SOA record, with serial 9, for the name at octet 12.
const SOA: &[u8] = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0\
                     \0\0\0\x09\0\0\x0e\x10\0\0\x0e\x10\0\0\x0e\x10\0\0\0\x3c";
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(1);

struct Scene {
    runtime: Runtime,
    updater: Arc<Updater>,
    primary: SocketAddr,
    words: Arc<Mutex<Words>>,
    /// Something for each visit that is over.
    visits: Mutex<Receiver<()>>,
    folder: PathBuf,
}

/// What the primary says to whoever wants the zone or its changes, and whether it signs.
#[derive(Clone, Default)]
struct Words {
    octets: Vec<u8>,
    signs: bool,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let primary = listener.local_addr().expect("an address");
    let words = Arc::<Mutex<Words>>::default();
    let said = Arc::clone(&words);
    let (over, visits) = channel();
    thread::spawn(move || serve(&listener, &said, &over));
    let text = Text::Embedded("listed.example CNAME .\n");
    let mut list = ListSource::unsigned("zone", 0, text, Format::Rpz);
    // What one input brought must not keep out what the next one brings.
    list.limits = GuardLimits {
        added_percent_max: f64::MAX,
        removed_percent_max: f64::MAX,
        ..GuardLimits::default()
    };
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
        visits: Mutex::new(visits),
        folder: folder::of_process().join("transfer"),
    }
});

fn serve(listener: &TcpListener, words: &Mutex<Words>, over: &Sender<()>) {
    for stream in listener.incoming().flatten() {
        let words = words.lock().expect("the words").clone();
        let over = over.clone();
        thread::spawn(move || {
            let _ = converse(stream, &words);
            let _ = over.send(());
        });
    }
}

/// A question for the SOA record is answered with a newer serial; what is said to any other is the
/// fuzzer's, with the id of the question.
fn converse(mut stream: TcpStream, words: &Words) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    loop {
        let asked = receive(&mut stream)?;
        let name = Name::from_wire(&asked[12..]).expect("our own question");
        let question = &asked[12..12 + name.as_wire().len() + 4];
        let mut signer = words.signs.then(|| tsig::Signer::answering(&asked));
        if question.ends_with(b"\0\x06\0\x01") {
            let header = [asked[0], asked[1], 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
            let message = [&header, question, SOA].concat();
            send(&mut stream, message, signer.as_mut())?;
            continue;
        }
        for message in messages::split(&words.octets) {
            let message = [&asked[..2], message].concat();
            send(&mut stream, message, signer.as_mut())?;
        }
        // The visit is over when the visitor hangs up.
        stream.shutdown(Shutdown::Write)?;
        return stream.read_exact(&mut [0]);
    }
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}

fn send(
    stream: &mut TcpStream,
    mut message: Vec<u8>,
    signer: Option<&mut tsig::Signer>,
) -> io::Result<()> {
    if let Some(signer) = signer {
        signer.sign(&mut message);
    }
    let length = message.len().min(65_535) as u16;
    stream.write_all(&[&length.to_be_bytes()[..], &message].concat())
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// The bits of the first octet say whether there is a key, whether the primary signs, and whether
/// there is a copy from before; the rest are the primary's messages without their ids.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((&how, words)) = input.split_first() else {
        return "too short";
    };
    let (has_key, signs, has_copy) = (how & 1 != 0, how & 3 == 3, how & 4 != 0);
    let scene = &*SCENE;
    *scene.words.lock().expect("the words") = Words {
        octets: words.to_vec(),
        signs,
    };
    let copy = scene.folder.join("zone.zone");
    fs::create_dir_all(&scene.folder).expect("a folder");
    if has_copy {
        fs::write(&copy, COPY).expect("a copy");
    }
    let visits = scene.visits.lock().expect("the visits");
    visits.try_iter().for_each(drop);
    let transfers = Transfers::start(
        settings(scene, has_key),
        &scene.updater,
        scene.runtime.handle(),
    );
    let _ = visits.recv_timeout(PATIENCE);
    drop(transfers);
    let kept = fs::read_to_string(&copy).unwrap_or_default();
    let _ = fs::remove_dir_all(&scene.folder);
    match (has_copy, kept.is_empty()) {
        (false, true) => "refused",
        (false, false) => "taken",
        (true, _) if kept == COPY => "refused",
        (true, _) => "changed",
    }
}

fn settings(scene: &Scene, has_key: bool) -> Settings {
    let zone = SecondaryZone {
        list: 0,
        id: "zone".to_owned(),
        zone: Name::parse(ZONE).expect("a name"),
        primaries: vec![scene.primary],
        key: has_key.then(|| SharedKey::of(tsig::key())),
        caps: Caps {
            octets: 1 << 20,
            records: 1_000,
        },
        time_max: PATIENCE,
    };
    Settings {
        zones: vec![zone],
        notify: vec![],
        folder: scene.folder.clone(),
    }
}
