//! What proofs of absence come to, and the questions that NSEC and NSEC3 share.

use hickory_proto::rr::{Name, RecordType, RecordTypeSet};

/// What a set of records says to a claim of absence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It is so.
    Holds,
    /// It may be so: an unsigned delegation could stand there (opt-out, RFC 5155 section 6).
    OptOut,
    /// Hashing would take more iterations than we do (RFC 9276 section 3.2).
    TooCostly,
    /// Not proven.
    Fails,
}

/// The record at `name` denies the type: neither it nor an alias is there, and the record speaks
/// for the right side of a zone cut.
pub(super) fn lacks(types: &RecordTypeSet, rtype: RecordType, name: &Name) -> bool {
    let right_side = match rtype {
        RecordType::DS => !types.contains(RecordType::SOA) || name.is_root(),
        _ => !is_delegation(types),
    };
    right_side && !types.contains(rtype) && !types.contains(RecordType::CNAME)
}

/// Is it the parent's record at a zone cut?
pub(super) fn is_delegation(types: &RecordTypeSet) -> bool {
    types.contains(RecordType::NS) && !types.contains(RecordType::SOA)
}

/// The wildcard right below a name, if it fits.
pub(super) fn wildcard(encloser: &Name) -> Option<Name> {
    encloser.prepend_label("*").ok()
}
