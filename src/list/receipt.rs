//! A resolver's proof that a list is applied: what it took, when, and how its own doors answered
//! afterwards. Signed as a note.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_HASH, MAY_ID, MAY_NUMBER, MAY_SERIAL, MAY_TIME,
    MAY_TIME_MS, id, number, serial, time, time_ms, write_time, write_time_ms,
};
use crate::clock::UnixSeconds;

/// The form of a receipt for a list without a deadline.
const VERSION: &str = "wardline-receipt/v1";
/// The form of one that also says whether the list's deadline was kept. Readers that know only the
/// first form refuse it, so it is written for lists with a deadline alone.
const VERSION_WITH_TERM: &str = "wardline-receipt/v2";

/// What the text of a receipt's note says. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which resolver: the name of the key that signs.
    pub resolver: String,
    /// The list's id.
    pub list: String,
    /// The serial of the issue that is live.
    pub serial: u64,
    /// The hash of its manifest's text.
    pub manifest: Hash,
    /// The hash of its entries in the clear.
    pub entries: Hash,
    /// When manifest and entries were complete here.
    pub received_ms: i64,
    /// When signatures, serial and hashes had been found in order.
    pub verified_ms: i64,
    /// When it was in force for every question.
    pub live_ms: i64,
    /// When the last question to the resolver's own doors was answered.
    pub probed_ms: i64,
    /// The numbered snapshot that it came in force with.
    pub generation: u64,
    /// Questions to its own doors.
    pub probes: u64,
    /// Those of them that were answered as the list asks.
    pub probes_right: u64,
    /// When it was due; none for a list without a deadline.
    pub term: Option<ReceiptTerm>,
}

/// When an issue was made, and how soon after that it had to be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiptTerm {
    /// When its authority issued it, by its manifest.
    pub issued: UnixSeconds,
    /// The deadline in seconds from then on, as the resolver's operator configured it.
    pub apply_within_s: u64,
}

impl ReceiptTerm {
    /// Seconds from being issued to being in force, a part of a second counting whole; 0 where the
    /// two clocks disagree about which came first.
    pub fn in_force_after_s(&self, live_ms: i64) -> u64 {
        let since_ms = live_ms.saturating_sub(self.issued.saturating_mul(1000));
        since_ms.max(0).unsigned_abs().div_ceil(1000)
    }
}

impl Receipt {
    /// Read the text of a note; whether the note is to be believed is another question.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let has_term = text.lines().next() == Some(VERSION_WITH_TERM);
        let version = if has_term { VERSION_WITH_TERM } else { VERSION };
        let mut lines = FormReader::new(text, version)?;
        let may_resolver = "the name of a key: 1 to 255 octets, neither white space nor `+`";
        let mut receipt = Self {
            resolver: lines.required("resolver", may_resolver, |text| {
                crate::seal::is_key_name(text).then(|| text.to_owned())
            })?,
            list: lines.required("list", MAY_ID, id)?,
            serial: lines.required("serial", MAY_SERIAL, serial)?,
            manifest: lines.required("manifest", MAY_HASH, Hash::parse)?,
            entries: lines.required("entries", MAY_HASH, Hash::parse)?,
            received_ms: lines.required("received", MAY_TIME_MS, time_ms)?,
            verified_ms: lines.required("verified", MAY_TIME_MS, time_ms)?,
            live_ms: lines.required("live", MAY_TIME_MS, time_ms)?,
            probed_ms: lines.required("probed", MAY_TIME_MS, time_ms)?,
            generation: lines.required("generation", MAY_NUMBER, number)?,
            probes: lines.required("probes", MAY_NUMBER, number)?,
            probes_right: lines.required("probes-right", MAY_NUMBER, number)?,
            term: None,
        };
        let mut stated_s = None;
        if has_term {
            let issued = lines.required("issued", MAY_TIME, time)?;
            stated_s = Some(lines.required("in-force-after-s", MAY_NUMBER, number)?);
            let apply_within_s = lines.required("apply-within-s", MAY_NUMBER, number)?;
            receipt.term = Some(ReceiptTerm {
                issued,
                apply_within_s,
            });
        }
        lines.finish()?;
        let refuse = |line, key, may| {
            Err(FormFault {
                line,
                problem: FormProblem::Value(key, may),
            })
        };
        if receipt.probes_right > receipt.probes {
            return refuse(13, "probes-right", "at most `probes`");
        }
        if stated_s != receipt.in_force_after_s() {
            let may = "the seconds from `issued` to `live`, rounded up";
            return refuse(15, "in-force-after-s", may);
        }
        Ok(receipt)
    }

    /// The one text of this receipt: what is signed.
    pub fn to_text(&self) -> String {
        let [received, verified, live, probed] = [
            self.received_ms,
            self.verified_ms,
            self.live_ms,
            self.probed_ms,
        ]
        .map(write_time_ms);
        let version = self.term.map_or(VERSION, |_| VERSION_WITH_TERM);
        let text = format!(
            "{version}\nresolver: {}\nlist: {}\nserial: {}\nmanifest: {}\nentries: {}\n\
             received: {received}\nverified: {verified}\n\
             live: {live}\nprobed: {probed}\ngeneration: {}\nprobes: {}\nprobes-right: {}\n",
            self.resolver,
            self.list,
            self.serial,
            self.manifest,
            self.entries,
            self.generation,
            self.probes,
            self.probes_right,
        );
        let Some(term) = &self.term else { return text };
        let (issued, after_s) = (write_time(term.issued), term.in_force_after_s(self.live_ms));
        format!(
            "{text}issued: {issued}\nin-force-after-s: {after_s}\napply-within-s: {}\n",
            term.apply_within_s
        )
    }

    /// Seconds from being issued to being in force; none where the list has no deadline.
    pub fn in_force_after_s(&self) -> Option<u64> {
        self.term.map(|term| term.in_force_after_s(self.live_ms))
    }

    /// Was it in force within its deadline? None where the list has none.
    pub fn is_in_time(&self) -> Option<bool> {
        let within = |term: ReceiptTerm| term.in_force_after_s(self.live_ms) <= term.apply_within_s;
        self.term.map(within)
    }

    /// Did every question to its own doors get the answer that the list asks for?
    pub const fn is_proof(&self) -> bool {
        self.probes > 0 && self.probes_right == self.probes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt() -> Receipt {
        Receipt {
            resolver: "ns1.isp.example".to_owned(),
            list: "example".to_owned(),
            serial: 7,
            manifest: Hash::of(b"manifest"),
            entries: Hash::of(b"entries"),
            received_ms: 1_772_373_600_000,
            verified_ms: 1_772_373_600_003,
            live_ms: 1_772_373_600_120,
            probed_ms: 1_772_373_600_127,
            generation: 12,
            probes: 20,
            probes_right: 20,
            term: None,
        }
    }

    /// The same, of a list that must be applied within a minute.
    fn receipt_with_term(before_s: i64) -> Receipt {
        let term = ReceiptTerm {
            issued: 1_772_373_600 - before_s,
            apply_within_s: 60,
        };
        Receipt {
            term: Some(term),
            ..receipt()
        }
    }

    #[test]
    fn a_list_with_a_deadline_has_a_form_of_its_own() {
        let in_time = receipt_with_term(59);
        let text = in_time.to_text();
        assert_eq!(Receipt::parse(&text), Ok(in_time.clone()));
        let told = [
            "wardline-receipt/v2",
            "issued: 2026-03-01T13:59:01Z",
            "in-force-after-s: 60",
            "apply-within-s: 60",
        ];
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!([0, 13, 14, 15].map(|at| lines[at]), told);
        assert_eq!(in_time.is_in_time(), Some(true));
        assert_eq!(receipt_with_term(60).is_in_time(), Some(false));
        assert_eq!(receipt_with_term(-9).in_force_after_s(), Some(0));
        assert_eq!(receipt().is_in_time(), None);
        // A list without a deadline has the form that every curator's program reads.
        assert!(receipt().to_text().starts_with("wardline-receipt/v1\n"));
        for (from, to, expected) in [
            (
                "after-s: 60",
                "after-s: 59",
                "line 15: `in-force-after-s` must be",
            ),
            ("/v2", "/v1", "line 14: a key that is unknown"),
            ("/v2", "/v3", "line 1: the first line must be"),
            (
                "apply-within-s: 60\n",
                "",
                "line 16: `apply-within-s:` is expected",
            ),
        ] {
            let fault = Receipt::parse(&text.replacen(from, to, 1)).unwrap_err();
            assert!(fault.to_string().starts_with(expected), "{fault}");
        }
    }

    #[test]
    fn a_receipt_has_one_text() {
        let text = receipt().to_text();
        assert_eq!(Receipt::parse(&text), Ok(receipt()));
        assert_eq!(
            text.lines().nth(7),
            Some("verified: 2026-03-01T14:00:00.003Z")
        );
        assert!(receipt().is_proof());
        assert!(
            !Receipt {
                probes_right: 19,
                ..receipt()
            }
            .is_proof()
        );
        assert!(
            !Receipt {
                probes: 0,
                probes_right: 0,
                ..receipt()
            }
            .is_proof()
        );
    }

    #[test]
    fn every_fault_has_its_line() {
        let refused = |from: &str, to: &str| {
            Receipt::parse(&receipt().to_text().replacen(from, to, 1))
                .unwrap_err()
                .to_string()
        };
        let time = "must be a time in UTC with milliseconds such as 2026-03-01T14:00:00.000Z";
        assert_eq!(
            refused("14:00:00.003Z", "14:00:00Z"),
            format!("line 8: `verified` {time}")
        );
        assert_eq!(
            refused("probes-right: 20", "probes-right: 21"),
            "line 13: `probes-right` must be at most `probes`"
        );
        let serial = "line 4: `serial` must be a whole number from 1 to 9007199254740991";
        assert_eq!(refused("serial: 7", "serial: 9007199254740992"), serial);
        assert_eq!(refused("serial: 7", "serial: 0"), serial);
        assert_eq!(
            refused("live: ", "alive: "),
            "line 9: `live:` is expected here; the keys have a fixed order"
        );
        assert!(
            Receipt::parse(&(receipt().to_text() + "more: 1\n"))
                .unwrap_err()
                .to_string()
                .starts_with("line 14: a key")
        );
    }
}
