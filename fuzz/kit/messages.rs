//! Several messages in one input, for targets that stand for a server.

/// The messages, which are parted by two octets 0xff; at least one, which may be empty.
pub(crate) fn split(input: &[u8]) -> Vec<&[u8]> {
    let mut messages = vec![];
    let mut rest = input;
    while let Some(at) = rest.windows(2).position(|pair| pair == [0xff, 0xff]) {
        messages.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    messages.push(rest);
    messages
}
