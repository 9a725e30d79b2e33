//! What the validator asks of the walker: records, and the cut between a zone and its parent.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use super::super::budget::Budget;
use super::super::convert::wire_of;
use super::super::failure::Failure;
use super::super::rrset::{Ask, Cut, Said};
use super::{Trip, Walker};
use crate::clock;

impl Ask for Walker {
    async fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Said>, Failure> {
        self.walk(
            name,
            rtype,
            &Trip {
                budget,
                avoid,
                errand: None,
            },
        )
        .await
    }

    async fn cut(
        &self,
        zone: &Name,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Cut>, Failure> {
        let now = clock::wall_s();
        let known = self.zones.find(&wire_of(zone), now);
        let kept = known.as_ref().and_then(|zone| zone.cut.clone());
        let is_doubted = known.is_some_and(|zone| zone.is_cut_doubted);
        let is_avoided = kept
            .as_ref()
            .is_some_and(|cut| cut.from.is_some_and(|from| avoid.contains(&from)));
        if is_avoided {
            self.zones.doubt_cut(zone, now);
        }
        let kept = kept.filter(|_| !is_avoided);
        if let Some(cut) = kept.as_ref().filter(|_| !is_doubted) {
            return Ok(Arc::clone(cut));
        }
        let said = match self.ask(zone, RecordType::DS, avoid, budget).await {
            Ok(said) => said,
            // What is known is judged once more: the fault may have been another one's.
            Err(failure) => return kept.ok_or(failure),
        };
        let cut = Arc::new(Cut {
            child: zone.clone(),
            parent: said.zone.clone(),
            ds: said
                .answer
                .iter()
                .find(|set| set.rtype == RecordType::DS)
                .cloned(),
            denial: said.authority.clone(),
            from: said.from,
        });
        self.zones.note_cut(&cut, now);
        Ok(cut)
    }

    fn apex(&self, name: &Name) -> Name {
        self.zones
            .closest(&wire_of(name), clock::wall_s())
            .name
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::zones::Zone;
    use super::super::{Settings, Walker};
    use super::*;
    use crate::clock::UnixSeconds;
    use crate::resolve::exchange::LocalAddress;

    /// A walker that can ask nobody.
    fn walker() -> Walker {
        let settings = Settings {
            roots: Vec::new(),
            root_copy: None,
            stubs: Vec::new(),
            port: 53,
            ipv4: true,
            ipv6: false,
            loopback: false,
            private: false,
            prime: false,
            minimise: true,
            harden_glue: true,
            plain_spelling: Vec::new(),
            udp_octets: 1232,
            local: LocalAddress::default(),
            ttl_s_max: 86_400,
            memory_octets_max: 1 << 20,
            per_zone_max: 10,
        };
        Walker::new(settings, Arc::default())
    }

    /// Its servers would be asked as those of an unsigned zone otherwise.
    #[tokio::test]
    async fn a_cut_stays_known_until_there_is_a_better_word() {
        let (walker, child) = (walker(), Name::from_ascii("signed.test.").unwrap());
        let liar: IpAddr = "192.0.2.1".parse().unwrap();
        let cut = Arc::new(Cut {
            child: child.clone(),
            parent: Name::root(),
            ds: None,
            denial: Vec::new(),
            from: Some(liar),
        });
        walker.zones.keep(Arc::new(Zone {
            name: child.clone(),
            servers: Vec::new(),
            since: 0,
            until: UnixSeconds::MAX,
            cut: Some(Arc::clone(&cut)),
            is_cut_doubted: false,
            lame: Arc::default(),
        }));
        let ask = async |avoid: &[IpAddr]| {
            let budget = Budget::new(Duration::from_secs(5));
            walker.cut(&child, avoid, &budget).await
        };
        assert!(ask(&[liar]).await.is_err(), "nobody else can be asked");
        let known = walker.zones.find(&wire_of(&child), 0).unwrap();
        assert!(known.cut.is_some() && known.is_cut_doubted);
        // Asked anew, in vain: what is known is judged again.
        assert!(Arc::ptr_eq(&ask(&[]).await.unwrap(), &cut));
        walker.zones.note_cut(&cut, 0);
        assert!(
            !walker
                .zones
                .find(&wire_of(&child), 0)
                .unwrap()
                .is_cut_doubted
        );
    }
}
