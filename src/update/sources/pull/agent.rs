//! The HTTPS client of a pulled list, which finds its server without us.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::http::{ClientSettings, client, read_authorities};
use crate::name::Name;
use crate::update::listed::PullSettings;
use crate::update::prove::ask;
use crate::update::refusal::place_of;
use crate::wire::{Message, Section, rtype};

/// How long one exchange may take in all: a gibibyte over a slow line.
const EXCHANGE: Duration = Duration::from_secs(300);

pub(super) fn build(settings: &PullSettings) -> Result<ureq::Agent, String> {
    let roots = read_authorities(&settings.ca)
        .map_err(|error| format!("{}: {error}", place_of(&settings.ca)))?;
    let (addresses, bootstrap) = (settings.addresses.clone(), settings.bootstrap.clone());
    let find = move |host: &str, port| {
        if addresses.is_empty() {
            let found = look_up(host, &bootstrap).into_iter();
            found
                .map(|address| SocketAddr::new(address, port))
                .collect()
        } else {
            addresses.clone()
        }
    };
    let settings = ClientSettings {
        roots,
        exchange: EXCHANGE,
        is_https_only: true,
    };
    Ok(client(&settings, Box::new(find)))
}

/// Ask the named resolvers for a host's addresses.
fn look_up(host: &str, resolvers: &[SocketAddr]) -> Vec<IpAddr> {
    let Ok(name) = Name::parse(host) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for &resolver in resolvers {
        for kind in [rtype::A, rtype::AAAA] {
            let Some(reply) = ask(resolver, name.as_wire(), kind, true) else {
                continue;
            };
            let Ok(message) = Message::new(&reply) else {
                continue;
            };
            // What cannot be walked to its end has given what could be read.
            let _ = message.walk(|record| {
                let data = reply.get(record.data_at..record.end).unwrap_or_default();
                match (record.section, record.rtype) {
                    (Section::Answer, rtype::A) => {
                        found.extend(<[u8; 4]>::try_from(data).map(IpAddr::from))
                    }
                    (Section::Answer, rtype::AAAA) => {
                        found.extend(<[u8; 16]>::try_from(data).map(IpAddr::from))
                    }
                    _ => {}
                }
            });
        }
        if !found.is_empty() {
            break;
        }
    }
    found
}
