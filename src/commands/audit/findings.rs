//! What a verifier found, for people.

use crate::audit::Finding;

/// What is not in order, a line each.
pub(super) fn describe_findings(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(
            |Finding {
                 code,
                 place,
                 message,
             }| format!("NOT IN ORDER ({code}): {place}: {message}\n"),
        )
        .collect()
}
