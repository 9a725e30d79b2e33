//! `[listen]` and `[tls]`: where questions come in.

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::clients::network;
use super::files::FileContent;
use super::review::{Review, unwritten};
use crate::name::Name;

/// UDP threads for one address are capped here: more than any machine has cores.
const THREADS_MAX: usize = 1024;

/// The doors' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Plain DNS over UDP.
    pub udp: Vec<SocketAddr>,
    /// Plain DNS over TCP.
    pub tcp: Vec<SocketAddr>,
    /// DNS over TLS (RFC 7858).
    pub tls: Vec<SocketAddr>,
    /// Networks of balancers that say for whom they come (PROXY header, version 2).
    pub balancers: Vec<IpNet>,
    /// UDP threads for each address; 0 takes one for each core.
    pub threads: usize,
    /// The name in that certificate by which clients are told of the TLS doors, if they are.
    pub tls_name: Option<Name>,
    /// The certificate for TLS; always there when `tls` has addresses.
    pub identity: Option<TlsFiles>,
}

/// Who we are over TLS: two files in PEM form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, our own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenSection {
    udp: Vec<Spanned<String>>,
    tcp: Vec<Spanned<String>>,
    tls: Vec<Spanned<String>>,
    balancers: Vec<Spanned<String>>,
    threads: Spanned<usize>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let door = || vec![unwritten("127.0.0.1:5300".to_owned())];
        Self {
            udp: door(),
            tcp: door(),
            tls: Vec::new(),
            balancers: Vec::new(),
            threads: unwritten(0),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TlsSection {
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    name: Option<Spanned<String>>,
}

impl TlsSection {
    fn name(&self, review: &mut Review<'_>) -> Option<Name> {
        let value = self.name.as_ref()?;
        let name = Name::parse(value.get_ref());
        name.map_err(|error| {
            review.say(
                value,
                format!("name: {:?} is no name ({error})", value.get_ref()),
            )
        })
        .ok()
    }
}

impl ListenSection {
    pub(super) fn check(&self, tls: &TlsSection, review: &mut Review<'_>) -> Listen {
        let doors = |key,
                     values: &[Spanned<String>],
                     taken: &mut Vec<SocketAddr>,
                     review: &mut Review<'_>| {
            values
                .iter()
                .filter_map(|value| door(key, value, taken, review))
                .collect::<Vec<_>>()
        };
        let udp = doors("udp", &self.udp, &mut Vec::new(), review);
        let mut taken = Vec::new();
        let tcp = doors("tcp", &self.tcp, &mut taken, review);
        let encrypted = doors("tls", &self.tls, &mut taken, review);
        if self.udp.is_empty() && self.tcp.is_empty() && self.tls.is_empty() {
            review.say_of_all("[listen] has no address at all: write one for udp and for tcp");
        }
        let threads = review.number("threads", &self.threads, 0..=THREADS_MAX);
        let balancers = self
            .balancers
            .iter()
            .filter_map(|value| network("balancers", value, review))
            .collect();
        Listen {
            udp,
            tcp,
            tls_name: tls.name(review),
            identity: self.identity(tls, review),
            tls: encrypted,
            balancers,
            threads,
        }
    }

    fn identity(&self, tls: &TlsSection, review: &mut Review<'_>) -> Option<TlsFiles> {
        match (&tls.certificate, &tls.key) {
            (Some(certificate), Some(key)) => {
                let key = review.file(key, FileContent::Key);
                let content = FileContent::Certificate {
                    key: key.clone(),
                    name: tls.name.as_ref().map(|name| name.get_ref().clone()),
                };
                let certificate = review.file(certificate, content);
                Some(TlsFiles { certificate, key })
            }
            (Some(one), None) | (None, Some(one)) => {
                review.say_missing(one, "[tls] needs both `certificate` and `key`");
                None
            }
            (None, None) => {
                if let Some(door) = self.tls.first() {
                    review.say_missing(door, "DNS over TLS needs `certificate` and `key` in [tls]");
                }
                None
            }
        }
    }
}

/// One door's address; port 0 lets the system choose, and the line that says "ready" names what it
/// chose.
fn door(
    key: &str,
    value: &Spanned<String>,
    taken: &mut Vec<SocketAddr>,
    review: &mut Review<'_>,
) -> Option<SocketAddr> {
    let address = review.socket(key, value, 0)?;
    if address.port() != 0 && taken.contains(&address) {
        review.say(
            value,
            format!("{key}: {address} is taken by another door already"),
        );
        return None;
    }
    taken.push(address);
    Some(address)
}
