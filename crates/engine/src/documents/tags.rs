//! What documents are filed under: what they state in front of their text, and what was said when they were
//! ingested.
//!
//! What was said belongs to a name and not to a content, and is kept with the name in the lake: no file
//! states it, so nothing else could bring it back.

use std::collections::{BTreeMap, BTreeSet};

use stele_lake::Snapshot;
use stele_model::FileEntry;

use super::inputs::input_of;
use crate::EngineError;
use crate::engine::Engine;

/// Keys of front matter whose values are tags.
const TAG_KEYS: [&str; 3] = ["tags", "keywords", "categories"];

/// Tags of one input. They are compared one by one where a question has a scope, and somebody has to
/// remember them.
pub const TAGS_MAX: usize = 32;

/// Bytes of one tag: a few words. What is longer is a description.
pub const TAG_BYTES_MAX: usize = 100;

/// The tags in what somebody wrote: separated by commas, in lower case.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn tags_in(text: &str) -> Result<Vec<String>, String> {
    let tags: Vec<String> = words(text).collect();
    if tags.is_empty() {
        return Err("a tag is a word or a few, such as handbook".to_owned());
    }
    if let Some(long) = tags.iter().find(|tag| tag.len() > TAG_BYTES_MAX) {
        return Err(format!("a tag has at most {TAG_BYTES_MAX} bytes, and this one has {}", long.len()));
    }
    match tags.iter().any(|tag| tag.chars().any(char::is_control)) {
        true => Err("a tag has no control characters".to_owned()),
        false => Ok(tags),
    }
}

/// Sorted, each once.
pub(crate) fn settled(mut tags: Vec<String>) -> Vec<String> {
    tags.sort();
    tags.dedup();
    tags
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty())
}

/// The tags that a document states: sorted, in lower case, each once.
pub(super) fn stated<'a>(front_matter: impl Iterator<Item = (&'a str, &'a [String])>) -> Vec<String> {
    let tagged = front_matter.filter(|(key, _)| TAG_KEYS.contains(&key.to_lowercase().as_str()));
    settled(tagged.flat_map(|(_, values)| values.iter().flat_map(|value| words(value))).collect())
}

/// What the names of a snapshot were given.
pub(super) struct Given(BTreeMap<String, FileEntry>);

impl Given {
    pub(super) fn of(engine: &Engine, snapshot: &Snapshot) -> Result<Self, EngineError> {
        Ok(Self(engine.documents_in(snapshot)?))
    }

    /// The tags of a document: those that it states, and those of its input.
    pub(super) fn with(&self, source: &str, stated: Vec<String>) -> Vec<String> {
        let given = self.0.get(input_of(source, &self.0)).map_or(&[][..], |entry| &entry.tags);
        settled(stated.into_iter().chain(given.iter().cloned()).collect())
    }
}

impl Engine {
    /// Every tag that a document has.
    pub(crate) fn known_tags(&self, snapshot: &Snapshot) -> Result<BTreeSet<String>, EngineError> {
        let Some(graph) = self.graph(snapshot)? else { return Ok(BTreeSet::new()) };
        let given = Given::of(self, snapshot)?;
        let mut known = BTreeSet::new();
        for document in graph.documents() {
            let document = document?;
            let front = document.front_matter.iter();
            let stated = stated(front.map(|entry| (&*entry.key, &*entry.values)));
            known.extend(given.with(&document.source, stated));
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::{TAG_BYTES_MAX, stated, tags_in};

    #[test]
    fn tags_are_words_of_the_front_matter() {
        let values = ["CLI, run".to_owned(), "run".to_owned()];
        let other = ["nothing".to_owned()];
        let front = [("Tags", &values[..]), ("title", &other[..])];
        assert_eq!(stated(front.into_iter()), ["cli", "run"]);
    }

    #[test]
    fn what_is_no_tag_is_said() {
        assert_eq!(tags_in(" Handbook,two words ,"), Ok(vec!["handbook".to_owned(), "two words".to_owned()]));
        for (text, wrong) in [(" , ", "a word"), ("a\u{1f}b", "control"), (&"é".repeat(51), "has 102")] {
            let said = tags_in(text).unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
        assert!(tags_in(&"x".repeat(TAG_BYTES_MAX)).is_ok());
    }
}
