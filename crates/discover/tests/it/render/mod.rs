//! The documents that discovery writes.

#![allow(clippy::unwrap_used)] // A test fails by panicking.

mod answers;
mod build;
mod diffs;
mod documents;
mod schemas;

use build::{file, view};
use stele_discover::view::CatalogueView;

/// A made-up lobby protocol with most of what bites.
pub fn lobby() -> CatalogueView {
    let mut view = view(&[
        r#"{"event":"tick","direction":"received","data":{"price":1.0,"phase":"OPEN","note":null,"tags":[]}}"#,
        r#"{"event":"tick","direction":"received","data":{"price":2,"phase":"OPEN","note":{"by":"ann"},"tags":[]}}"#,
        r#"{"event":"tick","direction":"received","data":{"phase":"DONE","note":null,"tags":[],"board":{"7":{"hp":1},"12":{"hp":2}}}}"#,
        r#"{"event":"say","direction":"sent","data":{"user.name":"bob|`x`","text":"a|b\nc <b>\\|</b> *x*"}}"#,
        r#"{"event":"bet","direction":"sent","data":{"bets":[{"type":"up","size":1},{"type":"down","size":1.5,"leg":3}]}}"#,
    ]);
    let mut input = file("lobby.jsonl", 5);
    input.bytes = 640;
    input.lines = 8;
    input.seq_range = Some((1, 9));
    input.holes = vec![(3, 2, 7)];
    input.hole_count = 1;
    input.steps_back = vec![4];
    input.step_back_count = 2;
    (input.times_repeated, input.times_repeated_count) = (vec![2], 3);
    (input.times_skipped, input.times_skipped_count) = (vec![5], 1);
    input.bytes_removed = 64;
    input.rejected =
        vec![(6, 512, "a value | was expected at byte 3".into()), (8, 630, "the text ends".into())];
    input.rejected_count = 2;
    input.growing = true;
    view.files = vec![input];
    view
}
