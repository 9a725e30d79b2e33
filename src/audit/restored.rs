//! A log that follows another one, because the state that the other was kept in was restored,
//! copied or emptied.

use crate::record::EndedLog;

/// In words.
pub fn describe_ended(ended: &EndedLog) -> String {
    let EndedLog {
        origin,
        size,
        root,
        found,
        why,
    } = ended;
    let known = match why.as_str() {
        "unknown" => "at least ",
        _ => "",
    };
    format!(
        "follows {origin}, which ended with {known}{size} leaves (root {root}), as the state was \
         restored, copied or emptied ({why}: {found} leaves were found)"
    )
}
