//! Public keys that commands are given.

use super::super::failure::CommandFailure;
use crate::seal::VerifyKey;

/// Public keys, each given as a key or as a file with one a line; lines that start with `#` are
/// passed over.
pub(super) fn read_keys(given: &[String]) -> Result<Vec<VerifyKey>, CommandFailure> {
    let mut keys = Vec::new();
    for text in given {
        if let Ok(key) = VerifyKey::parse(text) {
            keys.push(key);
            continue;
        }
        let lines = std::fs::read_to_string(text).map_err(|error| {
            CommandFailure::Usage(format!(
                "{text:?} is neither a public key nor a file of keys ({error})"
            ))
        })?;
        for (at, line) in lines
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            keys.push(
                VerifyKey::parse(line).map_err(|error| {
                    CommandFailure::Usage(format!("{text}:{}: {error}", at + 1))
                })?,
            );
        }
    }
    Ok(keys)
}
