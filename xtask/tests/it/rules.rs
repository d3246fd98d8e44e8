//! Each rule on this tree, and on small trees that break it.

use std::fs;
use std::path::Path;

use serde_json::json;
use xtask::checks::{self, ALL, arrows_of, dependencies_of};

#[test]
fn arrows_hold() {
    holds("check-arrows");
}

#[test]
fn map_holds() {
    holds("check-map");
}

#[test]
fn lake_writes_hold() {
    holds("check-lake-writes");
}

#[test]
fn text_holds() {
    holds("check-text");
}

#[test]
fn style_holds() {
    holds("check-style");
}

#[test]
fn dependencies_hold() {
    holds("check-dependencies");
}

#[track_caller]
fn holds(name: &str) {
    let check = ALL.iter().find(|check| check.name == name).expect("a check");
    let findings = (check.run)(&checks::root()).expect("the check runs");
    assert!(findings.is_empty(), "{}:\n{}", check.about, findings.join("\n"));
}

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("directory");
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().expect("parent")).expect("directory");
        fs::write(path, text).expect("file");
    }
    dir
}

#[track_caller]
fn finds(run: fn(&Path) -> anyhow::Result<Vec<String>>, files: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(run(tree(files).path()).expect("the check runs"), expect);
}

#[test]
fn a_wrong_arrow_is_found() {
    let dependency =
        |name: &str, kind: &str, path: Option<&str>| json!({"name": name, "kind": kind, "path": path});
    let metadata = json!({"packages": [
        {"name": "stele-model", "dependencies": [dependency("stele-lake", "", Some("x")), dependency("serde", "", None)]},
        {"name": "stele-lake", "dependencies": [
            dependency("stele-model", "", Some("x")),
            dependency("stele-testkit", "dev", Some("x")),
            dependency("deltalake", "", None),
        ]},
        {"name": "stele-engine", "dependencies": [dependency("stele-testkit", "", Some("x")), dependency("duckdb", "", None)]},
        {"name": "stele-new", "dependencies": []},
    ]});
    assert_eq!(
        arrows_of(&metadata),
        [
            "stele-model: must not depend on stele-lake",
            "stele-engine: must not depend on stele-testkit",
            "stele-engine: duckdb belongs to stele-lake",
            "stele-new: this crate is not on the list of allowed arrows",
        ]
    );
}

#[test]
fn a_wrong_map_is_found() {
    let map = "`crates/lake` and `crates/gone/src/lib.rs`, [page](docs/a.md)";
    finds(
        checks::map,
        &[
            ("ARCHITECTURE.md", map),
            ("crates/lake/src/lib.rs", ""),
            ("crates/new/Cargo.toml", ""),
            ("docs/a.md", "[x](b.md) [y](../ARCHITECTURE.md#top) [z](lost.md)"),
            ("docs/b.md", ""),
        ],
        &[
            "ARCHITECTURE.md: crates/gone/src/lib.rs does not exist",
            "ARCHITECTURE.md: does not name crates/new",
            "ARCHITECTURE.md: does not name docs/b.md",
            "docs/a.md:1: the link to lost.md leads nowhere",
        ],
    );
}

#[test]
fn a_stranger_in_the_lake_is_found() {
    let code = "//! x\nfn f(dir: &Path) { fs::write(dir.join(\"lake\"), \"\") }\n";
    let machine = ["see /ho", "me/somebody/x"].concat();
    let finding = ["README.md:1: must not hold /ho", "me/"].concat();
    finds(
        checks::lake_writes,
        &[("crates/engine/src/a.rs", code), ("crates/lake/src/a.rs", code), ("README.md", &machine)],
        &["crates/engine/src/a.rs:2: must not hold join(\"lake\")", &finding],
    );
}

#[test]
fn forbidden_text_is_found() {
    let line = ["// TO", "DO: later"].concat();
    let finding = ["a.rs:1: must not hold TO", "DO"].concat();
    finds(checks::text, &[("a.rs", &line), ("Cargo.lock", &line)], &[&finding]);
}

#[test]
fn long_and_nameless_files_are_found() {
    finds(
        checks::style,
        &[("a.rs", "fn f() {}\n"), ("b.rs", &"//! b\n".repeat(500)), ("c/tests.rs", "use x;\n")],
        &["a.rs: does not begin with //! and what it is", "b.rs: has 500 lines, which is 500 or more"],
    );
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let manifest = "[workspace.dependencies]\nstele-model = { path = \"x\" }\nserde = \"1\"\nzstd = \"1\"\n\n[x]\nurl = \"2\"\n";
    let page = "| crate | why |\n| `serde` | reads and writes |\n| `gone` | was good |\n| `zstd` | |\n";
    let metadata = json!({"packages": [{"dependencies": [{"name": "zstd"}]}]});
    assert_eq!(
        dependencies_of(manifest, page, &metadata),
        [
            "Cargo.toml: no crate uses serde",
            "docs/decisions/0002-dependencies.md: gives no reason for zstd",
            "docs/decisions/0002-dependencies.md: gone is no dependency",
        ]
    );
}
