//! The catalogue as short texts that can be searched: one for all events, one an event, one a path.
//!
//! A text names what it is about in the words of the protocol and in plain ones (`globalSidebets[]`
//! is also "global sidebets"), and states only what was counted. Where it was seen stands in the
//! metadata, so that equal catalogues give equal texts wherever their inputs lie.

use stele_model::json::Kind;
use stele_model::{Chunk, ChunkKind, ChunkMetadata};

use super::facts;
use crate::view::{CatalogueView, EventView, PathView, Place};

/// What stands for the source and the doc type of texts that are made from all inputs.
pub const CATALOGUE: &str = "catalogue";

/// Bytes of one text, about: what the window of a small sentence model takes in.
const TEXT_BYTES_MAX: usize = 900;

/// Values that a text lists; with more of them none tells anything.
const VALUES_MAX: usize = 12;

/// Bytes of one value in a text.
const VALUE_BYTES_MAX: usize = 60;

/// Hands over every text, in the order of the catalogue.
pub fn each(view: &CatalogueView, tenant: &str, take: &mut dyn FnMut(Chunk)) {
    if view.events.is_empty() {
        return;
    }
    let blank = ChunkMetadata::new(ChunkKind::Protocol, CATALOGUE, CATALOGUE, tenant, "All events");
    take(Chunk::new(protocol(view), blank.clone()));
    for event in &view.events {
        let seen = event.tree.first().map(|root| &root.first_seen);
        let about = ChunkMetadata {
            kind: ChunkKind::Event,
            title: event.name.clone(),
            event_type: Some(event.name.clone()),
            ..placed(&blank, seen)
        };
        take(Chunk::new(overview(view, event), about.clone()));
        for path in facts::paths(event) {
            let about = ChunkMetadata {
                kind: ChunkKind::Field,
                title: format!("{} {}", event.name, path.path),
                path: Some(path.path.clone()),
                ..placed(&about, Some(&path.first_seen))
            };
            take(Chunk::new(field(event, path), about));
        }
    }
}

fn placed(about: &ChunkMetadata, place: Option<&Place>) -> ChunkMetadata {
    ChunkMetadata {
        line: place.map(|place| place.line),
        place: place.map(|place| place.file.clone()),
        ts: place.and_then(|place| place.time),
        ..about.clone()
    }
}

fn protocol(view: &CatalogueView) -> String {
    let mut text = format!(
        "Protocol: all events. {} in {} with {}. Event types:",
        facts::many(view.records, "record"),
        facts::many(view.files.len() as u64, "file"),
        facts::many(view.events.len() as u64, "event type"),
    );
    let mut events: Vec<&EventView> = view.events.iter().collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.records));
    list(&mut text, events.iter().map(|event| format!("{} ({})", event.name, event.records)));
    text
}

fn overview(view: &CatalogueView, event: &EventView) -> String {
    let paths = facts::paths(event);
    let mut text = format!(
        "Event {} ({}): its fields. {}, {} of all. {}:",
        event.name,
        words(&event.name),
        facts::many(event.records, "record"),
        facts::percent(event.records, view.records),
        facts::many(paths.len() as u64, "field"),
    );
    // What lies deep is named by its own text.
    let mut by_depth: Vec<&PathView> = paths.iter().collect();
    by_depth.sort_by_key(|path| path.path.matches(['.', '[']).count());
    list(&mut text, by_depth.iter().map(|path| path.path.clone()));
    text
}

fn field(event: &EventView, path: &PathView) -> String {
    // Without the word "field", which is for the text that lists them.
    let mut text = format!("{} ({}) of {}", path.path, words(&path.path), event.name);
    let types: Vec<&str> = path.kinds_seen().map(Kind::name).collect();
    text += &format!(": {}.", types.join(" or "));
    text += &format!(
        " Present in {} of {} records ({}).",
        path.records,
        event.records,
        facts::percent(path.records, event.records)
    );
    if let Some((held, of)) = facts::holding(event, path).filter(|(held, of)| held < of) {
        text += &format!(" Absent from {} of {of} objects that could hold it.", of - held);
    }
    let nulls = path.count(Kind::Null);
    if nulls > 0 {
        text += &format!(" Null {nulls} of {} times.", path.nodes);
    }
    if let Some((least, most)) = &path.number_range {
        text += &match least == most {
            true => format!(" Always {least}."),
            false => format!(" From {least} to {most}."),
        };
    }
    if let Some((fewest, most)) = path.items_range {
        text += &format!(" {fewest} to {most} items.");
    }
    if let Some(fold) = &path.fold {
        text += &format!(" Its {} keys are data, not names.", fold.distinct_keys);
    }
    let members: Vec<&PathView> = path.children.iter().filter_map(|child| event.tree.get(*child)).collect();
    if !members.is_empty() && path.count(Kind::Object) > 0 {
        text += " Members:";
        list(&mut text, members.iter().map(|member| last(&member.path).to_owned()));
    }
    if let Some(variants) = &path.variants {
        text += &format!(" Variants by {}:", variants.discriminator);
        list(&mut text, variants.variants.iter().map(|variant| variant.value.clone()));
    }
    let values: Vec<String> = path
        .values
        .iter()
        .filter(|value| !value.cut && value.json.len() <= VALUE_BYTES_MAX)
        .map(|value| value.json.clone())
        .collect();
    if !values.is_empty() && path.count(Kind::Object) + path.count(Kind::Array) < path.nodes {
        text += if path.enumerated { " Values:" } else { " Values such as:" };
        list(&mut text, values.into_iter().take(VALUES_MAX));
    }
    text
}

/// Appends the items, as many as there is room for, and says how many are left out.
fn list(text: &mut String, items: impl ExactSizeIterator<Item = String>) {
    let count = items.len();
    for (done, item) in items.enumerate() {
        if text.len() + item.len() > TEXT_BYTES_MAX {
            text.push_str(&format!(" and {} more", count - done));
            break;
        }
        text.push_str(if done == 0 { " " } else { ", " });
        text.push_str(&item);
    }
    text.push('.');
}

/// The last name of a path.
fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The words in a name or a path: `gameHistory[].xPayout` is "game history x payout".
fn words(name: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        let begins = letter.is_uppercase() && !before.is_uppercase();
        if (begins || !letter.is_alphanumeric()) && !words.ends_with(' ') && !words.is_empty() {
            words.push(' ');
        }
        if letter.is_alphanumeric() {
            words.extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{list, words};

    #[test]
    fn names_are_words() {
        for (name, expect) in [
            ("data.gameHistory[].xPayout", "data game history x payout"),
            ("player_id", "player id"),
            ("standard/newTrade", "standard new trade"),
            ("godCandle10xPrices", "god candle10x prices"),
            ("data[\"a.b\"].{}", "data a b"),
            ("URL", "url"),
        ] {
            assert_eq!(words(name), expect);
        }
    }

    #[test]
    fn a_list_says_what_it_leaves_out() {
        let mut text = "x:".to_owned();
        list(&mut text, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>().into_iter());
        assert!(text.starts_with("x: 0, 1, 2") && text.ends_with(" more.") && text.len() < 950, "{text}");
    }
}
