//! One kept answer: the reply's octets, where its TTLs stand, and the alias chain that must be held
//! against the lists.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::name::Name;
use crate::wire::{
    HEADER_OCTETS, Message, Question, Section, WireRecord, bare_reply, rcode, rtype,
};

/// The shortest and the longest that answers may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// All answers that may be kept at all, in seconds; 0 leaves them as they are.
    pub ttl_s_min: u32,
    /// How long an answer that has run out may still be given when nobody can be reached, in
    /// seconds (RFC 8767); 0 for not at all.
    pub stale_s_max: u32,
    /// Positive answers, in seconds.
    pub ttl_s_max: u32,
    /// Negative answers, in seconds (RFC 2308 section 5).
    pub negative_ttl_s_max: u32,
}

/// How long a failure is kept at first, in seconds (RFC 9520 section 3.2 asks for 1 s at least),
/// doubled each time that it comes again, and the longest: well within the 5 min of the RFC, so
/// that a zone that came back is not missed for long.
pub(super) const FAILURE_TTL_S: u32 = 5;
const FAILURE_TTL_S_MAX: u32 = 60;

/// The TTL of an answer that has run out (RFC 8767 section 4).
pub(super) const STALE_TTL_S: u32 = 30;

/// So long a failure to renew an answer is remembered, in seconds (RFC 8767 section 5).
const RETRY_AFTER_S: u32 = 30;

/// Answers that live shorter are not renewed ahead of time: somebody would ask for them all the
/// time.
const RENEWED_TTL_S_MIN: u32 = 10;

/// The share of its life, from its end, in which an answer is renewed ahead of time.
const RENEWED_SHARE: u32 = 10;

/// What an entry takes besides its octets: the index, the counters, the allocations' heads.
const OVERHEAD_OCTETS: usize = 160;
pub(super) const OPT_OCTETS: usize = 11;

/// The reply is not laid out as [`Entry::from_wire`] needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply cannot be read")]
pub struct UnusableReply;

/// A kept answer.
#[derive(Debug)]
pub struct Entry {
    /// The reply, then the places of its TTLs (two octets each), then the alias chain's names in
    /// wire form, one behind the other: one piece of memory, so that serving it waits for memory
    /// once.
    pub(super) octets: Box<[u8]>,
    wire_octets: u16,
    ttl_count: u16,
    pub(super) kept_at_s: u32,
    pub(super) ttl_s: u32,
    pub(super) ede: Option<u16>,
    /// What is told with the extended error.
    pub(super) text: Box<str>,
    /// When the first of its signatures runs out; 0 where none was checked.
    signed_until_s: u32,
    /// The snapshot under which no list at all had the name asked for or a name of the chain; 0 for
    /// none.
    clear_under: AtomicU64,
    /// The age up to which it may be given although it has run out, without asking anybody: nobody
    /// could be reached a moment ago.
    stale_until_age_s: AtomicU32,
    /// Somebody renews it already.
    is_renewed: AtomicBool,
}

impl Entry {
    /// Take a reply: header, question with the lower-case name at octet 12, sections without OPT.
    ///
    /// `now_s` is the clock by which it will be asked for. TTLs outside of the limits are brought
    /// within.
    pub fn from_wire(
        mut wire: Vec<u8>,
        ede: Option<u16>,
        now_s: u32,
        lifetimes: Lifetimes,
    ) -> Result<Self, UnusableReply> {
        let message = Message::new(&wire).map_err(|_| UnusableReply)?;
        let code = message.rcode();
        let mut records = Vec::new();
        message
            .walk(|record| records.push(record))
            .map_err(|_| UnusableReply)?;
        // For a question about the alias itself the alias is the data.
        let qtype = message.question_type().map_err(|_| UnusableReply)?;
        let has_data = |record: &WireRecord| {
            record.section == Section::Answer && (record.rtype == qtype || qtype == rtype::ANY)
        };
        let is_negative = code == rcode::NXDOMAIN || !records.iter().any(has_data);
        if let (false, Some(start)) = (is_negative, needless_from(&records)) {
            records.retain(|record| record.start < start);
            wire.truncate(start);
            wire.get_mut(8..HEADER_OCTETS).ok_or(UnusableReply)?.fill(0);
        }
        let message = Message::new(&wire).map_err(|_| UnusableReply)?;
        let mut found = RecordsFound::default();
        for record in &records {
            found.note(&message, record)?;
        }
        let ttl_max = if is_negative {
            lifetimes.negative_ttl_s_max
        } else {
            lifetimes.ttl_s_max
        };
        let within = |ttl_s: u32| ttl_s.max(lifetimes.ttl_s_min).min(ttl_max);
        let ttl_s = match code {
            // A denial without an SOA is not kept, however long the shortest is.
            rcode::NOERROR | rcode::NXDOMAIN => found.ttl_s(is_negative).map_or(0, within),
            _ => FAILURE_TTL_S,
        };
        let wire_octets = u16::try_from(wire.len()).map_err(|_| UnusableReply)?;
        let mut ttls_at = Vec::with_capacity(2 * records.len());
        for record in records.iter().filter(|record| record.rtype != rtype::OPT) {
            let place = wire
                .get_mut(record.ttl_at..record.ttl_at + 4)
                .ok_or(UnusableReply)?;
            place.copy_from_slice(&within(record.ttl_s).to_be_bytes());
            ttls_at.extend((record.ttl_at as u16).to_be_bytes());
        }
        let octets = [wire.as_slice(), &ttls_at, &found.chain].concat().into();
        let ttl_count = (ttls_at.len() / 2) as u16;
        Ok(Self {
            octets,
            wire_octets,
            ttl_count,
            kept_at_s: now_s,
            ttl_s,
            ede,
            text: Box::default(),
            signed_until_s: 0,
            clear_under: AtomicU64::new(0),
            stale_until_age_s: AtomicU32::new(0),
            is_renewed: AtomicBool::new(false),
        })
    }

    /// A failure to be remembered for a moment (RFC 9520).
    pub fn failure(name: &Name, qtype: u16, ede: u16, now_s: u32, ttl_s: u32) -> Self {
        let wire = bare_reply([0x81, 0x80 | rcode::SERVFAIL as u8], name, qtype);
        Self {
            wire_octets: wire.len() as u16,
            octets: wire.into(),
            ttl_count: 0,
            kept_at_s: now_s,
            ttl_s,
            ede: Some(ede),
            text: Box::default(),
            signed_until_s: 0,
            clear_under: AtomicU64::new(0),
            stale_until_age_s: AtomicU32::new(0),
            is_renewed: AtomicBool::new(false),
        }
    }

    /// With what is told beside its extended error (RFC 8914 section 2).
    pub fn told(mut self, text: Box<str>) -> Self {
        self.text = text;
        self
    }

    /// With the second, as 32 bits of the wall clock, from which on one of its signatures does not
    /// hold any more.
    pub fn signed_until(mut self, second: Option<u32>) -> Self {
        self.signed_until_s = second.unwrap_or_default();
        self
    }

    /// How long the failure that comes after this is to be kept: twice as long if it comes soon
    /// after this one.
    pub(super) fn next_failure_ttl_s(&self, now_s: u32) -> u32 {
        let is_again =
            self.is_failure() && now_s.wrapping_sub(self.kept_at_s) < self.ttl_s.saturating_mul(3);
        if is_again {
            self.ttl_s
                .saturating_mul(2)
                .clamp(FAILURE_TTL_S, FAILURE_TTL_S_MAX)
        } else {
            FAILURE_TTL_S
        }
    }

    /// Is it still within its time to live?
    pub const fn is_good(&self, now_s: u32) -> bool {
        now_s.wrapping_sub(self.kept_at_s) < self.ttl_s
    }

    /// Has it run out, and may it be given all the same while nothing better is heard? Failures
    /// never (RFC 8767 section 4), nor what was signed and is so no more.
    pub fn is_stale(&self, now_s: u32, stale_s_max: u32) -> bool {
        let age_s = now_s.wrapping_sub(self.kept_at_s);
        age_s >= self.ttl_s
            && age_s - self.ttl_s < stale_s_max
            && self.ttl_s > 0
            && !self.is_failure()
            // Serial number arithmetic, as for signatures (RFC 4034 section 3.1.5).
            && (self.signed_until_s == 0
                || self.signed_until_s.wrapping_sub(now_s).cast_signed() > 0)
    }

    /// It could not be renewed: for a while it is given without asking again.
    pub fn note_unrenewed(&self, now_s: u32) {
        self.stale_until_age_s.store(
            now_s
                .wrapping_sub(self.kept_at_s)
                .saturating_add(RETRY_AFTER_S),
            Relaxed,
        );
    }

    /// Was it tried in vain to renew it a moment ago?
    pub fn is_unrenewed(&self, now_s: u32) -> bool {
        now_s.wrapping_sub(self.kept_at_s) < self.stale_until_age_s.load(Relaxed)
    }

    /// Should it be renewed, since it is asked for shortly before its end? Yes for the first who
    /// asks that.
    pub fn claim_renewal(&self, now_s: u32) -> bool {
        let left_s = self
            .ttl_s
            .saturating_sub(now_s.wrapping_sub(self.kept_at_s));
        left_s <= self.ttl_s / RENEWED_SHARE
            && self.ttl_s >= RENEWED_TTL_S_MIN
            && !self.is_renewed.load(Relaxed)
            && !self.is_failure()
            && !self.is_renewed.swap(true, Relaxed)
    }

    /// May it be kept at all?
    pub const fn is_keepable(&self) -> bool {
        self.ttl_s > 0
    }

    /// Is it a SERVFAIL?
    #[inline]
    pub fn is_failure(&self) -> bool {
        self.octets
            .get(3)
            .is_some_and(|octet| u16::from(octet & 0xf) == rcode::SERVFAIL)
    }

    /// The memory it takes.
    pub fn octets(&self) -> usize {
        OVERHEAD_OCTETS + self.octets.len() + self.text.len()
    }

    /// The name that was asked for.
    pub fn name(&self) -> Option<Name> {
        Name::from_wire(self.octets.get(HEADER_OCTETS..)?).ok()
    }

    /// Is it the answer to this very question? Finding it by its hash makes that all but certain;
    /// this makes it certain.
    #[inline]
    pub fn is_for(&self, question: &Question<'_>) -> bool {
        let asked = self
            .octets
            .get(HEADER_OCTETS..HEADER_OCTETS + question.octets.len());
        asked.is_some_and(|asked| asked.eq_ignore_ascii_case(question.octets))
    }

    /// Read a little of the reply, so that it is in the CPU's cache when it is written out.
    pub fn touch(&self) -> u8 {
        self.octets.first().copied().unwrap_or_default()
            ^ self.octets.get(64).copied().unwrap_or_default()
    }

    /// The whole reply, with the TTLs that it had when it was kept.
    #[inline]
    pub fn wire(&self) -> &[u8] {
        self.octets
            .get(..usize::from(self.wire_octets))
            .unwrap_or_default()
    }

    #[inline]
    pub(super) fn ttls_at(&self) -> impl Iterator<Item = usize> {
        let start = usize::from(self.wire_octets);
        let places = self
            .octets
            .get(start..start + 2 * usize::from(self.ttl_count))
            .unwrap_or_default();
        places
            .as_chunks::<2>()
            .0
            .iter()
            .map(|place| usize::from(u16::from_be_bytes(*place)))
    }

    fn chain_octets(&self) -> &[u8] {
        self.octets
            .get(usize::from(self.wire_octets) + 2 * usize::from(self.ttl_count)..)
            .unwrap_or_default()
    }

    /// The owners and targets of its CNAME and DNAME records, wire form.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.chain_octets();
        std::iter::from_fn(move || {
            let mut at = 0;
            while let Some(&len) = rest.get(at) {
                at += 1 + usize::from(len);
                if len == 0 {
                    let (name, tail) = rest.split_at_checked(at)?;
                    rest = tail;
                    return Some(name);
                }
            }
            None
        })
    }

    /// Is it known that no list of this snapshot has the name asked for or a name of the chain?
    #[inline]
    pub fn is_clear_under(&self, generation: u64) -> bool {
        self.clear_under.load(Relaxed) == generation
    }

    /// No list of this snapshot has the name asked for or a name of the chain.
    pub fn note_clear_under(&self, generation: u64) {
        self.clear_under.store(generation, Relaxed);
    }
}

const fn is_alias(rtype: u16) -> bool {
    matches!(rtype, rtype::CNAME | rtype::DNAME)
}

/// Where the records behind the answers start, if they are name servers only, which no client
/// needs.
fn needless_from(records: &[WireRecord]) -> Option<usize> {
    let mut rest = records
        .iter()
        .skip_while(|record| record.section == Section::Answer);
    let first = rest.next()?;
    (first.rtype == rtype::NS && rest.all(|record| record.rtype == rtype::NS))
        .then_some(first.start)
}

/// What a walk over the records finds.
#[derive(Default)]
struct RecordsFound {
    ttl_s_min: Option<u32>,
    soa_ttl_s: Option<u32>,
    pub(super) chain: Vec<u8>,
}

impl RecordsFound {
    fn note(&mut self, message: &Message<'_>, record: &WireRecord) -> Result<(), UnusableReply> {
        if record.rtype == rtype::OPT {
            return Ok(());
        }
        self.ttl_s_min = Some(
            self.ttl_s_min
                .map_or(record.ttl_s, |least| least.min(record.ttl_s)),
        );
        match record.section {
            Section::Answer if is_alias(record.rtype) => {
                message
                    .read_name(record.start, &mut self.chain)
                    .map_err(|_| UnusableReply)?;
                message
                    .read_name(record.data_at, &mut self.chain)
                    .map_err(|_| UnusableReply)?;
            }
            Section::Authority if record.rtype == rtype::SOA => {
                self.soa_ttl_s = Some(
                    record
                        .ttl_s
                        .min(message.u32_before(record.end).map_err(|_| UnusableReply)?),
                );
            }
            Section::Answer | Section::Authority | Section::Additional => {}
        }
        Ok(())
    }

    /// A negative answer without an SOA is not kept (RFC 2308 section 5).
    pub(super) fn ttl_s(&self, is_negative: bool) -> Option<u32> {
        let least = self.ttl_s_min?;
        if is_negative {
            self.soa_ttl_s.map(|soa| soa.min(least))
        } else {
            Some(least)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    const LIFETIMES: Lifetimes = Lifetimes {
        ttl_s_min: 0,
        stale_s_max: 86400,
        ttl_s_max: 1000,
        negative_ttl_s_max: 100,
    };
    const QUESTION: &[u8] = b"\x01a\x04test\0\0\x01\0\x01";

    fn reply(flags: &[u8; 2], counts: [u8; 3], records: &[u8]) -> Vec<u8> {
        let head = [
            0, 0, flags[0], flags[1], 0, 1, 0, counts[0], 0, counts[1], 0, counts[2],
        ];
        [&head, QUESTION, records].concat()
    }

    fn asked(flags: &[u8; 2], edns: bool) -> Vec<u8> {
        let head = [
            0x12,
            0x34,
            flags[0],
            flags[1],
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            u8::from(edns),
        ];
        let opt: &[u8] = if edns {
            b"\0\0\x29\x10\0\0\0\0\0\0\0"
        } else {
            b""
        };
        [&head, QUESTION.to_ascii_uppercase().as_slice(), opt].concat()
    }

    const A: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    const CNAME: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\x07\xd0\0\x04\x01B\xc0\x0e";
    const SOA: &[u8] = b"\xc0\x0e\0\x06\0\x01\0\0\0\x50\0\x16\0\0\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x1e";

    #[test]
    fn ttls_count_down_and_flags_follow_the_question() {
        let entry =
            Entry::from_wire(reply(&[0x81, 0xa0], [1, 0, 0], A), None, 10, LIFETIMES).unwrap();
        let mut out = [0; 512];
        let packet = asked(&[0x01, 0x30], true);
        let len = entry
            .write(&wire::read(&packet).ok().unwrap(), 30, &mut out)
            .unwrap();
        assert_eq!(out[..4], [0x12, 0x34, 0x81, 0xb0], "AD wanted, CD echoed");
        assert_eq!(out[12..24], QUESTION.to_ascii_uppercase());
        assert_eq!(out[30..34], 40u32.to_be_bytes());
        assert_eq!(
            (out[11], &out[len - 11..len]),
            (1, b"\0\0\x29\x04\xd0\0\0\0\0\0\0".as_slice())
        );
        let packet = asked(&[0x01, 0], false);
        let len = entry
            .write(&wire::read(&packet).ok().unwrap(), 30, &mut out)
            .unwrap();
        assert_eq!((out[3], out[11], len), (0x80, 0, 40));
        assert!(entry.is_good(69) && !entry.is_good(70));
    }

    #[test]
    fn what_ran_out_is_not_given_once_its_signatures_have() {
        let kept = |signed_until_s| {
            Entry::from_wire(reply(&[0x81, 0x80], [1, 0, 0], A), None, 100, LIFETIMES)
                .unwrap()
                .signed_until(signed_until_s)
        };
        assert!(kept(None).is_stale(200, 86_400));
        let signed = kept(Some(300));
        assert!(signed.is_stale(299, 86_400) && !signed.is_stale(300, 86_400));
    }

    #[test]
    fn what_is_told_goes_along_where_it_fits() {
        let entry = Entry::from_wire(reply(&[0x81, 0x83], [0, 0, 0], b""), Some(16), 0, LIFETIMES)
            .unwrap()
            .told("an order".into());
        let packet = asked(&[0x01, 0], true);
        let question = wire::read(&packet).ok().unwrap();
        let mut out = [0; 512];
        let len = entry.write(&question, 0, &mut out).unwrap();
        assert_eq!(
            out[24..len],
            *b"\0\0\x29\x04\xd0\0\0\0\0\0\x0e\0\x0f\0\x0a\0\x10an order"
        );
        let len = entry.write(&question, 0, &mut out[..48]).unwrap();
        assert_eq!(
            (len, out[2] & 2),
            (24 + 11 + 6, 2),
            "the text goes first where there is no room"
        );
    }

    #[test]
    fn what_does_not_fit_is_cut_short() {
        let records = A.repeat(100);
        let entry = Entry::from_wire(
            reply(&[0x81, 0x80], [100, 0, 0], &records),
            None,
            0,
            LIFETIMES,
        )
        .unwrap();
        let packet = asked(&[0x01, 0], true);
        let mut out = [0; 512];
        let len = entry
            .write(&wire::read(&packet).ok().unwrap(), 0, &mut out)
            .unwrap();
        // 29 of the addresses, each of 16 octets, with what is left of their TTL.
        assert_eq!(
            (len, out[2], &out[4..12]),
            (
                24 + 29 * 16 + 11,
                0x83,
                [0, 1, 0, 29, 0, 0, 0, 1].as_slice()
            )
        );
        assert_eq!(out[24..40], A[..]);
        let packet = asked(&[0x01, 0], false);
        let question = wire::read(&packet).ok().unwrap();
        for (room, count) in [(39, 0), (40, 1), (55, 1), (56, 2)] {
            let len = entry.write(&question, 10, &mut out[..room]).unwrap();
            assert_eq!((len, out[7]), (24 + 16 * count, count as u8), "{room}");
        }
        assert_eq!(out[30..34], 50u32.to_be_bytes());
    }

    #[test]
    fn lifetimes_follow_the_records() {
        let ttl = |flags: u8, counts, records: &[u8]| {
            Entry::from_wire(reply(&[0x81, flags], counts, records), None, 0, LIFETIMES)
                .unwrap()
                .ttl_s
        };
        assert_eq!(ttl(0x80, [1, 0, 0], A), 60);
        assert_eq!(ttl(0x83, [0, 1, 0], SOA), 30, "the SOA's minimum");
        assert_eq!(ttl(0x83, [0, 0, 0], b""), 0, "no SOA, not kept");
        assert_eq!(ttl(0x82, [0, 0, 0], b""), FAILURE_TTL_S);
        assert_eq!(ttl(0x80, [2, 0, 0], &[CNAME, A].concat()), 60);
        assert_eq!(ttl(0x80, [1, 0, 0], CNAME), 0, "an alias alone, and no SOA");
        let mut of_alias = reply(&[0x81, 0x80], [1, 0, 0], CNAME);
        of_alias[21] = rtype::CNAME as u8;
        assert_eq!(
            Entry::from_wire(of_alias, None, 0, LIFETIMES)
                .unwrap()
                .ttl_s,
            1000,
            "the alias is what was asked for"
        );
    }

    #[test]
    fn a_shortest_lifetime_raises_what_may_be_kept() {
        let lifetimes = Lifetimes {
            ttl_s_min: 90,
            ..LIFETIMES
        };
        let kept = |flags: u8, counts, records: &[u8]| {
            Entry::from_wire(reply(&[0x81, flags], counts, records), None, 0, lifetimes).unwrap()
        };
        let entry = kept(0x80, [1, 0, 0], A);
        assert_eq!(
            (entry.ttl_s, &entry.wire()[30..34]),
            (90, [0, 0, 0, 90].as_slice())
        );
        assert_eq!(kept(0x83, [0, 1, 0], SOA).ttl_s, 90);
        assert_eq!(kept(0x83, [0, 0, 0], b"").ttl_s, 0, "no SOA, not kept");
    }

    #[test]
    fn an_answer_that_ran_out_says_so() {
        let entry =
            Entry::from_wire(reply(&[0x81, 0x80], [1, 0, 0], A), None, 100, LIFETIMES).unwrap();
        assert!(
            !entry.is_stale(159, 50)
                && entry.is_stale(160, 50)
                && entry.is_stale(209, 50)
                && !entry.is_stale(210, 50)
        );
        assert!(!entry.is_stale(99, 50), "a clock that was set back");
        let packet = asked(&[0x01, 0], true);
        let mut out = [0; 512];
        let len = entry
            .write(&wire::read(&packet).ok().unwrap(), 170, &mut out)
            .unwrap();
        assert_eq!(
            (&out[30..34], &out[len - 6..len]),
            ([0, 0, 0, 30].as_slice(), b"\0\x0f\0\x02\0\x03".as_slice())
        );
        entry.note_unrenewed(170);
        assert!(entry.is_unrenewed(199) && !entry.is_unrenewed(200));
    }

    #[test]
    fn one_asks_to_renew_and_only_near_the_end() {
        let entry =
            Entry::from_wire(reply(&[0x81, 0x80], [1, 0, 0], A), None, 100, LIFETIMES).unwrap();
        assert_eq!(
            [153, 154, 155].map(|now_s| entry.claim_renewal(now_s)),
            [false, true, false]
        );
    }

    #[test]
    fn name_servers_behind_an_answer_are_left_out() {
        const NS: &[u8] = b"\xc0\x0e\0\x02\0\x01\0\0\0\x05\0\x02\xc0\x0c";
        let entry = |counts, records: &[&[u8]]| {
            Entry::from_wire(
                reply(&[0x81, 0x80], counts, &records.concat()),
                None,
                0,
                LIFETIMES,
            )
            .unwrap()
        };
        let lean = entry([1, 2, 0], &[A, NS, NS]);
        assert_eq!(
            (lean.wire(), lean.ttl_s),
            (reply(&[0x81, 0x80], [1, 0, 0], A).as_slice(), 60)
        );
        assert_eq!(
            entry([1, 2, 0], &[A, NS, SOA]).wire().len(),
            24 + A.len() + NS.len() + SOA.len()
        );
        assert_eq!(
            entry([0, 1, 0], &[NS]).wire().len(),
            24 + NS.len(),
            "not an answer"
        );
    }

    #[test]
    fn the_alias_chain_is_remembered() {
        let entry = Entry::from_wire(
            reply(&[0x81, 0x80], [2, 0, 0], &[CNAME, A].concat()),
            None,
            0,
            LIFETIMES,
        )
        .unwrap();
        assert_eq!(
            entry.chain().collect::<Vec<_>>(),
            [b"\x01a\x04test\0", b"\x01b\x04test\0"]
        );
        assert!(!entry.is_clear_under(1));
        entry.note_clear_under(1);
        assert!(entry.is_clear_under(1) && !entry.is_clear_under(2));
        assert_eq!(entry.name(), Name::parse("a.test").ok());
    }

    #[test]
    fn a_failure_says_that_it_is_kept() {
        let packet = asked(&[0x01, 0], true);
        let question = wire::read(&packet).ok().unwrap();
        let entry = Entry::failure(
            &Name::from_wire(question.name).unwrap(),
            question.qtype,
            22,
            50,
            FAILURE_TTL_S,
        );
        let mut out = [0; 512];
        let len = entry.write(&question, 50, &mut out).unwrap();
        assert_eq!(
            out[24..len],
            *b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x16"
        );
        let len = entry.write(&question, 52, &mut out).unwrap();
        assert_eq!(out[35..len], *b"\0\x0f\0\x02\0\x16\0\x0f\0\x02\0\x0d");
        assert!(entry.is_failure() && !entry.is_good(55));
    }

    #[test]
    fn broken_replies_are_not_kept() {
        let whole = reply(&[0x81, 0x80], [2, 0, 0], &[CNAME, A].concat());
        for end in 0..whole.len() {
            assert!(
                Entry::from_wire(whole[..end].to_vec(), None, 0, LIFETIMES).is_err(),
                "cut at {end}"
            );
        }
    }
}
