//! Each format is told by its content, and its envelope says what the record says.

use stele_sources::{OpenOptions, TimeZone};

use crate::{check, check_with};

#[test]
fn f1_capture() {
    check(
        r#"{"seq":1,"ts":"2025-01-02T03:04:05","event":"connect","data":null}
{"seq":2,"ts":"2025-01-02T03:04:05.000001","event":"state","data":{"gameId":"g","price":2,"tickCount":7,"gameHistory":[{"id":"old"}]}}
{"seq":3,"ts":"2025-01-02T03:04:06","event":"trade","data":[{"__trace":true,"traceparent":"00"},{"playerId":"p","username":"u","price":1.5,"tickIndex":8}]}
{"seq":4,"ts":"2025-01-02T03:04:06","event":"playerUpdate","data":{"id":"me","cash":5,"positionQty":0.5}}
{"seq":5,"ts":"2025-01-02T03:04:06","event":"many","data":[1,2]}
{"seq":6,"ts":"2025-01-02T03:04:06","event":"disconnect","data":{"reason":"bye"}}
"#,
        r#"F1
        1: system_event connect time=1735787045000000/naive seq=1 payload=null
        2: ws_event state time=1735787045000001/naive game=g seq=2 price=2 tick=7 payload={"gameId":"g","price":2,"tickCount":7,"gameHistory":[{"id":"old"}]}
        3: ws_event trade time=1735787046000000/naive player=p user=u seq=3 price=1.5 tick=8 payload={"playerId":"p","username":"u","price":1.5,"tickIndex":8}
        4: ws_event playerUpdate time=1735787046000000/naive player=me seq=4 cash=5 qty=0.5 payload={"id":"me","cash":5,"positionQty":0.5}
        5: ws_event many time=1735787046000000/naive seq=5 payload=[1,2]
        6: system_event disconnect time=1735787046000000/naive seq=6 payload={"reason":"bye"}"#,
    );
}

#[test]
fn a_declared_zone_is_applied() {
    let zone = TimeZone::get("America/New_York").expect("a zone");
    check_with(
        r#"{"seq":1,"ts":"2025-01-02T03:04:05","event":"e","data":1}"#,
        &OpenOptions { timezone: Some(zone), ..OpenOptions::default() },
        "F1
        1: ws_event e time=1735805045000000/zone_applied seq=1 payload=1",
    );
}

#[test]
fn f2_intercepted() {
    check(
        r#"{"seq":1,"ts":"2025-01-02T03:04:05+00:00","event":"a","data":{"x":1},"source":"cdp_intercept","direction":"received"}
{"seq":2,"ts":"2025-01-02T03:04:05+00:00","event":"b","data":{"__trace":true,"traceparent":"00"},"source":"cdp_intercept","direction":"sent","raw":"42[]"}
{"seq":3,"ts":"2025-01-02T03:04:05+00:00","event":"c","data":null,"source":"cdp_intercept","direction":"sideways"}
"#,
        r#"F2
        1: ws_event a time=1735787045000000/utc platform=cdp_intercept seq=1 direction=received payload={"x":1}
        2: ws_event b time=1735787045000000/utc platform=cdp_intercept seq=2 direction=sent payload={"__trace":true,"traceparent":"00"}
        3: ws_event c time=1735787045000000/utc platform=cdp_intercept seq=3 payload=null"#,
    );
}

#[test]
fn f3_samples() {
    check(
        r#"{"timestamp":"2025-01-02T03:04:05Z","event_type":"a","data":[1]}"#,
        "F3
        1: ws_event a time=1735787045000000/utc payload=[1]",
    );
}

#[test]
fn f4_game_and_f5_session() {
    let tick =
        r#"{"type":"tick","timestamp":"2025-01-02T03:04:05","game_id":"g","tick":0,"price":1.0,"phase":"X"}"#;
    check(
        &format!(
            "{}\n{tick}\n{}\n",
            r#"{"type":"game_start","timestamp":"2025-01-02T03:04:05","game_id":"g"}"#,
            r#"{"type":"game_end","timestamp":"2025-01-02T03:04:06","game_id":"g","price_range":[0,1]}"#
        ),
        "F4
        1: system_event game_start time=1735787045000000/naive game=g
        2: game_tick tick time=1735787045000000/naive game=g price=1 tick=0
        3: system_event game_end time=1735787046000000/naive game=g",
    );
    check(
        &format!(
            "{}\n{tick}\n{tick}\n{}\n",
            r#"{"type":"session_start","timestamp":"2025-01-02T03:04:05","session_id":"s"}"#,
            r#"{"type":"game_complete","timestamp":"2025-01-02T03:04:06","game_id":"g"}"#
        ),
        "F5
        1: system_event session_start time=1735787045000000/naive session=s
        2: game_tick tick time=1735787045000000/naive game=g price=1 tick=0
        3: game_tick tick time=1735787045000000/naive game=g price=1 tick=0
        4: system_event game_complete time=1735787046000000/naive game=g",
    );
}

#[test]
fn f6_sink() {
    check(
        r#"{"_metadata":{"version":1}}
{"timestamp":"2025-01-02T03:04:05","game_id":"g","tick":3,"price":1.25}
{"_metadata":{"ticks":1}}
"#,
        "F6
        1: system_event _metadata
        2: game_tick unknown time=1735787045000000/naive game=g price=1.25 tick=3
        3: system_event _metadata",
    );
}

#[test]
fn f7_demonstrations() {
    check(
        r#"{"_header":{"version":1}}
{"type":"action","action_id":"a1","category":"buy","button":"B","timestamp_pressed":1735787045000,"timestamp_confirmed":1735787045100,"latency_ms":100,"state_before":{"price":"1.0"},"state_after":{}}
{"_footer":{"actions":1}}
"#,
        "F7
        1: system_event _header
        2: player_action action time=1735787045000000/utc original=a1
        3: system_event _footer",
    );
}

#[test]
fn f8_unified() {
    check(
        r#"{"meta":{"game_id":"g"},"prices":["1.0",null]}"#,
        "F8
        1: row unknown game=g",
    );
    check(
        r#"{"type":"buy","timestamp":1735787045000,"price":"1.5","drift_details":[{"field":"cash"}]}"#,
        "F8
        1: player_action buy time=1735787045000000/utc price=1.5",
    );
}

#[test]
fn f9_golden_hour() {
    check(
        r#"# Session: {"id":"s"}
{"ts":"2025-01-02T03:04:05","ts_ms":1735787045123,"event":"a","data":[{"gameId":"g","price":3}]}
{"ts":"2025-01-02T03:04:05","ts_ms":1735787045123,"event":"b","data":[{"traceparent":"0"},{"gameId":"h"}]}
# Session: {"id":"s"}
{"ts":"2025-01-02T03:04:05","ts_ms":1735787045123,"event":"c","data":[]}
"#,
        r#"F9
        1: control
        2: ws_event a time=1735787045123000/utc game=g price=3 payload=[{"gameId":"g","price":3}]
        3: ws_event b time=1735787045123000/utc game=h payload={"gameId":"h"}
        4: control
        5: ws_event c time=1735787045123000/utc payload=[]"#,
    );
}

#[test]
fn f10_f11_f12() {
    check(
        r#"{"event_name":"a","data":{"x":1},"raw":"42[\"a\",{\"x\":1}]","timestamp":8123.5,"captured_at":"2025-01-02T03:04:05Z"}"#,
        r#"F10
        1: ws_event a time=1735787045000000/utc payload={"x":1}"#,
    );
    check(
        r#"{"event_type":"a","timestamp_ms":1735787045123,"data":{"gameId":"g"}}"#,
        r#"F11
        1: ws_event a time=1735787045123000/utc game=g payload={"gameId":"g"}"#,
    );
    check(
        r#"{"id":"g","prices":[1],"_captured_at":"2025-01-02T03:04:05Z","_capture_date":"2025-01-02","_source":"s","_version":1}"#,
        "F12
        1: row unknown time=1735787045000000/utc platform=s game=g",
    );
}

#[test]
fn live_capture() {
    check(
        r#"{"capture":"feed","seq":1,"connection":"3-1","ts":"2025-01-02T03:04:05Z","direction":"received","number":7,"raw":"42[\"state\",{\"gameId\":\"g\",\"price\":2}]"}
{"capture":"feed","seq":2,"connection":"3-1","ts":"2025-01-02T03:04:05Z","direction":"sent","raw":"3"}
{"capture":"feed","seq":3,"connection":"3-1","ts":"2025-01-02T03:04:05Z","direction":"received","raw":"bAQID"}
{"capture":"feed","seq":4,"connection":"3-1","ts":"2025-01-02T03:04:05Z","direction":"received","event":"trade","data":{"price":3}}
{"capture":"feed","seq":5,"connection":"3-1","ts":"2025-01-02T03:04:05Z","doc_type":"system_event","event":"gap","data":{"reason":"cut","missing":4}}
"#,
        r#"capture
        1: ws_event state time=1735787045000000/utc platform=feed session=3-1 game=g seq=1 direction=received price=2 framed={"gameId":"g","price":2} traced=false
        2: system_event pong time=1735787045000000/utc platform=feed session=3-1 seq=2 direction=sent
        3: ws_event binary time=1735787045000000/utc platform=feed session=3-1 seq=3 direction=received
        4: ws_event trade time=1735787045000000/utc platform=feed session=3-1 seq=4 direction=received price=3 payload={"price":3}
        5: system_event gap time=1735787045000000/utc platform=feed session=3-1 seq=5 payload={"reason":"cut","missing":4}"#,
    );
}

#[test]
fn f13_f14() {
    check(
        r#"{"record_id":"00","ts":"2025-01-02T03:04:05Z","doc_type":"game_tick","event_type":"tick","game_id":"g","seq":4,"direction":"sent","price":1.5,"tick":2,"cash":1,"position_qty":2,"username":"u","player_id":"p","platform":"x","session_id":"s","original_id":"o"}"#,
        "F13
        1: game_tick tick time=1735787045000000/utc platform=x original=o session=s game=g player=p user=u seq=4 direction=sent price=1.5 tick=2 cash=1 qty=2",
    );
    check(
        r#"{"doc_type":"article","event_name":"a","json_path":"data.price","text":"t","source":"s"}
{"doc_type":"folklore","event_name":"b","json_path":"data","text":"t","source":"s"}"#,
        "F14
        1: article a
        2: row b",
    );
}

#[test]
fn anything_else_is_lines() {
    check(
        r#"{"id":7,"type":"Push","created":"2025"}
{"event":5,"event_type":"second"}
{"event":"","type":"x"}
{"_metadata":1,"more":2}
[1,2]
3
"#,
        "lines
        1: row Push
        2: row second
        3: row 
        4: row unknown
        5: row unknown
        6: row unknown",
    );
}

#[test]
fn frames() {
    check(
        "0{\"sid\":\"x\"}\n40\n42[\"state\",{\"gameId\":\"g\"}]\r\n2\n3probe\n4312[{\"ok\":true}]\n42[]\n9x\n",
        r#"frames
        1: system_event open payload={"sid":"x"}
        2: system_event connect
        3: ws_event state game=g payload={"gameId":"g"}
        4: system_event ping
        5: system_event pong
        6: ws_event ack payload={"ok":true}
        7: rejected (the event has no name)
        8: rejected (the frame begins with "9", which is no packet type)"#,
    );
}

#[test]
fn damage_does_not_change_the_format() {
    check(
        "{\"seq\":1,\"ts\":\"2025-01-02T0\n{\"seq\":2,\"ts\":\"2025-01-02T03:04:05\",\"event\":\"e\",\"data\":1}\n## note\n",
        "F1
        1: rejected (the text ends inside a value at byte 27)
        2: ws_event e time=1735787045000000/naive seq=2 payload=1
        3: rejected (a value was expected at byte 0)",
    );
    check(
        "{\"seq\":1,\n{\"seq\":2,\"ts\":\"2025-01-02T03:04:05\",\"event\":\"e\",\"data\":1}\n",
        "F1
        1: rejected (the text ends inside a value at byte 9)
        2: ws_event e time=1735787045000000/naive seq=2 payload=1",
    );
}

#[test]
fn a_format_can_be_forced() {
    let force = |name: &str| OpenOptions { format: Some(name.to_owned()), ..OpenOptions::default() };
    check_with("{\"event\":\"e\",\"data\":1}\n", &force("f1"), "F1\n1: ws_event e payload=1");
    check_with(
        "{}\n",
        &force("F99"),
        "no format named F99; known formats are har, capture, F13, F14, F12, F10, F2, F9, F11, F3, F1, F4, F5, F7, F8, F6, F15, frames, collected, lines",
    );
}

#[test]
fn comments_stand_between_lines_only() {
    check(
        "# note\n{\n\"a\": 1\n}\n",
        "lines
        1: control
        2: rejected (the text ends inside a value at byte 1)
        3: rejected (text follows the value at byte 3)
        4: rejected (a value was expected at byte 0)",
    );
}
