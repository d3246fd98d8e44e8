//! A stop that somebody asked for is no failure, and what was done by then is sound.

use stele_engine::{Cancel, EngineError};
use stele_model::ErrorKind;

use crate::place::{Place, StopAt, lines};

#[track_caller]
fn check_stopped<T>(result: Result<T, EngineError>) {
    let Err(error) = result else { panic!("it went on to its end") };
    assert!(matches!(error, EngineError::Cancelled(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().starts_with("stopped on request before"), "{error}");
}

#[test]
fn a_stop_is_an_error_of_its_own() {
    let place = Place::new();
    place.write("a", lines("a", 10));
    place.ingest("a");
    let cancel = Cancel::default();
    cancel.cancel();
    let progress = stele_engine::NoProgress;
    check_stopped(place.engine().coverage(&progress, &cancel));
    check_stopped(place.engine().validate_records(&progress, &cancel));
}

#[test]
fn an_ingest_goes_on_where_it_was_stopped() {
    let place = Place::new();
    let content = lines("a", 500_000);
    place.write("a", &content);
    let mut runs = 0;
    loop {
        let cancel = Cancel::default();
        let summary = place.ingest_with(&place.engine(), "a", &StopAt::update(1, &cancel), &cancel);
        place.covered();
        runs += 1;
        if summary.duplicates == 1 {
            break;
        }
        assert!(runs < 20);
    }
    assert!(runs > 2);
    assert_eq!(place.replayed(&place.engine(), "a"), content.as_bytes());
}
