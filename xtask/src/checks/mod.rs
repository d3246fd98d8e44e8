//! Rules of the tree that a compiler does not know.
//!
//! Each check is a function from the root of a tree to its findings, in words, each beginning
//! with the place that it is about. No finding means that the rule holds.

mod arrows;
mod dependencies;
mod map;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

pub use arrows::{arrows, arrows_of};
pub use dependencies::{dependencies, dependencies_of};
pub use map::map;
pub use text::{lake_writes, style, text};

/// A rule: its command, what it demands, and the function that looks.
pub struct Check {
    /// Name of the command.
    pub name: &'static str,
    /// The rule in one sentence.
    pub about: &'static str,
    /// Looks at a tree.
    pub run: fn(&Path) -> Result<Vec<String>>,
}

/// Every check.
pub const ALL: [Check; 6] = [
    Check {
        name: "check-arrows",
        about: "crates depend on one another as the architecture allows",
        run: arrows,
    },
    Check { name: "check-map", about: "the map names what exists, and everything that exists", run: map },
    Check {
        name: "check-lake-writes",
        about: "only the lake knows where the lake is, and nothing knows one machine's paths",
        run: lake_writes,
    },
    Check { name: "check-text", about: "nothing names what the tree must not know", run: text },
    Check {
        name: "check-style",
        about: "files begin with their purpose and end before 500 lines",
        run: style,
    },
    Check { name: "check-dependencies", about: "every dependency has its reason", run: dependencies },
];

/// The root of the workspace that this program was built from.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A file of the tree: its path below the root, with `/`, and its text if it is text.
pub(crate) struct TreeFile {
    pub path: String,
    pub text: Option<String>,
}

impl TreeFile {
    /// Lines with their numbers from 1; none for a file that is no text.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.iter().flat_map(|text| text.lines()).enumerate().map(|(index, line)| (index + 1, line))
    }

    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// Files that belong to the tree: tracked, or new and not ignored. In a tree without git, all.
pub(crate) fn files(root: &Path) -> Result<Vec<TreeFile>> {
    let mut paths = BTreeSet::new();
    if root.join(".git").exists() {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .context("cannot run git")?;
        if !listed.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr).trim());
        }
        for path in listed.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty()) {
            paths.insert(String::from_utf8_lossy(path).into_owned());
        }
    } else {
        walk(root, root, &mut paths)?;
    }
    let mut files = Vec::new();
    for path in paths {
        // A file that was deleted but not yet committed is listed and not there.
        if let Ok(bytes) = fs::read(root.join(&path)) {
            files.push(TreeFile { path, text: String::from_utf8(bytes).ok() });
        }
    }
    Ok(files)
}

fn walk(root: &Path, dir: &Path, paths: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(root, &path, paths)?;
        } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            paths.insert(path.to_owned());
        }
    }
    Ok(())
}

/// What cargo knows about the workspace, without looking at the network.
pub(crate) fn metadata(root: &Path) -> Result<serde_json::Value> {
    #[allow(clippy::disallowed_methods, reason = "cargo tells its children where it is, and only so")]
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}
