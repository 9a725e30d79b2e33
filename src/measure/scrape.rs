//! Answers `GET /metrics` over HTTP/1.1 (RFC 9112) with the page on show, one request a connection.
//!
//! Not the exporter's own listener: that one waits for ever for a slow client, takes any number of
//! them and spins when the process is out of file descriptors.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::page::Shown;
use crate::http::{HEAD_OCTETS_MAX, RequestHead, head_end};

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 16;
/// How long to wait when nothing can be accepted, as when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

const PLAIN: &str = "text/plain; charset=utf-8";
/// What Prometheus calls its text format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves until it is aborted; `patience` is the longest that one connection may take in all.
pub(super) async fn serve(listener: TcpListener, shown: Shown, patience: Duration) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // The semaphore is never closed.
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let shown = Arc::clone(&shown);
        tokio::spawn(async move {
            // A client that is slow or goes away is no concern of ours.
            let _ = timeout(patience, answer(stream, &shown)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, shown: &Shown) -> io::Result<()> {
    let request = read_request(&mut stream).await?;
    let page = shown.load_full();
    stream.write_all(reply(&request, &page).as_bytes()).await?;
    stream.shutdown().await
}

/// The request up to the empty line; what is too long or broken off is returned as it is.
async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut request, mut searched) = (Vec::with_capacity(1024), 0);
    let is_ended = |from: &[u8]| head_end(from).is_some();
    while request.len() < HEAD_OCTETS_MAX && !request.get(searched..).is_some_and(is_ended) {
        searched = request.len().saturating_sub(3);
        if stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    Ok(request)
}

fn reply(request: &[u8], page: &str) -> String {
    let head = head_end(request).and_then(|end| request.get(..end));
    let head = head.and_then(|head| RequestHead::parse(head).ok());
    let asked = head.as_ref().map(|head| {
        let path = head.target.split('?').next().unwrap_or_default();
        (head.method, path)
    });
    let (status, kind, extra, body) = match asked {
        Some(("GET" | "HEAD", "/metrics")) => ("200 OK", EXPOSITION, "", page),
        Some(("GET" | "HEAD", _)) => ("404 Not Found", PLAIN, "", "The metrics are at /metrics.\n"),
        Some(_) => (
            "405 Method Not Allowed",
            PLAIN,
            "Allow: GET, HEAD\r\n",
            "Only GET and HEAD are answered here.\n",
        ),
        None => (
            "400 Bad Request",
            PLAIN,
            "",
            "This is not an HTTP/1.1 request.\n",
        ),
    };
    let length = body.len();
    let body = match asked {
        Some(("HEAD", _)) => "",
        _ => body,
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: \
         {length}\r\n{extra}Connection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &[u8]) -> String {
        reply(request, "page\n").split(' ').nth(1).unwrap().into()
    }

    #[test]
    fn only_a_whole_get_of_the_page_gets_it() {
        assert!(
            reply(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "page\n")
                .ends_with("\r\n\r\npage\n")
        );
        assert!(
            reply(b"HEAD /metrics HTTP/1.1\r\n\r\n", "page\n")
                .ends_with("Content-Length: 5\r\nConnection: close\r\n\r\n")
        );
        assert_eq!(status(b"GET /metrics?name=x HTTP/1.0\r\n\r\n"), "200");
        assert_eq!(status(b"GET / HTTP/1.1\r\n\r\n"), "404");
        assert_eq!(status(b"POST /metrics HTTP/1.1\r\n\r\nx"), "405");
        for odd in [
            &b""[..],
            b"GET /metrics HTTP/1.1\r\n",
            b"GET /metrics\r\n\r\n",
            b"\xff\xfe\r\n\r\n",
            b"GET  /metrics HTTP/1.1\r\n\r\n",
            &[b'x'; 9000],
        ] {
            assert_eq!(status(odd), "400");
        }
    }

    #[tokio::test]
    async fn a_request_without_end_is_cut_off() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = tokio::spawn(serve(
            listener,
            Shown::default(),
            Duration::from_millis(300),
        ));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&[b'x'; HEAD_OCTETS_MAX]).await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
        door.abort();
    }

    #[tokio::test]
    async fn clients_that_say_nothing_do_not_keep_others_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = tokio::spawn(serve(
            listener,
            Shown::default(),
            Duration::from_millis(300),
        ));
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
        door.abort();
    }
}
