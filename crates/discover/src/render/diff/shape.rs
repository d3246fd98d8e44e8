//! The shape of data, small enough to write by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Number, Value};
use stele_model::json::Kind;

use super::super::facts;
use crate::view::{CatalogueView, EventView, PathView, Step, ValueView};

/// Times that the texts of a path must repeat on average before they are taken for an enumeration.
/// With fewer, every text of a small sample would be one.
const ENUMERATION_REPEATS_MIN: u64 = 4;

/// Events and their paths. Written by hand, as TOML or JSON, it reads:
///
/// ```toml
/// [events.tick.paths]
/// "data.price" = "integer|number"
/// "data.phase" = { types = "string", presence = "always", values = ["OPEN", "DONE"] }
/// "data.odds" = { types = "null|number", range = [0, 100], presence = "sometimes" }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Events by name.
    pub events: BTreeMap<String, EventShape>,
}

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventShape {
    /// Records, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<u64>,
    /// Paths as they are written in a catalogue; the root is the empty path.
    #[serde(default)]
    pub paths: BTreeMap<String, FieldShape>,
}

/// One path. Everything but the types may be unknown.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FieldShape {
    /// Types, joined by `|` where they are written.
    #[serde(serialize_with = "joined")]
    pub types: BTreeSet<String>,
    /// Whether every object that could hold the member holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Presence>,
    /// Objects that hold the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holders: Option<u64>,
    /// Objects at this very path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// All values, where they are an enumeration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
    /// Smallest and largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(Number, Number)>,
    /// Shortest and longest string, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<(u64, u64)>,
    /// Fewest and most elements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<(u64, u64)>,
    /// Where it was seen first, as `file:line`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<String>,
    /// Values that are known to occur, with the place of each where that is known: all of an
    /// enumeration, some of anything else. Not written.
    #[serde(skip)]
    pub seen: Vec<(Value, Option<String>)>,
}

/// How often a member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// In every object that could hold it.
    Always,
    /// Not in every one.
    Sometimes,
}

impl Shape {
    /// The shape of a catalogue.
    pub fn of(view: &CatalogueView) -> Self {
        let event = |event: &EventView| EventShape {
            records: Some(event.records),
            paths: event.tree.iter().map(|path| (path.path.clone(), FieldShape::of(event, path))).collect(),
        };
        Self { events: view.events.iter().map(|view| (view.name.clone(), event(view))).collect() }
    }
}

impl FieldShape {
    fn of(event: &EventView, path: &PathView) -> Self {
        let member = matches!(path.step, Step::Member(_));
        let always = facts::always_there(event, path);
        let read = |value: &ValueView| {
            let json = serde_json::from_str(&value.json).ok().filter(|_| !value.cut)?;
            Some((json, Some(facts::at(&value.place))))
        };
        let seen: Vec<(Value, Option<String>)> = path.values.iter().filter_map(read).collect();
        let values: Vec<Value> = seen.iter().map(|(value, _)| value.clone()).collect();
        let closed =
            path.enumerated && values.len() == path.values.len() && is_enumeration(&values, path.nodes);
        let number = |text: &str| serde_json::from_str::<Number>(text).ok();
        Self {
            types: path.kinds_seen().map(|kind| kind.name().to_owned()).collect(),
            presence: member.then_some(if always { Presence::Always } else { Presence::Sometimes }),
            holders: member.then_some(path.holders),
            objects: Some(path.count(Kind::Object)),
            values: closed.then_some(values),
            range: path.number_range.as_ref().and_then(|(low, high)| number(low).zip(number(high))),
            length: path.length_range,
            items: path.items_range,
            first_seen: Some(facts::at(&path.first_seen)),
            seen,
        }
    }
}

/// Whether `values`, which are all that `nodes` occurrences had, are a closed set of words.
pub(super) fn is_enumeration(values: &[Value], nodes: u64) -> bool {
    let texts = values.iter().filter(|value| value.is_string()).count() as u64;
    let others = values.iter().any(|value| !value.is_string() && !value.is_null());
    texts > 0 && !others && nodes >= texts * ENUMERATION_REPEATS_MIN
}

fn joined<S: serde::Serializer>(types: &BTreeSet<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&types.iter().map(String::as_str).collect::<Vec<_>>().join("|"))
}

/// A field in full, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    types: String,
    presence: Option<Presence>,
    holders: Option<u64>,
    objects: Option<u64>,
    values: Option<Vec<Value>>,
    range: Option<(Number, Number)>,
    length: Option<(u64, u64)>,
    items: Option<(u64, u64)>,
    first_seen: Option<String>,
}

impl<'de> Deserialize<'de> for FieldShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

/// Takes `"integer|number"` and `{ types = "integer|number", … }`.
struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = FieldShape;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("types joined by `|`, or a table with `types`")
    }

    fn visit_str<E: serde::de::Error>(self, types: &str) -> Result<FieldShape, E> {
        Ok(FieldShape { types: split(types)?, ..FieldShape::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldShape, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        let seen = written.values.iter().flatten().map(|value| (value.clone(), None)).collect();
        Ok(FieldShape {
            seen,
            types: split(&written.types).map_err(A::Error::custom::<serde::de::value::Error>)?,
            presence: written.presence,
            holders: written.holders,
            objects: written.objects,
            values: written.values,
            range: written.range,
            length: written.length,
            items: written.items,
            first_seen: written.first_seen,
        })
    }
}

fn split<E: serde::de::Error>(types: &str) -> Result<BTreeSet<String>, E> {
    let known = |name: &str| Kind::ALL.into_iter().any(|kind| kind.name() == name);
    types
        .split('|')
        .map(str::trim)
        .map(|name| {
            if known(name) {
                return Ok(name.to_owned());
            }
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            Err(E::custom(format!("`{name}` is not a JSON type; types are {kinds}")))
        })
        .collect()
}
