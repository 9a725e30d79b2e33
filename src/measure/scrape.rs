//! Answers `GET /metrics` with the page on show, `/livez` and `/readyz` with how it stands.
//!
//! Not the exporter's own listener: that one waits for ever for a slow client, takes any number of
//! them and spins when the process is out of file descriptors.

use std::sync::Arc;

use super::page::Shown;
use super::readiness::LiveReadiness;
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

/// What is answered to whoever asks about life and readiness.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The page on show, for whoever asks.
pub(super) struct Scrape {
    pub(super) shown: Shown,
    pub(super) readiness: LiveReadiness,
}

impl Service for Scrape {
    fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal> {
        if !matches!(head.method, "GET" | "HEAD") {
            let message = "Only GET and HEAD are answered here.";
            return Err(HttpRefusal {
                fields: "Allow: GET, HEAD\r\n",
                ..HttpRefusal::new("405 Method Not Allowed", message)
            });
        }
        let (status, kind, text) = match head.path() {
            "/metrics" => ("200 OK", EXPOSITION, self.shown.load_full()),
            "/livez" => ("200 OK", PLAIN, Arc::new("alive\n".to_owned())),
            "/readyz" => {
                let readiness = self.readiness.load();
                let status = if readiness.state.takes_clients() {
                    "200 OK"
                } else {
                    "503 Service Unavailable"
                };
                (status, PLAIN, Arc::new(readiness.text()))
            }
            _ => {
                let message = "Here are /metrics, /livez and /readyz.";
                return Err(HttpRefusal::new("404 Not Found", message));
            }
        };
        Ok(Admission {
            limits: BodyLimits::NONE,
            answer: Box::new(move |_| HttpAnswer::new(status, kind, text.as_bytes())),
        })
    }
}
