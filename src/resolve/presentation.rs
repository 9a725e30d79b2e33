//! A reply in presentation format (RFC 9499 section 5), for an operator.

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use serde::{Deserialize, Serialize};

use super::trace::ReplySeen;
use crate::wire::{self, OptionWalk, Section, rtype};

/// The option code of extended errors (RFC 8914 section 2).
const EDE: u16 = 15;

/// A reply as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentedReply {
    /// The response code's mnemonic, or RCODE4095.
    pub rcode: String,
    /// `aa`, `tc`, `ra`, `ad`: those that are set.
    pub flags: Vec<String>,
    /// The extended errors.
    pub ede: Vec<PresentedError>,
    /// The answer section, a record a line: owner, TTL, class, type, data.
    pub answer: Vec<String>,
    /// The authority section.
    pub authority: Vec<String>,
}

/// An extended error (RFC 8914).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentedError {
    /// The INFO-CODE.
    pub code: u16,
    /// The EXTRA-TEXT.
    pub text: String,
}

/// Read a whole reply; nothing where it is none.
pub fn present(octets: &[u8]) -> Option<PresentedReply> {
    let message = Message::from_vec(octets).ok()?;
    let lines = |records: &[Record]| records.iter().map(Record::to_string).collect();
    let seen = ReplySeen::read(octets);
    Some(PresentedReply {
        rcode: rcode_name(seen.rcode),
        flags: seen.flags,
        ede: extended_errors(octets),
        answer: lines(&message.answers),
        authority: lines(&message.authorities),
    })
}

/// The mnemonic of a response code (RFC 6895 section 2.3).
pub fn rcode_name(rcode: u16) -> String {
    let name = match rcode {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        9 => "NOTAUTH",
        16 => "BADVERS",
        23 => "BADCOOKIE",
        other => return format!("RCODE{other}"),
    };
    name.to_owned()
}

fn extended_errors(octets: &[u8]) -> Vec<PresentedError> {
    let mut errors = Vec::new();
    let Ok(message) = wire::Message::new(octets) else {
        return errors;
    };
    // What is broken further on was refused above.
    let _ = message.walk(|record| {
        if record.rtype != rtype::OPT || record.section != Section::Additional {
            return;
        }
        let options = octets.get(record.data_at..record.end).unwrap_or_default();
        let of_kind = OptionWalk::new(options).filter(|(code, _)| *code == EDE);
        errors.extend(of_kind.filter_map(|(_, value)| {
            let (code, text) = value.split_first_chunk()?;
            Some(PresentedError {
                code: u16::from_be_bytes(*code),
                text: String::from_utf8_lossy(text).into_owned(),
            })
        }));
    });
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_like_a_zone_file() {
        let mut octets = b"\0\0\x81\xa0\0\x01\0\x01\0\0\0\x01\x01a\0\0\x01\0\x01".to_vec();
        octets.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
        octets.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\x09\0\x0f\0\x05\0\x10law");
        let read = present(&octets).unwrap();
        let error = PresentedError {
            code: 16,
            text: "law".to_owned(),
        };
        assert_eq!(
            read,
            PresentedReply {
                rcode: "NOERROR".to_owned(),
                flags: vec!["ra".to_owned(), "ad".to_owned()],
                ede: vec![error],
                answer: vec!["a. 60 IN A 192.0.2.1".to_owned()],
                authority: Vec::new(),
            }
        );
        assert_eq!(present(&octets[..20]), None);
        assert_eq!([2, 99].map(rcode_name), ["SERVFAIL", "RCODE99"]);
    }
}
