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

/// Few inputs: what a point does does not depend on how much there is.
const TARGET: &str = "sample/recordings/damaged";

/// The points are tried side by side, because most of the time goes by in waiting for the disk.
const SIDE_BY_SIDE: usize = 4;

#[test]
fn killed_at_every_point() {
    let world = World::of_size(72, 60_000);
    let facts =
        world.sample.files.iter().filter(|file| file.path.starts_with(TARGET.trim_start_matches("sample/")));
    let expected: u64 = facts.map(|file| file.records).sum();
    let points: Vec<&str> = FAILPOINTS.iter().copied().chain(["catalogue.write"]).collect();
    let reached = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for some in points.chunks(points.len().div_ceil(SIDE_BY_SIDE)) {
            let (world, reached) = (&world, &reached);
            scope.spawn(move || {
                for point in some {
                    if killed_at(world, point, expected) {
                        reached.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let reached = reached.into_inner();
    assert!(reached > points.len() / 2, "only {reached} of {} points were reached", points.len());
}

/// Kills an ingest at `point` and goes on; says whether the point was reached.
fn killed_at(world: &World, point: &str, expected: u64) -> bool {
    let line = format!("ingest {TARGET} --data-dir {point}");
    let mut first = world.stele(&line);
    first.env("STELE_FAILPOINT", format!("{point}:1:kill")).stderr(Stdio::null()).stdout(Stdio::null());
    let ended = first.status().unwrap();
    world.ok(&line);
    let report = world.run(&format!("coverage --data-dir {point} --json")).is(0).last();
    let records =
        report["totals"].as_array().unwrap().iter().find(|total| total["name"] == "records").unwrap();
    assert_eq!(
        (records["discovered"].as_u64(), records["recounted"].as_u64()),
        (Some(expected), Some(expected)),
        "{point}: {report}"
    );
    ended.code().is_none()
}

#[test]
fn stopped_by_ctrl_c() {
    let world = World::of_size(73, 12_000_000);
    let mut command = world.stele("ingest sample/recordings --data-dir d --threads 1");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program listens for signals before it takes the lock.
    let lock = world.path("d/lake/.writer.lock");
    while !lock.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
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
