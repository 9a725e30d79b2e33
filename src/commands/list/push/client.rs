//! Speaks with the push listeners of resolvers: HTTPS alone, to servers whose certificates the
//! given authorities vouch for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use zeroize::Zeroizing;

use super::super::super::failure::CommandFailure;
use super::super::super::files::{read, read_text};
use crate::clock::UnixSeconds;
use crate::list::serial;

/// Where Debian and its relatives keep the authorities that the system trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// An issue of a million names takes some time on a slow line.
const CALL_S_MAX: u64 = 300;
const CONNECT_S_MAX: u64 = 10;
const REPLY_OCTETS_MAX: u64 = 1 << 20;
/// What is shown of a refusal.
const MESSAGE_CHARS_MAX: usize = 300;

/// What a listener says of a list.
#[derive(Debug, Deserialize)]
pub(super) struct PushStanding {
    /// The serial in force; none where the list is not in force yet.
    #[serde(default, deserialize_with = "serial::deserialize")]
    pub(super) serial: Option<u64>,
    /// How far the newest issue got.
    #[serde(default)]
    pub(super) state: Option<String>,
    /// When the newest issue comes in force at the latest, where it is tried out first.
    #[serde(default, rename = "shadow-until")]
    pub(super) shadow_until: Option<UnixSeconds>,
    /// Why it was refused, where it was.
    #[serde(default)]
    pub(super) message: Option<String>,
    /// The hash of the manifest that was refused, where it could be believed.
    #[serde(default)]
    pub(super) refused: Option<String>,
    /// The receipt's note, once there is one.
    #[serde(default)]
    pub(super) receipt: Option<String>,
}

/// An issue as it is sent.
#[derive(Serialize)]
pub(super) struct Parcel {
    pub(super) manifest: String,
    /// In base64.
    pub(super) entries: String,
}

/// Something that can be asked and sent to.
pub(super) struct PushClient {
    agent: Agent,
    /// `Bearer …`, where the listeners want a token.
    permission: Option<Zeroizing<String>>,
}

impl PushClient {
    pub(super) fn new(
        authorities: Option<&Path>,
        token: Option<&Path>,
    ) -> Result<Self, CommandFailure> {
        let place = authorities.unwrap_or(Path::new(SYSTEM_AUTHORITIES));
        let certificates: Vec<Certificate<'static>> = parse_pem(&read(place)?)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(CommandFailure::Failed(format!(
                "{}: no certificate in it: give the authorities with --ca",
                place.display()
            )));
        }
        let permission = match token {
            None => None,
            Some(place) => Some(Zeroizing::new(format!(
                "Bearer {}",
                Zeroizing::new(read_text(place)?).trim()
            ))),
        };
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&certificates))
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .build();
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls)
            .timeout_connect(Some(Duration::from_secs(CONNECT_S_MAX)))
            .timeout_global(Some(Duration::from_secs(CALL_S_MAX)))
            .build();
        Ok(Self {
            agent: config.into(),
            permission,
        })
    }

    /// Send a body; an error is what went wrong, in words.
    pub(super) fn put(&self, url: &str, kind: &str, body: &[u8]) -> Result<(), String> {
        let mut request = self.agent.put(url).header("Content-Type", kind);
        if let Some(permission) = &self.permission {
            request = request.header("Authorization", permission.as_str());
        }
        read_reply(request.send(body)).map(drop)
    }

    /// Ask how a list stands.
    pub(super) fn standing(&self, url: &str) -> Result<PushStanding, String> {
        let mut request = self.agent.get(url);
        if let Some(permission) = &self.permission {
            request = request.header("Authorization", permission.as_str());
        }
        let text = read_reply(request.call())?;
        serde_json::from_str(&text)
            .map_err(|_| "the answer is not that of a push listener".to_owned())
    }
}

fn read_reply(
    reply: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<String, String> {
    let mut reply = reply.map_err(|error| error.to_string())?;
    let status = reply.status();
    let text = reply
        .body_mut()
        .with_config()
        .limit(REPLY_OCTETS_MAX)
        .read_to_string();
    if status.is_success() {
        return text.map_err(|error| error.to_string());
    }
    let text = text.unwrap_or_default();
    let said = serde_json::from_str::<Refused>(&text).map_or(text, |refused| refused.error);
    Err(if said.is_empty() {
        format!("HTTP {}", status.as_u16())
    } else {
        printable(&said)
    })
}

/// Why a listener took nothing.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// What somebody else says, as a terminal may show it: short, and without anything that a terminal
/// obeys.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_CHARS_MAX)
        .collect()
}
