//! The profile file. Each field's comment is its manual.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stele_model::DocType;
use stele_model::json::Kind;

use crate::time::TimeForm;

/// One format. Every key that a file leaves out has the value of `profiles/base.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What the format is called in the lake and on the command line.
    pub name: String,
    /// One line for people.
    pub about: String,
    /// What tells the format: a record fits if any of these patterns fits it, and the profile
    /// that most of the first records fit is taken. Names of files play no part.
    pub detect: Vec<Detect>,
    /// For a document that wraps its records: where they are, such as `log.entries[].messages[]`.
    /// Such a profile is taken when the path up to the first `[]` is there; `detect` is not
    /// asked. Left out, the elements of a root array of objects are the records, and any other
    /// root is one record.
    #[serde(default)]
    pub records: Option<String>,
    /// Members that name the event, in order of precedence; the first that holds a string wins.
    pub event: Vec<String>,
    /// Members that name the event by being the record's only one.
    pub event_sole: Vec<String>,
    /// What comment lines of this format begin with. They are kept beside the records.
    pub control: Vec<String>,
    /// Members that hold the payload, in order of precedence.
    pub payload: Vec<String>,
    /// Whether the payload member always holds the array of all arguments, so that `payload.x`
    /// means member `x` of a sole argument.
    pub payload_is_args: bool,
    /// A member whose string is an Engine.IO frame. It names the event and holds the payload.
    #[serde(default)]
    pub frame: Option<String>,
    /// Zone of times that state none, such as `America/New_York`. The command line goes first.
    #[serde(default)]
    pub timezone: Option<String>,
    /// Members that state the time. One that states UTC goes before one that needs a zone, and
    /// one that can be read before one that cannot; otherwise the first goes first.
    pub time: Vec<TimeMember>,
    /// Members that fill the other columns of the lake.
    pub members: Members,
    /// Which way a message went.
    pub direction: DirectionRule,
    /// Members that differ for records of one event.
    pub by_event: BTreeMap<String, EventMembers>,
    /// What a record is about.
    pub doc_type: DocTypeRule,
    /// Objects whose keys are data, where evidence is not to decide.
    pub fold: FoldRules,
}

/// A pattern for the members of a record. Everything that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detect {
    /// Members that must be there.
    pub required: Vec<String>,
    /// Members that must not be there.
    pub forbidden: Vec<String>,
    /// The record must have these members and no others.
    pub only: Vec<String>,
    /// Members that must be of one of these kinds: `array`, `boolean`, `integer`, `null`,
    /// `number`, `object` or `string`.
    pub kinds: BTreeMap<String, Vec<KindName>>,
    /// Members that must be one of these strings.
    pub values: BTreeMap<String, Vec<String>>,
}

/// A JSON kind by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of JSON Schema")]
pub enum KindName {
    Array,
    Boolean,
    Integer,
    Null,
    Number,
    Object,
    String,
}

impl KindName {
    pub(crate) fn is(self, kind: Kind) -> bool {
        let own = match self {
            KindName::Array => Kind::Array,
            KindName::Boolean => Kind::Boolean,
            KindName::Integer => Kind::Integer,
            KindName::Null => Kind::Null,
            KindName::Number => Kind::Number,
            KindName::Object => Kind::Object,
            KindName::String => Kind::String,
        };
        own == kind
    }
}

/// A member that states the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeMember {
    /// Where it stands: `ts`, `meta.at` or `payload.timestamp`.
    pub member: String,
    /// How it is written.
    pub form: TimeForm,
}

/// Where the columns of the lake come from: for each a list of places such as `game_id`,
/// `meta.game` or `payload.gameId`, of which the first that holds a usable value is taken. A
/// column that no place fills stays empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    /// The sequence number that the record states. An integer.
    pub seq: Vec<String>,
    /// The id that the record's own system gave it. A string or an integer.
    pub original_id: Vec<String>,
    /// The program or platform that wrote the record. A string or an integer.
    pub platform: Vec<String>,
    /// The recording session. A string or an integer.
    pub session_id: Vec<String>,
    /// The game. A string or an integer.
    pub game_id: Vec<String>,
    /// The player. A string or an integer.
    pub player_id: Vec<String>,
    /// The player's name. A string.
    pub username: Vec<String>,
    /// Price. A number, or a string that holds one.
    pub price: Vec<String>,
    /// Tick number. An integer.
    pub tick: Vec<String>,
    /// Cash. A number, or a string that holds one.
    pub cash: Vec<String>,
    /// Position. A number, or a string that holds one.
    pub position_qty: Vec<String>,
}

/// The same for records of one event; what is left out is as for every other record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventMembers {
    /// See [`Members::original_id`].
    pub original_id: Option<Vec<String>>,
    /// See [`Members::session_id`].
    pub session_id: Option<Vec<String>>,
    /// See [`Members::game_id`].
    pub game_id: Option<Vec<String>>,
    /// See [`Members::player_id`].
    pub player_id: Option<Vec<String>>,
    /// See [`Members::username`].
    pub username: Option<Vec<String>>,
    /// See [`Members::price`].
    pub price: Option<Vec<String>>,
    /// See [`Members::tick`].
    pub tick: Option<Vec<String>>,
    /// See [`Members::cash`].
    pub cash: Option<Vec<String>>,
    /// See [`Members::position_qty`].
    pub position_qty: Option<Vec<String>>,
}

/// Which way a message went. What neither list holds is unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectionRule {
    /// Members that say so, in order of precedence.
    pub members: Vec<String>,
    /// Values that mean: from the recording side to its peer.
    pub sent: Vec<String>,
    /// Values that mean: from the peer to the recording side.
    pub received: Vec<String>,
}

/// What a record is about, and with it the first partition of the lake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocTypeRule {
    /// A member that names the doc type itself. A name that is none is passed over.
    #[serde(default)]
    pub member: Option<String>,
    /// Doc types of certain events.
    pub events: BTreeMap<String, DocType>,
    /// The doc type of a record that names no event; `default` unless given.
    #[serde(default)]
    pub unnamed: Option<DocType>,
    /// The doc type of all others.
    pub default: DocType,
}

/// Which objects are folded into `.{}` and which are not, as paths from the record's root.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FoldRules {
    /// Objects that are folded, whatever the evidence says.
    pub force: Vec<String>,
    /// Objects that are not folded, whatever the evidence says.
    pub forbid: Vec<String>,
}
