//! `field_index.json`: path → the events that have it, its types, how often it occurs, samples, and
//! where it was first seen. Answers "where does this field occur?" without reading any schema.

use std::collections::BTreeMap;
use std::io;

use stele_model::json::Kind;

use super::emit::{Emitter, Style};
use super::facts;
use crate::view::{CatalogueView, EventView, PathView, ValueView};

/// Most samples for one path.
const SAMPLES_MAX: usize = 5;

type Holder<'v> = (&'v EventView, &'v PathView);

/// Writes the index, sorted by path in byte order.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView) -> io::Result<()> {
    let mut by_path: BTreeMap<&str, Vec<Holder<'_>>> = BTreeMap::new();
    for event in &view.events {
        for path in facts::paths(event) {
            by_path.entry(&path.path).or_default().push((event, path));
        }
    }
    let mut emitter = Emitter::new(out, Style::Json);
    emitter.object();
    for (path, holders) in &by_path {
        emitter.key(path);
        emit_path(&mut emitter, holders);
    }
    emitter.end();
    emitter.finish()
}

fn emit_path(e: &mut Emitter<'_>, holders: &[Holder<'_>]) {
    let mut kinds = [0_u64; 7];
    for (_, path) in holders {
        for kind in Kind::ALL {
            kinds[kind as usize] += path.count(kind);
        }
    }
    e.object();
    e.key("events");
    e.words(holders.iter().map(|(event, _)| event.name.as_str()));
    e.key("types");
    e.words(Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize] > 0).map(Kind::name));
    e.field_count("frequency", kinds.iter().sum());
    if let Some(first) = holders.iter().map(|(_, path)| &path.first_seen).min() {
        e.field("first_seen", &facts::at(first));
    }
    e.key("samples");
    samples(e, holders);
    e.key("by_event");
    e.object();
    for (event, path) in holders {
        e.key(&event.name);
        e.object();
        e.key("types");
        e.object();
        for kind in path.kinds_seen() {
            e.field_count(kind.name(), path.count(kind));
        }
        e.end();
        e.field_count("nodes", path.nodes);
        e.field_count("records", path.records);
        e.field_raw("presence", &facts::share(path.records, event.records));
        e.field("first_seen", &facts::at(&path.first_seen));
        e.end();
    }
    e.end();
    e.end();
}

fn samples(e: &mut Emitter<'_>, holders: &[Holder<'_>]) {
    let mut values: Vec<&ValueView> = holders.iter().flat_map(|(_, path)| &path.values).collect();
    values.sort();
    values.dedup_by(|a, b| a.json == b.json);
    e.array();
    values.into_iter().take(SAMPLES_MAX).for_each(|value| e.sample(value));
    e.end();
}
