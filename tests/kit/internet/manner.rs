//! What a server of the tests' internet does with a question: answer it, or something that a
//! resolver must live with.

use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde::Deserialize;

use super::authority::Reply;
use super::serve::{Asked, Port, Reaction, Transport};
use super::zone::{Zone, name};

/// How long a slow server takes for each answer.
pub(crate) const SLOW: Duration = Duration::from_millis(300);
/// Header flags by the octet that holds them.
const QUERY_RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;

/// One way to behave.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Manner {
    #[default]
    Answer,
    Slow,
    /// Hears everything and says nothing.
    Silent,
    Refuse,
    Fail,
    /// Nothing listens.
    Absent,
    /// Refers to the root.
    Upward,
    /// Refers to its own zone.
    Sideways,
    /// Says nothing, without AA.
    Empty,
    /// Answers without AA.
    NoAuthority,
    /// A resolver, not an authority: RA without AA, and an address of its own for A.
    FromMemory,
    NotImplemented,
    /// Refuses questions for NS.
    RefuseNs,
    /// Silent to whatever has EDNS.
    DropEdns,
    /// FORMERR to whatever has EDNS.
    FormerrEdns,
    /// FORMERR to whatever has EDNS, in a bare header.
    BareFormerrEdns,
    BadversEdns,
    /// Somebody else says FORMERR to a question for A that has EDNS, in a bare header, before it
    /// answers.
    ForgedFormerr,
    /// Truncated over UDP, whole over TCP.
    Truncate,
    TruncateNoTcp,
    TruncateSlowTcp,
    TruncateSilentTcp,
    /// Sends a long reply over TCP, octet by octet, for ever.
    TruncateEndlessTcp,
    /// Sends more over UDP than was asked for.
    Oversize,
    /// Silent over UDP.
    TcpOnly,
    WrongId,
    WrongIdOverUdp,
    WrongIdThenRight,
    WrongPort,
    WrongPortThenRight,
    WrongQuestion,
    WrongQuestionOverUdp,
    WrongQuestionThenRight,
    /// QR is clear.
    QueryBit,
    Garbage,
    GarbageThenRight,
    /// A thousand replies with guessed ids and another address.
    Kaminsky,
    /// The question comes back in lower case.
    Respell,
    /// The same, without TCP.
    RespellNoTcp,
    /// Silent to questions with capital letters.
    LowerCaseOnly,
    /// The reply has no question.
    NoQuestion,
    /// Each reply comes twice.
    Duplicate,
    /// NXDOMAIN for names that have nothing but names below them.
    DenyEmpty,
    /// Answers A with TXT.
    WrongType,
    /// Answers for another name.
    WrongOwner,
    /// Answers in class CH.
    WrongClass,
    /// Denies without an SOA.
    NoSoa,
    /// Gives an address of its own for what an alias leads to.
    ForgeTarget,
    /// Gives an address of its own for every name of the world.
    Lie,
}

impl Manner {
    /// Whether answers come, soon or late.
    pub(crate) fn answers(self) -> bool {
        !matches!(
            self,
            Self::Silent | Self::Refuse | Self::Fail | Self::Absent
        )
    }

    /// Whether it takes TCP connections.
    pub(crate) fn takes_tcp(self) -> bool {
        !matches!(self, Self::TruncateNoTcp | Self::RespellNoTcp)
    }

    /// What goes out for a question about this zone.
    pub(crate) fn react(self, asked: &Asked, zone: &Zone, transport: Transport) -> Reaction {
        let tell = |reply: Reply| asked.encode(reply, transport, |_| {});
        let right = || tell(self.answer(asked, zone));
        let has_edns = asked.message.edns.is_some();
        match self {
            Self::Silent | Self::Absent => Reaction::none(),
            Self::Lie => Reaction::one(forged(asked)),
            Self::DropEdns if has_edns => Reaction::none(),
            Self::LowerCaseOnly
                if asked.query.name().to_ascii()
                    != asked.query.name().to_lowercase().to_ascii() =>
            {
                Reaction::none()
            }
            Self::FormerrEdns if has_edns => {
                Reaction::one(without_edns(asked, ResponseCode::FormErr))
            }
            Self::BadversEdns if has_edns => {
                Reaction::one(tell(Reply::bare(ResponseCode::BADVERS)))
            }
            Self::BareFormerrEdns if has_edns => {
                Reaction::one(bare_header(asked, ResponseCode::FormErr))
            }
            Self::ForgedFormerr if has_edns && asked.query.query_type() == RecordType::A => {
                Reaction::many([bare_header(asked, ResponseCode::FormErr), right()])
            }
            Self::Oversize => {
                Reaction::one(asked.encode(self.answer(asked, zone), Transport::Tcp, |_| {}))
            }
            _ if transport == Transport::Tcp => self.react_over_tcp(right),
            Self::TcpOnly => Reaction::none(),
            Self::Slow => Reaction {
                delay: SLOW,
                ..Reaction::one(right())
            },
            Self::Truncate
            | Self::TruncateNoTcp
            | Self::TruncateSlowTcp
            | Self::TruncateSilentTcp
            | Self::TruncateEndlessTcp => {
                let mut octets = tell(Reply {
                    authoritative: true,
                    ..Reply::bare(ResponseCode::NoError)
                });
                octets[2] |= TRUNCATED;
                Reaction::one(octets)
            }
            Self::Duplicate => Reaction::many([right(), right()]),
            Self::WrongPort => Reaction {
                from: Port::Another,
                ..Reaction::one(right())
            },
            Self::WrongPortThenRight => Reaction {
                from: Port::AnotherFirst,
                ..Reaction::many([forged(asked), right()])
            },
            _ => Reaction::many(self.disguise(asked, right())),
        }
    }

    fn react_over_tcp(self, right: impl Fn() -> Vec<u8>) -> Reaction {
        match self {
            Self::TruncateSilentTcp => Reaction::none(),
            Self::TruncateEndlessTcp => Reaction {
                endless: true,
                ..Reaction::one(right())
            },
            Self::Slow | Self::TruncateSlowTcp => Reaction {
                delay: SLOW,
                ..Reaction::one(right())
            },
            // Who does not match over UDP has nothing better to say over TCP.
            Self::WrongId => Reaction::one(with_id(right(), |id| id ^ 0x5555)),
            Self::WrongPort | Self::WrongQuestion | Self::QueryBit | Self::Garbage => {
                Reaction::none()
            }
            _ => Reaction::one(right()),
        }
    }

    /// The replies that make of a right one what a network or an attacker would.
    fn disguise(self, asked: &Asked, right: Vec<u8>) -> Vec<Vec<u8>> {
        let wrong_id = || with_id(forged(asked), |id| id ^ 0x5555);
        let noise = || (0..40).map(|n: u8| n.wrapping_mul(37)).collect::<Vec<u8>>();
        match self {
            Self::WrongId | Self::WrongIdOverUdp => vec![with_id(right, |id| id ^ 0x5555)],
            Self::WrongIdThenRight => vec![wrong_id(), right],
            Self::WrongQuestion | Self::WrongQuestionOverUdp => {
                vec![with_other_question(right)]
            }
            Self::WrongQuestionThenRight => vec![with_other_question(forged(asked)), right],
            Self::QueryBit => vec![with_octet(right, 2, |flags| flags & !QUERY_RESPONSE)],
            Self::Garbage => vec![noise()],
            Self::GarbageThenRight => vec![
                noise(),
                vec![],
                vec![0; 11],
                with_octet(right.clone(), 4, |_| 0xff),
                right,
            ],
            Self::Kaminsky => {
                let id = asked.message.id;
                let guesses = (1..=1000).map(|n| with_id(forged(asked), |_| id.wrapping_add(n)));
                guesses.chain([right]).collect()
            }
            Self::Respell | Self::RespellNoTcp => vec![with_lower_question(right, asked)],
            Self::NoQuestion => vec![without_question(&right)],
            _ => vec![right],
        }
    }

    /// What it says, before anything happens to the octets.
    fn answer(self, asked: &Asked, zone: &Zone) -> Reply {
        let (question, kind) = (asked.query.name(), asked.query.query_type());
        let mut reply = asked
            .refusal()
            .unwrap_or_else(|| zone.answer(question, kind, asked.signatures()));
        match self {
            Self::Refuse => Reply::bare(ResponseCode::Refused),
            Self::Fail => Reply::bare(ResponseCode::ServFail),
            Self::NotImplemented => Reply::bare(ResponseCode::NotImp),
            Self::Empty => Reply::bare(ResponseCode::NoError),
            Self::RefuseNs if kind == RecordType::NS => Reply::bare(ResponseCode::Refused),
            Self::Upward => refer(&Name::root(), "root.test."),
            Self::Sideways => refer(&zone.origin, &format!("ns1.{}", zone.origin)),
            Self::NoAuthority => Reply {
                authoritative: false,
                ..reply
            },
            Self::FromMemory => from_memory(reply),
            Self::DenyEmpty
                if reply.answers.is_empty()
                    && reply.authoritative
                    && !zone.nodes.contains_key(&question.to_lowercase()) =>
            {
                Reply {
                    rcode: ResponseCode::NXDomain,
                    ..reply
                }
            }
            Self::NoSoa => Reply {
                authorities: vec![],
                ..reply
            },
            Self::ForgeTarget => with_forged_target(reply),
            Self::WrongType if kind == RecordType::A => {
                let text = zone
                    .set(&question.to_lowercase(), RecordType::TXT)
                    .expect("a TXT record");
                Reply {
                    answers: text.records_without_rrsigs().cloned().collect(),
                    ..reply
                }
            }
            Self::WrongOwner if kind == RecordType::A => {
                reply
                    .answers
                    .iter_mut()
                    .for_each(|record| record.name = name("www.good.test."));
                reply
            }
            Self::WrongClass if kind == RecordType::A => {
                reply
                    .answers
                    .iter_mut()
                    .for_each(|record| record.dns_class = hickory_proto::rr::DNSClass::CH);
                reply
            }
            _ => reply,
        }
    }
}

/// What a resolver has of it: an address that is no more.
fn from_memory(mut reply: Reply) -> Reply {
    let addresses = reply
        .answers
        .iter_mut()
        .filter(|record| record.record_type() == RecordType::A);
    addresses.for_each(|record| record.data = forged_address());
    Reply {
        authoritative: false,
        recursive: true,
        ..reply
    }
}

fn with_forged_target(mut reply: Reply) -> Reply {
    let targets = reply
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::CNAME(cname) => Some(cname.0.clone()),
            _ => None,
        });
    let forged: Vec<Record> = targets
        .map(|target| Record::from_rdata(target, 86_400, forged_address()))
        .collect();
    reply.answers.extend(forged);
    reply
}

fn refer(zone: &Name, server: &str) -> Reply {
    let ns = Record::from_rdata(
        zone.clone(),
        300,
        RData::NS(hickory_proto::rr::rdata::NS(name(server))),
    );
    Reply {
        authorities: vec![ns],
        ..Reply::bare(ResponseCode::NoError)
    }
}

/// An answer nobody should believe: 203.0.113.66 for whatever was asked.
pub(super) fn forged(asked: &Asked) -> Vec<u8> {
    let record = Record::from_rdata(asked.query.name().clone(), 86_400, forged_address());
    let reply = Reply {
        authoritative: true,
        answers: vec![record],
        ..Reply::bare(ResponseCode::NoError)
    };
    asked.encode(reply, Transport::Tcp, |_| {})
}

fn forged_address() -> RData {
    RData::A(hickory_proto::rr::rdata::A::new(203, 0, 113, 66))
}

fn without_edns(asked: &Asked, rcode: ResponseCode) -> Vec<u8> {
    asked.encode(Reply::bare(rcode), Transport::Tcp, |message| {
        message.edns = None
    })
}

fn bare_header(asked: &Asked, rcode: ResponseCode) -> Vec<u8> {
    let mut message = Message::response(asked.message.id, asked.message.op_code);
    message.metadata.response_code = rcode;
    message.to_vec().expect("a header")
}

fn without_question(octets: &[u8]) -> Vec<u8> {
    let mut message = Message::from_vec(octets).expect("our own message");
    message.queries.clear();
    message.to_vec().expect("a message")
}

fn with_octet(mut octets: Vec<u8>, at: usize, change: impl Fn(u8) -> u8) -> Vec<u8> {
    octets[at] = change(octets[at]);
    octets
}

fn with_id(mut octets: Vec<u8>, change: impl Fn(u16) -> u16) -> Vec<u8> {
    let id = change(u16::from_be_bytes([octets[0], octets[1]]));
    octets[..2].copy_from_slice(&id.to_be_bytes());
    octets
}

/// The first letter of the question is another one.
fn with_other_question(octets: Vec<u8>) -> Vec<u8> {
    with_octet(octets, 13, |letter| letter ^ 1)
}

fn with_lower_question(mut octets: Vec<u8>, asked: &Asked) -> Vec<u8> {
    let length = asked
        .query
        .name()
        .iter()
        .map(|label| label.len() + 1)
        .sum::<usize>();
    octets[12..12 + length].make_ascii_lowercase();
    octets
}
