//! The names that no list may block, as the configuration has them.

use std::io::BufReader;

use super::Config;
use crate::list::Scope;
use crate::list::guard::Protected;
use crate::name::Name;
use crate::update::ListOrigin;

impl Config {
    /// What no list may block: what we ship, the operator's own files and names, and the hosts that
    /// lists are fetched from.
    pub fn protected(&self) -> Result<Protected, String> {
        let mut protected = Protected::shipped();
        for file in &self.never_block.files {
            let refuse = |reason: String| {
                format!(
                    "{}: the names that are never blocked cannot be read: {reason}",
                    file.display()
                )
            };
            let text = std::fs::File::open(file).map_err(|error| refuse(error.to_string()))?;
            let parsed = protected
                .read_never_block(BufReader::new(text))
                .map_err(|error| refuse(error.to_string()))?;
            if let Some(first) = parsed.rejects_shown.first() {
                return Err(refuse(format!("line {}: {}", first.line, first.reason)));
            }
        }
        let sources = self.lists.iter().flat_map(|(_, list)| &list.sources);
        let hosts = sources.filter_map(|source| match source {
            ListOrigin::Pull(pull) => pull.url.strip_prefix("https://")?.split(['/', ':']).next(),
            ListOrigin::Folder(_) | ListOrigin::Push => None,
        });
        // Where a host is written as an address there is no name to protect.
        hosts
            .filter_map(|host| Name::parse(host).ok())
            .for_each(|name| protected.protect(&name, Scope::Exact));
        for name in &self.never_block.names {
            protected.protect(name, Scope::Below);
        }
        Ok(protected)
    }
}
