//! The head of a packet of Engine.IO 4 and Socket.IO: what has to be known to take part. What a packet says is decoded by
//! whoever reads the segments.

use serde_json::Value;

/// A message of Socket.IO, taken apart as far as its JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub kind: Kind,
    pub namespace: &'a str,
    pub ack_id: Option<u64>,
    /// Binary frames that follow.
    pub attachments: u32,
    pub body: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connect,
    Disconnect,
    Event,
    Ack,
    ConnectError,
}

/// The head of a text that begins with `4`, or `None` if it is no message of Socket.IO.
pub(super) fn head(text: &str) -> Option<Head<'_>> {
    let (kind, binary) = match text.as_bytes().get(..2)? {
        b"40" => (Kind::Connect, false),
        b"41" => (Kind::Disconnect, false),
        b"42" => (Kind::Event, false),
        b"43" => (Kind::Ack, false),
        b"44" => (Kind::ConnectError, false),
        b"45" => (Kind::Event, true),
        b"46" => (Kind::Ack, true),
        _ => return None,
    };
    let mut rest = &text[2..];
    let mut attachments = 0;
    if binary {
        let (count, behind) = rest.split_once('-')?;
        (attachments, rest) = (count.parse().ok()?, behind);
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        // What is behind `?` is no part of the name.
        let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
        (namespace, rest) = (name.split('?').next().unwrap_or(name), behind);
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ack_id = if digits > 0 { Some(rest[..digits].parse().ok()?) } else { None };
    Some(Head { kind, namespace, ack_id, attachments, body: &rest[digits..] })
}

/// What an event is about: its sole argument, or the array of several; a trace before it is none.
pub(super) fn payload(body: &str) -> Option<Value> {
    let Value::Array(mut args) = serde_json::from_str(body).ok()? else { return None };
    if args.is_empty() {
        return None;
    }
    args.remove(0);
    let trace = |value: &Value| value.get("__trace").is_some() || value.get("traceparent").is_some();
    if args.len() == 2 && trace(&args[0]) {
        args.remove(0);
    }
    match args.len() {
        1 => args.pop(),
        _ => Some(Value::Array(args)),
    }
}

/// How a packet names its namespace: not at all, if it is the main one.
pub(super) fn prefix(namespace: &str) -> String {
    if namespace == "/" { String::new() } else { format!("{namespace},") }
}

/// Whether a text looks like a packet, where nothing else tells.
pub(crate) fn looks_like(text: &str) -> bool {
    match text.as_bytes() {
        [b'0', b'{', ..] | b"2" | b"3" | b"2probe" | b"3probe" | b"40" | b"5" => true,
        _ => head(text).is_some_and(|head| head.body.starts_with(['[', '{'])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<(Kind, &str, Option<u64>, u32, &str)>) {
        let found =
            head(text).map(|head| (head.kind, head.namespace, head.ack_id, head.attachments, head.body));
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn heads() {
        check(r#"42["a",1]"#, Some((Kind::Event, "/", None, 0, r#"["a",1]"#)));
        check(r#"42/game,7["a"]"#, Some((Kind::Event, "/game", Some(7), 0, r#"["a"]"#)));
        check(r#"452-/g,3["a",{}]"#, Some((Kind::Event, "/g", Some(3), 2, r#"["a",{}]"#)));
        check("4312[]", Some((Kind::Ack, "/", Some(12), 0, "[]")));
        check(r#"40/game,{"sid":"x"}"#, Some((Kind::Connect, "/game", None, 0, r#"{"sid":"x"}"#)));
        check("41/game", Some((Kind::Disconnect, "/game", None, 0, "")));
        check("40/a?token=1,", Some((Kind::Connect, "/a", None, 0, "")));
        check("45x", None);
        check("4", None);
        check("42999999999999999999999[1]", None);
    }

    #[test]
    fn payloads() {
        let check = |body: &str, expect: Value| assert_eq!(payload(body), Some(expect), "{body}");
        check(r#"["e",{"n":1}]"#, serde_json::json!({"n": 1}));
        check(r#"["e",{"__trace":true},{"n":1}]"#, serde_json::json!({"n": 1}));
        check(r#"["e",1,2]"#, serde_json::json!([1, 2]));
        check(r#"["e"]"#, serde_json::json!([]));
    }
}
