//! Every outside crate that we name has a reason on the page about dependencies.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use walkdir::WalkDir;

use super::metadata;

/// The page that gives the reasons.
const PAGE: &str = "docs/decisions/0002-dependencies.md";

/// Dependencies without a reason, reasons without a dependency, and dependencies without a user.
///
/// # Errors
///
/// Cargo cannot be asked, or a file cannot be read.
pub fn dependencies(root: &Path) -> Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let metadata = metadata(root)?;
    let mut findings = dependencies_of(&manifest, &page, &metadata);
    findings.extend(unused(&metadata)?);
    Ok(findings)
}

/// Packages whose libraries have other names.
const LIBRARIES: [(&str, &str); 1] = [("md-5", "md5")];

/// Dependencies that no line of the crate that names them mentions.
fn unused(metadata: &Value) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(manifest) = package["manifest_path"].as_str() else { continue };
        let dir = Path::new(manifest).parent().context("a manifest lies in a directory")?;
        let text = |below: &[&str]| -> Result<String> {
            let mut all = String::new();
            for file in below.iter().flat_map(|name| WalkDir::new(dir.join(name))).flatten() {
                if file.path().extension().is_some_and(|end| end == "rs") {
                    all.push_str(&fs::read_to_string(file.path())?);
                }
            }
            Ok(all)
        };
        let (code, tests) = (text(&["src"])?, text(&["src", "tests", "examples", "benches"])?);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let (Some(name), development) = (dependency["name"].as_str(), !dependency["kind"].is_null())
            else {
                continue;
            };
            let place = if development { &tests } else { &code };
            let library = LIBRARIES.iter().find(|(package, _)| *package == name);
            let library =
                library.map_or_else(|| name.replace('-', "_"), |(_, library)| (*library).to_owned());
            if !mentions(place, &library) {
                findings.push(format!("{manifest}: {name} is not used"));
            }
        }
    }
    Ok(findings)
}

/// Whether a crate is named as one: `name::`, `use name`, or in an attribute.
fn mentions(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && !inside(after) && (after == Some(':') || code[..at].ends_with("use "))
    })
}

/// The same for a root manifest, the page, and the output of `cargo metadata`.
pub fn dependencies_of(manifest: &str, page: &str, metadata: &Value) -> Vec<String> {
    let declared = declared(manifest);
    let reasons: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .filter(|(_, reason)| reason.trim_end_matches('|').trim().len() > 3)
        .map(|(name, _)| name)
        .collect();
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let used: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default())
        .filter_map(|dependency| dependency["name"].as_str())
        .collect();
    let mut findings = Vec::new();
    for name in &declared {
        if !reasons.contains(name) {
            findings.push(format!("{PAGE}: gives no reason for {name}"));
        }
        if !used.contains(name) {
            findings.push(format!("Cargo.toml: no crate uses {name}"));
        }
    }
    for name in reasons.difference(&declared) {
        findings.push(format!("{PAGE}: {name} is no dependency"));
    }
    findings
}

/// Names in `[workspace.dependencies]` that are not crates of ours. A line a name, as rustfmt's
/// sibling for manifests would have it; that saves a TOML reader.
fn declared(manifest: &str) -> BTreeSet<&str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        // Ours. The name of a library may end in `path`, too.
        .filter(|line| !line.contains("{ path = "))
        .filter_map(|line| line.split_once(" = ").map(|(name, _)| name))
        .filter(|name| !name.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn a_crate_is_used_where_its_name_stands_as_a_path() {
        assert!(mentions("use zstd::bulk;", "zstd") && mentions("a = zstd::bulk::compress(b)", "zstd"));
        assert!(mentions("use zstd as z;", "zstd"));
        assert!(!mentions("// zstd is fast; my_zstd::x, zstd_x::y", "zstd"));
    }
}
