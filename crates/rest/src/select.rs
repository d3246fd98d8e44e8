//! Where in an answer the records are, and where in a record a member is.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use serde_json_path::JsonPath;
use stele_collect::CollectError;

/// A record: as it was said, and as it is understood.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) raw: Box<RawValue>,
    pub(crate) value: Value,
}

/// Where records are.
#[derive(Debug, Clone)]
pub(crate) enum Select {
    /// The list itself, or the only list of objects; an object with none is one record.
    Found,
    /// Members of members, and then each element of the list there, if it is one: `$.data[*]`. Records stay byte for byte.
    Members { names: Vec<String>, each: bool },
    /// Anything else. Records are written anew from what was understood.
    Path(JsonPath),
}

impl Select {
    /// Of a JSONPath.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Select::Found) };
        let path = json_path(text)?;
        Ok(plain_members(text).map_or(Select::Path(path), |(names, each)| Select::Members { names, each }))
    }

    /// The records of an answer. `null` where they should be is none, nothing at all there an error.
    pub(crate) fn records(&self, body: &[u8], what: &str) -> Result<Vec<Record>, CollectError> {
        let refuse = |why: String| CollectError::Answer { what: what.to_owned(), why };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let unreadable = |error: serde_json::Error| {
            refuse(format!(
                "its answer is no JSON: {error}; is `path` the address of an API and not of a page?"
            ))
        };
        match self {
            Select::Path(path) => {
                let value: Value = serde_json::from_slice(body).map_err(unreadable)?;
                path.query(&value).iter().map(|value| written((*value).clone())).collect()
            }
            Select::Members { names, each } => {
                let mut raw: &RawValue = serde_json::from_slice(body).map_err(unreadable)?;
                for (depth, name) in names.iter().enumerate() {
                    let members: BTreeMap<String, &RawValue> = match serde_json::from_str(raw.get()) {
                        Ok(members) => members,
                        Err(_) if raw.get() == "null" => return Ok(Vec::new()),
                        Err(_) => return Err(refuse(not_there(&names[..depth], "is no object"))),
                    };
                    let Some(found) = members.get(name.as_str()) else {
                        return Err(refuse(not_there(&names[..=depth], "is not in its answer")));
                    };
                    raw = found;
                }
                match raw.get().as_bytes().first() {
                    Some(b'n') => Ok(Vec::new()),
                    Some(b'[') => elements(raw),
                    _ if *each => Err(refuse(not_there(names, "is no list"))),
                    _ => Ok(vec![understood(raw)?]),
                }
            }
            Select::Found => {
                let raw: &RawValue = serde_json::from_slice(body).map_err(unreadable)?;
                match raw.get().as_bytes().first() {
                    Some(b'[') => elements(raw),
                    Some(b'{') => found(raw).map_err(refuse)?,
                    Some(b'n') => Ok(Vec::new()),
                    _ => Err(refuse("its answer is neither an object nor a list".to_owned())),
                }
            }
        }
    }
}

/// A JSONPath that can be used.
pub(crate) fn json_path(text: &str) -> Result<JsonPath, String> {
    JsonPath::parse(text)
        .map_err(|error| format!("`{text}` is no JSONPath such as `$.data[*]`: {}", error.message()))
}

/// The member `a.b` of a record; a name with a point in it goes first.
pub(crate) fn member<'a>(record: &'a Value, path: &str) -> Option<&'a Value> {
    record.get(path).or_else(|| path.split('.').try_fold(record, |value, name| value.get(name)))
}

fn not_there(names: &[String], what: &str) -> String {
    format!("`$.{}` {what}; correct `select`", names.join("."))
}

/// `$`, `$.a.b` and `$.a.b[*]`: the names, and whether each element of a list is meant.
fn plain_members(text: &str) -> Option<(Vec<String>, bool)> {
    let rest = text.trim().strip_prefix('$')?;
    let (rest, each) = rest.strip_suffix("[*]").map_or((rest, false), |rest| (rest, true));
    if rest.is_empty() {
        return Some((Vec::new(), each));
    }
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    let names: Vec<String> = rest.strip_prefix('.')?.split('.').map(str::to_owned).collect();
    names.iter().all(|name| is_name(name)).then_some((names, each))
}

/// Every element of a list.
fn elements(raw: &RawValue) -> Result<Vec<Record>, CollectError> {
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(CollectError::Unwritable)?;
    list.into_iter().map(understood).collect()
}

/// The only list of objects among the members, or the object itself.
fn found(raw: &RawValue) -> Result<Result<Vec<Record>, CollectError>, String> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
    let is_list = |raw: &RawValue| {
        let list: Option<Vec<&RawValue>> = serde_json::from_str(raw.get()).ok();
        list.is_some_and(|list| list.iter().all(|element| element.get().starts_with('{')))
    };
    let lists: Vec<(&String, &&RawValue)> = members.iter().filter(|(_, raw)| is_list(raw)).collect();
    match lists.as_slice() {
        [] => Ok(understood(raw).map(|record| vec![record])),
        [(_, list)] => Ok(elements(list)),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!(
                "its answer has several lists ({}); say by `select` which is meant, such as `$.{}[*]`",
                names.join(", "),
                names[0]
            ))
        }
    }
}

fn understood(raw: &RawValue) -> Result<Record, CollectError> {
    let value = serde_json::from_str(raw.get()).map_err(CollectError::Unwritable)?;
    Ok(Record { raw: raw.to_owned(), value })
}

pub(crate) fn written(value: Value) -> Result<Record, CollectError> {
    let raw = to_raw_value(&value).map_err(CollectError::Unwritable)?;
    Ok(Record { raw, value })
}
