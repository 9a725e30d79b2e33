//! `wardline audit witness serve`: a witness of others' logs, which cosigns their checkpoints while
//! they only grow.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::super::failure::{CommandFailure, failed};
use super::super::key_file::read_signing;
use super::super::log;
use super::super::output::{self, Style};
use super::keys::read_keys;
use crate::config::LogLevel;
use crate::witness::{self, DoorLimits, KnownLogs, Witness, WitnessState};

/// What to do as a witness.
#[derive(Debug, clap::Subcommand)]
pub(in super::super) enum WitnessCommand {
    /// Cosign the checkpoints that logs bring (C2SP tlog-witness), until told to stop.
    Serve(ServeArgs),
}

/// Which logs, with which key, and where.
#[derive(Debug, clap::Args)]
pub(in super::super) struct ServeArgs {
    /// The file with the private key to cosign with, as `wardline key new` makes it.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The file that remembers what was cosigned; made at the first start. Never go back to an
    /// older copy of it: take a new key instead.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// The public key of a log, as `wardline audit key` prints it, or a file of such keys; once
    /// for each.
    #[arg(long, value_name = "KEY")]
    log: Vec<String>,
    /// The address to listen on, over plain HTTP: behind a proxy that speaks TLS, or in a network
    /// of its own.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8780")]
    listen: SocketAddr,
    /// Connections at once; one more is closed.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    connections: usize,
    /// Of these, from one IPv4 address or IPv6 /56. Behind a proxy all come from its address.
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    connections_per_address: usize,
}

#[derive(Serialize)]
struct WitnessReady<'a> {
    key: String,
    listen: String,
    logs: Vec<&'a str>,
    pid: u32,
}

pub(super) fn serve(args: &ServeArgs, style: Style) -> Result<(), CommandFailure> {
    log::start(LogLevel::Info);
    let key = read_signing(&args.key)?;
    let logs = KnownLogs::new(read_keys(&args.log)?)
        .map_err(|fault| CommandFailure::Usage(fault.to_string()))?;
    let state = WitnessState::open(&args.state).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    // Followed before anybody is told that it listens.
    let (mut terminate, mut interrupt) = runtime
        .block_on(async {
            let terminate = signal(SignalKind::terminate())?;
            Ok::<_, std::io::Error>((terminate, signal(SignalKind::interrupt())?))
        })
        .map_err(failed)?;
    let witness = Witness::new(key, logs.clone(), state);
    let key = witness.key().to_string();
    let limits = DoorLimits {
        connections: args.connections,
        connections_per_address: args.connections_per_address,
    };
    let door = witness::open(witness, args.listen, limits).map_err(|error| {
        CommandFailure::Failed(format!(
            "cannot listen on {} ({error}): choose another --listen",
            args.listen
        ))
    })?;
    let ready = WitnessReady {
        key,
        listen: format!("http://{}", door.address()),
        logs: logs.origins().collect(),
        pid: std::process::id(),
    };
    match style {
        Style::Json => output::print_json(&ready)?,
        Style::Text => output::print(&describe(&ready))?,
    }
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    drop(door);
    Ok(())
}

fn describe(ready: &WitnessReady<'_>) -> String {
    format!(
        "key: {}\nready: {}/add-checkpoint; logs {}; pid {}\n",
        ready.key,
        ready.listen,
        ready.logs.join(", "),
        ready.pid
    )
}
