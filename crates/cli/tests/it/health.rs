//! A lake of which something is gone or altered: it is said, and there is a way on.

use std::fs;

use crate::world::World;

fn filled(seed: u64) -> World {
    let world = World::of_size(seed, 60_000);
    world.write("a", "{\"event\":\"a\"}\n".repeat(3));
    world.write("b", "{\"event\":\"b\"}\n".repeat(5));
    world.ok("ingest a --data-dir d");
    world.ok("ingest b --data-dir d");
    world
}

#[test]
fn a_destroyed_lake_is_not_healthy() {
    for (seed, gone) in
        (91..).zip([&["notes"][..], &["events"], &["files", "quarantine"], &["events/_delta_log"], &[""]])
    {
        let world = filled(seed);
        for table in gone {
            fs::remove_dir_all(world.path("d/lake").join(table)).unwrap();
        }
        for line in ["doctor --data-dir d", "doctor --fix --data-dir d"] {
            let ran = world.run(line).is(1);
            assert!(ran.stdout.contains("FAILED"), "{gone:?}: {}", ran.stdout);
            assert!(ran.stdout.contains("spool") && !ran.stdout.contains("none yet"), "{}", ran.stdout);
            assert!(!ran.stderr.contains("stele doctor"), "{}", ran.stderr);
        }
        if gone != [""] {
            assert!(world.run("doctor --data-dir d").stdout.contains("what is left: "));
        }
    }
}

#[test]
fn the_first_log_entry_is_missed() {
    let world = filled(97);
    fs::remove_file(world.path("d/lake/events/_delta_log/00000000000000000000.json")).unwrap();
    let said = world.run("doctor --data-dir d").is(1).stdout;
    assert!(said.contains("00000000000000000000.json") && said.contains("what is left"), "{said}");
}

#[test]
fn a_damaged_newest_entry_has_a_way_on() {
    let damages: [fn(&mut Vec<u8>); 2] = [Vec::clear, |bytes| {
        let last = bytes.len() - 20;
        bytes[last] ^= 1;
    }];
    for (seed, damage) in (98..).zip(damages) {
        let world = filled(seed);
        let entry = world.path("d/lake/events/_delta_log/00000000000000000002.json");
        let mut bytes = fs::read(&entry).unwrap();
        damage(&mut bytes);
        fs::write(&entry, &bytes).unwrap();
        let said = world.run("doctor --data-dir d").is(1).stdout;
        assert!(said.contains("stele doctor --salvage"), "{said}");
        let said = world.run("doctor --salvage --data-dir d").is(1).stdout;
        assert!(said.contains("Would move") && fs::read(&entry).unwrap() == bytes, "{said}");
        let said = world.ok("doctor --salvage --yes --data-dir d");
        assert!(said.contains("finished its commit again: 5 records"), "{said}");
        world.covered();
        assert_eq!(world.sql("SELECT count(*) FROM events"), "8\n");
        assert_eq!(world.ok("replay b --data-dir d").len(), 5 * 14);
    }
}

#[test]
fn a_vacuumed_version_is_called_that() {
    let world = filled(100);
    world.ok("lake prune --source a --data-dir d --yes");
    world.ok("lake vacuum --older-than 0s --data-dir d --yes");
    let ran = world.run("sql SELECT(1) --at 2 --data-dir d").is(1);
    ran.says(&["version 2", "a vacuum removed files of it"]);
}

#[test]
fn looking_needs_no_right_to_write_the_lock() {
    use std::os::unix::fs::PermissionsExt;
    let world = filled(101);
    let lock = world.path("d/lake/.writer.lock");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o444)).unwrap();
    world.ok("doctor --data-dir d");
    // Nor does it make one.
    fs::remove_file(&lock).unwrap();
    world.ok("doctor --data-dir d");
    assert!(!lock.exists());
}

#[test]
fn what_is_asked_is_what_is_answered() {
    let world = filled(102);
    world.run("sql SELECT(1) --json --format csv --data-dir d").is(2);
    let ran = world.run_args(["sql", "with x as (select 1) insert into y from x", "--data-dir", "d"]).is(1);
    ran.says(&["WITH before anything but a SELECT"]);
    world.write("c", "{\"event\":\"c\",\"data\":{\"x\":1}}\n");
    world.ok("ingest c --data-dir d");
    world.ok("explain data --data-dir d");
    world.run_args(["explain", "data.{}", "--data-dir", "d"]).is(1);
    world.write("stele.toml", "fold = \"none\"\n");
    let said = world.ok("doctor --data-dir d");
    assert!(said.contains("other fold settings") && !said.contains("damaged"), "{said}");
}
