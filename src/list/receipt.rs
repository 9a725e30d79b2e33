//! A resolver's proof that a list is applied: what it took, when, and how its own doors answered
//! afterwards. Signed as a note.

use super::form::{
    FormFault, FormProblem, FormReader, Hash, MAY_HASH, MAY_ID, MAY_NUMBER, MAY_SERIAL,
    MAY_TIME_MS, id, number, serial, time_ms, write_time_ms,
};

const VERSION: &str = "wardline-receipt/v1";

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
}

impl Receipt {
    /// Read the text of a note; whether the note is to be believed is another question.
    pub fn parse(text: &str) -> Result<Self, FormFault> {
        let mut lines = FormReader::new(text, VERSION)?;
        let may_resolver = "the name of a key: 1 to 255 octets, neither white space nor `+`";
        let receipt = Self {
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
        };
        lines.finish()?;
        if receipt.probes_right > receipt.probes {
            return Err(FormFault {
                line: 13,
                problem: FormProblem::Value("probes-right", "at most `probes`"),
            });
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
        format!(
            "{VERSION}\nresolver: {}\nlist: {}\nserial: {}\nmanifest: {}\nentries: {}\n\
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
        )
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
