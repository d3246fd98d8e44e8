//! One suite for every store: in memory, a real Chroma and a real Qdrant.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stele_http::{Pace, Still};
use stele_model::{ChunkId, ErrorKind};
use stele_sinks::{
    BATCH_POINTS_MAX, NAMED_IDS_MAX, Opening, PAGE_IDS_MAX, Parity, Sink, SinkError, SinkKind, Stamp, Step,
    Synced, Wanted, WantedPoints, never, sync, verify,
};

use crate::rig::{self, DIMENSION, Rig, point, wanted, wanted_by};

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        suite! { memory Memory: $($name),* }
        suite! { chroma Chroma: $($name),* }
        suite! { qdrant Qdrant: $($name),* }
    };
    ($store:ident $rig:ident: $($name:ident),*) => {
        mod $store {
            $(
                #[test]
                fn $name() {
                    if let Some(rig) = crate::rig::$rig::start() {
                        super::$name(&rig);
                    }
                }
            )*
        }
    };
}

suite! {
    a_copy_is_made_kept_and_left_alone,
    what_is_drifting_is_seen_and_mended,
    more_than_a_page,
    texts_of_every_kind,
    a_collection_of_others_is_left_alone,
    advice_leads_out,
    an_empty_collection_is_taken,
    the_copy_of_another_lake_is_left_alone,
    another_model_needs_another_collection,
    a_killed_store_is_healed_by_the_next_run,
    a_stop_says_how_far_it_came,
    what_cannot_be_copied_is_named,
}

const ADOPT: Opening = Opening { adopt: true, recreate: false };
const RECREATE: Opening = Opening { adopt: false, recreate: true };

fn run(sink: &dyn Sink, wanted: &dyn Wanted, opening: Opening) -> Result<Synced, SinkError> {
    sync(sink, wanted, opening, &mut |_| {}, &never)
}

/// Syncs, and says how many were written and removed; afterwards everything is there.
#[track_caller]
fn copy(rig: &dyn Rig, wanted: &WantedPoints) -> (u64, u64) {
    copy_with(rig, wanted, Opening::default())
}

#[track_caller]
fn copy_with(rig: &dyn Rig, wanted: &WantedPoints, opening: Opening) -> (u64, u64) {
    let synced = run(&*rig.sink(), wanted, opening).unwrap();
    assert!(synced.parity.holds(), "{synced:?}");
    assert_eq!(verify(&*rig.sink(), wanted, &never).unwrap(), synced.parity);
    assert_eq!(synced.parity.counted, wanted.ids().unwrap().len() as u64);
    (synced.written, synced.removed)
}

/// The store shows what the text's point says: all of it, and nothing beside it.
#[track_caller]
fn shows(rig: &dyn Rig, text: &str) {
    let point = point(text);
    let (shown, vector) = rig.point(point.chunk.id).expect("the point is there");
    assert_eq!(shown, serde_json::to_value(&point.chunk).unwrap());
    let near = vector.iter().zip(&point.vector).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(near && vector.len() == DIMENSION, "{vector:?} for {:?}", point.vector);
}

fn a_copy_is_made_kept_and_left_alone(rig: &dyn Rig) {
    let error = verify(&*rig.sink(), &wanted([]), &never).unwrap_err();
    assert!(matches!(error, SinkError::Missing { .. }), "{error}");

    assert_eq!(copy(rig, &wanted(["a", "b", "c"])), (3, 0));
    ["a", "b", "c"].into_iter().for_each(|text| shows(rig, text));
    assert_eq!(copy(rig, &wanted(["a", "b", "c"])), (0, 0), "a second run has nothing to do");

    // An edited text is another text: the new one comes, the old one goes.
    assert_eq!(copy(rig, &wanted(["a", "b, edited", "c"])), (1, 1));
    shows(rig, "b, edited");
    assert_eq!(rig.point(point("b").chunk.id), None);

    assert_eq!(copy(rig, &wanted(["c"])), (0, 2));
    assert_eq!(copy(rig, &wanted([])), (0, 1));
    assert_eq!(copy(rig, &wanted(["a"])), (1, 0));
}

fn what_is_drifting_is_seen_and_mended(rig: &dyn Rig) {
    let texts: Vec<String> = (0..30).map(|number| format!("text {number}")).collect();
    let all = wanted(texts.iter().map(String::as_str));
    copy(rig, &all);
    let drift = |expect: fn(&Parity), wanted: &WantedPoints| {
        let parity = verify(&*rig.sink(), wanted, &never).unwrap();
        assert!(!parity.holds());
        expect(&parity);
    };
    // As many points as there should be, and yet others.
    let mut lacking = all.clone();
    let gone = lacking.take(point("text 7").chunk.id).unwrap();
    copy(rig, &lacking);
    rig.put_foreign(1_234_567, DIMENSION);
    let parity = verify(&*rig.sink(), &all, &never).unwrap();
    assert_eq!((parity.wanted, parity.listed, parity.counted), (30, 30, 30));
    assert!(!parity.holds());
    assert_eq!((parity.missing.count, parity.missing.ids), (1, vec![gone.chunk.id.to_string()]));
    assert_eq!((parity.extra.count, parity.extra.ids), (1, vec!["1234567".to_owned()]));
    assert_eq!(copy(rig, &all), (1, 1));

    // Many differences are counted, and some of them named.
    drift(
        |parity| {
            assert_eq!((parity.extra.count, parity.extra.ids.len()), (30, NAMED_IDS_MAX));
            assert_eq!(parity.missing.count, 0);
        },
        &wanted([]),
    );
}

fn more_than_a_page(rig: &dyn Rig) {
    let texts: Vec<String> = (0..PAGE_IDS_MAX + 3).map(|number| format!("text {number}")).collect();
    let all = wanted(texts.iter().map(String::as_str));
    let mut steps = Vec::new();
    let synced =
        sync(&*rig.sink(), &all, Opening::default(), &mut |progress| steps.push(progress), &never).unwrap();
    assert_eq!((synced.written, synced.removed), (all.ids().unwrap().len() as u64, 0));
    assert!(synced.parity.holds(), "{synced:?}");
    let of = |step| steps.iter().filter(move |progress| progress.step == step);
    assert_eq!(of(Step::Writing).count(), texts.len().div_ceil(BATCH_POINTS_MAX));
    assert_eq!(of(Step::Comparing).count(), 2);
    for step in [Step::Writing, Step::Comparing] {
        let last = of(step).next_back().unwrap();
        assert_eq!((last.done, last.total), (texts.len() as u64, texts.len() as u64));
    }
    assert_eq!(copy(rig, &all), (0, 0));
    // The last id is on the second page.
    let last = *all.ids().unwrap().iter().max().unwrap();
    let mut one = WantedPoints::new(all.stamp());
    one.put(all.points(&[last]).unwrap().remove(0));
    assert_eq!(copy(rig, &one), (0, texts.len() as u64 - 1));
}

fn texts_of_every_kind(rig: &dyn Rig) {
    let long = "a line with \"quotes\" and a number 1234567\n".repeat(25_000);
    assert!(long.len() > 1_000_000);
    let texts = [
        "Preis: 7 €, 価格, سعر, 🦀, e\u{301}",
        "\\ \" \n \r \t \u{1} \u{7f} \u{2028} </script> {{x}} ' OR 1=1 --",
        " leading and trailing ",
        "{\"a\": null, \"b\": [1, 2]}",
        &long,
    ];
    assert_eq!(copy(rig, &wanted(texts)), (5, 0));
    texts.into_iter().for_each(|text| shows(rig, text));
}

fn a_collection_of_others_is_left_alone(rig: &dyn Rig) {
    rig.make_foreign(DIMENSION);
    (1..=3).for_each(|number| rig.put_foreign(number, DIMENSION));
    for opening in [Opening::default(), RECREATE] {
        let error = run(&*rig.sink(), &wanted(["a"]), opening).unwrap_err();
        assert!(matches!(&error, SinkError::Foreign { points: 3, .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Fix);
        let said = error.to_string();
        assert!(
            said.contains("was not made by stele and holds 3 points") && said.contains("--adopt"),
            "{said}"
        );
    }
    assert!(verify(&*rig.sink(), &wanted(["a"]), &never).is_err());
    assert_eq!(rig.sink().count(&never).unwrap(), 3);
    // A mark comes only with the points gone, so nothing of theirs passes for ours.
    assert_eq!(copy_with(rig, &wanted(["a", "b"]), ADOPT), (2, 0));
    assert_eq!(copy(rig, &wanted(["a", "b"])), (0, 0));
}

fn advice_leads_out(rig: &dyn Rig) {
    rig.make_foreign(DIMENSION + 1);
    rig.put_foreign(1, DIMENSION + 1);
    // Whichever flag is tried first, what is said next is what helps.
    for opening in [Opening::default(), RECREATE, ADOPT] {
        let error = run(&*rig.sink(), &wanted(["a"]), opening).unwrap_err();
        assert!(error.to_string().contains("`--adopt --recreate`"), "{error}");
    }
    let both = Opening { adopt: true, recreate: true };
    assert_eq!(copy_with(rig, &wanted(["a"]), both), (1, 0));
}

fn an_empty_collection_is_taken(rig: &dyn Rig) {
    rig.make_foreign(DIMENSION);
    assert_eq!(copy(rig, &wanted(["a"])), (1, 0));
    assert_eq!(copy(rig, &wanted(["a"])), (0, 0));
}

fn the_copy_of_another_lake_is_left_alone(rig: &dyn Rig) {
    copy(rig, &wanted_by("lake 1", ["a", "b"]));
    let error = run(&*rig.sink(), &wanted_by("lake 2", ["a"]), Opening::default()).unwrap_err();
    assert!(error.to_string().contains("copy of another lake (lake 1)"), "{error}");
    assert_eq!(copy(rig, &wanted_by("lake 1", ["a", "b"])), (0, 0));
    // Equal texts have equal ids; whose vectors they have nobody knows, so they are written again.
    assert_eq!(copy_with(rig, &wanted_by("lake 2", ["a"]), ADOPT), (1, 0));
    assert!(run(&*rig.sink(), &wanted_by("lake 1", ["a", "b"]), Opening::default()).is_err());
    let both = Opening { adopt: true, recreate: true };
    assert_eq!(copy_with(rig, &wanted_by("lake 1", ["a", "b"]), both), (2, 0));
}

fn another_model_needs_another_collection(rig: &dyn Rig) {
    copy(rig, &wanted(["a", "b"]));
    let of = |model: &str, dimension: usize, schema: u64| {
        let mut wanted = WantedPoints::new(Stamp { schema, ..Stamp::new("lake 7", model, dimension) });
        let mut point = point("a");
        point.vector = vec![0.5; dimension];
        wanted.put(point);
        wanted
    };
    let check = |wanted: &WantedPoints, says: &str| {
        for error in [
            run(&*rig.sink(), wanted, Opening::default()).unwrap_err(),
            run(&*rig.sink(), wanted, ADOPT).unwrap_err(),
            verify(&*rig.sink(), wanted, &never).unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(said.contains(says) && said.contains("`--recreate`"), "{said}");
            assert_eq!(error.kind(), ErrorKind::Fix);
        }
        assert_eq!(rig.sink().count(&never).unwrap(), 2, "nothing was touched");
    };
    check(&of("local/large", DIMENSION, 1), "has the model local/small, and local/large is asked for");
    check(&of("local/small", 8, 1), "has the dimension 4, and 8 is asked for");
    check(&of("local/small", DIMENSION, 2), "has the version 1, and 2 is asked for");
    let wider = of("local/large", 8, 1);
    assert_eq!(copy_with(rig, &wider, RECREATE), (1, 0));
    assert_eq!(copy(rig, &wider), (0, 0));

    // A collection of others that is of another size is not taken over as it is.
    rig.sink().remove(&never).unwrap();
    rig.sink().remove(&never).unwrap();
    rig.make_foreign(3);
    rig.put_foreign(1, 3);
    let error = run(&*rig.sink(), &wanted(["a"]), ADOPT).unwrap_err();
    assert!(error.to_string().contains("has the dimension 3, and 4 is asked for"), "{error}");
    let both = Opening { adopt: true, recreate: true };
    assert_eq!(copy_with(rig, &wanted(["a"]), both), (1, 0));
}

fn many() -> Vec<String> {
    (0..3 * BATCH_POINTS_MAX).map(|number| format!("text {number}")).collect()
}

fn a_killed_store_is_healed_by_the_next_run(rig: &dyn Rig) {
    let texts = many();
    let all = wanted(texts.iter().map(String::as_str));
    copy(rig, &wanted(["old"]));
    let mut kill = |progress: stele_sinks::Progress| {
        if progress.step == Step::Writing && progress.done == BATCH_POINTS_MAX as u64 {
            rig.kill();
        }
    };
    let error = sync(&*rig.sink(), &all, Opening::default(), &mut kill, &never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry);
    let said = stele_model::error::in_full(&error);
    assert!(said.contains(&format!("{BATCH_POINTS_MAX} points were written and 0 removed")), "{said}");
    assert!(said.contains("the same command goes on") && said.contains("does not answer"), "{said}");
    rig.restart();
    let parity = verify(&*rig.sink(), &all, &never).unwrap();
    assert_eq!((parity.missing.count, parity.extra.count), (2 * BATCH_POINTS_MAX as u64, 1));
    assert_eq!(copy(rig, &all), (2 * BATCH_POINTS_MAX as u64, 1));
    shows(rig, "text 7");
}

fn a_stop_says_how_far_it_came(rig: &dyn Rig) {
    let texts = many();
    let all = wanted(texts.iter().map(String::as_str));
    let stop = Mutex::new(false);
    let mut once = |progress: stele_sinks::Progress| {
        *stop.lock().unwrap() = progress.step == Step::Writing;
    };
    let asked = || *stop.lock().unwrap();
    let error = sync(&*rig.sink(), &all, Opening::default(), &mut once, &asked).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(
        matches!(&error, SinkError::Stopped { written, removed: 0, .. } if *written == BATCH_POINTS_MAX as u64)
    );
    assert_eq!(copy(rig, &all), (2 * BATCH_POINTS_MAX as u64, 0));
}

/// Points of which one is not as it should be.
struct Odd(WantedPoints, fn(&mut Vec<f32>));

impl Wanted for Odd {
    fn stamp(&self) -> Stamp {
        self.0.stamp()
    }

    fn ids(&self) -> Result<Vec<ChunkId>, SinkError> {
        // Twice, and an id that has no point any more.
        Ok([self.0.ids()?, self.0.ids()?, vec![ChunkId([0xff; 16])]].concat())
    }

    fn points(&self, ids: &[ChunkId]) -> Result<Vec<stele_sinks::Point>, SinkError> {
        let mut points = self.0.points(ids)?;
        self.1(&mut points[0].vector);
        Ok(points)
    }
}

fn what_cannot_be_copied_is_named(rig: &dyn Rig) {
    let check = |change: fn(&mut Vec<f32>), says: &str| {
        let error = run(&*rig.sink(), &Odd(wanted(["a", "b"]), change), Opening::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Report);
        let said = stele_model::error::in_full(&error);
        assert!(said.contains(says) && said.contains("0 points were written"), "{said}");
    };
    check(|vector| vector.push(1.0), "its vector has 5 numbers instead of 4");
    check(|vector| vector[2] = f32::NAN, "number 2 of its vector is NaN");
    // What is gone between two questions is missing, and said to be.
    let synced = run(&*rig.sink(), &Odd(wanted(["a", "b"]), |_| {}), Opening::default()).unwrap();
    assert_eq!((synced.written, synced.parity.wanted, synced.parity.missing.count), (2, 3, 1));
    assert!(!synced.parity.holds());
}

/// Time in which something happens: what was killed is started again while the client waits.
struct Meanwhile<F: Fn() + Send + Sync>(Still, F);

impl<F: Fn() + Send + Sync> Pace for Meanwhile<F> {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wait(&self, time: Duration) {
        self.1();
        self.0.wait(time);
    }
}

/// A server that comes back soon enough is waited for.
fn waited_for(kind: SinkKind, server: stele_testkit::stores::Server) {
    let server = Arc::new(server);
    let texts = many();
    let all = wanted(texts.iter().map(String::as_str));
    let down = Arc::new(Mutex::new(false));
    let (again, is_down) = (Arc::clone(&server), Arc::clone(&down));
    let pace = Meanwhile(Still::default(), move || {
        if std::mem::take(&mut *is_down.lock().unwrap()) {
            again.restart();
        }
    });
    let sink = rig::sink_to(kind, &server.url, Arc::new(pace));
    let mut kill = |progress: stele_sinks::Progress| {
        if progress.step == Step::Writing {
            server.kill();
            *down.lock().unwrap() = true;
        }
    };
    let synced = sync(&*sink, &all, Opening::default(), &mut kill, &never).unwrap();
    assert_eq!(synced.written, texts.len() as u64);
    assert!(synced.parity.holds(), "{synced:?}");
}

#[test]
fn chroma_is_waited_for() {
    if let Some(rig) = rig::Chroma::start() {
        waited_for(SinkKind::Chroma, rig.0);
    }
}

#[test]
fn qdrant_is_waited_for() {
    if let Some(rig) = rig::Qdrant::start() {
        waited_for(SinkKind::Qdrant, rig.0);
    }
}

#[test]
fn marks_of_others_stay() {
    if let Some(rig) = rig::Qdrant::start() {
        rig.make_foreign(DIMENSION);
        copy(&rig, &wanted(["a"]));
        let found = rig.0.ask(stele_http::Method::Get, "/collections/texts", None);
        let metadata = &found["result"]["config"]["metadata"];
        assert_eq!((&metadata["made_by"], &metadata["stele_owner"]), (&"them".into(), &"lake 7".into()));
    }
    if let Some(rig) = rig::Chroma::start() {
        rig.make_foreign(DIMENSION);
        copy(&rig, &wanted(["a"]));
        let path = "/api/v2/tenants/default_tenant/databases/default_database/collections/texts";
        let metadata = &rig.0.ask(stele_http::Method::Get, path, None)["metadata"];
        assert_eq!((&metadata["made_by"], &metadata["stele_owner"]), (&"them".into(), &"lake 7".into()));
    }
}
