//! A WebSocket that is read in short stretches, so that there is always time for a stop, a ping or a pause.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::handshake::HandshakeError;
use tungstenite::http::{HeaderName, HeaderValue};
use tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tungstenite::{Error, Message, WebSocket};
use url::Url;

use crate::config::READ_TIMES;
use crate::gap::Reason;
use crate::recorder::{Lost, Recorder};
use crate::shared::{ASK_EVERY, Shared};
use crate::shown::meant;

/// How long a peer may take nothing of what it is sent: what is sent is a few words.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Characters of a refusal that are shown.
const REFUSAL_CHARS: usize = 200;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// What travels below the WebSocket; counts what is heard, so that a long message on a slow line is no silence.
struct Wire {
    io: Io,
    heard: u64,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = match &mut self.io {
            Io::Plain(io) => io.read(buffer)?,
            Io::Tls(io) => io.read(buffer)?,
        };
        self.heard = self.heard.wrapping_add(length as u64);
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.io {
            Io::Plain(io) => io.write(bytes),
            Io::Tls(io) => io.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.io {
            Io::Plain(io) => io.flush(),
            Io::Tls(io) => io.flush(),
        }
    }
}

/// A connection that stands.
pub(crate) struct Socket {
    ws: WebSocket<Wire>,
    shared: Arc<Shared>,
    heard: u64,
    heard_at: Duration,
    /// When the ping was sent that is not answered.
    pinged: Option<Duration>,
    ponged: Option<Duration>,
    next_ping: Duration,
}

/// What a socket says.
#[derive(Debug)]
pub(crate) enum Said {
    Text(String),
    Bytes(Vec<u8>),
}

impl Socket {
    /// Connects; no longer than the configuration allows, and not beyond a stop.
    pub fn connect(shared: &Arc<Shared>, url: &Url) -> Result<Self, Lost> {
        let pace = &shared.means.pace;
        let deadline = pace.now() + Duration::from_millis(shared.config.connect_timeout_ms_max);
        let tls = matches!(url.scheme(), "wss" | "https");
        let host = url.host_str().unwrap_or_default();
        let port = url.port().unwrap_or(if tls { 443 } else { 80 });
        let stream = reach(host.trim_matches(['[', ']']), port, deadline.saturating_sub(pace.now()))?;
        let io = if tls { Io::Tls(Box::new(secure(shared, host, stream)?)) } else { Io::Plain(stream) };
        let request = request(shared, url, tls)?;
        let bytes_max = shared.config.frame_bytes_max.saturating_mul(READ_TIMES);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(bytes_max))
            .max_frame_size(Some(bytes_max));
        let mut tried = tungstenite::client::client_with_config(request, Wire { io, heard: 0 }, Some(config));
        loop {
            match tried {
                Ok((ws, _)) => {
                    let now = pace.now();
                    let next_ping = now + Duration::from_millis(shared.config.ping_ms);
                    let shared = Arc::clone(shared);
                    return Ok(Socket {
                        ws,
                        shared,
                        heard: 0,
                        heard_at: now,
                        pinged: None,
                        ponged: None,
                        next_ping,
                    });
                }
                Err(HandshakeError::Failure(error)) => return Err(refused(shared, error)),
                Err(HandshakeError::Interrupted(half)) => {
                    if shared.stopping() || shared.paused() {
                        return Err(Lost::asked(shared));
                    }
                    if pace.now() >= deadline {
                        return Err(Lost::new(Reason::Unreachable, "the peer does not answer the handshake"));
                    }
                    tried = half.handshake();
                }
            }
        }
    }

    /// What is said next, or `None` if nothing is for a moment.
    pub fn read(&mut self) -> Result<Option<Said>, Lost> {
        // Asked each time: a feed that never pauses has to be stopped too.
        if self.shared.stopping() || self.shared.paused() {
            let _ = self.ws.close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() }));
            return Err(Lost::asked(&self.shared));
        }
        let said = self.ws.read();
        let now = self.shared.means.pace.now();
        let heard = self.ws.get_ref().heard;
        if heard != self.heard {
            (self.heard, self.heard_at) = (heard, now);
        }
        match said {
            Ok(Message::Text(text)) => Ok(Some(Said::Text(text.as_str().to_owned()))),
            Ok(Message::Binary(bytes)) => Ok(Some(Said::Bytes(bytes.into()))),
            // Answered by the library.
            Ok(Message::Ping(_) | Message::Frame(_)) => Ok(None),
            Ok(Message::Pong(_)) => {
                self.ponged = Some(now);
                Ok(None)
            }
            Ok(Message::Close(frame)) => {
                // The answer to it; whoever closes needs no more of us.
                let _ = self.ws.flush();
                Err(closed(frame))
            }
            Err(Error::Io(error)) if is_pause(&error) => Ok(None),
            Err(error) => Err(self.broken(error)),
        }
    }

    /// Measures the latency by a ping now and then. Gives the silence after one that is not answered.
    pub fn keep_alive(&mut self, recorder: &mut Recorder) -> Result<Option<Duration>, Lost> {
        let now = self.shared.means.pace.now();
        if let Some(pinged) = self.pinged {
            if let Some(ponged) = self.ponged.take() {
                self.pinged = None;
                recorder.latency(ponged.saturating_sub(pinged))?;
            } else if self.heard_at <= pinged {
                return Ok(Some(now.saturating_sub(pinged)));
            }
        }
        if now >= self.next_ping {
            self.send(Message::Ping(Default::default()))?;
            self.pinged = Some(now);
            self.next_ping = now + Duration::from_millis(self.shared.config.ping_ms);
        }
        Ok(None)
    }

    /// How long nothing was heard.
    pub fn silence(&self) -> Duration {
        self.shared.means.pace.now().saturating_sub(self.heard_at)
    }

    /// Says something.
    pub fn say(&mut self, text: impl Into<String>) -> Result<(), Lost> {
        self.send(Message::text(text.into()))
    }

    fn send(&mut self, message: Message) -> Result<(), Lost> {
        match self.ws.send(message) {
            Ok(()) => Ok(()),
            Err(Error::Io(error)) if is_pause(&error) => {
                Err(Lost::new(Reason::PingTimeout, "the peer takes nothing of what it is sent"))
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    fn broken(&mut self, error: Error) -> Lost {
        match error {
            Error::ConnectionClosed | Error::AlreadyClosed => {
                Lost::new(Reason::Closed, "the peer closed the connection")
            }
            Error::Io(error) => Lost::new(Reason::Cut, error.to_string()),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Lost::new(Reason::Cut, "the connection broke without a close")
            }
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let _ = self.ws.close(Some(CloseFrame { code: CloseCode::Size, reason: "".into() }));
                let detail = format!(
                    "a message of {size} bytes cannot be read; {max_size} is the most, and {READ_TIMES} times frame_bytes_max"
                );
                Lost { code: Some(1009), ..Lost::new(Reason::FrameTooLarge, detail) }
            }
            error => Lost::new(Reason::Protocol, error.to_string()),
        }
    }
}

/// Nothing is there at the moment.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

fn closed(frame: Option<CloseFrame>) -> Lost {
    match frame {
        Some(frame) => {
            let code = u16::from(frame.code);
            let detail = match frame.reason.as_str() {
                "" => format!("the peer closed the connection with code {code}"),
                reason => format!("the peer closed the connection with code {code}: {reason}"),
            };
            Lost { code: Some(code), ..Lost::new(Reason::Closed, detail) }
        }
        None => Lost {
            code: Some(1005),
            ..Lost::new(Reason::Closed, "the peer closed the connection with no code")
        },
    }
}

/// Why there is no WebSocket.
fn refused(shared: &Shared, error: Error) -> Lost {
    match error {
        Error::Http(answer) => {
            let status = answer.status().as_u16();
            let said = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            // Hidden before it is cut: of half a key nobody knows that it is one.
            let said = shared.resolved.hide(&said);
            let said: String =
                said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REFUSAL_CHARS).collect();
            let detail = match said.as_str() {
                "" => format!("the handshake was answered with HTTP {status}"),
                said => format!("the handshake was answered with HTTP {status}: {said}"),
            };
            // A service that starts, or has too much to do, is another one in a minute.
            let lasting = (300..500).contains(&status) && ![408, 425, 429].contains(&status);
            Lost { code: Some(status), lasting, ..Lost::new(Reason::Refused, detail) }
        }
        Error::Io(error) => {
            let tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            Lost { lasting: tls, ..Lost::new(Reason::Unreachable, error.to_string()) }
        }
        error => Lost::new(Reason::Unreachable, error.to_string()),
    }
}

/// The first address of a host that answers.
fn reach(host: &str, port: u16, time: Duration) -> Result<TcpStream, Lost> {
    let unreachable = |detail: String| Lost::new(Reason::Unreachable, detail);
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| unreachable(format!("{host} has no address: {error}")))?;
    let mut last = format!("{host} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, time.max(ASK_EVERY)) {
            Ok(stream) => {
                let set = stream
                    .set_read_timeout(Some(ASK_EVERY))
                    .and_then(|()| stream.set_write_timeout(Some(WRITE_TIMEOUT)))
                    .and_then(|()| stream.set_nodelay(true));
                return set.map(|()| stream).map_err(|error| unreachable(error.to_string()));
            }
            Err(error) => last = format!("{address} cannot be reached: {error}"),
        }
    }
    Err(unreachable(last))
}

/// The same trust as every other request of the program, and that of the configuration beside it.
fn secure(
    shared: &Shared,
    host: &str,
    stream: TcpStream,
) -> Result<StreamOwned<ClientConnection, TcpStream>, Lost> {
    let lasting = |detail: String| Lost { lasting: true, ..Lost::new(Reason::Unreachable, detail) };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let extra = shared.config.ca_pem.as_deref().unwrap_or_default();
    let extra: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(extra.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| lasting(format!("ca_pem holds no certificates: {error}")))?;
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|error| lasting(error.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| lasting(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| lasting(error.to_string()))?;
    let connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| lasting(error.to_string()))?;
    Ok(StreamOwned::new(connection, stream))
}

fn request(shared: &Shared, url: &Url, tls: bool) -> Result<tungstenite::handshake::client::Request, Lost> {
    // Neither names nor values are said: they may be secrets.
    let unusable =
        || Lost { lasting: true, ..Lost::new(Reason::Unreachable, "the address or a header cannot be sent") };
    let scheme = if tls { "wss" } else { "ws" };
    let rest = url.as_str().split_once(':').map(|(_, rest)| rest).unwrap_or_default();
    let mut request = format!("{scheme}:{rest}").into_client_request().map_err(|_| unusable())?;
    let headers = request.headers_mut();
    if !url.username().is_empty() {
        let login = format!("{}:{}", meant(url.username()), meant(url.password().unwrap_or_default()));
        let value = format!("Basic {}", data_encoding::BASE64.encode(login.as_bytes()));
        let mut value = HeaderValue::from_str(&value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert("authorization", value);
    }
    for (name, value) in &shared.resolved.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if !shared.config.protocols.is_empty() {
        let protocols = HeaderValue::from_str(&shared.config.protocols.join(", ")).map_err(|_| unusable())?;
        headers.insert("sec-websocket-protocol", protocols);
    }
    Ok(request)
}
