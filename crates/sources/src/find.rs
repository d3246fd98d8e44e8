//! Which inputs there are: files, directories, globs and standard input, sorted and without
//! repetition. Nothing is opened here and no name decides what an input holds.

use std::fs;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::WalkDir;

use crate::SourceError;

/// Deepest directory below a target that is entered. Links that form a loop are seen at once;
/// this only stops trees that nobody made by hand.
const DEPTH_MAX: usize = 128;

/// How targets are understood.
#[derive(Debug, Clone, Default)]
pub struct FindOptions {
    /// What standard input is called in URIs; `-` unless given.
    pub stdin_name: Option<String>,
}

/// One input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// Where it is read from: an absolute path, or `stdin:NAME`.
    pub uri: String,
    /// The file; `None` for standard input.
    pub path: Option<PathBuf>,
    /// Size as it lies on disk, before decompression. 0 for standard input.
    pub size_on_disk: u64,
}

impl Input {
    /// Standard input, called `stdin:NAME`.
    pub fn stdin(name: &str) -> Self {
        Self { uri: format!("stdin:{name}"), path: None, size_on_disk: 0 }
    }
}

/// Something that was met and is not an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Where it is.
    pub uri: String,
    /// Why it is left out.
    pub reason: String,
}

/// What a search came to. Both lists are sorted by URI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The inputs. A file without a byte is one: it is listed, and has no records.
    pub inputs: Vec<Input>,
    /// What was met besides.
    pub skipped: Vec<Skipped>,
}

/// Finds the inputs that `targets` name: files as they are, directories with everything below
/// them except dotfiles, patterns such as `captures/**/*.jsonl` where no file has that very name,
/// and `-` for standard input. Symbolic links are followed; a loop is skipped with a reason, and
/// so is everything that is neither a file nor a directory.
///
/// # Errors
///
/// For a target that names nothing or cannot be opened. What cannot be opened below a directory
/// is only skipped.
pub fn find(targets: &[String], options: &FindOptions) -> Result<Found, SourceError> {
    let mut found = Found::default();
    for target in targets {
        if target == "-" {
            found.inputs.push(Input::stdin(options.stdin_name.as_deref().unwrap_or("-")));
            continue;
        }
        let path = Path::new(target);
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => walk(&absolute(target, path)?, None, &mut found),
            Ok(meta) if meta.is_file() => {
                let path = absolute(target, path)?;
                fs::File::open(&path)
                    .map_err(|source| SourceError::Unreadable { uri: uri(&path), source })?;
                found.inputs.push(Input { uri: uri(&path), size_on_disk: meta.len(), path: Some(path) });
            }
            Ok(meta) => {
                return Err(SourceError::NotAFile { target: target.clone(), what: what(meta.file_type()) });
            }
            Err(_) if target.contains(['*', '?', '[', '{']) => matching(target, &mut found)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SourceError::NotFound { target: target.clone() });
            }
            Err(source) => return Err(SourceError::Unreadable { uri: target.clone(), source }),
        }
    }
    found.inputs.sort();
    found.inputs.dedup_by(|a, b| a.uri == b.uri);
    found.skipped.sort();
    found.skipped.dedup();
    Ok(found)
}

/// Everything below `root`, or what of it matches.
fn walk(root: &Path, only: Option<&GlobMatcher>, found: &mut Found) {
    let mut entries =
        WalkDir::new(root).follow_links(true).max_depth(DEPTH_MAX).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                if only.is_none() {
                    found.skipped.push(refused(root, &error));
                }
                continue;
            }
        };
        let hidden = entry.depth() > 0 && entry.file_name().as_encoded_bytes().starts_with(b".");
        let kind = entry.file_type();
        if hidden {
            if only.is_none() {
                skip(entry.path(), "its name begins with a dot", found);
            }
            if kind.is_dir() {
                entries.skip_current_dir();
            }
            continue;
        }
        if kind.is_dir() {
            if entry.depth() == DEPTH_MAX {
                skip(entry.path(), &format!("it lies deeper than {DEPTH_MAX} directories"), found);
            }
            continue;
        }
        if only.is_some_and(|matcher| !matcher.is_match(entry.path())) {
            continue;
        }
        if !kind.is_file() {
            skip(entry.path(), &format!("it is {}", what(kind)), found);
            continue;
        }
        match fs::File::open(entry.path()).and_then(|file| file.metadata()) {
            Ok(meta) => found.inputs.push(Input {
                uri: uri(entry.path()),
                size_on_disk: meta.len(),
                path: Some(entry.into_path()),
            }),
            Err(error) => skip(entry.path(), &format!("it cannot be opened: {error}"), found),
        }
    }
}

fn refused(root: &Path, error: &walkdir::Error) -> Skipped {
    let reason = match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => format!("the link leads back to {}", ancestor.display()),
        (None, Some(io)) => format!("it cannot be opened: {io}"),
        (None, None) => error.to_string(),
    };
    Skipped { uri: uri(error.path().unwrap_or(root)), reason }
}

fn skip(path: &Path, reason: &str, found: &mut Found) {
    found.skipped.push(Skipped { uri: uri(path), reason: reason.to_owned() });
}

/// Files that a pattern matches. `*` stays inside one name, `**` crosses directories.
fn matching(pattern: &str, found: &mut Found) -> Result<(), SourceError> {
    let mut base = PathBuf::new();
    let mut rest = PathBuf::new();
    for part in Path::new(pattern).components() {
        let plain = !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']);
        if rest.as_os_str().is_empty() && plain {
            base.push(part);
        } else {
            rest.push(part);
        }
    }
    if base.as_os_str().is_empty() {
        base.push(Component::CurDir);
    }
    let base = fs::canonicalize(&base).map_err(|_| SourceError::NoMatch { pattern: pattern.to_owned() })?;
    let full = format!("{}/{}", globset::escape(&uri(&base)), rest.to_string_lossy());
    let matcher = GlobBuilder::new(&full)
        .literal_separator(true)
        .build()
        .map_err(|error| SourceError::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.kind().to_string(),
        })?
        .compile_matcher();
    let before = found.inputs.len() + found.skipped.len();
    walk(&base, Some(&matcher), found);
    if found.inputs.len() + found.skipped.len() == before {
        return Err(SourceError::NoMatch { pattern: pattern.to_owned() });
    }
    Ok(())
}

/// The directory made canonical, the last name left as it was given: a link keeps its own name.
fn absolute(target: &str, path: &Path) -> Result<PathBuf, SourceError> {
    let unreadable = |source| SourceError::Unreadable { uri: target.to_owned(), source };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return fs::canonicalize(path).map_err(unreadable);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Ok(fs::canonicalize(parent).map_err(unreadable)?.join(name))
}

fn uri(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        // Two names must never become one.
        None => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
    }
}

#[cfg(unix)]
fn what(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "neither a file nor a directory",
    }
}

#[cfg(not(unix))]
fn what(_: fs::FileType) -> &'static str {
    "neither a file nor a directory"
}
