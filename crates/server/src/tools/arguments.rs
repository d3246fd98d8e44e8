//! Arguments: their limits first, then their types, then what they mean.

use rmcp::model::JsonObject;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cursor::{Cursor, Subject};
use crate::limits::{ARGUMENT_BYTES_MAX, ARGUMENT_VALUES_MAX, PAGE_DEFAULT, PAGE_MAX};
use crate::reply::{Paging, Refusal, fact};

/// Arguments as a tool takes them.
pub(crate) fn read<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, Refusal> {
    arguments.iter().try_for_each(|(name, value)| check(name, value))?;
    serde_json::from_value(Value::Object(arguments)).map_err(|error| {
        Refusal::new("The arguments are not what this tool takes.")
            .why(fact(&error.to_string()))
            .hint("the arguments of its input schema, with their types")
    })
}

fn check(name: &str, value: &Value) -> Result<(), Refusal> {
    let too = |what: String| {
        Err(Refusal::new("An argument is too large.")
            .why(format!("{}: {what}", fact(name)))
            .hint("a shorter one, or several calls"))
    };
    match value {
        Value::String(text) if text.len() > ARGUMENT_BYTES_MAX => {
            too(format!("{} bytes; up to {ARGUMENT_BYTES_MAX} are taken", text.len()))
        }
        Value::Array(values) if values.len() > ARGUMENT_VALUES_MAX => {
            too(format!("{} values; up to {ARGUMENT_VALUES_MAX} are taken", values.len()))
        }
        Value::Array(values) => values.iter().try_for_each(|value| check(name, value)),
        _ => Ok(()),
    }
}

/// A number of entries within its bounds.
pub(crate) fn count(name: &str, given: Option<u64>, default: u64, max: u64) -> Result<u64, Refusal> {
    let count = given.unwrap_or(default);
    if count == 0 || count > max {
        return Err(Refusal::new(format!("{name} is {count}; it has to be from 1 to {max}."))
            .hint("a number in that range; next_cursor goes on where a page ends"));
    }
    Ok(count)
}

/// The size of a page.
pub(crate) fn page_size(name: &str, given: Option<u64>) -> Result<u64, Refusal> {
    count(name, given, PAGE_DEFAULT, PAGE_MAX)
}

/// A text that has to say something.
pub(crate) fn said<'a>(name: &str, text: &'a str) -> Result<&'a str, Refusal> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(Refusal::new(format!("{name} is empty.")).hint("a value for it"));
    }
    Ok(trimmed)
}

/// The cursor that came with a question, if one did.
pub(crate) fn cursor_of(
    tool: &'static str,
    question: &impl Serialize,
    cursor: Option<&str>,
) -> Result<(Subject, Option<Cursor>), Refusal> {
    let subject = Subject { tool, question: serde_json::to_string(question).unwrap_or_default() };
    let cursor = cursor.map(|text| Cursor::read(text, &subject)).transpose()?;
    Ok((subject, cursor))
}

/// Where a page of a list begins that follows from the newest lake, and the index where `index` says so.
pub(crate) fn paging(
    (subject, cursor): (Subject, Option<Cursor>),
    lake: u64,
    index: u64,
) -> Result<Paging, Refusal> {
    let at = match cursor {
        Some(cursor) => {
            cursor.check(lake, index)?;
            cursor
        }
        None => Cursor { position: 0, lake, index },
    };
    Ok(Paging { subject, at })
}

/// The entries of one page out of all, and whether more follow.
pub(crate) fn slice<T>(all: Vec<T>, paging: &Paging, size: u64) -> (Vec<T>, bool) {
    let (position, size) = (paging.at.position as usize, size as usize);
    let more = all.len() > position.saturating_add(size);
    (all.into_iter().skip(position).take(size).collect(), more)
}
