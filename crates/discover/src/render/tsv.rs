//! One line a path: event, path, types, nodes, records. No header, no root.

use std::borrow::Cow;
use std::io;

use crate::view::CatalogueView;

/// Writes `event \t path \t types \t nodes \t records` for every path, sorted by event and then
/// path in byte order, types joined by `|` in alphabetical order.
///
/// A path never holds a control character. An event's name may; its backslashes and control
/// characters are written as JSON escapes, so that one line stays one line.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView) -> io::Result<()> {
    for event in &view.events {
        let name = escape(&event.name);
        for path in event.tree.iter().skip(1) {
            let types = path.kinds_text();
            writeln!(out, "{name}\t{}\t{types}\t{}\t{}", path.path, path.nodes, path.records)?;
        }
    }
    Ok(())
}

fn escape(name: &str) -> Cow<'_, str> {
    if !name.bytes().any(|byte| byte == b'\\' || byte < 0x20) {
        return Cow::Borrowed(name);
    }
    let quoted = stele_model::json::quote(name);
    let inside = &quoted[1..quoted.len() - 1];
    Cow::Owned(inside.replace("\\\"", "\""))
}
