//! One connection: the handshake, and messages in chunks both ways. Nothing is tried again here.
//!
//! Time limits are the socket's: it is asked in short slices, and slices in which nothing came are
//! counted. So no clock is needed, and a person who wants to stop is heard.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{Address, Value};
use crate::Cancelled;

/// How long it is waited before it is asked whether to stop: soon enough for a person.
const SLICE_MS: u64 = 50;

/// Bytes in a chunk at most: the length of one has two bytes.
const CHUNK_BYTES_MAX: usize = 0xffff;

/// What every connection begins with.
const GREETING: [u8; 4] = [0x60, 0x60, 0xb0, 0x17];

/// Versions that are spoken, the best first: 5.4 and four below it, then 4.4 and two below it.
const VERSIONS: [[u8; 4]; 4] = [[0, 4, 4, 5], [0, 2, 4, 4], [0; 4], [0; 4]];

/// Tags of messages.
pub(super) const HELLO: u8 = 0x01;
pub(super) const RUN: u8 = 0x10;
pub(super) const PULL: u8 = 0x3f;
pub(super) const LOGON: u8 = 0x6a;
const SUCCESS: u8 = 0x70;
const RECORD: u8 = 0x71;
const IGNORED: u8 = 0x7e;
const FAILURE: u8 = 0x7f;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// It may be better the next time.
    Passing(String),
    /// It would be the same.
    Lasting(String),
    /// Somebody asked for the stop.
    Cancelled,
    /// The server says no, with one of its codes, such as `Neo.ClientError.Statement.SyntaxError`.
    Failed { code: String, message: String },
}

/// Limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) connect_ms_max: u64,
    /// Until a part of an answer has to be there.
    pub(super) answer_ms_max: u64,
    /// Of what is read between two questions.
    pub(super) answer_bytes_max: u64,
}

/// What a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Record(Vec<Value>),
    Success(Value),
}

/// A connection that stands.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    limits: Limits,
    /// Bytes that were read since the last question.
    read: u64,
    /// Slices without a byte since the last question.
    idle: u64,
    /// Major and minor version.
    pub(super) version: (u8, u8),
}

impl Connection {
    /// Connects and agrees on a version.
    pub(super) fn open(address: &Address, limits: Limits, cancelled: Cancelled<'_>) -> Result<Self, Broken> {
        if cancelled() {
            return Err(Broken::Cancelled);
        }
        let stream = connect(address, limits)?;
        let slice = Some(Duration::from_millis(SLICE_MS));
        // Questions are small and one is not sent before the other is answered.
        let set = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_read_timeout(slice))
            .and_then(|()| stream.set_write_timeout(slice));
        set.map_err(|error| Broken::Passing(error.to_string()))?;
        let mut connection =
            Connection { stream: BufReader::new(stream), limits, read: 0, idle: 0, version: (0, 0) };
        let mut greeting = GREETING.to_vec();
        greeting.extend(VERSIONS.as_flattened());
        connection.write(&greeting, cancelled)?;
        let mut chosen = [0; 4];
        connection.fill(&mut chosen, cancelled)?;
        connection.version = match chosen {
            [0, 0, minor, major @ (4 | 5)] => (major, minor),
            [0, 0, 0, 0] => {
                let reason = "it speaks none of the versions 5.0 to 5.4 and 4.2 to 4.4 of Bolt";
                return Err(Broken::Lasting(reason.to_owned()));
            }
            _ => {
                let reason = "it does not speak Bolt; is it the port of another protocol?";
                return Err(Broken::Lasting(reason.to_owned()));
            }
        };
        Ok(connection)
    }

    /// Sends messages, one behind the other, and begins to count what comes.
    pub(super) fn send(&mut self, messages: &[Value], cancelled: Cancelled<'_>) -> Result<(), Broken> {
        let (mut bytes, mut message) = (Vec::new(), Vec::new());
        for value in messages {
            message.clear();
            value.write(&mut message);
            for chunk in message.chunks(CHUNK_BYTES_MAX) {
                bytes.extend_from_slice(&(chunk.len() as u16).to_be_bytes());
                bytes.extend_from_slice(chunk);
            }
            bytes.extend_from_slice(&[0, 0]);
        }
        (self.read, self.idle) = (0, 0);
        self.write(&bytes, cancelled)
    }

    /// The next message.
    pub(super) fn receive(&mut self, cancelled: Cancelled<'_>) -> Result<Said, Broken> {
        let mut message = Vec::new();
        loop {
            let mut length = [0; 2];
            self.fill(&mut length, cancelled)?;
            let length = usize::from(u16::from_be_bytes(length));
            match length {
                // An empty chunk ends a message, and without one it only says that somebody is there.
                0 if message.is_empty() => {
                    self.idle += 1;
                    self.patient(cancelled)?;
                    continue;
                }
                0 => break,
                _ => {}
            }
            if self.read + length as u64 > self.limits.answer_bytes_max {
                let max = self.limits.answer_bytes_max;
                return Err(Broken::Lasting(format!(
                    "its answer has more than {max} bytes, the most that is read"
                )));
            }
            let begin = message.len();
            message.resize(begin + length, 0);
            self.fill(&mut message[begin..], cancelled)?;
        }
        let wrong = |what: &str| Broken::Lasting(format!("it does not keep to Bolt: {what}"));
        let Value::Struct(tag, mut fields) = Value::read(&message).map_err(|error| wrong(&error))? else {
            return Err(wrong("a message is no message"));
        };
        let first = if fields.is_empty() { Value::Null } else { fields.swap_remove(0) };
        match (tag, first) {
            (SUCCESS, metadata) => Ok(Said::Success(metadata)),
            (RECORD, Value::List(values)) => Ok(Said::Record(values)),
            (FAILURE, metadata) => {
                let word =
                    |name| metadata.get(name).and_then(Value::as_text).unwrap_or("no reason").to_owned();
                Err(Broken::Failed { code: word("code"), message: word("message") })
            }
            (IGNORED, _) => Err(wrong("a question is ignored, and none before it has failed")),
            (tag, _) => Err(wrong(&format!("a message has the tag {tag:#04x}"))),
        }
    }

    fn write(&mut self, mut bytes: &[u8], cancelled: Cancelled<'_>) -> Result<(), Broken> {
        while !bytes.is_empty() {
            match self.stream.get_mut().write(bytes) {
                Ok(0) => return Err(Broken::Passing("the connection was closed".to_owned())),
                Ok(length) => bytes = &bytes[length..],
                Err(error) => self.waited(&error, cancelled)?,
            }
        }
        Ok(())
    }

    fn fill(&mut self, mut room: &mut [u8], cancelled: Cancelled<'_>) -> Result<(), Broken> {
        while !room.is_empty() {
            match self.stream.read(room) {
                Ok(0) => return Err(Broken::Passing("the connection was closed".to_owned())),
                Ok(length) => {
                    self.read += length as u64;
                    room = &mut room[length..];
                }
                Err(error) => self.waited(&error, cancelled)?,
            }
        }
        Ok(())
    }

    /// A slice has passed, or the connection is broken.
    fn waited(&mut self, error: &std::io::Error, cancelled: Cancelled<'_>) -> Result<(), Broken> {
        match error.kind() {
            ErrorKind::Interrupted => {}
            ErrorKind::WouldBlock | ErrorKind::TimedOut => self.idle += 1,
            _ => return Err(Broken::Passing(error.to_string())),
        }
        self.patient(cancelled)
    }

    /// Whether to wait on.
    fn patient(&self, cancelled: Cancelled<'_>) -> Result<(), Broken> {
        if cancelled() {
            return Err(Broken::Cancelled);
        }
        let max = self.limits.answer_ms_max;
        if self.idle * SLICE_MS >= max {
            return Err(Broken::Passing(format!("no answer came within {max} milliseconds")));
        }
        Ok(())
    }
}

/// The first of the host's addresses that takes a connection.
fn connect(address: &Address, limits: Limits) -> Result<TcpStream, Broken> {
    let passing = |error: std::io::Error| Broken::Passing(error.to_string());
    let time = Duration::from_millis(limits.connect_ms_max);
    let mut last = Broken::Passing("its name has no address".to_owned());
    for place in (address.host.as_str(), address.port).to_socket_addrs().map_err(passing)? {
        match TcpStream::connect_timeout(&place, time) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = passing(error),
        }
    }
    Err(last)
}
