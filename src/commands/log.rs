//! The log: to standard error, and only from our own code, since others would write names and clients into it.

use tracing_subscriber::EnvFilter;

use crate::config::LogLevel;

/// Start logging; a second call changes nothing.
pub(super) fn start(level: LogLevel) {
    // Libraries speak only of what is broken, and hickory not at all: it logs questions with the client's address.
    let others = if level == LogLevel::Error { "error" } else { "warn" };
    let filter = EnvFilter::new(format!("{others},wardline={},hickory=off", level.word()));
    let format = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false).with_env_filter(filter);
    let _ = format.try_init();
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn hickory_stays_silent() {
        let filter = EnvFilter::new("warn,wardline=debug,hickory=off");
        let subscriber = tracing_subscriber::registry().with(filter);
        tracing::subscriber::with_default(subscriber, || {
            assert!(!tracing::enabled!(target: "hickory_server::server", tracing::Level::ERROR));
            assert!(!tracing::enabled!(target: "hickory_resolver", tracing::Level::ERROR));
            assert!(tracing::enabled!(target: "wardline::update", tracing::Level::DEBUG));
            assert!(!tracing::enabled!(target: "rustls", tracing::Level::INFO));
        });
    }
}
