//! A primary's signatures (TSIG, RFC 8945), so that inputs get past the check for them.

use aws_lc_rs::hmac;
use wardline::clock::wall_s;
use wardline::name::Name;
use wardline::update::transfer::{TsigAlgorithm, TsigKey};

const KEY_NAME: &str = "key.test";
const SECRET: &[u8] = b"secret";
const ALGORITHM: &[u8] = b"\x0bhmac-sha256\0";
const CLASS_AND_TTL: &[u8] = b"\0\xff\0\0\0\0";
const FUDGE_S: u64 = 300;
const MAC_OCTETS: usize = 32;
/// What follows the signature in a record without an error: id, error, no other data.
const TAIL_OCTETS: usize = 6;

/// The key as the program has it.
pub(crate) fn key() -> TsigKey {
    TsigKey::new(name(), TsigAlgorithm::Sha256, SECRET.to_vec().into())
}

fn name() -> Name {
    Name::parse(KEY_NAME).expect("a name")
}

/// Signs messages with the key, one after the other.
#[derive(Default)]
pub(crate) struct Signer {
    /// The signature before this one.
    prior: Vec<u8>,
    /// All of the record is signed in the first message, its times alone in the others.
    is_past_first: bool,
}

impl Signer {
    /// For the replies to `question`, which ends with its signature.
    #[allow(dead_code, reason = "not every target answers questions")]
    pub(crate) fn answering(question: &[u8]) -> Self {
        let end = question.len().saturating_sub(TAIL_OCTETS);
        Self {
            prior: question[end.saturating_sub(MAC_OCTETS)..end].to_vec(),
            is_past_first: false,
        }
    }

    /// Add the record; what has no whole header stays as it is.
    pub(crate) fn sign(&mut self, message: &mut Vec<u8>) {
        let Some(&[id_high, id_low, .., count_high, count_low]) = message.first_chunk::<12>()
        else {
            return;
        };
        let name = name();
        let times = ((wall_s() as u64) << 16 | FUDGE_S).to_be_bytes();
        let variables = [name.as_wire(), CLASS_AND_TTL, ALGORITHM, &times, &[0; 4]].concat();
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, SECRET));
        if !self.prior.is_empty() {
            context.update(&(self.prior.len() as u16).to_be_bytes());
            context.update(&self.prior);
        }
        context.update(message);
        context.update(if self.is_past_first {
            &times
        } else {
            &variables
        });
        let mac = context.sign().as_ref().to_vec();
        let mac_octets = (mac.len() as u16).to_be_bytes();
        let id = [id_high, id_low];
        let data = [ALGORITHM, &times, &mac_octets, &mac, &id, &[0; 4]].concat();
        message.extend(name.as_wire());
        message.extend([0, 250]);
        message.extend(CLASS_AND_TTL);
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        let count = u16::from_be_bytes([count_high, count_low]).wrapping_add(1);
        message[10..12].copy_from_slice(&count.to_be_bytes());
        (self.prior, self.is_past_first) = (mac, true);
    }
}
