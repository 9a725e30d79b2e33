//! The upstreams as somebody whom the engine can ask about one name and type, as it asks a zone's
//! own servers: nothing that they say is believed without a signature.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use super::upstreams::Upstreams;
use crate::resolve::budget::Budget;
use crate::resolve::convert::our_name;
use crate::resolve::failure::Failure;
use crate::resolve::iterate::read_forwarded;
use crate::resolve::question::{Question, UpstreamBlock};
use crate::resolve::rrset::{Ask, Cut, Said};

impl Ask for Arc<Upstreams> {
    /// Asked with CD, so that an upstream that validates keeps nothing back (RFC 6840 section 5.9).
    /// It is not known which upstream answers: whose word is bogus cannot be avoided.
    async fn ask(
        &self,
        name: &Name,
        rtype: RecordType,
        _avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Said>, Failure> {
        budget.pay_packet()?;
        let asked = our_name(name).ok_or(Failure::Unusable)?;
        let question = Question {
            name: asked,
            qtype: rtype.into(),
            dnssec_ok: true,
            checking_disabled: true,
        };
        let fetched = self.fetch(&question, budget.trace()).await?;
        let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let said = read_forwarded(&fetched.wire, name, rtype, nobody);
        let Some(code) = fetched.ede.filter(|code| UpstreamBlock::is_one(*code)) else {
            return said.map(Arc::new).ok_or(Failure::Unusable);
        };
        // What is kept back is not always said in a way that answers.
        let said = said.unwrap_or_else(|| Said {
            rcode: rcode_of(&fetched.wire),
            answer: Vec::new(),
            authority: Vec::new(),
            servers: Vec::new(),
            zone: Name::root(),
            from: None,
            age_s: 0,
            authoritative: false,
            contradicts: false,
            blocked: None,
        });
        let text = fetched.text;
        Ok(Arc::new(Said {
            blocked: Some(Arc::new(UpstreamBlock { code, text })),
            ..said
        }))
    }

    async fn cut(
        &self,
        zone: &Name,
        avoid: &[IpAddr],
        budget: &Budget,
    ) -> Result<Arc<Cut>, Failure> {
        let said = self.ask(zone, RecordType::DS, avoid, budget).await?;
        let ds = said
            .answer
            .iter()
            .find(|set| set.rtype == RecordType::DS)
            .cloned();
        Ok(Arc::new(Cut {
            child: zone.clone(),
            parent: said.zone.clone(),
            ds,
            denial: said.authority.clone(),
            from: None,
        }))
    }

    /// Upstreams tell of no delegations.
    fn apex(&self, _name: &Name) -> Name {
        Name::root()
    }
}

fn rcode_of(wire: &[u8]) -> ResponseCode {
    ResponseCode::from(0, wire.get(3).copied().unwrap_or_default() & 0x0f)
}
