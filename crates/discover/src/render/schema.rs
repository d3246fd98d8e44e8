//! `event_schemas.json`: for each event a JSON Schema (draft 2020-12) that all of its records meet.
//!
//! What the records prove is a constraint: `type`, `properties`, `items`, and `required` where no
//! object lacks the member. What they only suggest is an annotation that no validator enforces:
//! `x-frequency` (occurrences), `x-presence` (share of the event's records), `x-types` (occurrences
//! by type), `x-range`, `x-length`, `x-items`, `x-distinct`, `x-enum` (every value seen),
//! `x-folded`, `x-first-seen` (`file:line`) and `examples`. So a number too large for a reader's
//! floats, or a new value tomorrow, never fails.

use std::collections::VecDeque;
use std::io;

use stele_model::json::Kind;

use super::emit::{Emitter, Style, is_scalar};
use super::facts;
use crate::view::{CatalogueView, EventView, PathView, Step};

/// Most examples for one path.
const EXAMPLES_MAX: usize = 5;

/// Levels of data that are written inside one another; what is deeper moves to `$defs`. A level of
/// data takes up to five levels of JSON, and common readers stop at 128.
const INLINE_DEPTH_MAX: usize = 16;

/// The dialect of the schemas.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// How strict the schemas are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaOptions {
    /// Whether a member that was never seen is an error. Otherwise new members are welcome.
    pub closed: bool,
}

/// Writes one object: event → schema.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView, options: &SchemaOptions) -> io::Result<()> {
    let mut emitter = Emitter::new(out, Style::Json);
    emitter.object();
    for event in &view.events {
        emitter.key(&event.name);
        emit_document(&mut emitter, event, options);
    }
    emitter.end();
    emitter.finish()
}

/// Writes the schema of one event.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_event(out: &mut dyn io::Write, event: &EventView, options: &SchemaOptions) -> io::Result<()> {
    let mut emitter = Emitter::new(out, Style::Json);
    emit_document(&mut emitter, event, options);
    emitter.finish()
}

fn emit_document(emitter: &mut Emitter<'_>, event: &EventView, options: &SchemaOptions) {
    let mut writer = Writer::new(event, options.closed, "#/$defs/");
    emitter.object();
    emitter.field("$schema", DIALECT);
    emitter.field("title", &event.name);
    writer.body(emitter, 0, 0);
    let mut first = true;
    while let Some(index) = writer.next_deep() {
        if first {
            emitter.key("$defs");
            emitter.object();
            first = false;
        }
        emitter.key(&index.to_string());
        writer.subschema(emitter, index);
    }
    if !first {
        emitter.end();
    }
    emitter.end();
}

/// Writes the schemas of one event's paths. Parts that are too deep to write in place are
/// referred to and queued.
pub(crate) struct Writer<'v> {
    event: &'v EventView,
    closed: bool,
    reference: String,
    deep: VecDeque<usize>,
}

impl<'v> Writer<'v> {
    /// `reference` is put before the index of a queued path to refer to it.
    pub(crate) fn new(event: &'v EventView, closed: bool, reference: &str) -> Self {
        Self { event, closed, reference: reference.to_owned(), deep: VecDeque::new() }
    }

    /// The next queued path; it must be written where `reference` points.
    pub(crate) fn next_deep(&mut self) -> Option<usize> {
        self.deep.pop_front()
    }

    /// The schema of the path at `index`.
    pub(crate) fn subschema(&mut self, emitter: &mut Emitter<'_>, index: usize) {
        self.nested(emitter, index, 0);
    }

    fn nested(&mut self, emitter: &mut Emitter<'_>, index: usize, depth: usize) {
        emitter.object();
        if depth > INLINE_DEPTH_MAX {
            emitter.field("$ref", &format!("{}{index}", self.reference));
            self.deep.push_back(index);
        } else {
            self.body(emitter, index, depth);
        }
        emitter.end();
    }

    /// The members of the schema of the path at `index`.
    fn body(&mut self, emitter: &mut Emitter<'_>, index: usize, depth: usize) {
        let event = self.event;
        let Some(path) = event.tree.get(index) else { return };
        let kinds: Vec<&str> = path.kinds_seen().map(Kind::name).collect();
        match kinds.as_slice() {
            [] => {}
            [kind] => emitter.field("type", kind),
            kinds => {
                emitter.key("type");
                emitter.words(kinds.iter().copied());
            }
        }
        let children = || path.children.iter().copied().filter_map(|at| Some((at, event.tree.get(at)?)));
        let named: Vec<(usize, &PathView, &str)> = children()
            .filter_map(|(at, child)| match &child.step {
                Step::Member(name) => Some((at, child, name.as_str())),
                _ => None,
            })
            .collect();
        let any_key = children().find(|(_, child)| child.step == Step::AnyKey).map(|(at, _)| at);
        let element = children().find(|(_, child)| child.step == Step::Element).map(|(at, _)| at);
        let objects = path.count(Kind::Object);
        match (named.is_empty(), any_key) {
            (false, Some(any_key)) => {
                emitter.key("anyOf");
                emitter.array();
                emitter.object();
                // Closing the named shape is what keeps it from taking the folded objects too.
                self.members(emitter, &named, objects, true, depth);
                emitter.end();
                emitter.object();
                emitter.key("additionalProperties");
                self.nested(emitter, any_key, depth + 1);
                emitter.end();
                emitter.end();
            }
            (true, Some(any_key)) => {
                emitter.key("additionalProperties");
                self.nested(emitter, any_key, depth + 1);
            }
            (_, None) if objects > 0 => self.members(emitter, &named, objects, self.closed, depth),
            (_, None) => {}
        }
        if let Some(element) = element {
            emitter.key("items");
            self.nested(emitter, element, depth + 1);
        }
        annotate(emitter, event, path);
    }

    fn members(
        &mut self,
        emitter: &mut Emitter<'_>,
        named: &[(usize, &PathView, &str)],
        objects: u64,
        closed: bool,
        depth: usize,
    ) {
        if !named.is_empty() {
            emitter.key("properties");
            emitter.object();
            for (index, _, name) in named {
                emitter.key(name);
                self.nested(emitter, *index, depth + 1);
            }
            emitter.end();
        }
        let required: Vec<&str> = named
            .iter()
            .filter(|(_, child, name)| child.holders == objects && !is_unspeakable(name))
            .map(|(_, _, name)| *name)
            .collect();
        if !required.is_empty() {
            emitter.key("required");
            emitter.words(required);
        }
        if closed && !named.iter().any(|(_, _, name)| is_unspeakable(name)) {
            emitter.key("additionalProperties");
            emitter.flag(false);
        }
    }
}

/// Whether the name shows a lone surrogate escape. No Rust string holds that character, so a
/// schema cannot name the member and must not demand it.
fn is_unspeakable(name: &str) -> bool {
    name.match_indices("\\u").any(|(at, _)| {
        let code = name.get(at + 2..at + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        code.is_some_and(|code| (0xd800..0xe000).contains(&code))
    })
}

fn annotate(emitter: &mut Emitter<'_>, event: &EventView, path: &PathView) {
    if path.kinds_seen().count() > 1 {
        emitter.key("x-types");
        emitter.object();
        for kind in path.kinds_seen() {
            emitter.field_count(kind.name(), path.count(kind));
        }
        emitter.end();
    }
    emitter.field_count("x-frequency", path.nodes);
    emitter.field_raw("x-presence", &facts::share(path.records, event.records));
    if let Some((low, high)) = &path.number_range
        && is_scalar(low)
        && is_scalar(high)
    {
        emitter.key("x-range");
        emitter.raws([low.as_str(), high.as_str()]);
    }
    counts(emitter, "x-length", path.length_range);
    counts(emitter, "x-items", path.items_range);
    if path.distinct > 0 {
        emitter.field_count("x-distinct", path.distinct);
    }
    if let Some(fold) = &path.fold {
        emitter.key("x-folded");
        emitter.object();
        emitter.field("reason", &fold.reason);
        emitter.field_count("members", fold.members);
        emitter.field_count("distinct-keys", fold.distinct_keys);
        emitter.key("sample-keys");
        emitter.words(fold.sample_keys.iter().map(String::as_str));
        emitter.end();
    }
    if path.first_seen.line > 0 {
        emitter.field("x-first-seen", &facts::at(&path.first_seen));
    }
    let whole: Vec<&str> = path
        .values
        .iter()
        .filter(|value| !value.cut && is_scalar(&value.json))
        .map(|value| value.json.as_str())
        .collect();
    if path.enumerated && !whole.is_empty() && whole.len() == path.values.len() {
        emitter.key("x-enum");
        emitter.raws(whole.iter().copied());
    }
    if !whole.is_empty() {
        emitter.key("examples");
        emitter.raws(whole.into_iter().take(EXAMPLES_MAX));
    }
}

fn counts(emitter: &mut Emitter<'_>, key: &str, range: Option<(u64, u64)>) {
    if let Some((low, high)) = range {
        emitter.key(key);
        emitter.raws([low.to_string().as_str(), high.to_string().as_str()]);
    }
}
