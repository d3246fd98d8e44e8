//! Files that grow, are renamed, packed, copied, or begin alike.

use serde_json::json;

use crate::rig::{Rig, gz, touch, zst};

const NONE: [&str; 0] = [];

fn line(id: u32) -> String {
    format!("{{\"id\":{id}}}\n")
}

fn lines(from: u32, to: u32) -> String {
    (from..to).map(line).collect()
}

fn rows(from: u32, to: u32) -> Vec<String> {
    (from..to).map(|id| line(id).trim().to_owned()).collect()
}

#[test]
fn sources_11_what_is_appended_is_read_and_nothing_else() {
    let mut rig = Rig::new(json!({}));
    rig.write("app.log", lines(0, 3));
    assert_eq!(rig.good(), rows(0, 3));
    // The half of a line is left until it is one.
    rig.append("app.log", &(lines(3, 5) + "{\"id\""));
    let told = rig.run().unwrap();
    assert!(told[1].0 == "app.log:6" && told[1].1.contains("not finished"), "{told:?}");
    assert_eq!(rig.taken(), rows(3, 5));
    rig.append("app.log", ":5}\n");
    assert_eq!(rig.good(), rows(5, 6));
    assert!(rig.kept.rejected.is_empty());
    // A new date alone is nothing new.
    touch(&rig.path("app.log"), 7);
    assert_eq!(rig.good(), NONE);
    // What was written over is another content.
    rig.write("app.log", lines(100, 110));
    assert_eq!(rig.good(), rows(100, 110));
    rig.write("app.log", "");
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_11_separated_values_are_appended_to() {
    let mut rig = Rig::new(json!({}));
    rig.write("a.csv", "id,what\n");
    assert_eq!(rig.good(), NONE);
    rig.append("a.csv", "1,tea\n");
    assert_eq!(rig.good(), ["{\"id\":\"1\",\"what\":\"tea\"}"]);
    rig.append("a.csv", "2,\"ro\npe\"\n3\n");
    assert_eq!(rig.good(), ["{\"id\":\"2\",\"what\":\"ro\\npe\"}"]);
    assert_eq!(rig.kept.rejected, ["a.csv:5: it has 1 values, and there are 2 columns: 3"]);
}

#[test]
fn sources_11_a_file_that_was_rotated_is_not_read_twice() {
    for pack in [|bytes: String| bytes.into_bytes(), |bytes| gz(bytes), |bytes| zst(bytes)] {
        for length in [3, 1000] {
            let mut rig = Rig::new(json!({"file_pattern": "app.log*"}));
            rig.write_at("app.log", lines(0, length), 9);
            assert_eq!(rig.good(), rows(0, length));
            // Some came before it was put away, and a new one was begun.
            std::fs::remove_file(rig.path("app.log")).unwrap();
            rig.write_at("app.log.1.gz", pack(lines(0, length + 2)), 5);
            rig.write_at("app.log", lines(5000, 5003), 1);
            assert_eq!(rig.good(), [rows(length, length + 2), rows(5000, 5003)].concat());
            rig.append("app.log", &lines(5003, 5004));
            assert_eq!(rig.good(), rows(5003, 5004));
            assert_eq!(rig.good(), NONE);
        }
    }
}

#[test]
fn sources_11_the_old_one_may_turn_up_later_than_the_new_one() {
    let mut rig = Rig::new(json!({"file_pattern": "app.log{,.*.gz}"}));
    rig.write("app.log", lines(0, 100));
    assert_eq!(rig.good(), rows(0, 100));
    rig.write_at("app.log", lines(500, 503), 0);
    assert_eq!(rig.good(), rows(500, 503));
    rig.write("app.log.1.gz", gz(lines(0, 101)));
    assert_eq!(rig.good(), rows(100, 101));
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_11_files_that_begin_alike_are_two() {
    // A long header, and then a kilobyte, that all have.
    let header = format!(
        "id,{}\n",
        (0..400).map(|at| format!("a_long_column_name_{at}")).collect::<Vec<_>>().join(",")
    );
    let row = |id: u32| format!("{id}{}\n", ",0".repeat(400));
    let same: String = (0..300).map(row).collect();
    let mut rig = Rig::new(json!({}));
    rig.write_at("0.csv", &header, 9);
    rig.write_at("1.csv", format!("{header}{same}{}", row(1000)), 8);
    rig.write_at("2.csv", format!("{header}{same}{}", row(1001)), 7);
    assert_eq!(rig.good().len(), 602);
    rig.write_at("3.csv", format!("{header}{same}{}", row(1002)), 6);
    assert_eq!(rig.good().len(), 301);
    // One that has all of another that lies there, and more, is a file of its own; a copy is none.
    rig.write_at("4.csv", format!("{header}{same}{}{}", row(1002), row(1003)), 5);
    assert_eq!(rig.good().len(), 302);
    rig.write_at("5.csv", format!("{header}{same}{}", row(1002)), 4);
    assert_eq!(rig.good(), NONE);
    assert!(rig.notes[0].contains("5.csv holds what was read of 3.csv"), "{:?}", rig.notes);
}

#[test]
fn sources_11_a_change_in_the_middle_is_seen() {
    let mut rig = Rig::new(json!({}));
    let mut content: String = lines(10_000, 99_000);
    rig.write_at("a.jsonl", &content, 9);
    assert_eq!(rig.good().len(), 89_000);
    // Behind the longest beginning that is compared by itself.
    let middle = content.len() - 50_000;
    assert!(middle > 1 << 20);
    content.replace_range(middle..middle + 100, &content[middle..middle + 100].replace('1', "2").clone());
    content.push_str(&line(7));
    rig.write_at("a.jsonl", &content, 8);
    assert_eq!(rig.good().len(), 89_001);
}

#[test]
fn sources_11_what_may_still_be_written_is_left() {
    let mut rig = Rig::new(json!({"min_age": "5s", "modified_since": "2h"}));
    rig.write("a.jsonl", lines(0, 1));
    rig.write_at("old.jsonl", lines(5, 6), 3 * 3600);
    rig.now -= 3_598_000_000;
    assert_eq!(rig.good(), NONE);
    assert!(rig.notes[0].starts_with("1 files were changed less than `min_age` ago"));
    rig.now += 10_000_000;
    assert_eq!(rig.good(), rows(0, 1));
    // A file that had its time is whole, so that its last line is wrong and not unfinished.
    rig.append("a.jsonl", "{bad");
    touch(&rig.path("a.jsonl"), 1);
    rig.now += 20_000_000;
    assert_eq!(rig.good(), NONE);
    assert_eq!(rig.kept.rejected.len(), 1);
}

#[test]
fn sources_11_many_small_stretches_become_one() {
    let mut rig = Rig::new(json!({"file_pattern": "a*"}));
    rig.write("a.jsonl", "");
    for id in 0..150 {
        rig.append("a.jsonl", &line(id));
        touch(&rig.path("a.jsonl"), 1000 - u64::from(id));
        assert_eq!(rig.good(), rows(id, id + 1));
    }
    let state = rig.kept.cursors.get("a.jsonl").unwrap();
    assert!(state["parts"].as_array().unwrap().len() <= 64, "{state}");
    std::fs::rename(rig.path("a.jsonl"), rig.path("a.old")).unwrap();
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_11_a_run_that_died_goes_on_behind_its_last_batch() {
    let csv: String =
        "id,x\n".to_owned() + &(0..100).map(|id| format!("{id},\"a\nb\"\n")).collect::<String>();
    let json = format!("[{}]", (0..100).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>().join(", "));
    for (name, content) in [("a.jsonl", lines(0, 100)), ("a.csv", csv), ("a.json", json)] {
        for packed in [false, true] {
            let mut rig = Rig::new(json!({}));
            rig.write(name, if packed { gz(&content) } else { content.clone().into_bytes() });
            let mut all = Vec::new();
            rig.kept.batch_records = Some(7);
            for batch in 2..30 {
                rig.kept.fails_at = Some(rig.kept.batches + 2);
                let ended = rig.run();
                all.extend(rig.taken());
                if ended.is_ok() {
                    break;
                }
                assert!(all.len() <= 7 * batch, "{name}");
            }
            assert_eq!(all.len(), 100, "{name}, packed: {packed}");
            assert!(all.iter().enumerate().all(|(id, row)| row.contains(&format!("{id}"))), "{name}");
        }
    }
}

#[test]
fn sources_11_a_run_that_was_stopped_goes_on_where_it_was() {
    let mut rig = Rig::new(json!({}));
    rig.write("a.jsonl", lines(0, 5000));
    rig.cancelled_at = Some(3);
    assert!(matches!(rig.run(), Err(stele_collect::CollectError::Cancelled)));
    let before = rig.taken();
    assert_eq!(before, rows(0, 2048), "what was gathered is kept");
    rig.cancelled_at = None;
    assert_eq!(rig.good(), rows(2048, 5000));
}

#[test]
fn sources_11_a_copy_is_known_again_in_the_same_run() {
    for settings in
        [json!({"key": ["id"]}), json!({"after_ingest": "delete"}), json!({"after_ingest": "archive"})]
    {
        let mut rig = Rig::new(settings.clone());
        rig.write_at("a.jsonl", lines(0, 3), 3);
        rig.write_at("b.jsonl", lines(0, 3), 2);
        rig.write_at("c.jsonl.gz", gz(lines(0, 3)), 1);
        // What begins alike is another one.
        rig.write_at("d.jsonl", lines(0, 4), 0);
        assert_eq!(rig.good(), [rows(0, 3), rows(0, 4)].concat(), "{settings}");
        let says = "not read again: b.jsonl holds what was read of a.jsonl; c.jsonl.gz holds what was read of a.jsonl";
        assert_eq!(rig.notes, [says], "{settings}");
        assert_eq!(rig.good(), NONE, "{settings}");
        if settings["after_ingest"] == "delete" {
            assert_eq!(rig.files(), NONE);
        }
    }
}

#[test]
fn sources_11_a_copy_of_what_was_not_kept_is_read() {
    // The first is refused as its rows are handed over; whoever runs next reads it.
    let mut rig = Rig::new(json!({"after_ingest": "delete"}));
    rig.write_at("a.jsonl", lines(0, 3), 3);
    rig.write_at("b.jsonl", lines(0, 3), 2);
    rig.kept.fails_at = Some(1);
    assert!(rig.run().is_err());
    assert_eq!(rig.files(), ["a.jsonl", "b.jsonl"]);
    rig.kept.fails_at = None;
    assert_eq!((rig.good(), rig.files()), (rows(0, 3), Vec::new()));
    // Neither of two copies is as the schema has it.
    let mut rig = Rig::new(json!({"after_ingest": "delete", "schema": {"columns": "freeze"}}));
    for name in ["a.jsonl", "b.jsonl"] {
        rig.write(name, lines(0, 2) + "{\"id\":2,\"new\":1}\n");
    }
    let told = rig.run().unwrap();
    let frozen: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((frozen, rig.taken()), (vec!["a.jsonl:3", "b.jsonl:3"], rows(0, 0)));
    assert_eq!(rig.files(), ["a.jsonl", "b.jsonl"]);
}

#[test]
fn sources_11_a_list_goes_on_wherever_it_was_cut_off() {
    let check = |list: &str, expect: &[&str], pack: &dyn Fn(&str) -> Vec<u8>| {
        for cut in 0..=list.len() {
            let mut rig = Rig::new(json!({}));
            rig.write_at("a.json", pack(&list[..cut]), 9);
            let said = rig.run().unwrap().pop();
            // As long as nothing comes, the same is said.
            assert_eq!(rig.run().unwrap().pop(), said, "{cut}");
            assert_eq!(rig.run().unwrap().pop(), said, "{cut}");
            let (_, said) = said.unwrap();
            let is_list = !list[..cut].trim().is_empty() && cut < list.trim_end().len();
            assert_eq!(said.contains("it is cut off"), is_list, "{cut}: {said}");
            assert!(is_list || said == "ok", "{cut}: {said}");
            let mut rows = rig.taken();
            rig.write_at("a.json", pack(list), 5);
            rows.extend(rig.good());
            assert_eq!(rows, expect, "{cut}");
            assert!(rig.kept.rejected.is_empty(), "{cut}: {:?}", rig.kept.rejected);
            assert_eq!(rig.good(), NONE, "{cut}");
        }
    };
    let plain = |text: &str| text.as_bytes().to_vec();
    let packed = |text: &str| gz(text.as_bytes());
    let three = [r#"{"id":1}"#, r#"{"id":23}"#, r#"{"a":[",]"]}"#];
    for list in [
        "[{\"id\":1},{\"id\":23},{\"a\":[\",]\"]}]",
        " [\n{\"id\":1},\n{\"id\":23} ,\n\n {\"a\":[\",]\"]}\n ] \n",
    ] {
        check(list, &three, &plain);
        check(list, &three, &packed);
    }
    check("[1, 23,true]", &["1", "23", "true"], &plain);
    check("[\n]\n", &NONE, &plain);
}

#[test]
fn sources_11_nothing_follows_the_end_of_a_list() {
    let mut rig = Rig::new(json!({}));
    rig.write("a.json", "[{\"id\":1}]");
    assert_eq!(rig.good(), rows(1, 2));
    rig.append("a.json", ",{\"id\":2}]\n");
    for _ in 0..3 {
        let (name, why) = rig.run().unwrap().pop().unwrap();
        assert!(name == "a.json" && why.contains("something follows the end of the list"), "{why}");
        assert_eq!(rig.taken(), NONE);
    }
}
