//! What went in and what came out, counted on the words of both and knowing nothing of the parser.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use stele_model::{Conservation, Section};

/// Compares the words of a source with the words of its sections. A word that the source has twice and
/// the sections once is conserved once; one that the sections have more often is extra. Words are runs
/// of letters and digits, and every other sign is one of its own: whether two of them touch is a matter
/// of layout.
pub fn conservation<'a>(source: impl IntoIterator<Item = &'a str>, sections: &'a [Section]) -> Conservation {
    let mut words: HashMap<&str, i64, RandomState> = HashMap::default();
    // Signs of ASCII, which are most of them.
    let mut signs = [0i64; 128];
    let mut counted = Conservation::default();
    for text in source {
        each(text, |word| {
            *left(word, &mut signs, &mut words) += 1;
            counted.characters_in += characters(word);
        });
    }
    for section in sections {
        each(&section.text, |word| {
            let left = left(word, &mut signs, &mut words);
            *left -= 1;
            match *left >= 0 {
                true => counted.characters_out += characters(word),
                false => counted.characters_extra += characters(word),
            }
        });
    }
    counted.sections = u32::try_from(sections.len()).unwrap_or(u32::MAX);
    counted
}

/// How many of a word there are still to be found.
fn left<'c, 'a>(
    word: &'a str,
    signs: &'c mut [i64; 128],
    words: &'c mut HashMap<&'a str, i64, RandomState>,
) -> &'c mut i64 {
    match word.as_bytes() {
        [byte] if byte.is_ascii() => &mut signs[usize::from(*byte)],
        _ => words.entry(word).or_default(),
    }
}

/// Calls `found` for each word and sign.
fn each<'a>(text: &'a str, mut found: impl FnMut(&'a str)) {
    let mut begin = 0;
    for (at, c) in text.char_indices() {
        if c.is_alphanumeric() {
            continue;
        }
        if begin < at {
            found(&text[begin..at]);
        }
        begin = at + c.len_utf8();
        if !c.is_whitespace() {
            found(&text[at..begin]);
        }
    }
    if begin < text.len() {
        found(&text[begin..]);
    }
}

fn characters(word: &str) -> u64 {
    word.chars().count() as u64
}
