//! What one client question may cost in all: packets, octets, signature checks, hashes, time. It is
//! never reset on the way (ARCHITECTURE.md).
//!
//! CPU is bounded by counting what it is spent on, which is the same on every machine and however
//! busy that is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::trace::{Trace, TraceEvent};

/// Packets to servers: questions, their repetitions, name servers' addresses, keys and DS.
const PACKETS_MAX: u32 = 50;
/// Octets of replies, each as often as it is read: three of the largest over TCP. PowerDNS reads
/// 100,000.
const OCTETS_MAX: u32 = 3 << 16;
/// Signatures checked that held or did not.
const CHECKS_MAX: u32 = 64;
/// Signatures checked that did not hold; KeyTrap (CVE-2023-50387) lives from these.
const FAILED_CHECKS_MAX: u32 = 16;
/// Blocks of SHA-1 for NSEC3 (CVE-2023-50868): 50 iterations for some thirty names.
const HASHES_MAX: u32 = 2_000;
/// Questions of the validator and the iterator to themselves, answered from memory or not.
const STEPS_MAX: u32 = 500;

/// What is left for one question.
#[derive(Debug)]
pub(super) struct Budget {
    packets: AtomicU32,
    octets: AtomicU32,
    checks: AtomicU32,
    failed_checks: AtomicU32,
    hashes: AtomicU32,
    steps: AtomicU32,
    deadline: Instant,
    /// Where the steps are recorded, for an operator's question; usually nowhere.
    trace: Option<Arc<Trace>>,
}

impl Budget {
    /// The whole budget, of which the time ends `patience` from now.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            packets: AtomicU32::new(PACKETS_MAX),
            octets: AtomicU32::new(OCTETS_MAX),
            checks: AtomicU32::new(CHECKS_MAX),
            failed_checks: AtomicU32::new(FAILED_CHECKS_MAX),
            hashes: AtomicU32::new(HASHES_MAX),
            steps: AtomicU32::new(STEPS_MAX),
            deadline: Instant::now() + patience,
            trace: None,
        }
    }

    /// The same, with a record of the steps, where one is wanted.
    pub(super) fn traced(self, trace: Option<Arc<Trace>>) -> Self {
        Self { trace, ..self }
    }

    /// The record of the steps, where one is wanted.
    pub(super) const fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// Record a step, where that is wanted.
    pub(super) fn note(&self, event: impl FnOnce() -> TraceEvent) {
        if let Some(trace) = &self.trace {
            trace.note(event());
        }
    }

    /// When an answer is of no use to anybody any more.
    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Pay for one packet to a server.
    pub(super) fn pay_packet(&self) -> Result<(), Failure> {
        pay(&self.packets, 1)
    }

    /// Take the payment back: nothing went out. A host without IPv6 would spend its budget on the
    /// root's addresses otherwise.
    pub(super) fn refund_packet(&self) {
        self.packets.fetch_add(1, Ordering::Relaxed);
    }

    /// Pay for reading a reply of so many octets, before it is done.
    pub(super) fn pay_octets(&self, count: usize) -> Result<(), Failure> {
        pay(&self.octets, u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Pay for checking one signature against one key, before it is done.
    pub(super) fn pay_check(&self) -> Result<(), Failure> {
        pay(&self.checks, 1)
    }

    /// Note that a signature did not hold; `Err` when that was one too many.
    pub(super) fn note_failed_check(&self) -> Result<(), Failure> {
        pay(&self.failed_checks, 1)
    }

    /// Pay for `count` blocks of hashing (iterations + 1 for each name), before it is done.
    pub(super) fn pay_hashes(&self, count: u32) -> Result<(), Failure> {
        pay(&self.hashes, count)
    }

    /// Pay for one question to ourselves and give others a turn: from memory it would walk on
    /// without a pause.
    pub(super) async fn pay_step(&self) -> Result<(), Failure> {
        tokio::task::consume_budget().await;
        pay(&self.steps, 1)
    }
}

fn pay(purse: &AtomicU32, price: u32) -> Result<(), Failure> {
    let paid = purse.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(price)
    });
    paid.map(|_| ()).map_err(|_| Failure::TooMuchWork)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};

    use super::*;

    #[test]
    #[ignore = "a measurement, for the caps above"]
    fn what_a_check_costs() {
        let message = [7; 1000];
        let curves = [
            (
                "P-256",
                &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
                &signature::ECDSA_P256_SHA256_FIXED,
            ),
            (
                "P-384",
                &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
                &signature::ECDSA_P384_SHA384_FIXED,
            ),
        ];
        for (title, signing, verifying) in curves {
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8.as_ref()).unwrap();
            let signed = pair.sign(&SystemRandom::new(), &message).unwrap();
            let key = UnparsedPublicKey::new(verifying, pair.public_key().as_ref());
            let began = crate::clock::monotonic();
            for _ in 0..500 {
                key.verify(&message, signed.as_ref()).unwrap();
            }
            println!("{title}: {} µs", began.elapsed().as_micros() / 500);
        }
    }

    #[test]
    fn what_is_spent_is_spent() {
        let budget = Budget::new(Duration::from_secs(1));
        for _ in 0..PACKETS_MAX {
            budget.pay_packet().unwrap();
        }
        assert_eq!(budget.pay_packet(), Err(Failure::TooMuchWork));
        budget.refund_packet();
        assert_eq!(
            (budget.pay_octets(3 * 65_535), budget.pay_octets(65_535)),
            (Ok(()), Err(Failure::TooMuchWork))
        );
        assert_eq!(
            (budget.pay_packet(), budget.pay_packet()),
            (Ok(()), Err(Failure::TooMuchWork))
        );
        assert_eq!(
            (budget.pay_hashes(HASHES_MAX), budget.pay_hashes(1)),
            (Ok(()), Err(Failure::TooMuchWork))
        );
    }
}
