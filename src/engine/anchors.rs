//! Keeps over restarts what became of the trust anchors (RFC 5011), in a file of the state folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{self, MissedTickBehavior};

use crate::clock;
use crate::config::Config;
use crate::resolve::{KeptAnchors, Resolver};
use crate::store::{beside, free_name, write_whole};

const FILE: &str = "trust-anchors.json";
/// How often is looked whether something is to be asked or kept.
const LOOK: Duration = Duration::from_secs(1);
/// The anchors' zones are first asked so long after the start, which has other things to do.
const FIRST: Duration = Duration::from_secs(10);
/// What cannot be written is tried again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// What is known from before, where the anchors are to follow their zones' keys. What cannot be
/// read is set aside: the operator's anchors hold then.
pub(super) fn read(config: &Config) -> Option<KeptAnchors> {
    if !config.resolve.recurse.update_trust_anchors {
        return None;
    }
    let file = config.state.join(FILE);
    let text = match fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Default::default()),
        read => read.map_err(|error| error.to_string()),
    };
    let text = text.map(|octets| String::from_utf8_lossy(&octets).into_owned());
    let kept = text.and_then(|text| KeptAnchors::read(&text));
    Some(kept.unwrap_or_else(|fault| {
        tracing::error!(
            "{}: cannot be used ({fault}){}; the trust anchors of the configuration hold, and what \
             was learnt since is lost: see `wardline status` and docs/root-key.md",
            file.display(),
            set_aside(&file)
        );
        KeptAnchors::default()
    }))
}

/// Where the file is now, for a message.
fn set_aside(file: &Path) -> String {
    let aside = free_name(&beside(file, ".damaged"), clock::wall_s());
    match fs::rename(file, &aside) {
        Ok(()) => format!(", and is set aside as {}", aside.display()),
        Err(_) => String::new(),
    }
}

/// Ask the anchors' zones when that is due, and keep what became of them, for as long as the
/// program runs.
pub(super) async fn follow(resolver: Resolver, state: PathBuf) {
    let (mut looks, mut kept, mut has_failed) = (time::interval(LOOK), 0, false);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let begun = clock::monotonic();
    loop {
        looks.tick().await;
        if begun.elapsed() >= FIRST {
            resolver.refresh_anchors().await;
        }
        let Some((version, text)) = resolver.anchors_to_keep(kept) else {
            continue;
        };
        let folder = state.clone();
        let write = move || write_whole(&folder, FILE, text.as_bytes());
        let written = tokio::task::spawn_blocking(write).await;
        match written.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => (kept, has_failed) = (version, false),
            Err(error) => {
                if !has_failed {
                    let file = state.join(FILE);
                    tracing::error!(
                        "{}: cannot be written ({error}); a restart would forget what became of \
                         the trust anchors: make room, or correct the folder's owner",
                        file.display()
                    );
                }
                has_failed = true;
                time::sleep(AGAIN).await;
            }
        }
    }
}
