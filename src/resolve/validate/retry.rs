//! Asking another server where one's word is bogus, whatever it was asked for.

use std::net::IpAddr;

use crate::resolve::budget::Budget;
use crate::resolve::failure::Failure;
use crate::resolve::trace::TraceEvent;

/// Servers asked anew after bogus words.
const RETRIES_MAX: usize = 2;

/// The servers whose word was bogus so far, and the first thing that was wrong.
#[derive(Default)]
pub(super) struct Retry {
    avoid: Vec<IpAddr>,
    bogus: Option<Failure>,
}

impl Retry {
    /// Whom not to ask again.
    pub(super) fn avoid(&self) -> &[IpAddr] {
        &self.avoid
    }

    /// What to say where nobody could be asked: what was wrong before says more.
    pub(super) fn unheard(&self, failure: Failure) -> Failure {
        self.bogus.unwrap_or(failure)
    }

    /// What was judged, or nothing where another server is to be asked: the word of `from` was
    /// bogus, and it is neither unknown nor the last that may be.
    pub(super) fn settle<T>(
        &mut self,
        judged: Result<T, Failure>,
        from: Option<IpAddr>,
        budget: &Budget,
    ) -> Result<Option<T>, Failure> {
        let failure = match judged {
            Ok(judged) => return Ok(Some(judged)),
            Err(failure) if failure.is_bogus() => failure,
            Err(failure) => return Err(failure),
        };
        let from = from.filter(|from| self.avoid.len() < RETRIES_MAX && !self.avoid.contains(from));
        let Some(from) = from else {
            return Err(self.unheard(failure));
        };
        budget.note(|| TraceEvent::Retry {
            why: format!("what {from} said is bogus ({failure}): another server is asked"),
        });
        self.bogus.get_or_insert(failure);
        self.avoid.push(from);
        Ok(None)
    }
}
