//! Where a list goes on, bound to what it is a list of.
//!
//! A cursor names the version of the lake, the version of the index and the question. A list that
//! changed under its reader would repeat or leave out entries, so it is refused instead.

use crate::limits::POSITION_MAX;
use crate::reply::{Cause, Refusal};

/// Longest cursor: five short parts.
const CURSOR_BYTES_MAX: usize = 200;

/// Hexadecimal digits of the sum: against slips, not against malice; a made-up cursor reads nothing
/// that its maker could not read anyway.
const SUM_DIGITS: usize = 16;

/// What a list is a list of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    /// The tool.
    pub(crate) tool: &'static str,
    /// The arguments that decide what is in the list.
    pub(crate) question: String,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Entries before it.
    pub(crate) position: u64,
    /// Version of the lake.
    pub(crate) lake: u64,
    /// A sum over the version of the index, 0 if the list does not come from it.
    pub(crate) index: u64,
}

impl Cursor {
    /// As the client gets it.
    pub(crate) fn write(&self, subject: &Subject) -> String {
        let Self { position, lake, index } = self;
        format!("c1.{position}.{lake}.{index:x}.{}", self.sum(subject))
    }

    /// What the client gave back.
    pub(crate) fn read(text: &str, subject: &Subject) -> Result<Self, Refusal> {
        let cursor = Self::parse(text).ok_or_else(|| {
            Refusal::new("The cursor is not one that this server made.")
                .hint("pass next_cursor of the page before, unchanged, or leave cursor out to begin")
        })?;
        if !text.ends_with(&cursor.sum(subject)) {
            return Err(Refusal::new("The cursor belongs to another question or another tool.")
                .hint("repeat the arguments of the page before, or leave cursor out to begin"));
        }
        Ok(cursor)
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let mut parts = text.split('.');
        let mut next = || parts.next();
        if next()? != "c1" {
            return None;
        }
        let position = next()?.parse().ok().filter(|position| *position <= POSITION_MAX)?;
        let lake = next()?.parse().ok()?;
        let index = u64::from_str_radix(next()?, 16).ok()?;
        let sum = next()?;
        (sum.len() == SUM_DIGITS && next().is_none()).then_some(Self { position, lake, index })
    }

    /// Refuses to go on in a lake or an index that is not the one where the list began.
    pub(crate) fn check(&self, lake: u64, index: u64) -> Result<(), Refusal> {
        let stale = |what: String| {
            Err(Refusal::new("The cursor is stale.")
                .because(Cause::Changed)
                .why(what)
                .hint("leave cursor out to begin again"))
        };
        if self.lake != lake {
            return stale(format!("the list began at version {} of the lake, which is at {lake}", self.lake));
        }
        if self.index != index {
            return stale("the index was brought up to date since the list began".to_owned());
        }
        Ok(())
    }

    fn sum(&self, subject: &Subject) -> String {
        let mut hasher = blake3::Hasher::new();
        for number in [self.position, self.lake, self.index] {
            hasher.update(&number.to_le_bytes());
        }
        for text in [subject.tool, &subject.question] {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        hasher.finalize().to_hex()[..SUM_DIGITS].to_owned()
    }
}

/// A version of the index as a number that fits a cursor.
pub(crate) fn index_sum(version: &str) -> u64 {
    let bytes = *blake3::hash(version.as_bytes()).as_bytes();
    let [a, b, c, d, e, f, ..] = bytes;
    // Zero stands for no index.
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) | 1
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Subject};

    fn subject(question: &str) -> Subject {
        Subject { tool: "list", question: question.to_owned() }
    }

    #[test]
    fn a_cursor_is_read_back_for_its_own_question_alone() {
        let cursor = Cursor { position: 20, lake: 7, index: 0xabc };
        let text = cursor.write(&subject("a"));
        assert_eq!(Cursor::read(&text, &subject("a")).ok(), Some(cursor));
        assert!(Cursor::read(&text, &subject("b")).is_err());
        let other = Subject { tool: "other", ..subject("a") };
        assert!(Cursor::read(&text, &other).is_err());
        let moved = text.replacen(".20.", ".21.", 1);
        assert!(Cursor::read(&moved, &subject("a")).is_err());
        assert!(cursor.check(7, 0xabc).is_ok());
        assert!(cursor.check(8, 0xabc).is_err());
        assert!(cursor.check(7, 0xabd).is_err());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let far = format!("c1.{}.1.0.0123456789abcdef", super::POSITION_MAX + 1);
        for text in ["", "c1", "c1.1.1.0", "c2.1.1.0.0123456789abcdef", "c1.-1.1.0.0123456789abcdef", &far] {
            assert!(Cursor::read(text, &subject("a")).is_err(), "{text}");
        }
        assert!(Cursor::read(&"9".repeat(1 << 20), &subject("a")).is_err());
    }
}
