//! Memory is bounded whatever the size of a file.

use std::io::Write;

use serde_json::json;

use crate::rig::{Rig, touch};

#[test]
fn sources_11_what_is_deleted_is_known_to_its_last_byte() {
    let mut rig = Rig::new(json!({"file_pattern": "*.jsonl"}));
    let line = format!("{{\"x\":\"{}\"}}\n", "y".repeat((1 << 20) - 9));
    // Beyond what is gone over again in a file that stays.
    let write = |rig: &Rig, ends: &str, ago_s: u64| {
        let mut file = std::fs::File::create(rig.path("a.jsonl")).unwrap();
        (0..250).for_each(|_| file.write_all(line.as_bytes()).unwrap());
        (0..8).for_each(|_| file.write_all(ends.as_bytes()).unwrap());
        touch(&rig.path("a.jsonl"), ago_s);
    };
    write(&rig, &line, 9);
    rig.kept.counts_only = true;
    rig.good();
    assert_eq!(rig.kept.records, 258);
    // Another delivery of the same name and size, which begins alike.
    write(&rig, &line.replacen('y', "z", 1), 8);
    rig.settings["after_ingest"] = json!("delete");
    rig.good();
    assert_eq!((rig.kept.records, rig.files()), (2 * 258, Vec::new()));
}

/// Peak of the process's memory, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn sources_10_memory_is_bounded_whatever_the_size() {
    for name in ["a.jsonl.zst", "a.json.zst", "a.csv.zst"] {
        let mut rig = Rig::new(json!({}));
        let file = std::fs::File::create(rig.path(name)).unwrap();
        let mut file = zstd::Encoder::new(std::io::BufWriter::new(file), 1).unwrap();
        let filler = "x".repeat(500);
        // 300 MB of content.
        let rows = 600_000_u64;
        if name.contains("json.") {
            file.write_all(b"[").unwrap();
        }
        for id in 0..rows {
            match name {
                "a.csv.zst" if id == 0 => writeln!(file, "id,x\n{id},{filler}"),
                "a.csv.zst" => writeln!(file, "{id},{filler}"),
                "a.json.zst" if id > 0 => write!(file, ",{{\"id\":{id},\"x\":\"{filler}\"}}"),
                "a.json.zst" => write!(file, "{{\"id\":{id},\"x\":\"{filler}\"}}"),
                _ => writeln!(file, "{{\"id\":{id},\"x\":\"{filler}\"}}"),
            }
            .unwrap();
        }
        if name.contains("json.") {
            file.write_all(b"]").unwrap();
        }
        file.finish().unwrap().flush().unwrap();
        rig.kept.counts_only = true;
        rig.good();
        assert_eq!(rig.kept.records, rows, "{name}");
    }
    // Other tests of this binary take some of it, too.
    assert!(peak() < 250 << 20, "{} MB", peak() >> 20);
}

#[test]
fn sources_10_a_row_has_a_longest_length() {
    let mut rig = Rig::new(json!({}));
    let long = "x".repeat(17 << 20);
    rig.write("a.jsonl", format!("{{\"a\":1}}\n{{\"a\":\"{long}\"}}\n{{\"a\":2}}\n"));
    let told = rig.run().unwrap();
    assert_eq!((told[0].1.as_str(), told[1].0.as_str(), told.len()), ("ok", "a.jsonl:2:8", 2));
    assert!(told[1].1.starts_with("the line has 17825801 bytes, and 16777216 are the most"), "{told:?}");
    assert_eq!(rig.taken(), ["{\"a\":1}", "{\"a\":2}"]);
    assert!(rig.kept.rejected[0].starts_with("a.jsonl:2:8: the line has"), "{}", &rig.kept.rejected[0][..80]);
    // A quote that is not closed is no reason to read everything into memory.
    rig.write("b.csv", format!("a,b\n1,2\n\"{}\n", "x,y\n".repeat(6 << 20)));
    let told = rig.run().unwrap();
    assert!(told[1].1.contains("perhaps a quote in it is not closed"), "{}", told[1].1);
    assert_eq!(rig.taken(), ["{\"a\":\"1\",\"b\":\"2\"}"]);
}
