//! One connection to a PostgreSQL server: protocol 3.0, messages in a buffer that stays. No message is copied: who
//! reads one looks into the buffer.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use stele_collect::{CollectError, Means, Stopwatch};
use stele_http::Cancelled;

use super::address::{Address, Tls};
use super::{auth, tls};
use crate::TablesError;

/// Bytes that are read at a time: a few hundred rows, so that the system is asked seldom.
const READ_BYTES: usize = 256 << 10;

/// Bytes of a message, at most. A row is one; what is larger belongs into no record.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

/// After this much silence it is asked whether to stop: soon enough for a person.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// `SSLRequest` and `CancelRequest`, where a version would stand.
const SSL_REQUEST: i32 = 80_877_103;
const CANCEL_REQUEST: i32 = 80_877_102;
const PROTOCOL: i32 = 196_608;

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<tls::Encrypted>),
}

pub(super) struct Link<'a> {
    socket: Socket,
    address: Address,
    cancelled: Cancelled<'a>,
    answer_max: Duration,
    fetching: Stopwatch,
    buffer: Vec<u8>,
    /// What of the buffer was not looked at yet.
    unread: Range<usize>,
    out: Vec<u8>,
    /// Process and secret, by which the server stops what it does for this connection.
    cancel_key: Option<[u8; 8]>,
    pub(super) version: String,
}

impl<'a> Link<'a> {
    pub(super) fn open(
        address: &Address,
        connect_max: Duration,
        answer_max: Duration,
        means: &Means<'a>,
    ) -> Result<Self, TablesError> {
        let lost = |error: io::Error| TablesError::Lost { target: address.shown(), why: error.to_string() };
        let socket = if address.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", address.host, address.port);
            let stream = UnixStream::connect(path).map_err(lost)?;
            stream.set_read_timeout(Some(ASK_EVERY)).map_err(lost)?;
            Socket::Unix(stream)
        } else {
            let stream = connect(address, connect_max).map_err(lost)?;
            stream.set_nodelay(true).map_err(lost)?;
            stream.set_read_timeout(Some(connect_max)).map_err(lost)?;
            stream.set_write_timeout(Some(answer_max)).map_err(lost)?;
            let encrypts = address.tls != Tls::Never && agrees_to_tls(&stream).map_err(lost)?;
            if !encrypts && !matches!(address.tls, Tls::Never | Tls::Prefer) {
                let why = "the server does not encrypt, and sslmode asks for it".to_owned();
                return Err(TablesError::Lost { target: address.shown(), why });
            }
            stream.set_read_timeout(Some(ASK_EVERY)).map_err(lost)?;
            match encrypts {
                true => Socket::Tls(Box::new(tls::encrypt(stream, address)?)),
                false => Socket::Tcp(stream),
            }
        };
        let mut link = Link {
            socket,
            address: address.clone(),
            cancelled: means.cancelled,
            answer_max: connect_max,
            fetching: means.fetching.clone(),
            buffer: vec![0; READ_BYTES],
            unread: 0..0,
            out: Vec::new(),
            cancel_key: None,
            version: String::new(),
        };
        link.start()?;
        link.answer_max = answer_max;
        Ok(link)
    }

    /// Says who one is, until the server is ready.
    fn start(&mut self) -> Result<(), TablesError> {
        let mut body = PROTOCOL.to_be_bytes().to_vec();
        let (user, database) = (self.address.user.clone(), self.address.database.clone());
        for (name, value) in [
            ("user", user.as_str()),
            ("database", &database),
            ("application_name", "stele"),
            ("client_encoding", "UTF8"),
        ] {
            for text in [name, value] {
                body.extend_from_slice(text.as_bytes());
                body.push(0);
            }
        }
        body.push(0);
        self.out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        self.out.extend_from_slice(&body);
        self.send()?;
        let mut scram = None;
        loop {
            let (tag, body) = self.message()?;
            match tag {
                b'R' => self.authenticate(body, &mut scram)?,
                b'K' => self.cancel_key = self.body(body).get(..8).and_then(|key| key.try_into().ok()),
                b'Z' => return Ok(()),
                other => return Err(self.unexpected(other)),
            }
        }
    }

    fn authenticate(
        &mut self,
        body: Range<usize>,
        scram: &mut Option<auth::Scram>,
    ) -> Result<(), TablesError> {
        let body = self.body(body).to_vec();
        let refuse = |said: String| TablesError::Credentials { target: self.address.shown(), said };
        let (Some(kind), rest) = (read_i32(&body, 0), body.get(4..).unwrap_or_default()) else {
            return Err(self.unexpected(b'R'));
        };
        let password = self.address.password.reveal().to_owned();
        if kind != 0 && password.is_empty() {
            return Err(refuse("it asks for a password, and there is none".to_owned()));
        }
        let text = |rest: &[u8]| String::from_utf8_lossy(rest).into_owned();
        let answer: Vec<u8> = match kind {
            0 => return Ok(()),
            3 => [password.as_bytes(), &[0]].concat(),
            5 => {
                let salt = rest.get(..4).and_then(|salt| salt.try_into().ok()).unwrap_or_default();
                let proof = auth::md5(&self.address.user, &password, salt);
                [proof.as_bytes(), &[0]].concat()
            }
            10 => {
                if !rest.split(|byte| *byte == 0).any(|name| name == auth::SCRAM.as_bytes()) {
                    return Err(refuse(format!("it knows {} and not {}", text(rest), auth::SCRAM)));
                }
                let started = auth::Scram::new().map_err(refuse)?;
                let first = started.first();
                *scram = Some(started);
                let length = (first.len() as i32).to_be_bytes();
                [auth::SCRAM.as_bytes(), &[0], &length, first.as_bytes()].concat()
            }
            11 | 12 => {
                let scram =
                    scram.as_mut().ok_or_else(|| refuse("it goes on with SCRAM unasked".to_owned()))?;
                if kind == 12 {
                    return scram.check(&text(rest)).map_err(refuse);
                }
                scram.last(&text(rest), &password).map_err(refuse)?.into_bytes()
            }
            other => {
                return Err(refuse(format!(
                    "it asks for a kind of proof that is not known (number {other}); there are passwords in plain, MD5 and SCRAM-SHA-256"
                )));
            }
        };
        self.put(b'p', &answer);
        self.send()
    }

    /// A message that goes with the next [`Self::send`].
    pub(super) fn put(&mut self, tag: u8, body: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(&(body.len() as i32 + 4).to_be_bytes());
        self.out.extend_from_slice(body);
    }

    pub(super) fn send(&mut self) -> Result<(), TablesError> {
        let out = std::mem::take(&mut self.out);
        let sent = match &mut self.socket {
            Socket::Tcp(stream) => stream.write_all(&out),
            Socket::Unix(stream) => stream.write_all(&out),
            Socket::Tls(stream) => write_encrypted(stream, &out),
        };
        sent.map_err(|error| self.lost(&error))
    }

    /// The next message: its tag, and where its body is. What the server says on the side is left out, and an
    /// error of the server is one here.
    pub(super) fn message(&mut self) -> Result<(u8, Range<usize>), TablesError> {
        loop {
            while self.unread.len() < 5 {
                self.fill(5)?;
            }
            let at = self.unread.start;
            let tag = self.buffer[at];
            let length = read_i32(&self.buffer, at + 1).unwrap_or(0);
            let whole = usize::try_from(length).unwrap_or(0) + 1;
            if !(5..=MESSAGE_BYTES_MAX).contains(&whole) {
                let why = format!("a message of {whole} bytes; at most {MESSAGE_BYTES_MAX} are read");
                return Err(TablesError::Answer { target: self.address.shown(), why });
            }
            while self.unread.len() < whole {
                self.fill(whole)?;
            }
            let body = self.unread.start + 5..self.unread.start + whole;
            self.unread.start += whole;
            match tag {
                b'N' | b'A' => {}
                b'S' => self.take_version(body),
                b'E' => return Err(self.error(body)),
                _ => return Ok((tag, body)),
            }
        }
    }

    #[inline]
    pub(super) fn body(&self, body: Range<usize>) -> &[u8] {
        &self.buffer[body]
    }

    fn take_version(&mut self, body: Range<usize>) {
        let mut parts = self.buffer[body].split(|byte| *byte == 0);
        if parts.next() == Some(b"server_version") {
            self.version = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        }
    }

    /// Reads more, so that a message of `whole` bytes fits in.
    fn fill(&mut self, whole: usize) -> Result<(), TablesError> {
        if self.unread.is_empty() {
            self.unread = 0..0;
        }
        if self.buffer.len() - self.unread.start < whole || self.unread.end == self.buffer.len() {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
            if self.buffer.len() < whole {
                self.buffer.resize(whole.next_multiple_of(READ_BYTES), 0);
            }
        }
        let mut silent = Duration::ZERO;
        loop {
            let room = &mut self.buffer[self.unread.end..];
            let socket = &mut self.socket;
            let read = self.fetching.time(|| match socket {
                Socket::Tcp(stream) => stream.read(room),
                Socket::Unix(stream) => stream.read(room),
                Socket::Tls(stream) => stream.read(room),
            });
            match read {
                Ok(0) => return Err(self.gone("the server closed it")),
                Ok(count) => {
                    self.unread.end += count;
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_silence(&error) => {
                    silent += ASK_EVERY;
                    if (self.cancelled)() {
                        self.stop_server();
                        return Err(CollectError::Cancelled.into());
                    }
                    if silent >= self.answer_max {
                        self.stop_server();
                        let seconds = self.answer_max.as_secs();
                        return Err(self.gone(&format!("the server said nothing for {seconds} s")));
                    }
                }
                Err(error) => return Err(self.lost(&error)),
            }
        }
    }

    /// Asks the server, by another connection, to stop what it does for this one. It is no fault if it does not.
    fn stop_server(&self) {
        let Some(key) = self.cancel_key else { return };
        let mut message = 16i32.to_be_bytes().to_vec();
        message.extend_from_slice(&CANCEL_REQUEST.to_be_bytes());
        message.extend_from_slice(&key);
        if let Ok(mut stream) = connect(&self.address, ASK_EVERY * 4) {
            let _ = stream.write_all(&message);
        }
    }

    fn gone(&self, why: &str) -> TablesError {
        TablesError::Lost { target: self.address.shown(), why: why.to_owned() }
    }

    fn lost(&self, error: &io::Error) -> TablesError {
        self.gone(&error.to_string())
    }

    pub(super) fn unexpected(&self, tag: u8) -> TablesError {
        let why = format!("a message {:?} where none was expected", char::from(tag));
        TablesError::Answer { target: self.address.shown(), why }
    }

    /// What the server says is wrong.
    fn error(&self, body: Range<usize>) -> TablesError {
        let field = |tag: u8| {
            let mut fields = self.buffer[body.clone()].split(|byte| *byte == 0);
            let field = fields.find(|field| field.first() == Some(&tag))?;
            Some(String::from_utf8_lossy(&field[1..]).into_owned())
        };
        let code = field(b'C').unwrap_or_default();
        let mut said = format!("{} ({code})", field(b'M').unwrap_or_default());
        for (tag, name) in [(b'D', "detail"), (b'H', "hint"), (b'P', "at character")] {
            if let Some(more) = field(tag) {
                said += &format!("; {name}: {more}");
            }
        }
        let said = self.address.password.hide_in(&said);
        let target = self.address.shown();
        match code.as_bytes() {
            [b'2', b'8', ..] => TablesError::Credentials { target, said },
            b"42501" => TablesError::Denied { target, said },
            // Connection trouble, a server that goes down, too many clients, and transactions that got in each
            // other's way.
            [b'0', b'8', ..] | b"57P01" | b"57P02" | b"57P03" | b"53300" | b"40001" | b"40P01" => {
                TablesError::Lost { target, why: said }
            }
            _ => TablesError::Refused { target, what: "the statement".to_owned(), said },
        }
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.put(b'X', &[]);
        let _ = self.send();
    }
}

/// Silence, as the system calls it.
fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The handshake comes with the first byte, and waits for the server within a write.
fn write_encrypted(stream: &mut tls::Encrypted, out: &[u8]) -> io::Result<()> {
    let mut rest = out;
    let mut silent = 0;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = &rest[count..],
            // A handshake takes a few round trips, not so many.
            Err(error) if is_silence(&error) && silent < 40 => silent += 1,
            Err(error) => return Err(error),
        }
    }
    stream.flush()
}

fn connect(address: &Address, time: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the name has no address");
    for place in (address.host.as_str(), address.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&place, time) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn agrees_to_tls(mut stream: &TcpStream) -> io::Result<bool> {
    let mut message = 8i32.to_be_bytes().to_vec();
    message.extend_from_slice(&SSL_REQUEST.to_be_bytes());
    stream.write_all(&message)?;
    let mut said = [0];
    stream.read_exact(&mut said)?;
    Ok(said == *b"S")
}

pub(super) fn read_i32(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(i32::from_be_bytes)
}

pub(super) fn read_i16(bytes: &[u8], at: usize) -> Option<i16> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(i16::from_be_bytes)
}
