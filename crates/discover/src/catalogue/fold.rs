//! Objects whose keys are data, not names: which they are, and how we know.
//!
//! Two kinds of evidence exist. An object whose keys are all decimal digits is certain by itself.
//! For the rest, [`evidence`] looks at a catalogue of the *whole* input and names the paths whose
//! keys are data; counting the input again with these rules then gives exact counts. The rules are
//! part of the result, so the same input gives the same rules in any order and split.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tree::{PathId, Tree};

/// Under automatic folding, an object path with more names than this is folded whatever they look
/// like: no protocol has so many names in one place, and memory must not grow with the input.
pub(super) const NAMES_MAX: usize = 1024;

/// Fewest keys that are called data because they look like identifiers.
const IDS_MIN: usize = 8;

/// Fewest keys that are called data because they seldom repeat.
const SELDOM_MIN: usize = 64;

/// How objects whose keys are data are treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folding {
    /// Every key is a name.
    None,
    /// An object whose keys are all decimal digits is folded.
    Digits,
    /// Digits, and the paths that the whole input gives evidence for.
    #[default]
    Auto,
}

/// A path that is folded, or must not be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FoldRule {
    /// The event, or `None` for all events.
    pub event: Option<String>,
    /// The path of the object.
    pub path: String,
    /// Whether its keys are data.
    pub fold: bool,
    /// Why, in words, for the report.
    pub reason: String,
}

/// The rules of one catalogue, looked up when a path is first seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules(Vec<FoldRule>);

impl Rules {
    pub(super) fn new(mut rules: Vec<FoldRule>) -> Self {
        rules.sort();
        rules.dedup();
        Self(rules)
    }

    pub(super) fn all(&self) -> &[FoldRule] {
        &self.0
    }

    /// The rule for `path` of `event`, a rule for one event before a rule for all.
    pub(super) fn find(&self, event: &str, path: &str) -> Option<&FoldRule> {
        if self.0.is_empty() {
            return None;
        }
        let named = |rule: &&FoldRule| rule.path == path && rule.event.as_deref() == Some(event);
        let any = |rule: &&FoldRule| rule.path == path && rule.event.is_none();
        self.0.iter().find(named).or_else(|| self.0.iter().find(any))
    }
}

/// Why the keys of the object at `id` are data, if they are.
pub(super) fn evidence(tree: &Tree, id: PathId) -> Option<String> {
    let node = tree.node(id);
    let names = node.members().count();
    if node.has_too_many_names() {
        return Some(format!("more than {NAMES_MAX} different keys"));
    }
    if names < IDS_MIN || !values_share_one_shape(tree, id) {
        return None;
    }
    let ids = node.members().filter(|&child| looks_like_id(tree.key(child))).count();
    if ids * 10 >= names * 9 {
        return Some(format!("{ids} of {names} keys look like identifiers and their values share one shape"));
    }
    let seldom = node.members().filter(|&child| tree.node(child).holders <= 2).count();
    if names >= SELDOM_MIN && !tree.is_root(id) && seldom * 10 >= names * 6 {
        return Some(format!(
            "{seldom} of {names} keys occur at most twice and their values share one shape"
        ));
    }
    None
}

/// Whether nearly all values under `id` are of the same kinds and, if objects, have mostly the
/// same members.
fn values_share_one_shape(tree: &Tree, id: PathId) -> bool {
    let mut by_kinds: BTreeMap<u8, usize> = BTreeMap::new();
    let mut names = 0;
    let mut members = 0;
    let mut distinct_members: BTreeMap<&str, usize> = BTreeMap::new();
    for child in tree.node(id).members() {
        names += 1;
        *by_kinds.entry(tree.node(child).kinds_bits_without_null()).or_default() += 1;
        for member in tree.node(child).members() {
            members += 1;
            *distinct_members.entry(tree.key(member)).or_default() += 1;
        }
    }
    let commonest = by_kinds.values().max().copied().unwrap_or(0);
    // A shared shape repeats its member names; unrelated objects each bring their own.
    let repeats = members == 0 || members >= 4 * distinct_members.len() || distinct_members.len() <= 8;
    commonest * 10 >= names * 9 && repeats
}

/// UUIDs, hashes, timestamps, wallet addresses, prefixed ids: something a generator made.
fn looks_like_id(key: &str) -> bool {
    let length = key.len();
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    let hex = key.bytes().filter(u8::is_ascii_hexdigit).count();
    let plain = key
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.' | b'T' | b'+' | b'@'));
    plain
        && ((length >= 8 && digits * 4 >= length)
            || (length >= 16 && hex * 10 >= length * 9)
            || (length >= 20 && digits >= 2))
}

#[cfg(test)]
mod tests {
    use super::looks_like_id;

    #[test]
    fn ids_and_names() {
        for id in [
            "20251212-eec31b1b16194f08",
            "550e8400-e29b-41d4-a716-446655440000",
            "2025-12-12T17:16:58",
            "user_000123",
            "cmaibr7rt0094jp0mc2mbpfu4",
        ] {
            assert!(looks_like_id(id), "{id}");
        }
        for name in ["price", "total_amount", "x2", "levelRequired", "ipv4_addr", "SubjectUserSid", "sha256"]
        {
            assert!(!looks_like_id(name), "{name}");
        }
    }
}
