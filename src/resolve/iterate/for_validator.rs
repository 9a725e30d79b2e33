//! What the validator asks of the walker: records, and the cut between a zone and its parent.

use std::net::IpAddr;
use std::sync::Arc;

use hickory_proto::rr::{Name, RecordType};

use super::super::budget::Budget;
use super::super::convert::wire_of;
use super::super::failure::Failure;
use super::super::rrset::{Ask, Cut, Said};
use super::{Trip, Walker};
use crate::clock::{self};

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
        let kept = self
            .zones
            .find(&wire_of(zone), now)
            .and_then(|zone| zone.cut.clone());
        if let Some(cut) = kept {
            if !cut.from.is_some_and(|from| avoid.contains(&from)) {
                return Ok(cut);
            }
            self.zones.forget_cut(zone, now);
        }
        let said = self.ask(zone, RecordType::DS, avoid, budget).await?;
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
