//! What several documents say about a path, derived from the counts in one place.

use stele_model::Micros;
use stele_model::civil::civil;
use stele_model::json::Kind;

use crate::view::{EventView, PathView, Place, Step};

/// Digits of a share after the point: one record in a million is visible.
const SHARE_DIGITS: usize = 6;

/// A share of a whole as a JSON number, cut and not rounded: it is 1 only when nothing is missing
/// and 0 only when there is nothing.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return String::from("0");
    }
    if part >= whole {
        return String::from("1");
    }
    let scale = 10_u128.pow(SHARE_DIGITS as u32);
    let scaled = (u128::from(part) * scale / u128::from(whole)).max(1);
    let digits = format!("{scaled:0>SHARE_DIGITS$}");
    format!("0.{}", digits.trim_end_matches('0'))
}

/// A share of a whole for people, with the same promise: `100 %` means all of it.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return String::from("0 %");
    }
    if part >= whole {
        return String::from("100 %");
    }
    match u128::from(part) * 1000 / u128::from(whole) {
        0 => String::from("< 0.1 %"),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn many(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `file:line`.
pub(crate) fn at(place: &Place) -> String {
    format!("{}:{}", place.file, place.line)
}

/// The paths of an event below its root.
pub(crate) fn paths(event: &EventView) -> &[PathView] {
    event.tree.get(1..).unwrap_or_default()
}

/// The objects or arrays that could have held `path`, and those that did.
pub(crate) fn holding(event: &EventView, path: &PathView) -> Option<(u64, u64)> {
    let parent = event.tree.get(path.parent)?;
    match path.step {
        Step::Member(_) => Some((path.holders, parent.count(Kind::Object))),
        _ => None,
    }
}

/// Whether every object at the parent path holds the member.
pub(crate) fn always_there(event: &EventView, path: &PathView) -> bool {
    holding(event, path).is_some_and(|(holders, objects)| objects > 0 && holders == objects)
}

/// How a union can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Union {
    /// Integers and other numbers.
    Numeric,
    /// One kind, or null.
    Nullable,
    /// Kinds that need different code.
    Mixed,
}

impl Union {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Union::Numeric => "numeric",
            Union::Nullable => "nullable",
            Union::Mixed => "mixed",
        }
    }
}

/// What kind of union a path is; `None` where it has one type.
pub(crate) fn union(path: &PathView) -> Option<Union> {
    let numeric = |kind: &Kind| matches!(kind, Kind::Integer | Kind::Number);
    let seen: Vec<Kind> = path.kinds_seen().collect();
    let present: Vec<Kind> = seen.iter().copied().filter(|kind| *kind != Kind::Null).collect();
    if seen.len() < 2 {
        return None;
    }
    let one = present.len() < 2 || present.iter().all(numeric);
    Some(match (one, present.len() == seen.len()) {
        (true, true) => Union::Numeric,
        (true, false) => Union::Nullable,
        (false, _) => Union::Mixed,
    })
}

/// Whether the path is never anything but null.
pub(crate) fn always_null(path: &PathView) -> bool {
    path.nodes > 0 && path.count(Kind::Null) == path.nodes
}

/// Whether the path is never anything but an empty string, array or object.
pub(crate) fn always_empty(path: &PathView) -> bool {
    path.nodes > 0 && path.empty == path.nodes
}

/// The types with their counts where there are several: `integer 3, number 245`.
pub(crate) fn counted_types(path: &PathView) -> String {
    let counted: Vec<String> =
        path.kinds_seen().map(|kind| format!("{} {}", kind.name(), path.count(kind))).collect();
    if counted.len() == 1 { path.kinds_text() } else { counted.join(", ") }
}

/// The ranges of a path for people, empty where there are none.
pub(crate) fn ranges(path: &PathView) -> String {
    let mut parts = Vec::new();
    if let Some((low, high)) = &path.number_range {
        parts.push(span(low, high, ""));
    }
    if let Some((low, high)) = path.length_range {
        parts.push(span(&low.to_string(), &high.to_string(), " characters"));
    }
    if let Some((low, high)) = path.items_range {
        parts.push(span(&low.to_string(), &high.to_string(), " elements"));
    }
    parts.join(", ")
}

fn span(low: &str, high: &str, unit: &str) -> String {
    if low == high { format!("{low}{unit}") } else { format!("{low} … {high}{unit}") }
}

/// Distinct values, marked `~` where they are estimated.
pub(crate) fn distinct(path: &PathView) -> String {
    format!("{}{}", if path.distinct_exact { "" } else { "~" }, path.distinct)
}

const MICROS_A_SECOND: i64 = 1_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// `2025-01-31 08:00:00.25`, without a zone: a place does not say whether its time is UTC.
pub(crate) fn time(micros: Micros) -> String {
    let seconds = micros.div_euclid(MICROS_A_SECOND);
    let (year, month, day) = civil(seconds.div_euclid(SECONDS_A_DAY));
    let second = seconds.rem_euclid(SECONDS_A_DAY);
    let clock = format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    let fraction = format!(".{:06}", micros.rem_euclid(MICROS_A_SECOND));
    format!("{year:04}-{month:02}-{day:02} {clock}{}", fraction.trim_end_matches('0').trim_end_matches('.'))
}
