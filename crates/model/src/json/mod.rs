//! One pass over a JSON text, kept as a flat tape that everything else reads.
//!
//! A record is parsed exactly once. Discovery counts from the tape, the envelope is taken from it
//! and frames are decoded with it, so nobody parses again and nothing is copied: a [`Node`] holds
//! byte ranges of the text, in document order, and knows where its subtree ends.
//!
//! The grammar is RFC 8259 to the letter. Number spelling, key order, duplicate keys and lone
//! surrogate escapes are legal JSON and stay as they are; `NaN`, trailing text and control
//! characters inside strings are not, and are refused with the byte where reading stopped.
//!
//! ```
//! use stele_model::json::{Kind, Tape};
//!
//! let mut tape = Tape::default();
//! let text = r#"{"event":"tick","data":{"price":1.0}}"#;
//! tape.parse(text)?;
//! let root = tape.value(text, 0);
//! assert_eq!(root.kind(), Kind::Object);
//! assert_eq!(root.member("event").and_then(|v| v.as_str()).as_deref(), Some("tick"));
//! # Ok::<(), stele_model::json::SyntaxError>(())
//! ```

mod parse;
mod text;
mod value;

pub use parse::{DEPTH_MAX, SyntaxError, SyntaxProblem, TEXT_BYTES_MAX};
pub use text::{quote, unescape};
pub use value::{Children, Value};

/// What a JSON value is. An integer is a number whose literal has no `.`, `e` or `E`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// `[…]`
    Array = 0,
    /// `true` or `false`
    Boolean = 1,
    /// A number without `.`, `e` and `E`
    Integer = 2,
    /// `null`
    Null = 3,
    /// Any other number
    Number = 4,
    /// `{…}`
    Object = 5,
    /// `"…"`
    String = 6,
}

impl Kind {
    /// Every kind, in alphabetical order, which is also the order of the discriminants.
    pub const ALL: [Kind; 7] =
        [Kind::Array, Kind::Boolean, Kind::Integer, Kind::Null, Kind::Number, Kind::Object, Kind::String];

    /// The JSON Schema name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Array => "array",
            Kind::Boolean => "boolean",
            Kind::Integer => "integer",
            Kind::Null => "null",
            Kind::Number => "number",
            Kind::Object => "object",
            Kind::String => "string",
        }
    }
}

/// One value of a parsed text: byte ranges into that text and the end of its subtree.
#[derive(Debug, Clone, Copy)]
pub struct Node {
    /// First byte of the value.
    pub start: u32,
    /// One past the last byte of the value.
    pub end: u32,
    /// First byte of the member's key, inside the quotes. Meaningless unless [`Node::has_key`].
    pub key_start: u32,
    /// Length of the key as written, in bytes.
    pub key_len: u32,
    /// Index of the first node after this subtree.
    pub next: u32,
    /// What the value is.
    pub kind: Kind,
    flags: u8,
    /// Bytes that the escapes of a string take beyond one a character; saturated.
    escape_bytes: u16,
}

const HAS_KEY: u8 = 1;
const KEY_ESCAPED: u8 = 2;
const DIGIT_KEYS: u8 = 4;

impl Node {
    /// Whether the value is the member of an object.
    #[inline]
    pub fn has_key(&self) -> bool {
        self.flags & HAS_KEY != 0
    }

    /// Whether the key is written with escapes and must be unescaped before it is compared.
    #[inline]
    pub fn key_escaped(&self) -> bool {
        self.flags & KEY_ESCAPED != 0
    }

    /// Whether the string value is written with escapes.
    #[inline]
    pub fn text_escaped(&self) -> bool {
        self.escape_bytes != 0
    }

    /// Characters of the string `literal` that this node was parsed from, quotes left out. An
    /// escape is one character, and so is a pair of surrogate escapes. `ascii`: the caller knows
    /// that the literal holds no byte above 0x7f.
    #[inline]
    pub fn characters(&self, literal: &str, ascii: bool) -> usize {
        let inside = &literal[1..literal.len() - 1];
        let written = if ascii { inside.len() } else { inside.chars().count() };
        if self.escape_bytes == u16::MAX {
            return written - text::escape_bytes(inside.as_bytes());
        }
        written - usize::from(self.escape_bytes)
    }

    /// Whether the value is an object that has keys, all of which are ASCII decimal digits.
    #[inline]
    pub fn digit_keys(&self) -> bool {
        self.flags & DIGIT_KEYS != 0
    }
}

/// A parsed text as nodes in document order; node 0 is the root. Reuse one tape for many texts:
/// its memory is kept.
#[derive(Debug, Default)]
pub struct Tape {
    nodes: Vec<Node>,
    open: Vec<u32>,
}

impl Tape {
    /// The nodes in document order. Empty before the first successful parse.
    #[inline]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

#[cfg(test)]
mod tests;
