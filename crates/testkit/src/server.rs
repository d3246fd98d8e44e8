//! A little HTTP server on this machine that answers as a test tells it to.
//!
//! It speaks just enough of HTTP for one request a connection, and nothing outside of tests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// What a slow server promises, and how often a byte of it comes: it takes most of a minute.
const DRIPPED_BYTES: usize = 10_000;
const DRIP_EVERY: Duration = Duration::from_millis(5);

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// With what stands behind `?`.
    pub path: String,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// `null` if there is none; a text if it is no JSON.
    pub body: Value,
}

impl Request {
    /// The header of this name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What a request is answered with.
pub enum Reply {
    /// Status, header lines, body.
    Say(u16, &'static str, String),
    /// The connection is closed without a word.
    Close,
    /// Half of the body that was promised.
    Half(String),
    /// Nothing, until the client gives up.
    Hang,
    /// A body of spaces, byte after byte, slower than any client should wait for.
    Drip,
    /// These bytes, which need not be HTTP.
    Raw(&'static str),
}

/// The server; it ends with the process.
pub struct Server {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers the n-th request, counted from 0, with what `reply` says.
    ///
    /// # Panics
    /// If this machine has no free port.
    pub fn new(reply: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut hanging = Vec::new();
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let Some(request) = read(&stream) else { continue };
                let number = {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.push(request.clone());
                    seen.len() - 1
                };
                // The client may be gone, which is its right.
                let _ = match reply(number, &request) {
                    Reply::Say(status, headers, body) => {
                        write(&mut stream, status, headers, body.len(), &body)
                    }
                    Reply::Half(body) => write(&mut stream, 200, "", body.len() * 2, &body),
                    Reply::Close => Ok(()),
                    Reply::Raw(bytes) => stream.write_all(bytes.as_bytes()),
                    Reply::Drip => {
                        // On a thread of its own: the next request comes before this one is through.
                        std::thread::spawn(move || drip(&mut stream));
                        Ok(())
                    }
                    Reply::Hang => {
                        hanging.push(stream);
                        Ok(())
                    }
                };
            }
        });
        Server { url, requests }
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut request = Request { method, path, headers: Vec::new(), body: Value::Null };
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        request.headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    if let Some(length) = request.header("content-length") {
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        request.body = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    }
    Some(request)
}

/// Ends early with the error that says that the client went away.
fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    write(stream, 200, "", DRIPPED_BYTES, "")?;
    for _ in 0..DRIPPED_BYTES {
        stream.write_all(b" ")?;
        #[expect(clippy::disallowed_methods, reason = "a slow server is what is played here")]
        std::thread::sleep(DRIP_EVERY);
    }
    Ok(())
}

fn write(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    length: usize,
    body: &str,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}connection: close\r\n\r\n{body}"
    )
}
