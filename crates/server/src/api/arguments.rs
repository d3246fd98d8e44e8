//! Arguments of a request, from its path, its query and its body, as the schema of its route has them.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use rmcp::model::JsonObject;
use serde_json::{Number, Value};

use crate::http::problem::Problem;
use crate::limits::BODY_BYTES_MAX;
use crate::reply::{Refusal, fact};

/// Fields that a query or a form may have: no route takes more than a dozen.
const FIELDS_MAX: usize = 100;

/// The arguments in a query or a form: texts, which become what the schema says they are.
pub(crate) fn from_pairs(schema: &JsonObject, text: &str) -> Result<JsonObject, Refusal> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required = schema.get("required").and_then(Value::as_array);
    let mut arguments = JsonObject::new();
    for (number, (name, text)) in url::form_urlencoded::parse(text.as_bytes()).enumerate() {
        if number >= FIELDS_MAX {
            return Err(Refusal::new(format!("There are more than {FIELDS_MAX} arguments."))
                .hint("the arguments that GET /openapi.json lists for this address"));
        }
        let property = properties.and_then(|all| all.get(&*name));
        let is_needed = required.is_some_and(|all| all.iter().any(|one| one == &*name));
        // A field of a form that was left empty says nothing.
        if text.is_empty() && !is_needed {
            continue;
        }
        let kinds = property.map(kinds_of).unwrap_or_default();
        if kinds.contains(&"array") {
            let list = arguments.entry(name.into_owned()).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(Value::String(text.into_owned()));
            }
            continue;
        }
        let value = typed(&name, text.into_owned(), &kinds)?;
        let name = name.into_owned();
        if arguments.contains_key(&name) {
            return Err(Refusal::new("An argument is given twice.").why(fact(&name)).hint("it once"));
        }
        arguments.insert(name, value);
    }
    Ok(arguments)
}

/// A text as the schema takes it.
fn typed(name: &str, text: String, kinds: &[&str]) -> Result<Value, Refusal> {
    let wrong = |what: &str, text: &str| {
        Err(Refusal::new(format!("An argument is no {what}."))
            .why(format!("{}: {}", fact(name), fact(text)))
            .hint(format!("a {what} for it")))
    };
    if kinds.contains(&"integer") {
        return match text.parse::<u64>() {
            Ok(number) => Ok(Value::Number(Number::from(number))),
            Err(_) => wrong("whole number from 0 on", &text),
        };
    }
    if kinds.contains(&"boolean") {
        return match text.as_str() {
            "true" | "1" | "on" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => wrong("true or false", &text),
        };
    }
    Ok(Value::String(text))
}

/// The JSON types that a property may have.
fn kinds_of(property: &Value) -> Vec<&str> {
    match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The arguments in a body of JSON.
pub(crate) async fn from_body(headers: &HeaderMap, body: Body) -> Result<JsonObject, Problem> {
    let media_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "The body has to be JSON.",
        )
        .next("Content-Type: application/json"));
    }
    let bytes = whole(body).await?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(arguments)) => Ok(arguments),
        Ok(_) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "bad_request", "The body has to be one JSON object."))
        }
        Err(error) => Err(Problem {
            detail: Some(error.to_string()),
            ..Problem::new(StatusCode::BAD_REQUEST, "bad_request", "The body is no JSON.")
        }),
    }
}

/// All of a body, within its bound.
pub(crate) async fn whole(body: Body) -> Result<Vec<u8>, Problem> {
    let bytes = axum::body::to_bytes(body, BODY_BYTES_MAX).await;
    bytes.map(Vec::from).map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The body is too large, or ended early.")
            .next(format!("up to {BODY_BYTES_MAX} bytes"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::from_pairs;

    fn check(query: &str, expect: Result<serde_json::Value, &str>) {
        let schema = json!({
            "properties": {
                "query": { "type": "string" },
                "top": { "type": ["integer", "null"] },
                "deep": { "type": "boolean" },
                "kinds": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["query"],
        });
        let schema = schema.as_object().unwrap();
        match (from_pairs(schema, query), expect) {
            (Ok(got), Ok(expect)) => assert_eq!(json!(got), expect, "{query}"),
            (Err(refusal), Err(expect)) => {
                assert!(refusal.text().contains(expect), "{query}: {}", refusal.text())
            }
            (got, expect) => panic!("{query}: {got:?}, not {expect:?}"),
        }
    }

    #[test]
    fn texts_become_what_the_schema_says() {
        check("query=a%20b+c&top=7&deep=true", Ok(json!({ "query": "a b c", "top": 7, "deep": true })));
        check("kinds=A&kinds=B&query=1", Ok(json!({ "kinds": ["A", "B"], "query": "1" })));
        check("query=&top=&deep=", Ok(json!({ "query": "" })));
        check("other=1", Ok(json!({ "other": "1" })));
        check("top=-1", Err("whole number"));
        check("top=99999999999999999999", Err("whole number"));
        check("deep=perhaps", Err("true or false"));
        check("query=a&query=b", Err("given twice"));
        check(&"a=1&".repeat(200), Err("given twice"));
        check(&(0..200).map(|n| format!("a{n}=1&")).collect::<String>(), Err("more than 100"));
    }
}
