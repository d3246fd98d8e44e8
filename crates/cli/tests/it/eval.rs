//! Labelled collections: measured where they make sense, refused or counted where they do not.

use crate::world::World;

/// Words alone: found on every machine.
const WORDS: &str = "[embedding]\nprovider = \"none\"\n";

/// Vectors without meaning, which need no model.
const DOUBLE: &str = "[embedding]\nprovider = \"test-double\"\ndimension = 32\n";

#[test]
fn a_collection_is_measured() {
    let world = World::of_size(78, 1_000);
    world.write("stele.toml", DOUBLE);
    let corpus: String =
        ["a red boat on the sea", "green trees in a wood", "boats and ships at sea", "a field of corn"]
            .iter()
            .enumerate()
            .map(|(n, text)| format!("{{\"_id\":\"d{n}\",\"title\":\"\",\"text\":\"{text}\"}}\n"))
            .collect();
    world.write("set/corpus.jsonl", corpus);
    world.write("set/queries.jsonl", "{\"_id\":\"q1\",\"text\":\"boat at sea\"}\n{\"_id\":\"q2\",\"text\":\"corn field\"}\n{\"_id\":\"q3\",\"text\":\"unjudged\"}\n");
    world.write("set/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td0\t1\nq1\td2\t2\nq2\td3\t1\n");
    let report = world.run("eval set --json").is(0).last();
    assert_eq!(
        (&report["event"], &report["docs"], &report["queries"]),
        (&"summary".into(), &4.into(), &2.into())
    );
    for arm in ["bm25", "dense", "hybrid"] {
        assert!(report[arm]["ndcg@10"].as_f64() > Some(0.7), "{arm}: {report}");
        assert!(report[arm]["recall@100"] == 1.0, "{arm}: {report}");
    }
    assert!(!world.path(".stele").exists());
    world.run("eval nowhere").is(1).says(&["nowhere/corpus.jsonl", "qrels/*.tsv", "docs/guide/search.md"]);
}

/// A collection of two documents and two questions, of which each case spoils something.
fn collection(world: &World) {
    world.write("stele.toml", WORDS);
    world.write(
        "set/corpus.jsonl",
        "{\"_id\":\"d1\",\"text\":\"a red boat\"}\n{\"_id\":\"d2\",\"text\":\"corn\"}\n",
    );
    world.write(
        "set/queries.jsonl",
        "{\"_id\":\"q1\",\"text\":\"boat\"}\n{\"_id\":\"q2\",\"text\":\"corn\"}\n",
    );
    world.write("set/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n");
}

#[test]
fn a_collection_that_makes_no_sense_is_refused() {
    let world = World::of_size(85, 1_000);
    let check = |file: &str, content: &str, says: &[&str]| {
        collection(&world);
        world.write(&format!("set/{file}"), content);
        world.run("eval set").is(1).says(&[file]).says(says);
    };
    let one = "{\"_id\":\"d1\",\"text\":\"a red boat\"}\n";
    check("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td0\n", &["line 2", "query, document and score"]);
    check("qrels/test.tsv", "q1\td1\t1\nq1\td2\t0.5\n", &["line 2", "whole number"]);
    check("qrels/test.tsv", "d1\tq1\t1\n", &["line 1", "(d1) in queries.jsonl", "(q1) in corpus.jsonl"]);
    check("corpus.jsonl", "", &["no document"]);
    check("corpus.jsonl", &format!("{one}\n{one}"), &["line 3", "the id d1 is that of line 1 too"]);
    check("corpus.jsonl", &format!("{one}{{\"_id\":\"\"}}\n"), &["line 2", "an empty text"]);
    check("queries.jsonl", &format!("{one}{one}"), &["line 2", "the id d1 is that of line 1 too"]);
    check("queries.jsonl", "{\"_id\":\"q1\"", &["line 1"]);
    collection(&world);
    std::fs::remove_file(world.path("set/qrels/test.tsv")).unwrap();
    world.run("eval set").is(1).says(&["set/qrels", "*.tsv"]);
}

#[test]
fn what_is_odd_about_a_collection_is_counted() {
    let world = World::of_size(86, 1_000);
    let check = |file: &str, content: &str, counts: &[(&str, u64)], says: &[&str]| {
        collection(&world);
        world.write(&format!("set/{file}"), content);
        let report = world.run("eval set --json").is(0).last();
        assert_eq!(report["event"], "summary");
        for (name, count) in counts {
            assert_eq!(report["collection"][name], *count, "{name}: {report}");
        }
        assert_eq!(report["bm25"]["mrr"], 1.0, "{report}");
        assert!(report["notes"].as_array().unwrap().len() == says.len().min(1), "{report}");
        world.run("eval set").is(0).says(says);
    };
    check("qrels/test.tsv", "q1 0 d1 1\nq2 0 d2 2\n", &[("judgements", 2), ("queries", 2)], &[]);
    check("qrels/test.tsv", "\u{feff}q1\td1\t1\nq2\td2\t1\n", &[("judgements", 2)], &[]);
    check(
        "qrels/test.tsv",
        "q1\td1\t1\nq2\td2\t1\nq1\td9\t0\nq2\td8\t0\n",
        &[("judgements_without_document", 2)],
        &["documents that are not in corpus.jsonl", ": 2, first d9 at set/qrels/test.tsv:3"],
    );
    check(
        "qrels/test.tsv",
        "q1\td1\t1\nq9\td2\t1\n",
        &[("judgements_without_query", 1), ("queries_left_out", 1)],
        &["questions that are not in queries.jsonl: 1, first q9 at set/qrels/test.tsv:2"],
    );
    check(
        "qrels/test.tsv",
        "q1\td1\t0\nq1\td1\t1\n",
        &[("judgements_changed", 1)],
        &["first d1 at set/qrels/test.tsv:2"],
    );
    let one = "\u{feff}{\"_id\":\"d1\",\"text\":\"a red boat\"}\n{\"_id\":\"d2\",\"text\":\"corn\"}\n";
    check("corpus.jsonl", one, &[("documents_without_text", 0)], &[]);
    let empty = format!("{one}{{\"_id\":\"d3\",\"text\":null}}\n");
    check("corpus.jsonl", &empty, &[("documents_without_text", 1)], &["d3 at set/corpus.jsonl:3"]);
    let second = "{\"_id\":\"q2\",\"text\":\"corn\"}\n";
    let long = "é ".repeat(3_000);
    let long = format!("\u{feff}{{\"_id\":\"q1\",\"text\":\"boat {long}\"}}\n{second}");
    check("queries.jsonl", &long, &[("queries_cut", 1)], &["were cut: 1, first q1 at set/queries.jsonl:1"]);
}
