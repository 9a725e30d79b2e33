//! The door of a witness: checkpoints are posted to one address; no word on who asks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::judge::{Witness, WitnessAnswer};
use super::{ADD_CHECKPOINT, SIZE_TYPE};
use crate::clock::wall_s;
use crate::http::{
    Admission, BodyLimits, HttpAnswer, HttpDoor, HttpListener, HttpRefusal, ListenerLimits, PLAIN,
    RequestHead, Service,
};
use crate::seal::submission::SUBMISSION_OCTETS_MAX;

/// Connections that have not yet said what they want.
const LOBBY: usize = 64;
const SUBMISSION: BodyLimits = BodyLimits {
    octets_max: SUBMISSION_OCTETS_MAX,
    too_large: "a submission has at most 64 KiB",
    patience: Duration::from_secs(10),
};

/// How many submissions there may be at once.
#[derive(Clone, Copy, Debug)]
pub struct DoorLimits {
    /// In all.
    pub connections: usize,
    /// From one IPv4 address or IPv6 /56.
    pub connections_per_address: usize,
}

/// Takes the address and answers until the returned value is dropped.
///
/// # Errors
/// When the address cannot be had.
pub fn open(witness: Witness, listen: SocketAddr, limits: DoorLimits) -> io::Result<HttpDoor> {
    let limits = ListenerLimits {
        lobby: LOBBY,
        seats: limits.connections,
        seats_per_address: limits.connections_per_address,
    };
    HttpListener::bind(listen)?.serve("witness", limits, None, Submissions(Arc::new(witness)))
}

struct Submissions(Arc<Witness>);

impl Service for Submissions {
    fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal> {
        if head.target != ADD_CHECKPOINT {
            let message = "checkpoints are posted to /add-checkpoint";
            return Err(HttpRefusal::new("404 Not Found", message));
        }
        if head.method != "POST" {
            let message = "checkpoints are sent with POST";
            return Err(HttpRefusal::new("405 Method Not Allowed", message));
        }
        let witness = Arc::clone(&self.0);
        Ok(Admission {
            limits: SUBMISSION,
            answer: Box::new(move |body| describe(witness.add_checkpoint(&body, wall_s()))),
        })
    }
}

fn describe(answer: WitnessAnswer) -> HttpAnswer {
    let size = |size: u64| HttpAnswer::new("409 Conflict", SIZE_TYPE, format!("{size}\n"));
    match answer {
        WitnessAnswer::Cosigned(body) => HttpAnswer::new("200 OK", PLAIN, body),
        WitnessAnswer::Unreadable(fault) => HttpAnswer::line("400 Bad Request", &fault),
        WitnessAnswer::Unknown => HttpAnswer::line("404 Not Found", "this log is not known here"),
        WitnessAnswer::Unsigned => HttpAnswer::line(
            "403 Forbidden",
            "no key that is known of this log has signed the checkpoint",
        ),
        WitnessAnswer::Stale(last) | WitnessAnswer::OtherRoot(last) => size(last),
        WitnessAnswer::Unproven => HttpAnswer::line(
            "422 Unprocessable Content",
            "the proof does not lead from what was cosigned last to this checkpoint",
        ),
        WitnessAnswer::Failed => HttpAnswer::line(
            "500 Internal Server Error",
            "nothing can be remembered at present, and is therefore not cosigned",
        ),
    }
}
