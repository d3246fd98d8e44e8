//! A short overview for people: totals, events, and the fields of each event.

use std::io;

use super::{cell, facts};
use crate::view::{CatalogueView, EventView, PathView};

/// Most values shown for one field.
const VALUES_MAX: usize = 3;

/// Writes the overview.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView) -> io::Result<()> {
    let paths: usize = view.events.iter().map(|event| facts::paths(event).len()).sum();
    writeln!(out, "# What the data looks like\n")?;
    let values = facts::many(view.nodes, "value");
    writeln!(out, "{}; {values} at {}.\n", size(view), facts::many(paths as u64, "path"))?;
    event_table(out, view)?;
    for event in &view.events {
        writeln!(out, "\n## {}\n", cell::code(&event.name))?;
        fields(out, event)?;
    }
    Ok(())
}

/// How much there is: `5 records of 3 events in 1 file`.
pub(crate) fn size(view: &CatalogueView) -> String {
    let records = facts::many(view.records, "record");
    let events = facts::many(view.events.len() as u64, "event");
    format!("{records} of {events} in {}", facts::many(view.files.len() as u64, "file"))
}

/// One row an event.
pub(crate) fn event_table(out: &mut dyn io::Write, view: &CatalogueView) -> io::Result<()> {
    cell::head(out, &["event", "records", "share", "fields", "values"])?;
    for event in &view.events {
        let paths = facts::paths(event);
        let nodes: u64 = paths.iter().map(|path| path.nodes).sum();
        cell::row(
            out,
            &[
                cell::code(&event.name),
                event.records.to_string(),
                facts::percent(event.records, view.records),
                paths.len().to_string(),
                nodes.to_string(),
            ],
        )?;
    }
    Ok(())
}

fn fields(out: &mut dyn io::Write, event: &EventView) -> io::Result<()> {
    if facts::paths(event).is_empty() {
        return writeln!(out, "No fields: every record is a scalar or empty.");
    }
    cell::head(out, &["path", "types", "in records", "values"])?;
    for path in facts::paths(event) {
        cell::row(
            out,
            &[
                cell::code(&path.path),
                cell::prose(&path.kinds_text()),
                facts::percent(path.records, event.records),
                some_values(path, VALUES_MAX),
            ],
        )?;
    }
    Ok(())
}

/// The first `limit` values, with a mark where there are more.
pub(crate) fn some_values(path: &PathView, limit: usize) -> String {
    let shown = cell::values(path.values.iter().take(limit).map(|value| value.json.as_str()));
    let complete = path.enumerated && path.values.len() <= limit;
    if complete || shown.is_empty() { shown } else { format!("{shown}, …") }
}
