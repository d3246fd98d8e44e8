//! Profiles of users, and the page that teaches how to write one.

use std::io::Cursor;

use stele_model::json::Tape;
use stele_sources::{Block, FrameScratch, OpenOptions, Profiles, open_reader};

use crate::show;

const GUIDE: &str = include_str!("../../../../docs/guide/add-a-format.md");

/// The first block of the guide in `language`.
fn fenced(language: &str) -> &'static str {
    let (_, rest) = GUIDE.split_once(&format!("```{language}\n")).expect("a block");
    rest.split_once("```").expect("an end").0
}

/// Format and envelopes of `content`, read with a profile of the user.
fn read(profile: &str, content: &str) -> Result<String, String> {
    let profiles = Profiles::builtin().with_text("mine.toml", profile).map_err(|error| error.to_string())?;
    let reader = Box::new(Cursor::new(content.as_bytes().to_vec()));
    let mut source =
        open_reader("x", reader, &profiles, &OpenOptions::default()).map_err(|error| error.to_string())?;
    let format = source.format().clone();
    let (mut tape, mut frames) = (Tape::default(), FrameScratch::default());
    let mut out = format!("{}\n", format.name());
    let (blocks, _) = crate::drain(&mut source);
    for piece in blocks.iter().flat_map(Block::pieces) {
        let text = std::str::from_utf8(piece.bytes).expect("text");
        if tape.parse(text).is_ok() {
            out.push_str(&show(&format.read(text, &tape, &mut frames)));
            out.push('\n');
        }
    }
    Ok(out)
}

#[track_caller]
fn check(profile: &str, content: &str, expect: &str) {
    let got = read(profile, content).unwrap_or_else(|error| error);
    let lines: Vec<&str> = expect.trim().lines().map(str::trim).collect();
    assert_eq!(got.trim().lines().map(str::trim).collect::<Vec<_>>(), lines);
}

#[test]
fn the_guide_works() {
    check(fenced("toml"), fenced("json"), &format!("chess\n{}", fenced("text")));
}

#[test]
fn mistakes_are_named() {
    let fails = |profile: &str, part: &str| {
        let error = read(profile, "{}\n").expect_err("malformed");
        assert!(error.starts_with("the profile mine.toml cannot be used: "), "{error}");
        assert!(error.contains(part), "{error}");
    };
    fails("name = \"x\"\ncolour = 1", "unknown field `colour`");
    fails("name = \"x\"\n[members]\nprize = [\"a\"]", "unknown field `prize`");
    fails("name = \"x\"\ndetect = [{ require = [\"a\"] }]", "unknown field `require`");
    fails("name = \"x\"\n[doc_type]\ndefault = \"rows\"", "unknown variant `rows`");
    fails("name = \"x\"\ntimezone = \"Mars/Olympus\"", "no zone is named Mars/Olympus");
    fails("name = \"x\"\nrecords = \"a[0].b\"", "records: the path a[0].b is malformed");
    fails("about = \"x\"", "it has no name");
    fails("name = ", "TOML parse error");
}

#[test]
fn a_profile_may_look_anywhere() {
    check(
        r#"name = "deep"
        detect = [{ required = ["m"] }]
        timezone = "Europe/Berlin"
        time = [{ member = "m.t.at", form = "iso" }]
        [members]
        game_id = ["m.g", "payload.x.g"]
        price = ["payload.x.p"]
        "#,
        r#"{"event":"a","m":{"t":{"at":"2025-07-01T12:00:00"}},"data":{"x":{"g":5,"p":"0.25"}}}
        {"event":"b","m":{"g":{},"t":[]},"data":[{"x":{"g":"no"}}]}"#,
        "deep
        row a time=1751364000000000/zone_applied game=5 price=0.25
        row b",
    );
}

#[test]
fn records_may_be_wrapped() {
    check(
        "name = \"api\"\nrecords = \"data.items[]\"",
        r#"{"page":1,"data":{"total":2,"items":[{"event":"a"},{"event":"b"}]}}"#,
        "api\nrow a\nrow b",
    );
}

#[test]
fn an_embedded_frame_names_the_event() {
    check(
        "name = \"tap\"\nframe = \"raw\"\ndetect = [{ required = [\"raw\"] }]\n[doc_type]\ndefault = \"ws_event\"",
        r#"{"raw":"42[\"trade\",{\"traceparent\":\"0\"},{\"gameId\":\"g\",\"price\":1.5}]","data":null}
        {"raw":"3","data":null}
        {"raw":"not a frame","event":"own","data":{"gameId":"h"}}"#,
        "tap
        ws_event trade game=g price=1.5
        system_event pong
        ws_event own game=h",
    );
}

#[test]
fn a_profile_replaces_its_namesake() {
    let profiles = Profiles::builtin().with_text("x", "name = \"F1\"\nabout = \"mine\"").expect("loads");
    assert_eq!(profiles.names().len(), Profiles::builtin().names().len());
    assert_eq!(profiles.names()[0], "F1");
    let base = Profiles::builtin().with_text("x", "name = \"lines\"\nevent = [\"kind\"]").expect("loads");
    assert_eq!(base.names().last(), Some(&"lines"));
}

#[test]
fn built_in_profiles_share_the_event_rule() {
    let profiles = Profiles::builtin();
    let base = profiles.profiles().last().expect("one");
    // One that is never taken by what a record looks like cannot be taken by mistake.
    let recognised =
        profiles.profiles().filter(|profile| profile.records.is_none() && !profile.detect.is_empty());
    for profile in recognised {
        assert_eq!(profile.event, base.event, "{}", profile.name);
        assert_eq!(profile.event_sole, base.event_sole, "{}", profile.name);
        assert_eq!(profile.payload, base.payload, "{}", profile.name);
        assert!(!profile.about.is_empty());
    }
}
