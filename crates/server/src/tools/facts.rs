//! What is known about a field, in the two lengths in which it is told.

use schemars::JsonSchema;
use serde::Serialize;
use stele_engine::discovery::view::{EventView, PathView, Place};

use crate::limits::TEXT_BYTES_MAX;
use crate::reply::{cut, fact};

/// Values that are told of one field: what shows how they are written.
const VALUES_MAX: usize = 10;

/// Occurrences of one JSON type.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TypeCount {
    /// The JSON type.
    name: &'static str,
    /// Occurrences.
    count: u64,
}

/// A value, and where it occurred first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Value {
    /// As JSON text; its end may be missing if it is long.
    json: String,
    /// `file:line` of the first occurrence.
    at: String,
}

/// Everything about one field of one event.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Field {
    event: String,
    /// As it is written in other tools: `data.items[].id`.
    path: String,
    types: Vec<TypeCount>,
    /// Records of the event that hold it.
    records: u64,
    /// Records of the event.
    event_records: u64,
    /// Occurrences in all of them.
    occurrences: u64,
    /// Empty strings, arrays and objects among them.
    empty: u64,
    /// Distinct scalar values.
    distinct: u64,
    /// Whether `distinct` is exact.
    distinct_exact: bool,
    /// Smallest and largest number, as written.
    number_range: Option<(String, String)>,
    /// Fewest and most characters of a string.
    length_range: Option<(u64, u64)>,
    /// Fewest and most elements of an array.
    items_range: Option<(u64, u64)>,
    /// Values that occurred.
    values: Vec<Value>,
    /// Whether `values` is all that ever occurred.
    all_values: bool,
    /// `file:line` of the first record that holds it.
    first_seen: String,
    /// `file:line` of the last record that holds it.
    last_seen: String,
    /// Names of the members, if it is an object.
    members: Vec<String>,
    /// Why its keys are data and not names, if they are.
    keys_are_data: Option<String>,
}

/// Most members that are named: an object of more is described by `describe_event`.
const MEMBERS_MAX: usize = 50;

impl Field {
    pub(crate) fn of(event: &EventView, path: &PathView) -> Self {
        let values = path.values.iter().take(VALUES_MAX);
        let child = |index: &usize| event.tree.get(*index).map(|child| fact(&child.path));
        Self {
            event: fact(&event.name),
            path: cut(&path.path, TEXT_BYTES_MAX).0,
            types: path
                .kinds_seen()
                .map(|kind| TypeCount { name: kind.name(), count: path.count(kind) })
                .collect(),
            records: path.records,
            event_records: event.records,
            occurrences: path.nodes,
            empty: path.empty,
            distinct: path.distinct,
            distinct_exact: path.distinct_exact,
            number_range: path.number_range.as_ref().map(|(least, most)| (fact(least), fact(most))),
            length_range: path.length_range,
            items_range: path.items_range,
            values: values.map(|value| Value { json: fact(&value.json), at: at(&value.place) }).collect(),
            all_values: path.enumerated && path.values.len() <= VALUES_MAX,
            first_seen: at(&path.first_seen),
            last_seen: at(&path.last_seen),
            members: path.children.iter().take(MEMBERS_MAX).filter_map(child).collect(),
            keys_are_data: path.fold.as_ref().map(|fold| fact(&fold.reason)),
        }
    }
}

/// A field in one line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FieldLine {
    /// As it is written in other tools: `data.items[].id`.
    path: String,
    /// JSON types that occurred, joined by `|`.
    types: String,
    /// Records of the event that hold it.
    records: u64,
    /// Whether every object that can hold it does.
    always: bool,
    /// A value that occurred, as JSON text.
    example: Option<String>,
    /// `file:line` of the first record that holds it.
    first_seen: String,
}

impl FieldLine {
    pub(crate) fn of(event: &EventView, path: &PathView) -> Self {
        let objects =
            event.tree.get(path.parent).map_or(0, |parent| parent.count(stele_model::json::Kind::Object));
        Self {
            path: cut(&path.path, TEXT_BYTES_MAX).0,
            types: path.kinds_text(),
            records: path.records,
            always: path.holders > 0 && path.holders == objects,
            example: path.values.first().map(|value| fact(&value.json)),
            first_seen: at(&path.first_seen),
        }
    }
}

/// A place as other tools take it.
pub(crate) fn at(place: &Place) -> String {
    format!("{}:{}", fact(&place.file), place.line)
}
