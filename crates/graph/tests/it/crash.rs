//! The world stops at every point between "not done" and "durable". Afterwards the graph is the old
//! one or the new one, and never neither.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use stele_graph::{FAILPOINTS, GraphError, Home, LogicalHash, Piece};
use stele_model::Faults;
use stele_testkit::faults::{Blow, Recorder, StrikeAt};

use crate::fixture::{World, fill, follows, id_of, piece, three};

/// What a graph holds and what it follows; nothing, if there is none.
type State = Option<(LogicalHash, u64)>;

/// Updates of one life of a graph. Each may be done again; in the last ones parts are merged.
const STEPS: u64 = 13;

fn step(home: &Home, step: u64) -> Result<(), GraphError> {
    let mut writer = home.writer()?;
    let pieces: Vec<Piece> = match step {
        1 => three(),
        2 => vec![piece("a.md", &["changed"], &["pull"], &["c.md"])],
        _ => vec![piece(&format!("{step}.md"), &["more"], &["push"], &["a.md"])],
    };
    let gone = if step == 3 { vec![id_of("b.md")] } else { Vec::new() };
    fill(&mut writer, &pieces, &gone)?;
    writer.commit(follows(step)).map(drop)
}

fn state(home: &Home) -> State {
    if !home.exists() {
        return None;
    }
    let reader = home.reader().unwrap();
    reader.verify().unwrap();
    Some((reader.logical_hash().unwrap(), reader.version().follows.lake_version))
}

/// The state before each step, and after the last.
fn states() -> Vec<State> {
    let world = World::new();
    let mut states = vec![None];
    for number in 1..=STEPS {
        step(&world.home(), number).unwrap();
        states.push(state(&world.home()));
    }
    states
}

/// Runs all steps until one fails; says which.
fn run(path: &Path, faults: Arc<dyn Faults>) -> Option<u64> {
    let home = Home::with_faults(path, faults).unwrap();
    (1..=STEPS).find(|number| step(&home, *number).is_err())
}

fn check_after(world: &World, states: &[State], stopped: Option<u64>, what: &str) {
    let found = state(&world.home());
    let at = states.iter().position(|state| *state == found).unwrap_or_else(|| panic!("{what}: {found:?}"));
    if let Some(stopped) = stopped {
        let stopped = usize::try_from(stopped).unwrap();
        assert!(at == stopped || at == stopped - 1, "{what}: step {stopped} left state {at}");
    }
    // And it goes on from there as if nothing had been.
    for number in at as u64 + 1..=STEPS {
        step(&world.home(), number).unwrap();
    }
    assert_eq!(&state(&world.home()), states.last().unwrap(), "{what}");
    let version = world.reader().version().clone();
    assert!(world.parts().len() <= 2 * (version.parts.len() + 1) + 8, "{what}: {:?}", world.parts());
}

#[test]
fn an_error_at_each_point_leaves_the_old_or_the_new() {
    let recorder = Arc::new(Recorder::default());
    assert_eq!(run(&World::new().path, recorder.clone()), None);
    let counts = recorder.counts();
    assert!(counts.keys().all(|point| FAILPOINTS.contains(point)), "{counts:?}");
    let states = states();
    for point in FAILPOINTS {
        let hits = counts.get(point).copied().unwrap_or(0);
        assert!(hits > 0, "{point} is never reached");
        for nth in [1, hits.div_ceil(2), hits] {
            let world = World::new();
            let strike = Arc::new(StrikeAt::new(Some(point), nth, Blow::Error(ErrorKind::StorageFull)));
            let stopped = run(&world.path, strike.clone());
            let what = format!("hit {nth} of {point}");
            assert!(strike.struck(), "{what}");
            // An old part that stays stops nobody.
            assert!(stopped.is_some() || point == "graph.part.remove", "{what}: nothing failed");
            check_after(&world, &states, stopped, &what);
        }
    }
}

/// Where the child of the next test finds what it is to do: its working directory.
const PLAN: &str = "plan.txt";

/// Does nothing unless the next test runs it, in a process of its own.
#[test]
fn child() {
    let Ok(plan) = std::fs::read_to_string(PLAN) else { return };
    let nth: u64 = plan.trim().parse().unwrap();
    run(Path::new("graph"), Arc::new(StrikeAt::new(None, nth, Blow::Kill)));
}

#[test]
fn a_kill_anywhere_leaves_the_old_or_the_new() {
    let recorder = Arc::new(Recorder::default());
    run(&World::new().path, recorder.clone());
    let hits = recorder.hits().len() as u64;
    let states = states();
    // A stride without a common factor with the length of an update, so that all kinds of points come.
    for nth in (1..=hits).step_by(37) {
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
        check_after(&world, &states, None, &format!("kill at hit {nth} of {hits}"));
    }
}

#[test]
fn a_writer_that_failed_refuses_to_go_on() {
    let world = World::with(&three());
    let strike = Arc::new(StrikeAt::new(Some("graph.part.sync"), 1, Blow::Error(ErrorKind::Other)));
    let mut writer = world.failing(strike).writer().unwrap();
    writer.put(&piece("d.md", &["d"], &[], &[])).unwrap();
    assert!(writer.staged().is_err());
    assert!(matches!(writer.put(&piece("e.md", &["e"], &[], &[])), Err(GraphError::Poisoned)));
    assert!(matches!(writer.commit(follows(2)), Err(GraphError::Poisoned)));
    assert_eq!(world.reader().version().documents(), 3);
}

#[test]
fn a_pointer_that_cannot_be_read_takes_nothing_along() {
    let world = World::with(&three());
    let pointer = world.path.join("CURRENT.json");
    let text = std::fs::read_to_string(&pointer).unwrap();
    for bad in ["{".to_owned(), text.replace("\"format\": 1", "\"format\": 99")] {
        std::fs::write(&pointer, &bad).unwrap();
        let mut writer = world.home().rebuild().unwrap();
        writer.put(&piece("d.md", &["d"], &[], &[])).unwrap();
        drop(writer);
        // Nothing was committed, so whoever can read it, or puts it right, has all of it.
        std::fs::write(&pointer, &text).unwrap();
        world.reader().verify().unwrap();
        assert_eq!(world.reader().version().documents(), 3, "{bad}");
    }
    std::fs::write(&pointer, "{").unwrap();
    let mut writer = world.home().rebuild().unwrap();
    fill(&mut writer, &[piece("d.md", &["d"], &[], &[])], &[]).unwrap();
    writer.commit(follows(2)).unwrap();
    let version = world.reader().version().clone();
    assert_eq!(
        (version.documents(), world.parts().len()),
        (1, version.parts.len()),
        "the rest is tidied away"
    );
}
