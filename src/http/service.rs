//! What a door makes of requests: whom it admits by the head, and how it answers.

use std::time::Duration;

use zeroize::Zeroizing;

use super::answer::{HttpAnswer, HttpRefusal};
use super::head::RequestHead;

/// The body of a request.
pub type Body = Zeroizing<Vec<u8>>;

/// What answers the requests of one door.
pub trait Service: Send + Sync + 'static {
    /// Looks at a request's head, before anything of its body is read.
    ///
    /// # Errors
    /// Why there is nothing more to be read.
    fn admit(&self, head: &RequestHead<'_>) -> Result<Admission, HttpRefusal>;

    /// What a refused request is told: a line for people, unless the door speaks another way.
    fn refuse(&self, refusal: &HttpRefusal) -> HttpAnswer {
        HttpAnswer::line(refusal.status, &refusal.message)
    }
}

/// A request that is allowed.
pub struct Admission {
    /// What of a body is read.
    pub limits: BodyLimits,
    /// Makes the answer; it may take its time, on a thread that may wait.
    pub answer: Box<dyn FnOnce(Body) -> HttpAnswer + Send>,
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Its size.
    pub octets_max: usize,
    /// What is said of a larger one.
    pub too_large: &'static str,
    /// How long it may take to come, in all.
    pub patience: Duration,
}

impl BodyLimits {
    /// No body.
    pub const NONE: Self = Self {
        octets_max: 0,
        too_large: "no body is read here",
        patience: Duration::ZERO,
    };
}
