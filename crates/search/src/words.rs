//! Words of questions and texts, as far as evidence and planning need them. How the index cuts and
//! stems words is its own affair.

/// Words that carry no meaning of their own in a question.
const STOP: &[&str] = &[
    "a", "about", "all", "an", "and", "any", "are", "as", "at", "be", "been", "by", "can", "did", "do",
    "does", "for", "from", "has", "have", "how", "i", "in", "is", "it", "its", "me", "mean", "means", "of",
    "on", "or", "show", "tell", "that", "the", "their", "there", "these", "this", "to", "was", "were",
    "what", "when", "where", "which", "who", "whose", "why", "will", "with",
];

/// The words of a text that mean something, as they are written, without the marks around them.
pub(crate) fn content_words(text: &str) -> Vec<&str> {
    text.split(|letter: char| letter.is_whitespace() || "\"'`(),;".contains(letter))
        .map(|word| word.trim_matches(|letter: char| "?!.:".contains(letter)))
        .filter(|word| !word.is_empty() && !STOP.contains(&word.to_lowercase().as_str()))
        .collect()
}

/// Whether a word is a name and not prose: dots, underscores, brackets or slashes inside, or a
/// capital after a small letter.
pub(crate) fn looks_like_a_name(word: &str) -> bool {
    // An option of a command.
    if word.starts_with('-') && word.trim_start_matches('-').starts_with(char::is_alphabetic) {
        return true;
    }
    let inside = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let mut before = ' ';
    inside.chars().any(|letter| {
        let camel = letter.is_uppercase() && before.is_lowercase();
        before = letter;
        camel || "._[]/".contains(letter)
    })
}

/// The beginning of a word that its other forms share, lower-cased: good enough to see whether a
/// text speaks of it.
pub(crate) fn stem(word: &str) -> String {
    let word = word.to_lowercase();
    for ending in ["ings", "ing", "ies", "es", "ed", "s", "y"] {
        if let Some(stem) = word.strip_suffix(ending)
            && stem.chars().count() >= 3
        {
            return stem.to_owned();
        }
    }
    word
}

/// The words of a text with where they begin, cut at everything that is no letter or digit.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(|letter: char| !letter.is_alphanumeric()).filter_map(move |word| {
        let start = at;
        at += word.len();
        // The letter that was cut at.
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((start, word))
    })
}

#[cfg(test)]
mod tests {
    use super::{looks_like_a_name, stem, words};

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for (one, other) in
            [("prices", "price"), ("bets", "bet"), ("players", "player"), ("parties", "party")]
        {
            assert_eq!(stem(one).trim_end_matches('e'), stem(other).trim_end_matches('e'));
        }
    }

    #[test]
    fn words_know_where_they_begin() {
        let text = "é data.price, 5x";
        let found: Vec<_> = words(text).collect();
        assert_eq!(
            found.iter().map(|(at, word)| &text[*at..at + word.len()]).collect::<Vec<_>>(),
            ["é", "data", "price", "5x"]
        );
    }

    #[test]
    fn names_are_told_from_prose() {
        for name in ["data.price", "player_id", "gameHistory[]", "newTrade", "a/b", "--rm", "-v"] {
            assert!(looks_like_a_name(name), "{name}");
        }
        for word in ["price", "Price.", "RUGGED", "5x"] {
            assert!(!looks_like_a_name(word), "{word}");
        }
    }
}
