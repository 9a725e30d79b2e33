//! Answers `GET /metrics` with the page on show.
//!
//! Not the exporter's own listener: that one waits for ever for a slow client, takes any number of
//! them and spins when the process is out of file descriptors.

use super::page::Shown;
use crate::http::{
    Admission, BodyLimits, HttpAnswer, HttpRefusal, ListenerLimits, RequestHead, Service,
};

/// A page is made once a second and written in a moment: few at once are many.
pub(super) const LIMITS: ListenerLimits = ListenerLimits {
    lobby: 64,
    seats: 16,
    seats_per_address: 8,
};

/// What Prometheus calls its text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page on show, for whoever asks.
pub(super) struct Scrape(pub(super) Shown);

impl Service for Scrape {
    fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal> {
        if !matches!(head.method, "GET" | "HEAD") {
            let message = "Only GET and HEAD are answered here.";
            return Err(HttpRefusal {
                fields: "Allow: GET, HEAD\r\n",
                ..HttpRefusal::new("405 Method Not Allowed", message)
            });
        }
        if head.path() != "/metrics" {
            let message = "The metrics are at /metrics.";
            return Err(HttpRefusal::new("404 Not Found", message));
        }
        let page = self.0.load_full();
        Ok(Admission {
            limits: BodyLimits::NONE,
            answer: Box::new(move |_| HttpAnswer::new("200 OK", EXPOSITION, page.as_bytes())),
        })
    }
}
