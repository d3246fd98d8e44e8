//! One line of a segment: what was said, byte for byte, and who said it when beside it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use stele_model::Micros;

/// The doc type of what is said about the connection rather than through it.
pub(crate) const SYSTEM: &str = "system_event";

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Direction {
    Sent,
    Received,
}

/// A message of a feed, as it travelled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// An Engine.IO frame, as text.
    Frame(&'a str),
    /// A binary attachment of one.
    Attachment(&'a [u8]),
    /// Text of a socket that knows no frames.
    Text(&'a str),
    /// Bytes of one.
    Bytes(&'a [u8]),
}

impl Body<'_> {
    pub fn len(&self) -> usize {
        match self {
            Body::Frame(text) | Body::Text(text) => text.len(),
            Body::Attachment(bytes) | Body::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether it is a part of a message that came before it. Over requests it comes as text.
    pub fn is_attachment(&self) -> bool {
        match self {
            Body::Attachment(_) => true,
            Body::Frame(frame) => frame.starts_with('b'),
            Body::Text(_) | Body::Bytes(_) => false,
        }
    }
}

/// One line. What is `None` is left out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Line<'a> {
    /// Run and connection, such as `3-7`; what came through one connection has one.
    pub connection: &'a str,
    /// When it was received.
    pub ts: String,
    /// The same, where `ts` is the time of its sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'a str>,
    /// The id that its sender gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_id: Option<&'a str>,
    /// The number that the feed gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// The socket of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<&'a str>,
    /// An Engine.IO frame; `b` and base64 for a binary one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<&'a str>,
    /// Text that is JSON, byte for byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
    /// Text that is none, or that has line breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'a str>,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base64: Option<&'a str>,
}

impl Line<'_> {
    /// Appends it with its line feed, as a line of `capture` with the number `seq` in its run.
    pub fn write(&self, capture: &str, seq: u64, to: &mut Vec<u8>) {
        let before = to.len();
        // The name of a capture needs no escapes.
        to.extend_from_slice(format!("{{\"capture\":\"{capture}\",\"seq\":{seq},").as_bytes());
        // Strings and numbers only: what cannot be written is not among them. A line that was cut short would
        // be read as damage, so there is none then.
        match serde_json::to_writer(SkipFirst { to, begun: false }, self) {
            Ok(()) => to.push(b'\n'),
            Err(_) => to.truncate(before),
        }
    }
}

/// Writes all but the first byte, the brace that stands there already.
struct SkipFirst<'a> {
    to: &'a mut Vec<u8>,
    begun: bool,
}

impl std::io::Write for SkipFirst<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let skip = usize::from(!self.begun && !bytes.is_empty());
        self.begun |= skip == 1;
        self.to.extend_from_slice(&bytes[skip..]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A text as JSON that a line can hold byte for byte, if it is that.
pub(crate) fn json_of(text: &str) -> Option<&RawValue> {
    if text.contains(['\n', '\r']) {
        return None;
    }
    serde_json::from_str::<&RawValue>(text).ok().filter(|value| value.get().len() == text.len())
}

/// An instant as text, in UTC.
pub(crate) fn instant(at: Micros) -> String {
    // Beyond the calendar there is no clock.
    Timestamp::from_microsecond(at).unwrap_or_default().to_string()
}

/// The same backwards.
pub(crate) fn micros(text: &str) -> Option<Micros> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
}

/// The beginning of a text, for people.
pub(crate) fn begin_of(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
