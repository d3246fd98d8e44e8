//! Contents that begin alike, and inputs that are more than they seem: what one run or several make
//! of them, and that the proof holds each time.

use std::fs;

use crate::world::World;

fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{{\"event\":\"a\",\"n\":{n}}}\n")).collect()
}

fn summary(world: &World, targets: &str) -> serde_json::Value {
    world.run(&format!("ingest {targets} --data-dir d --json")).is(0).last()
}

#[test]
fn small_inputs_that_begin_alike_stay_apart() {
    let world = World::new(41);
    let whole = lines(100);
    world.write("a", &whole[..505]);
    world.write("b", &whole);
    world.write("c", &whole[..whole.len() / 2]);
    world.write("d1", &whole[..505]);
    let summary = summary(&world, "a b c d1");
    assert_eq!(
        (summary["duplicates"].as_u64(), summary["resumed"].as_u64()),
        (Some(1), Some(0)),
        "{summary}"
    );
    world.covered();
    for name in ["a", "b", "c", "d1"] {
        assert_eq!(world.ok(&format!("replay {name} --data-dir d")).into_bytes(), world.read(name), "{name}");
    }
}

#[test]
fn a_long_recording_and_its_longer_copy_share_their_rows() {
    let world = World::new(42);
    let whole = lines(120_000);
    world.write("a", &whole[..1_500_003]);
    world.write("b", &whole);
    let summary = summary(&world, "a b");
    assert_eq!(summary["resumed"], 1, "{summary}");
    assert_eq!(world.sql("SELECT count(*), count(DISTINCT raw) FROM events"), "120000,120000\n");
    world.covered();
    for name in ["a", "b"] {
        assert_eq!(world.ok(&format!("replay {name} --data-dir d")).into_bytes(), world.read(name), "{name}");
    }
}

#[test]
fn a_copy_of_a_grown_file_is_known() {
    let world = World::new(43);
    let whole = lines(60_000);
    for end in [900_000, whole.len()] {
        world.write("live", &whole[..end]);
        summary(&world, "live");
    }
    world.write("copy", &whole);
    assert_eq!(summary(&world, "copy")["duplicates"], 1);
    world.covered();
}

#[test]
fn a_line_end_that_comes_later_is_accounted_for() {
    let world = World::new(44);
    let mut content = "{\"event\":\"a\"}".to_owned();
    for more in ["", "\n", "{\"event\":\"b\"", "}\n\n"] {
        content.push_str(more);
        world.write("live", &content);
        summary(&world, "live");
        world.covered();
    }
    assert_eq!(world.sql("SELECT count(*) FROM events"), "2\n");
    assert_eq!(world.ok("replay live --data-dir d"), content);
}

#[test]
fn a_lake_is_no_input_of_itself() {
    let world = World::new(45);
    world.write("in/a", lines(3));
    for _ in 0..2 {
        let summary = world.run("ingest in --data-dir in/lake --json").is(0).last();
        assert_eq!(summary["files"], 1, "{summary}");
    }
}

#[test]
fn a_name_that_is_not_unicode_is_a_name_of_its_own() {
    use std::os::unix::ffi::OsStrExt;
    let world = World::new(46);
    fs::create_dir(world.path("in")).unwrap();
    for (n, byte) in [0xfe, 0xff].into_iter().enumerate() {
        let name = [b"a".as_slice(), &[byte], b".jsonl"].concat();
        fs::write(world.path("in").join(std::ffi::OsStr::from_bytes(&name)), lines(n + 1)).unwrap();
    }
    assert_eq!(summary(&world, "in")["records"], 3);
    world.covered();
}

#[test]
fn too_many_names_at_the_root_are_folded() {
    let world = World::new(47);
    let members: Vec<String> = (0..1_500).map(|n| format!("\"k{n}\":{n}")).collect();
    world.write("wide", format!("{{{}}}\n", members.join(",")));
    summary(&world, "wide");
    world.covered();
    world.ok("validate --records --data-dir d");
}

#[test]
fn the_proof_holds_for_what_a_prune_leaves() {
    let world = World::new(48);
    world.write("keep", lines(3));
    world.write("drop", lines(5));
    summary(&world, "keep drop");
    let source = world.path("drop").display().to_string();
    world.run_args(["lake", "prune", "--source", &source, "--yes", "--data-dir", "d"]).is(0);
    world.covered();
    assert_eq!(world.sql("SELECT count(*) FROM events"), "3\n");
}

#[test]
fn parts_without_a_log_are_not_taken_for_an_empty_lake() {
    let world = World::new(49);
    world.write("a", lines(3));
    summary(&world, "a");
    fs::remove_dir_all(world.path("d/lake/events/_delta_log")).unwrap();
    for command in ["coverage", "ingest a"] {
        world.run(&format!("{command} --data-dir d")).is(1).says(&["_delta_log", "missing"]);
    }
}
