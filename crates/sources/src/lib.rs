//! What is out there, and what changed? Inputs, their content, and what a record says about
//! itself.
//!
//! The loop that drives this crate:
//!
//! ```
//! # use stele_sources::{open_reader, OpenOptions, PieceKind, Profiles, FrameScratch};
//! # use stele_model::json::Tape;
//! # let reader = Box::new(&br#"{"seq":1,"ts":"2025-01-02T03:04:05","event":"tick","data":{"price":1.5}}"#[..]);
//! let mut source = open_reader("stdin:-", reader, &Profiles::builtin(), &OpenOptions::default())?;
//! let (mut tape, mut frames) = (Tape::default(), FrameScratch::default());
//! while let Some(block) = source.next_block()? {
//!     for piece in block.pieces() {
//!         if let (PieceKind::Line | PieceKind::Record, Ok(raw)) = (piece.kind, str::from_utf8(piece.bytes)) {
//!             let format = source.format();
//!             let text = format.json_of(raw)?;
//!             if tape.parse(text).is_ok() {
//!                 let envelope = format.read(raw, &tape, &mut frames);
//!                 assert_eq!(envelope.event_type, "tick");
//!                 assert_eq!(envelope.price, Some(1.5));
//!             }
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`find`] lists inputs, [`open`] recognises one by its content and gives a [`Source`] of
//! [`Block`]s, [`Format`] reads the envelope of a record, [`frame`] decodes Engine.IO and
//! Socket.IO. Formats are profiles in TOML ([`profile`]); adding one needs no code.
//!
//! What is not here: no JSON is judged (that is [`stele_model::json`]), nothing is counted and
//! nothing is stored.

mod block;
mod content;
mod detect;
mod document;
mod error;
mod find;
mod format;
pub mod frame;
mod lines;
mod open;
pub mod profile;
mod source;
mod time;
mod whole;

pub use block::{Block, Layout, Part, PartKind, Piece, PieceKind, Pieces};
pub use content::Content;
pub use error::SourceError;
pub use find::{FindOptions, Found, Input, Skipped, absolute, find, path_of, uri_of};
pub use format::{Format, FrameScratch};
pub use jiff::Timestamp;
pub use jiff::tz::TimeZone;
pub use open::{Head, OpenOptions, Prefixes, Resume, open, open_reader, prefix_hashes, prefixes};
pub use profile::Profiles;
pub use source::Source;
pub use whole::{Recognised, WholeFormats};

/// What a block holds unless the caller says otherwise: large enough that handing it over costs
/// nothing, small enough that a dozen in flight stay far below the memory limit.
pub const BLOCK_BYTES: usize = 4 << 20;

/// Longest line, or record of a document, that is kept in one piece. A thousand times the
/// longest that was seen, and still a small part of the memory limit.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// Longest piece of what cannot be a record.
pub const PIECE_BYTES_MAX: usize = 4 << 20;

/// How much content is read before the format is decided, and what [`Head`] covers.
pub const HEAD_BYTES: usize = 1 << 20;
