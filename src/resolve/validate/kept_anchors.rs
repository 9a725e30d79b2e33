//! The file in which it is kept over restarts how a zone's keys stand (RFC 5011): JSON, and on the
//! last line its digest, so that no damage makes a key older or other than it is.

use data_encoding::{BASE64, HEXLOWER};
use hickory_proto::dnssec::PublicKey;
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::rr::Name;
use serde::{Deserialize, Serialize};

use super::anchor::{Anchor, parse_one};
use super::trust_point::{KeyState, TrackedKey, TrustPoint};
use crate::clock::UnixSeconds;
use crate::seal::sha256;

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptAnchors {
    points: Vec<(TrustPoint, Anchor)>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    form: u32,
    zones: Vec<ZoneText>,
}

/// A zone, with the anchors that the operator had named then.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ZoneText {
    zone: String,
    observed_at: UnixSeconds,
    configured: Vec<String>,
    keys: Vec<KeyText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyText {
    key: String,
    state: KeyState,
    since: UnixSeconds,
    held_s: i64,
    hold_down_s: i64,
}

/// The form of the file that this program writes.
const FORM: u32 = 1;

impl KeptAnchors {
    /// Read the file's text.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn read(text: &str) -> Result<Self, String> {
        let (json, digest) = text
            .trim_end()
            .rsplit_once('\n')
            .ok_or("it has no digest, so that it is not whole")?;
        if HEXLOWER.encode(&sha256(json.as_bytes())) != digest {
            return Err("its digest does not fit, so that it is damaged".to_owned());
        }
        let file: FileText = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if file.form != FORM {
            return Err(format!("its form {} is not {FORM}", file.form));
        }
        let points = file.zones.iter().filter_map(|zone| {
            let read = zone.read();
            if read.is_none() {
                let zone = &zone.zone;
                tracing::error!(
                    "trust anchor: what was learnt of the keys of {zone} cannot be read and is \
                     left out; its anchors of the configuration hold (docs/root-key.md)"
                );
            }
            read
        });
        Ok(Self {
            points: points.collect(),
        })
    }

    /// The text of these zones and of the operator's anchors for them.
    pub(super) fn text<'a>(points: impl Iterator<Item = (&'a TrustPoint, &'a Anchor)>) -> String {
        let zones = points.map(|(point, configured)| ZoneText::of(point, configured));
        let file = FileText {
            form: FORM,
            zones: zones.collect(),
        };
        // Nothing in it can fail to be written as JSON.
        let json = serde_json::to_string_pretty(&file).unwrap_or_default();
        let digest = HEXLOWER.encode(&sha256(json.as_bytes()));
        format!("{json}\n{digest}\n")
    }

    /// What is kept of other zones than these, without the keys that are not believed yet: nobody
    /// sees meanwhile whether the zone goes on showing them.
    pub(super) fn others(&self, points: &[TrustPoint]) -> Vec<(TrustPoint, Anchor)> {
        let is_other = |kept: &TrustPoint| points.iter().all(|point| point.zone != kept.zone);
        let others = self.points.iter().filter(|(point, _)| is_other(point));
        let mut others: Vec<_> = others.cloned().collect();
        for (point, _) in &mut others {
            point.keys.retain(|key| key.state != KeyState::AddPend);
        }
        others
    }

    /// What is kept of a zone, without the keys that the operator alone had vouched for and does
    /// not vouch for any more.
    pub(super) fn point(&self, zone: &Name, configured: &Anchor) -> TrustPoint {
        let kept = self.points.iter().find(|(point, _)| point.zone == *zone);
        let Some((point, before)) = kept else {
            return TrustPoint::new(zone.clone());
        };
        let mut point = point.clone();
        point.keys.retain(|tracked| {
            let is_taken_out = before.vouches_for(zone, &tracked.key)
                && !configured.vouches_for(zone, &tracked.key);
            !(tracked.is_believed() && is_taken_out)
        });
        point
    }
}

impl ZoneText {
    fn of(point: &TrustPoint, configured: &Anchor) -> Self {
        let keys = point.keys.iter().map(|tracked| KeyText {
            key: key_text(&point.zone, &tracked.key),
            state: tracked.state,
            since: tracked.since,
            held_s: tracked.held_s,
            hold_down_s: tracked.hold_down_s,
        });
        let digests = configured.digests.iter().map(|ds| {
            let (tag, algorithm) = (ds.key_tag(), u8::from(ds.algorithm()));
            let (kind, digest) = (u8::from(ds.digest_type()), HEXLOWER.encode(ds.digest()));
            let zone = point.zone.to_ascii();
            format!("{zone} DS {tag} {algorithm} {kind} {digest}")
        });
        let whole = configured.keys.iter().map(|key| key_text(&point.zone, key));
        Self {
            zone: point.zone.to_ascii(),
            observed_at: point.observed_at,
            configured: digests.chain(whole).collect(),
            keys: keys.collect(),
        }
    }

    fn read(&self) -> Option<(TrustPoint, Anchor)> {
        let mut configured = Anchor::default();
        let (mut keys, mut zone) = (Vec::new(), None);
        for text in &self.configured {
            let (owner, single) = parse_one(text)?;
            zone = Some(owner);
            configured.digests.extend(single.digests);
            configured.keys.extend(single.keys);
        }
        for kept in &self.keys {
            let (_, single) = parse_one(&kept.key)?;
            keys.push(TrackedKey {
                key: single.keys.into_iter().next()?,
                state: kept.state,
                since: kept.since,
                held_s: kept.held_s,
                hold_down_s: kept.hold_down_s,
            });
        }
        let zone = zone.filter(|zone| zone.to_ascii() == self.zone)?;
        Some((TrustPoint::kept(zone, keys, self.observed_at), configured))
    }
}

/// In zone file form.
fn key_text(zone: &Name, key: &DNSKEY) -> String {
    let public = key.public_key();
    let algorithm = u8::from(public.algorithm());
    let (zone, octets) = (zone.to_ascii(), BASE64.encode(public.public_bytes()));
    format!("{zone} DNSKEY {} 3 {algorithm} {octets}", key.flags())
}
