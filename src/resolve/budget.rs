//! What one client question may cost in all: packets, signature checks, hashes. It is never reset on the way (ARCHITECTURE.md).

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;

/// Packets to servers: questions, their repetitions, name servers' addresses, keys and DS.
const PACKETS_MAX: u32 = 50;
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
    checks: AtomicU32,
    failed_checks: AtomicU32,
    hashes: AtomicU32,
    steps: AtomicU32,
    deadline: Instant,
}

impl Budget {
    /// The whole budget, of which the time ends `patience` from now.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            packets: AtomicU32::new(PACKETS_MAX),
            checks: AtomicU32::new(CHECKS_MAX),
            failed_checks: AtomicU32::new(FAILED_CHECKS_MAX),
            hashes: AtomicU32::new(HASHES_MAX),
            steps: AtomicU32::new(STEPS_MAX),
            deadline: Instant::now() + patience,
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

    /// Take the payment back: nothing went out. A host without IPv6 would spend its budget on the root's addresses otherwise.
    pub(super) fn refund_packet(&self) {
        self.packets.fetch_add(1, Ordering::Relaxed);
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

    /// Pay for one question to ourselves and give others a turn: from memory it would walk on without a pause.
    pub(super) async fn pay_step(&self) -> Result<(), Failure> {
        tokio::task::consume_budget().await;
        pay(&self.steps, 1)
    }
}

fn pay(purse: &AtomicU32, price: u32) -> Result<(), Failure> {
    let paid = purse.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price));
    paid.map(|_| ()).map_err(|_| Failure::TooMuchWork)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_spent() {
        let budget = Budget::new(Duration::from_secs(1));
        for _ in 0..PACKETS_MAX {
            budget.pay_packet().unwrap();
        }
        assert_eq!(budget.pay_packet(), Err(Failure::TooMuchWork));
        budget.refund_packet();
        assert_eq!((budget.pay_packet(), budget.pay_packet()), (Ok(()), Err(Failure::TooMuchWork)));
        assert_eq!((budget.pay_hashes(HASHES_MAX), budget.pay_hashes(1)), (Ok(()), Err(Failure::TooMuchWork)));
    }
}
