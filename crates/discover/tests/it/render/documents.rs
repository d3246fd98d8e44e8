//! Golden documents, and text that tries to break out of them.

use std::path::Path;

use stele_discover::render::asyncapi::{self, AsyncApiOptions};
use stele_discover::render::coverage::{self, Coverage, LedgerCheck};
use stele_discover::render::schema::{self, SchemaOptions};
use stele_discover::render::{field_index, json, md, redact, to_text, tsv};
use stele_discover::view::CatalogueView;
use stele_model::Ledger;

use super::build::view;
use super::lobby;

/// Compares documents with the files beside this test. Where one differs the new text is kept
/// beside the old one, so that a wanted change is one `mv` away.
#[track_caller]
pub fn golden(documents: &[(&str, String)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/render/golden");
    let mut changed = Vec::new();
    for (name, got) in documents {
        if std::fs::read_to_string(folder.join(name)).ok().as_ref() != Some(got) {
            let new = folder.join(format!("{name}.new"));
            std::fs::write(&new, got).unwrap();
            changed.push(new);
        }
    }
    assert!(changed.is_empty(), "not as before: {changed:?}");
}

pub fn ledger() -> Ledger {
    Ledger {
        bytes_in: 640,
        bytes_lake: 512,
        bytes_quarantine: 128,
        lines: 8,
        records: 5,
        quarantined: 2,
        control: 1,
        blank: 0,
        nodes: 42,
    }
}

pub fn checks() -> Vec<LedgerCheck> {
    vec![
        LedgerCheck { name: "bytes".into(), counted: 640, recounted: Some(640), source: Some(640) },
        LedgerCheck { name: "records".into(), counted: 5, recounted: Some(5), source: None },
    ]
}

fn reports(view: &CatalogueView) -> (String, String) {
    let (ledger, checks) = (ledger(), checks());
    let coverage = Coverage { view, ledger: &ledger, checks: &checks };
    (to_text(|out| coverage::write_md(out, &coverage)), to_text(|out| coverage::write_json(out, &coverage)))
}

#[test]
fn golden_documents() {
    let view = lobby();
    let (markdown, json) = reports(&view);
    let documents = [
        ("lobby.tsv", to_text(|out| tsv::write(out, &view))),
        ("lobby.md", to_text(|out| md::write(out, &view))),
        ("lobby.json", to_text(|out| json::write(out, &view))),
        ("event_schemas.json", to_text(|out| schema::write(out, &view, &SchemaOptions::default()))),
        ("field_index.json", to_text(|out| field_index::write(out, &view))),
        ("asyncapi.yaml", to_text(|out| asyncapi::write(out, &view, &AsyncApiOptions::default()))),
        ("coverage_report.md", markdown),
        ("coverage_report.json", json),
    ];
    for (name, text) in documents.iter().filter(|(name, _)| name.ends_with(".json")) {
        serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    golden(&documents);
}

#[test]
fn json_comes_back_as_it_was() {
    let view = lobby();
    let text = to_text(|out| json::write(out, &view));
    assert_eq!(json::read(&text).unwrap(), view);
    let newer = text.replacen("\"version\":1", "\"version\":2", 1);
    assert_eq!(
        json::read(&newer).unwrap_err().to_string(),
        "the catalogue has version 2, this program reads up to 1; use a newer stele"
    );
    assert!(json::read("{}").unwrap_err().to_string().starts_with("not a catalogue: "));
}

#[test]
fn a_tsv_line_stays_a_line() {
    let view = view(&[r#"{"event":"a\tb\nc\\d\"e\u0001","x\ty":1}"#]);
    assert_eq!(
        to_text(|out| tsv::write(out, &view)),
        "a\\tb\\nc\\\\d\"e\\u0001\t[\"x\\ty\"]\tinteger\t1\t1\na\\tb\\nc\\\\d\"e\\u0001\tevent\tstring\t1\t1\n"
    );
}

/// Splits a table row the way GitHub's reader does: at every `|` without a backslash before it.
fn cells(row: &str) -> usize {
    let bytes = row.as_bytes();
    (1..bytes.len()).filter(|at| bytes[*at] == b'|' && bytes[at - 1] != b'\\').count()
}

#[test]
fn tables_hold_whatever_the_data_holds() {
    let nasty = r#"{"event":"<img src=x>|`a``b`\\","k|ey`":"| a | b |\n---|---","`":"\u202edesrever\u2028","a":"``` ` \\|"}"#;
    let (markdown, _) = reports(&view(&[nasty, nasty]));
    assert!(!markdown.contains(['\u{202e}', '\u{2028}']));
    let mut columns = None;
    for line in markdown.lines() {
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        assert_eq!(cells(line), *columns.get_or_insert(cells(line)), "{line}");
    }
    assert!(markdown.contains("| ```<img src=x>\\|`a``b`\\``` |"), "{markdown}");
}

#[test]
fn yaml_is_read_back_by_its_own_rules() {
    let long = "k".repeat(3000);
    let record = format!(
        r#"{{"event":"no","direction":"sent","{long}":1,"y":[{{"a":[[]]}}],"":{{}},"\u0085\u2028":"\ud83d\ude00\u007f","- x: #":"yes"}}"#
    );
    let text = to_text(|out| asyncapi::write(out, &view(&[&record]), &AsyncApiOptions::default()));
    assert!(text.contains("  \"no\":\n    address: \"no\"\n"), "{text}");
    assert!(text.contains(&format!("? \"{long}\"")) || text.contains(&format!("? {long}\n")), "{text}");
    assert!(text.contains("\"\\u0085\\u2028\":"), "{text}");
    assert!(text.contains("\"😀\\u007f\""), "{text}");
    assert!(text.contains("  send_no:\n    action: \"send\"\n"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
}

#[test]
fn channels_have_keys_of_their_own() {
    let names = ["a b", "a_b", "a.b", "", "_"];
    let records: Vec<String> = names.iter().map(|name| format!(r#"{{"event":"{name}"}}"#)).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let text = to_text(|out| asyncapi::write(out, &view(&records), &AsyncApiOptions::default()));
    for (key, address) in [("__2", ""), ("_", "_"), ("a_b", "a_b"), ("a_b_2", "a b"), ("a_b_3", "a.b")] {
        assert!(text.contains(&format!("\n  {key}:\n    address: \"{address}\"\n")), "{key} in {text}");
    }
}

#[test]
fn redaction_hides_values_and_keeps_counts() {
    let mut view = view(&[
        r#"{"event":"join","playerId":"p-1","profile":{"e_mail":"x","firstName":"Ann","address":{"city":"Rome","no":[12]}},"say":"write to ann@example.org","from":"10.1.2.3:80","price":1.25,"seen":{"77":1}}"#,
    ]);
    let before = to_text(|out| tsv::write(out, &view));
    redact::apply(&mut view);
    assert_eq!(to_text(|out| tsv::write(out, &view)), before);
    let (markdown, json) = reports(&view);
    let schemas = to_text(|out| schema::write(out, &view, &SchemaOptions::default()));
    let index = to_text(|out| field_index::write(out, &view));
    for text in [&markdown, &json, &schemas, &index] {
        for secret in ["p-1", "Ann", "Rome", "12", "ann@example.org", "10.1.2.3", "77"] {
            assert!(!text.contains(&format!("\"{secret}")), "{secret} in {text}");
        }
    }
    assert!(markdown.contains("`[redacted]`"));
    assert!(index.contains("1.25"));
}

#[test]
fn identity_is_told_by_name() {
    for name in
        ["id", "playerId", "player_id", "USER_NAME", "userName", "eMailAddress", "ip", "clientIP", "tokens"]
    {
        assert!(redact::is_identity(name), "{name}");
    }
    for name in
        ["gameId", "price", "eventName", "type", "skip", "tip", "tokenize", "description", "playerCount"]
    {
        assert!(!redact::is_identity(name), "{name}");
    }
}

#[test]
fn a_report_that_does_not_add_up_says_so() {
    let view = lobby();
    let mut ledger = ledger();
    ledger.bytes_lake -= 1;
    let checks = [LedgerCheck { name: "records".into(), counted: 5, recounted: Some(4), source: None }];
    let coverage = Coverage { view: &view, ledger: &ledger, checks: &checks };
    assert!(!coverage.is_complete());
    let text = to_text(|out| coverage::write_md(out, &coverage));
    assert!(text.contains("**It does not add up.**") && text.contains("**does not hold**"), "{text}");
    assert!(text.contains("| records | 5 | 4 | – | **NO** |"), "{text}");
}
