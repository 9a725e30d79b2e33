//! The client of a pulled list and of a witness: no redirects, no proxy, and hosts that are found
//! without the system's resolver, which may be us.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// So many addresses of a host are tried.
const ADDRESSES_MAX: usize = 8;

/// How a client speaks.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The authorities that vouch for the other side's certificate.
    pub roots: Vec<Certificate<'static>>,
    /// How long one exchange may take in all.
    pub exchange: Duration,
    /// Is a URL without TLS refused?
    pub is_https_only: bool,
}

/// The addresses at which a URL's host is found, with its port where the URL names none.
pub type FindAddresses = Box<dyn Fn(&str, u16) -> Vec<SocketAddr> + Send + Sync>;

/// A client that finds hosts by `find` alone.
pub fn client(settings: &ClientSettings, find: FindAddresses) -> ureq::Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::new_with_certs(&settings.roots))
        .build();
    let config = Config::builder()
        .https_only(settings.is_https_only)
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .user_agent(concat!("wardline/", env!("CARGO_PKG_VERSION")))
        .timeout_global(Some(settings.exchange))
        .timeout_connect(Some(CONNECT))
        .tls_config(tls)
        .build();
    ureq::Agent::with_parts(config, DefaultConnector::default(), Directions(find))
}

/// The certificates of authorities in a PEM file.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_authorities(
    file: &Path,
) -> Result<Vec<Certificate<'static>>, rustls::pki_types::pem::Error> {
    let certificates = CertificateDer::pem_file_iter(file)?;
    certificates
        .map(|found| found.map(|found| Certificate::from_der(&found).to_owned()))
        .collect()
}

/// These addresses where there are any, or the one that stands in the URL in place of a host.
pub fn named_addresses(named: &[SocketAddr], host: &str, port: u16) -> Vec<SocketAddr> {
    let written = host.trim_start_matches('[').trim_end_matches(']');
    let written = written.parse::<IpAddr>().ok();
    let written = written.map(|address| SocketAddr::new(address, port));
    if named.is_empty() {
        written.into_iter().collect()
    } else {
        named.to_vec()
    }
}

struct Directions(FindAddresses);

impl std::fmt::Debug for Directions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Directions")
    }
}

impl Resolver for Directions {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        let port = match uri.scheme_str() {
            Some("http") => 80,
            _ => 443,
        };
        let port = uri.port_u16().unwrap_or(port);
        let all = (self.0)(uri.host().unwrap_or_default(), port);
        all.into_iter()
            .take(ADDRESSES_MAX)
            .for_each(|address| found.push(address));
        if found.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(found)
        }
    }
}
