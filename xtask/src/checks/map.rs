//! A map is worse than none if it shows what is gone or hides what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::files;

/// The map.
const MAP: &str = "ARCHITECTURE.md";

/// Folders whose paths, wherever the map writes them, have to exist.
const ROOTS: [&str; 5] = ["crates/", "docs/", "scripts/", "xtask/", "benches/"];

/// Crates and pages that the map leaves out, paths on it that do not exist, and links between
/// pages that lead nowhere.
///
/// # Errors
///
/// A file cannot be read.
pub fn map(root: &Path) -> Result<Vec<String>> {
    let map = fs::read_to_string(root.join(MAP)).with_context(|| format!("cannot read {MAP}"))?;
    let files = files(root)?;
    let named = paths_in(&map);
    let mut findings = Vec::new();
    for path in &named {
        let there = files.iter().any(|file| {
            file.path
                .strip_prefix(path.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if !there {
            findings.push(format!("{MAP}: {path} does not exist"));
        }
    }
    let mut wanted = BTreeSet::new();
    for file in &files {
        if let Some((name, _)) = file.path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')) {
            wanted.insert(format!("crates/{name}"));
        }
        if file.path.starts_with("docs/") && file.path.ends_with(".md") {
            wanted.insert(file.path.clone());
        }
    }
    for path in wanted {
        let covered = |name: &String| {
            name.trim_end_matches('/') == path
                || (path.starts_with("docs/") && name.ends_with('/') && path.starts_with(name.as_str()))
        };
        if !named.iter().any(covered) {
            findings.push(format!("{MAP}: does not name {path}"));
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let base = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, line) in file.lines() {
            for target in links(line) {
                if !root.join(base).join(target).exists() {
                    findings.push(format!("{}:{number}: the link to {target} leads nowhere", file.path));
                }
            }
        }
    }
    Ok(findings)
}

/// Every path below one of [`ROOTS`] that the text writes in code or as a link.
fn paths_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| c.is_whitespace() || "`()[]|,;".contains(c))
        .map(|word| word.trim_end_matches(['.', ':']).split(['#', '*']).next().unwrap_or_default())
        .filter(|word| ROOTS.iter().any(|root| word.starts_with(root) && word.len() > root.len()))
        .map(str::to_owned)
        .collect()
}

/// Targets of Markdown links that are files.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| {
        let target = rest.split(')').next()?.split('#').next()?;
        (!target.is_empty() && !target.contains("://") && !target.contains(' ')).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::{links, paths_in};

    #[test]
    fn paths_and_links_are_found() {
        let paths =
            paths_in("see `crates/lake`, [the page](docs/formats/lake.md#x) and crates/model/src/lib.rs.");
        assert_eq!(
            paths.into_iter().collect::<Vec<_>>(),
            ["crates/lake", "crates/model/src/lib.rs", "docs/formats/lake.md"]
        );
        assert_eq!(links("a [b](c.md#d) [e](#f) [g](h/)").collect::<Vec<_>>(), ["c.md", "h/"]);
    }
}
