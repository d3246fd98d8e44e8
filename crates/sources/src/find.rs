//! Which inputs there are: files, directories, globs and standard input, sorted and without
//! repetition. Nothing is read here and no name decides what an input holds.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use stele_model::error::in_full;
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

/// What a search came to. All lists are sorted by URI.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The inputs. A file without a byte is one: it is listed, and has no records.
    pub inputs: Vec<Input>,
    /// What was met besides.
    pub skipped: Vec<Skipped>,
    /// What may be an input, or hold some, and cannot be opened.
    pub failures: Vec<Skipped>,
}

/// Finds the inputs that `targets` name: files as they are, directories with everything below
/// them except dotfiles, patterns such as `captures/**/*.jsonl` where no file has that very name,
/// and `-` for standard input. Symbolic links are followed; a loop is skipped with a reason, and
/// so is everything that is neither a file nor a directory.
///
/// # Errors
///
/// For a target that names nothing or cannot be opened, if no other target holds an input.
pub fn find(targets: &[String], options: &FindOptions) -> Result<Found, SourceError> {
    let mut found = Found::default();
    let mut first = None;
    for target in targets {
        if let Err(error) = meet(target, options, &mut found) {
            found.failures.push(Skipped { uri: target.clone(), reason: in_full(&error) });
            first.get_or_insert(error);
        }
    }
    if let Some(error) = first.filter(|_| found.inputs.is_empty()) {
        return Err(error);
    }
    found.inputs.sort();
    found.inputs.dedup_by(|a, b| a.uri == b.uri);
    for list in [&mut found.skipped, &mut found.failures] {
        list.sort();
        list.dedup();
    }
    Ok(found)
}

/// What one target names.
fn meet(target: &str, options: &FindOptions, found: &mut Found) -> Result<(), SourceError> {
    if target == "-" {
        found.inputs.push(Input::stdin(options.stdin_name.as_deref().unwrap_or("-")));
        return Ok(());
    }
    let path = Path::new(target);
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => walk(&absolute(target)?, None, found),
        Ok(meta) if meta.is_file() => {
            let path = absolute(target)?;
            fs::File::open(&path).map_err(|source| SourceError::Unreadable { uri: uri_of(&path), source })?;
            found.inputs.push(Input { uri: uri_of(&path), size_on_disk: meta.len(), path: Some(path) });
        }
        Ok(meta) => {
            return Err(SourceError::NotAFile { target: target.to_owned(), what: what(meta.file_type()) });
        }
        Err(_) if target.contains(['*', '?', '[', '{']) => matching(target, found)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(SourceError::NotFound { target: target.to_owned() });
        }
        Err(source) => return Err(SourceError::Unreadable { uri: target.to_owned(), source }),
    }
    Ok(())
}

/// Everything below `root`, or what of it matches.
fn walk(root: &Path, only: Option<&GlobMatcher>, found: &mut Found) {
    let mut entries =
        WalkDir::new(root).follow_links(true).max_depth(DEPTH_MAX).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                refused(root, &error, only, found);
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
                uri: uri_of(entry.path()),
                size_on_disk: meta.len(),
                path: Some(entry.into_path()),
            }),
            Err(error) => cannot_be_opened(entry.path(), &error, found),
        }
    }
}

/// What the walk could not enter or look at. What lies in a directory is not known then; a pattern
/// that stays on one level has nothing in it.
fn refused(root: &Path, error: &walkdir::Error, only: Option<&GlobMatcher>, found: &mut Found) {
    let path = error.path().unwrap_or(root);
    if only.is_some_and(|only| !only.is_match(path) && !only.glob().glob().contains("**")) {
        return;
    }
    match (error.loop_ancestor(), error.io_error()) {
        (Some(ancestor), _) => {
            if only.is_none() {
                skip(path, &format!("the link leads back to {}", ancestor.display()), found);
            }
        }
        (None, Some(io)) => cannot_be_opened(path, io, found),
        (None, None) => skip(path, &error.to_string(), found),
    }
}

/// A link that leads nowhere is no recording; everything else that cannot be opened may be one.
fn cannot_be_opened(path: &Path, error: &std::io::Error, found: &mut Found) {
    let reason = format!("it cannot be opened: {error}");
    match error.kind() {
        ErrorKind::NotFound => skip(path, &reason, found),
        _ => found.failures.push(Skipped { uri: uri_of(path), reason }),
    }
}

fn skip(path: &Path, reason: &str, found: &mut Found) {
    found.skipped.push(Skipped { uri: uri_of(path), reason: reason.to_owned() });
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
    let full = format!("{}/{}", globset::escape(&base.to_string_lossy()), rest.to_string_lossy());
    let matcher = GlobBuilder::new(&full)
        .literal_separator(true)
        .build()
        .map_err(|error| SourceError::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.kind().to_string(),
        })?
        .compile_matcher();
    let met = |found: &Found| found.inputs.len() + found.skipped.len() + found.failures.len();
    let before = met(found);
    walk(&base, Some(&matcher), found);
    if met(found) == before {
        return Err(SourceError::NoMatch { pattern: pattern.to_owned() });
    }
    Ok(())
}

/// The path of a target, as the inputs in it have it: the directory made canonical, the last name left
/// as it was given, so that a link keeps its own name.
///
/// # Errors
///
/// If the directory that holds it cannot be looked at.
pub fn absolute(target: &str) -> Result<PathBuf, SourceError> {
    let path = Path::new(target);
    let unreadable = |source| SourceError::Unreadable { uri: target.to_owned(), source };
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return fs::canonicalize(path).map_err(unreadable);
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Ok(fs::canonicalize(parent).map_err(unreadable)?.join(name))
}

/// The text that stands for a path. Names are as they are, unless they are no UTF-8 or have a
/// backslash in them: two names must never become one.
pub fn uri_of(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.replace('\\', "\\\\"),
        None => path.as_os_str().as_encoded_bytes().escape_ascii().to_string(),
    }
}

/// The path that a text of [`uri_of`] stands for.
pub fn path_of(uri: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let [first, after @ ..] = rest {
        let (byte, left) = match (first, after) {
            (b'\\', [b'x', high, low, left @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                (digit(high) << 4 | digit(low), left)
            }
            (b'\\', [b't', left @ ..]) => (b'\t', left),
            (b'\\', [b'r', left @ ..]) => (b'\r', left),
            (b'\\', [b'n', left @ ..]) => (b'\n', left),
            (b'\\', [byte, left @ ..]) => (*byte, left),
            (byte, left) => (*byte, left),
        };
        bytes.push(byte);
        rest = left;
    }
    std::ffi::OsString::from_vec(bytes).into()
}

fn what(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "neither a file nor a directory",
    }
}
