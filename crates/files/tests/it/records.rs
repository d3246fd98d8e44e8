//! What a row looks like on its way, what is kept once, and what is as it has to be.

use serde_json::{Value, json};
use stele_collect::{CollectError, Preview};

use crate::rig::{Rig, zip};

#[test]
fn sources_10_a_row_says_where_it_stands_or_what_it_is() {
    let mut rig = Rig::new(json!({}));
    rig.write("sub/a.csv", "id,at\n7,2024-01-01\n");
    rig.run().unwrap();
    let expect = "{\"source\":\"orders\",\"stream\":\"orders\",\"doc_type\":\"row\",\"platform\":\"file\",\
                  \"normalised\":{\"file\":\"sub/a.csv\",\"row\":2},\"data\":{\"id\":\"7\",\"at\":\"2024-01-01\"}}";
    assert_eq!(rig.kept.lines, [expect]);
    let mut rig = Rig::new(json!({"key": ["id", "n"], "ts": "at", "stream": "sales"}));
    rig.write("a.jsonl", "{\"id\":\"x\",\"n\":1.0,\"at\":5}\n{\"id\":null,\"n\":2}\n");
    rig.run().unwrap();
    let first: Value = serde_json::from_str(&rig.kept.lines[0]).unwrap();
    assert_eq!(
        (&first["original_id"], &first["ts"], &first["stream"], first.get("normalised")),
        (&json!("x:1.0"), &json!("5"), &json!("sales"), None)
    );
    assert!(!rig.kept.lines[1].contains("original_id"), "half of a key is none");
}

#[test]
fn sources_10_globs() {
    let check = |pattern: &str, expect: &str| {
        let mut rig = Rig::new(json!({"file_pattern": pattern, "format": "text"}));
        for name in
            ["a.json", "b.jsonl", "sub/a.json", "sub/deep/events_1.jsonl.gz", ".hidden.json", "~x.json"]
        {
            rig.write(name, format!("{name}\n"));
        }
        let mut names: Vec<String> = rig.good().iter().map(|row| row[9..row.len() - 2].to_owned()).collect();
        names.sort();
        assert_eq!(names.join(" "), expect, "{pattern}");
        assert_eq!(rig.good().len(), 0, "{pattern}");
    };
    check("*.json", "a.json ~x.json");
    check("**/*.json", "a.json sub/a.json ~x.json");
    check("{a,b}.json{,l}", "a.json b.jsonl");
    check("**/events_*.json{,l}{,.gz,.zst}", "sub/deep/events_1.jsonl.gz");
    check("sub/*", "sub/a.json");
    check(".*", ".hidden.json");
    check("*.*", "a.json b.jsonl ~x.json");
}

#[test]
fn sources_09_the_same_record_is_kept_once() {
    let same = ["{\"id\":1,\"tags\":[{\"a\":1,\"b\":2}]}", "{\"tags\":[{\"b\":2,\"a\":1.0}],\"id\":1}"];
    let check = |dedup: Value, kept: u64, duplicates: u64| {
        let mut rig = Rig::new(json!({"dedup": dedup}));
        rig.kept.batch_records = Some(2);
        // Twice in one file, in two files, and in two runs, with the members in another order.
        rig.write_at("a.jsonl", format!("{}\n{}\n", same[0], same[1]), 3);
        rig.write_at("b.jsonl", format!("{}\n{{\"id\":2}}\n", same[1]), 2);
        rig.good();
        let first = rig.sifted.duplicates;
        rig.write_at("c.jsonl", format!("\n{}\n", same[0]), 1);
        rig.good();
        assert_eq!((rig.kept.records, first + rig.sifted.duplicates), (kept, duplicates), "{dedup}");
    };
    check(json!(false), 5, 0);
    check(json!("content"), 2, 3);
    check(json!(["id"]), 2, 3);
}

#[test]
fn sources_09_what_the_sink_did_not_keep_is_no_duplicate() {
    let mut rig = Rig::new(json!({"dedup": "content"}));
    rig.write("a.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":1}\n{\"id\":3}\n");
    (rig.kept.batch_records, rig.kept.fails_at) = (Some(2), Some(2));
    assert!(matches!(rig.run(), Err(CollectError::Sink(_))));
    assert_eq!((rig.taken().len(), rig.sifted.duplicates), (2, 0));
    rig.kept.fails_at = None;
    assert_eq!((rig.good(), rig.sifted.duplicates), (vec!["{\"id\":3}".to_owned()], 1));
}

#[test]
fn sources_14_rows_are_held_against_their_schema() {
    let rows = "{\"forecast_id\":\"a\",\"n\":1,\"gone\":null}\n{\"n\":2}\n{\"forecast_id\":\"b\",\"n\":3,\"new\":true}\n\
                {\"forecast_id\":\"c\",\"n\":\"many\"}\n";
    let (a, b) =
        ("{\"forecast_id\":\"a\",\"n\":1,\"gone\":null}", "{\"forecast_id\":\"b\",\"n\":3,\"new\":true}");
    let c = "{\"forecast_id\":\"c\",\"n\":\"many\"}";
    let missing = "a.jsonl:2: `forecast_id` is required and missing: {\"n\":2}";
    let check = |schema: Value, kept: &[&str], rejected: &[&str], values_left: u64| {
        let mut rig = Rig::new(json!({"schema": schema}));
        rig.write("a.jsonl", rows);
        assert_eq!(rig.good(), kept, "{schema}");
        assert_eq!(rig.kept.rejected, rejected, "{schema}");
        assert_eq!(
            (rig.sifted.rejected, rig.sifted.values_left),
            (rejected.len() as u64, values_left),
            "{schema}"
        );
    };
    check(json!({}), &[a, "{\"n\":2}", b, c], &[], 0);
    check(json!({"required": ["forecast_id"]}), &[a, b, c], &[missing], 0);
    let new = format!("a.jsonl:3: `new` is a new member: {b}");
    check(json!({"columns": "discard_row"}), &[a, "{\"n\":2}", c], &[&new], 0);
    check(
        json!({"columns": "discard_value"}),
        &[a, "{\"n\":2}", "{\"forecast_id\":\"b\",\"n\":3}", c],
        &[],
        1,
    );
    let many = format!("a.jsonl:4: `n` is String and was Integer before: {c}");
    check(json!({"types": "discard_row"}), &[a, "{\"n\":2}", b], &[&many], 0);
    check(json!({"types": "discard_value"}), &[a, "{\"n\":2}", b, "{\"forecast_id\":\"c\"}"], &[], 1);
    for (schema, says) in [
        (json!({"columns": "freeze"}), ("a.jsonl:3", "record 3: `new` is a new member; allow it")),
        (
            json!({"required": ["forecast_id"], "missing": "freeze"}),
            ("a.jsonl:2", "record 2: `forecast_id` is required"),
        ),
        (json!({"types": "freeze"}), ("a.jsonl:4", "record 4: `n` is String")),
    ] {
        let mut rig = Rig::new(json!({"schema": schema, "after_ingest": "archive"}));
        rig.write("a.jsonl", rows);
        let told = rig.run().unwrap();
        assert!(told.len() == 1 && told[0].0 == says.0 && told[0].1.starts_with(says.1), "{told:?}");
        assert!(
            told[0].1.ends_with("; 3 other records of its batch are not kept either, and come again"),
            "{told:?}"
        );
        assert_eq!((rig.kept.records, rig.files()), (0, vec!["a.jsonl".to_owned()]));
        // The one that ended it is kept aside with its place, and counted.
        assert_eq!((rig.kept.rejected.len(), rig.sifted.rejected), (1, 1), "{:?}", rig.kept.rejected);
        assert!(rig.kept.rejected[0].starts_with(says.0), "{:?}", rig.kept.rejected);
        assert!(rig.kept.cursors.is_empty());
    }
}

#[test]
fn sources_14_what_is_frozen_keeps_the_batches_before_and_goes_on_behind_them() {
    let rows: Vec<String> = (0..7).map(|id| format!("{{\"id\":{id}}}")).collect();
    let mut rig = Rig::new(json!({"schema": {"columns": "freeze"}}));
    rig.kept.batch_records = Some(2);
    let file = |new: &str| rows[..5].join("\n") + "\n" + new + "\n" + &rows[6] + "\n";
    rig.write("a.jsonl", file("{\"id\":5,\"new\":1}"));
    for _ in 0..2 {
        // Again, nothing more than before is kept, and the same one is named.
        let told = rig.run().unwrap();
        let frozen = told.iter().find(|(_, why)| why != "ok").unwrap();
        assert!(frozen.0 == "a.jsonl:6" && frozen.1.contains("one other record"), "{told:?}");
        assert_eq!((rig.kept.records, rig.sifted.rejected), (4, 1));
    }
    assert_eq!(rig.taken(), rows[..4]);
    rig.settings = json!({"schema": {"columns": "evolve"}});
    let rest = rig.good();
    assert_eq!(rest, [rows[4].as_str(), "{\"id\":5,\"new\":1}", rows[6].as_str()]);
}

#[test]
fn sources_14_what_was_learnt_holds_for_the_next_run() {
    let mut rig = Rig::new(json!({"schema": {"columns": "discard_row"}}));
    rig.write_at("a.jsonl", "{\"a\":1,\"all_null\":null}\n", 2);
    assert_eq!(rig.good().len(), 1);
    rig.write_at("b.jsonl", "{\"a\":3,\"b\":1}\n{\"a\":2,\"all_null\":\"x\"}\n", 1);
    assert_eq!(rig.good(), ["{\"a\":2,\"all_null\":\"x\"}"]);
    assert_eq!(rig.sifted.rejected, 1);
}

#[test]
fn sources_17_check_discover_and_preview() {
    let mut rig = Rig::new(json!({"key": ["id"], "after_ingest": "archive"}));
    assert_eq!(rig.run().unwrap(), [("orders".to_owned(), "ok".to_owned())]);
    assert!(rig.notes[0].starts_with("no file below "), "{:?}", rig.notes);
    rig.write("a.csv", "id,what\n1,tea\n2,rope\n");
    let identity = rig.check().unwrap().identity.unwrap();
    assert!(identity.starts_with("1 files, 21 bytes below "), "{identity}");
    let streams = rig.discover().unwrap();
    let fields: Vec<&str> = streams[0].fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((streams[0].name.as_str(), fields), ("orders", vec!["id", "what"]));
    let mut preview = Preview::new(1);
    rig.collect_into(&mut preview).unwrap();
    assert_eq!(preview.lines.len(), 1);
    assert_eq!((rig.files(), rig.kept.records), (vec!["a.csv".to_owned()], 0));
}

#[test]
fn sources_14_a_file_that_freezes_ends_alone() {
    let good = |id: u32| format!("{{\"id\":{id}}}");
    let bad = |id: u32| format!("{{\"id\":{id},\"new\":1}}");
    for key in [json!([]), json!(["id"])] {
        let schema = json!({"columns": "freeze"});
        let mut rig = Rig::new(json!({"schema": schema, "key": key, "after_ingest": "delete"}));
        rig.write_at("a.jsonl", good(1) + "\n", 9);
        rig.write_at("b.jsonl", format!("{}\nno row\n{}\n{}\n", good(2), bad(3), good(4)), 8);
        rig.write_at("c.jsonl", good(5) + "\nno row\n", 7);
        let archive = zip(&[("x.jsonl", good(6).as_bytes()), ("y.jsonl", bad(7).as_bytes())]);
        rig.write_at("d.zip", archive, 6);
        rig.write_at("e.jsonl", bad(8) + "\n", 5);
        rig.write_at("f.jsonl", good(9) + "\n", 4);
        for (run, rows) in [[1, 5, 6, 9].map(good).to_vec(), Vec::new()].into_iter().enumerate() {
            let told = rig.run().unwrap();
            let frozen: Vec<&str> =
                told.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "orders").collect();
            assert_eq!(frozen, ["b.jsonl:3", "d.zip!y.jsonl:1", "e.jsonl:1"], "{told:?}");
            assert!(told.iter().any(|(_, why)| why.contains("; 2 other records of its batch")), "{told:?}");
            assert_eq!(rig.taken(), rows, "run {run}");
            assert_eq!(rig.files(), ["b.jsonl", "d.zip", "e.jsonl"]);
            assert_eq!(rig.sifted.rejected, [4, 3][run]);
        }
        // What was not kept comes when it is allowed, once.
        rig.settings["schema"] = json!({"columns": "evolve"});
        let mut rest = rig.good();
        rest.sort();
        assert_eq!(rest, [good(2), bad(3), good(4), bad(7), bad(8)]);
        assert_eq!(rig.files(), Vec::<String>::new());
        assert_eq!(rig.kept.rejected.iter().filter(|row| row.ends_with("no row")).count(), 2);
    }
}
