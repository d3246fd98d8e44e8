//! What must not stand in any file, and how a source file is laid out.

use std::path::Path;

use anyhow::Result;

use super::files;

/// Longest source file. Beyond that a reader no longer holds it in the head.
const LINES_MAX: usize = 500;

/// Home directories and work directories of some machine. Written in two parts, so that this
/// file does not hold what it looks for.
const MACHINE_PATHS: [[&str; 2]; 4] = [["/ho", "me/"], ["/ro", "ot/"], ["/wo", "rk/"], ["/Us", "ers/"]];

/// Where the lake keeps things. Who cannot name a place cannot write there.
const LAKE_PLACES: [[&str; 2]; 5] =
    [["join(\"la", "ke\")"], ["\"la", "ke/"], ["_delta", "_log"], [".writer", ".lock"], ["/la", "ke/events"]];

/// Who may: the lake itself, and tests that damage one on purpose.
const LAKE_FILES: [&str; 1] = ["crates/lake/"];

/// Hosts of package registries: how a machine reaches them is the machine's business.
const HOSTS: [[&str; 2]; 7] = [
    ["py", "pi.org"],
    ["pythonhosted", ".org"],
    ["registry.npm", "js.org"],
    ["index.crates", ".io"],
    ["static.crates", ".io"],
    ["deb.debian", ".org"],
    ["conda", ".anaconda"],
];

/// Logic that asks who is calling, and tests that nobody runs.
const CODE: [[&str; 2]; 2] = [["#[", "ignore"], ["cfg!(", "test)"]];

/// Unfinished work and tools of a workplace.
const WORDS: [[&str; 2]; 7] = [
    ["TO", "DO"],
    ["FIX", "ME"],
    ["cla", "ude"],
    ["anthro", "pic"],
    ["chat", "gpt"],
    ["..", "/shared"],
    ["/tmp", "/plan"],
];

fn join(parts: &[&str; 2]) -> String {
    parts.concat()
}

/// Files that cargo writes; they name registries because cargo does.
const WRITTEN_BY_TOOLS: [&str; 1] = ["Cargo.lock"];

fn search(root: &Path, needles: &[[&str; 2]], wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let needles: Vec<String> = needles.iter().map(join).collect();
    let mut findings = Vec::new();
    for file in files(root)?.iter().filter(|file| wanted(&file.path)) {
        for (number, line) in file.lines() {
            for needle in &needles {
                if line.contains(needle.as_str()) {
                    findings.push(format!("{}:{number}: must not hold {needle}", file.path));
                }
            }
        }
    }
    Ok(findings)
}

/// Places of the lake outside of it, and paths of one machine anywhere.
///
/// # Errors
///
/// A file cannot be read.
pub fn lake_writes(root: &Path) -> Result<Vec<String>> {
    let code = |path: &str| {
        path.ends_with(".rs")
            && path.contains("/src/")
            && !path.ends_with("tests.rs")
            && !path.contains("/tests/")
            && !LAKE_FILES.iter().any(|home| path.starts_with(home))
    };
    let mut findings = search(root, &LAKE_PLACES, code)?;
    findings.extend(search(root, &MACHINE_PATHS, |path| !WRITTEN_BY_TOOLS.contains(&path))?);
    Ok(findings)
}

/// Registry hosts and words that must not stand in the tree.
///
/// # Errors
///
/// A file cannot be read.
pub fn text(root: &Path) -> Result<Vec<String>> {
    let needles: Vec<[&str; 2]> = HOSTS.iter().chain(&WORDS).copied().collect();
    let mut findings = search(root, &needles, |path| !WRITTEN_BY_TOOLS.contains(&path))?;
    findings.extend(search(root, &CODE, |path| path.ends_with(".rs"))?);
    Ok(findings)
}

/// Source files that do not begin with what they are, or that are too long.
///
/// # Errors
///
/// A file cannot be read.
pub fn style(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for file in files(root)?.iter().filter(|file| file.is_rust()) {
        let first = file.lines().next().map_or("", |(_, line)| line);
        // A module of tests stands beside the code that it tests and needs no introduction.
        if !first.starts_with("//!") && !file.path.ends_with("tests.rs") {
            findings.push(format!("{}: does not begin with //! and what it is", file.path));
        }
        let lines = file.lines().count();
        if lines >= LINES_MAX {
            findings.push(format!("{}: has {lines} lines, which is {LINES_MAX} or more", file.path));
        }
    }
    Ok(findings)
}
