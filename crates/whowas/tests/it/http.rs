//! A keep-alive HTTP client by hand, for servers that vanish in the middle of an answer.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// A connection to one server.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    token: String,
    address: String,
}

/// What came back, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Client {
    /// Connects; every request carries the token.
    pub(crate) fn connect(address: &str, token: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), token: token.to_owned(), address: address.to_owned() })
    }

    /// Sends a body and reads the answer; an error says that the answer is not known.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        let Self { token, address, .. } = &self;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    /// Asks for something.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        let Self { token, address, .. } = &self;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        let mut body = vec![0; length.ok_or_else(broken)?];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, body: String::from_utf8(body).map_err(|_| broken())? })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
