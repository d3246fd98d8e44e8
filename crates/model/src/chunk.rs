//! What is found again: a short text made from what the lake holds, with where it comes from.

use serde::{Deserialize, Serialize};

use crate::id::IdHasher;
use crate::{ChunkId, Micros};

/// Version of the rules by which texts are made. It is part of every id, so chunks of two policies
/// never pass for each other.
pub const CHUNK_POLICY: u32 = 1;

/// What a chunk tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkKind {
    /// All events of a lake.
    Protocol,
    /// One event type.
    Event,
    /// One path of one event type.
    Field,
    /// One record.
    Record,
    /// One game: what its records come to.
    Game,
    /// One session of one input.
    Session,
    /// A section of a document, or a part of one.
    Section,
    /// A thing that a help desk has, as its newest record tells it, or a part of what it says.
    Object,
}

impl ChunkKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Protocol,
        Self::Event,
        Self::Field,
        Self::Record,
        Self::Game,
        Self::Session,
        Self::Section,
        Self::Object,
    ];

    /// The name in tables, answers and filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Event => "event",
            Self::Field => "field",
            Self::Record => "record",
            Self::Game => "game",
            Self::Session => "session",
            Self::Section => "section",
            Self::Object => "object",
        }
    }

    /// Reads back what [`ChunkKind::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A text with where it comes from. It states nothing that its source does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Follows from everything else here.
    pub id: ChunkId,
    /// What is embedded, searched and shown.
    pub text: String,
    /// Where it comes from and what it can be filtered by.
    pub metadata: ChunkMetadata,
}

/// Where a chunk comes from. What is not known is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkMetadata {
    /// What it tells about.
    pub kind: ChunkKind,
    /// The input that it was made from; `catalogue` if it was made from all of them.
    pub source: String,
    /// The doc type of its records, or `catalogue`.
    pub doc_type: String,
    /// Whose data it is.
    pub tenant: String,
    /// One line that names it.
    pub title: String,
    /// The event type, if it tells about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// The path, if it tells about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The game, if all of it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub game_id: Option<String>,
    /// Time of the record, or of the first of them, in microseconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<Micros>,
    /// Line of the (first) record in `place`, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Content offset of the record's first byte, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub byte_offset: Option<u64>,
    /// The section that it is a part of, as the graph names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Which part of it, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u64>,
    /// What its document is filed under, sorted, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The input that `line` counts in, where `source` does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl ChunkMetadata {
    /// What every chunk states; what else is known is put in afterwards.
    pub fn new(
        kind: ChunkKind,
        source: impl Into<String>,
        doc_type: impl Into<String>,
        tenant: impl Into<String>,
        title: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            source: source.into(),
            doc_type: doc_type.into(),
            tenant: tenant.into(),
            title: title.into(),
            event_type: None,
            path: None,
            game_id: None,
            ts: None,
            line: None,
            byte_offset: None,
            section: None,
            part: None,
            tags: Vec::new(),
            place: None,
        }
    }
}

impl Chunk {
    /// A chunk whose id follows from its text and its origin.
    pub fn new(text: String, metadata: ChunkMetadata) -> Self {
        let number = |value: Option<u64>| value.map_or(Vec::new(), |value| value.to_le_bytes().to_vec());
        let word = |value: &Option<String>| value.clone().unwrap_or_default();
        let hasher = IdHasher::new("chunk")
            .part(&CHUNK_POLICY.to_le_bytes())
            .part(metadata.kind.name().as_bytes())
            .part(metadata.tenant.as_bytes())
            .part(metadata.source.as_bytes())
            .part(&number(metadata.byte_offset))
            .part(word(&metadata.event_type).as_bytes())
            .part(word(&metadata.path).as_bytes())
            .part(word(&metadata.game_id).as_bytes())
            .part(text.as_bytes());
        // Equal headings of one document have equal texts, perhaps.
        let hasher = match &metadata.section {
            Some(section) => hasher.part(section.as_bytes()).part(&number(metadata.part)),
            None => hasher,
        };
        Self { id: ChunkId(hasher.finish()), text, metadata }
    }
}
