//! What a client sent: is it a message of the protocol, and if it is not, what is wrong with it?
//!
//! The library that speaks the protocol passes over what is no JSON and forgets the id of what is no
//! request, so this is asked before it reads anything.

use rmcp::model::{ErrorCode, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage};
use serde_json::{Value, json};

/// What a client sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A message, for the library to act on.
    Message(Box<RxJsonRpcMessage<RoleServer>>),
    /// Nothing that anybody waits for an answer to.
    Nothing,
    /// The answer to what is no message.
    Wrong(Value),
}

/// Reads one message.
pub(crate) fn read(bytes: &[u8]) -> Sent {
    // Some clients begin with the mark of UTF-8, which is no part of the JSON.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let message = match serde_json::from_slice(bytes) {
        Ok(Value::Object(message)) => message,
        Ok(_) => {
            return wrong(
                None,
                ErrorCode::INVALID_REQUEST,
                "a message is one object, and there are no batches",
            );
        }
        Err(error) => return wrong(None, ErrorCode::PARSE_ERROR, &format!("this is no JSON: {error}")),
    };
    let id = message.get("id");
    if id.is_some_and(|id| serde_json::from_value::<RequestId>(id.clone()).is_err()) {
        return wrong(None, ErrorCode::INVALID_REQUEST, "id is a text or a whole number of 64 bits");
    }
    let id = id.cloned();
    let is_answer = message.contains_key("result") || message.contains_key("error");
    let is_structured = message.get("params").is_none_or(Value::is_object);
    match (message.get("jsonrpc").and_then(Value::as_str), message.get("method")) {
        (Some("2.0"), Some(Value::String(_))) if !is_structured && id.is_some() => {
            return wrong(id, ErrorCode::INVALID_PARAMS, "params is an object");
        }
        (Some("2.0"), Some(Value::String(_))) => {}
        (Some("2.0"), None) if is_answer => {}
        (Some("2.0"), None) => return wrong(id, ErrorCode::INVALID_REQUEST, "method is missing"),
        (Some("2.0"), Some(_)) => return wrong(id, ErrorCode::INVALID_REQUEST, "method is a text"),
        _ => return wrong(id, ErrorCode::INVALID_REQUEST, "jsonrpc is \"2.0\""),
    }
    // From the text again: numbers beyond 64 bits pass through a `Value` in a way that the library's types
    // do not take.
    match serde_json::from_slice(bytes) {
        Ok(message) => Sent::Message(Box::new(message)),
        Err(_) if id.is_some() && !is_answer => {
            wrong(id, ErrorCode::INVALID_REQUEST, "this is no request of the protocol")
        }
        // Neither answers nor notifications are answered.
        Err(_) => Sent::Nothing,
    }
}

/// The answer to what is longer than any message.
pub(crate) fn too_long(bytes_max: usize) -> Value {
    error(None, ErrorCode::INVALID_REQUEST, &format!("a message has up to {bytes_max} bytes"))
}

fn wrong(id: Option<Value>, code: ErrorCode, what: &str) -> Sent {
    Sent::Wrong(error(id, code, what))
}

/// An error, with a null for an id that cannot be told, as JSON-RPC has it.
fn error(id: Option<Value>, code: ErrorCode, what: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code.0, "message": what } })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Sent, read};

    fn check(text: &str, code: i32, id: Value) {
        match read(text.as_bytes()) {
            Sent::Wrong(answer) => {
                assert_eq!(
                    (&answer["error"]["code"], &answer["id"]),
                    (&json!(code), &id),
                    "{text}: {answer}"
                );
                assert!(answer.get("id").is_some(), "{text}");
            }
            sent => panic!("{text}: {sent:?}"),
        }
    }

    #[test]
    fn what_is_no_message_is_answered_with_its_id_where_it_has_one() {
        for text in ["{ no JSON", "ping", "{\"jsonrpc\":\"2.0\"", "\u{1}"] {
            check(text, -32700, Value::Null);
        }
        for text in ["[]", "7", "null", "\"ping\"", r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#] {
            check(text, -32600, Value::Null);
        }
        for id in ["1.5", "null", "true", "[1]", "{}", "18446744073709551615"] {
            check(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), -32600, Value::Null);
        }
        check("{}", -32600, Value::Null);
        check(r#"{"jsonrpc":"2.0","id":4}"#, -32600, json!(4));
        check(r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, -32600, json!("a"));
        check(r#"{"jsonrpc":2.0,"id":5,"method":"ping"}"#, -32600, json!(5));
        check(r#"{"id":6,"method":"ping"}"#, -32600, json!(6));
        check(r#"{"jsonrpc":"2.0","id":-7,"method":5}"#, -32600, json!(-7));
        check(r#"{"jsonrpc":"2.0","id":8,"method":"tools/list","params":[]}"#, -32602, json!(8));
    }

    #[test]
    fn what_is_a_message_is_handed_on() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"no/such/method","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":5}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":18446744073709551616}}}"#,
            "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}",
        ] {
            assert!(matches!(read(text.as_bytes()), Sent::Message(_)), "{text}");
        }
    }

    #[test]
    fn nobody_waits_for_an_answer_to_a_notification() {
        let text = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":7}"#;
        assert!(!matches!(read(text.as_bytes()), Sent::Wrong(_)));
    }
}
