//! Words that a stemmer would spoil: paths, event names, identifiers.
//!
//! `data.globalSidebets[].payout` is found by the whole of it, by each segment, and by the parts of
//! a segment that is written in camel case or with underscores. All is in lower case. The words of
//! one chunk are joined by blanks and indexed as they are: no stemming, no splitting. A query goes
//! through [`words_of`] too, so both sides always agree.

use std::collections::HashSet;

use stele_model::Chunk;

/// Terms of one chunk. The text of a record may name thousands of fields, and the first few hundred
/// tell it apart from others; a longer list makes every list of the text index longer.
pub(crate) const TERMS_PER_CHUNK_MAX: usize = 256;

/// Bytes of one term. Longer runs without a blank are blobs, which nobody types.
pub(crate) const TERM_BYTES_MAX: usize = 200;

/// The terms of a chunk: of its path and event type first, then of what looks like a name in its
/// title and text.
pub(crate) fn terms_of(chunk: &Chunk) -> String {
    let metadata = &chunk.metadata;
    let mut terms = Terms::default();
    for name in [&metadata.path, &metadata.event_type, &metadata.game_id].into_iter().flatten() {
        words_of(name, &mut |word| terms.add(word));
    }
    for text in [&metadata.title, &chunk.text] {
        for candidate in text.split(is_break).filter(|candidate| looks_like_a_name(candidate)) {
            if terms.is_full() {
                return terms.joined();
            }
            words_of(candidate, &mut |word| terms.add(word));
        }
    }
    terms.joined()
}

/// Breaks what somebody asks for into the same terms, each once, in order.
pub fn query_terms(asked: &[&str]) -> Vec<String> {
    let mut terms = Terms::default();
    for name in asked {
        for candidate in name.split(is_break) {
            words_of(candidate, &mut |word| terms.add(word));
        }
    }
    terms.list
}

#[derive(Default)]
struct Terms {
    seen: HashSet<String>,
    list: Vec<String>,
}

impl Terms {
    fn add(&mut self, word: &str) {
        let word = word.to_lowercase();
        if word.is_empty() || word.len() > TERM_BYTES_MAX || self.is_full() || self.seen.contains(&word) {
            return;
        }
        self.seen.insert(word.clone());
        self.list.push(word);
    }

    fn is_full(&self) -> bool {
        self.list.len() >= TERMS_PER_CHUNK_MAX
    }

    fn joined(&self) -> String {
        self.list.join(" ")
    }
}

/// Everything by which one name can be found.
fn words_of(name: &str, take: &mut dyn FnMut(&str)) {
    let name =
        name.trim_matches(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '[' | ']' | '_'));
    for piece in name.split_whitespace() {
        take(piece);
        if piece.contains("[]") {
            take(&piece.replace("[]", ""));
        }
        for segment in piece.split(|letter: char| !letter.is_alphanumeric() && letter != '_') {
            take(segment);
            for part in segment.split('_') {
                take(part);
                camel_parts(part, take);
            }
        }
    }
}

/// `globalSidebets` → `global`, `Sidebets`; `HTTPServer` → `HTTP`, `Server`.
fn camel_parts(segment: &str, take: &mut dyn FnMut(&str)) {
    let letters: Vec<(usize, char)> = segment.char_indices().collect();
    let mut begin = 0;
    for (index, &(at, letter)) in letters.iter().enumerate().skip(1) {
        let before = letters[index - 1].1;
        let after = letters.get(index + 1).map(|&(_, letter)| letter);
        let new_word = letter.is_uppercase()
            && (!before.is_uppercase() || after.is_some_and(|after| after.is_lowercase()));
        if new_word {
            take(&segment[begin..at]);
            begin = at;
        }
    }
    if begin > 0 {
        take(&segment[begin..]);
    }
}

/// What ends a name in running text.
fn is_break(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, ',' | ';' | '(' | ')' | '"' | '\'' | '`' | '=' | '{' | '}' | '<' | '>' | '|')
}

/// Whether a word of a text is a name and not prose: it has a dot, an underscore or a bracket
/// inside, a capital after a small letter, or letters and digits mixed.
fn looks_like_a_name(word: &str) -> bool {
    let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let mut before: Option<char> = None;
    let (mut letters, mut digits) = (false, false);
    for letter in word.chars() {
        if matches!(letter, '.' | '_' | '[' | ':' | '/') {
            return true;
        }
        letters |= letter.is_alphabetic();
        digits |= letter.is_numeric();
        if (letters && digits) || (letter.is_uppercase() && before.is_some_and(char::is_lowercase)) {
            return true;
        }
        before = Some(letter);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::query_terms;

    fn check(asked: &str, expect: &str) {
        assert_eq!(query_terms(&[asked]).join(" "), expect, "{asked}");
    }

    #[test]
    fn a_name_is_found_by_its_parts() {
        check(
            "data.globalSidebets[].payout",
            "data.globalsidebets[].payout data.globalsidebets.payout data globalsidebets global sidebets payout",
        );
        check("gameStateUpdate", "gamestateupdate game state update");
        check("price", "price");
        check("data.price", "data.price data price");
        check("HTTPServer", "httpserver http server");
        check("max_drawdown_pct", "max_drawdown_pct max drawdown pct");
        check("Größe.höheMax", "größe.höhemax größe höhemax höhe max");
        check("", "");
        check(" \" OR * ", "or");
        check("\u{1F600} x", "x");
    }
}
