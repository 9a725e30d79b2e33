//! What goes back over HTTP.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::head::HeadFault;

/// The media type of a line for people.
pub const PLAIN: &str = "text/plain; charset=utf-8";

/// What goes back.
pub struct HttpAnswer {
    /// Such as `200 OK`.
    pub status: &'static str,
    /// The media type of the body.
    pub kind: &'static str,
    /// More fields of the head, each with its line's end.
    pub fields: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// What is begun once the answer is on its way; until it has ended, the request has its seat.
    pub then: Option<Box<dyn FnOnce() + Send>>,
}

impl HttpAnswer {
    /// `body`, of this media type.
    pub fn new(status: &'static str, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            kind,
            fields: "",
            body: body.into(),
            then: None,
        }
    }

    /// A line for people.
    pub fn line(status: &'static str, message: &str) -> Self {
        Self::new(status, PLAIN, format!("{message}\n"))
    }

    /// The whole answer goes out; its body only where it is wanted.
    pub(super) async fn write<S: AsyncWrite + Unpin>(
        self,
        stream: &mut S,
        is_head_only: bool,
    ) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
            self.fields,
        );
        stream.write_all(head.as_bytes()).await?;
        if !is_head_only {
            stream.write_all(&self.body).await?;
        }
        // Over TLS this says that nothing was cut off.
        stream.shutdown().await
    }
}

/// Why a request gets no answer of its own; each door has its own form for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRefusal {
    /// Such as `404 Not Found`.
    pub status: &'static str,
    /// What is wrong, for people.
    pub message: String,
    /// More fields of the head, each with its line's end.
    pub fields: &'static str,
}

impl HttpRefusal {
    /// With nothing but this status.
    pub fn new(status: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            fields: "",
        }
    }

    /// There is no room for the request now.
    pub fn full(what: &str) -> Self {
        Self {
            fields: "Retry-After: 5\r\n",
            ..Self::new("503 Service Unavailable", format!("{what}; try again"))
        }
    }
}

impl From<HeadFault> for HttpRefusal {
    fn from(fault: HeadFault) -> Self {
        Self::new(fault.status(), fault.to_string())
    }
}
