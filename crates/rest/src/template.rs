//! Texts with places to be filled: `posts/{resources.posts.id}/comments`, `{incremental.start}`.

use serde_json::Value;

/// What fills the places: the member of a parent, or an end of what is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// This member of the record of this resource.
    Parent { resource: String, member: String },
    /// Where the cursor begins.
    Start,
    /// Where it ends.
    End,
}

/// Values of places.
pub(crate) trait Fill {
    /// `None` if there is no value for it.
    fn value(&self, place: &Place) -> Option<Value>;
}

/// The places of a text, in order.
///
/// # Errors
/// If one is none of those that there are.
pub(crate) fn places(text: &str) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    split(text, &mut |part| {
        if let Part::Place(name) = part {
            places.push(place(name)?);
        }
        Ok(())
    })?;
    Ok(places)
}

/// The same of every text in a value.
pub(crate) fn places_of(value: &Value, places_found: &mut Vec<Place>) -> Result<(), String> {
    match value {
        Value::String(text) => places_found.extend(places(text)?),
        Value::Array(elements) => {
            for element in elements {
                places_of(element, places_found)?;
            }
        }
        Value::Object(members) => {
            for member in members.values() {
                places_of(member, places_found)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A text with its places filled; in a path with `/` and the like as `%2F`, so that a value stays one part of it.
///
/// # Errors
/// If a place has no value.
pub(crate) fn filled(text: &str, fill: &dyn Fill, in_path: bool) -> Result<String, String> {
    let mut done = String::with_capacity(text.len());
    split(text, &mut |part| {
        match part {
            Part::Text(text) => done.push_str(text),
            Part::Place(name) => {
                let value =
                    fill.value(&place(name)?).ok_or_else(|| format!("there is no value for {{{name}}}"))?;
                let value = plain(&value);
                match in_path {
                    true => {
                        done.extend(url::form_urlencoded::byte_serialize(value.as_bytes()).flat_map(space))
                    }
                    false => done.push_str(&value),
                }
            }
        }
        Ok(())
    })?;
    Ok(done)
}

/// A value with its places filled. A text that is one place becomes the value itself, a number a number.
///
/// # Errors
/// If a place has no value.
pub(crate) fn filled_value(value: &Value, fill: &dyn Fill) -> Result<Value, String> {
    match value {
        Value::String(text) => {
            let whole = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match whole.filter(|name| !name.contains(['{', '}'])).map(place) {
                Some(Ok(place)) => fill.value(&place).ok_or_else(|| format!("there is no value for {text}")),
                _ => filled(text, fill, false).map(Value::String),
            }
        }
        Value::Array(elements) => elements.iter().map(|value| filled_value(value, fill)).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| Ok((name.clone(), filled_value(value, fill)?)))
            .collect::<Result<serde_json::Map<_, _>, String>>()
            .map(Value::Object),
        other => Ok(other.clone()),
    }
}

/// A value as it stands in an address.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// In a form a blank is `+`; in a path that would be a plus.
fn space(part: &str) -> impl Iterator<Item = &str> {
    std::iter::once(if part == "+" { "%20" } else { part })
}

enum Part<'a> {
    Text(&'a str),
    Place(&'a str),
}

/// Only `{resources.…}` and `{incremental.…}` are places: a body may have braces of its own.
fn split<'a>(text: &'a str, visit: &mut dyn FnMut(Part<'a>) -> Result<(), String>) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = ["{resources.", "{incremental."].iter().filter_map(|start| rest.find(start)).min() {
        let Some(end) = rest[at..].find('}').map(|end| at + end) else {
            return Err(format!("a `{{` of {text:?} is never ended by a `}}`"));
        };
        visit(Part::Text(&rest[..at]))?;
        visit(Part::Place(&rest[at + 1..end]))?;
        rest = &rest[end + 1..];
    }
    visit(Part::Text(rest))
}

fn place(name: &str) -> Result<Place, String> {
    match name {
        "incremental.start" => return Ok(Place::Start),
        "incremental.end" => return Ok(Place::End),
        _ => {}
    }
    let parent = name.strip_prefix("resources.").and_then(|rest| rest.split_once('.'));
    match parent {
        Some((resource, member)) if !resource.is_empty() && !member.is_empty() => {
            Ok(Place::Parent { resource: resource.to_owned(), member: member.to_owned() })
        }
        _ => Err(format!(
            "{{{name}}} is no place; there are {{resources.NAME.MEMBER}}, {{incremental.start}} and {{incremental.end}}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Fill, Place, filled, filled_value, places};

    struct Values;

    impl Fill for Values {
        fn value(&self, place: &Place) -> Option<Value> {
            match place {
                Place::Start => Some(json!("2024-01-01T00:00:00+02:00")),
                Place::End => None,
                Place::Parent { member, .. } if member == "id" => Some(json!(7)),
                Place::Parent { .. } => Some(json!("a/b c")),
            }
        }
    }

    #[test]
    fn places_are_filled() {
        let check = |text: &str, expect: &str| assert_eq!(filled(text, &Values, true).as_deref(), Ok(expect));
        check("posts/{resources.posts.id}/comments", "posts/7/comments");
        check("{resources.posts.slug}/{incremental.start}", "a%2Fb%20c/2024-01-01T00%3A00%3A00%2B02%3A00");
        check("a{b}c", "a{b}c");
        let typed =
            json!({"q": "x={resources.posts.id}", "id": "{resources.posts.id}", "n": [1, "{braces}"]});
        let expect = json!({"q": "x=7", "id": 7, "n": [1, "{braces}"]});
        assert_eq!(filled_value(&typed, &Values), Ok(expect));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |text: &str, why: &str| {
            let error = filled(text, &Values, false).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        check("{resources.posts}", "{resources.posts} is no place");
        check("{incremental.middle}", "no place; there are");
        check("{resources.posts.id", "never ended");
        check("{incremental.end}", "no value for {incremental.end}");
        let parent = Place::Parent { resource: "posts".to_owned(), member: "a.b".to_owned() };
        assert_eq!(places("{resources.posts.a.b}{incremental.end}"), Ok(vec![parent, Place::End]));
    }
}
