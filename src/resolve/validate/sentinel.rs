//! The root key sentinel (RFC 8509): names that ask whether a resolver's root anchors hold a
//! certain key. A SERVFAIL is the answer no.

use hickory_proto::rr::{Name, RecordType};

/// Is the validated answer to this name to be withheld? `root_tags` are those of the root's
/// anchors.
pub(super) fn withholds(name: &Name, rtype: RecordType, root_tags: Option<&[u16]>) -> bool {
    let (Some(tags), RecordType::A | RecordType::AAAA) = (root_tags, rtype) else {
        return false;
    };
    let Some(question) = name.iter().next().and_then(read) else {
        return false;
    };
    match question {
        SentinelQuestion::IsAnchor(tag) => !tags.contains(&tag),
        SentinelQuestion::IsNoAnchor(tag) => tags.contains(&tag),
    }
}

enum SentinelQuestion {
    IsAnchor(u16),
    IsNoAnchor(u16),
}

/// The leftmost label of section 2: five digits after one of two words.
fn read(label: &[u8]) -> Option<SentinelQuestion> {
    let label = label.to_ascii_lowercase();
    let tag = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.len() == 5)?;
        digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    if let Some(digits) = label.strip_prefix(b"root-key-sentinel-is-ta-") {
        return tag(digits).map(SentinelQuestion::IsAnchor);
    }
    label
        .strip_prefix(b"root-key-sentinel-not-ta-")
        .and_then(tag)
        .map(SentinelQuestion::IsNoAnchor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_the_standard_count() {
        let withheld = |label: &str, rtype, tags| {
            withholds(
                &Name::from_ascii(format!("{label}.test.")).unwrap(),
                rtype,
                tags,
            )
        };
        let (a, tags): (_, Option<&[u16]>) = (RecordType::A, Some(&[20_326, 1]));
        for (label, expected) in [
            ("root-key-sentinel-is-ta-20326", false),
            ("root-key-sentinel-is-ta-20327", true),
            ("Root-Key-Sentinel-Not-TA-00001", true),
            ("root-key-sentinel-not-ta-00002", false),
            ("root-key-sentinel-not-ta-1", false),
            ("root-key-sentinel-is-ta-x0002", false),
            ("root-key-sentinel-is-ta-99999", false),
            ("www", false),
        ] {
            assert_eq!(withheld(label, a, tags), expected, "{label}");
        }
        assert!(!withheld(
            "root-key-sentinel-not-ta-20326",
            RecordType::TXT,
            tags
        ));
        assert!(!withheld("root-key-sentinel-is-ta-20327", a, None));
    }
}
