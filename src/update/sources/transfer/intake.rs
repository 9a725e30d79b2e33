//! Takes the records of one transfer as they come and says what they amount to: nothing new, a
//! whole zone, or changes.
//!
//! RFC 5936 section 2.2 and RFC 1995 section 4. Nothing is believed before the last record: a
//! transfer that breaks off, never ends or contradicts itself leaves no trace.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::message::{Answer, Soa};
use super::ordering::{Lines, OrderedLine};
use super::serial::is_newer;
use crate::name::{NAME_OCTETS_MAX, Name};
use crate::wire::{Section, WireRecord, rtype};

/// Types that stand beside records without being any of the zone's.
const OPT: u16 = rtype::OPT;
/// Room for one line: a record of 64 KiB in hexadecimal, with its owner.
const LINE_OCTETS: usize = 1 << 18;

/// How much one transfer may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Octets of messages.
    pub octets: u64,
    /// Records.
    pub records: u64,
}

/// What we asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedPrimary {
    /// The whole zone.
    Whole,
    /// The changes since this serial.
    Since(u32),
}

/// What a transfer brought.
pub(super) enum Harvest {
    /// The zone as we have it.
    Current,
    /// A whole zone, its lines in order.
    Whole(Soa, Lines),
    /// What is to be taken out and put in.
    Changes(Soa, BTreeMap<OrderedLine, ZoneChange>),
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneChange {
    Add,
    Remove,
}

/// What is wrong with a transfer's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum IntakeFault {
    #[error("a message cannot be read")]
    Garbage,
    #[error("a message holds no record")]
    NoRecord,
    #[error("the transfer does not start with the zone's SOA record")]
    NoStart,
    #[error("a record is not of this zone")]
    Foreign,
    #[error("the transfer ends with another serial than it started with")]
    OtherEnd,
    #[error("records follow after the end")]
    BehindEnd,
    #[error("the changes do not fit together: the serial {at} does not follow")]
    Gap {
        /// The serial that was found.
        at: u32,
    },
    #[error("the serial went back from {have} to {offered}: raise it at the primary")]
    Backwards {
        /// Ours.
        have: u32,
        /// The primary's.
        offered: u32,
    },
    #[error(
        "more than {0} octets, and no end: raise `size_mib_max` if the zone is meant to be so large"
    )]
    Octets(u64),
    #[error(
        "more than {0} records, and no end: raise `records_max` if the zone is meant to be so large"
    )]
    Records(u64),
}

/// Where in the transfer we are.
enum IntakeStage {
    Start,
    /// Behind the first record, which tells the newest serial.
    Opened,
    Whole,
    /// Taking out what the zone of this serial had.
    Removing(u32),
    /// Putting in what the zone of this serial has.
    Adding(u32),
    End,
}

/// Takes a transfer message by message.
pub(super) struct Intake<'z> {
    zone: &'z Name,
    asked: AskedPrimary,
    /// The serial that must not be gone back from, if we have any.
    have: Option<u32>,
    caps: Caps,
    stage: IntakeStage,
    newest: Option<Soa>,
    lines: Lines,
    changes: BTreeMap<OrderedLine, ZoneChange>,
    is_whole: bool,
    octets: u64,
    records: u64,
    owner: Zeroizing<Vec<u8>>,
    line: Zeroizing<Vec<u8>>,
}

impl<'z> Intake<'z> {
    pub(super) fn new(zone: &'z Name, asked: AskedPrimary, have: Option<u32>, caps: Caps) -> Self {
        Self {
            zone,
            asked,
            have,
            caps,
            stage: IntakeStage::Start,
            newest: None,
            lines: Lines::default(),
            changes: BTreeMap::new(),
            is_whole: false,
            octets: 0,
            records: 0,
            owner: Zeroizing::new(Vec::with_capacity(NAME_OCTETS_MAX)),
            line: Zeroizing::new(Vec::with_capacity(LINE_OCTETS)),
        }
    }

    /// Take one message's answers.
    pub(super) fn take(&mut self, octets: &[u8]) -> Result<(), IntakeFault> {
        self.octets += octets.len() as u64;
        if self.octets > self.caps.octets {
            return Err(IntakeFault::Octets(self.caps.octets));
        }
        let answer = Answer::new(octets).map_err(|_| IntakeFault::Garbage)?;
        let before = self.records;
        let mut taken = Ok(());
        let walked = answer.message().walk(|record| {
            if record.section == Section::Answer && record.rtype != OPT && taken.is_ok() {
                taken = self.take_record(answer, &record);
            }
        });
        walked.map_err(|_| IntakeFault::Garbage)?;
        taken?;
        // Each message brings the transfer on, so that the cap on records is one on messages too.
        if self.records == before {
            Err(IntakeFault::NoRecord)
        } else {
            Ok(())
        }
    }

    /// Has the last record been taken?
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.stage, IntakeStage::End)
    }

    /// What the records amount to, once complete.
    pub(super) fn finish(mut self) -> Result<Harvest, IntakeFault> {
        match self.newest {
            Some(_) if !self.is_complete() => Err(IntakeFault::Garbage),
            None => Err(IntakeFault::NoStart),
            Some(newest) if Some(newest.serial) == self.have => Ok(Harvest::Current),
            Some(newest) if self.is_whole => {
                self.lines.sort();
                Ok(Harvest::Whole(newest, std::mem::take(&mut self.lines)))
            }
            Some(newest) => Ok(Harvest::Changes(newest, std::mem::take(&mut self.changes))),
        }
    }

    fn take_record(&mut self, answer: Answer<'_>, record: &WireRecord) -> Result<(), IntakeFault> {
        self.records += 1;
        if self.records > self.caps.records {
            return Err(IntakeFault::Records(self.caps.records));
        }
        answer
            .owner(record, &mut self.owner)
            .map_err(|_| IntakeFault::Garbage)?;
        if !answer.is_in_class(record) {
            return Err(IntakeFault::Foreign);
        }
        if record.rtype == rtype::SOA {
            if self.owner.as_slice() != self.zone.as_wire() {
                return Err(IntakeFault::Foreign);
            }
            return self.take_soa(answer.soa(record).map_err(|_| IntakeFault::Garbage)?);
        }
        let apex = self.zone.as_wire();
        let is_within = crate::name::is_within(&self.owner, apex);
        match self.stage {
            IntakeStage::Start => return Err(IntakeFault::NoStart),
            IntakeStage::End => return Err(IntakeFault::BehindEnd),
            _ if !is_within => return Err(IntakeFault::Foreign),
            IntakeStage::Opened => (self.stage, self.is_whole) = (IntakeStage::Whole, true),
            IntakeStage::Whole | IntakeStage::Removing(_) | IntakeStage::Adding(_) => {}
        }
        answer
            .write_line(record, &self.owner, apex, &mut self.line)
            .map_err(|_| IntakeFault::Garbage)?;
        match self.stage {
            IntakeStage::Removing(_) => self.change(ZoneChange::Remove),
            IntakeStage::Adding(_) => self.change(ZoneChange::Add),
            _ => self.lines.push(&self.line),
        }
        Ok(())
    }

    fn take_soa(&mut self, soa: Soa) -> Result<(), IntakeFault> {
        let Some(newest) = self.newest else {
            self.newest = Some(soa);
            self.stage = match self.have {
                Some(have) if have == soa.serial => IntakeStage::End,
                Some(have) if !is_newer(soa.serial, have) => {
                    return Err(IntakeFault::Backwards {
                        have,
                        offered: soa.serial,
                    });
                }
                _ => IntakeStage::Opened,
            };
            return Ok(());
        };
        let is_newest = soa.serial == newest.serial;
        self.stage = match (&self.stage, self.asked) {
            // The whole zone, even if it has no record but this one.
            (IntakeStage::Opened, _) if is_newest => {
                self.is_whole = true;
                IntakeStage::End
            }
            (IntakeStage::Opened, AskedPrimary::Since(have)) if soa.serial == have => {
                IntakeStage::Removing(have)
            }
            (IntakeStage::Whole | IntakeStage::Adding(_), _)
                if is_newest && self.is_last(soa.serial) =>
            {
                IntakeStage::End
            }
            (IntakeStage::Removing(from), _)
                if is_newer(soa.serial, *from) && !is_newer(soa.serial, newest.serial) =>
            {
                IntakeStage::Adding(soa.serial)
            }
            (IntakeStage::Adding(at), _) if soa.serial == *at && !is_newest => {
                IntakeStage::Removing(soa.serial)
            }
            (IntakeStage::Opened | IntakeStage::Whole, _) => return Err(IntakeFault::OtherEnd),
            (IntakeStage::End, _) => return Err(IntakeFault::BehindEnd),
            _ => return Err(IntakeFault::Gap { at: soa.serial }),
        };
        Ok(())
    }

    /// Does this SOA record end the transfer where it stands now?
    const fn is_last(&self, serial: u32) -> bool {
        match self.stage {
            IntakeStage::Adding(at) => at == serial,
            _ => true,
        }
    }

    /// Note a change; one that undoes an earlier one leaves nothing.
    fn change(&mut self, change: ZoneChange) {
        let line = OrderedLine::new(&self.line);
        match self.changes.get(&line) {
            Some(earlier) if *earlier != change => {
                self.changes.remove(&line);
            }
            _ => {
                self.changes.insert(line, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::update::transfer::message;

    const CAPS: Caps = Caps {
        octets: 10_000,
        records: 50,
    };

    fn zone() -> Name {
        Name::parse("rpz.example").unwrap()
    }

    /// `soa N` or a name that is `CNAME .`.
    fn record(text: &str, octets: &mut Vec<u8>) {
        let apex = zone();
        match text.strip_prefix("soa ") {
            Some(serial) => {
                octets.extend(apex.as_wire());
                octets.extend(b"\0\x06\0\x01\0\0\0\0\0\x16\0\0");
                octets.extend(serial.parse::<u32>().unwrap().to_be_bytes());
                octets.extend([0; 16]);
            }
            None => {
                octets.extend(Name::parse(text).unwrap().as_wire());
                octets.extend(b"\0\x05\0\x01\0\0\0\0\0\x01\0");
            }
        }
    }

    fn message(records: &[&str]) -> Vec<u8> {
        let mut octets = message::question(1, &zone(), message::IXFR, None);
        octets[7] = records.len() as u8;
        records.iter().for_each(|text| record(text, &mut octets));
        octets
    }

    /// What a transfer comes to: each record in a message of its own must give the same as all in
    /// one.
    fn taken(
        asked: AskedPrimary,
        have: Option<u32>,
        records: &[&str],
    ) -> Result<String, IntakeFault> {
        let zone = zone();
        let take = |messages: Vec<Vec<u8>>| {
            let mut intake = Intake::new(&zone, asked, have, CAPS);
            messages
                .iter()
                .try_for_each(|message| intake.take(message))?;
            intake.finish().map(|harvest| told(&harvest))
        };
        let together = take(vec![message(records)]);
        let apart = take(records.iter().map(|text| message(&[text])).collect());
        assert_eq!(together, apart);
        together
    }

    fn told(harvest: &Harvest) -> String {
        let text = |line: &[u8]| str::from_utf8(line).unwrap().replace(" CNAME .\n", "");
        match harvest {
            Harvest::Current => "current".to_owned(),
            Harvest::Whole(soa, lines) => format!(
                "{}: {}",
                soa.serial,
                lines.iter().map(text).collect::<Vec<_>>().join(" ")
            ),
            Harvest::Changes(soa, changes) => {
                let marked = changes.iter().map(|(line, change)| {
                    let mark = if *change == ZoneChange::Add { '+' } else { '-' };
                    format!("{mark}{}", text(line.octets()))
                });
                format!("{}: {}", soa.serial, marked.collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn whole_zones_are_taken() {
        let whole = |have, records: &[&str]| taken(AskedPrimary::Whole, have, records);
        assert_eq!(
            whole(None, &["soa 5", "b.rpz.example", "A.rpz.example", "soa 5"]),
            Ok("5: a b".to_owned())
        );
        assert_eq!(whole(Some(4), &["soa 5", "soa 5"]), Ok("5: ".to_owned()));
        assert_eq!(whole(Some(5), &["soa 5"]), Ok("current".to_owned()));
        assert_eq!(
            whole(Some(5), &["soa 4", "soa 4"]),
            Err(IntakeFault::Backwards {
                have: 5,
                offered: 4
            })
        );
        assert_eq!(whole(None, &["a.rpz.example"]), Err(IntakeFault::NoStart));
        assert_eq!(
            whole(None, &["soa 5", "a.example"]),
            Err(IntakeFault::Foreign)
        );
        assert_eq!(
            whole(None, &["soa 5", "a.rpz.example", "soa 6"]),
            Err(IntakeFault::OtherEnd)
        );
        assert_eq!(
            whole(None, &["soa 5", "soa 5", "a.rpz.example"]),
            Err(IntakeFault::BehindEnd)
        );
        assert_eq!(
            whole(None, &["soa 5", "a.rpz.example"]),
            Err(IntakeFault::Garbage),
            "cut off"
        );
    }

    #[test]
    fn changes_are_taken() {
        let since = |records: &[&str]| taken(AskedPrimary::Since(1), Some(1), records);
        let (a, b, c) = ("a.rpz.example", "b.rpz.example", "c.rpz.example");
        assert_eq!(since(&["soa 1"]), Ok("current".to_owned()));
        assert_eq!(
            since(&["soa 2", "soa 1", a, "soa 2", b, "soa 2"]),
            Ok("2: -a +b".to_owned())
        );
        let two = [
            "soa 3", "soa 1", a, "soa 2", b, c, "soa 2", b, "soa 3", a, "soa 3",
        ];
        assert_eq!(
            since(&two),
            Ok("3: +c".to_owned()),
            "what comes and goes leaves nothing"
        );
        assert_eq!(
            since(&["soa 2", a, b, "soa 2"]),
            Ok("2: a b".to_owned()),
            "a whole zone instead"
        );
        assert_eq!(
            since(&["soa 0", "soa 1"]),
            Err(IntakeFault::Backwards {
                have: 1,
                offered: 0
            })
        );
        assert_eq!(
            since(&["soa 3", "soa 2", "soa 3", "soa 3"]),
            Err(IntakeFault::OtherEnd),
            "not from ours on"
        );
        assert_eq!(
            since(&["soa 3", "soa 1", "soa 2", "soa 1"]),
            Err(IntakeFault::Gap { at: 1 }),
            "in circles"
        );
        assert_eq!(
            since(&["soa 3", "soa 1", "soa 4"]),
            Err(IntakeFault::Gap { at: 4 }),
            "past the end"
        );
        assert_eq!(
            since(&["soa 3", "soa 1", a, "soa 2", b, "soa 3"]),
            Err(IntakeFault::Gap { at: 3 }),
            "a step left out"
        );
    }

    #[test]
    fn every_cap_holds() {
        let zone = zone();
        let mut intake = Intake::new(&zone, AskedPrimary::Whole, None, CAPS);
        intake.take(&message(&["soa 1"])).unwrap();
        let fault = (0..100).find_map(|_| intake.take(&message(&["a.rpz.example"])).err());
        assert_eq!(fault, Some(IntakeFault::Records(50)));
        let mut intake = Intake::new(
            &zone,
            AskedPrimary::Whole,
            None,
            Caps {
                octets: 100,
                records: 50,
            },
        );
        intake.take(&message(&["soa 1"])).unwrap();
        assert_eq!(
            intake.take(&message(&["a.rpz.example"])),
            Err(IntakeFault::Octets(100))
        );
        assert_eq!(
            Intake::new(&zone, AskedPrimary::Whole, None, CAPS).take(&message(&[])),
            Err(IntakeFault::NoRecord)
        );
    }

    proptest! {
        #[test]
        fn any_octets_are_taken_or_refused(
            mut octets in prop::collection::vec(any::<u8>(), 0..200),
            tail in prop::collection::vec((0usize..120, any::<u8>()), 0..6),
        ) {
            let zone = zone();
            let _ = Intake::new(&zone, AskedPrimary::Since(1), Some(1), CAPS).take(&octets);
            octets = message(&["soa 3", "soa 1", "a.rpz.example", "soa 2", "b.rpz.example"]);
            for (at, octet) in tail {
                octets[at] = octet;
            }
            let _ = Intake::new(&zone, AskedPrimary::Since(1), Some(1), CAPS).take(&octets);
        }
    }
}
