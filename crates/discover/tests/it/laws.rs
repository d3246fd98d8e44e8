//! The laws of the catalogue, on made-up records of every shape.
//!
//! (a) Parts add up to the whole, in any order and split. (b) A second counter that shares no code
//! counts the same. (c) Every record meets the schema of its event.

use proptest::collection::vec;
use proptest::prelude::*;
use stele_discover::render::schema::{self, SchemaOptions};
use stele_discover::render::tsv;
use stele_discover::{Catalogue, FoldRule, Folding, Observed};
use stele_model::json::Tape;
use stele_testkit::oracle::Count;

/// Names that bite: dotted, empty, digits, escaped, a discriminator, a dozen plain ones so that
/// the table of names is used as well as the scan.
const KEYS: [&str; 20] = [
    "a",
    "b",
    "c",
    "d",
    "e",
    "f",
    "g",
    "h",
    "i",
    "j",
    "kkkkkkkk",
    "kkkkkkkkk",
    "kkkkkkkkl",
    "x.y",
    "",
    "1",
    "22",
    "type",
    "\\u0061",
    "q\\\"[]{}",
];

const SCALARS: [&str; 18] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "1e400",
    "-2.5E-3",
    "9223372036854775808",
    "0.10000000000000000001",
    "123456789012345678901234567890",
    "\"\"",
    "\"x\"",
    "\"y\"",
    "\"é\\u00e9\\n\"",
    "\"\\ud83d\\ude00\"",
    "\"long enough to need two words\"",
];

fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        4 => proptest::sample::select(&SCALARS[..]).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|n| n.to_string()),
        1 => (-1e9..1e9f64).prop_map(|n| format!("{n:?}")),
    ];
    scalar.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(","))),
            object(inner, &KEYS),
        ]
    })
}

fn object(
    inner: impl Strategy<Value = String>,
    keys: &'static [&'static str],
) -> impl Strategy<Value = String> {
    vec((proptest::sample::select(keys), inner), 0..6).prop_map(|members| {
        let members: Vec<String> = members.iter().map(|(key, value)| format!("\"{key}\": {value}")).collect();
        format!("{{{}}}", members.join(", "))
    })
}

/// An event and the text of one of its records.
fn records() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let event = proptest::sample::select(&["tick", "chat", "unknown"][..]);
    vec((event, value()), 1..40)
}

/// A record with its place.
struct Placed<'a> {
    file: usize,
    line: u64,
    event: &'a str,
    text: &'a str,
}

fn placed<'a>(records: &'a [(&'static str, String)]) -> Vec<Placed<'a>> {
    let place = |(index, (event, text)): (usize, &'a (&'static str, String))| (index, *event, text.as_str());
    let at = |(index, event, text)| Placed { file: index / 10, line: (index % 10) as u64 + 1, event, text };
    records.iter().enumerate().map(|record| at(place(record))).collect()
}

fn count<'a>(
    folding: Folding,
    rules: &[FoldRule],
    records: impl IntoIterator<Item = &'a Placed<'a>>,
) -> Catalogue {
    let mut catalogue = Catalogue::new(folding, rules.to_vec());
    let mut tape = Tape::default();
    for record in records {
        tape.parse(record.text).expect("the strategy makes JSON");
        catalogue.begin(&format!("file-{}", record.file), "F1", record.line);
        catalogue.observe(&Observed {
            event: record.event,
            text: record.text,
            tape: &tape,
            line: record.line,
            seq: Some(record.line as i64 * 2),
            time: Some(-(record.line as i64)),
            change: None,
            payload: None,
            frame: None,
        });
        catalogue.end(1, record.text.len() as u64 + 1, None);
    }
    catalogue
}

fn whole_tsv(catalogue: &Catalogue) -> String {
    stele_discover::render::to_text(|out| tsv::write(out, &catalogue.view()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn parts_add_up_to_the_whole(
        records in records(),
        parts in vec(0usize..4, 40),
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
        folding in proptest::sample::select(&[Folding::None, Folding::Digits, Folding::Auto][..]),
        stored in any::<bool>(),
    ) {
        let rule = FoldRule { event: None, path: "a".into(), fold: true, reason: "says the test".into() };
        let placed = placed(&records);
        let whole = count(folding, std::slice::from_ref(&rule), &placed);
        let mut sum = Catalogue::new(folding, vec![rule.clone()]);
        for part in order {
            let mine = placed.iter().zip(&parts).filter(|(_, place)| **place == part).map(|(record, _)| record);
            // Backwards, so that places arrive out of order too.
            let mine: Vec<_> = mine.collect();
            let mut counted = count(folding, std::slice::from_ref(&rule), mine.into_iter().rev());
            if stored {
                counted = Catalogue::from_bytes(&counted.to_bytes().expect("storable")).expect("readable");
            }
            sum.merge(counted);
        }
        prop_assert_eq!(sum.view(), whole.view());
        prop_assert_eq!(sum.nodes(), whole.nodes());
    }

    #[test]
    fn a_second_counter_counts_the_same(records in records()) {
        let placed = placed(&records);
        let mut oracle = Count::default();
        for record in &placed {
            oracle.record_of(record.event, record.text.as_bytes()).expect("the oracle reads JSON too");
        }
        prop_assert_eq!(whole_tsv(&count(Folding::Digits, &[], &placed)), oracle.tsv());
    }

    #[test]
    fn records_meet_the_schema_of_their_event(records in records()) {
        let placed = placed(&records);
        let view = count(Folding::Digits, &[], &placed).view();
        let text = stele_discover::render::to_text(|out| schema::write(out, &view, &SchemaOptions { closed: true }));
        let schemas: serde_json::Value = serde_json::from_str(&text).expect("schemas are JSON");
        for record in &placed {
            let validator = jsonschema::draft202012::new(&schemas[record.event]).expect("a valid schema");
            let value: serde_json::Value = serde_json::from_str(record.text).expect("records are JSON");
            let result = validator.validate(&value).map_err(|error| error.to_string());
            prop_assert!(result.is_ok(), "{}: {:?}\n{}", record.text, result, schemas[record.event]);
        }
    }
}

#[test]
fn payloads_are_unwrapped() {
    let texts = [
        r#"{"event":"e","data":{"price":1}}"#,
        r#"{"event":"e","data":[{"__trace":true},{"price":2,"extra":null}]}"#,
        r#"{"event":"e","data":["one","two"]}"#,
        r#"{"event":"e","data":null}"#,
    ];
    let mut catalogue = Catalogue::new(Folding::Digits, Vec::new());
    let mut tape = Tape::default();
    catalogue.begin("file", "F1", 1);
    for (index, text) in texts.iter().enumerate() {
        tape.parse(text).expect("valid");
        let root = tape.value(text, 0);
        let holder = root.member("data").expect("every record has it").index();
        let traced = index == 1;
        let node = if traced {
            tape.value(text, holder).children().nth(1).expect("the payload").index()
        } else {
            holder
        };
        catalogue.observe(&Observed {
            event: "e",
            text,
            tape: &tape,
            line: index as u64 + 1,
            seq: None,
            time: None,
            change: None,
            payload: Some(stele_model::record::Payload { node, holder, traced }),
            frame: None,
        });
    }
    catalogue.end(4, 100, None);
    let view = catalogue.payload_view();
    let root = &view.events[0].tree[0];
    assert_eq!(root.kinds_text(), "array|null|object");
    assert_eq!((root.nodes, root.records), (4, 4));
    let text = stele_discover::render::to_text(|out| tsv::write(out, &view));
    assert_eq!(text, "e\t[]\tstring\t2\t1\ne\textra\tnull\t1\t1\ne\tprice\tinteger\t2\t2\n");
}

#[test]
fn a_line_that_grew_takes_the_place_of_its_beginning() {
    let begin = |catalogue: &mut Catalogue, line| catalogue.begin("file", "F1", line);
    let mut early = Catalogue::new(Folding::Digits, Vec::new());
    begin(&mut early, 1);
    early.reject(3, 21, "the text ends inside a value");
    early.end(3, 25, Some(5));
    let file = &early.view().files[0];
    assert_eq!((file.lines, file.bytes, file.rejected_count, file.growing), (3, 25, 1, true));

    let mut late = Catalogue::new(Folding::Digits, Vec::new());
    begin(&mut late, 3);
    late.end(2, 18, None);
    let mut swapped = late.clone();
    swapped.merge(early.clone());
    early.merge(late);
    let file = &early.view().files[0];
    assert_eq!((file.lines, file.bytes, file.rejected_count, file.growing), (4, 38, 0, false));
    assert_eq!(early.view(), swapped.view());
}

#[test]
fn a_file_of_one_unfinished_line_grows() {
    let mut catalogue = Catalogue::new(Folding::Digits, Vec::new());
    // Always the same line, and at last the one after it too.
    for (lines, bytes, tail) in [(1, 5, Some(5)), (1, 9, Some(9)), (2, 20, Some(3))] {
        let mut next = Catalogue::new(Folding::Digits, Vec::new());
        next.begin("file", "F1", 1);
        next.reject(lines, bytes, "the text ends inside a value");
        next.end(lines, bytes, tail);
        let mut swapped = next.clone();
        swapped.merge(catalogue.clone());
        catalogue.merge(next);
        assert_eq!(catalogue.view(), swapped.view());
        let file = &catalogue.view().files[0];
        assert_eq!((file.lines, file.bytes, file.rejected_count, file.growing), (lines, bytes, 1, true));
    }
}

#[test]
fn files_may_come_in_any_order() {
    let tape = |text: &str| {
        let mut tape = Tape::default();
        tape.parse(text).expect("valid");
        tape
    };
    let count = |names: &mut dyn Iterator<Item = usize>| {
        let mut catalogue = Catalogue::new(Folding::Digits, Vec::new());
        for name in names {
            let text = format!("{{\"n\":{name}}}");
            catalogue.begin(&format!("file-{name:03}"), "F1", 1);
            catalogue.observe(&Observed {
                event: "e",
                text: &text,
                tape: &tape(&text),
                line: 1,
                seq: None,
                time: None,
                change: None,
                payload: None,
                frame: None,
            });
            catalogue.end(1, text.len() as u64, None);
        }
        catalogue
    };
    const FILES: usize = 300;
    let forward = count(&mut (0..FILES));
    let backward = count(&mut (0..FILES).rev());
    // Always between the two that came last.
    let inward = count(&mut (0..FILES).map(|n| if n % 2 == 0 { n / 2 } else { FILES - 1 - n / 2 }));
    let mut merged = count(&mut (0..FILES).filter(|n| n % 3 == 0));
    merged.merge(count(&mut (0..FILES).rev().filter(|n| n % 3 != 0)));
    for other in [backward, inward, merged] {
        assert_eq!(other.view(), forward.view());
    }
}

#[test]
fn what_is_gone_has_no_neighbours() {
    let mut catalogue = Catalogue::new(Folding::Digits, Vec::new());
    let mut tape = Tape::default();
    tape.parse("{}").expect("valid");
    let record = |catalogue: &mut Catalogue, line, seq, time| {
        catalogue.observe(&Observed {
            event: "e",
            text: "{}",
            tape: &tape,
            line,
            seq: Some(seq),
            time: Some(time),
            change: None,
            payload: None,
            frame: None,
        });
    };
    catalogue.begin("file", "F1", 1);
    record(&mut catalogue, 1, 1, 50);
    record(&mut catalogue, 2, 2, 60);
    catalogue.pass_over(6);
    record(&mut catalogue, 5, 9, 10);
    record(&mut catalogue, 6, 12, 5);
    catalogue.end(6, 18, None);
    let file = &catalogue.view().files[0];
    assert_eq!(file.holes, [(6, 9, 12)]);
    assert_eq!(file.steps_back, [6]);
    assert_eq!((file.lines, file.bytes, file.records, file.bytes_removed), (6, 18, 4, 6));
}
