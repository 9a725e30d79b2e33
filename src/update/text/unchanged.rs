//! A text that must be the one that was read before, for whoever copies it.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

use super::Digest;

/// A text that must have this digest: reading its end fails otherwise.
pub(in crate::update) struct Unchanged<R> {
    text: R,
    context: Context,
    digest: Digest,
}

impl<R> Unchanged<R> {
    pub(in crate::update) fn new(text: R, digest: Digest) -> Self {
        let context = Context::new(&SHA256);
        Self {
            text,
            context,
            digest,
        }
    }
}

impl<R: Read> Read for Unchanged<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(room)?;
        self.context.update(room.get(..count).unwrap_or_default());
        if count == 0 && self.context.clone().finish().as_ref() != self.digest {
            return Err(io::Error::other("the list changed meanwhile"));
        }
        Ok(count)
    }
}
