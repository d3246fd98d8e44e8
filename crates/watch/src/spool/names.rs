//! What the name of a file says about it. Nothing here looks at the disk.

use crate::Mode;

/// Behind the name of a file that is still being written.
const PART: &str = ".part";
/// Behind the name of a document that is ready.
const READY: &str = ".ready";

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role<'a> {
    /// It is left alone: a dotfile, a `.part`, or what would be the marker of one.
    None,
    /// A document of its own name.
    Plain,
    /// The document of this name, or the marker of it.
    Ready(&'a str),
}

/// Whether a file or directory of this name is left alone, with all that is below it.
pub(crate) fn is_hidden(file_name: &str) -> bool {
    file_name.starts_with('.')
}

/// What the file is. Of a path below the directory, the last part counts; parts above it are not looked at.
pub(crate) fn role(name: &str, mode: Mode) -> Role<'_> {
    let file_name = name.rsplit('/').next().unwrap_or(name);
    if is_hidden(file_name) || file_name.ends_with(PART) {
        return Role::None;
    }
    match name.strip_suffix(READY) {
        None => Role::Plain,
        // `x.ready.ready` is nobody's: `x.ready` is no document.
        Some(of) if mode != Mode::Direct && !of.ends_with(PART) && !of.ends_with(READY) => Role::Ready(of),
        Some(_) => Role::None,
    }
}

/// Whether it is `x.md.ready` that holds the document, where `x.md` has a content, too: what was delivered last counts,
/// where either would do. The times are those of the last change.
pub(crate) fn ready_holds<T: Ord>(mode: Mode, plain: T, ready: T) -> bool {
    mode != Mode::Auto || plain <= ready
}

/// The name of the file that says that the document is ready.
pub(crate) fn ready_of(document: &str) -> String {
    format!("{document}{READY}")
}

#[cfg(test)]
mod tests {
    use super::{Role, role};
    use crate::Mode;

    #[test]
    fn names_say_what_files_are() {
        let check = |name: &str, expect: Role<'_>| assert_eq!(role(name, Mode::Auto), expect, "{name}");
        check("x.md", Role::Plain);
        check("a/x.md", Role::Plain);
        check("x.md.ready", Role::Ready("x.md"));
        check("a/x.ready", Role::Ready("a/x"));
        check("x.md.part", Role::None);
        check("x.md.part.ready", Role::None);
        check("x.md.ready.part", Role::None);
        check("x.md.ready.ready", Role::None);
        check(".x.md", Role::None);
        check(".ready", Role::None);
        check("a/.x.md.ready", Role::None);
        check("ready", Role::Plain);
        check("x.READY", Role::Plain);
        assert_eq!(role("x.md.ready", Mode::Direct), Role::None);
        assert_eq!(role("x.md.ready", Mode::Ready), Role::Ready("x.md"));
    }
}
