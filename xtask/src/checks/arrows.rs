//! Which crate may know which.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::metadata;

/// Every crate and the crates of this workspace that it may depend on. A crate that is not listed
/// is a finding: it comes with a line here and in `ARCHITECTURE.md`.
const ALLOWED: [(&str, &[&str]); 27] = [
    ("stele-model", &[]),
    ("stele-discover", &["stele-model"]),
    ("stele-sources", &["stele-model"]),
    ("stele-isolate", &["stele-model"]),
    ("stele-documents", &["stele-model", "stele-isolate"]),
    ("stele-lake", &["stele-model"]),
    ("stele-http", &["stele-model"]),
    ("stele-embed", &["stele-model", "stele-http"]),
    ("stele-annotate", &["stele-model", "stele-http"]),
    ("stele-graph", &["stele-model"]),
    ("stele-index", &["stele-model"]),
    ("stele-search", &["stele-model", "stele-embed", "stele-index"]),
    ("stele-sinks", &["stele-model", "stele-http"]),
    ("stele-jobs", &["stele-model"]),
    ("stele-watch", &["stele-model", "stele-http"]),
    ("stele-collect", &["stele-model", "stele-http"]),
    ("stele-telemetry", &["stele-model", "stele-http"]),
    ("stele-capture", &["stele-model", "stele-http"]),
    ("stele-tables", &["stele-model", "stele-http", "stele-collect"]),
    ("stele-files", &["stele-model", "stele-http", "stele-sources", "stele-collect"]),
    ("stele-helpdesk", &["stele-model", "stele-http", "stele-collect"]),
    ("stele-rest", &["stele-model", "stele-http", "stele-collect"]),
    (
        "stele-engine",
        &[
            "stele-model",
            "stele-discover",
            "stele-sources",
            "stele-documents",
            "stele-lake",
            "stele-http",
            "stele-embed",
            "stele-annotate",
            "stele-graph",
            "stele-index",
            "stele-search",
            "stele-sinks",
            "stele-jobs",
            "stele-watch",
            "stele-collect",
            "stele-telemetry",
            "stele-capture",
            "stele-tables",
            "stele-helpdesk",
            "stele-rest",
            "stele-files",
        ],
    ),
    ("stele-server", &["stele-model", "stele-engine", "stele-isolate"]),
    ("stele-cli", &["stele-model", "stele-engine", "stele-server"]),
    ("stele-testkit", &["stele-model", "stele-http"]),
    ("xtask", &["stele-model", "stele-testkit"]),
];

/// What tests and examples may use beside that.
const ALLOWED_IN_TESTS: [&str; 1] = ["stele-testkit"];

/// Outside crates that only some of ours may use: what makes a crate heavy stays in one place.
const KEPT_IN: [(&str, &[&str]); 24] = [
    ("deltalake", &["stele-lake"]),
    ("duckdb", &["stele-lake"]),
    ("object_store", &["stele-lake", "stele-watch"]),
    ("parquet", &["stele-lake", "stele-graph", "stele-files"]),
    (
        "tokio",
        &[
            "stele-lake",
            "stele-index",
            "stele-jobs",
            "stele-watch",
            "stele-tables",
            "stele-engine",
            "stele-server",
        ],
    ),
    ("sqlx", &["stele-jobs", "stele-tables"]),
    ("redis", &["stele-jobs"]),
    ("aws-lc-rs", &["stele-tables"]),
    ("lancedb", &["stele-index"]),
    ("ort", &["stele-embed"]),
    ("tokenizers", &["stele-embed"]),
    ("reqwest", &["stele-http"]),
    ("rustls", &["stele-capture", "stele-tables"]),
    ("tungstenite", &["stele-capture"]),
    ("serde_json_path", &["stele-rest"]),
    ("calamine", &["stele-documents"]),
    ("comrak", &["stele-documents"]),
    ("html5ever", &["stele-documents"]),
    ("mail-parser", &["stele-documents"]),
    ("rmcp", &["stele-server"]),
    ("axum", &["stele-server"]),
    ("clap", &["stele-cli", "xtask"]),
    ("indicatif", &["stele-cli"]),
    ("anyhow", &["stele-cli", "xtask"]),
];

/// Arrows between the crates of the workspace at `root` that nobody allowed.
///
/// # Errors
///
/// Cargo cannot be asked.
pub fn arrows(root: &Path) -> Result<Vec<String>> {
    Ok(arrows_of(&metadata(root)?))
}

/// The same for the output of `cargo metadata`.
pub fn arrows_of(metadata: &Value) -> Vec<String> {
    let mut findings = Vec::new();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            findings.push(format!("{name}: this crate is not on the list of allowed arrows"));
            continue;
        };
        for dependency in package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let target = dependency["name"].as_str().unwrap_or_default();
            let in_tests = dependency["kind"] == "dev";
            let ours = dependency["path"].is_string();
            if ours && !allowed.contains(&target) && !(in_tests && ALLOWED_IN_TESTS.contains(&target)) {
                findings.push(format!("{name}: must not depend on {target}"));
            }
            let kept = KEPT_IN.iter().find(|(kept, _)| *kept == target);
            if let Some((_, homes)) = kept
                && !in_tests
                && !homes.contains(&name)
            {
                findings.push(format!("{name}: {target} belongs to {}", homes.join(" and ")));
            }
        }
    }
    findings
}
