//! A reply on its way into the cache and out again: what is kept can be given to whoever asks for
//! it, with its alias chain intact.
#![cfg_attr(fuzzing, no_main)]

use wardline::cache::{Entry, Lifetimes};
use wardline::name::Name;
use wardline::wire::{self, Message};

const LIFETIMES: Lifetimes = Lifetimes {
    ttl_s_min: 0,
    stale_s_max: 86_400,
    ttl_s_max: 3_600,
    negative_ttl_s_max: 900,
};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    run(input);
});

/// Four octets are the age, two the room, one says whether the client has EDNS; the rest are the
/// reply.
pub(crate) fn run(input: &[u8]) -> &'static str {
    let Some((&[a, b, c, d, room_high, room_low, edns], octets)) = input.split_first_chunk() else {
        return "too short";
    };
    let age_s = u32::from_be_bytes([a, b, c, d]);
    let room = u16::from_be_bytes([room_high, room_low]);
    let Some(octets) = as_laid_out(octets) else {
        return "refused";
    };
    let Ok(entry) = Entry::from_wire(octets.clone(), Some(22), 1_000, LIFETIMES) else {
        return "refused";
    };
    for name in entry.chain() {
        assert_eq!(Name::from_wire(name).expect("a name").as_wire(), name);
    }
    let Some(asked) = question(&octets, edns & 1 == 1) else {
        return "kept";
    };
    let Ok(question) = wire::read(&asked) else {
        return "kept";
    };
    if !entry.is_for(&question) {
        return "kept";
    }
    let mut out = vec![0; usize::from(room)];
    let written = entry.write(&question, 1_000_u32.wrapping_add(age_s), &mut out);
    if let Some(len) = written {
        let message = Message::new(&out[..len]).expect("a header");
        // An OPT record that came along is the caller's fault: `Resolver` never lets one through.
        message
            .walk(|record| {
                assert!(
                    record.ttl_s <= 3_600 || record.rtype == 41,
                    "a TTL beyond the limit"
                )
            })
            .expect("a whole message");
    }
    if written.is_some() { "given" } else { "kept" }
}

/// With one question and nothing behind the last record, as all that the resolver lays out.
fn as_laid_out(octets: &[u8]) -> Option<Vec<u8>> {
    let mut octets = octets.to_vec();
    octets.get_mut(4..6)?.copy_from_slice(&[0, 1]);
    let mut end = 12 + Name::from_wire(octets.get(12..)?).ok()?.as_wire().len() + 4;
    Message::new(&octets)
        .and_then(|message| message.walk(|record| end = record.end))
        .ok()?;
    octets.truncate(end);
    Some(octets)
}

/// The question of a reply, as a client would ask it.
fn question(reply: &[u8], edns: bool) -> Option<Vec<u8>> {
    let name = Name::from_wire(reply.get(12..)?).ok()?;
    let end = 12 + name.as_wire().len() + 4;
    let mut asked = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    asked.extend_from_slice(reply.get(12..end)?);
    asked.extend_from_slice(if edns {
        b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"
    } else {
        b""
    });
    Some(asked)
}
