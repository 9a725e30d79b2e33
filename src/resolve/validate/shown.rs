//! What the validator shows an operator who asks how a question is resolved: signatures, keys,
//! delegations, its verdict.

use hickory_proto::dnssec::rdata::DS;
use hickory_proto::rr::{Name, RecordType};

use super::verdict::{Insecurity, Judged, Security};
use super::zone::ZoneTrust;
use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::trace::{KeysKnownBy, TraceEvent};

/// What is known of a zone's keys now.
pub(super) fn note_keys(budget: &Budget, apex: &Name, trust: &ZoneTrust, by: KeysKnownBy) {
    budget.note(|| {
        let (key_tags, insecure) = match trust {
            ZoneTrust::Secure(keys) => (keys.tags(), None),
            ZoneTrust::Insecure(why) => (Vec::new(), Some(why.word().to_owned())),
        };
        TraceEvent::Keys {
            zone: apex.to_ascii(),
            by,
            key_tags,
            insecure,
        }
    });
}

/// What the zone above says of a delegation: these DS records, or none for that reason.
pub(super) fn note_delegation(
    budget: &Budget,
    child: &Name,
    says: &Result<&[DS], Option<Insecurity>>,
) {
    budget.note(|| {
        let (ds_tags, meaning) = match says {
            Ok(signers) => (
                signers.iter().map(DS::key_tag).collect(),
                "signed".to_owned(),
            ),
            Err(Some(why)) => (Vec::new(), format!("insecure: {}", why.word())),
            Err(None) => (Vec::new(), "no zone cut".to_owned()),
        };
        TraceEvent::Delegation {
            child: child.to_ascii(),
            ds_tags,
            meaning,
        }
    });
}

/// The last word on name and type.
pub(super) fn note_verdict(
    budget: &Budget,
    name: &Name,
    rtype: RecordType,
    judged: &Result<Judged, Failure>,
) {
    budget.note(|| {
        let (verdict, ede) = match judged {
            Ok(judged) => match judged.verdict {
                Security::Secure => ("secure".to_owned(), None),
                Security::Insecure(why) => (format!("insecure: {}", why.word()), why.ede()),
            },
            Err(failure) if failure.is_bogus() => {
                (format!("bogus: {failure}"), Some(failure.ede()))
            }
            Err(failure) => (format!("none: {failure}"), Some(failure.ede())),
        };
        TraceEvent::Verdict {
            name: name.to_ascii(),
            rtype: rtype.to_string(),
            verdict,
            ede,
        }
    });
}
