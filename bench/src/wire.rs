//! As much HTTP/1.1 as a load generator and its receiver need, and the clock that both share.

use std::time::Instant;

use anyhow::{Result, anyhow};

/// Microseconds since the run began, plus a start that keeps the number of digits the same for years.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

const START: u64 = 1_000_000_000_000_000;

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn micros(self) -> u64 {
        self.micros_at(Instant::now())
    }

    pub fn micros_at(self, at: Instant) -> u64 {
        START + at.saturating_duration_since(self.0).as_micros() as u64
    }
}

/// Where a message's parts lie in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of a response; 0 of a request.
    pub status: u16,
    /// Where the body begins.
    pub body: usize,
    /// Where the message ends.
    pub total: usize,
}

/// The head of the request or response at the start of a buffer; `None`: it has not arrived whole.
pub fn head(buffer: &[u8]) -> Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let (status, parsed, headers) = if buffer.starts_with(b"HTTP/") {
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(buffer)?;
        (response.code.unwrap_or(0), parsed, response.headers)
    } else {
        let mut request = httparse::Request::new(&mut headers);
        let parsed = request.parse(buffer)?;
        (0, parsed, request.headers)
    };
    let httparse::Status::Complete(body) = parsed else { return Ok(None) };
    let length = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize =
        std::str::from_utf8(length.ok_or_else(|| anyhow!("a message without a length"))?.value)?.parse()?;
    Ok(Some(Head { status, body, total: body + length }))
}

#[cfg(test)]
mod tests {
    use super::{Head, head};

    #[test]
    fn heads_are_found_once_they_are_whole() {
        let request = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(head(&request[..20]).expect("well-formed"), None);
        assert_eq!(head(request).expect("well-formed"), Some(Head { status: 0, body: 39, total: 42 }));
        let response = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(head(response).expect("well-formed").map(|head| head.status), Some(202));
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
