//! `asyncapi.yaml`: the observed protocol as an AsyncAPI 3.0 document.
//!
//! Every event is a channel with one message. An operation says who sends it, as seen from the
//! recording side, and is written only where the records say so; nothing is guessed. Payloads are
//! the schemas of [`super::schema`], which keep to what AsyncAPI's own schema dialect shares with
//! JSON Schema.

use std::collections::BTreeSet;
use std::io;

use stele_model::Direction;

use super::emit::{Emitter, Style};
use super::facts;
use super::schema::Writer;
use crate::view::{CatalogueView, EventView, Step};

/// The version of AsyncAPI that is written.
pub const ASYNCAPI: &str = "3.0.0";

/// Members of a record that may state its direction.
const DIRECTION_MEMBERS: [&str; 2] = ["direction", "type"];

/// Words for a direction, from the recording side.
const DIRECTION_WORDS: [(&str, Direction); 4] = [
    ("sent", Direction::Sent),
    ("send", Direction::Sent),
    ("received", Direction::Received),
    ("receive", Direction::Received),
];

/// What the document says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsyncApiOptions {
    /// Name of the protocol.
    pub title: String,
    /// Version of the protocol's description.
    pub version: String,
}

impl Default for AsyncApiOptions {
    fn default() -> Self {
        Self { title: String::from("Observed protocol"), version: String::from("0.0.0") }
    }
}

/// Writes the document.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView, options: &AsyncApiOptions) -> io::Result<()> {
    let keys = keys(view);
    let events = || keys.iter().map(String::as_str).zip(&view.events);
    let mut emitter = Emitter::new(out, Style::Yaml);
    let e = &mut emitter;
    e.object();
    e.field("asyncapi", ASYNCAPI);
    e.key("info");
    e.object();
    e.field("title", &options.title);
    e.field("version", &options.version);
    e.field("description", &description(view));
    e.end();
    e.field("defaultContentType", "application/json");
    e.key("channels");
    e.object();
    for (key, event) in events() {
        e.key(key);
        e.object();
        e.field("address", &event.name);
        e.key("messages");
        e.object();
        e.key(key);
        reference(e, &format!("#/components/messages/{key}"));
        e.end();
        e.end();
    }
    e.end();
    e.key("operations");
    e.object();
    for (key, event) in events() {
        for direction in directions(event) {
            operation(e, key, direction);
        }
    }
    e.end();
    e.key("components");
    e.object();
    e.key("messages");
    e.object();
    for (key, event) in events() {
        e.key(key);
        e.object();
        e.field("name", &event.name);
        e.field("contentType", "application/json");
        e.field_count("x-frequency", event.records);
        e.field_raw("x-share", &facts::share(event.records, view.records));
        e.key("payload");
        reference(e, &format!("#/components/schemas/{key}"));
        e.end();
    }
    e.end();
    e.key("schemas");
    e.object();
    for (key, event) in events() {
        // A dot followed by the path's index cannot end another event's key: see `keys`.
        let mut writer = Writer::new(event, false, &format!("#/components/schemas/{key}."));
        e.key(key);
        writer.subschema(e, 0);
        while let Some(index) = writer.next_deep() {
            e.key(&format!("{key}.{index}"));
            writer.subschema(e, index);
        }
    }
    e.end();
    e.end();
    e.end();
    emitter.finish()
}

fn description(view: &CatalogueView) -> String {
    format!("Observed: {}. What was not observed is not here.", super::md::size(view))
}

fn reference(e: &mut Emitter<'_>, target: &str) {
    e.object();
    e.field("$ref", target);
    e.end();
}

fn operation(e: &mut Emitter<'_>, key: &str, direction: Direction) {
    let action = match direction {
        Direction::Sent => "send",
        Direction::Received => "receive",
    };
    e.key(&format!("{action}_{key}"));
    e.object();
    e.field("action", action);
    e.key("channel");
    reference(e, &format!("#/channels/{key}"));
    e.key("messages");
    e.array();
    reference(e, &format!("#/channels/{key}/messages/{key}"));
    e.end();
    e.end();
}

/// The directions that the records of an event state; none where a single record is silent or says
/// something else, because then the member may mean something else altogether.
fn directions(event: &EventView) -> BTreeSet<Direction> {
    let stated = |name: &str| {
        let path =
            event.tree.iter().find(|path| path.parent == 0 && path.step == Step::Member(name.to_owned()))?;
        if !path.enumerated || path.records != event.records {
            return None;
        }
        path.values.iter().map(|value| direction(&value.json)).collect::<Option<BTreeSet<_>>>()
    };
    DIRECTION_MEMBERS.into_iter().find_map(stated).unwrap_or_default()
}

fn direction(json: &str) -> Option<Direction> {
    let word = json.strip_prefix('"')?.strip_suffix('"')?;
    DIRECTION_WORDS.iter().find(|(known, _)| *known == word).map(|(_, direction)| *direction)
}

/// A name for each event that may stand in a component key and in a JSON pointer: letters, digits,
/// `_` and `-`. Names that would fall together are numbered.
fn keys(view: &CatalogueView) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let plain: Vec<String> = view.events.iter().map(|event| plain(&event.name)).collect();
    // An event whose name is a key already keeps it, whatever comes before it.
    let own: BTreeSet<&str> = view
        .events
        .iter()
        .zip(&plain)
        .filter(|(event, key)| event.name == **key)
        .map(|(_, key)| key.as_str())
        .collect();
    let mut keys = Vec::with_capacity(plain.len());
    for (event, plain) in view.events.iter().zip(&plain) {
        let mut key = plain.clone();
        let mut number = 2;
        while event.name != key && (own.contains(key.as_str()) || taken.contains(&key)) {
            key = format!("{plain}_{number}");
            number += 1;
        }
        taken.insert(key.clone());
        keys.push(key);
    }
    keys
}

fn plain(name: &str) -> String {
    let replace = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
    let key: String = name.chars().map(replace).collect();
    if key.is_empty() { String::from("_") } else { key }
}
