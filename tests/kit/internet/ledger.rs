//! Who asked what at which host: every packet of the tests' internet, counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use hickory_proto::rr::{Name, RecordType};

use super::serve::{Asked, Transport};

/// Whose packet, to which host, about what.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) client: IpAddr,
    pub(super) host: u8,
    pub(super) name: Name,
    pub(super) kind: RecordType,
    pub(super) transport: Transport,
    /// There is no capital letter in the name.
    pub(super) is_lower: bool,
    pub(super) has_edns: bool,
}

/// The counts.
#[derive(Default)]
pub(super) struct Ledger(Mutex<HashMap<Entry, usize>>);

impl Ledger {
    pub(super) fn note(&self, client: IpAddr, host: u8, asked: &Asked, transport: Transport) {
        let name = asked.query.name();
        let entry = Entry {
            client,
            host,
            name: name.to_lowercase(),
            kind: asked.query.query_type(),
            transport,
            is_lower: name.to_ascii() == name.to_lowercase().to_ascii(),
            has_edns: asked.message.edns.is_some(),
        };
        *self.0.lock().expect("the ledger").entry(entry).or_default() += 1;
    }

    pub(super) fn count(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        let ledger = self.0.lock().expect("the ledger");
        ledger
            .iter()
            .filter(|(entry, _)| wanted(entry))
            .map(|(_, n)| n)
            .sum()
    }

    /// Each kind of packet as text and how often it came, for reports.
    pub(super) fn lines(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<String> {
        let ledger = self.0.lock().expect("the ledger");
        let mut lines: Vec<String> = ledger
            .iter()
            .filter(|(entry, _)| wanted(entry))
            .map(|(entry, n)| format!("{n} × {} {} at host {}", entry.name, entry.kind, entry.host))
            .collect();
        lines.sort();
        lines
    }

    pub(super) fn forget(&self, whose: impl Fn(&Entry) -> bool) {
        self.0
            .lock()
            .expect("the ledger")
            .retain(|entry, _| !whose(entry));
    }
}
