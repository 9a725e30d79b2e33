//! The HTTPS client of a pulled list, which finds its server without us.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::name::Name;
use crate::update::listed::PullSettings;
use crate::update::prove::ask;
use crate::update::refusal::place_of;
use crate::wire::{Message, Section, rtype};

/// How long one exchange may take in all: a gibibyte over a slow line.
const EXCHANGE: Duration = Duration::from_secs(300);

const CONNECT: Duration = Duration::from_secs(10);

pub(super) fn build(settings: &PullSettings) -> Result<ureq::Agent, String> {
    let fault =
        |error: rustls::pki_types::pem::Error| format!("{}: {error}", place_of(&settings.ca));
    let pem = CertificateDer::pem_file_iter(&settings.ca).map_err(fault)?;
    let roots = pem
        .map(|found| found.map(|found| Certificate::from_der(&found).to_owned()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fault)?;
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::new_with_certs(&roots))
        .build();
    let config = Config::builder()
        .https_only(true)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("wardline/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(EXCHANGE))
        .timeout_connect(Some(CONNECT))
        .tls_config(tls)
        .build();
    let way = Directions {
        addresses: settings.addresses.clone(),
        bootstrap: settings.bootstrap.clone(),
    };
    Ok(ureq::Agent::with_parts(
        config,
        DefaultConnector::default(),
        way,
    ))
}

/// Finds the server without the system's resolver, which may be us.
#[derive(Debug)]
struct Directions {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) bootstrap: Vec<SocketAddr>,
}

impl Resolver for Directions {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        let port = uri.port_u16().unwrap_or(443);
        let asked = if self.addresses.is_empty() {
            look_up(uri.host().unwrap_or_default(), &self.bootstrap)
        } else {
            Vec::new()
        };
        let asked = asked
            .into_iter()
            .map(|address| SocketAddr::new(address, port));
        for address in self
            .addresses
            .iter()
            .copied()
            .chain(asked)
            .take(ADDRESSES_MAX)
        {
            found.push(address);
        }
        if found.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(found)
        }
    }
}

const ADDRESSES_MAX: usize = 8;

/// Ask the named resolvers for a host's addresses.
fn look_up(host: &str, resolvers: &[SocketAddr]) -> Vec<IpAddr> {
    let Ok(name) = Name::parse(host) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for &resolver in resolvers {
        for kind in [rtype::A, rtype::AAAA] {
            let Some(reply) = ask(resolver, name.as_wire(), kind, true) else {
                continue;
            };
            let Ok(message) = Message::new(&reply) else {
                continue;
            };
            // What cannot be walked to its end has given what could be read.
            let _ = message.walk(|record| {
                let data = reply.get(record.data_at..record.end).unwrap_or_default();
                match (record.section, record.rtype) {
                    (Section::Answer, rtype::A) => {
                        found.extend(<[u8; 4]>::try_from(data).map(IpAddr::from))
                    }
                    (Section::Answer, rtype::AAAA) => {
                        found.extend(<[u8; 16]>::try_from(data).map(IpAddr::from))
                    }
                    _ => {}
                }
            });
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}
