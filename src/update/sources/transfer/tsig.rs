//! Signs our questions to a primary and checks what it answers with a shared secret (TSIG, RFC
//! 8945).

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use super::tsig_fault::TsigFault;
use crate::clock::UnixSeconds;
use crate::name::Name;
use crate::wire::{HEADER_OCTETS, Message, Section};

/// The record type's number.
pub(super) const TYPE: u16 = 250;

/// Both clocks may differ by this much, in seconds (RFC 8945 section 10).
const FUDGE_S: u16 = 300;

/// Messages in a row that a transfer may leave unsigned (RFC 8945 section 5.3.1).
const UNSIGNED_MAX: u32 = 99;

/// Class ANY and a lifetime of 0, as they stand in the record.
const CLASS_AND_TTL: [u8; 6] = [0, 255, 0, 0, 0, 0];

/// Where the count of additional records stands in a header.
const ADDITIONAL_AT: usize = 10;

/// How a signature is made; what is older than SHA-256 is not offered (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// hmac-sha256
    Sha256,
    /// hmac-sha384
    Sha384,
    /// hmac-sha512
    Sha512,
}

impl TsigAlgorithm {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Sha256 => b"\x0bhmac-sha256\0",
            Self::Sha384 => b"\x0bhmac-sha384\0",
            Self::Sha512 => b"\x0bhmac-sha512\0",
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A secret shared with a primary.
#[derive(Clone)]
pub struct TsigKey {
    name: Name,
    algorithm: TsigAlgorithm,
    secret: Zeroizing<Vec<u8>>,
}

impl TsigKey {
    /// A key as both sides know it: its name, its algorithm and the secret's octets.
    pub const fn new(name: Name, algorithm: TsigAlgorithm, secret: Zeroizing<Vec<u8>>) -> Self {
        Self {
            name,
            algorithm,
            secret,
        }
    }

    fn context(&self) -> hmac::Context {
        hmac::Context::with_key(&hmac::Key::new(self.algorithm.hmac(), &self.secret))
    }

    /// Sign `message`, adding the record; `prior` is the signature of the question that it answers.
    /// Returns the signature.
    pub(super) fn sign(
        &self,
        message: &mut Vec<u8>,
        prior: Option<&[u8]>,
        now: UnixSeconds,
    ) -> Vec<u8> {
        let id = message.get(..2).unwrap_or_default().to_vec();
        let stamp = TsigTime {
            time_s: u64::try_from(now).unwrap_or_default(),
            fudge_s: FUDGE_S,
        };
        let mut context = self.context();
        if let Some(prior) = prior {
            update_prior(&mut context, prior);
        }
        context.update(message);
        self.update_variables(&mut context, stamp, 0, &[]);
        let mac = context.sign().as_ref().to_vec();
        self.append(message, stamp, &mac, &id, 0);
        mac
    }

    /// Add a record without a signature that says why a question's signature is not accepted (RFC
    /// 8945 section 5.3.2).
    pub(super) fn append_error(&self, message: &mut Vec<u8>, error: u16, now: UnixSeconds) {
        let id = message.get(..2).unwrap_or_default().to_vec();
        let stamp = TsigTime {
            time_s: u64::try_from(now).unwrap_or_default(),
            fudge_s: FUDGE_S,
        };
        self.append(message, stamp, &[], &id, error);
    }

    /// Check the signature of a question that somebody asks us. Returns it, to sign the answer
    /// with.
    pub(super) fn check_question(
        &self,
        message: &[u8],
        now: UnixSeconds,
    ) -> Result<Vec<u8>, TsigFault> {
        let tsig = find(message)?.ok_or(TsigFault::Unsigned)?;
        self.check(&tsig, message, self.context(), Covers::Variables, now)?;
        Ok(tsig.mac.to_vec())
    }

    fn check(
        &self,
        tsig: &Tsig<'_>,
        message: &[u8],
        mut context: hmac::Context,
        covers: Covers,
        now: UnixSeconds,
    ) -> Result<(), TsigFault> {
        if tsig.error != 0 {
            return Err(TsigFault::Answered(tsig.error));
        }
        if tsig.owner != self.name.as_wire() || tsig.algorithm != self.algorithm.name() {
            return Err(TsigFault::OtherKey);
        }
        let (header, body) = message
            .split_at_checked(HEADER_OCTETS)
            .ok_or(TsigFault::Format)?;
        let counts = header.get(2..ADDITIONAL_AT).ok_or(TsigFault::Format)?;
        let additional = header
            .get(ADDITIONAL_AT..)
            .and_then(<[u8]>::first_chunk::<2>)
            .ok_or(TsigFault::Format)?;
        context.update(tsig.id);
        context.update(counts);
        context.update(
            &u16::from_be_bytes(*additional)
                .wrapping_sub(1)
                .to_be_bytes(),
        );
        context.update(
            body.get(..tsig.start - HEADER_OCTETS)
                .ok_or(TsigFault::Format)?,
        );
        match covers {
            Covers::Variables => {
                self.update_variables(&mut context, tsig.stamp, tsig.error, tsig.other)
            }
            Covers::Timers => context.update(&tsig.stamp.octets()),
        }
        constant_time::verify_slices_are_equal(context.sign().as_ref(), tsig.mac)
            .map_err(|_| TsigFault::Signature)?;
        let off_s = tsig
            .stamp
            .time_s
            .abs_diff(u64::try_from(now).unwrap_or_default());
        if off_s > u64::from(tsig.stamp.fudge_s.min(FUDGE_S)) {
            Err(TsigFault::Time { off_s })
        } else {
            Ok(())
        }
    }

    fn update_variables(
        &self,
        context: &mut hmac::Context,
        stamp: TsigTime,
        error: u16,
        other: &[u8],
    ) {
        context.update(self.name.as_wire());
        context.update(&CLASS_AND_TTL);
        context.update(self.algorithm.name());
        context.update(&stamp.octets());
        context.update(&error.to_be_bytes());
        context.update(&(other.len() as u16).to_be_bytes());
        context.update(other);
    }

    fn append(&self, message: &mut Vec<u8>, stamp: TsigTime, mac: &[u8], id: &[u8], error: u16) {
        let data = [
            self.algorithm.name(),
            &stamp.octets(),
            &(mac.len() as u16).to_be_bytes(),
            mac,
            id,
            &error.to_be_bytes(),
            &[0; 2],
        ]
        .concat();
        message.extend(self.name.as_wire());
        message.extend(TYPE.to_be_bytes());
        message.extend(CLASS_AND_TTL);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        if let Some(count) = message
            .get_mut(ADDITIONAL_AT..)
            .and_then(<[u8]>::first_chunk_mut::<2>)
        {
            *count = (u16::from_be_bytes(*count) + 1).to_be_bytes();
        }
    }
}

/// `Debug` keeps the secret.
impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {:?})", self.name, self.algorithm)
    }
}

/// Checks the answers to one signed question, of which not every one needs a signature of its own
/// (RFC 8945 section 5.3.1).
pub(super) struct Session<'k> {
    key: &'k TsigKey,
    context: hmac::Context,
    covers: Covers,
    unsigned: u32,
}

impl<'k> Session<'k> {
    /// Answers to the question with this signature.
    pub(super) fn new(key: &'k TsigKey, question_mac: &[u8]) -> Self {
        let mut context = key.context();
        update_prior(&mut context, question_mac);
        Self {
            key,
            context,
            covers: Covers::Variables,
            unsigned: 0,
        }
    }

    /// Take the next answer.
    pub(super) fn take(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), TsigFault> {
        let Some(tsig) = find(message)? else {
            if matches!(self.covers, Covers::Variables) {
                return Err(TsigFault::Unsigned);
            }
            self.unsigned += 1;
            self.context.update(message);
            return if self.unsigned > UNSIGNED_MAX {
                Err(TsigFault::UnsignedEnd)
            } else {
                Ok(())
            };
        };
        let mut next = self.key.context();
        update_prior(&mut next, tsig.mac);
        let context = std::mem::replace(&mut self.context, next);
        self.key.check(&tsig, message, context, self.covers, now)?;
        (self.covers, self.unsigned) = (Covers::Timers, 0);
        Ok(())
    }

    /// Say that no more answers come: the last one must have been signed.
    pub(super) const fn finish(&self) -> Result<(), TsigFault> {
        if self.unsigned == 0 {
            Ok(())
        } else {
            Err(TsigFault::UnsignedEnd)
        }
    }
}

/// What a signature covers besides messages: all of its record in the first answer, its times alone
/// in the later ones.
#[derive(Clone, Copy)]
enum Covers {
    Variables,
    Timers,
}

fn update_prior(context: &mut hmac::Context, mac: &[u8]) {
    context.update(&(mac.len() as u16).to_be_bytes());
    context.update(mac);
}

/// When a signature was made, and how far the clocks may differ.
#[derive(Clone, Copy)]
struct TsigTime {
    time_s: u64,
    fudge_s: u16,
}

impl TsigTime {
    fn octets(self) -> [u8; 8] {
        (self.time_s << 16 | u64::from(self.fudge_s)).to_be_bytes()
    }
}

/// A message's signature.
struct Tsig<'m> {
    /// Where the record starts.
    start: usize,
    owner: Vec<u8>,
    algorithm: Vec<u8>,
    stamp: TsigTime,
    mac: &'m [u8],
    id: &'m [u8],
    error: u16,
    other: &'m [u8],
}

/// The message's signature, which must be its last record.
fn find(octets: &[u8]) -> Result<Option<Tsig<'_>>, TsigFault> {
    let message = Message::new(octets).map_err(|_| TsigFault::Format)?;
    let (mut last, mut count) = (None, 0);
    let walked = message.walk(|record| {
        count += u32::from(record.rtype == TYPE);
        last = Some(record);
    });
    walked.map_err(|_| TsigFault::Format)?;
    let record = match last {
        _ if count == 0 => return Ok(None),
        Some(record)
            if count == 1
                && record.rtype == TYPE
                && record.section == Section::Additional
                && record.end == octets.len() =>
        {
            record
        }
        _ => return Err(TsigFault::Format),
    };
    if octets.get(record.ttl_at - 2..record.ttl_at + 4) != Some(&CLASS_AND_TTL) {
        return Err(TsigFault::Format);
    }
    let mut owner = Vec::new();
    message
        .read_name(record.start, &mut owner)
        .map_err(|_| TsigFault::Format)?;
    let data = octets
        .get(record.data_at..record.end)
        .ok_or(TsigFault::Format)?;
    let algorithm = Name::from_wire(data)
        .map_err(|_| TsigFault::Format)?
        .as_wire()
        .to_vec();
    let mut rest = data.get(algorithm.len()..).ok_or(TsigFault::Format)?;
    let stamp = u64::from_be_bytes(*take(&mut rest)?);
    let mac_octets = usize::from(u16::from_be_bytes(*take(&mut rest)?));
    let (mac, mut rest) = rest.split_at_checked(mac_octets).ok_or(TsigFault::Format)?;
    let id = take::<2>(&mut rest)?;
    let error = u16::from_be_bytes(*take(&mut rest)?);
    let other_octets = u16::from_be_bytes(*take(&mut rest)?);
    if rest.len() != usize::from(other_octets) {
        return Err(TsigFault::Format);
    }
    let stamp = TsigTime {
        time_s: stamp >> 16,
        fudge_s: (stamp & 0xffff) as u16,
    };
    Ok(Some(Tsig {
        start: record.start,
        owner,
        algorithm,
        stamp,
        mac,
        id,
        error,
        other: rest,
    }))
}

pub(super) fn take<'m, const N: usize>(rest: &mut &'m [u8]) -> Result<&'m [u8; N], TsigFault> {
    let (octets, behind) = rest.split_first_chunk().ok_or(TsigFault::Format)?;
    *rest = behind;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::super::tsig_fault::BADKEY;
    use super::*;
    use crate::update::transfer::message;

    const NOW: UnixSeconds = 1_800_000_000;

    fn key(secret: &[u8]) -> TsigKey {
        TsigKey::new(
            Name::parse("key.example").unwrap(),
            TsigAlgorithm::Sha256,
            Zeroizing::new(secret.to_vec()),
        )
    }

    fn question() -> Vec<u8> {
        message::question(7, &Name::parse("rpz.example").unwrap(), message::AXFR, None)
    }

    /// An answer with nothing in it but the question.
    fn answer(mark: u8) -> Vec<u8> {
        let mut answer = question();
        answer[2] = 0x84;
        answer[3] = mark;
        answer
    }

    /// Signs as a primary does: `prior` and the unsigned answers before, then the times alone.
    fn sign_later(
        key: &TsigKey,
        message: &mut Vec<u8>,
        prior: &[u8],
        unsigned: &[Vec<u8>],
        now: UnixSeconds,
    ) -> Vec<u8> {
        let stamp = TsigTime {
            time_s: now as u64,
            fudge_s: 300,
        };
        let mut context = key.context();
        update_prior(&mut context, prior);
        unsigned.iter().for_each(|message| context.update(message));
        context.update(message);
        context.update(&stamp.octets());
        let mac = context.sign().as_ref().to_vec();
        let id = message[..2].to_vec();
        key.append(message, stamp, &mac, &id, 0);
        mac
    }

    #[test]
    fn a_question_holds_under_its_key_alone() {
        let mut signed = question();
        let mac = key(b"secret").sign(&mut signed, None, NOW);
        assert_eq!(key(b"secret").check_question(&signed, NOW + 300), Ok(mac));
        assert_eq!(
            key(b"other").check_question(&signed, NOW),
            Err(TsigFault::Signature)
        );
        assert_eq!(
            key(b"secret").check_question(&signed, NOW + 301),
            Err(TsigFault::Time { off_s: 301 })
        );
        assert_eq!(
            key(b"secret").check_question(&question(), NOW),
            Err(TsigFault::Unsigned)
        );
        let other = TsigKey {
            algorithm: TsigAlgorithm::Sha512,
            ..key(b"secret")
        };
        assert_eq!(other.check_question(&signed, NOW), Err(TsigFault::OtherKey));
        for at in 0..signed.len() {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            // The id is not covered: the record carries the one that was signed (RFC 8945 section
            // 4.2).
            assert_eq!(
                key(b"secret").check_question(&changed, NOW).is_ok(),
                at < 2,
                "octet {at}"
            );
        }
    }

    #[test]
    fn answers_are_chained_to_their_question() {
        let key = key(b"secret");
        let mac = key.sign(&mut question(), None, NOW);
        let mut first = answer(0);
        let first_mac = key.sign(&mut first, Some(&mac), NOW);
        let unsigned = vec![answer(1), answer(2)];
        let mut last = answer(3);
        sign_later(&key, &mut last, &first_mac, &unsigned, NOW);
        let take = |messages: &[&Vec<u8>]| {
            let mut session = Session::new(&key, &mac);
            messages
                .iter()
                .try_for_each(|message| session.take(message, NOW))
                .and_then(|()| session.finish())
        };
        assert_eq!(take(&[&first, &unsigned[0], &unsigned[1], &last]), Ok(()));
        assert_eq!(
            take(&[&first, &unsigned[1], &unsigned[0], &last]),
            Err(TsigFault::Signature),
            "swapped"
        );
        assert_eq!(
            take(&[&first, &unsigned[0], &last]),
            Err(TsigFault::Signature),
            "one left out"
        );
        assert_eq!(take(&[&first, &unsigned[0]]), Err(TsigFault::UnsignedEnd));
        assert_eq!(take(&[&unsigned[0]]), Err(TsigFault::Unsigned));
        assert_eq!(
            Session::new(&key, b"another question").take(&first, NOW),
            Err(TsigFault::Signature)
        );
        let many = vec![&unsigned[0]; 100];
        assert_eq!(
            take(&[&[&first][..], &many].concat()),
            Err(TsigFault::UnsignedEnd)
        );
    }

    #[test]
    fn what_the_primary_answers_is_told() {
        let mut refused = answer(9);
        key(b"secret").append_error(&mut refused, BADKEY, NOW);
        let fault = Session::new(&key(b"secret"), b"mac")
            .take(&refused, NOW)
            .unwrap_err();
        assert!(fault.to_string().contains("BADKEY"), "{fault}");
    }

    #[test]
    fn a_key_does_not_show_its_secret() {
        assert_eq!(format!("{:?}", key(b"secret")), "Key(key.example, Sha256)");
    }
}
