//! `wardline status --watch`: how the running program does, second by second: a screen on a
//! terminal, blocks of lines for everybody else.

mod figures;
mod lines;
mod screen;
mod terminal;
mod troubles;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::figures::StatusLook;
use self::screen::{lay_out, plain};
use self::terminal::Terminal;
use super::ask::Asking;
use super::failure::{CommandFailure, failed};
use super::output::{Style, print, print_json};
use crate::clock::{monotonic, wall_s};
use crate::control::{ControlReply, Request};

/// How often is looked.
const EVERY: Duration = Duration::from_secs(1);

/// StatusLook each second, `count` times or until told to stop.
pub(super) fn run(asking: Asking, count: Option<u64>) -> Result<(), CommandFailure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let asking = Arc::new(asking);
    let watched = runtime.block_on(async {
        // Who cannot be asked at all is told before the terminal becomes a screen.
        let first = look(&asking).await?;
        match Terminal::open(asking.style()) {
            Some(terminal) => show(&asking, first, count, terminal).await,
            None => write(&asking, first, count).await,
        }
    });
    // A question that is still under way is nobody's any more.
    runtime.shutdown_background();
    watched
}

/// Ask how everything stands.
async fn look(asking: &Arc<Asking>) -> Result<StatusLook, CommandFailure> {
    let asking = Arc::clone(asking);
    let asked = tokio::task::spawn_blocking(move || asking.fetch(&Request::Status));
    match asked.await.map_err(failed)?? {
        ControlReply::Status(status) => Ok(StatusLook {
            at: monotonic(),
            wall: wall_s(),
            status: *status,
        }),
        _ => Err(CommandFailure::Failed("not a status".to_owned())),
    }
}

/// Each second from now on.
async fn ticks() -> Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    ticks
}

/// Blocks of lines, with an empty one between two; whoever reads them wants to know of a failure.
async fn write(
    asking: &Arc<Asking>,
    first: StatusLook,
    count: Option<u64>,
) -> Result<(), CommandFailure> {
    let mut ticks = ticks().await;
    let (mut before, mut now, mut looks) = (None, first, 1);
    loop {
        match asking.style() {
            Style::Json => print_json(&now.status)?,
            Style::Text if looks == 1 => print(&plain(before.as_ref(), &now))?,
            Style::Text => print(&format!("\n{}", plain(before.as_ref(), &now)))?,
        }
        if count.is_some_and(|count| looks >= count) {
            return Ok(());
        }
        ticks.tick().await;
        let next = look(asking).await?;
        before = Some(std::mem::replace(&mut now, next));
        looks += 1;
    }
}

/// What ends a screen, or has it drawn anew.
struct ScreenSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    resized: Signal,
    stopped: Signal,
}

/// What came.
enum ScreenEvent {
    Tick,
    Resized,
    Stopped,
    End,
}

impl ScreenSignals {
    fn new() -> Result<Self, CommandFailure> {
        let follow = |kind| signal(kind).map_err(failed);
        Ok(Self {
            interrupt: follow(SignalKind::interrupt())?,
            terminate: follow(SignalKind::terminate())?,
            hangup: follow(SignalKind::hangup())?,
            resized: follow(SignalKind::window_change())?,
            stopped: follow(SignalKind::from_raw(libc::SIGTSTP))?,
        })
    }

    async fn next(&mut self, ticks: &mut Interval) -> ScreenEvent {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => ScreenEvent::End,
            _ = self.terminate.recv() => ScreenEvent::End,
            _ = self.hangup.recv() => ScreenEvent::End,
            _ = self.stopped.recv() => ScreenEvent::Stopped,
            _ = self.resized.recv() => ScreenEvent::Resized,
            _ = ticks.tick() => ScreenEvent::Tick,
        }
    }
}

/// One screen after the other. A program that cannot be asked for a while, as it starts anew, is
/// waited for.
async fn show(
    asking: &Arc<Asking>,
    first: StatusLook,
    count: Option<u64>,
    mut terminal: Terminal,
) -> Result<(), CommandFailure> {
    let (mut signals, mut ticks) = (ScreenSignals::new()?, ticks().await);
    let (mut before, mut now, mut looks): (Option<StatusLook>, _, _) = (None, first, 1);
    let mut silence = None;
    terminal.begin()?;
    loop {
        let size = terminal.size();
        let lines = lay_out(before.as_ref(), &now, silence.as_deref(), size);
        terminal.draw(&lines)?;
        if count.is_some_and(|count| looks >= count) {
            return Ok(());
        }
        match signals.next(&mut ticks).await {
            ScreenEvent::End => return Ok(()),
            ScreenEvent::Resized => {}
            ScreenEvent::Stopped => terminal.pause()?,
            ScreenEvent::Tick => {
                looks += 1;
                let looked = tokio::select! {
                    looked = look(asking) => looked,
                    _ = signals.interrupt.recv() => return Ok(()),
                    _ = signals.terminate.recv() => return Ok(()),
                };
                match looked {
                    Ok(next) => {
                        before = Some(std::mem::replace(&mut now, next));
                        silence = None;
                    }
                    Err(failure) => silence = Some(failure.message().to_owned()),
                }
            }
        }
    }
}
