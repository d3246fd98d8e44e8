//! `dictionary_notes.toml`: what people know about a protocol.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::RenderError;

const DOCUMENT: &str = "dictionary notes file";

/// The side file. Every part of it is optional:
///
/// ```toml
/// [protocol]
/// title = "Lobby protocol"
/// purpose = "What players and the lobby tell each other."
///
/// [events.tick]
/// purpose = "The state of the game, four times a second."
/// status = "verified"
/// evidence = ["lobby.jsonl:12"]
///
/// [events.tick.paths."data.price"]
/// note = "Starts at 1 and never falls below 0."
/// unit = "x"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notes {
    /// About the protocol as a whole.
    pub protocol: ProtocolNote,
    /// About events, by name.
    pub events: BTreeMap<String, EventNote>,
}

/// About the protocol as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtocolNote {
    /// Heading of the page.
    pub title: Option<String>,
    /// What the protocol is for.
    pub purpose: Option<String>,
    /// Anything else, as Markdown.
    pub note: Option<String>,
}

/// About one event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventNote {
    /// What the event is for.
    pub purpose: Option<String>,
    /// Anything else, as Markdown.
    pub note: Option<String>,
    /// How far the event is understood.
    pub status: Status,
    /// Places that show it, as `file:line` or a link.
    pub evidence: Vec<String>,
    /// About paths of the event, as they are written in the catalogue.
    pub paths: BTreeMap<String, PathNote>,
}

/// About one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PathNote {
    /// What the field is for.
    pub purpose: Option<String>,
    /// Anything else.
    pub note: Option<String>,
    /// Unit of the values.
    pub unit: Option<String>,
    /// How far the field is understood.
    pub status: Status,
    /// Places that show it, as `file:line` or a link.
    pub evidence: Vec<String>,
}

/// How far something is understood. Only a person promotes, and only with evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was seen.
    #[default]
    Observed,
    /// A person checked what it means.
    Verified,
    /// It is agreed on, and may be relied upon.
    Canonical,
}

impl Status {
    /// The name in the side file.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Observed => "observed",
            Status::Verified => "verified",
            Status::Canonical => "canonical",
        }
    }
}

impl Notes {
    /// Reads a side file.
    ///
    /// # Errors
    ///
    /// [`RenderError`] that names an unknown key, a malformed line, or a promotion without evidence.
    pub fn parse(text: &str) -> Result<Self, RenderError> {
        let notes: Notes = toml::from_str(text)
            .map_err(|error| RenderError::Unreadable { document: DOCUMENT, problem: error.to_string() })?;
        for (event, note) in &notes.events {
            check(&format!("`{event}`"), note.status, &note.evidence)?;
            for (path, note) in &note.paths {
                check(&format!("`{path}` of `{event}`"), note.status, &note.evidence)?;
            }
        }
        Ok(notes)
    }
}

fn check(subject: &str, status: Status, evidence: &[String]) -> Result<(), RenderError> {
    if status > Status::Observed && evidence.iter().all(|place| place.trim().is_empty()) {
        return Err(RenderError::NoEvidence { subject: subject.to_owned(), status: status.name() });
    }
    Ok(())
}
