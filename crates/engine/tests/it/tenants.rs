//! What one tenant has is nothing to another, although it lies in the same lake.

use stele_engine::lake::maintain::Selection;
use stele_engine::{Cancel, NoProgress};

use crate::place::{Place, lines};

#[test]
fn equal_bytes_of_two_tenants_are_two_inputs() {
    let place = Place::new();
    let (one, two) = (place.engine_of("one"), place.engine_of("two"));
    let ingest = |engine| place.ingest_with(engine, "live", &NoProgress, &Cancel::default());
    let content = lines("a", 5);
    place.write("live", &content);
    for engine in [&one, &two] {
        let summary = ingest(engine);
        assert_eq!((summary.records, summary.duplicates), (5, 0));
        assert_eq!(ingest(engine).duplicates, 1);
    }
    place.covered();

    // It grows for both; only one of them reads on.
    place.write("live", lines("a", 8));
    assert_eq!((ingest(&two).records, ingest(&two).duplicates), (3, 1));
    assert_eq!(place.replayed(&one, "live"), content.as_bytes());
    assert_eq!(place.replayed(&two, "live"), lines("a", 8).as_bytes());
    place.covered();

    let ids = |engine: &stele_engine::Engine| {
        let files = engine.own(engine.snapshot().unwrap().files().unwrap());
        files.iter().map(|entry| entry.file_id).collect::<Vec<_>>()
    };
    assert_eq!((ids(&one).len(), ids(&two).len()), (1, 1));
    assert_ne!(ids(&one), ids(&two));
    let foreign = ids(&two)[0].to_string();
    assert!(one.replay(&foreign, &mut Vec::new()).is_err(), "an id of another tenant is unknown");

    let selection = Selection { sources: vec![place.uri("live")], ..Selection::default() };
    let plan = one.plan_prune(&selection).unwrap();
    assert_eq!(plan.records, 5);
    one.prune(&plan).unwrap();
    assert_eq!(place.replayed(&two, "live"), lines("a", 8).as_bytes());
    let everything = Selection { doc_type: Some(stele_model::DocType::Row), ..Selection::default() };
    for doc_type in stele_model::DocType::ALL {
        let selection = Selection { doc_type: Some(doc_type), ..everything.clone() };
        assert_eq!(one.plan_prune(&selection).unwrap().records, 0);
    }
    place.covered();
}
