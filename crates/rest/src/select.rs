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
    /// The text itself where it cannot be understood.
    pub(crate) value: Value,
    /// Why it cannot be understood, such as brackets that are too deep.
    pub(crate) unread: Option<String>,
}

/// Where records are.
#[derive(Debug, Clone)]
pub(crate) enum Select {
    /// The list itself, or the only list of objects; an object with none is one record.
    Found,
    /// Members of members, and then each element of the list there, if it is one: `$.data[*]`. Records stay byte for byte.
    Members { names: Vec<String>, each: bool },
    /// Anything else. Records are written anew from what was understood.
    Path { path: JsonPath, listed: Listed },
}

/// What a page has before a condition leaves anything out of it.
#[derive(Debug, Clone)]
pub(crate) enum Listed {
    /// What is selected: there is no condition.
    Selected,
    /// The elements of the list in these members: `$.data[?@.open]`.
    In(Vec<String>),
    /// Nobody knows: the condition is not the last of the path, or what is before it is no single list.
    Unknown,
}

impl Select {
    /// Of a JSONPath.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Select::Found) };
        let path = json_path(text)?;
        Ok(match plain_members(text) {
            Some((names, each)) => Select::Members { names, each },
            None => Select::Path { path, listed: listed(text.trim()) },
        })
    }

    /// Whether it can be told how many records a page had before a condition left any out.
    pub(crate) fn is_countable(&self) -> bool {
        !matches!(self, Select::Path { listed: Listed::Unknown, .. })
    }

    /// How many records a page had before a condition left any out, if that can be told.
    pub(crate) fn listed(&self, body: &[u8], selected: usize) -> Option<u64> {
        match self {
            Select::Path { listed: Listed::Unknown, .. } => None,
            Select::Path { listed: Listed::In(names), .. } => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                let list = names.iter().try_fold(&body, |value, name| value.get(name.as_str()));
                Some(match list {
                    Some(Value::Array(elements)) => elements.len() as u64,
                    Some(Value::Object(members)) => members.len() as u64,
                    _ => 0,
                })
            }
            _ => Some(selected as u64),
        }
    }

    /// The records of an answer. `null` where they should be is none, nothing at all there an error.
    pub(crate) fn records(&self, body: &[u8], what: &str) -> Result<Vec<Record>, CollectError> {
        let refuse = |why: String| CollectError::Answer { what: what.to_owned(), why };
        if body.iter().all(u8::is_ascii_whitespace) {
            return match self {
                Select::Members { names, .. } if !names.is_empty() => {
                    Err(refuse(format!("its answer is empty, and `$.{}` is not in it", names.join("."))))
                }
                _ => Ok(Vec::new()),
            };
        }
        let unreadable = |error: serde_json::Error| {
            refuse(match error.to_string() {
                // The kind of error does not tell it from others.
                said if said.starts_with("recursion limit") => format!(
                    "its answer is nested too deep to be looked into ({said}); with a `select` such as `$.data[*]`, without a condition, only the record that is too deep is left out"
                ),
                said => format!(
                    "its answer is no JSON: {said}; is `path` the address of an API and not of a page?"
                ),
            })
        };
        match self {
            Select::Path { path, .. } => {
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
                    _ => Ok(vec![understood(raw)]),
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

fn listed(text: &str) -> Listed {
    match condition(text) {
        None => Listed::Selected,
        Some((start, end)) => match plain_members(&text[..start]) {
            Some((names, false)) if end == text.len() => Listed::In(names),
            _ => Listed::Unknown,
        },
    }
}

/// Where the first bracket of a path begins that has a condition, and where it ends. The path is one.
fn condition(text: &str) -> Option<(usize, usize)> {
    let (mut quote, mut is_escaped): (Option<char>, bool) = (None, false);
    let (mut open, mut found): (Vec<usize>, Option<usize>) = (Vec::new(), None);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(end), _) if letter == end => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '[') => open.push(at),
            (None, '?') => found = found.or(open.first().copied()),
            (None, ']') => {
                let start = open.pop()?;
                if found == Some(start) {
                    return Some((start, at + 1));
                }
            }
            (None, _) => {}
        }
    }
    None
}

/// Every element of a list.
fn elements(raw: &RawValue) -> Result<Vec<Record>, CollectError> {
    let list: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(CollectError::Unwritable)?;
    Ok(list.into_iter().map(understood).collect())
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
        [] => Ok(Ok(vec![understood(raw)])),
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

/// One that is too deep, say, is no reason to lose those beside it.
fn understood(raw: &RawValue) -> Record {
    let (value, unread) = match serde_json::from_str(raw.get()) {
        Ok(value) => (value, None),
        Err(error) => (Value::from(raw.get()), Some(error.to_string())),
    };
    Record { raw: raw.to_owned(), value, unread }
}

pub(crate) fn written(value: Value) -> Result<Record, CollectError> {
    let raw = to_raw_value(&value).map_err(CollectError::Unwritable)?;
    Ok(Record { raw, value, unread: None })
}

#[cfg(test)]
mod tests {
    use super::Select;

    #[test]
    fn records_are_counted_before_a_condition() {
        let body = br#"{"data": {"items": [{"x": 1}, {"x": 2}, {"x": "]?'"}]}, "by": {"a": {}, "b": {}}}"#;
        let check = |text: &str, expect: Option<u64>| {
            let select = Select::parse(Some(text)).unwrap();
            let selected = select.records(body, "").unwrap().len();
            assert_eq!(select.listed(body, selected), expect, "{text}");
            assert_eq!(select.is_countable(), expect.is_some(), "{text}");
        };
        check("$.data.items[*]", Some(3));
        check("$.data.items[?@.x==1]", Some(3));
        check("$.data.items[?@.x==']?\\'']", Some(3));
        check("$.data.items[?@.y[?@.z]]", Some(3));
        check("$.by[?@.a]", Some(2));
        check("$.nowhere[?@.a]", Some(0));
        check("$[?@.a]", Some(2));
        // Without a condition what is selected is what there is.
        check("$.data['items'][*]", Some(3));
        check("$.data.items[0:2]", Some(2));
        // What is counted by its service is not to be seen.
        check("$.data[?@.x].items[*]", None);
        check("$..[?@.x==1]", None);
        check("$['data'].items[?@.x==1]", None);
    }
}
