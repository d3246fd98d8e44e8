//! Which records are the same one, and which are as they have to be.

use serde_json::{Map, Value, json};
use stele_collect::{
    Action, Batch, CollectError, Contract, Cursors, DedupBy, Judge, Report, Seen, Sieve, Sifted, Sink,
    SourcesConfig, ValueType, Verdict, canonical, content_id,
};

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn sources_09_what_makes_two_records_the_same() {
    let same = |a: &str, b: &str| assert_eq!(content_id(&value(a)), content_id(&value(b)), "{a} and {b}");
    let other = |a: &str, b: &str| assert_ne!(content_id(&value(a)), content_id(&value(b)), "{a} and {b}");
    same(r#"{"a": {"b": [1, {"c": null}]}, "d": "x"}"#, r#"{"d":"x","a":{"b":[1,{"c":null}]}}"#);
    same(r#"{"a": "\u00e9"}"#, r#"{"a": "é"}"#);
    // Numbers by what they are.
    same("1", "1.0");
    same("1", "1e0");
    same("100", "1.00E+2");
    same("0.001", "1e-3");
    same("0", "-0.0");
    same("12345678901234567890123.0", "12345678901234567890123");
    other("12345678901234567890123", "12345678901234567890124");
    other("0.1", "0.10000000000000001");
    other("1", "-1");
    other("1", "10");
    other("1e99999999999999999999", "1e99999999999999999998");
    // Nothing else is bent.
    other("1", "\"1\"");
    other("[1, 2]", "[2, 1]");
    other(r#"{"a": null}"#, "{}");
    other(r#"{"a": "b"}"#, r#"{"a:b": ""}"#);
    other(r#"["a,b"]"#, r#"["a","b"]"#);
    other("true", "\"true\"");
    assert_eq!(canonical(&value(r#"{"b": 1.50, "a": [true, null]}"#)), r#"{"a":[true,null],"b":15e-1}"#);
}

#[test]
fn sources_09_one_is_stored_and_three_are_told() {
    let records = [
        r#"{"id": 1, "tags": [{"a": 1, "b": 2}]}"#,
        r#"{"id": 1, "tags": [{"a": 1, "b": 2}]}"#,
        r#"{"tags": [{"b": 2, "a": 1}], "id": 1}"#,
        r#"{"id": 1.0, "tags": [{"a": 1, "b": 2}]}"#,
    ];
    let mut seen = Seen::default();
    let mut stored = 0;
    // The first two in one run, the others in another.
    for run in records.chunks(2) {
        seen = Seen::with(seen.iter().copied().collect::<Vec<_>>());
        for record in run {
            let id = DedupBy::Content.id(&value(record)).unwrap();
            stored += usize::from(seen.is_new(id));
        }
        seen.kept();
    }
    assert_eq!((stored, seen.duplicates()), (1, 2));
}

#[test]
fn sources_09_what_is_lost_on_its_way_is_new_again() {
    let mut seen = Seen::default();
    let id = content_id(&json!(1));
    assert!(seen.is_new(id) && !seen.is_new(id));
    seen.lost();
    assert!(seen.is_new(id));
    seen.kept();
    seen.lost();
    assert!(!seen.is_new(id));
}

#[test]
fn sources_09_records_are_told_by_a_key_if_they_have_it() {
    let by = DedupBy::Key(vec!["id".to_owned(), "kind".to_owned()]);
    let id = |text: &str| by.id(&value(text)).unwrap();
    assert_eq!(id(r#"{"id": 1, "kind": "a", "x": 1}"#), id(r#"{"x": 2, "kind": "a", "id": 1}"#));
    assert_ne!(id(r#"{"id": 1, "kind": "a"}"#), id(r#"{"id": 1, "kind": "b"}"#));
    // Two without a key are not the same because both have none.
    assert_ne!(id(r#"{"id": 1, "x": 1}"#), id(r#"{"id": 1, "x": 2}"#));
    assert_eq!(DedupBy::Nothing.id(&json!(1)), None);
}

fn judged(contract: Contract, records: &[Value]) -> (Vec<Verdict>, Vec<Value>, Report) {
    let mut judge = Judge::new(contract);
    let mut verdicts = Vec::new();
    let mut kept = Vec::new();
    for record in records {
        let mut members: Map<String, Value> = record.as_object().unwrap().clone();
        let verdict = judge.judge(&mut members);
        if matches!(verdict, Verdict::Kept | Verdict::Trimmed) {
            kept.push(Value::Object(members));
        }
        verdicts.push(verdict);
    }
    (verdicts, kept, judge.report().clone())
}

#[test]
fn sources_14_every_action_on_every_change() {
    let first = json!({"forecast_id": "f1", "n": 1});
    let new = json!({"forecast_id": "f2", "n": 2, "extra": true});
    let other = json!({"forecast_id": "f3", "n": "two"});
    let without = json!({"n": 3});
    let contract = |action: Action| Contract {
        columns: action,
        types: action,
        required: vec!["forecast_id".to_owned()],
        missing: action,
        ..Contract::default()
    };
    let check = |action: Action, record: &Value, kept: Option<Value>, reason: Option<&str>| {
        let (verdicts, found, report) = judged(contract(action), &[first.clone(), record.clone()]);
        assert_eq!(found.get(1), kept.as_ref(), "{action:?} {record}");
        assert_eq!(report.records, 2);
        assert_eq!(report.kept, found.len() as u64);
        let told = report.reasons.first().map(|(number, why)| (*number, why.as_str()));
        assert_eq!(told, reason.map(|why| (2, why)), "{action:?} {record}");
        assert_eq!(matches!(verdicts[1], Verdict::Frozen(_)), action == Action::Freeze);
        report
    };
    use Action::{DiscardRow, DiscardValue, Evolve, Freeze};
    let is_new = "`extra` is a new member";
    let is_other = "`n` is String and was Integer before";
    let is_missing = "`forecast_id` is required and missing";
    assert_eq!(check(Evolve, &new, Some(new.clone()), None).columns_new, 1);
    check(Freeze, &new, None, Some(is_new));
    assert_eq!(check(DiscardRow, &new, None, Some(is_new)).left, 1);
    let trimmed = json!({"forecast_id": "f2", "n": 2});
    assert_eq!(check(DiscardValue, &new, Some(trimmed), Some(is_new)).values_left, 1);
    assert_eq!(check(Evolve, &other, Some(other.clone()), None).types_new, 1);
    check(Freeze, &other, None, Some(is_other));
    check(DiscardRow, &other, None, Some(is_other));
    check(DiscardValue, &other, Some(json!({"forecast_id": "f3"})), Some(is_other));
    check(Evolve, &without, Some(without.clone()), None);
    check(Freeze, &without, None, Some(is_missing));
    check(DiscardRow, &without, None, Some(is_missing));
    // There is no value that could be left out.
    check(DiscardValue, &without, Some(without.clone()), None);
}

#[test]
fn sources_14_nothing_is_learnt_from_what_is_left_out_and_null_is_no_type() {
    let contract = Contract { columns: Action::DiscardRow, types: Action::DiscardRow, ..Contract::default() };
    let records = [
        json!({"a": 1, "always_null": null}),
        json!({"a": 1.5, "always_null": null}),
        json!({"a": 2, "b": 1}),
        json!({"a": 3, "b": 1}),
        json!({"a": null, "always_null": null}),
        json!({"a": 4, "always_null": "a text at last"}),
        json!({"a": 5, "always_null": 7}),
    ];
    let (verdicts, kept, report) = judged(contract.clone(), &records);
    let left: Vec<usize> =
        (0..records.len()).filter(|at| matches!(verdicts[*at], Verdict::Left(_))).collect();
    // 1.5 is no integer; `b` is new each time; 7 is no text.
    assert_eq!(left, [1, 2, 3, 6]);
    assert_eq!(kept[0], records[0]);
    assert_eq!((report.kept, report.left), (3, 4));
    // An integer is a number.
    let (_, kept, _) = judged(contract, &[json!({"a": 1.5}), json!({"a": 2})]);
    assert_eq!(kept.len(), 2);
}

#[test]
fn sources_14_fields_may_be_known_before_anything_is_read() {
    let fields = [("id".to_owned(), ValueType::String)].into_iter().collect();
    let contract =
        Contract { fields, columns: Action::DiscardValue, types: Action::Freeze, ..Contract::default() };
    let (_, kept, _) = judged(contract.clone(), &[json!({"id": "a", "x": 1})]);
    assert_eq!(kept, [json!({"id": "a"})]);
    let (verdicts, ..) = judged(contract.clone(), &[json!({"id": 1})]);
    let Verdict::Frozen(why) = &verdicts[0] else { panic!("{verdicts:?}") };
    assert!(
        why.starts_with("record 1: `id` is Integer and was String before; allow it by `evolve`"),
        "{why}"
    );
    assert!(!Judge::new(contract).takes_everything() && Judge::new(Contract::default()).takes_everything());
}

/// A sink that keeps nothing at first, and then everything.
#[derive(Default)]
struct Late {
    asked: u32,
    kept: u64,
    cursors: Cursors,
}

impl Sink for Late {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        Ok(self.cursors.clone())
    }

    fn take(&mut self, batch: Batch) -> Result<(), CollectError> {
        self.asked += 1;
        if self.asked == 1 {
            return Err(CollectError::Sink("the disk is full".into()));
        }
        self.kept += batch.records;
        let own = batch.cursor.map(|cursor| (batch.stream, cursor));
        batch.others.into_iter().chain(own).for_each(|(stream, cursor)| self.cursors.set(stream, cursor));
        Ok(())
    }
}

#[test]
fn sources_09_what_a_sink_did_not_keep_is_new_again() {
    let entry = json!({"source_id": "shop", "source_type": "file", "dedup": "content", "schema": {"columns": "discard_row"}});
    let config = SourcesConfig::of(vec![entry], serde_json::Map::new(), &[], &|_| None).unwrap();
    let mut late = Late::default();
    let mut sieve = Sieve::of(&config.sources[0], &mut late).unwrap();
    let batch = || {
        Batch {
        stream: "rows".to_owned(),
        lines: b"{\"stream\":\"rows\",\"data\":{\"a\":1}}\n{\"stream\":\"rows\",\"data\":{\"a\":1.0}}\n{\"stream\":\"rows\",\"data\":{\"b\":\"\\ud800\"}}\n".to_vec(),
        records: 3,
        ..Batch::default()
    }
    };
    let reached =
        |to: u64| Batch { cursor: Some(json!(to)), others: vec![("b".to_owned(), json!(to))], ..batch() };
    assert!(matches!(sieve.take(reached(1)), Err(CollectError::Sink(_))));
    assert_eq!(*sieve.sifted(), Sifted::default(), "nothing is counted that is not kept");
    assert!(sieve.cursors().unwrap().is_empty(), "and nothing is reached");
    sieve.take(reached(2)).unwrap();
    let cursors = sieve.cursors().unwrap();
    assert_eq!(cursors.iter().collect::<Vec<_>>(), [("b", json!(2)), ("rows", json!(2))]);
    let expect = Sifted { duplicates: 1, rejected: 1, values_left: 0 };
    assert_eq!(*sieve.sifted(), expect, "half of a character is kept aside");
    sieve.take(batch()).unwrap();
    assert_eq!((sieve.sifted().duplicates, late.kept), (3, 1));
}

#[test]
fn sources_14_a_batch_that_froze_comes_back_as_it_was() {
    let entry = json!({"source_id": "shop", "source_type": "file", "schema": {"columns": "freeze", "required": ["a"]}});
    let config = SourcesConfig::of(vec![entry], serde_json::Map::new(), &[], &|_| None).unwrap();
    let mut late = Late { asked: 1, ..Late::default() };
    let mut sieve = Sieve::of(&config.sources[0], &mut late).unwrap();
    let line = |data: &str| format!("{{\"stream\":\"rows\",\"original_id\":\"7\",\"data\":{data}}}\n");
    let mut batch = Batch {
        stream: "rows".to_owned(),
        lines: [r#"{"a":1}"#, r#"{"b":1}"#, r#"{"a":2,"b":1}"#].map(line).concat().into_bytes(),
        records: 3,
        others: vec![("x.jsonl".to_owned(), json!(1))],
        ..Batch::default()
    };
    let mut froze = |batch: &Batch| match sieve.take(batch.clone()) {
        Err(CollectError::Frozen { why, record, batch: given, .. }) => {
            assert_eq!((record, &*given), (2, batch));
            why
        }
        taken => panic!("{taken:?}"),
    };
    // Without a place, by its id; with one, by that, and of its file alone.
    let why = froze(&batch);
    assert!(
        why.starts_with("rows 7: record 3: `b` is a new member") && why.contains("2 other records"),
        "{why}"
    );
    for (file, line) in [("x.jsonl", 1), ("y.jsonl", 4), ("y.jsonl", 9)] {
        batch.places.push(file, line);
    }
    let why = froze(&batch);
    assert!(why.starts_with("y.jsonl:9: record 3:") && why.contains("; one other record"), "{why}");
    assert_eq!(batch.places.file_of(2), Some(("y.jsonl", 1..3)));
    batch.places.remove(0..1);
    assert_eq!((batch.places.of(0), batch.places.of(2)), (Some("y.jsonl:4".to_owned()), None));
}
