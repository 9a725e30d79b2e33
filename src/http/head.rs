//! Reads the head of a request (RFC 9112): for the push listener, the metrics and the witness.

/// The longest head that is read, in octets.
pub const HEAD_OCTETS_MAX: usize = 8192;

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// The head of a request; its body is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'h> {
    /// Such as `GET`.
    pub method: &'h str,
    /// What it asks for, as it was sent.
    pub target: &'h str,
    /// `HTTP/1.0` or `HTTP/1.1`.
    pub version: &'h str,
    fields: Vec<(&'h str, &'h str)>,
}

/// Why some octets are no head that we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Longer than [`HEAD_OCTETS_MAX`].
    #[error("the head of the request is too long")]
    Long,
    /// Not UTF-8.
    #[error("the head is not text")]
    Encoding,
    /// The first line is none.
    #[error("this is not an HTTP/1.1 request")]
    Line,
    /// A field without a colon.
    #[error("a header without a colon")]
    Field,
    /// A field that may stand once stands twice.
    #[error("a header is given twice")]
    Twice,
    /// A length that is no number.
    #[error("Content-Length is no number")]
    Length,
    /// The body comes in pieces of a length that is not told.
    #[error("send the body with a Content-Length")]
    Chunked,
}

impl HeadFault {
    /// The status that such a request is answered with.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Long => "431 Request Header Fields Too Large",
            Self::Chunked => "411 Length Required",
            _ => "400 Bad Request",
        }
    }
}

/// Where the head ends in what has come so far, its empty line included; none while it is not all
/// there.
pub fn head_end(received: &[u8]) -> Option<usize> {
    memchr::memmem::find(received, END).map(|end| end + END.len())
}

impl<'h> RequestHead<'h> {
    /// Reads a head that [`head_end`] has found.
    ///
    /// # Errors
    /// When its lines are not those of a request.
    pub fn parse(head: &'h [u8]) -> Result<Self, HeadFault> {
        let text = str::from_utf8(head).map_err(|_| HeadFault::Encoding)?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let [Some(method), Some(target), Some(version), None] =
            std::array::from_fn(|_| words.next())
        else {
            return Err(HeadFault::Line);
        };
        let is_request = !method.is_empty() && !target.is_empty();
        if !is_request || !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
            return Err(HeadFault::Line);
        }
        let fields = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').ok_or(HeadFault::Field)?;
            Ok((name, value.trim()))
        });
        Ok(Self {
            method,
            target,
            version,
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// The value of a field that may stand once, whatever its letters' case.
    ///
    /// # Errors
    /// When it stands twice.
    pub fn field(&self, name: &str) -> Result<Option<&'h str>, HeadFault> {
        let is_it = |(found, _): &&(&str, &str)| found.eq_ignore_ascii_case(name);
        let mut values = self.fields.iter().filter(is_it).map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(HeadFault::Twice),
            (value, None) => Ok(value),
        }
    }

    /// How many octets its body has; 0 where it says nothing.
    ///
    /// # Errors
    /// When that is no number, or the body comes in pieces.
    pub fn length(&self) -> Result<usize, HeadFault> {
        let is_pieces = |(name, _): &(&str, &str)| name.eq_ignore_ascii_case("transfer-encoding");
        if self.fields.iter().any(is_pieces) {
            return Err(HeadFault::Chunked);
        }
        let Some(text) = self.field("content-length")? else {
            return Ok(0);
        };
        // A sign would be read too.
        let is_number = text.bytes().all(|octet| octet.is_ascii_digit());
        let length = text.parse().ok().filter(|_| is_number);
        length.ok_or(HeadFault::Length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_its_first_line_and_its_fields() {
        let text = b"PUT /v1/a HTTP/1.1\r\nHost: x\r\nauthorization:Bearer b\r\n\
            Content-Length: 7\r\n\r\nbody";
        let end = head_end(text).unwrap();
        assert_eq!(&text[end..], b"body");
        let head = RequestHead::parse(&text[..end]).unwrap();
        assert_eq!(
            (head.method, head.target, head.version),
            ("PUT", "/v1/a", "HTTP/1.1")
        );
        assert_eq!(head.field("Authorization"), Ok(Some("Bearer b")));
        assert_eq!(head.field("accept"), Ok(None));
        assert_eq!(head.length(), Ok(7));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r"), None);
    }

    #[test]
    fn what_is_no_head_has_its_fault() {
        for (text, fault) in [
            ("", HeadFault::Line),
            ("GET  / HTTP/1.1\r\n\r\n", HeadFault::Line),
            ("GET / HTTP/2\r\n\r\n", HeadFault::Line),
            ("GET /\r\n\r\n", HeadFault::Line),
            (" / HTTP/1.1\r\n\r\n", HeadFault::Line),
            ("GET / HTTP/1.1\r\nnothing\r\n\r\n", HeadFault::Field),
        ] {
            assert_eq!(RequestHead::parse(text.as_bytes()), Err(fault), "{text:?}");
        }
        assert_eq!(
            RequestHead::parse(b"\xff\r\n\r\n"),
            Err(HeadFault::Encoding)
        );
    }

    #[test]
    fn a_length_is_told_once_and_in_digits() {
        for (fields, length) in [
            ("", Ok(0)),
            ("Content-Length: 12", Ok(12)),
            ("Content-Length: +1", Err(HeadFault::Length)),
            ("Content-Length: -1", Err(HeadFault::Length)),
            ("Content-Length:", Err(HeadFault::Length)),
            (
                "content-length: 1\r\nContent-Length: 1",
                Err(HeadFault::Twice),
            ),
            ("Transfer-Encoding: chunked", Err(HeadFault::Chunked)),
            (
                "Content-Length: 1\r\ntransfer-encoding: x",
                Err(HeadFault::Chunked),
            ),
        ] {
            let text = format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n");
            let head = RequestHead::parse(text.as_bytes()).unwrap();
            assert_eq!(head.length(), length, "{fields:?}");
        }
    }
}
