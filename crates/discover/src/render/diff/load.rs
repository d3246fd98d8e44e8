//! Shapes from the documents that discovery writes, and from those that people write.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};
use stele_model::path::{Segment, push};

use super::super::{RenderError, json};
use super::shape::{EventShape, FieldShape, Presence, Shape, is_enumeration};

const DOCUMENT: &str = "catalogue, event_schemas.json, field_index.json or dictionary";

impl Shape {
    /// Reads a shape from a catalogue in JSON, an `event_schemas.json`, the schema of one event, a
    /// `field_index.json`, or a dictionary written by hand in TOML or JSON. Which one it is, is
    /// seen from the text.
    ///
    /// # Errors
    ///
    /// [`RenderError`] if it is none of them, or newer than this program.
    pub fn parse(text: &str) -> Result<Self, RenderError> {
        if !text.trim_start().starts_with('{') {
            return toml::from_str(text).map_err(|error| unreadable(&error.to_string()));
        }
        match json::read(text) {
            Ok(view) => return Ok(Shape::of(&view)),
            Err(error @ RenderError::Newer { .. }) => return Err(error),
            Err(_) => {}
        }
        let document: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))?;
        if document.contains_key("$schema") {
            let name = document.get("title").and_then(Value::as_str).unwrap_or("unknown").to_owned();
            let event = event_of_schema(&Value::Object(document))?;
            return Ok(Shape { events: BTreeMap::from([(name, event)]) });
        }
        if document.values().all(|value| value.get("by_event").is_some()) && !document.is_empty() {
            return of_index(&document);
        }
        if document.values().all(|value| value.get("$schema").is_some()) {
            let events = document.iter().map(|(name, schema)| Ok((name.clone(), event_of_schema(schema)?)));
            return Ok(Shape { events: events.collect::<Result<_, RenderError>>()? });
        }
        serde_json::from_str(text).map_err(|error| unreadable(&error.to_string()))
    }
}

fn unreadable(problem: &str) -> RenderError {
    RenderError::Unreadable { document: DOCUMENT, problem: problem.to_owned() }
}

/// A field index knows no parents: presence stays unknown.
fn of_index(document: &Map<String, Value>) -> Result<Shape, RenderError> {
    let mut shape = Shape::default();
    for (path, entry) in document {
        let Some(by_event) = entry.get("by_event").and_then(Value::as_object) else {
            return Err(unreadable(&format!("`by_event` of `{path}` is not an object")));
        };
        for (name, seen) in by_event {
            let Some(types) = seen.get("types").and_then(Value::as_object) else {
                return Err(unreadable(&format!("`types` of `{path}` in `{name}` is not an object")));
            };
            let field = FieldShape {
                types: types.keys().cloned().collect(),
                objects: Some(types.get("object").and_then(Value::as_u64).unwrap_or(0)),
                first_seen: text(seen, "first_seen"),
                ..FieldShape::default()
            };
            shape.events.entry(name.clone()).or_default().paths.insert(path.clone(), field);
        }
    }
    Ok(shape)
}

/// What is still to be read of a schema.
struct Pending<'s> {
    path: String,
    schema: &'s Value,
    presence: Option<Presence>,
}

fn event_of_schema(root: &Value) -> Result<EventShape, RenderError> {
    let mut event = EventShape { records: count(root, "x-frequency"), paths: BTreeMap::new() };
    let mut followed = BTreeSet::new();
    let mut pending = vec![Pending { path: String::new(), schema: root, presence: None }];
    while let Some(Pending { path, schema, presence }) = pending.pop() {
        let schema = follow(root, schema, &mut followed)?;
        let field = field(schema, presence);
        let objects = field.objects;
        event.paths.insert(path.clone(), field);
        let branches = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
        for shape in std::iter::once(schema).chain(branches) {
            let required: BTreeSet<&str> = shape
                .get("required")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let properties = shape.get("properties").and_then(Value::as_object);
            for (name, below) in properties.into_iter().flatten() {
                let presence = match required.contains(name.as_str()) {
                    true => Presence::Always,
                    false => Presence::Sometimes,
                };
                pending.push(Pending {
                    path: extend(&path, Segment::Member(name)),
                    schema: below,
                    presence: objects.map(|_| presence),
                });
            }
            for (key, segment) in [("additionalProperties", Segment::AnyKey), ("items", Segment::Element)] {
                if let Some(below) = shape.get(key).filter(|below| below.is_object()) {
                    pending.push(Pending { path: extend(&path, segment), schema: below, presence: None });
                }
            }
        }
    }
    Ok(event)
}

/// The definition that a schema refers to. Each is used once where [`super::super::schema`] wrote
/// it; a second use could be a circle.
fn follow<'s>(
    root: &'s Value,
    schema: &'s Value,
    followed: &mut BTreeSet<&'s str>,
) -> Result<&'s Value, RenderError> {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Ok(schema) };
    let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
    match target {
        Some(target) if followed.insert(reference) => Ok(target),
        Some(_) => Err(unreadable(&format!("`{reference}` is referred to twice"))),
        None => Err(unreadable(&format!("`{reference}` leads nowhere"))),
    }
}

fn field(schema: &Value, presence: Option<Presence>) -> FieldShape {
    let types: BTreeSet<String> = match schema.get("type") {
        Some(Value::String(kind)) => BTreeSet::from([kind.clone()]),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => BTreeSet::new(),
    };
    let nodes = count(schema, "x-frequency");
    let objects = match (types.contains("object"), schema.get("x-types")) {
        (false, _) => Some(0),
        (true, Some(types)) => count(types, "object"),
        (true, None) => nodes,
    };
    let values = schema.get("x-enum").and_then(Value::as_array).cloned();
    let known = values.as_ref().or_else(|| schema.get("examples").and_then(Value::as_array));
    let seen = known.into_iter().flatten().map(|value| (value.clone(), None)).collect();
    FieldShape {
        types,
        presence,
        // Where no object repeats a name, each occurrence is in an object of its own.
        holders: presence.and(nodes),
        objects,
        values: values.filter(|values| is_enumeration(values, nodes.unwrap_or(0))),
        range: pair(schema, "x-range", |value| match value {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        }) as Option<(Number, Number)>,
        length: pair(schema, "x-length", Value::as_u64),
        items: pair(schema, "x-items", Value::as_u64),
        first_seen: text(schema, "x-first-seen"),
        seen,
    }
}

fn pair<T>(schema: &Value, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<(T, T)> {
    let pair = schema.get(key)?;
    Some((read(pair.get(0)?)?, read(pair.get(1)?)?))
}

fn count(schema: &Value, key: &str) -> Option<u64> {
    schema.get(key).and_then(Value::as_u64)
}

fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn extend(path: &str, segment: Segment<'_>) -> String {
    let mut path = path.to_owned();
    push(&mut path, segment);
    path
}
