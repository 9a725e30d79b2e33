//! The certificate of the TLS doors: it is renewed by others every few weeks, in files that are
//! looked at, and what clients would refuse is never shown to them in place of what they accept.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use tracing::{error, info};

use super::doors::DoorGround;
use super::start_error::StartError;
use crate::clock::UnixSeconds;
use crate::config::{Config, TlsFiles};
use crate::serve::tls::TlsIdentity;

/// Certificate and key as files: both are replaced when they are renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct PairSight([Option<FileSeen>; 2]);

/// A file as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileSeen {
    inode: u64,
    octets: u64,
    modified: (i64, i64),
}

/// What was seen of the files.
#[derive(Debug, Default)]
pub(super) struct CertificateWatch {
    /// What is in force, or was refused.
    judged: PairSight,
    /// What was seen at the last look.
    last: PairSight,
    /// Until when the certificate in force is valid.
    pub(super) until: Option<UnixSeconds>,
}

impl CertificateWatch {
    /// With what is in force now.
    pub(super) fn new(config: &Config) -> Self {
        let sight = PairSight::of(config);
        Self {
            last: sight.clone(),
            judged: sight,
            until: config.certificate_until(),
        }
    }

    /// Have they changed since they were judged?
    pub(super) fn has_changed(&self, config: &Config) -> bool {
        PairSight::of(config) != self.judged
    }

    /// Look at the files, and show the new certificate where they have changed, have come to rest
    /// and hold what clients accept.
    pub(super) fn look(&mut self, config: &Config, ground: &DoorGround) {
        let sight = PairSight::of(config);
        let is_at_rest = sight == self.last;
        self.last = sight.clone();
        if sight == self.judged || !is_at_rest {
            return;
        }
        let identity = acceptable_identity(config);
        // A file that was being written looks otherwise now: it is judged at the next look.
        if PairSight::of(config) != sight {
            return;
        }
        self.judged = sight;
        match (identity, &ground.identity) {
            (Ok(Some(identity)), Some(live)) => {
                live.store(Arc::new(identity));
                self.until = config.certificate_until();
                info!("the renewed certificate is shown from now on");
            }
            (Ok(_), _) => {}
            (Err(fault), _) => error!("the renewed certificate is NOT shown: {fault}"),
        }
    }
}

impl PairSight {
    fn of(config: &Config) -> Self {
        let see = |path: &Path| path.metadata().ok().map(|metadata| FileSeen::of(&metadata));
        let files = config.listen.identity.as_ref();
        let see_both = |TlsFiles { certificate, key }: &TlsFiles| [see(certificate), see(key)];
        Self(files.map(see_both).unwrap_or_default())
    }
}

impl FileSeen {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            octets: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The certificate and its key, where there is to be a TLS door; an error where clients would not
/// accept it.
pub(super) fn acceptable_identity(config: &Config) -> Result<Option<TlsIdentity>, StartError> {
    let faults = config.certificate_faults();
    if faults.is_empty() {
        return tls_identity(config);
    }
    Err(faults.join("; ").into())
}

/// The certificate and its key, whatever clients may have against it: at a start there is no other.
pub(super) fn tls_identity(config: &Config) -> Result<Option<TlsIdentity>, StartError> {
    let files = config.listen.identity.as_ref();
    let load = |files: &TlsFiles| TlsIdentity::load(&files.certificate, &files.key);
    Ok(files.map(load).transpose()?)
}
