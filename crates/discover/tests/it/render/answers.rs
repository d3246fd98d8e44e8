//! The dictionary, and answers about one path.

use stele_discover::render::dictionary::{self, Notes};
use stele_discover::render::{explain, to_text};
use stele_discover::view::{CatalogueView, VariantView, VariantsView};

use super::documents::golden;

/// The lobby with variants of its bets and times on its records.
fn lobby() -> CatalogueView {
    let mut view = super::lobby();
    let variant = |value: &str, members: &[&str]| VariantView {
        value: value.into(),
        objects: 1,
        members: members.iter().map(|name| ((*name).to_owned(), 1)).collect(),
    };
    let bets = view.events[0].tree.iter_mut().find(|path| path.path == "data.bets[]").unwrap();
    bets.variants = Some(VariantsView {
        discriminator: "type".into(),
        variants: vec![variant("down", &["leg", "size", "type"]), variant("up", &["size", "type"])],
    });
    for path in view.events.iter_mut().flat_map(|event| &mut event.tree) {
        path.first_seen.time = Some(1_735_689_600_000_000);
        path.last_seen.time = Some(-1);
    }
    view
}

const NOTES: &str = r#"
[protocol]
title = "Lobby protocol"
purpose = "What players and the lobby tell each other."

[events.tick]
purpose = "The state of the game,\nfour times a second."
status = "canonical"
evidence = ["lobby.jsonl:1"]
note = "Ticks stop when the game ends."

[events.tick.paths."data.price"]
unit = "x"
note = "Starts at 1 | never below 0."
status = "verified"
evidence = ["lobby.jsonl:2"]

[events.tick.paths."data.gone"]
note = "Was there in spring."

[events.leave]
purpose = "A player goes."
"#;

#[test]
fn golden_answers() {
    let view = lobby();
    let notes = Notes::parse(NOTES).unwrap();
    let text = |query: &str| {
        to_text(|out| explain::write_text(out, &explain::find(&view, query), explain::Detail::Evidence))
    };
    golden(&[
        ("dictionary.md", to_text(|out| dictionary::write(out, &view, &notes))),
        ("explain_price.txt", text("data.price")),
        ("explain_bets.txt", text("what is bets?")),
        ("explain_event.txt", text("tick fields")),
        ("explain_typo.txt", text("data.prise")),
        ("explain_bets.json", to_text(|out| explain::write_json(out, &explain::find(&view, "data.bets[]")))),
    ]);
}

#[track_caller]
fn check(query: &str, expect: &[&str]) {
    let view = lobby();
    let answer = explain::find(&view, query);
    let mut got: Vec<String> = answer.events.iter().map(|event| event.name.clone()).collect();
    got.extend(answer.matches.iter().map(|found| format!("{} {}", found.event.name, found.path.path)));
    got.extend(answer.suggestions.iter().map(|name| format!("? {name}")));
    assert_eq!(got, expect, "{query}");
}

#[test]
fn questions() {
    check("data.price", &["tick data.price"]);
    check("price", &["tick data.price"]);
    check("tick price", &["tick data.price"]);
    check("  What is data.price ?", &["tick data.price"]);
    check("PRICE", &["tick data.price"]);
    check("say data", &["say data"]);
    check("data", &["bet data", "say data", "tick data"]);
    check("bets", &["bet data.bets"]);
    check("bets.type", &["bet data.bets[].type"]);
    check("type", &["bet data.bets[].type"]);
    check("user.name", &["say data[\"user.name\"]"]);
    check("board.hp", &["tick data.board.{}.hp"]);
    check("event", &["bet event", "say event", "tick event"]);
    check("tick", &["tick"]);
    check("tick fields", &["tick"]);
    check("rice", &["? data.price"]);
    check("tock", &["? tick"]);
    check("", &[]);
    check("?", &[]);
    check("zzzzzzzzzz", &[]);
}

#[test]
fn the_nearest_to_the_root_comes_first() {
    let view = super::build::view(&[r#"{"a":{"b":[{"price":1}]},"b":{"price":2}}"#]);
    let answer = explain::find(&view, "price");
    let paths: Vec<&str> = answer.matches.iter().map(|found| found.path.path.as_str()).collect();
    assert_eq!(paths, ["b.price", "a.b[].price"]);
}

#[track_caller]
fn check_error(notes: &str, expect: &str) {
    let error = Notes::parse(notes).unwrap_err().to_string();
    assert!(error.contains(expect), "{error}");
}

#[test]
fn notes_are_checked() {
    check_error("[events.tick]\npurpos = \"x\"", "unknown field `purpos`");
    check_error("[event.tick]", "unknown field `event`");
    check_error("[events.tick.paths.\"data.price\"]\nunits = \"x\"", "unknown field `units`");
    check_error("[events.tick]\nstatus = \"certain\"", "unknown variant `certain`");
    check_error(
        "[events.tick.paths.price]\nstatus = \"verified\"",
        "the note on `price` of `tick` is marked verified without evidence",
    );
    check_error("[events.tick]\nstatus = \"canonical\"\nevidence = [\" \"]", "without evidence");
    assert_eq!(Notes::parse("").unwrap(), Notes::default());
}
