//! The door for Prometheus: figures about the running resolver, published once a second, at
//! `/metrics`.
//!
//! Cardinality is fixed by the configuration: labels are doors, events, kinds, the ids of lists,
//! zones of trust anchors and the provider's own upstream resolvers, never a name that was asked
//! for or a client. Counters start at 0 with the process; the regulator's counts, which outlive it,
//! are in the store. docs/metrics.md tells of each.

mod exposition;
mod list_families;
mod page;
mod readiness;
mod reading;
mod scrape;
mod threads;

pub use readiness::{LiveReadiness, Readiness, ReadinessState};
pub use reading::{
    AnchorReading, ConfigurationReading, ListReading, PlacesReading, ProcessReading, Reading,
    RootCopyReading, UpstreamReading, WitnessReading,
};
pub use threads::ThreadTimes;

use page::{Shown, render};
use std::net::SocketAddr;
use std::sync::Arc;

use crate::http::{HttpDoor, HttpListener};

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address} for metrics: {source}; check the key `listen` in [metrics]"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Shows readings to whoever asks over HTTP, until it is dropped.
#[derive(Debug)]
pub struct Publisher {
    shown: Shown,
    door: HttpDoor,
}

/// Listens for Prometheus on `listen`; port 0 takes a free one. Whoever asks whether clients can be
/// sent here is told what `readiness` says.
///
/// # Errors
/// When the address cannot be had.
pub fn start(listen: SocketAddr, readiness: LiveReadiness) -> Result<Publisher, MeasureError> {
    let failed = |source| MeasureError::Listen {
        address: listen,
        source,
    };
    let shown = Shown::default();
    let scrape = scrape::Scrape {
        shown: Arc::clone(&shown),
        readiness,
    };
    let door = HttpListener::bind(listen)
        .and_then(|listener| listener.serve("metrics", scrape::LIMITS, None, scrape))
        .map_err(failed)?;
    Ok(Publisher { shown, door })
}

impl Publisher {
    /// Shows this reading from now on, in place of the one before; the page is made here, so that a
    /// scrape costs next to nothing.
    pub fn publish(&self, reading: &Reading) {
        self.shown.store(Arc::new(render(reading)));
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.door.address()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;
    use crate::count::{Board, Door, Event, Kind};

    fn fetch(address: SocketAddr, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        (head.into(), body.into())
    }

    #[test]
    fn a_scrape_shows_the_last_reading() {
        let publisher = start("127.0.0.1:0".parse().unwrap(), LiveReadiness::default()).unwrap();
        let address = publisher.address();
        let board = Board::new(1);
        let cells = board.cells();
        let lists = vec![ListReading {
            id: "example".into(),
            entries: 3,
            ..ListReading::default()
        }];
        for questions in 1..=2 {
            cells.note_question(Door::Tcp);
            cells.note_blocked(0, Kind::Https);
            cells.note_event(Event::Hit);
            publisher.publish(&Reading {
                tally: board.sum(),
                lists: lists.clone(),
                ..Reading::default()
            });
            let (head, body) = fetch(
                address,
                "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain\r\n\r\n",
            );
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(
                head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8"),
                "{head}"
            );
            assert!(
                head.contains(&format!("Content-Length: {}", body.len())),
                "{head}"
            );
            let expect = [
                format!("wardline_questions_total{{door=\"tcp\"}} {questions}\n"),
                format!("wardline_blocked_total{{list=\"example\",kind=\"https\"}} {questions}\n"),
                format!("wardline_cache_hits_total {questions}\n"),
                "wardline_list_entries{list=\"example\"} 3\n".into(),
            ];
            for line in expect {
                assert!(body.contains(&line), "{line} in {body}");
            }
        }
    }

    #[test]
    fn an_address_that_is_taken_is_told() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let refused = start(address, LiveReadiness::default())
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(&address.to_string()) && refused.contains("[metrics]"),
            "{refused}"
        );
    }
}
