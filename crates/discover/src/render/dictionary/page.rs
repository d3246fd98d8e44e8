//! The page.

use std::collections::BTreeSet;
use std::io;

use stele_model::json::Kind;

use super::super::{cell, facts, md};
use super::notes::{EventNote, Notes, PathNote, Status};
use crate::view::{CatalogueView, EventView, PathView, VariantsView};

/// Most values shown for one field: an enumeration of this size is worth reading.
const VALUES_MAX: usize = 8;

type Written = io::Result<()>;

/// Writes `dictionary.md`.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write(out: &mut dyn io::Write, view: &CatalogueView, notes: &Notes) -> Written {
    let protocol = &notes.protocol;
    writeln!(
        out,
        "# {}\n",
        protocol.title.as_deref().map_or_else(|| String::from("Dictionary"), cell::prose)
    )?;
    purpose(out, protocol.purpose.as_deref(), "protocol.purpose")?;
    if let Some(note) = &protocol.note {
        writeln!(out, "{}\n", note.trim())?;
    }
    writeln!(
        out,
        "Observed: {}. Statuses: `observed` was seen; `verified` was checked by a",
        md::size(view)
    )?;
    writeln!(
        out,
        "person; `canonical` may be relied upon. Notes and statuses live in `dictionary_notes.toml`."
    )?;
    for event in &view.events {
        let empty = EventNote::default();
        write_event(out, view, event, notes.events.get(&event.name).unwrap_or(&empty))?;
    }
    unseen(out, view, notes)
}

fn write_event(
    out: &mut dyn io::Write,
    view: &CatalogueView,
    event: &EventView,
    note: &EventNote,
) -> Written {
    writeln!(out, "\n## {}\n", cell::code(&event.name))?;
    purpose(
        out,
        note.purpose.as_deref(),
        &format!("events.{}.purpose", stele_model::json::quote(&event.name)),
    )?;
    let share = facts::percent(event.records, view.records);
    write!(
        out,
        "{} ({share}). Status: {}",
        facts::many(event.records, "record"),
        status(note.status, &note.evidence)
    )?;
    match event.tree.first() {
        Some(root) => writeln!(
            out,
            ". First seen {}, last seen {}.",
            cell::code(&facts::at(&root.first_seen)),
            cell::code(&facts::at(&root.last_seen))
        )?,
        None => writeln!(out, ".")?,
    }
    if let Some(note) = &note.note {
        writeln!(out, "\n{}", note.trim())?;
    }
    shape(out, event, note)?;
    variants(out, event)?;
    gotchas(out, event)
}

fn purpose(out: &mut dyn io::Write, purpose: Option<&str>, key: &str) -> Written {
    match purpose {
        Some(purpose) => writeln!(out, "**Purpose:** {}\n", one_line(purpose)),
        None => writeln!(out, "**Purpose:** not written yet ({} in the notes).\n", cell::code(key)),
    }
}

/// Text of a person: Markdown in it is meant, but it must not end a line or a cell.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

fn status(status: Status, evidence: &[String]) -> String {
    let places = cell::values(evidence.iter().map(String::as_str));
    if places.is_empty() { status.name().to_owned() } else { format!("{} ({places})", status.name()) }
}

fn shape(out: &mut dyn io::Write, event: &EventView, note: &EventNote) -> Written {
    if facts::paths(event).is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Shape\n")?;
    cell::head(
        out,
        &["path", "types", "present", "range and values", "unit", "status", "meaning", "evidence"],
    )?;
    for path in facts::paths(event) {
        let empty = PathNote::default();
        let note = note.paths.get(&path.path).unwrap_or(&empty);
        let meaning: Vec<String> =
            [&note.purpose, &note.note].into_iter().flatten().map(|text| one_line(text)).collect();
        cell::row(
            out,
            &[
                cell::code(&path.path),
                cell::prose(&path.kinds_text()),
                presence(event, path),
                extent(path),
                note.unit.as_deref().map(one_line).unwrap_or_default(),
                status(note.status, &note.evidence),
                meaning.join(" "),
                cell::code(&facts::at(&path.first_seen)),
            ],
        )?;
    }
    Ok(())
}

/// Presence where it says something: of a member, among the objects that could hold it.
fn presence(event: &EventView, path: &PathView) -> String {
    match facts::holding(event, path) {
        Some(_) if facts::always_there(event, path) => String::from("always"),
        Some((holders, objects)) => facts::percent(holders, objects),
        None => String::from("–"),
    }
}

/// The values where all of them fit, otherwise the range they are in and a few.
fn extent(path: &PathView) -> String {
    let values = md::some_values(path, VALUES_MAX);
    if path.enumerated && !values.is_empty() && path.values.len() <= VALUES_MAX {
        return values;
    }
    let shown = if path.number_range.is_none() { values } else { String::new() };
    let ranges = cell::prose(&facts::ranges(path));
    [ranges, shown].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}

fn variants(out: &mut dyn io::Write, event: &EventView) -> Written {
    for path in &event.tree {
        let Some(variants) = &path.variants else { continue };
        let at = if path.path.is_empty() { String::from("the record") } else { cell::code(&path.path) };
        writeln!(out, "\n### Variants of {at} by {}\n", cell::code(&variants.discriminator))?;
        cell::head(out, &["value", "objects", "always", "sometimes", "never"])?;
        let names: BTreeSet<&str> = members(variants).collect();
        for variant in &variants.variants {
            let held = |name: &str| {
                variant.members.iter().find(|(member, _)| member == name).map_or(0, |(_, count)| *count)
            };
            let pick = |wanted: &dyn Fn(u64) -> bool| {
                cell::values(names.iter().copied().filter(|name| wanted(held(name))))
            };
            cell::row(
                out,
                &[
                    cell::value(&variant.value),
                    variant.objects.to_string(),
                    pick(&|count| count == variant.objects),
                    pick(&|count| count > 0 && count < variant.objects),
                    pick(&|count| count == 0),
                ],
            )?;
        }
    }
    Ok(())
}

fn members(variants: &VariantsView) -> impl Iterator<Item = &str> {
    variants.variants.iter().flat_map(|variant| variant.members.iter().map(|(name, _)| name.as_str()))
}

fn gotchas(out: &mut dyn io::Write, event: &EventView) -> Written {
    let mut first = true;
    for path in &event.tree {
        let found = gotchas_of(event, path);
        if found.is_empty() {
            continue;
        }
        if std::mem::take(&mut first) {
            writeln!(out, "\n### Gotchas\n")?;
        }
        let name = if path.path.is_empty() { String::from("The record") } else { cell::code(&path.path) };
        writeln!(out, "- {name}: {} ({}).", found.join("; "), cell::code(&facts::at(&path.first_seen)))?;
    }
    Ok(())
}

fn gotchas_of(event: &EventView, path: &PathView) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((holders, objects)) = facts::holding(event, path)
        && holders < objects
    {
        found.push(format!(
            "absent in {} of {objects} objects{}",
            objects - holders,
            absent_with(event, path)
        ));
    }
    let nulls = path.count(Kind::Null);
    if facts::always_null(path) {
        found.push(String::from("always null"));
    } else if nulls > 0 {
        found.push(format!("null in {nulls} of {}", path.nodes));
    }
    if facts::always_empty(path) {
        found.push(String::from("always empty"));
    }
    if path.count(Kind::Integer) > 0 && path.count(Kind::Number) > 0 {
        found.push(String::from("written with and without a decimal point"));
    }
    if facts::union(path) == Some(facts::Union::Mixed) {
        found.push(format!("of several types: {}", facts::counted_types(path)));
    }
    if is_number_in_quotes(path) {
        found.push(String::from("a number in quotes"));
    }
    if let Some(fold) = &path.fold {
        found.push(format!(
            "its keys are data, {} of them ({})",
            fold.distinct_keys,
            cell::prose(&fold.reason)
        ));
    }
    found
}

/// With which values of the parent's discriminator a member is never there.
fn absent_with(event: &EventView, path: &PathView) -> String {
    let parent = event.tree.get(path.parent).and_then(|parent| parent.variants.as_ref());
    let (Some(variants), crate::view::Step::Member(name)) = (parent, &path.step) else {
        return String::new();
    };
    let lacking =
        variants.variants.iter().filter(|variant| !variant.members.iter().any(|(member, _)| member == name));
    let values = cell::values(lacking.map(|variant| variant.value.as_str()));
    if values.is_empty() {
        return String::new();
    }
    format!(", always where {} is {values}", cell::code(&variants.discriminator))
}

fn is_number_in_quotes(path: &PathView) -> bool {
    let digits = |json: &str| {
        let inside = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
        inside.is_some_and(|text| text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<f64>().is_ok())
    };
    path.count(Kind::String) > 0
        && !path.values.is_empty()
        && path.values.iter().filter(|value| value.json != "null").all(|value| digits(&value.json))
        && path.values.iter().any(|value| value.json != "null")
}

/// Notes on what this input does not hold. They are kept: not seen is not the same as gone.
fn unseen(out: &mut dyn io::Write, view: &CatalogueView, notes: &Notes) -> Written {
    let mut lines = Vec::new();
    for (name, note) in &notes.events {
        let Some(event) = view.events.iter().find(|event| event.name == *name) else {
            lines.push(format!("- event {}{}", cell::code(name), meaning(&note.purpose, &note.note)));
            continue;
        };
        for (path, note) in &note.paths {
            if !event.tree.iter().any(|seen| seen.path == *path) {
                let meaning = meaning(&note.purpose, &note.note);
                lines.push(format!("- {} of {}{meaning}", cell::code(path), cell::code(name)));
            }
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Noted, but not seen here\n")?;
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn meaning(purpose: &Option<String>, note: &Option<String>) -> String {
    let texts: Vec<String> = [purpose, note].into_iter().flatten().map(|text| one_line(text)).collect();
    if texts.is_empty() { String::new() } else { format!(": {}", texts.join(" ")) }
}
