//! Exports: what is in them, and that they are the same bytes every time.

use sha2::{Digest, Sha256};
use stele_lake::Snapshot;
use stele_lake::export::{Exported, Line, Order, Selection, Slice, jsonl, slice, slice_parquet};
use stele_lake::sql::output::{End, Format};
use stele_lake::sql::{Params, Sql, Tables};

use super::harbour;

fn with_harbour(test: impl FnOnce(&Sql, &Snapshot)) {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(dir.path());
    test(&harbour::open(&snapshot, dir.path()), &snapshot);
}

fn lines(sql: &Sql, selection: &Selection, line: Line) -> (String, Exported) {
    let mut out = Vec::new();
    let exported = jsonl(sql, selection, line, &mut out).unwrap();
    assert_eq!(exported.bytes, out.len() as u64);
    assert_eq!(exported.sha256, <[u8; 32]>::from(Sha256::digest(&out)));
    assert_eq!(exported.end, End::Complete);
    (String::from_utf8(out).unwrap(), exported)
}

#[test]
fn records_as_they_were_recorded() {
    with_harbour(|sql, snapshot| {
        let (all, exported) = lines(sql, &Selection::default(), Line::Record);
        assert_eq!((all.lines().count(), exported.rows), (39, 39));
        // Pretty-printed records and CRLF line ends still give one line a record.
        let cr = "{\"event\":\"cr\",   \"data\":{\"text\":\"a,b\\n\\\"c\\\" \u{1F6A2}\"}}";
        assert!(all.lines().any(|line| line == cr), "{all}");
        assert!(all.contains(r#"{"n":1e400,"i":12345678901234567890,"j":9007199254740993}"#));

        let check = |selection: Selection, expect: usize| {
            assert_eq!(lines(sql, &selection, Line::Record).0.lines().count(), expect, "{selection:?}");
        };
        let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        check(Selection { doc_types: some(&["row", "player_action"]), ..Selection::default() }, 9);
        check(Selection { events: some(&["placeBid"]), ..Selection::default() }, 4);
        check(Selection { games: some(&["g-1"]), limit: Some(5), ..Selection::default() }, 5);
        check(Selection { players: some(&["p-1"]), games: some(&["g-1"]), ..Selection::default() }, 0);
        check(Selection { sessions: some(&["s-1"]), ..Selection::default() }, 14);
        let files = snapshot.files().unwrap();
        let odd = files.iter().find(|entry| entry.uri.contains("[odd]")).unwrap();
        let from_odd = |bytes| Selection { inputs: vec![(odd.file_id, bytes)], ..Selection::default() };
        check(from_odd(odd.bytes_done), 11);
        // An older name of an input that grew means its beginning.
        check(from_odd(1), 1);
        let (from, to) = (Some(1_772_359_202_000_000), Some(1_772_359_203_000_000));
        check(Selection { from, to, ..Selection::default() }, 6);
    });
}

#[test]
fn envelopes_without_nulls() {
    with_harbour(|sql, _| {
        let selection = Selection { games: vec!["g-1".into()], limit: Some(1), ..Selection::default() };
        let (text, _) = lines(sql, &selection, Line::Envelope);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let object = value.as_object().unwrap();
        assert!(object.values().all(|value| !value.is_null()));
        assert_eq!(object["doc_type"], "game_tick");
        assert_eq!(object["ts_raw"], "2026-03-01T11:00:00.500000");
        assert_eq!(object["ts_quality"], "naive");
        assert_eq!(object["date"], "2026-03-01");
        assert!(object["raw"].as_str().unwrap().starts_with("{\"type\":\"tick\""));
        assert!(!object.contains_key("ts") && !object.contains_key("username"));
    });
}

#[test]
fn the_same_snapshot_and_question_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(dir.path());
    let query =
        "SELECT doc_type, game_id, price, list(raw ORDER BY record_id) AS raws FROM events GROUP BY ALL";
    let questions = [
        Slice::Records(Selection::default()),
        Slice::Records(Selection { order: Order::Time, limit: Some(20), ..Selection::default() }),
        Slice::Query { text: format!("{query};"), params: Params::none() },
        Slice::Query { text: "SELECT x % 17 AS x FROM range(100000) AS t(x)".into(), params: Params::none() },
    ];
    for question in &questions {
        let mut seen = Vec::new();
        for threads in [1, 2, 4] {
            let mut options = harbour::options(dir.path());
            options.threads = threads;
            let mut tables = Tables::of(&snapshot).unwrap();
            // The order of the parts in the log is not the order of the answer.
            let parts = tables.events.len();
            tables.events.rotate_left(threads % parts);
            let sql = Sql::open(&tables, &options).unwrap();
            let mut bytes = Vec::new();
            for format in [Format::Csv, Format::Jsonl] {
                slice(&sql, question, format, &mut bytes).unwrap();
            }
            slice_parquet(&sql, question, &mut bytes).unwrap();
            seen.push(bytes);
        }
        assert!(seen.iter().all(|bytes| *bytes == seen[0]), "{question:?}");
    }
}

#[test]
fn a_slice_only_reads() {
    with_harbour(|sql, _| {
        for text in [
            "COPY events TO 'x'",
            "SELECT 1) TO 'x'; --",
            "SELECT 1; SELECT 2",
            "SELECT 1) AS a, (SELECT 2",
            "",
        ] {
            let question = Slice::Query { text: text.into(), params: Params::none() };
            assert!(slice(sql, &question, Format::Csv, &mut Vec::new()).is_err(), "{text}");
        }
    });
}
