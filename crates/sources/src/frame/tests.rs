use stele_model::json::Tape;

use super::{body, decode};

/// The parts of a frame on one line: packet, name, namespace, ack id, attachments, arguments,
/// trace, payload.
#[track_caller]
fn check(text: &str, expect: &str) {
    let mut tape = Tape::default();
    let got = match decode(text, &mut tape) {
        Err(error) => error.to_string(),
        Ok(frame) => {
            let json = frame.body.unwrap_or_default();
            let mut out = format!("{:?} {}", frame.packet, frame.name());
            let mut add = |label: &str, value: Option<String>| {
                if let Some(value) = value {
                    out.push_str(&format!(" {label}={value}"));
                }
            };
            add("ns", frame.namespace.map(str::to_owned));
            add("ack", frame.ack_id.map(|id| id.to_string()));
            add("binary", frame.attachments.map(|count| count.to_string()));
            add("args", (frame.args.count > 0).then(|| frame.args.count.to_string()));
            add("trace", frame.trace.map(|node| node.to_string()));
            add("payload", frame.payload.map(|node| tape.value(json, node).raw().to_owned()));
            assert_eq!(body(text), Ok(frame.body), "{text}");
            out
        }
    };
    assert_eq!(got, expect, "{text}");
}

#[test]
fn events() {
    check(r#"42["ev",{"a":1}]"#, r#"Event ev args=1 payload={"a":1}"#);
    check(r#"42["ev"]"#, "Event ev");
    check(r#"42["ev",1,2,3]"#, "Event ev args=3");
    check(r#"42["ev",[1,2]]"#, "Event ev args=1 payload=[1,2]");
    check(r#"42123["ev",null]"#, "Event ev ack=123 args=1 payload=null");
    check(r#"42/ns,["ev"]"#, "Event ev ns=/ns");
    check(r#"42/ns,7["ev",{}]"#, "Event ev ns=/ns ack=7 args=1 payload={}");
    check(r#"42["a\u002fb"]"#, "Event a/b");
}

#[test]
fn traces() {
    check(
        r#"42["ev",{"__trace":true,"traceparent":"00-1"},{"p":1}]"#,
        r#"Event ev args=2 trace=2 payload={"p":1}"#,
    );
    check(r#"42["ev",{"traceparent":"00-1"},1,2]"#, "Event ev args=3 trace=2");
    check(r#"42["ev",{"__trace":true}]"#, "Event ev args=1 trace=2");
}

#[test]
fn acks() {
    check(r#"43424[{"success":true}]"#, r#"Ack ack ack=424 args=1 payload={"success":true}"#);
    check("4312[]", "Ack ack ack=12");
    check(r#"43/ns,5["ok"]"#, "Ack ack ns=/ns ack=5 args=1 payload=\"ok\"");
    check("43[1]", "the ack has no id");
    check("4399999999999999999999[]", "the ack id is too large");
}

#[test]
fn binary() {
    check(
        r#"451-["ev",{"_placeholder":true,"num":0}]"#,
        r#"BinaryEvent ev binary=1 args=1 payload={"_placeholder":true,"num":0}"#,
    );
    check(
        r#"462-/ns,9[{"a":{"_placeholder":true,"num":0}}]"#,
        r#"BinaryAck ack ns=/ns ack=9 binary=2 args=1 payload={"a":{"_placeholder":true,"num":0}}"#,
    );
    check(r#"45["ev"]"#, "the binary packet does not say how many attachments follow");
    check(r#"45-["ev"]"#, "the binary packet does not say how many attachments follow");
    check("bAQIDBA==", "Binary binary");
    check("b", "Binary binary");
    check("bAQI", "the binary frame is not base64");
    check("bad news", "the binary frame is not base64");
}

#[test]
fn system_packets() {
    check(r#"0{"sid":"x"}"#, r#"Open open payload={"sid":"x"}"#);
    check("1", "Close close");
    check("2", "Ping ping");
    check("3", "Pong pong");
    check("2probe", "Ping ping");
    check("3probe", "Pong pong");
    check("5", "Upgrade upgrade");
    check("6", "Noop noop");
    check("40", "Connect connect");
    check(r#"40{"sid":"y"}"#, r#"Connect connect payload={"sid":"y"}"#);
    check(r#"40/ns,{"sid":"y"}"#, r#"Connect connect ns=/ns payload={"sid":"y"}"#);
    check("41", "Disconnect disconnect");
    check("41/ns,", "Disconnect disconnect ns=/ns");
    check(r#"44{"message":"no"}"#, r#"ConnectError connect_error payload={"message":"no"}"#);
}

#[test]
fn what_is_no_frame() {
    check("", "the frame is empty");
    check("9x", "the frame begins with \"9\", which is no packet type");
    check("é", "the frame begins with \"é\", which is no packet type");
    check("4", "the frame begins with \"4\", which is no packet type");
    check("4é", "the frame begins with \"4é\", which is no packet type");
    check("42[]", "the event has no name");
    check("42[1]", "the event has no name");
    check("42{}", "the JSON of an event packet is not an array");
    check("42", "the event packet has no JSON");
    check("0", "the open packet has no JSON");
    check("2x", "text follows a ping packet");
    check(r#"42["e",{"a":1}"#, "the frame's JSON is malformed: the text ends inside a value at byte 12");
}

#[test]
fn error_places_count_from_the_frame() {
    let mut tape = Tape::default();
    assert_eq!(decode(r#"427["e",}"#, &mut tape).map_err(|error| error.at()), Err(8));
}
