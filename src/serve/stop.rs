//! Telling all connections to come to their end.

use tokio::sync::watch;

/// Turns true, or loses its sender, when the doors are to stop.
pub type Stop = watch::Receiver<bool>;

/// Resolves when the door is to stop.
pub(super) async fn stopped(stop: &mut Stop) {
    // A lost sender is a stop too.
    drop(stop.wait_for(|stop| *stop).await);
}
