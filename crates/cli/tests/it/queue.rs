//! A queue that is damaged, away or asked for something that cannot be: what is said, once, and what helps.

use std::fs;

use crate::world::World;

#[test]
fn a_damaged_queue_is_said_with_what_helps() {
    let world = World::of_size(101, 5_000);
    world.write("in/a.jsonl", "{\"event\":\"a\"}\n");
    let doctor = |expect: &str| {
        let checks = world.run("doctor --data-dir d --json").last();
        let queue = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "queue");
        let queue = queue.unwrap_or_else(|| panic!("it does not look at the queue: {checks}"));
        assert_eq!(queue["state"], expect, "{queue}");
        queue.to_string()
    };
    assert!(doctor("ok").contains("the first job makes it"), "and none is made");
    assert!(!world.path("d/state.db").exists());
    world.ok("ingest in --no-wait --data-dir d");
    assert!(doctor("ok").contains("1 of them to be done"));
    for name in ["d/state.db-wal", "d/state.db-shm"] {
        let _ = fs::remove_file(world.path(name));
    }
    world.write("d/state.db", "garbage, and long enough to be looked at");
    let failed = doctor("failed");
    assert!(failed.contains("not a database") && failed.contains("move the file away"), "{failed}");
    let jobs = world.run("jobs --data-dir d").is(1).says(&["not a database", "move the file away"]);
    assert!(!jobs.stderr.contains("code:") && !jobs.stderr.contains("running?"), "{}", jobs.stderr);
    assert_eq!(jobs.stderr.matches("not a database").count(), 1, "{}", jobs.stderr);
    fs::remove_file(world.path("d/state.db")).unwrap();
    fs::create_dir(world.path("d/state.db")).unwrap();
    world.run("jobs --data-dir d").is(1).says(&["it is a directory", "move the directory away"]);
    let away = world.run("jobs --data-dir d --queue redis://127.0.0.1:1/0").is(1);
    let away = away.says(&["Connection refused", "is the server running?"]);
    assert_eq!(away.stderr.matches("refused").count(), 1, "{}", away.stderr);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_done() {
    let world = World::of_size(102, 5_000);
    let lease = world.run("worker --data-dir d --lease 0s").is(2).says(&["lease", "100 ms to 3600 s"]);
    assert!(!lease.stderr.contains("works on"), "{}", lease.stderr);
    world.run("ingest - --no-wait --data-dir d").is(2).says(&["cannot take standard input"]);
    world.run("serve --data-dir d --port 0 --allow-root nothere").is(78).says(&["nothere"]);
    world
        .run("serve --data-dir d --port 0 --allow-root partner=sample")
        .is(78)
        .says(&["tenant partner", "no token is for that tenant"]);
}
