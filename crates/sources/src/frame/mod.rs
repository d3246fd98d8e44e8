//! Engine.IO 4 and Socket.IO frames: one text out of a WebSocket in, its parts out.
//!
//! A frame is a digit for the Engine.IO packet, and for messages (`4`) a second digit for the
//! Socket.IO packet, the number of binary attachments, a namespace, an ack id and JSON, each only
//! where it applies: `42/game,7["buy",{"amount":1}]`. Nothing is copied; positions refer to the
//! JSON text in [`Frame::body`] and to the tape that was filled from it.
//!
//! ```
//! use stele_model::json::Tape;
//! use stele_sources::frame::{Packet, decode};
//!
//! let mut tape = Tape::default();
//! let frame = decode(r#"42424["sidebet",{"target":10}]"#, &mut tape)?;
//! assert_eq!((frame.packet, frame.ack_id, frame.name()), (Packet::Event, Some(424), "sidebet"));
//! # Ok::<(), stele_sources::frame::FrameError>(())
//! ```
//!
//! What takes several frames is not decided here: the attachments of a binary message come as
//! frames of their own after its text, and an ack long after its request. Frames of a recording are
//! records, which are read in any order by any thread, and each is kept as it was written. They are
//! put together when somebody asks, from the raw text in its order: the views `binary_messages` and
//! `request_acks` of the lake, see `docs/guide/sql.md`.

use std::borrow::Cow;

use stele_model::json::{Kind, SyntaxError, Tape, Value, unescape};

/// What kind of message a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// `0`: the transport opens.
    Open,
    /// `1`: the transport closes.
    Close,
    /// `2`: ping, also `2probe`.
    Ping,
    /// `3`: pong, also `3probe`.
    Pong,
    /// `5`: the transport is upgraded.
    Upgrade,
    /// `6`: nothing.
    Noop,
    /// `40`: a namespace is joined.
    Connect,
    /// `41`: a namespace is left.
    Disconnect,
    /// `42`: an event.
    Event,
    /// `43`: the answer to an event that asked for one.
    Ack,
    /// `44`: joining was refused, or an error.
    ConnectError,
    /// `45`: an event with binary attachments.
    BinaryEvent,
    /// `46`: an answer with binary attachments.
    BinaryAck,
    /// `b` and base64: a binary frame where only text travels, such as a file of lines.
    Binary,
}

impl Packet {
    /// The event type of a frame that names no event of its own.
    pub const fn name(self) -> &'static str {
        match self {
            Packet::Open => "open",
            Packet::Close => "close",
            Packet::Ping => "ping",
            Packet::Pong => "pong",
            Packet::Upgrade => "upgrade",
            Packet::Noop => "noop",
            Packet::Connect => "connect",
            Packet::Disconnect => "disconnect",
            Packet::Event | Packet::BinaryEvent => "event",
            Packet::Ack | Packet::BinaryAck => "ack",
            Packet::ConnectError => "connect_error",
            Packet::Binary => "binary",
        }
    }

    /// Whether the frame keeps the connection going rather than saying something through it.
    pub const fn is_system(self) -> bool {
        !matches!(
            self,
            Packet::Event | Packet::BinaryEvent | Packet::Ack | Packet::BinaryAck | Packet::Binary
        )
    }

    const fn is_event(self) -> bool {
        matches!(self, Packet::Event | Packet::BinaryEvent)
    }

    const fn is_ack(self) -> bool {
        matches!(self, Packet::Ack | Packet::BinaryAck)
    }
}

/// A decoded frame. Node numbers refer to the tape that was given to [`decode`].
#[derive(Debug, Clone, PartialEq)]
pub struct Frame<'a> {
    /// What kind of message it is.
    pub packet: Packet,
    /// The namespace, such as `/game`; `None` is the main one.
    pub namespace: Option<&'a str>,
    /// The id that pairs an event with its ack.
    pub ack_id: Option<u64>,
    /// For a binary packet, how many binary frames follow.
    pub attachments: Option<u32>,
    /// The JSON text, if there is one. The tape holds it.
    pub body: Option<&'a str>,
    /// The name of an event.
    pub event: Option<Cow<'a, str>>,
    /// The arguments: of an event without its name, of an ack all.
    pub args: Args,
    /// The trace object in front of the arguments, as a node.
    pub trace: Option<u32>,
    /// What the message is about, as a node: the sole argument apart from the trace, or the
    /// object of a packet that has no arguments.
    pub payload: Option<u32>,
}

impl Frame<'_> {
    /// The event type: the event's name, or the packet's.
    pub fn name(&self) -> &str {
        self.event.as_deref().unwrap_or(self.packet.name())
    }
}

/// The arguments of a message on the tape: siblings from `first` up to `end`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Args {
    /// Node of the first argument.
    pub first: u32,
    /// One past the last node of the last argument.
    pub end: u32,
    /// How many there are.
    pub count: u32,
}

/// Why a text is not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The frame is empty.
    #[error("the frame is empty")]
    Empty,
    /// The first digits name no packet.
    #[error("the frame begins with {0:?}, which is no packet type")]
    UnknownPacket(String),
    /// What follows a `b` is no base64.
    #[error("the binary frame is not base64")]
    NotBase64,
    /// Text stands where the packet has none.
    #[error("text follows a {0} packet")]
    UnexpectedText(&'static str),
    /// A binary packet does not say how many attachments follow.
    #[error("the binary packet does not say how many attachments follow")]
    NoAttachmentCount,
    /// A number is too large.
    #[error("the {0} is too large")]
    NumberTooLarge(&'static str),
    /// The packet needs JSON and has none.
    #[error("the {0} packet has no JSON")]
    NoBody(&'static str),
    /// The JSON is malformed.
    #[error("the frame's JSON is malformed: {error}")]
    Syntax {
        /// What is wrong, with the byte counted in the JSON.
        error: SyntaxError,
        /// The byte of the frame where reading stopped.
        at: usize,
    },
    /// An event or an ack is not an array.
    #[error("the JSON of an {0} packet is not an array")]
    NotAnArray(&'static str),
    /// An event has no name.
    #[error("the event has no name")]
    NoEventName,
    /// An ack has no id.
    #[error("the ack has no id")]
    NoAckId,
}

impl FrameError {
    /// The byte of the frame where reading stopped, as far as is known.
    pub fn at(&self) -> usize {
        match self {
            FrameError::Syntax { at, .. } => *at,
            _ => 0,
        }
    }
}

/// The head of a frame: everything before its JSON.
struct Head<'a> {
    packet: Packet,
    attachments: Option<u32>,
    namespace: Option<&'a str>,
    ack_id: Option<u64>,
    rest: &'a str,
}

/// Decodes one text frame. `tape` then holds the frame's JSON; it is left alone if there is none.
///
/// # Errors
///
/// Why `text` is not a frame. A binary packet whose placeholders do not match its count is one.
pub fn decode<'a>(text: &'a str, tape: &mut Tape) -> Result<Frame<'a>, FrameError> {
    if let Some(body) = body(text)? {
        tape.parse(body)
            .map_err(|error| FrameError::Syntax { error, at: text.len() - body.len() + error.at })?;
    }
    with_tape(text, tape)
}

/// As [`decode`], with a tape that holds the frame's JSON already.
pub(crate) fn with_tape<'a>(text: &'a str, tape: &Tape) -> Result<Frame<'a>, FrameError> {
    let head = head(text)?;
    let packet = head.packet;
    let mut frame = Frame {
        packet,
        namespace: head.namespace,
        ack_id: head.ack_id,
        attachments: head.attachments,
        body: head.body()?,
        event: None,
        args: Args::default(),
        trace: None,
        payload: None,
    };
    let Some(body) = frame.body else {
        return Ok(frame);
    };
    if packet.is_system() {
        frame.payload = Some(0);
        return Ok(frame);
    }
    let mut args = tape.value(body, 0).children();
    if packet.is_event() {
        let name = args.next().ok_or(FrameError::NoEventName)?;
        let node = &tape.nodes()[name.index() as usize];
        let inside = &body[node.start as usize + 1..node.end as usize - 1];
        frame.event =
            Some(if node.text_escaped() { unescape(inside.as_bytes()) } else { Cow::Borrowed(inside) });
    }
    let mut only = [None; 2];
    for (index, arg) in args.enumerate() {
        if index == 0 {
            frame.args.first = arg.index();
            frame.trace = is_trace(arg).then_some(arg.index());
        }
        if let Some(slot) = only.get_mut(index) {
            *slot = Some(arg.index());
        }
        frame.args.count += 1;
    }
    frame.args.end = tape.nodes().len() as u32;
    if frame.args.count == 0 {
        frame.args.first = frame.args.end;
    }
    frame.payload = match (frame.args.count, frame.trace) {
        (1, None) => only[0],
        (2, Some(_)) => only[1],
        _ => None,
    };
    Ok(frame)
}

/// The JSON part of a frame, found without reading it. `None` for a frame that has none.
///
/// # Errors
///
/// As [`decode`], except for malformed JSON: where the part is JSON, the whole is a frame.
pub fn body(text: &str) -> Result<Option<&str>, FrameError> {
    head(text)?.body()
}

/// Whether an object is the trace that instrumented programs put in front of a payload.
pub fn is_trace(value: Value<'_>) -> bool {
    value.kind() == Kind::Object
        && value.children().any(|member| matches!(member.key().as_deref(), Some("__trace" | "traceparent")))
}

impl<'a> Head<'a> {
    /// The JSON after the head; an error if it should be there and is not, or the reverse, or if
    /// it begins like something that the packet cannot hold.
    fn body(&self) -> Result<Option<&'a str>, FrameError> {
        let (name, rest) = (self.packet.name(), self.rest);
        match self.packet {
            Packet::Ping | Packet::Pong if rest == "probe" => Ok(None),
            Packet::Binary if is_base64(rest) => Ok(None),
            Packet::Binary => Err(FrameError::NotBase64),
            Packet::Connect | Packet::ConnectError if rest.is_empty() => Ok(None),
            Packet::Connect | Packet::ConnectError => Ok(Some(rest)),
            Packet::Close
            | Packet::Ping
            | Packet::Pong
            | Packet::Upgrade
            | Packet::Noop
            | Packet::Disconnect => {
                if rest.is_empty() {
                    Ok(None)
                } else {
                    Err(FrameError::UnexpectedText(name))
                }
            }
            _ if rest.is_empty() => Err(FrameError::NoBody(name)),
            Packet::Open => Ok(Some(rest)),
            Packet::Event | Packet::BinaryEvent | Packet::Ack | Packet::BinaryAck => {
                let space = [' ', '\t', '\n', '\r'];
                let inside = rest.trim_start_matches(space).strip_prefix('[');
                let inside = inside.ok_or(FrameError::NotAnArray(name))?.trim_start_matches(space);
                if self.packet.is_event() && !inside.starts_with('"') {
                    return Err(FrameError::NoEventName);
                }
                if self.packet.is_ack() && self.ack_id.is_none() {
                    return Err(FrameError::NoAckId);
                }
                Ok(Some(rest))
            }
        }
    }
}

fn head(text: &str) -> Result<Head<'_>, FrameError> {
    let unknown = |len: usize| {
        let begin: String = text.chars().take(len).collect();
        FrameError::UnknownPacket(begin)
    };
    let first = *text.as_bytes().first().ok_or(FrameError::Empty)?;
    let engine = match first {
        b'0' => Some(Packet::Open),
        b'1' => Some(Packet::Close),
        b'2' => Some(Packet::Ping),
        b'3' => Some(Packet::Pong),
        b'4' => None,
        b'5' => Some(Packet::Upgrade),
        b'6' => Some(Packet::Noop),
        b'b' => Some(Packet::Binary),
        _ => return Err(unknown(1)),
    };
    if let Some(packet) = engine {
        return Ok(Head { packet, attachments: None, namespace: None, ack_id: None, rest: &text[1..] });
    }
    let packet = match text.as_bytes().get(1) {
        Some(b'0') => Packet::Connect,
        Some(b'1') => Packet::Disconnect,
        Some(b'2') => Packet::Event,
        Some(b'3') => Packet::Ack,
        Some(b'4') => Packet::ConnectError,
        Some(b'5') => Packet::BinaryEvent,
        Some(b'6') => Packet::BinaryAck,
        _ => return Err(unknown(2)),
    };
    let mut rest = &text[2..];
    let mut attachments = None;
    if matches!(packet, Packet::BinaryEvent | Packet::BinaryAck) {
        let digits = digits(rest);
        let count = rest[..digits].parse::<u32>();
        rest =
            rest[digits..].strip_prefix('-').filter(|_| digits > 0).ok_or(FrameError::NoAttachmentCount)?;
        attachments = Some(count.map_err(|_| FrameError::NumberTooLarge("attachment count"))?);
    }
    let mut namespace = None;
    if rest.starts_with('/') {
        let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
        (namespace, rest) = (Some(name), after);
    }
    let mut ack_id = None;
    let digits = digits(rest);
    if digits > 0 && (packet.is_event() || packet.is_ack()) {
        let id = rest[..digits].parse().map_err(|_| FrameError::NumberTooLarge("ack id"))?;
        (ack_id, rest) = (Some(id), &rest[digits..]);
    }
    Ok(Head { packet, attachments, namespace, ack_id, rest })
}

/// Whether `text` is whole, padded base64.
fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests;
