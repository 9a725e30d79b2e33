//! A copy of the root zone on this machine (RFC 8806): what the root's servers would say, without
//! asking them.
//!
//! The copy is a zone file that the operator keeps up to date. It holds as long as its SOA record
//! lets a secondary server go on without hearing from its primary, counted from the file's time;
//! then the root's servers are asked again. What it says is judged and validated like a server's
//! word.

mod record;
use record::CopyRecord;

mod lay_out;
use lay_out::CopyReply;
mod text;
use self::text::ZoneLine;
use crate::clock::{self, UnixSeconds};
use crate::wire::{class, rcode, rtype};
use arc_swap::ArcSwapOption;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::UNIX_EPOCH;

/// How often it is looked whether the file has changed, in seconds.
const LOOK_EVERY_S: UnixSeconds = 60;

/// The root zone has some 2 MB; many times that is no root zone.
const FILE_OCTETS_MAX: u64 = 64 << 20;

/// The root's name.
const ROOT: &[u8] = &[0];
const TYPE_DS: u16 = 43;
const TYPE_RRSIG: u16 = 46;
const TYPE_NSEC: u16 = 47;

/// The copy, read anew when its file changes.
#[derive(Debug)]
pub(in crate::resolve) struct RootCopy {
    file: PathBuf,
    current: ArcSwapOption<RootZone>,
    looked_at: AtomicI64,
}

/// How a copy stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootStanding {
    /// The zone's serial number.
    pub serial: u32,
    /// Until when it holds.
    pub until: UnixSeconds,
}

/// Why a file is no root zone.
#[derive(Debug)]
pub(in crate::resolve) struct Unusable {
    line: Option<usize>,
    why: String,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl From<&str> for Unusable {
    fn from(why: &str) -> Self {
        Self {
            line: None,
            why: why.to_owned(),
        }
    }
}

/// One issue of the zone.
#[derive(Debug)]
struct RootZone {
    /// Records by their owners, lower-case wire form.
    nodes: BTreeMap<Box<[u8]>, Vec<CopyRecord>>,
    /// The owners with NSEC records by their one label, in canonical order (RFC 4034 section 6.1);
    /// the root's is empty.
    spans: BTreeMap<Box<[u8]>, Box<[u8]>>,
    serial: u32,
    /// When the file was written.
    written_at: UnixSeconds,
    until: UnixSeconds,
}

impl RootCopy {
    /// Read the file; whatever is wrong with it is told, with its line.
    pub(in crate::resolve) fn open(file: &Path) -> Result<Self, Unusable> {
        let zone = RootZone::load(file)?;
        let now = clock::wall_s();
        tracing::info!(serial = zone.serial, "a copy of the root zone is in use");
        Ok(Self {
            file: file.to_owned(),
            current: ArcSwapOption::from_pointee(zone),
            looked_at: AtomicI64::new(now),
        })
    }

    /// How it stands.
    pub(in crate::resolve) fn standing(&self) -> Option<RootStanding> {
        self.current.load().as_ref().map(|zone| RootStanding {
            serial: zone.serial,
            until: zone.until,
        })
    }

    /// What the root's servers would reply to a question, its name in lower-case wire form, and how
    /// many seconds ago the copy was written; nothing when it has run out.
    pub(super) fn reply(self: &Arc<Self>, name: &[u8], qtype: u16) -> Option<(Vec<u8>, u32)> {
        let now = clock::wall_s();
        self.look(now);
        let zone = self.current.load_full()?;
        if now >= zone.until {
            return None;
        }
        let age_s = u32::try_from((now - zone.written_at).max(0)).unwrap_or(u32::MAX);
        Some((zone.reply(name, qtype)?, age_s))
    }

    /// Read the file again where it has changed, off the threads that answer; a broken one leaves
    /// the old copy as it is.
    fn look(self: &Arc<Self>, now: UnixSeconds) {
        let looked_at = self.looked_at.load(Relaxed);
        if (looked_at..looked_at + LOOK_EVERY_S).contains(&now)
            || self
                .looked_at
                .compare_exchange(looked_at, now, Relaxed, Relaxed)
                .is_err()
        {
            return;
        }
        let copy = Arc::clone(self);
        tokio::task::spawn_blocking(move || copy.refresh());
    }

    fn refresh(&self) {
        let known = self.current.load().as_ref().map(|zone| zone.written_at);
        if written_at(&self.file)
            .ok()
            .is_some_and(|written_at| Some(written_at) == known)
        {
            return;
        }
        match RootZone::load(&self.file) {
            Ok(zone) => {
                tracing::info!(
                    serial = zone.serial,
                    "a new copy of the root zone is in use"
                );
                self.current.store(Some(Arc::new(zone)));
            }
            Err(error) => {
                tracing::warn!(%error, file = %self.file.display(), "the copy of the root zone \
                    cannot be read anew")
            }
        }
    }
}

fn written_at(file: &Path) -> std::io::Result<UnixSeconds> {
    let written = file.metadata()?.modified()?;
    Ok(written
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs() as UnixSeconds))
}

impl RootZone {
    fn load(file: &Path) -> Result<Self, Unusable> {
        let cannot = |error: std::io::Error| Unusable {
            line: None,
            why: format!("cannot be read ({error})"),
        };
        if file.metadata().map_err(cannot)?.len() > FILE_OCTETS_MAX {
            return Err("is too large for a root zone".into());
        }
        let written_at = written_at(file).map_err(cannot)?;
        Self::parse(&std::fs::read_to_string(file).map_err(cannot)?, written_at)
    }

    fn parse(text: &str, written_at: UnixSeconds) -> Result<Self, Unusable> {
        let mut zone = Self {
            nodes: BTreeMap::new(),
            spans: BTreeMap::new(),
            serial: 0,
            written_at,
            until: 0,
        };
        text::read(text, |line| zone.add(&line)).map_err(|line| Unusable {
            line: Some(line),
            why: "is no record of a root zone: want one a line, with owner, TTL, class and type, \
                  as in the published file"
                .to_owned(),
        })?;
        let soa = zone
            .records(ROOT, rtype::SOA)
            .find(|record| !record.is_signature)
            .ok_or("has no SOA record of the root")?;
        // SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM end the data.
        let numbers = soa
            .wire
            .last_chunk::<20>()
            .ok_or("has a broken SOA record")?;
        let [a, b, c, d, _, _, _, _, _, _, _, _, e, f, g, h, ..] = *numbers;
        let expire_s = u32::from_be_bytes([e, f, g, h]);
        (zone.serial, zone.until) = (
            u32::from_be_bytes([a, b, c, d]),
            written_at + UnixSeconds::from(expire_s),
        );
        if zone.records(ROOT, rtype::NS).next().is_none() {
            return Err("has no NS record of the root".into());
        }
        Ok(zone)
    }

    fn add(&mut self, line: &ZoneLine) {
        let owner = line.owner.as_wire();
        let mut wire = owner.to_vec();
        wire.extend(line.rtype.to_be_bytes());
        wire.extend(class::IN.to_be_bytes());
        wire.extend(line.ttl_s.to_be_bytes());
        wire.extend((line.data.len() as u16).to_be_bytes());
        wire.extend(&line.data);
        let is_signature = line.rtype == TYPE_RRSIG;
        let covered = line
            .data
            .first_chunk::<2>()
            .map_or(0, |covered| u16::from_be_bytes(*covered));
        let rtype = if is_signature { covered } else { line.rtype };
        if line.rtype == TYPE_NSEC {
            let label = owner.get(1..owner.len() - 1).unwrap_or_default();
            self.spans.insert(label.into(), owner.into());
        }
        self.nodes
            .entry(owner.into())
            .or_default()
            .push(CopyRecord {
                rtype,
                is_signature,
                wire: wire.into(),
            });
    }

    /// The records of a name and type, with their signatures.
    fn records<'a>(&'a self, owner: &[u8], rtype: u16) -> impl Iterator<Item = &'a CopyRecord> {
        self.nodes
            .get(owner)
            .into_iter()
            .flatten()
            .filter(move |record| record.rtype == rtype)
    }

    fn reply(&self, name: &[u8], qtype: u16) -> Option<Vec<u8>> {
        let mut reply = CopyReply::new(name, qtype);
        let top = top_of(name)?;
        if name == ROOT || self.records(top, rtype::NS).next().is_none() {
            self.answer_root(&mut reply, name, qtype);
        } else if name == top && qtype == TYPE_DS {
            reply.authoritative = true;
            reply.answers.extend(self.records(top, TYPE_DS));
            if reply.answers.is_empty() {
                self.deny(&mut reply, &[top]);
            }
        } else {
            self.refer(&mut reply, top);
        }
        Some(reply.lay_out())
    }

    /// The root's own records; and that a name does not exist.
    fn answer_root<'a>(&'a self, reply: &mut CopyReply<'a>, name: &[u8], qtype: u16) {
        reply.authoritative = true;
        if name != ROOT {
            reply.rcode = rcode::NXDOMAIN;
            let label = top_of(name)
                .and_then(|top| top.get(1..top.len() - 1))
                .unwrap_or_default();
            // The span around the name, and the root's own, which denies the wildcard.
            let up_to = (Bound::Unbounded, Bound::Included(label));
            let before = self
                .spans
                .range::<[u8], (Bound<&[u8]>, Bound<&[u8]>)>(up_to)
                .next_back()
                .map(|(_, owner)| &**owner);
            let mut proofs = vec![ROOT];
            proofs.extend(before.filter(|owner| *owner != ROOT));
            return self.deny(reply, &proofs);
        }
        reply.answers.extend(self.records(ROOT, qtype));
        match qtype {
            _ if reply.answers.is_empty() => self.deny(reply, &[ROOT]),
            rtype::NS => self.add_glue(reply, ROOT),
            _ => {}
        }
    }

    /// No data, or no such name: the SOA record and the proofs at these owners.
    fn deny<'a>(&'a self, reply: &mut CopyReply<'a>, owners: &[&[u8]]) {
        reply.authorities.extend(self.records(ROOT, rtype::SOA));
        for owner in owners {
            reply.authorities.extend(self.records(owner, TYPE_NSEC));
        }
    }

    /// The way to a zone's servers, with its DS records or the proof that there are none.
    fn refer<'a>(&'a self, reply: &mut CopyReply<'a>, top: &[u8]) {
        reply.authorities.extend(
            self.records(top, rtype::NS)
                .filter(|record| !record.is_signature),
        );
        let before = reply.authorities.len();
        reply.authorities.extend(self.records(top, TYPE_DS));
        if reply.authorities.len() == before {
            reply.authorities.extend(self.records(top, TYPE_NSEC));
        }
        self.add_glue(reply, top);
    }

    fn add_glue<'a>(&'a self, reply: &mut CopyReply<'a>, zone: &[u8]) {
        for server in self
            .records(zone, rtype::NS)
            .filter(|record| !record.is_signature)
        {
            // Owner, ten octets, and the server's name to the end.
            let Some(server) = server.wire.get(zone.len() + 10..) else {
                continue;
            };
            for rtype in [rtype::A, rtype::AAAA] {
                reply.additionals.extend(
                    self.records(server, rtype)
                        .filter(|record| !record.is_signature),
                );
            }
        }
    }
}

/// The last label of a name with the root behind it; the root itself has none.
fn top_of(name: &[u8]) -> Option<&[u8]> {
    let mut rest = name;
    loop {
        let (&length, tail) = rest.split_first()?;
        let after = tail.get(usize::from(length)..)?;
        if length == 0 || after == ROOT {
            return Some(rest);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::name::Name;
    use crate::wire::{Message, Section};

    const TEXT: &str = "\
. 86400 IN SOA a.root-servers.test. nstld.test. 2026010100 1800 900 604800 86400
. 86400 IN RRSIG SOA 8 0 86400 20300101000000 20260101000000 1 . AAAA
. 518400 IN NS a.root-servers.test.
. 86400 IN NSEC alpha. NS SOA RRSIG NSEC DNSKEY ZONEMD
. 86400 IN ZONEMD 2026010100 1 1 ABCD
alpha. 172800 IN NS ns.alpha.
alpha. 172800 IN NS ns.other.
alpha. 86400 IN DS 1 8 2 ABCD EF01
alpha. 86400 IN RRSIG DS 8 1 86400 20300101000000 20260101000000 1 . AAAA
alpha. 86400 IN NSEC other. NS DS RRSIG NSEC
ns.alpha. 172800 IN A 192.0.2.1
ns.alpha. 172800 IN AAAA 2001:db8::1
other. 172800 IN NS ns.other.
other. 86400 IN NSEC . NS RRSIG NSEC
ns.other. 172800 IN A 192.0.2.2
";

    fn zone(written_at: UnixSeconds) -> RootZone {
        RootZone::parse(TEXT, written_at).unwrap()
    }

    /// AA, RCODE, and the types of the records by section.
    fn told(name: &str, qtype: u16) -> (bool, u16, [Vec<u16>; 3]) {
        let octets = zone(0)
            .reply(Name::parse(name).unwrap().as_wire(), qtype)
            .unwrap();
        let message = Message::new(&octets).unwrap();
        let mut types: [Vec<u16>; 3] = Default::default();
        message
            .walk(|record| {
                types[[Section::Answer, Section::Authority, Section::Additional]
                    .iter()
                    .position(|s| *s == record.section)
                    .unwrap()]
                .push(record.rtype)
            })
            .unwrap();
        (octets[2] & 4 != 0, message.rcode(), types)
    }

    #[test]
    fn the_copy_says_what_the_roots_servers_would() {
        let (soa, sig, ns, nsec, ds, a, aaaa) = (6, 46, 2, 47, 43, 1, 28);
        for (name, qtype, want) in [
            (
                "www.alpha",
                a,
                (false, 0, [vec![], vec![ns, ns, ds, sig], vec![a, aaaa, a]]),
            ),
            (
                "alpha",
                ns,
                (false, 0, [vec![], vec![ns, ns, ds, sig], vec![a, aaaa, a]]),
            ),
            ("other", a, (false, 0, [vec![], vec![ns, nsec], vec![a]])),
            ("alpha", ds, (true, 0, [vec![ds, sig], vec![], vec![]])),
            (
                "other",
                ds,
                (true, 0, [vec![], vec![soa, sig, nsec], vec![]]),
            ),
            (
                "www.alphb",
                a,
                (true, 3, [vec![], vec![soa, sig, nsec, nsec], vec![]]),
            ),
            ("aaa", a, (true, 3, [vec![], vec![soa, sig, nsec], vec![]])),
        ] {
            assert_eq!(told(name, qtype), want, "{name} {qtype}");
        }
        assert_eq!(
            zone(0).reply(ROOT, soa).map(|octets| octets[7]),
            Some(2),
            "with its signature"
        );
    }

    #[test]
    fn what_is_no_root_zone_is_told_with_its_line() {
        for (text, want) in [
            (
                TEXT.replace(
                    "alpha. 86400 IN DS 1 8 2 ABCD EF01",
                    "alpha. 86400 IN DS 1 8 2 XYZ",
                ),
                "line 8: is no record",
            ),
            (TEXT.replace(". 86400 IN SOA", ". 86400 CH SOA"), "line 1: "),
            (
                TEXT.lines().skip(2).collect::<Vec<_>>().join("\n"),
                "has no SOA record",
            ),
            (
                TEXT.replace(". 518400 IN NS a.root-servers.test.\n", ""),
                "has no NS record",
            ),
        ] {
            let told = RootZone::parse(&text, 0).unwrap_err().to_string();
            assert!(told.contains(want), "{told}");
        }
    }

    #[tokio::test]
    async fn it_runs_out_and_is_read_anew() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("root.zone");
        std::fs::write(&file, TEXT).unwrap();
        let copy = Arc::new(RootCopy::open(&file).unwrap());
        let before = copy.standing().unwrap();
        assert_eq!(
            (before.serial, before.until - written_at(&file).unwrap()),
            (2_026_010_100, 604_800)
        );
        assert!(copy.reply(ROOT, 2).is_some());
        std::fs::write(
            &file,
            TEXT.replace("2026010100 1800 900 604800", "2026010101 1800 900 1"),
        )
        .unwrap();
        let old = std::fs::File::options().write(true).open(&file).unwrap();
        old.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(1000))
            .unwrap();
        copy.refresh();
        assert_eq!(
            copy.standing(),
            Some(RootStanding {
                serial: 2_026_010_101,
                until: 1001
            })
        );
        assert!(copy.reply(ROOT, 2).is_none(), "it ran out long ago");
        std::fs::write(&file, "rubbish").unwrap();
        copy.refresh();
        assert_eq!(
            copy.standing().unwrap().serial,
            2_026_010_101,
            "the old one stays"
        );
    }
}
