//! A reader that counts lines, for those who must say where an entry stands.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

/// Counts the lines that are taken from a text.
pub(super) struct Counting<'a, R> {
    pub(super) text: &'a mut R,
    pub(super) lines: &'a Cell<u64>,
}

impl<R: BufRead> BufRead for Counting<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.text.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let taken = self
            .text
            .fill_buf()
            .ok()
            .and_then(|octets| octets.get(..count))
            .unwrap_or_default();
        self.lines
            .set(self.lines.get() + memchr::memchr_iter(b'\n', taken).count() as u64);
        self.text.consume(count);
    }
}

impl<R: BufRead> Read for Counting<'_, R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}
