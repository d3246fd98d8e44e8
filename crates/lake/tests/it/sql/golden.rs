//! Questions and their answers, one file a subject.
//!
//! A case is `query`, the question, `----` and the answer as CSV; or `error`, the question, `----`
//! and what the message must hold. An empty line ends a case.

use std::fmt::Write;
use std::path::Path;

use stele_lake::Snapshot;

use super::harbour;

#[track_caller]
fn check(cases: &str) {
    check_in(harbour::ingest, cases);
}

#[track_caller]
fn check_in(ingest: fn(&Path) -> Snapshot, cases: &str) {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = ingest(dir.path());
    let sql = harbour::open(&snapshot, dir.path());
    let mut wrong = String::new();
    let mut count = 0;
    for case in cases.split("\n\n").map(str::trim).filter(|case| !case.is_empty()) {
        let body: Vec<&str> = case.lines().skip_while(|line| line.starts_with('#')).collect();
        let Some((kind, rest)) = body.split_first() else { continue };
        let rest = rest.join("\n");
        let (question, expect) = rest.split_once("\n----").unwrap_or((&rest, ""));
        let expect = expect.trim_start_matches('\n');
        let (answer, right) = match (*kind, harbour::csv(&sql, question)) {
            ("query", Ok(answer)) => (answer.trim_end().to_owned(), answer.trim_end() == expect),
            ("error", Err(error)) => {
                (error.to_string(), error.to_string().contains(expect) && !expect.is_empty())
            }
            (_, Ok(answer)) => (answer, false),
            (_, Err(error)) => (error.to_string(), false),
        };
        count += 1;
        if !right {
            writeln!(wrong, "{question}\n---- is\n{answer}\n---- should be\n{expect}\n").unwrap();
        }
    }
    assert!(count > 1, "the cases were not read");
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn views_of_the_lake() {
    check(include_str!("cases/views.slt"));
}

#[test]
fn json_macros() {
    check(include_str!("cases/json.slt"));
}

#[test]
fn games_and_ticks() {
    check(include_str!("cases/games.slt"));
}

#[test]
fn frames_and_acks() {
    check(include_str!("cases/acks.slt"));
}

#[test]
fn binary_messages() {
    check_in(harbour::ingest_with_relay, include_str!("cases/binary.slt"));
}

#[test]
fn things_of_help_desks() {
    check(include_str!("cases/objects.slt"));
}

#[test]
fn messages() {
    check(include_str!("cases/errors.slt"));
}
