//! A record and what is known about it without looking inside its payload.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Micros;

/// What a record is about; the first partition of the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DocType {
    /// A message of a WebSocket protocol.
    WsEvent,
    /// One tick of one game.
    GameTick,
    /// Something a player did.
    PlayerAction,
    /// A snapshot of what a server believes.
    ServerState,
    /// Connections, control records, starts and ends.
    SystemEvent,
    /// A help-desk ticket.
    Ticket,
    /// A conversation.
    Conversation,
    /// A help article.
    Article,
    /// An attachment.
    Attachment,
    /// A document.
    Document,
    /// A row of a table, or any record that says nothing more about itself.
    Row,
}

impl DocType {
    /// Every doc type.
    pub const ALL: [DocType; 11] = [
        DocType::WsEvent,
        DocType::GameTick,
        DocType::PlayerAction,
        DocType::ServerState,
        DocType::SystemEvent,
        DocType::Ticket,
        DocType::Conversation,
        DocType::Article,
        DocType::Attachment,
        DocType::Document,
        DocType::Row,
    ];

    /// The name in the lake, in files and in SQL.
    pub const fn name(self) -> &'static str {
        match self {
            DocType::WsEvent => "ws_event",
            DocType::GameTick => "game_tick",
            DocType::PlayerAction => "player_action",
            DocType::ServerState => "server_state",
            DocType::SystemEvent => "system_event",
            DocType::Ticket => "ticket",
            DocType::Conversation => "conversation",
            DocType::Article => "article",
            DocType::Attachment => "attachment",
            DocType::Document => "document",
            DocType::Row => "row",
        }
    }

    /// The doc type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|doc_type| doc_type.name() == name)
    }
}

/// Which way a message went. Unknown is `None` and stays unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the recording side to its peer.
    Sent,
    /// From the peer to the recording side.
    Received,
}

impl Direction {
    /// The name in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Sent => "sent",
            Direction::Received => "received",
        }
    }
}

/// How far a time can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeQuality {
    /// The record states its offset, or an epoch.
    Utc,
    /// A naive time that was read in a declared zone.
    ZoneApplied,
    /// A naive time in an unknown zone.
    Naive,
    /// The record states no time; only the time of ingest is known.
    Ingest,
}

impl TimeQuality {
    /// The name in the lake.
    pub const fn name(self) -> &'static str {
        match self {
            TimeQuality::Utc => "utc",
            TimeQuality::ZoneApplied => "zone_applied",
            TimeQuality::Naive => "naive",
            TimeQuality::Ingest => "ingest",
        }
    }
}

/// What a change of the clocks makes of a naive time in a declared zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockChange {
    /// The clocks were set back and showed it twice; it is read as the first showing.
    Repeated,
    /// The clocks were set forward and never showed it; it is read with the offset before the gap.
    Skipped,
}

/// When a record says that it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct EventTime<'a> {
    /// As written; `None` where the record states no time.
    pub raw: Option<Cow<'a, str>>,
    /// UTC for [`TimeQuality::Utc`] and [`TimeQuality::ZoneApplied`]; wall clock for
    /// [`TimeQuality::Naive`]; `None` where nothing could be read.
    pub micros: Option<Micros>,
    /// What `micros` means.
    pub quality: TimeQuality,
    /// Whether `micros` is one of two possible readings; only under [`TimeQuality::ZoneApplied`].
    pub change: Option<ClockChange>,
}

impl EventTime<'_> {
    /// The instant, if it is known to be UTC.
    pub fn utc(&self) -> Option<Micros> {
        match self.quality {
            TimeQuality::Utc | TimeQuality::ZoneApplied => self.micros,
            TimeQuality::Naive | TimeQuality::Ingest => None,
        }
    }
}

/// What is known about a record from its outermost fields. `None` is "the record does not say":
/// nothing here is ever invented.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The first partition of the lake.
    pub doc_type: DocType,
    /// The event's name, or `unknown`.
    pub event_type: Cow<'a, str>,
    /// When it happened.
    pub time: EventTime<'a>,
    /// The program or platform that wrote the record.
    pub platform: Option<Cow<'a, str>>,
    /// The id that the record's own system gave it.
    pub original_id: Option<Cow<'a, str>>,
    /// The recording session.
    pub session_id: Option<Cow<'a, str>>,
    /// The game.
    pub game_id: Option<Cow<'a, str>>,
    /// The player.
    pub player_id: Option<Cow<'a, str>>,
    /// The player's name.
    pub username: Option<Cow<'a, str>>,
    /// The sequence number that the record states.
    pub seq: Option<i64>,
    /// Which way the message went.
    pub direction: Option<Direction>,
    /// Price.
    pub price: Option<f64>,
    /// Tick number.
    pub tick: Option<i64>,
    /// Cash.
    pub cash: Option<f64>,
    /// Position.
    pub position_qty: Option<f64>,
    /// The payload's place on the record's tape.
    pub payload: Option<Payload>,
}

/// Where a record's payload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    /// Index of the payload's node on the record's tape.
    pub node: u32,
    /// The member of the root that holds it, as an index on the same tape.
    pub holder: u32,
    /// Whether the payload was taken out of a traced pair `[{"__trace":…}, payload]`.
    pub traced: bool,
}

/// The event type of a record that names none.
pub const UNKNOWN_EVENT: &str = "unknown";
