//! The answering function inside the test's own process, with a made-up list and a filled cache,
//! for torture and for measuring.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use wardline::answer::blocked::Page;
use wardline::answer::local::Local;
use wardline::answer::special_use::SpecialUse;
use wardline::cache::{Cache, CacheKey, Entry, Lifetimes};
use wardline::clock;
use wardline::count::Board;
use wardline::list::{Scope, TableBuilder};
use wardline::name::{HashKey, Name, SuffixHashes};
use wardline::policy::{Action, Basis, Clients, ListRules, Snapshot};
use wardline::query::{Answering, Parts, RenewalSettings, Terms};
use wardline::resolve::{Resolver, Settings, forward, recurse};

const KEY: HashKey = HashKey::fixed([9; 16]);
const LIFETIMES: Lifetimes = Lifetimes {
    ttl_s_min: 0,
    stale_s_max: 86400,
    ttl_s_max: 86400,
    negative_ttl_s_max: 3600,
};

/// With `listed` names on its only list and `cached` answers in its cache; needs a tokio runtime
/// around it.
pub(crate) fn answering(listed: usize, cached: usize) -> Answering {
    let mut table = TableBuilder::new(KEY, listed).expect("memory");
    for n in 0..listed {
        table.insert(
            Name::parse(&listed_name(n)).expect("a name").as_wire(),
            Scope::Below,
        );
    }
    let snapshot = Snapshot::new(KEY, vec![Arc::new(table.finish().expect("room"))]);
    let rules = ListRules {
        contact: vec![],
        filtering_databases: vec![],
        language: "en".to_owned(),
        id: "big".to_owned(),
        authority: "Example Authority".to_owned(),
        legal_basis: "Example Act".to_owned(),
        basis: Basis::Law,
        action: Action::StopPage {
            v4: vec![[192, 0, 2, 1].into()],
            v6: vec![],
        },
        ttl_s: 60,
    };
    let upstream = forward::Settings {
        upstreams: vec![SocketAddr::from(([127, 0, 0, 1], 9)).into()],
        timeout: Duration::from_secs(1),
        attempts: 1,
        ..forward::Settings::default()
    };
    let settings = Settings {
        forward: Some(upstream),
        recurse: recurse::Settings {
            validate: false,
            ..recurse::Settings::default()
        },
        zones: vec![],
        private_names: None,
        patience: Duration::from_secs(1),
        dns64: None,
        renumbering: vec![],
    };
    let cache = Cache::new(256 << 20).expect("a cache");
    for n in 0..cached {
        keep(&cache, &cached_name(n));
    }
    let terms = Terms {
        renewal: RenewalSettings {
            stale_after: Duration::from_secs(1),
            prefetch: false,
        },
        udp_octets_max: 1232,
        clients: Arc::new(Clients::new(
            &["127.0.0.0/8".parse().expect("a prefix")],
            &[],
            &[0],
        )),
        pages: vec![Some(Page::new(&rules))],
        lifetimes: LIFETIMES,
        special_use: SpecialUse::ours(),
        local: Local::default(),
        waiting_max: 10,
    };
    let parts = Parts {
        live: Arc::new(ArcSwap::from_pointee(snapshot)),
        board: Arc::new(Board::new(1)),
        cache,
        resolver: Resolver::start(settings).expect("a resolver"),
        terms,
    };
    Answering::new(parts).0
}

fn keep(cache: &Cache, name: &str) {
    let mut wire = vec![0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    wire.extend(&question(name)[12..]);
    wire.extend(b"\xc0\x0c\0\x01\0\x01\0\x01\x51\x80\0\x04\xc6\x33\x64\x01");
    let mut hashes = SuffixHashes::new();
    hashes.fill(KEY, &wire[12..]);
    let entry = Entry::from_wire(wire, None, clock::wall_u32_s(), LIFETIMES).expect("a reply");
    cache.keep(
        CacheKey::new(hashes.whole(), 1, false, false),
        Arc::new(entry),
    );
}

/// The `n`th name on the list.
pub(crate) fn listed_name(n: usize) -> String {
    format!(
        "site{:08x}.listed{}.example",
        n.wrapping_mul(2_654_435_761) as u32,
        n % 977
    )
}

/// The `n`th name in the cache.
pub(crate) fn cached_name(n: usize) -> String {
    format!("host{n}.zone.example")
}

/// A plain question for an address.
pub(crate) fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend(Name::parse(name).expect("a name").as_wire());
    packet.extend([0, 1, 0, 1]);
    packet
}

/// Repeatable random numbers (splitmix64).
pub(crate) struct Order(pub(crate) u64);

impl Order {
    /// The next number.
    pub(crate) fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) >> 16) as usize
    }

    /// A rank with a chance near to one over the rank.
    pub(crate) fn popular(&mut self, count: usize) -> usize {
        let uniform = (self.next() % 1_000_000) as f64 / 1e6;
        ((count as f64).powf(uniform) as usize).min(count - 1)
    }
}
