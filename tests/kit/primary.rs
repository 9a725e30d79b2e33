//! A primary on loopback for one response policy zone, which a test changes, takes away and brings
//! back. It speaks no more of zone transfer (RFC 5936) than a secondary needs to ask.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The zone's name in wire format.
const APEX: &[u8] = b"\x03rpz\x07example\0";
const SOA: u16 = 6;
const CNAME: u16 = 5;
const HEADER_OCTETS: usize = 12;

/// What the primary has.
#[derive(Clone, Default)]
pub(crate) struct PrimaryZone {
    pub(crate) serial: u32,
    /// Listed names, each blocked as it stands.
    pub(crate) names: Vec<String>,
    /// For how long a secondary may believe it without hearing of it, in seconds.
    pub(crate) expire_s: u32,
    /// Nobody is answered.
    pub(crate) is_down: bool,
}

/// Answers until the test's process ends. The zone's name is `rpz.example`.
pub(crate) struct Primary {
    address: SocketAddr,
    zone: Arc<Mutex<PrimaryZone>>,
}

impl Primary {
    /// Down at first.
    pub(crate) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let zone = Arc::new(Mutex::new(PrimaryZone {
            is_down: true,
            ..PrimaryZone::default()
        }));
        let serving = Arc::clone(&zone);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let now = serving.lock().expect("the zone").clone();
                if !now.is_down {
                    // It ends when the secondary has heard enough.
                    let _ = answer(stream, &now);
                }
            }
        });
        Self { address, zone }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut PrimaryZone)) {
        change(&mut self.zone.lock().expect("the zone"));
    }
}

/// The SOA record to whoever asks for it, the whole zone to everybody else.
fn answer(mut stream: TcpStream, zone: &PrimaryZone) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    loop {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let asked = question.get(HEADER_OCTETS + APEX.len() + 1);
        let wants_zone = asked != Some(&(SOA as u8));
        let mut records = vec![soa(zone)];
        if wants_zone {
            records.extend(zone.names.iter().map(|name| listed(name)));
            records.push(soa(zone));
        }
        let count = (records.len() as u16).to_be_bytes();
        let head = [
            question[0],
            question[1],
            0x84,
            0,
            0,
            0,
            count[0],
            count[1],
            0,
            0,
            0,
            0,
        ];
        let message = [head.to_vec(), records.concat()].concat();
        stream.write_all(&(message.len() as u16).to_be_bytes())?;
        stream.write_all(&message)?;
    }
}

fn soa(zone: &PrimaryZone) -> Vec<u8> {
    let timers = [zone.serial, 1, 1, zone.expire_s, 60];
    let numbers = timers.iter().flat_map(|number| number.to_be_bytes());
    record(
        APEX,
        SOA,
        &[0, 0].into_iter().chain(numbers).collect::<Vec<_>>(),
    )
}

fn listed(name: &str) -> Vec<u8> {
    let labels = name.split('.');
    let labels = labels.flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    let owner: Vec<u8> = labels.chain(APEX.iter().copied()).collect();
    record(&owner, CNAME, &[0])
}

fn record(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let class_and_ttl = [0, 1, 0, 0, 0, 60];
    let length = (data.len() as u16).to_be_bytes();
    [owner, &kind.to_be_bytes(), &class_and_ttl, &length, data].concat()
}
