//! What went in and what came out, counted on the words of both and knowing nothing of the parser.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use stele_model::{Conservation, Section};

/// Compares the words of a source with the words of its sections. A word that the source has twice and
/// the sections once is conserved once; one that the sections have more often is extra.
pub fn conservation<'a>(source: impl IntoIterator<Item = &'a str>, sections: &'a [Section]) -> Conservation {
    let mut words: HashMap<&str, i64, RandomState> = HashMap::default();
    let mut counted = Conservation::default();
    for text in source {
        for word in text.split_whitespace() {
            *words.entry(word).or_default() += 1;
            counted.characters_in += characters(word);
        }
    }
    for section in sections {
        for word in section.text.split_whitespace() {
            match words.get_mut(word) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    counted.characters_out += characters(word);
                }
                _ => counted.characters_extra += characters(word),
            }
        }
    }
    counted.sections = u32::try_from(sections.len()).unwrap_or(u32::MAX);
    counted
}

fn characters(word: &str) -> u64 {
    word.chars().count() as u64
}
