//! One text a record: its event and what it states, as it states it.
//!
//! Ticks are left out: there are thousands a game, each says next to nothing, and the text of the
//! game says what they come to.

use stele_model::json::{Kind, Value};
use stele_model::path::Segment;
use stele_model::{Chunk, ChunkKind, ChunkMetadata, DocType, path};

use super::objects;
use crate::judge::Accepted;

/// Bytes of one text, about: names and numbers have a token in two or three bytes, so that the window
/// of a small sentence model takes in all of it.
const TEXT_BYTES_MAX: usize = 450;

/// Bytes of one value; longer strings lose their end, with a mark.
const VALUE_BYTES_MAX: usize = 120;

/// Elements of one list that are read: what follows repeats their shape.
const ELEMENTS_MAX: usize = 3;

/// Depth beyond which nothing is said.
const DEPTH_MAX: usize = 6;

/// Whether records of this kind get a text each.
pub(super) fn has_text(doc_type: DocType) -> bool {
    doc_type != DocType::GameTick
}

/// Where a record stands.
pub(super) struct Place<'a> {
    pub(super) tenant: &'a str,
    pub(super) source: &'a str,
    pub(super) line_no: u64,
    pub(super) byte_offset: u64,
}

/// The text of a record; `None` if there is nothing to say about it.
pub(super) fn text_of(record: &Accepted<'_>, event: &str, place: &Place<'_>) -> Option<Chunk> {
    let envelope = &record.envelope;
    if !has_text(envelope.doc_type) || objects::is_of_one(record, place.source) {
        return None;
    }
    let mut said = Said { text: format!("{event}:"), path: String::new(), count: 0 };
    said.value(record.root(), 0);
    if said.count == 0 {
        return None;
    }
    let metadata = ChunkMetadata {
        event_type: Some(event.to_owned()),
        game_id: envelope.game_id.as_deref().map(str::to_owned),
        ts: envelope.time.utc(),
        line: Some(place.line_no),
        byte_offset: Some(place.byte_offset),
        ..ChunkMetadata::new(
            ChunkKind::Record,
            place.source,
            envelope.doc_type.name(),
            place.tenant,
            format!("{event} record"),
        )
    };
    Some(Chunk::new(said.text, metadata))
}

/// A text as it grows.
struct Said {
    text: String,
    path: String,
    count: usize,
}

impl Said {
    fn value(&mut self, value: Value<'_>, depth: usize) {
        if self.text.len() > TEXT_BYTES_MAX || depth > DEPTH_MAX {
            return;
        }
        let length = self.path.len();
        match value.kind() {
            Kind::Object => {
                for member in value.children() {
                    let Some(key) = member.key() else { continue };
                    path::push(&mut self.path, Segment::Member(&key));
                    self.value(member, depth + 1);
                    self.path.truncate(length);
                }
            }
            Kind::Array => {
                path::push(&mut self.path, Segment::Element);
                for element in value.children().take(ELEMENTS_MAX) {
                    self.value(element, depth + 1);
                }
                self.path.truncate(length);
            }
            Kind::String => {
                let text = value.as_str().unwrap_or_default();
                let cut = text.char_indices().map(|(at, _)| at).find(|at| *at >= VALUE_BYTES_MAX);
                match cut {
                    Some(at) => self.say(&format!("{}…", &text[..at])),
                    None => self.say(&text),
                }
            }
            _ => self.say(value.raw()),
        }
    }

    fn say(&mut self, value: &str) {
        self.text.push_str(if self.count == 0 { " " } else { ", " });
        if !self.path.is_empty() {
            self.text.push_str(&self.path);
            self.text.push(' ');
        }
        self.text.push_str(value);
        self.count += 1;
    }
}
