//! Lines of zone text in the order in which the list parser wants them: a wildcard right behind its
//! own name.

use std::cmp::Ordering;

use zeroize::Zeroizing;

/// Lines are gathered in pieces of this size, which are never moved and wiped in the end.
const PIECE_OCTETS: usize = 1 << 20;

/// Compare two lines: by owner without its leading `*`, the name before its wildcard, then by the
/// rest.
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    key(a).cmp(&key(b))
}

fn key(line: &[u8]) -> (&[u8], bool, &[u8]) {
    let end = memchr::memchr(b' ', line).unwrap_or(line.len());
    let (owner, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    match owner.strip_prefix(b"*.") {
        Some(name) => (name, true, rest),
        None => (owner, false, rest),
    }
}

/// One line that is compared as above; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct OrderedLine(Zeroizing<Vec<u8>>);

impl OrderedLine {
    pub(super) fn new(octets: &[u8]) -> Self {
        Self(Zeroizing::new(octets.to_vec()))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.0
    }
}

impl Ord for OrderedLine {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for OrderedLine {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Many lines, as they come.
#[derive(Default)]
pub(super) struct Lines {
    pieces: Vec<Zeroizing<Vec<u8>>>,
    spans: Vec<LineSpan>,
}

/// Where a line is.
#[derive(Clone, Copy)]
struct LineSpan {
    piece: u32,
    start: u32,
    len: u32,
}

impl Lines {
    /// Add a line.
    pub(super) fn push(&mut self, line: &[u8]) {
        let has_room = self
            .pieces
            .last()
            .is_some_and(|piece| piece.capacity() - piece.len() >= line.len());
        if !has_room {
            self.pieces.push(Zeroizing::new(Vec::with_capacity(
                PIECE_OCTETS.max(line.len()),
            )));
        }
        let piece = (self.pieces.len() - 1) as u32;
        if let Some(room) = self.pieces.last_mut() {
            self.spans.push(LineSpan {
                piece,
                start: room.len() as u32,
                len: line.len() as u32,
            });
            room.extend_from_slice(line);
        }
    }

    /// Put the lines in order and each in once.
    pub(super) fn sort(&mut self) {
        let Self { pieces, spans } = self;
        spans.sort_unstable_by(|a, b| compare(line(pieces, *a), line(pieces, *b)));
        spans.dedup_by(|a, b| line(pieces, *a) == line(pieces, *b));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| line(&self.pieces, *span))
    }
}

fn line(pieces: &[Zeroizing<Vec<u8>>], span: LineSpan) -> &[u8] {
    let start = span.start as usize;
    pieces
        .get(span.piece as usize)
        .and_then(|piece| piece.get(start..start + span.len as usize))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_comes_right_behind_its_name() {
        let mut lines = Lines::default();
        for line in [
            "b CNAME .\n",
            "*.a CNAME .\n",
            "a TYPE16 x\n",
            "a.b CNAME .\n",
            "a CNAME .\n",
            "*.b CNAME .\n",
            "b CNAME .\n",
        ] {
            lines.push(line.as_bytes());
        }
        lines.sort();
        let sorted: Vec<&str> = lines
            .iter()
            .map(|line| str::from_utf8(line).unwrap().trim_end())
            .collect();
        assert_eq!(
            sorted,
            [
                "a CNAME .",
                "a TYPE16 x",
                "*.a CNAME .",
                "a.b CNAME .",
                "b CNAME .",
                "*.b CNAME ."
            ]
        );
    }

    #[test]
    fn lines_fill_more_than_one_piece() {
        let mut lines = Lines::default();
        let long = [b'x'; 100_000];
        (0..25).for_each(|_| lines.push(&long));
        assert_eq!((lines.pieces.len(), lines.spans.len()), (3, 25));
        assert!(lines.iter().all(|line| line == long));
        lines.sort();
        assert_eq!(lines.spans.len(), 1);
    }
}
