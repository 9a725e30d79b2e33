//! What our doors answered about an issue is told, and signed: one receipt for an issue, at its
//! first being in force and proven. After a restart it is proven again, and no time is signed anew.

use tracing::{error, info};

use super::prove::{ProbeAnswers, Prover, Unproven};
use super::receipts::{Receipts, parse};
use super::refusal::place_of;
use super::stand::Stand;
use super::trust::KeyStanding;
use crate::clock::now_ms;
use crate::list::receipt::{Receipt, ReceiptTerm};
use crate::policy::Difference;
use crate::record::{IssueReceipt, ProbeResult, Statement};
use crate::seal::Note;

impl Stand {
    /// Say what our doors answered, and sign for it where it is as the list asks and was not signed
    /// before.
    pub(super) fn note_proof(
        &mut self,
        unproven: &Unproven,
        answers: ProbeAnswers,
        prover: &Prover,
    ) {
        let ProbeAnswers { asked, right, .. } = answers;
        self.note_issue(
            Statement::Probed(ProbeResult { asked, right }),
            unproven.serial,
            unproven.manifest,
        );
        let term = self.list.apply_within.map(|within| ReceiptTerm {
            issued: unproven.issued,
            apply_within_s: within.as_secs(),
        });
        let receipt = Receipt {
            resolver: prover.key.name().to_owned(),
            list: self.list.id.clone(),
            serial: unproven.serial,
            manifest: unproven.manifest,
            entries: unproven.entries,
            received_ms: unproven.received_ms,
            verified_ms: unproven.verified_ms,
            live_ms: unproven.live_ms,
            probed_ms: now_ms(),
            generation: self.state.generation,
            probes: asked,
            probes_right: right,
            term,
        };
        if self.vouching != KeyStanding::Vouched {
            let list = &self.list.id;
            error!(%list, "no receipt: today's keys have not signed the issue in force");
            return;
        }
        if let Some(promised) = self.restored {
            let (list, serial) = (&self.list.id, promised.serial);
            error!(%list, serial, "no receipt: the state was restored, and more was promised");
            return;
        }
        if let Some(difference) = self.contradiction() {
            error!(list = %self.list.id, "no receipt: {difference}");
            return;
        }
        if !receipt.is_proof() {
            let remedy = if answers.refused > 0 {
                "they refuse to answer this machine: allow its own addresses in [clients], and put \
                 them in no group that is exempt"
            } else {
                "look at the doors and at what stands before them"
            };
            error!(
                list = %self.list.id,
                "of {asked} questions to our own doors {right} were answered as the list asks: no \
                 receipt; {remedy}"
            );
            return;
        }
        self.keep_receipt(prover, &receipt);
    }

    /// In what a receipt would be untrue.
    fn contradiction(&self) -> Option<Difference> {
        let mut differences = self.differences().into_iter();
        differences.find(Difference::contradicts_receipt)
    }

    fn keep_receipt(&mut self, prover: &Prover, receipt: &Receipt) {
        let Some(receipts) = self.folder().map(|folder| Receipts::of(&folder)) else {
            return;
        };
        let (list, serial) = (&self.list.id, receipt.serial);
        let first = receipts.find(receipt.manifest);
        if let Some(first) = first.and_then(|note| parse(&note)) {
            info!(%list, serial, "proven again: its receipt stands");
            self.state.receipt = Some(first.probed_ms.div_euclid(1000));
            return;
        }
        let signed = Note::new(&receipt.to_text())
            .and_then(|mut note| note.sign(&prover.key).map(|()| note));
        let Ok(note) = signed else { return };
        if let Err(error) = receipts.keep(receipt.manifest, &note.to_string()) {
            let place = place_of(&receipts.folder);
            error!(%list, "a receipt cannot be kept in {place} ({error})");
            return;
        }
        let ms = receipt.probed_ms - receipt.received_ms;
        info!(%list, serial, ms, "receipt signed");
        self.state.receipt = Some(receipt.probed_ms.div_euclid(1000));
        let said = Statement::Receipt(IssueReceipt {
            live_ms: receipt.live_ms,
            probed_ms: receipt.probed_ms,
            received_ms: receipt.received_ms,
            verified_ms: receipt.verified_ms,
        });
        self.note_issue(said, serial, receipt.manifest);
    }
}
