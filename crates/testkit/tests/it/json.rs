//! The referee against the table, the named cases, and the product's own tape: two readers that
//! share no code have to agree on everything.

use proptest::prelude::*;
use stele_model::json::Tape;
use stele_testkit::json::{Verdict, cases, damaged_file, file, grammar, value};
use stele_testkit::oracle::{Count, Item, read};

fn parse(tape: &mut Tape, bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| tape.parse(text).is_ok())
}

#[test]
fn both_readers_know_the_grammar() {
    let mut tape = Tape::default();
    for (bytes, verdict) in grammar() {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!(read(&bytes).is_ok(), verdict == Verdict::Accept, "the referee on {shown}");
        assert_eq!(parse(&mut tape, &bytes), verdict == Verdict::Accept, "the tape on {shown}");
    }
}

#[test]
fn the_referee_knows_the_cases() {
    for case in cases() {
        let mut count = Count::default();
        count.lines(&case.content());
        assert_eq!(count.tsv(), case.tsv, "{}", case.name);
        assert_eq!(
            (count.records, count.refused.len() as u64),
            (case.records, case.rejected),
            "{}",
            case.name
        );
    }
}

/// The tape of `text` in the words of the referee.
fn items(tape: &Tape, text: &str) -> Vec<Item> {
    let mut ends: Vec<u32> = Vec::new();
    (0..tape.nodes().len())
        .map(|index| {
            while ends.last().is_some_and(|end| *end <= index as u32) {
                ends.pop();
            }
            let (node, value) = (&tape.nodes()[index], tape.value(text, index as u32));
            let item = Item {
                depth: ends.len(),
                key: value.key().map(|key| key.into_owned()),
                kind: value.kind().name(),
                text: value.as_str().map(|text| text.into_owned()),
                digit_keys: node.digit_keys(),
            };
            ends.push(node.next);
            item
        })
        .collect()
}

#[track_caller]
fn agree(bytes: &[u8]) {
    let mut tape = Tape::default();
    let accepted = parse(&mut tape, bytes);
    match read(bytes) {
        Ok(expect) => {
            assert!(accepted, "only the tape refuses it");
            let text = std::str::from_utf8(bytes).expect("the referee accepts only UTF-8");
            assert_eq!(items(&tape, text), expect);
        }
        Err(_) => assert!(!accepted, "only the tape accepts it"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_agree_on_texts(text in value()) {
        prop_assert!(read(text.as_bytes()).is_ok(), "generated texts are JSON");
        agree(text.as_bytes());
    }

    #[test]
    fn readers_agree_on_damage(content in damaged_file()) {
        for line in content.split(|byte| *byte == b'\n') {
            agree(line);
        }
    }

    #[test]
    fn readers_agree_on_cut_texts(text in value(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        agree(&bytes[..at]);
        agree(&bytes[at..]);
        bytes[at] = byte;
        agree(&bytes);
    }

    #[test]
    fn counts_add_up(one in file(), two in file()) {
        let count = |content: &[u8]| {
            let mut count = Count::default();
            count.lines(content);
            count
        };
        let mut both = count(&one);
        both.merge(count(&two));
        let mut other = count(&two);
        other.merge(count(&one));
        prop_assert_eq!(both.tsv(), other.tsv());
        prop_assert_eq!(both.nodes, both.rows.values().map(|row| row.nodes).sum::<u64>());
        prop_assert!(both.refused.is_empty());
    }
}
