//! Two shapes in, changes out.

use std::collections::BTreeSet;

use serde_json::Value;

use super::rules::{Rule, Severity};
use super::shape::{EventShape, FieldShape, Presence, Shape};

/// Occurrences that one must expect before their absence means anything: with ten expected, chance
/// alone leaves none in one of twenty thousand samples.
const EXPECTED_MIN: u128 = 10;

/// Change of a share, in parts of a hundred, that is worth a line.
const SHIFT_PERCENT_MIN: i64 = 20;

/// Objects on both sides without which a share says nothing.
const SHIFT_OBJECTS_MIN: u64 = 30;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub event: String,
    /// The path in it; `None` for the event itself, empty for its root.
    pub path: Option<String>,
    /// Why it is a change, and how bad it is.
    pub rule: Rule,
    /// What was.
    pub before: String,
    /// What is.
    pub after: String,
    /// Where the new side shows it, as `file:line`, where that is known.
    pub evidence: Option<String>,
}

/// All changes, sorted by event, path and rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// The changes.
    pub changes: Vec<Change>,
}

impl Diff {
    /// The worst severity; [`Severity::Safe`] also where nothing changed.
    pub fn worst(&self) -> Severity {
        self.changes.iter().map(|change| change.rule.severity()).max().unwrap_or(Severity::Safe)
    }

    /// Changes of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.changes.iter().filter(|change| change.rule.severity() == severity).count()
    }

    /// Whether any change is at least as bad as `level`. No change is no drift, whatever the level.
    pub fn reaches(&self, level: Severity) -> bool {
        self.changes.iter().any(|change| change.rule.severity() >= level)
    }
}

/// Compares two shapes.
pub fn compare(old: &Shape, new: &Shape) -> Diff {
    let mut changes = Vec::new();
    let total = |shape: &Shape| shape.events.values().map(|event| event.records).sum::<Option<u64>>();
    let names: BTreeSet<&String> = old.events.keys().chain(new.events.keys()).collect();
    for name in names {
        let mut event = Event { name, changes: &mut changes };
        match (old.events.get(name), new.events.get(name)) {
            (Some(old), Some(new)) => event.compare(old, new),
            (None, Some(new)) => {
                let seen = new.paths.get("").and_then(|root| root.first_seen.clone());
                event.push(None, Rule::EventAdded, "", &extent(new), seen);
            }
            (Some(gone), None) => {
                let rare = expects_few(gone.records, total(old), total(new));
                let rule = if rare { Rule::EventNotSeenRare } else { Rule::EventNotSeen };
                event.push(None, rule, &extent(gone), "", None);
            }
            (None, None) => {}
        }
    }
    Diff { changes }
}

/// Whether `part` of `whole` gives fewer than [`EXPECTED_MIN`] of `other`.
fn expects_few(part: Option<u64>, whole: Option<u64>, other: Option<u64>) -> bool {
    match (part, whole, other) {
        (Some(part), Some(whole), Some(other)) => {
            u128::from(part) * u128::from(other) < EXPECTED_MIN * u128::from(whole)
        }
        _ => false,
    }
}

fn extent(event: &EventShape) -> String {
    let paths = event.paths.keys().filter(|path| !path.is_empty()).count() as u64;
    let paths = super::super::facts::many(paths, "path");
    match event.records {
        Some(records) => format!("{}, {paths}", super::super::facts::many(records, "record")),
        None => paths,
    }
}

struct Event<'a> {
    name: &'a str,
    changes: &'a mut Vec<Change>,
}

impl Event<'_> {
    fn push(&mut self, path: Option<&str>, rule: Rule, before: &str, after: &str, evidence: Option<String>) {
        self.changes.push(Change {
            event: self.name.to_owned(),
            path: path.map(str::to_owned),
            rule,
            before: before.to_owned(),
            after: after.to_owned(),
            evidence,
        });
    }

    fn compare(&mut self, old: &EventShape, new: &EventShape) {
        let paths: BTreeSet<&String> = old.paths.keys().chain(new.paths.keys()).collect();
        for path in paths {
            match (old.paths.get(path), new.paths.get(path)) {
                (Some(before), Some(after)) => {
                    self.types(path, before, after);
                    self.values(path, before, after);
                    self.ranges(path, before, after);
                    self.presence(path, before, after, old, new);
                }
                // A dictionary written by hand has no root; that is no news.
                (None, Some(_)) | (Some(_), None) if path.is_empty() => {}
                (None, Some(after)) => {
                    self.push(Some(path), Rule::PathAdded, "", &types(after), after.first_seen.clone());
                }
                (Some(before), None) => {
                    let rule = not_seen(path, before, old, new);
                    self.push(Some(path), rule, &types(before), "", None);
                }
                (None, None) => {}
            }
        }
    }

    fn types(&mut self, path: &str, before: &FieldShape, after: &FieldShape) {
        if before.types.is_empty() || before.types == after.types {
            return;
        }
        let added: Vec<&str> = after.types.difference(&before.types).map(String::as_str).collect();
        let had = |kind: &str| before.types.contains(kind);
        let rule = added.iter().map(|kind| match *kind {
            _ if before.types.iter().all(|kind| kind == "null") => Rule::WidenedFromNull,
            "null" => Rule::WidenedByNull,
            "number" if had("integer") => Rule::WidenedByNumber,
            "integer" if had("number") => Rule::WidenedByInteger,
            _ if before.types.is_disjoint(&after.types) => Rule::Replaced,
            _ => Rule::WidenedByType,
        });
        let rule = rule.max_by_key(|rule| rule.severity()).unwrap_or(Rule::Narrowed);
        let place = after.seen.iter().find(|(value, _)| added.contains(&kind(value)));
        let place = place.and_then(|(_, place)| place.clone());
        self.push(Some(path), rule, &types(before), &types(after), place);
    }

    fn values(&mut self, path: &str, before: &FieldShape, after: &FieldShape) {
        let Some(known) = &before.values else { return };
        // A null is a matter of types.
        let is_new = |value: &Value| !value.is_null() && !known.iter().any(|known| equal(known, value));
        let fresh: Vec<&(Value, Option<String>)> =
            after.seen.iter().filter(|(value, _)| is_new(value)).collect();
        let Some((_, place)) = fresh.first() else { return };
        let written: Vec<String> = fresh.iter().map(|(value, _)| value.to_string()).collect();
        let known: Vec<String> = known.iter().map(Value::to_string).collect();
        self.push(Some(path), Rule::NewValue, &known.join(", "), &written.join(", "), place.clone());
    }

    fn ranges(&mut self, path: &str, before: &FieldShape, after: &FieldShape) {
        let mut changed = Vec::new();
        let number = |text: &serde_json::Number| text.to_string();
        let numbers = |range: &Option<(serde_json::Number, serde_json::Number)>| {
            range.as_ref().map(|(low, high)| (number(low), number(high)))
        };
        let counts = |range: Option<(u64, u64)>| range.map(|(low, high)| (low.to_string(), high.to_string()));
        changed.push(("", numbers(&before.range), numbers(&after.range)));
        changed.push((" characters", counts(before.length), counts(after.length)));
        changed.push((" elements", counts(before.items), counts(after.items)));
        for (unit, old, new) in changed {
            let (Some(old), Some(new)) = (old, new) else { continue };
            if !same(&old.0, &new.0) || !same(&old.1, &new.1) {
                let span = |(low, high): &(String, String)| format!("{low} … {high}{unit}");
                self.push(Some(path), Rule::Range, &span(&old), &span(&new), None);
            }
        }
    }

    fn presence(
        &mut self,
        path: &str,
        before: &FieldShape,
        after: &FieldShape,
        old: &EventShape,
        new: &EventShape,
    ) {
        let (Some(was), Some(is)) = (before.presence, after.presence) else { return };
        let old_share = share(path, before, old);
        let new_share = share(path, after, new);
        let rule = match (was, is) {
            (Presence::Always, Presence::Sometimes) => Rule::AlwaysToSometimes,
            (Presence::Sometimes, Presence::Always) => Rule::SometimesToAlways,
            (Presence::Always, Presence::Always) => return,
            (Presence::Sometimes, Presence::Sometimes) => {
                let (Some(a), Some(b)) = (&old_share, &new_share) else { return };
                let enough = a.objects >= SHIFT_OBJECTS_MIN && b.objects >= SHIFT_OBJECTS_MIN;
                if !enough || (a.percent - b.percent).abs() < SHIFT_PERCENT_MIN {
                    return;
                }
                Rule::PresenceShift
            }
        };
        let text = |presence: Presence, share: Option<Share>| match (presence, share) {
            (_, Some(share)) => share.text,
            (Presence::Always, None) => String::from("always"),
            (Presence::Sometimes, None) => String::from("sometimes"),
        };
        self.push(Some(path), rule, &text(was, old_share), &text(is, new_share), None);
    }
}

struct Share {
    objects: u64,
    percent: i64,
    text: String,
}

fn share(path: &str, field: &FieldShape, event: &EventShape) -> Option<Share> {
    let holders = field.holders?;
    let objects = event.paths.get(parent(path)?)?.objects?;
    if objects == 0 {
        return None;
    }
    let percent = u128::from(holders) * 100 / u128::from(objects);
    Some(Share {
        objects,
        percent: i64::try_from(percent).unwrap_or(i64::MAX),
        text: format!("{holders} of {objects} objects"),
    })
}

fn not_seen(path: &str, gone: &FieldShape, old: &EventShape, new: &EventShape) -> Rule {
    let Some(parent) = parent(path) else { return Rule::PathNotSeen };
    let (was, is) = (old.paths.get(parent), new.paths.get(parent));
    if was.is_some() && is.is_none() {
        return Rule::HolderNotSeen;
    }
    let is_member = !path.ends_with("[]") && !path.ends_with("{}");
    let could_hold = |field: &FieldShape| field.types.contains("object");
    match is {
        Some(holder) if is_member && !could_hold(holder) => return Rule::HolderNotSeen,
        // Arrays and maps are all empty now, or there are none.
        Some(_) if !is_member => return Rule::HolderNotSeen,
        _ => {}
    }
    if gone.presence == Some(Presence::Always) && is.is_some() {
        return Rule::AlwaysNotSeen;
    }
    let objects = |field: Option<&FieldShape>| field.and_then(|field| field.objects);
    if expects_few(gone.holders, objects(was), objects(is)) {
        Rule::PathNotSeenRare
    } else {
        Rule::PathNotSeen
    }
}

/// The path that holds `path`; `None` for the root.
fn parent(path: &str) -> Option<&str> {
    if path.is_empty() {
        return None;
    }
    let bytes = path.as_bytes();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        start = at;
        at += 1;
        if bytes[start] == b'[' && bytes.get(at) == Some(&b'"') {
            at += 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 2;
        } else if bytes[start] == b'[' {
            at += 1;
        } else {
            while at < bytes.len() && !matches!(bytes[at], b'.' | b'[') {
                at += 1;
            }
        }
    }
    path.get(..start)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.to_string().contains(['.', 'e', 'E']) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same(&a.to_string(), &b.to_string()),
        _ => a == b,
    }
}

fn same(a: &str, b: &str) -> bool {
    a == b || matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b && a.is_finite())
}

fn types(field: &FieldShape) -> String {
    field.types.iter().map(String::as_str).collect::<Vec<_>>().join("|")
}
