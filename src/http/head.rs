//! Reads the head of a request (RFC 9112): for the listener of this room.

/// The longest head that is read, in octets.
pub(super) const HEAD_OCTETS_MAX: usize = 8192;

/// Fields of a head.
const FIELDS_MAX: usize = 64;

/// The head of a request; its body is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'h> {
    /// Such as `GET`.
    pub method: &'h str,
    /// What it asks for, as it was sent.
    pub target: &'h str,
    fields: Vec<(&'h str, &'h str)>,
}

/// Why some octets are no head that we answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadFault {
    /// Longer than is read, or with too many fields.
    #[error("the head of the request is too long")]
    Long,
    /// The first line is none.
    #[error("this is not an HTTP/1.1 request")]
    Line,
    /// A field that is none, such as one without a colon.
    #[error("a header that is none")]
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

impl<'h> RequestHead<'h> {
    /// Reads a head at the beginning of what has come so far, and says where it ends, its empty
    /// line included; none while it is not all there.
    ///
    /// # Errors
    /// When its lines are not those of a request.
    pub fn parse(received: &'h [u8]) -> Result<Option<(Self, usize)>, HeadFault> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let mut head = httparse::Request::new(&mut fields);
        let end = match head.parse(received) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(HeadFault::Long),
            Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
                return Err(HeadFault::Field);
            }
            Err(_) => return Err(HeadFault::Line),
        };
        let (Some(method), Some(target)) = (head.method, head.path) else {
            return Err(HeadFault::Line);
        };
        let fields = head.headers.iter().map(|field| {
            let value = str::from_utf8(field.value).map_err(|_| HeadFault::Field)?;
            Ok((field.name, value.trim()))
        });
        let fields = fields.collect::<Result<_, _>>()?;
        Ok(Some((
            Self {
                method,
                target,
                fields,
            },
            end,
        )))
    }

    /// What it asks for, without what stands behind a `?`.
    pub fn path(&self) -> &'h str {
        self.target.split('?').next().unwrap_or_default()
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
        let (head, end) = RequestHead::parse(text).unwrap().unwrap();
        assert_eq!(&text[end..], b"body");
        assert_eq!((head.method, head.target), ("PUT", "/v1/a"));
        assert_eq!(head.field("Authorization"), Ok(Some("Bearer b")));
        assert_eq!(head.field("accept"), Ok(None));
        assert_eq!(head.length(), Ok(7));
        for part in 0..end {
            assert_eq!(RequestHead::parse(&text[..part]), Ok(None), "{part}");
        }
    }

    #[test]
    fn what_is_no_head_has_its_fault() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        for (text, fault) in [
            (&b"GET  / HTTP/1.1\r\n\r\n"[..], HeadFault::Line),
            (b"GET / HTTP/2\r\n\r\n", HeadFault::Line),
            (b"GET /\r\n\r\n", HeadFault::Line),
            (b" / HTTP/1.1\r\n\r\n", HeadFault::Line),
            (b"\xff\r\n\r\n", HeadFault::Line),
            (b"GET / HTTP/1.1\r\nnothing\r\n\r\n", HeadFault::Field),
            (b"GET / HTTP/1.1\r\na: \xff\r\n\r\n", HeadFault::Field),
            // Two readers could take these for fields of their own.
            (b"GET / HTTP/1.1\r\na : b\r\n\r\n", HeadFault::Field),
            (b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", HeadFault::Field),
            (many.as_bytes(), HeadFault::Long),
        ] {
            assert_eq!(RequestHead::parse(text), Err(fault), "{text:?}");
        }
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
            let (head, _) = RequestHead::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(head.length(), length, "{fields:?}");
        }
    }
}
