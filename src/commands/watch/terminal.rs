//! The terminal as a screen: drawn over in place, and left as it was found however the watch ends.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::tcgetwinsize;

use super::lines::{ScreenLine, ScreenSize, Tone};
use crate::commands::failure::{CommandFailure, failed};
use crate::commands::output::Style;

/// A screen of its own, and no cursor (xterm's control sequences, which all terminals of today
/// know).
const BEGIN: &str = "\x1b[?1049h\x1b[?25l";
const END: &str = "\x1b[?25h\x1b[?1049l";
/// To the upper left corner.
const HOME: &str = "\x1b[H";
/// What stands behind is gone: to the end of the line, of the screen.
const REST_OF_LINE: &str = "\x1b[K";
const REST_OF_SCREEN: &str = "\x1b[J";
const PLAIN: &str = "\x1b[0m";

/// What a terminal is taken to have that does not say.
const USUAL: ScreenSize = ScreenSize {
    columns: 80,
    rows: 24,
};

/// Standard output, where that is a terminal.
pub(super) struct Terminal {
    has_colour: bool,
    is_begun: bool,
}

impl Terminal {
    /// The terminal; nothing where somebody else reads, or it can only print.
    pub(super) fn open(style: Style) -> Option<Self> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let can_only_print = set("TERM").is_none_or(|term| term == "dumb");
        if style == Style::Json || can_only_print || !io::stdout().is_terminal() {
            return None;
        }
        Some(Self {
            // https://no-color.org
            has_colour: set("NO_COLOR").is_none(),
            is_begun: false,
        })
    }

    /// How large it is now.
    pub(super) fn size(&self) -> ScreenSize {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => ScreenSize {
                columns: size.ws_col.into(),
                rows: size.ws_row.into(),
            },
            _ => USUAL,
        }
    }

    /// From now on it is a screen.
    pub(super) fn begin(&mut self) -> Result<(), CommandFailure> {
        self.is_begun = true;
        say(BEGIN)
    }

    /// Draw these lines over what is there, at once, so that nothing flickers.
    pub(super) fn draw(&self, lines: &[ScreenLine]) -> Result<(), CommandFailure> {
        let mut text = HOME.to_owned();
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            let colour = self.colour(line.tone);
            text.push_str(colour);
            text.push_str(&line.text);
            if !colour.is_empty() {
                text.push_str(PLAIN);
            }
            text.push_str(REST_OF_LINE);
        }
        text.push_str(REST_OF_SCREEN);
        say(&text)
    }

    const fn colour(&self, tone: Tone) -> &'static str {
        match tone {
            _ if !self.has_colour => "",
            Tone::Plain => "",
            Tone::Heading => "\x1b[1m",
            Tone::Note => "\x1b[33m",
            Tone::Bad => "\x1b[1;31m",
        }
    }

    /// Ctrl-Z: give the terminal back, stop, and be a screen again once the shell lets us go on.
    pub(super) fn pause(&mut self) -> Result<(), CommandFailure> {
        say(END)?;
        kill_process(getpid(), Signal::STOP).map_err(failed)?;
        say(BEGIN)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.is_begun {
            // A terminal that is gone needs nothing.
            let _ = say(END);
        }
    }
}

fn say(text: &str) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(failed)
}
