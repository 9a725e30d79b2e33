//! Hosts files: an address, then names; the address itself means nothing to us.

use std::net::IpAddr;

use super::line::without_comment;
use super::{Reason, word};
use crate::list::Scope;

/// Names that hosts files carry for the machine itself; they are passed over.
const OWN_NAMES: [&[u8]; 13] = [
    b"localhost",
    b"localhost.localdomain",
    b"local",
    b"broadcasthost",
    b"ip6-localhost",
    b"ip6-loopback",
    b"ip6-localnet",
    b"ip6-mcastprefix",
    b"ip6-allnodes",
    b"ip6-allrouters",
    b"ip6-allhosts",
    b"0.0.0.0",
    b"::",
];

/// Read one line and hand out its entries; a line with one bad name gives none.
pub(super) fn read_line(
    line: &[u8],
    wire: &mut Vec<u8>,
    sink: &mut impl FnMut(&[u8], Scope),
) -> Result<u64, Reason> {
    let mut words = without_comment(line)
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(address) = words.next() else {
        return Ok(0);
    };
    let is_address = str::from_utf8(address).is_ok_and(|text| text.parse::<IpAddr>().is_ok());
    if !is_address {
        return Err(Reason::NoAddress);
    }
    let names: Vec<&[u8]> = words.collect();
    if names.is_empty() {
        return Err(Reason::NoName);
    }
    let entries = || names.iter().filter(|name| !OWN_NAMES.contains(name));
    for name in entries() {
        word::read(name, wire)?;
    }
    for name in entries() {
        word::read(name, wire)?;
        sink(wire, Scope::Below);
    }
    Ok(entries().count() as u64)
}
