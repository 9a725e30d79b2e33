//! The log: to standard error, and only from our own code, since others would write names and
//! clients into it.

use std::any::Any;
use std::panic::Location;
use std::sync::OnceLock;

use tracing::error;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::config::LogLevel;

/// Where the level is set while the program runs.
static LEVEL: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Start logging; a second call changes nothing.
pub(super) fn start(level: LogLevel) {
    let (filter, handle) = reload::Layer::new(filter(level));
    let format = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false);
    let subscriber = tracing_subscriber::registry().with(filter).with(format);
    if subscriber.try_init().is_ok() {
        let _ = LEVEL.set(handle);
    }
    std::panic::set_hook(Box::new(|panic| {
        error!("{}", describe_panic(panic.location(), panic.payload()))
    }));
}

/// From now on this much is logged.
pub(super) fn set_level(level: LogLevel) {
    if let Some(handle) = LEVEL.get()
        && let Err(error) = handle.reload(filter(level))
    {
        error!("the log's level stays as it was ({error})");
    }
}

/// Libraries do not speak at all: hickory logs questions with the client's address, and nobody
/// knows what the next one will. What goes wrong in them comes back to us as an error.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!("off,wardline={}", level.word()))
}

/// Where a panic happened. Its words only if they were written down as they are: put together at
/// the time, they may hold a name.
fn describe_panic(place: Option<&Location<'_>>, words: &(dyn Any + Send)) -> String {
    let place = place.map(ToString::to_string).unwrap_or_default();
    let words = words
        .downcast_ref::<&'static str>()
        .unwrap_or(&"its words are left out");
    format!("a thread panicked at {place} ({words}); please report this")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_stay_silent() {
        let subscriber = tracing_subscriber::registry().with(filter(LogLevel::Debug));
        tracing::subscriber::with_default(subscriber, || {
            assert!(tracing::enabled!(target: "wardline::update", tracing::Level::DEBUG));
            assert!(!tracing::enabled!(target: "hickory_server::server", tracing::Level::ERROR));
            assert!(!tracing::enabled!(target: "hickory_resolver", tracing::Level::ERROR));
            assert!(!tracing::enabled!(target: "rustls", tracing::Level::ERROR));
        });
    }

    #[test]
    fn a_panic_names_its_place_and_no_name() {
        let place = Location::caller();
        let told = describe_panic(Some(place), &"cannot happen".to_owned());
        assert!(
            told.contains("log.rs:") && !told.contains("cannot happen"),
            "{told}"
        );
        assert!(describe_panic(Some(place), &"cannot happen").contains("(cannot happen)"));
    }
}
