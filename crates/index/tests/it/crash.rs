//! The world stops at every point between "not done" and "durable". Afterwards the index is the old
//! one or the new one, and never neither.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use stele_index::{FAILPOINTS, Index, IndexError, LogicalHash, Upsert};
use stele_model::{Faults, NoFaults};
use stele_testkit::faults::{Blow, Recorder, StrikeAt};

use crate::fixture::{World, all_ids, ids_of, many, spec};

/// One write of somebody who has an index.
type Step = fn(&Index) -> Result<(), IndexError>;

/// What an index holds and what it follows; nothing, if there is none.
type State = Option<(LogicalHash, Option<u64>)>;

/// Writes of one life of an index, in order. Each may be done again.
const STEPS: [Step; 5] = [
    |index| index.writer(&spec())?.apply(many(50, 1), &[], Some(1)).map(drop),
    |index| index.writer(&spec())?.apply(many(40, 2), &ids_of(&many(50, 1)[..30]), Some(2)).map(drop),
    |index| {
        let mut writer = index.writer(&spec())?;
        for part in parts() {
            writer.apply(part, &[], None)?;
        }
        let done = writer.finish(&[], 3)?;
        // To a caller a failed step is no error; to this test it is a stop.
        done.steps
            .into_iter()
            .find_map(|step| step.failed)
            .map_or(Ok(()), |why| Err(IndexError::Invalid(why)))
    },
    |index| {
        let mut rebuild = index.rebuild(&spec())?;
        rebuild.apply(many(60, 4), &[])?;
        rebuild.apply(many(50, 5), &ids_of(&many(60, 4)[..10]))?;
        // So many files that upkeep has something to do and to publish before the swap.
        for part in parts() {
            rebuild.apply(part, &[])?;
        }
        rebuild.finish(4).map(drop)
    },
    |index| index.writer(&spec())?.apply(many(10, 6), &[], Some(5)).map(drop),
];

/// So many files of so many rows that upkeep finds something to do.
fn parts() -> Vec<Vec<Upsert>> {
    many(300, 3).chunks(30).map(<[Upsert]>::to_vec).collect()
}

/// Points that need more rows, or upkeep that fails, to be reached.
const ELSEWHERE: [&str; 5] = [
    "index.maintain.id",
    "index.maintain.text_hash",
    "index.maintain.vector",
    "index.copy",
    "index.copy.rows",
];

/// What an index is between steps.
fn state(index: &Index) -> State {
    if !index.exists() {
        return None;
    }
    let reader = index.reader().unwrap();
    let found = reader.verify().unwrap();
    assert!(found.is_clean(), "{found:?}");
    assert_eq!(all_ids(&reader).len() as u64, reader.pointer().rows);
    Some((reader.pointer().logical_hash, reader.pointer().checkpoint))
}

/// The states that each step may be interrupted in, the last of which is where it ends.
fn states() -> Vec<Vec<State>> {
    let world = World::new();
    let index = world.index();
    let mut all = Vec::new();
    for step in STEPS {
        let before = state(&index);
        let mut between = vec![before];
        if before.is_none() {
            between.push(Some((LogicalHash::default(), None)));
        }
        step(&index).unwrap();
        between.push(state(&index));
        all.push(between);
    }
    all
}

/// Runs all steps until one fails; says which.
fn run(path: &Path, faults: Arc<dyn Faults>) -> Option<usize> {
    let index = Index::open(path, faults).unwrap();
    STEPS.iter().position(|step| step(&index).is_err())
}

fn check_after(world: &World, stopped: usize, states: &[Vec<State>], what: &str) {
    let found = state(&world.index());
    assert!(states[stopped].contains(&found), "{what}: step {stopped} left {found:?}");
    // And it goes on from there as if nothing had been.
    for step in &STEPS[stopped..] {
        step(&world.index()).unwrap();
    }
    assert_eq!(&state(&world.index()), states.last().unwrap().last().unwrap(), "{what}");
    drop(world.writer());
    assert_eq!(world.versions().len(), 1, "{what}: nothing is left over");
}

/// Hits of a point that are struck one by one. Later ones repeat what earlier ones did.
const HITS: u64 = 3;

#[test]
fn an_error_at_each_point_leaves_the_old_or_the_new() {
    let recorder = Arc::new(Recorder::default());
    assert_eq!(run(&World::new().path, recorder.clone()), None);
    let counts = recorder.counts();
    let states = states();
    for point in FAILPOINTS.iter().filter(|point| !ELSEWHERE.contains(point)) {
        let hits = counts.get(point).copied().unwrap_or(0);
        assert!(hits > 0, "{point} is never reached");
        for nth in 1..=hits.min(HITS) {
            let world = World::new();
            let strike = Arc::new(StrikeAt::new(Some(point), nth, Blow::Error(ErrorKind::StorageFull)));
            let what = format!("hit {nth} of {point}");
            let stopped = run(&world.path, strike.clone());
            assert!(strike.struck(), "{what}");
            // Upkeep of a rebuild may fail without anybody being stopped.
            let Some(stopped) = stopped else {
                assert!(point.starts_with("index.maintain."), "{what}: nothing failed");
                assert_eq!(&state(&world.index()), states.last().unwrap().last().unwrap(), "{what}");
                continue;
            };
            check_after(&world, stopped, &states, &what);
        }
    }
    assert!(counts.keys().all(|point| FAILPOINTS.contains(point)), "{counts:?}");
}

#[test]
fn an_error_in_upkeep_of_many_rows_leaves_all_of_them() {
    for point in &ELSEWHERE[..3] {
        let world = World::new();
        let strike = Arc::new(StrikeAt::new(Some(point), 1, Blow::Error(ErrorKind::Other)));
        let index = world.failing(strike.clone());
        let mut writer = index.writer(&spec()).unwrap();
        writer.apply(many(5_000, 3), &[], Some(1)).unwrap();
        let done = writer.maintain().unwrap();
        assert!(strike.struck() && done.is_degraded(), "{done:?}");
        assert_eq!(done.lag, 5_000, "{done:?}");
        world.clean();
        let done = writer.maintain().unwrap();
        assert!(!done.is_degraded() && done.lag == 0, "{done:?}");
        world.clean();
    }
}

#[test]
fn a_writer_that_failed_refuses_to_go_on() {
    let world = World::new();
    let strike = Arc::new(StrikeAt::new(Some("index.rows.sync"), 1, Blow::Error(ErrorKind::Other)));
    let mut writer = world.failing(strike).writer(&spec()).unwrap();
    assert!(writer.apply(many(3, 1), &[], Some(1)).is_err());
    assert!(matches!(writer.apply(many(3, 1), &[], Some(1)), Err(IndexError::Poisoned)));
    assert!(matches!(writer.maintain(), Err(IndexError::Poisoned)));
    drop(writer);
    assert_eq!(world.writer().apply(many(3, 1), &[], Some(1)).unwrap().inserted, 3);
}

/// Where the child of the next test finds what it is to do: its working directory.
const PLAN: &str = "plan.txt";

/// Does nothing unless the next test runs it, in a process of its own.
#[test]
fn child() {
    let Ok(plan) = std::fs::read_to_string(PLAN) else { return };
    let nth: u64 = plan.trim().parse().unwrap();
    run(Path::new("index"), Arc::new(StrikeAt::new(None, nth, Blow::Kill)));
}

#[test]
fn a_kill_anywhere_leaves_the_old_or_the_new() {
    let recorder = Arc::new(Recorder::default());
    run(&World::new().path, recorder.clone());
    let hits = recorder.hits().len() as u64;
    let states = states();
    // A stride without a common factor with the length of a commit, so that all kinds of points come.
    for nth in (1..=hits).step_by(13) {
        let world = World::new();
        let dir = world.path.parent().unwrap();
        std::fs::write(dir.join(PLAN), nth.to_string()).unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .current_dir(dir)
            .output()
            .unwrap()
            .status;
        assert!(!status.success(), "hit {nth} of {hits} came and nothing was killed");
        let found = state(&world.index());
        let stopped = (0..STEPS.len())
            .find(|step| states[*step].contains(&found))
            .unwrap_or_else(|| panic!("hit {nth}: {found:?} is none of the states"));
        check_after(&world, stopped, &states, &format!("kill at hit {nth} of {hits}"));
    }
}

#[test]
fn what_a_crash_left_is_never_read() {
    let world = World::with(many(5, 1));
    // Rows that Lance has and no pointer names.
    let strike = Arc::new(StrikeAt::new(Some("index.rows.sync"), 1, Blow::Error(ErrorKind::Other)));
    let mut writer = world.failing(strike).writer(&spec()).unwrap();
    writer.apply(many(5, 2), &[], Some(2)).unwrap_err();
    drop(writer);
    assert_eq!(all_ids(&world.reader()), ids_of(&many(5, 1)));
    let mut writer = Index::open(&world.path, Arc::new(NoFaults)).unwrap().writer(&spec()).unwrap();
    writer.apply(many(5, 3), &[], Some(3)).unwrap();
    let mut expect = many(5, 1);
    expect.extend(many(5, 3));
    assert_eq!(all_ids(&world.reader()), ids_of(&expect));
    world.clean();
}
