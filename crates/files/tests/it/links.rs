//! Links: within the directory, out of it, and in circles.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::rig::Rig;

const NONE: [&str; 0] = [];

fn after(after: &str) -> Value {
    json!({"after_ingest": after, "file_pattern": "**/*.jsonl"})
}

#[test]
fn sources_12_what_a_link_leads_to_outside_is_not_touched() {
    for settings in [after("nothing"), after("archive"), after("delete")] {
        let mut rig = Rig::new(settings.clone());
        let outside = rig.dir.path().join("out");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.jsonl"), "{\"id\":9}\n").unwrap();
        fs::write(rig.dir.path().join("beside.jsonl"), "{\"id\":8}\n").unwrap();
        rig.write("a.jsonl", "{\"id\":1}\n");
        symlink("..", rig.path("up")).unwrap();
        symlink(&outside, rig.path("out")).unwrap();
        symlink(outside.join("secret.jsonl"), rig.path("one.jsonl")).unwrap();
        symlink(outside.join("secret.jsonl"), rig.path("no rows.txt")).unwrap();
        // Each is met behind this one, too, and is named once.
        symlink(".", rig.path("here")).unwrap();
        assert_eq!(rig.good(), ["{\"id\":1}"], "{settings}");
        let said = rig.notes.iter().filter(|note| note.contains("lead out of")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{:?}", rig.notes);
        let out = fs::canonicalize(&outside).unwrap();
        let names = format!("3 links lead out of {}", fs::canonicalize(rig.path("")).unwrap().display());
        assert!(
            said[0].starts_with(&names) && said[0].contains(&format!("out (to {})", out.display())),
            "{said:?}"
        );
        assert!(rig.check().unwrap().notes.contains(said[0]));
        assert_eq!(fs::read_to_string(outside.join("secret.jsonl")).unwrap(), "{\"id\":9}\n");
        assert!(rig.dir.path().join("beside.jsonl").is_file());
        for link in ["up", "out", "one.jsonl"] {
            assert!(rig.path(link).is_symlink(), "{link}");
        }
    }
}

#[test]
fn sources_12_one_content_is_read_once_however_many_links_lead_there() {
    for (settings, left) in [
        (after("nothing"), vec!["days/1/a.jsonl"]),
        (after("archive"), vec!["archive/days/1/a.jsonl"]),
        (after("delete"), vec![]),
    ] {
        let mut rig = Rig::new(settings.clone());
        rig.write("days/1/a.jsonl", "{\"id\":1}\n");
        // In circles, too: each directory leads to all others.
        for (to, link) in [("days/1", "current"), ("..", "days/up"), (".", "here"), ("../..", "days/1/top")] {
            symlink(to, rig.path(link)).unwrap();
        }
        symlink("a.jsonl", rig.path("days/1/latest.jsonl")).unwrap();
        symlink("itself.jsonl", rig.path("itself.jsonl")).unwrap();
        symlink("nowhere.jsonl", rig.path("gone.jsonl")).unwrap();
        let told = rig.run().unwrap();
        assert!(told.iter().all(|(name, why)| why == "ok" || name == "itself.jsonl"), "{told:?}");
        assert_eq!(rig.taken(), ["{\"id\":1}"], "{settings}");
        let files = ["days/1/a.jsonl", "archive/days/1/a.jsonl"];
        let there: Vec<&str> = files.into_iter().filter(|name| rig.path(name).is_file()).collect();
        assert_eq!(there, left, "{settings}");
        assert!(rig.path("days/1/latest.jsonl").is_symlink());
        rig.run().unwrap();
        assert_eq!(rig.taken(), NONE);
    }
}

#[test]
fn sources_12_what_only_a_link_leads_to_is_read_and_stays() {
    for after in ["nothing", "archive", "delete"] {
        let mut rig = Rig::new(json!({"after_ingest": after, "file_pattern": "{current,again}/*.jsonl"}));
        rig.write("days/1/a.jsonl", "{\"id\":1}\n");
        rig.write("days/2.jsonl", "{\"id\":2}\n");
        symlink("days/1", rig.path("current")).unwrap();
        symlink("days/1", rig.path("again")).unwrap();
        symlink("../2.jsonl", rig.path("days/1/2.jsonl")).unwrap();
        // One behind a link leads to the second, and its own name is not taken.
        assert_eq!(rig.good(), ["{\"id\":2}", "{\"id\":1}"]);
        let says = rig.notes.iter().any(|note| note.starts_with("only links lead to these"));
        assert_eq!(says, after != "nothing", "{:?}", rig.notes);
        assert_eq!(rig.good(), NONE);
        for name in ["days/1/a.jsonl", "days/2.jsonl"] {
            assert!(rig.path(name).is_file(), "{after}: {name}");
        }
        rig.append("days/1/a.jsonl", "{\"id\":3}\n");
        assert_eq!(rig.good(), ["{\"id\":3}"], "it goes on");
    }
}

#[test]
fn sources_12_links_behind_a_link_are_followed() {
    let mut rig = Rig::new(json!({"file_pattern": "current/**/*.jsonl"}));
    rig.write("releases/7/a.jsonl", "{\"id\":1}\n");
    rig.write("common/log/b.jsonl", "{\"id\":2}\n");
    rig.write(".hidden/c.jsonl", "{\"id\":3}\n");
    rig.write("common/d.jsonl", "{\"id\":4}\n");
    for (to, link) in [
        ("releases/7", "current"),
        ("../../common/log", "releases/7/log"),
        ("../../.hidden/c.jsonl", "releases/7/c.jsonl"),
        ("../d.jsonl", "common/log/d.jsonl"),
        // In circles, too.
        ("..", "releases/7/up"),
        ("../../current", "common/log/back"),
    ] {
        symlink(to, rig.path(link)).unwrap();
    }
    // By name: `a`, `c`, and what is in `log`.
    assert_eq!(rig.good(), ["{\"id\":1}", "{\"id\":3}", "{\"id\":2}", "{\"id\":4}"]);
    assert_eq!(rig.notes, NONE);
    assert_eq!(rig.good(), NONE);
}

#[test]
fn sources_12_links_behind_a_link_that_are_too_many_are_named() {
    let mut rig = Rig::new(json!({"file_pattern": "in/**/*.jsonl"}));
    rig.write("common/0000/a.jsonl", "{\"id\":1}\n");
    fs::create_dir(rig.path(".many")).unwrap();
    for at in 0..1001 {
        fs::create_dir_all(rig.path(&format!("common/{at:04}"))).unwrap();
        symlink(format!("../common/{at:04}"), rig.path(&format!(".many/{at:04}"))).unwrap();
    }
    symlink(".many", rig.path("in")).unwrap();
    assert_eq!(rig.good(), ["{\"id\":1}"]);
    assert_eq!(rig.notes.len(), 1, "{:?}", rig.notes);
    let says = "2 links behind other links are not followed: in/0999, in/1000; ";
    assert!(rig.notes[0].starts_with(says), "{:?}", rig.notes);
    assert!(rig.check().unwrap().notes.contains(&rig.notes[0]));
}

#[test]
fn sources_12_what_was_moved_is_not_read_through_a_link() {
    let mut rig = Rig::new(json!({"after_ingest": "archive", "file_pattern": "**/*.jsonl"}));
    rig.write("a.jsonl", "{\"id\":1}\n");
    symlink("archive", rig.path("done")).unwrap();
    symlink(".", rig.path("here")).unwrap();
    assert_eq!(rig.good().len(), 1);
    assert_eq!(rig.good(), NONE);
    assert!(rig.path("archive/a.jsonl").is_file() && rig.notes.iter().all(|note| !note.contains("lead out")));
}
