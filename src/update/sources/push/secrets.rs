//! Who the listener is, and who may speak to it.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::settings::{PushFault, Settings};
use crate::update::refusal::place_of;

/// Shorter tokens could be guessed.
const TOKEN_OCTETS_MIN: usize = 16;

/// Certificate, key and tokens.
pub(super) struct PushSecrets {
    pub(super) tls: Arc<ServerConfig>,
    tokens: Vec<Zeroizing<String>>,
}

/// Could the tokens in this file be used?
///
/// # Errors
/// What is wrong with it.
pub fn check_tokens(file: &Path) -> Result<(), PushFault> {
    read_tokens(file).map(drop)
}

fn read_tokens(file: &Path) -> Result<Vec<Zeroizing<String>>, PushFault> {
    let text = std::fs::read_to_string(file)
        .map(Zeroizing::new)
        .map_err(|error| of_file(file, format!("the tokens cannot be read: {error}")))?;
    let tokens: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| Zeroizing::new(line.to_owned()))
        .collect();
    if tokens.iter().any(|token| token.len() < TOKEN_OCTETS_MIN) || tokens.is_empty() {
        let reason = format!("write tokens of at least {TOKEN_OCTETS_MIN} characters, one a line");
        return Err(of_file(file, reason));
    }
    Ok(tokens)
}

fn of_file(path: &Path, reason: String) -> PushFault {
    PushFault {
        place: place_of(path),
        reason,
    }
}

impl PushSecrets {
    /// As the files have them now.
    pub(super) fn read(settings: &Settings) -> Result<Self, PushFault> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_file_iter(&settings.certificate)
                .and_then(Iterator::collect)
                .map_err(|error| {
                    of_file(
                        &settings.certificate,
                        format!("no certificate can be read: {error}"),
                    )
                })?;
        let key = PrivateKeyDer::from_pem_file(&settings.key)
            .map_err(|error| of_file(&settings.key, format!("no key can be read: {error}")))?;
        let tls = ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| {
            of_file(
                &settings.certificate,
                format!("certificate and key do not fit together: {error}"),
            )
        })?;
        Ok(Self {
            tls: Arc::new(tls),
            tokens: read_tokens(&settings.tokens)?,
        })
    }

    /// Does a request carry one of the tokens? All are compared, each in constant time.
    pub(super) fn admits(&self, bearer: &str) -> bool {
        self.tokens.iter().fold(false, |admitted, token| {
            admitted | verify_slices_are_equal(token.as_bytes(), bearer.as_bytes()).is_ok()
        })
    }
}
