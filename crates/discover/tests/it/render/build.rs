//! Small views for tests, counted in the plainest way: a map from path to everything about it.

use std::collections::{BTreeMap, BTreeSet};

use stele_discover::VALUES_MAX;
use stele_discover::view::{CatalogueView, EventView, FileView, FoldView, PathView, Place, Step, ValueView};
use stele_model::json::{Kind, Tape, Value, unescape};
use stele_model::path::{Segment, push};

#[derive(Default)]
struct Seen {
    step: Option<Step>,
    parent: String,
    kinds: [u64; 7],
    records: BTreeSet<u64>,
    holders: u64,
    empty: u64,
    values: BTreeMap<String, u64>,
    numbers: Vec<String>,
    lengths: Vec<u64>,
    items: Vec<u64>,
    keys: BTreeMap<String, u64>,
}

/// The view of records that name their event under `event`; line n is record n.
pub fn view(records: &[&str]) -> CatalogueView {
    let mut events: BTreeMap<String, (u64, BTreeMap<String, Seen>)> = BTreeMap::new();
    for (index, text) in records.iter().enumerate() {
        let mut tape = Tape::default();
        tape.parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let root = tape.value(text, 0);
        let name = root.member("event").and_then(|value| value.as_str());
        let (count, paths) = events.entry(name.unwrap_or("unknown".into()).into_owned()).or_default();
        *count += 1;
        see(paths, root, "", "", Step::Root, index as u64 + 1);
    }
    let events: Vec<EventView> =
        events.into_iter().map(|(name, (count, seen))| event(name, count, seen)).collect();
    CatalogueView {
        records: records.len() as u64,
        nodes: events.iter().flat_map(|event| &event.tree[1..]).map(|path| path.nodes).sum(),
        events,
        files: vec![file("lobby.jsonl", records.len() as u64)],
    }
}

/// A file in which nothing is odd.
pub fn file(uri: &str, records: u64) -> FileView {
    FileView { uri: uri.into(), format: "socketio".into(), lines: records, records, ..FileView::default() }
}

fn see(
    paths: &mut BTreeMap<String, Seen>,
    value: Value<'_>,
    path: &str,
    parent: &str,
    step: Step,
    line: u64,
) {
    let seen = paths.entry(path.to_owned()).or_default();
    seen.step = Some(step);
    seen.parent = parent.to_owned();
    seen.kinds[value.kind() as usize] += 1;
    seen.records.insert(line);
    let count = value.children().count() as u64;
    match value.kind() {
        Kind::Object => seen.empty += u64::from(count == 0),
        Kind::Array => {
            seen.empty += u64::from(count == 0);
            seen.items.push(count);
        }
        kind => {
            seen.values.entry(value.raw().to_owned()).or_insert(line);
            if kind == Kind::String {
                let inside = &value.raw()[1..value.raw().len() - 1];
                let length = unescape(inside.as_bytes()).chars().count() as u64;
                seen.lengths.push(length);
                seen.empty += u64::from(length == 0);
            } else if matches!(kind, Kind::Integer | Kind::Number) {
                seen.numbers.push(value.raw().to_owned());
            }
        }
    }
    let digits = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let folded = value.kind() == Kind::Object
        && count > 0
        && value.children().all(|child| child.key().is_some_and(|key| digits(&key)));
    let mut held = BTreeSet::new();
    for child in value.children() {
        let key = child.key().map(|key| key.into_owned());
        let (segment, step) = match &key {
            None => (Segment::Element, Step::Element),
            Some(_) if folded => (Segment::AnyKey, Step::AnyKey),
            Some(key) => (Segment::Member(key), Step::Member(key.clone())),
        };
        let mut below = path.to_owned();
        push(&mut below, segment);
        if let (true, Some(key)) = (folded, &key)
            && let Some(seen) = paths.get_mut(path)
        {
            *seen.keys.entry(key.clone()).or_default() += 1;
        }
        see(paths, child, &below, path, step, line);
        if held.insert(below.clone())
            && let Some(seen) = paths.get_mut(&below)
        {
            seen.holders += 1;
        }
    }
}

fn event(name: String, records: u64, seen: BTreeMap<String, Seen>) -> EventView {
    let index: BTreeMap<String, usize> =
        seen.keys().enumerate().map(|(index, path)| (path.clone(), index)).collect();
    let mut tree: Vec<PathView> = seen.into_iter().map(|(path, seen)| finish(path, seen, &index)).collect();
    for at in 1..tree.len() {
        let parent = tree[at].parent;
        tree[parent].children.push(at);
    }
    EventView { name, records, tree }
}

fn finish(path: String, seen: Seen, index: &BTreeMap<String, usize>) -> PathView {
    let place = |line: u64| Place { file: "lobby.jsonl".into(), line, time: None };
    let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
    let mut numbers = seen.numbers;
    numbers.sort_by(|a, b| number(a).total_cmp(&number(b)));
    let range = |counts: &[u64]| Some((*counts.iter().min()?, *counts.iter().max()?));
    let enumerated = seen.values.len() <= VALUES_MAX;
    let values = seen.values.iter().take(VALUES_MAX);
    let fold = (!seen.keys.is_empty()).then(|| FoldView {
        reason: "all keys are decimal digits".into(),
        members: seen.keys.values().sum(),
        distinct_keys: seen.keys.len() as u64,
        sample_keys: seen.keys.keys().take(3).cloned().collect(),
    });
    PathView {
        step: seen.step.unwrap_or(Step::Root),
        parent: index[&seen.parent],
        children: Vec::new(),
        kinds: seen.kinds,
        nodes: seen.kinds.iter().sum(),
        records: seen.records.len() as u64,
        holders: seen.holders,
        empty: seen.empty,
        distinct: seen.values.len() as u64,
        distinct_exact: true,
        number_range: numbers.first().cloned().zip(numbers.last().cloned()),
        length_range: range(&seen.lengths),
        items_range: range(&seen.items),
        values: values
            .map(|(json, line)| ValueView { json: json.clone(), cut: false, place: place(*line) })
            .collect(),
        enumerated,
        first_seen: place(seen.records.first().copied().unwrap_or(0)),
        last_seen: place(seen.records.last().copied().unwrap_or(0)),
        variants: None,
        fold,
        path,
    }
}
