//! The whole view as JSON, one line a path, and back again.
//!
//! A line a path makes the file small to read, quick to search and stable to compare; the reader
//! takes the same JSON in any layout.

use std::io;

use serde::{Deserialize, Serialize};

use super::RenderError;
use crate::view::{CatalogueView, EventView, FileView};

/// Version of the document's form. A reader refuses a newer one.
pub const VERSION: u64 = 1;

const DOCUMENT: &str = "catalogue";

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Deserialize)]
struct Document {
    records: u64,
    nodes: u64,
    events: Vec<EventView>,
    files: Vec<FileView>,
}

/// Writes the view.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView) -> io::Result<()> {
    write!(
        out,
        "{{\"version\":{VERSION},\"records\":{},\"nodes\":{},\"events\":[",
        view.records, view.nodes
    )?;
    for (index, event) in view.events.iter().enumerate() {
        let name = stele_model::json::quote(&event.name);
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}\n{{\"name\":{name},\"records\":{},\"tree\":[", event.records)?;
        lines(out, &event.tree)?;
        out.write_all(b"]}")?;
    }
    out.write_all(b"],\"files\":[")?;
    lines(out, &view.files)?;
    out.write_all(b"]}\n")
}

/// Reads a view that [`write()`] wrote.
///
/// # Errors
///
/// [`RenderError`] if the text is not such a document, or a newer one.
pub fn read(text: &str) -> Result<CatalogueView, RenderError> {
    let unreadable = |problem: serde_json::Error| RenderError::Unreadable {
        document: DOCUMENT,
        problem: problem.to_string(),
    };
    let Version { version } = serde_json::from_str(text).map_err(unreadable)?;
    if version > VERSION {
        return Err(RenderError::Newer { document: DOCUMENT, found: version, known: VERSION });
    }
    let Document { records, nodes, events, files } = serde_json::from_str(text).map_err(unreadable)?;
    Ok(CatalogueView { records, nodes, events, files })
}

fn lines<T: Serialize>(out: &mut dyn io::Write, items: &[T]) -> io::Result<()> {
    for (index, item) in items.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, item)?;
    }
    Ok(())
}

/// Counts by kind as an object that names only the kinds that occurred.
pub(crate) mod kinds {
    use std::collections::BTreeMap;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};
    use stele_model::json::Kind;

    pub(crate) fn serialize<S: Serializer>(kinds: &[u64; 7], serializer: S) -> Result<S::Ok, S::Error> {
        let seen = Kind::ALL.into_iter().filter(|kind| kinds[*kind as usize] > 0);
        serializer.collect_map(seen.map(|kind| (kind.name(), kinds[kind as usize])))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u64; 7], D::Error> {
        let mut kinds = [0; 7];
        for (name, count) in BTreeMap::<String, u64>::deserialize(deserializer)? {
            let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
                return Err(D::Error::custom(format!("`{name}` is not a JSON type")));
            };
            kinds[kind as usize] = count;
        }
        Ok(kinds)
    }
}
