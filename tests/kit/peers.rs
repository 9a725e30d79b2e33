//! Debian's resolvers, for long runs beside ours: each on a port of its own, over the tests'
//! internet, with its own root and anchor.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tempfile::TempDir;

use super::daemon::{Daemon, bind_anchor, free_address, wait_for};
use super::internet::Internet;
use super::tool::{KRESD, NAMED, RECURSOR, Tool, UNBOUND, is_missing};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Unbound,
    Bind,
    Knot,
    PowerDns,
}

/// One that runs; it ends when dropped.
pub(crate) struct RunningPeer {
    address: SocketAddr,
    outgoing: IpAddr,
    _daemon: Daemon,
}

impl Peer {
    /// Those that are on this machine; `WARDLINE_PEERS` may name fewer, with commas.
    pub(crate) fn installed() -> Vec<Self> {
        let wanted = std::env::var("WARDLINE_PEERS").ok();
        let all = [Self::Unbound, Self::Bind, Self::Knot, Self::PowerDns];
        let is_wanted = |peer: &Self| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.split(',').any(|name| name == peer.name()))
        };
        all.into_iter()
            .filter(|peer| is_wanted(peer) && !is_missing(peer.tool()))
            .collect()
    }

    /// As it calls itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unbound => "Unbound",
            Self::Bind => "BIND",
            Self::Knot => "Knot Resolver",
            Self::PowerDns => "PowerDNS Recursor",
        }
    }

    fn tool(self) -> &'static Tool {
        match self {
            Self::Unbound => &UNBOUND,
            Self::Bind => &NAMED,
            Self::Knot => &KRESD,
            Self::PowerDns => &RECURSOR,
        }
    }

    /// Starts it over this internet, whose servers must be on port 53, and waits until it answers.
    pub(crate) fn start(self, internet: &Internet) -> RunningPeer {
        assert_eq!(
            internet.port(),
            super::internet::DNS_PORT,
            "peers know no other port for authorities"
        );
        let folder = TempDir::new().expect("a folder");
        let outgoing = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 100 + self as u8));
        let address = free_address();
        fs::write(folder.path().join("root.hints"), internet.root_hints()).expect("root hints");
        fs::write(folder.path().join("root.key"), internet.trust_anchor()).expect("a trust anchor");
        let at = folder.path().display();
        let (file, text) = match self {
            Self::Unbound => ("unbound.conf", unbound(address, outgoing)),
            Self::Bind => (
                "named.conf",
                bind(address, outgoing, &internet.trust_anchor()),
            ),
            Self::Knot => ("kresd.conf", knot(address, outgoing)),
            Self::PowerDns => {
                fs::write(
                    folder.path().join("anchors.lua"),
                    format!("clearTA()\nreadTrustAnchorsFromFile(\"{at}/root.key\")\n"),
                )
                .expect("a file");
                ("recursor.conf", powerdns(address, outgoing))
            }
        };
        fs::write(
            folder.path().join(file),
            text.replace("{folder}", &at.to_string()),
        )
        .expect("a configuration");
        let arguments = match self {
            Self::Unbound => vec!["-d".to_owned(), "-c".to_owned(), file.to_owned()],
            Self::Bind => ["-f", "-n", "1", "-c", &format!("{at}/{file}")]
                .map(str::to_owned)
                .to_vec(),
            Self::Knot => ["-n", "-q", "-c", file, "."].map(str::to_owned).to_vec(),
            Self::PowerDns => vec![format!("--config-dir={at}")],
        };
        let running = RunningPeer {
            address,
            outgoing,
            _daemon: Daemon::start(self.tool(), folder, arguments),
        };
        wait_for(address, "www.fine.test.", |said| said.rcode() != "REFUSED");
        running
    }
}

impl RunningPeer {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its questions come from.
    pub(crate) fn outgoing(&self) -> IpAddr {
        self.outgoing
    }
}

fn unbound(at: SocketAddr, outgoing: IpAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        r#"
server:
    directory: "{{folder}}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    interface: {ip}
    port: {port}
    access-control: 127.0.0.0/8 allow
    do-not-query-localhost: no
    do-ip6: no
    outgoing-interface: {outgoing}
    num-threads: 1
    root-hints: root.hints
    trust-anchor-file: root.key
    local-zone: "test." nodefault
    module-config: "validator iterator"
    qname-minimisation: yes
    aggressive-nsec: yes
    ede: yes
    trust-anchor-signaling: no
remote-control:
    control-enable: no
"#
    )
}

fn bind(at: SocketAddr, outgoing: IpAddr, anchor: &str) -> String {
    let (ip, port) = (at.ip(), at.port());
    let anchor = bind_anchor(anchor);
    format!(
        r#"
options {{
    directory "{{folder}}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ {ip}; }};
    listen-on-v6 {{ none; }};
    query-source address {outgoing};
    recursion yes;
    allow-query {{ any; }};
    dnssec-validation yes;
    empty-zones-enable no;
    qname-minimization relaxed;
    trust-anchor-telemetry no;
}};
controls {{ }};
zone "." {{ type hint; file "root.hints"; }};
{anchor}
server ::/0 {{ bogus yes; }};
"#
    )
}

fn knot(at: SocketAddr, outgoing: IpAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "
net.listen('{ip}', {port}, {{ kind = 'dns' }})
net.ipv6 = false
net.outgoing_v4('{outgoing}')
modules = {{ 'hints > iterate' }}
hints.root_file('root.hints')
trust_anchors.remove('.')
trust_anchors.add_file('root.key', true)
policy.add(policy.suffix(policy.PASS, policy.todnames({{ 'test.', 'example.' }})))
option('ALLOW_LOCAL', true)
modules.unload('ta_sentinel')
modules.unload('ta_signal_query')
modules.unload('priming')
cache.size = 100 * MB
"
    )
}

fn powerdns(at: SocketAddr, outgoing: IpAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "
local-address={ip}
local-port={port}
allow-from=127.0.0.0/8
hint-file={{folder}}/root.hints
dnssec=validate
dont-query=
query-local-address={outgoing}
socket-dir={{folder}}
lua-config-file={{folder}}/anchors.lua
extended-resolution-errors=yes
security-poll-suffix=
threads=1
pdns-distributes-queries=no
serve-rfc1918=no
"
    )
}
