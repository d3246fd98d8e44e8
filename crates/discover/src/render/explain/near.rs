//! Names that are spelled like another name.

use std::collections::BTreeSet;

use super::super::facts;
use crate::view::CatalogueView;

/// Most suggestions.
const SUGGESTIONS_MAX: usize = 5;

/// Names are compared up to this many characters; the cost of a comparison grows with the square.
const COMPARED_CHARS_MAX: usize = 64;

/// Paths and events whose name, or last step, is spelled like `text`, nearest first.
pub(super) fn suggest(view: &CatalogueView, text: &str) -> Vec<String> {
    let asked = letters(text);
    if asked.is_empty() {
        return Vec::new();
    }
    let events = view.events.iter().map(|event| event.name.as_str());
    let paths =
        view.events.iter().flat_map(|event| facts::paths(event).iter().map(|path| path.path.as_str()));
    let names: BTreeSet<&str> = events.chain(paths).collect();
    let asked_last = letters(last_step(text));
    // A third of the letters may be wrong; two swapped ones count as two, so never fewer, except in
    // short words, where two wrong letters make another word.
    let allowed = if asked_last.len() < 5 { 1 } else { (asked_last.len() / 3).max(2) };
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let last = letters(last_step(name));
            let apart = distance(&letters(name), &asked).min(distance(&last, &asked_last));
            let inside = asked_last.len() > 2 && contains(&last, &asked_last);
            (apart <= allowed || inside).then_some((apart, name))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name.to_owned()).collect()
}

fn last_step(path: &str) -> &str {
    let path = path.trim_end_matches(['[', ']', '{', '}', '.', '"']);
    path.rsplit(['.', ' ', '"']).next().unwrap_or(path)
}

fn letters(text: &str) -> Vec<char> {
    text.to_lowercase().chars().take(COMPARED_CHARS_MAX).collect()
}

fn contains(text: &[char], part: &[char]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

/// The insertions, deletions and replacements that turn one word into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
