//! How a place inside a record is written.
//!
//! The root has no path. Member `k` of `P` is `P.k`; a name that is empty or holds one of
//! `. [ ] { } "` is written `P["k"]` with JSON escapes, so that a dotted name never looks like
//! nesting. An element of `P` is `P[]`, and a value under a folded key is `P.{}`. A name that
//! holds a control character is quoted too, so that a path is always one line.

use crate::json::quote;

/// One step from a value to a value inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment<'a> {
    /// The member with this name.
    Member(&'a str),
    /// Any element of an array.
    Element,
    /// Any member of an object whose keys are data.
    AnyKey,
}

/// Appends `segment` to the written path in `out`.
pub fn push(out: &mut String, segment: Segment<'_>) {
    match segment {
        Segment::Element => out.push_str("[]"),
        Segment::AnyKey => push_plain(out, "{}"),
        Segment::Member(name) if needs_quotes(name) => {
            out.push('[');
            out.push_str(&quote(name));
            out.push(']');
        }
        Segment::Member(name) => push_plain(out, name),
    }
}

fn push_plain(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push('.');
    }
    out.push_str(name);
}

fn needs_quotes(name: &str) -> bool {
    name.is_empty() || name.bytes().any(|b| matches!(b, b'.' | b'[' | b']' | b'{' | b'}' | b'"') || b < 0x20)
}

/// A whole path.
pub fn render<'a>(segments: impl IntoIterator<Item = Segment<'a>>) -> String {
    let mut out = String::new();
    for segment in segments {
        push(&mut out, segment);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Segment, render};

    #[track_caller]
    fn check(segments: &[Segment<'_>], expect: &str) {
        assert_eq!(render(segments.iter().copied()), expect);
    }

    #[test]
    fn paths_are_unambiguous() {
        use Segment::{AnyKey, Element, Member};
        check(&[], "");
        check(&[Member("data"), Member("price")], "data.price");
        check(&[Member("a.b")], "[\"a.b\"]");
        check(&[Member("a"), Member("")], "a[\"\"]");
        check(&[Member("a"), Element, Element, Member("x")], "a[][].x");
        check(&[Element, Member("x")], "[].x");
        check(&[Member("m"), AnyKey, Member("v")], "m.{}.v");
        check(&[Member("say \"hi\"")], "[\"say \\\"hi\\\"\"]");
        check(&[Member("a\tb")], "[\"a\\tb\"]");
        check(&[AnyKey], "{}");
    }
}
