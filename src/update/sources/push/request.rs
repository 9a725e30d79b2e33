//! Reads one HTTP/1.1 request (RFC 9112), within a time and a size, and no more of it than its
//! sender may make us read.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::clock::monotonic;
use crate::http::{HEAD_OCTETS_MAX, HeadFault, RequestHead, head_end};

const BUFFER_OCTETS: usize = 16 * 1024;

/// What a request asks for.
pub(super) struct PushRequest {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// How it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Put,
}

/// A status and an object to refuse with.
type Refused = (&'static str, Value);

/// The head of a request, as far as it matters.
#[derive(Debug, PartialEq, Eq)]
struct PushHead {
    method: Method,
    target: String,
    bearer: String,
    length: usize,
}

/// Read a request of somebody who is admitted; the body of anybody else stays unread.
pub(super) fn read(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    patience: Duration,
    admits: impl Fn(&str) -> bool,
    octets_max: usize,
) -> Result<PushRequest, Refused> {
    let deadline = monotonic() + patience;
    let mut received = Zeroizing::new(Vec::new());
    let end = loop {
        if let Some(end) = head_end(&received) {
            break end;
        }
        if received.len() > HEAD_OCTETS_MAX {
            let fault = HeadFault::Long;
            return Err(refuse(fault.status(), &fault.to_string()));
        }
        receive(stream, &mut received, deadline)?;
    };
    let PushHead {
        method,
        target,
        bearer,
        length,
    } = parse(received.get(..end).unwrap_or_default())?;
    if !admits(&bearer) {
        return Err(refuse(
            "401 Unauthorized",
            "the token is not one of those in [push] tokens",
        ));
    }
    if length > octets_max {
        return Err(refuse(
            "413 Content Too Large",
            "the list is larger than [push] mib_max",
        ));
    }
    let mut body = Zeroizing::new(Vec::with_capacity(
        length.max(BUFFER_OCTETS) + BUFFER_OCTETS,
    ));
    body.extend_from_slice(received.get(end..).unwrap_or_default());
    while body.len() < length {
        receive(stream, &mut body, deadline)?;
    }
    if body.len() > length {
        return Err(refuse(
            "400 Bad Request",
            "more came than Content-Length says",
        ));
    }
    Ok(PushRequest {
        method,
        target,
        body,
    })
}

fn receive(
    stream: &mut StreamOwned<ServerConnection, TcpStream>,
    into: &mut Vec<u8>,
    deadline: Instant,
) -> Result<(), Refused> {
    let slow = || refuse("408 Request Timeout", "the request did not come in time");
    let left = deadline.saturating_duration_since(monotonic());
    if left.is_zero() {
        return Err(slow());
    }
    stream
        .sock
        .set_read_timeout(Some(left))
        .and_then(|()| stream.sock.set_write_timeout(Some(left)))
        .map_err(|_| slow())?;
    let mut buffer = Zeroizing::new([0; BUFFER_OCTETS]);
    match stream.read(&mut *buffer) {
        Ok(count @ 1..) => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
        _ => Err(slow()),
    }
}

fn parse(head: &[u8]) -> Result<PushHead, Refused> {
    let bad = |fault: HeadFault| refuse(fault.status(), &fault.to_string());
    let head = RequestHead::parse(head).map_err(bad)?;
    if head.version != "HTTP/1.1" {
        return Err(bad(HeadFault::Line));
    }
    let method = match head.method {
        "GET" => Method::Get,
        "PUT" => Method::Put,
        _ => {
            return Err(refuse(
                "405 Method Not Allowed",
                "only GET and PUT are answered here",
            ));
        }
    };
    let bearer = head.field("authorization").map_err(bad)?;
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
    Ok(PushHead {
        method,
        target: head.target.to_owned(),
        bearer: bearer.unwrap_or_default().to_owned(),
        length: head.length().map_err(bad)?,
    })
}

fn refuse(status: &'static str, what: &str) -> Refused {
    (status, json!({ "error": what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_strictly() {
        let head = |text: &str| parse(text.as_bytes()).map_err(|(status, _)| status);
        let good = "PUT /v1/lists/a HTTP/1.1\r\nHost: x\r\nauthorization: Bearer \
                    secret\r\nContent-Length: 7\r\n\r\n";
        let expected = PushHead {
            method: Method::Put,
            target: "/v1/lists/a".to_owned(),
            bearer: "secret".to_owned(),
            length: 7,
        };
        assert_eq!(head(good), Ok(expected));
        for (text, status) in [
            ("POST / HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
            ("GET / HTTP/1.0\r\n\r\n", "400 Bad Request"),
            ("GET  / HTTP/1.1\r\n\r\n", "400 Bad Request"),
            (
                "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "400 Bad Request",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                "400 Bad Request",
            ),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                "411 Length Required",
            ),
            ("GET / HTTP/1.1\r\nnothing\r\n\r\n", "400 Bad Request"),
        ] {
            assert_eq!(head(text), Err(status), "{text:?}");
        }
    }
}
