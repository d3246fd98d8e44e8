//! The process dies, or is asked to stop; the next run goes on and everything is there once.

use std::process::{Command, Stdio};
use std::time::Duration;

use stele_engine::lake::FAILPOINTS;
use stele_testkit::faults::kill_after;
use stele_testkit::rng::Rng;

use crate::world::{Ran, World};

/// The short version of the torture: every run of it is the same.
const SEED: u64 = 7;

/// Runs that are killed at some time.
const ROUNDS: u64 = 6;

/// Longer than an ingest of the sample takes.
const MICROS_MAX: u64 = 400_000;

#[test]
fn killed_at_some_time() {
    let world = World::of_size(71, 1_000_000);
    let mut rng = Rng::new(SEED);
    for round in 0..ROUNDS {
        let mut command = world.stele("ingest sample/recordings --data-dir d");
        let ending = kill_after(&mut command, &mut rng, MICROS_MAX).unwrap();
        if world.run("status --data-dir d").code == Some(0) {
            world.covered();
        }
        println!("round {round}: {ending:?}");
    }
    world.ok("ingest sample/recordings --data-dir d");
    world.complete();
    world.run("doctor --fix --data-dir d").is(0);
    world.complete();
}

#[test]
fn killed_at_every_point() {
    let world = World::of_size(72, 60_000);
    let mut hit = Vec::new();
    for point in FAILPOINTS.iter().chain(&["catalogue.write"]) {
        let ended = world
            .stele("ingest sample/recordings --data-dir d")
            .env("STELE_FAILPOINT", format!("{point}:1:kill"))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        if ended.code().is_none() {
            hit.push(*point);
        }
        world.ok("ingest sample/recordings --data-dir d");
        world.covered();
        assert_eq!(
            world.sql("SELECT count(*), count(DISTINCT record_id) FROM events"),
            expected(&world),
            "{point}"
        );
        std::fs::remove_dir_all(world.path("d")).unwrap();
    }
    assert!(hit.len() > FAILPOINTS.len() / 2, "only {hit:?} were reached");
}

fn expected(world: &World) -> String {
    format!("{0},{0}\n", world.sample.records())
}

#[test]
fn stopped_by_ctrl_c() {
    let world = World::of_size(73, 12_000_000);
    let mut command = world.stele("ingest sample/recordings --data-dir d --threads 1");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(150));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    // A fast machine may be done before the signal comes.
    if ran.code != Some(0) {
        let ran = ran.is(130).says(&["stopping at the next safe place"]);
        assert!(
            ran.stdout.contains("To go on where it stopped")
                && ran.stdout.contains("stele ingest sample/recordings --data-dir d")
        );
        world.covered();
    }
    world.ok("ingest sample/recordings --data-dir d");
    world.complete();
}
