//! An answer as text and as JSON.

use std::io;

use super::super::cell::{clip, visible};
use super::super::emit::{Emitter, Style, is_scalar};
use super::super::facts;
use super::{Answer, Match};
use crate::view::{EventView, PathView, Place, Step, VariantsView};

/// Most values that are shown with their places.
const VALUES_MAX: usize = 8;

/// Width of the first column.
const LABEL: usize = 13;

type Written = io::Result<()>;

/// How much is said to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Types, counts and ranges.
    Shape,
    /// Also values, and where they stand.
    Evidence,
}

/// Writes the answer for a person at a terminal.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_text(out: &mut dyn io::Write, answer: &Answer<'_>, detail: Detail) -> Written {
    let mut first = true;
    for event in &answer.events {
        gap(out, &mut first)?;
        event_text(out, event, detail)?;
    }
    for found in &answer.matches {
        gap(out, &mut first)?;
        path_text(out, found, detail)?;
    }
    if answer.more > 0 {
        writeln!(out, "\nAnd {} more. Name the event or more of the path.", answer.more)?;
    }
    if !answer.is_found() {
        writeln!(out, "Nothing is called {}.", visible(&answer.query))?;
        if !answer.suggestions.is_empty() {
            writeln!(out, "Similar names:")?;
        }
        for name in &answer.suggestions {
            writeln!(out, "  {}", visible(name))?;
        }
    }
    Ok(())
}

fn gap(out: &mut dyn io::Write, first: &mut bool) -> Written {
    if !std::mem::take(first) {
        writeln!(out)?;
    }
    Ok(())
}

fn line(out: &mut dyn io::Write, label: &str, text: &str) -> Written {
    if text.is_empty() { Ok(()) } else { writeln!(out, "  {label:<LABEL$}{text}") }
}

fn event_text(out: &mut dyn io::Write, event: &EventView, detail: Detail) -> Written {
    writeln!(out, "{} (event)", visible(&event.name))?;
    line(out, "records", &event.records.to_string())?;
    if let Some(root) = event.tree.first().filter(|_| detail == Detail::Evidence) {
        line(out, "first seen", &seen(&root.first_seen))?;
        line(out, "last seen", &seen(&root.last_seen))?;
    }
    writeln!(out, "  fields")?;
    for path in facts::paths(event) {
        let share = facts::percent(path.records, event.records);
        writeln!(out, "    {}  {}  {share}", visible(&path.path), path.kinds_text())?;
    }
    Ok(())
}

fn path_text(out: &mut dyn io::Write, found: &Match<'_>, detail: Detail) -> Written {
    let Match { event, path } = found;
    writeln!(out, "{} in {}", visible(&path.path), visible(&event.name))?;
    line(out, "types", &facts::counted_types(path))?;
    line(out, "occurs", &facts::many(path.nodes, "time"))?;
    let share = facts::percent(path.records, event.records);
    line(out, "present in", &format!("{} of {} records ({share})", path.records, event.records))?;
    if let (Some((holders, objects)), Some(parent)) =
        (facts::holding(event, path), event.tree.get(path.parent))
        && path.parent != 0
    {
        let share = facts::percent(holders, objects);
        let parent = visible(&parent.path);
        line(out, "held by", &format!("{holders} of {objects} objects at {parent} ({share})"))?;
    }
    line(out, "range", &facts::ranges(path))?;
    if path.distinct > 0 {
        line(out, "distinct", &facts::distinct(path))?;
    }
    if detail == Detail::Evidence {
        values_text(out, path)?;
    }
    if path.empty > 0 {
        line(out, "empty", &facts::many(path.empty, "time"))?;
    }
    if let Some(variants) = &path.variants {
        variants_text(out, variants)?;
    }
    if let Some(fold) = &path.fold {
        let keys = facts::many(fold.distinct_keys, "distinct key");
        line(out, "folded", &format!("{} members under {keys}: {}", fold.members, visible(&fold.reason)))?;
        let keys: Vec<String> = fold.sample_keys.iter().map(|key| clip(&visible(key))).collect();
        line(out, "some keys", &keys.join(", "))?;
    }
    if detail == Detail::Evidence {
        line(out, "first seen", &seen(&path.first_seen))?;
        line(out, "last seen", &seen(&path.last_seen))?;
    }
    let below: Vec<String> =
        below(event, path).map(|child| visible(&step(&child.step)).into_owned()).collect();
    line(out, "below", &below.join(", "))
}

fn values_text(out: &mut dyn io::Write, path: &PathView) -> Written {
    let label = if path.enumerated { "every value" } else { "some values" };
    for (index, value) in path.values.iter().take(VALUES_MAX).enumerate() {
        let label = if index == 0 { label } else { "" };
        line(out, label, &format!("{}  {}", clip(&visible(&value.json)), visible(&facts::at(&value.place))))?;
    }
    let more = path.values.len().saturating_sub(VALUES_MAX);
    line(out, "", &if more > 0 { format!("and {more} more") } else { String::new() })
}

fn variants_text(out: &mut dyn io::Write, variants: &VariantsView) -> Written {
    let by = format!("by {}:", visible(&variants.discriminator));
    line(out, "variants", &by)?;
    for variant in &variants.variants {
        let members: Vec<String> = variant
            .members
            .iter()
            .map(|(name, held)| match held {
                held if *held == variant.objects => visible(name).into_owned(),
                held => format!("{} ({held})", visible(name)),
            })
            .collect();
        let value = clip(&visible(&variant.value));
        line(out, "", &format!("{value}  {}  {}", variant.objects, members.join(", ")))?;
    }
    Ok(())
}

fn seen(place: &Place) -> String {
    let at = facts::at(place);
    let at = visible(&at);
    match place.time {
        Some(time) => format!("{at}  {}", facts::time(time)),
        None => at.into_owned(),
    }
}

fn below<'v>(event: &'v EventView, path: &'v PathView) -> impl Iterator<Item = &'v PathView> {
    path.children.iter().filter_map(|index| event.tree.get(*index))
}

fn step(step: &Step) -> String {
    match step {
        Step::Root => String::new(),
        Step::Member(name) => name.clone(),
        Step::Element => String::from("[]"),
        Step::AnyKey => String::from("{}"),
    }
}

/// Writes the answer for a program.
///
/// # Errors
///
/// Whatever `out` reports.
pub fn write_json(out: &mut dyn io::Write, answer: &Answer<'_>) -> Written {
    let mut emitter = Emitter::new(out, Style::Json);
    let e = &mut emitter;
    e.object();
    e.field("query", &answer.query);
    e.key("found");
    e.flag(answer.is_found());
    e.key("events");
    e.array();
    for event in &answer.events {
        e.object();
        e.field("event", &event.name);
        e.field_count("records", event.records);
        e.key("paths");
        e.array();
        for path in facts::paths(event) {
            e.text(&path.path);
        }
        e.end();
        e.end();
    }
    e.end();
    e.key("matches");
    e.array();
    for found in &answer.matches {
        match_json(e, found);
    }
    e.end();
    e.field_count("more", answer.more as u64);
    e.key("suggestions");
    e.words(answer.suggestions.iter().map(String::as_str));
    e.end();
    emitter.finish()
}

fn match_json(e: &mut Emitter<'_>, found: &Match<'_>) {
    let Match { event, path } = found;
    e.object();
    e.field("event", &event.name);
    e.field("path", &path.path);
    e.key("types");
    e.object();
    for kind in path.kinds_seen() {
        e.field_count(kind.name(), path.count(kind));
    }
    e.end();
    e.field_count("nodes", path.nodes);
    e.field_count("records", path.records);
    e.field_count("records_of_event", event.records);
    e.field_raw("presence", &facts::share(path.records, event.records));
    if let Some((holders, objects)) = facts::holding(event, path) {
        e.field_count("holders", holders);
        e.field_count("parent_objects", objects);
    }
    e.field_count("empty", path.empty);
    e.field_count("distinct", path.distinct);
    e.key("distinct_exact");
    e.flag(path.distinct_exact);
    if let Some((low, high)) =
        path.number_range.as_ref().filter(|(low, high)| is_scalar(low) && is_scalar(high))
    {
        e.key("range");
        e.raws([low.as_str(), high.as_str()]);
    }
    for (key, range) in [("length", path.length_range), ("items", path.items_range)] {
        if let Some((low, high)) = range {
            e.key(key);
            e.raws([low.to_string().as_str(), high.to_string().as_str()]);
        }
    }
    e.key("enumerated");
    e.flag(path.enumerated);
    e.key("values");
    e.array();
    path.values.iter().for_each(|value| e.sample(value));
    e.end();
    for (key, place) in [("first_seen", &path.first_seen), ("last_seen", &path.last_seen)] {
        e.key(key);
        e.object();
        e.field("at", &facts::at(place));
        if let Some(time) = place.time {
            e.field("time", &facts::time(time));
        }
        e.end();
    }
    if let Some(variants) = &path.variants {
        variants_json(e, variants);
    }
    if let Some(fold) = &path.fold {
        e.key("folded");
        e.object();
        e.field("reason", &fold.reason);
        e.field_count("members", fold.members);
        e.field_count("distinct_keys", fold.distinct_keys);
        e.key("sample_keys");
        e.words(fold.sample_keys.iter().map(String::as_str));
        e.end();
    }
    e.key("below");
    e.words(below(event, path).map(|child| child.path.as_str()));
    e.end();
}

fn variants_json(e: &mut Emitter<'_>, variants: &VariantsView) {
    e.key("variants");
    e.object();
    e.field("discriminator", &variants.discriminator);
    e.key("values");
    e.object();
    for variant in &variants.variants {
        e.key(&variant.value);
        e.object();
        e.field_count("objects", variant.objects);
        e.key("members");
        e.object();
        for (name, held) in &variant.members {
            e.field_count(name, *held);
        }
        e.end();
        e.end();
    }
    e.end();
    e.end();
}
