//! The stretch of a text that speaks of the question.

use std::collections::BTreeSet;

use stele_model::Chunk;

use crate::answer::Evidence;
use crate::words::{content_words, stem, words};

/// Bytes of a snippet: what fits two lines of a terminal.
const SNIPPET_BYTES: usize = 240;

/// What a chunk has to show for a question.
pub(crate) fn evidence(question: &str, chunk: &Chunk) -> Evidence {
    let asked = asked_words(question);
    let hits: Vec<(usize, usize, &str)> = words(&chunk.text)
        .filter_map(|(at, word)| {
            let stem = stem(word);
            let (_, word_asked) = asked.iter().find(|(asked, _)| *asked == stem)?;
            Some((at, at + word.len(), word_asked.as_str()))
        })
        .collect();
    let (start, end) = best_span(&chunk.text, &hits);
    let matched: BTreeSet<&str> = hits.iter().map(|(_, _, word)| *word).collect();
    let metadata = &chunk.metadata;
    let place = metadata.place.as_ref().unwrap_or(&metadata.source);
    Evidence {
        at: metadata.line.map_or_else(|| place.clone(), |line| format!("{place}:{line}")),
        byte_offset: metadata.byte_offset,
        snippet: chunk.text[start..end].to_owned(),
        span: (start, end),
        matched: matched.into_iter().map(str::to_owned).collect(),
    }
}

/// The share of the question's words that stand in a text.
pub(crate) fn coverage(question: &str, text: &str) -> f32 {
    let asked = asked_words(question);
    if asked.is_empty() {
        return 0.0;
    }
    let stems: BTreeSet<String> = words(text).map(|(_, word)| stem(word)).collect();
    let there = asked.iter().filter(|(stem, _)| stems.contains(stem)).count();
    there as f32 / asked.len() as f32
}

/// Stems of the question's words, each with the word.
fn asked_words(question: &str) -> Vec<(String, String)> {
    let mut asked: Vec<(String, String)> = Vec::new();
    for (_, word) in content_words(question).into_iter().flat_map(words) {
        let stem = stem(word);
        if !asked.iter().any(|(known, _)| *known == stem) {
            asked.push((stem, word.to_owned()));
        }
    }
    asked
}

/// The stretch of at most [`SNIPPET_BYTES`] that holds most different words of the question, then
/// most of their occurrences; the first of equals. It begins and ends between two words.
fn best_span(text: &str, hits: &[(usize, usize, &str)]) -> (usize, usize) {
    if text.len() <= SNIPPET_BYTES {
        return (0, text.len());
    }
    let mut best: ((usize, usize), usize) = ((0, 0), 0);
    for (index, (start, _, _)) in hits.iter().enumerate() {
        let inside: Vec<&str> = hits[index..]
            .iter()
            .take_while(|(_, end, _)| end - start <= SNIPPET_BYTES)
            .map(|(_, _, word)| *word)
            .collect();
        let different = inside.iter().collect::<BTreeSet<_>>().len();
        if (different, inside.len()) > best.0 {
            best = ((different, inside.len()), *start);
        }
    }
    // A few words before the first hit say what it is about.
    let lead = best.1.saturating_sub(SNIPPET_BYTES / 4);
    let start = if lead == 0 {
        0
    } else {
        text[..best.1]
            .char_indices()
            .map(|(at, _)| at)
            .find(|at| *at >= lead && is_start(text, *at))
            .unwrap_or(best.1)
    };
    let mut end = text.len().min(start + SNIPPET_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len()
        && let Some(blank) = text[start..end].rfind(' ').filter(|blank| *blank > SNIPPET_BYTES / 2)
    {
        end = start + blank;
    }
    (start, end)
}

fn is_start(text: &str, at: usize) -> bool {
    text[..at].ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::best_span;

    #[test]
    fn the_span_holds_most_of_the_words() {
        let text =
            format!("{}the price of a game {}", "nothing here ".repeat(60), "nothing there ".repeat(60));
        let at = text.find("price").unwrap();
        let game = text.find("game").unwrap();
        let (start, end) = best_span(&text, &[(at, at + 5, "price"), (game, game + 4, "game")]);
        assert!(text[start..end].contains("price of a game"), "{}", &text[start..end]);
        assert!(end - start <= super::SNIPPET_BYTES && !text[start..end].ends_with(' '));
        assert_eq!(best_span("short", &[]), (0, 5));
        let long = "é".repeat(300);
        let (start, end) = best_span(&long, &[]);
        assert!(long.get(start..end).is_some());
    }
}
