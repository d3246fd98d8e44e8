//! When two records are the same one, and which were seen before.
//!
//! The same is: the same members with the same values, in whatever order. Numbers are compared by what they are and
//! not by how they are written, so `1`, `1.0` and `1e0` are the same, to the last digit and without rounding; the
//! text `"1"` is another.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Records that are remembered: 64 MB of memory. What was seen before them is forgotten first; the lake knows it by its id.
pub const SEEN_MAX: usize = 1_000_000;

/// Bytes of a hash that are kept: of a million records two are the same by chance once in 10^26 runs.
const ID_BYTES: usize = 16;

/// What tells a record from another.
pub type ContentId = [u8; ID_BYTES];

/// What makes two records the same one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DedupBy {
    /// Nothing: every record is kept. What is left out is left out because somebody asked for it.
    #[default]
    Nothing,
    /// All of their content.
    Content,
    /// These members. A record without them all is told by its content.
    Key(Vec<String>),
}

impl Serialize for DedupBy {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            DedupBy::Nothing => to.serialize_bool(false),
            DedupBy::Content => to.serialize_str("content"),
            DedupBy::Key(names) => names.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for DedupBy {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let refuse = |value: Value| {
            serde::de::Error::custom(format!(
                "{value} is no way to tell records; write false, \"content\" or names of members such as [\"id\"]"
            ))
        };
        match Value::deserialize(from)? {
            Value::Bool(false) => Ok(DedupBy::Nothing),
            Value::Bool(true) => Ok(DedupBy::Content),
            Value::String(text) if text == "content" => Ok(DedupBy::Content),
            Value::Array(names) if !names.is_empty() && names.iter().all(Value::is_string) => {
                let names = names.iter().filter_map(Value::as_str);
                Ok(DedupBy::Key(names.map(str::to_owned).collect()))
            }
            other => Err(refuse(other)),
        }
    }
}

impl DedupBy {
    /// What tells this record from others; `None` if nothing does.
    pub fn id(&self, record: &Value) -> Option<ContentId> {
        match self {
            DedupBy::Nothing => None,
            DedupBy::Content => Some(content_id(record)),
            DedupBy::Key(names) => {
                let key: Option<Vec<&Value>> = names.iter().map(|name| record.get(name)).collect();
                // A key and a content that look alike are not.
                Some(key.map_or_else(|| content_id(record), |key| id_of(&format!("key{}", joined(&key)))))
            }
        }
    }
}

/// What tells this content from any other.
pub fn content_id(value: &Value) -> ContentId {
    id_of(&canonical(value))
}

/// The same text for the same content.
pub fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    text
}

fn joined(key: &[&Value]) -> String {
    key.iter().map(|value| canonical(value)).collect::<Vec<_>>().join(",")
}

fn id_of(text: &str) -> ContentId {
    let mut id = [0; ID_BYTES];
    id.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..ID_BYTES]);
    id
}

fn write_canonical(value: &Value, to: &mut String) {
    match value {
        Value::Number(number) => to.push_str(&canonical_number(&number.to_string())),
        Value::Array(elements) => {
            to.push('[');
            for (at, element) in elements.iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write_canonical(element, to);
            }
            to.push(']');
        }
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            to.push('{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    to.push(',');
                }
                write_text(name, to);
                to.push(':');
                write_canonical(&members[name], to);
            }
            to.push('}');
        }
        Value::String(text) => write_text(text, to),
        Value::Null => to.push_str("null"),
        Value::Bool(yes) => to.push_str(if *yes { "true" } else { "false" }),
    }
}

fn write_text(text: &str, to: &mut String) {
    // A `String` takes everything.
    let _ = write!(to, "{text:?}");
}

/// A number as digits without zeros around them, and a power of ten.
fn canonical_number(literal: &str) -> String {
    let (minus, rest) = literal.strip_prefix('-').map_or(("", literal), |rest| ("-", rest));
    let (mantissa, power) = match rest.split_once(['e', 'E']) {
        None => (rest, Some(0)),
        Some((mantissa, power)) => (mantissa, power.parse::<i64>().ok()),
    };
    // A power that is no 64-bit number is left as it is written.
    let Some(power) = power else { return literal.to_owned() };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() {
        return "0".to_owned();
    }
    let zeros = (digits.len() - trimmed.len()) as i64;
    match power.checked_add(zeros).and_then(|power| power.checked_sub(fraction.len() as i64)) {
        Some(power) => format!("{minus}{trimmed}e{power}"),
        None => literal.to_owned(),
    }
}

/// What was seen before. A record counts as seen when it is kept, not when it is met: one that is lost on its
/// way is met again.
#[derive(Debug, Default)]
pub struct Seen {
    kept: HashSet<ContentId>,
    /// In the order in which they were kept.
    order: VecDeque<ContentId>,
    /// Met and not kept yet.
    pending: HashSet<ContentId>,
    duplicates: u64,
}

impl Seen {
    /// With what earlier runs have kept.
    pub fn with(kept: impl IntoIterator<Item = ContentId>) -> Self {
        let mut seen = Self::default();
        for id in kept {
            seen.pending.insert(id);
            seen.kept();
        }
        seen
    }

    /// Whether this is met for the first time. If not, it is counted.
    pub fn is_new(&mut self, id: ContentId) -> bool {
        let new = !self.kept.contains(&id) && self.pending.insert(id);
        self.duplicates += u64::from(!new);
        new
    }

    /// Everything that was met is kept now.
    pub fn kept(&mut self) {
        for id in self.pending.drain() {
            if self.kept.insert(id) {
                self.order.push_back(id);
            }
        }
        while self.order.len() > SEEN_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.kept.remove(&oldest);
            }
        }
    }

    /// What was met and not kept is lost, and new again.
    pub fn lost(&mut self) {
        self.pending.clear();
    }

    /// How many were met again.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// What is kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &ContentId> {
        self.order.iter()
    }
}
