//! What all doors answer by. Another one takes its place when the configuration changes, and no
//! door is closed for that.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::guards::Guards;
use crate::query::Answering;

/// What questions are answered by, and what stands between them and their answers.
pub struct InService {
    /// The one answering function.
    pub answering: Arc<Answering>,
    /// The limits of clients.
    pub guards: Guards,
}

/// What is answered by now: read once for a batch, or for a question. One that waits for its answer
/// stays with what it came under.
pub type Current = ArcSwap<InService>;
