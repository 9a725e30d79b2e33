//! Debian's validating forwarders, as customers' routers have them: each in front of ours, with
//! the anchor of the tests' internet.

use std::fs;
use std::net::SocketAddr;

use tempfile::TempDir;

use super::daemon::{Daemon, bind_anchor, free_address, wait_for};
use super::internet::Internet;
use super::tool::{DNSMASQ, KRESD, NAMED, STUBBY, Tool, UNBOUND};

/// Stubby reads it as YAML only where its name says so.
const CONFIGURATION: &str = "conf.yml";

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarder {
    Dnsmasq,
    Unbound,
    Bind,
    Knot,
    /// Over TLS, as a customer's own machine has it.
    Stubby,
    /// The same, checking signatures.
    StubbyChecking,
}

/// One that runs; it ends when dropped.
pub(crate) struct RunningForwarder {
    address: SocketAddr,
    _daemon: Daemon,
}

impl Forwarder {
    pub(crate) fn tool(self) -> &'static Tool {
        match self {
            Self::Dnsmasq => &DNSMASQ,
            Self::Unbound => &UNBOUND,
            Self::Bind => &NAMED,
            Self::Knot => &KRESD,
            Self::Stubby | Self::StubbyChecking => &STUBBY,
        }
    }

    /// Starts it in front of `upstream`, a TLS door for those that need one, and waits until it
    /// answers.
    pub(crate) fn start(self, upstream: SocketAddr, internet: &Internet) -> RunningForwarder {
        let (folder, address) = (TempDir::new().expect("a folder"), free_address());
        fs::write(folder.path().join("root.key"), internet.trust_anchor()).expect("a trust anchor");
        let at = folder.path().display();
        let (text, arguments) = match self {
            Self::Dnsmasq => (
                dnsmasq(address, upstream, internet),
                vec![
                    "--keep-in-foreground".to_owned(),
                    format!("--conf-file={at}/{CONFIGURATION}"),
                ],
            ),
            Self::Unbound => (
                unbound(address, upstream),
                vec!["-d".to_owned(), "-c".to_owned(), CONFIGURATION.to_owned()],
            ),
            Self::Bind => (
                bind(address, upstream, &internet.trust_anchor()),
                ["-f", "-n", "1", "-c", &format!("{at}/{CONFIGURATION}")]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            Self::Knot => (
                knot(address, upstream),
                ["-n", "-q", "-c", CONFIGURATION, "."]
                    .map(str::to_owned)
                    .to_vec(),
            ),
            Self::Stubby | Self::StubbyChecking => (
                stubby(self, address, upstream),
                vec!["-C".to_owned(), format!("{at}/{CONFIGURATION}")],
            ),
        };
        let text = text.replace("{folder}", &at.to_string());
        fs::write(folder.path().join(CONFIGURATION), text).expect("a configuration");
        let running = RunningForwarder {
            address,
            _daemon: Daemon::start(self.tool(), folder, arguments),
        };
        wait_for(address, "good.test.", |said| said.rcode() == "NOERROR");
        running
    }
}

impl RunningForwarder {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn dnsmasq(at: SocketAddr, upstream: SocketAddr, internet: &Internet) -> String {
    format!(
        "no-resolv\nno-hosts\nno-poll\nbind-interfaces\nuser=root\npid-file=\nno-negcache\n\
         listen-address={}\nport={}\nserver={}#{}\ndnssec\ndnssec-check-unsigned\n\
         trust-anchor=.,{}\n",
        at.ip(),
        at.port(),
        upstream.ip(),
        upstream.port(),
        internet.trust_anchor_ds().replacen(' ', ",", 3)
    )
}

fn unbound(at: SocketAddr, upstream: SocketAddr) -> String {
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
    num-threads: 1
    trust-anchor-file: root.key
    local-zone: "test." nodefault
    local-zone: "home.arpa." nodefault
    local-zone: "127.in-addr.arpa." nodefault
    local-zone: "168.192.in-addr.arpa." nodefault
    module-config: "validator iterator"
    trust-anchor-signaling: no
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {}@{}
"#,
        upstream.ip(),
        upstream.port()
    )
}

fn bind(at: SocketAddr, upstream: SocketAddr, anchor: &str) -> String {
    let anchor = bind_anchor(anchor);
    format!(
        r#"
options {{
    directory "{{folder}}";
    pid-file none;
    session-keyfile none;
    listen-on port {} {{ {}; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    allow-query {{ any; }};
    dnssec-validation yes;
    empty-zones-enable no;
    trust-anchor-telemetry no;
    forward only;
    forwarders {{ {} port {}; }};
}};
controls {{ }};
{anchor}
"#,
        at.port(),
        at.ip(),
        upstream.ip(),
        upstream.port()
    )
}

fn knot(at: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "
net.listen('{}', {}, {{ kind = 'dns' }})
net.ipv6 = false
trust_anchors.remove('.')
trust_anchors.add_file('root.key', true)
policy.add(policy.all(policy.FORWARD('{}@{}')))
option('ALLOW_LOCAL', true)
modules.unload('ta_sentinel')
modules.unload('ta_signal_query')
modules.unload('priming')
cache.size = 10 * MB
",
        at.ip(),
        at.port(),
        upstream.ip(),
        upstream.port()
    )
}

fn stubby(which: Forwarder, at: SocketAddr, upstream: SocketAddr) -> String {
    let dnssec = if which == Forwarder::StubbyChecking {
        "dnssec: GETDNS_EXTENSION_TRUE\ndnssec_trust_anchors: \"{folder}/root.key\"\n"
    } else {
        ""
    };
    format!(
        "resolution_type: GETDNS_RESOLUTION_STUB
dns_transport_list:
  - GETDNS_TRANSPORT_TLS
tls_authentication: GETDNS_AUTHENTICATION_NONE
tls_query_padding_blocksize: 128
round_robin_upstreams: 1
idle_timeout: 10000
appdata_dir: \"{{folder}}\"
{dnssec}listen_addresses:
  - {}@{}
upstream_recursive_servers:
  - address_data: {}
    tls_port: {}
",
        at.ip(),
        at.port(),
        upstream.ip(),
        upstream.port()
    )
}
