//! Words that a stemmer would spoil: paths, event names, identifiers.
//!
//! `data.globalSidebets[].payout` is found by the whole of it, by each segment, and by the parts of
//! a segment that is written in camel case or with underscores. All is in lower case. The words of
//! one chunk are joined by blanks and indexed as they are: no stemming, no splitting. A query goes
//! through [`words_of`] too, so both sides always agree.
//!
//! What a chunk is about are terms of their own, with a mark in front, which count for more than the
//! others: `=data.lots[].price` is its name as it is written; `~data.lots.price`, `~lots.price`,
//! `~price` and, with its event, `~newlot.price` are what people call it. So who asks for `price`, or
//! for `lots price`, finds the field of that name before the many texts that only mention it.

use std::collections::HashSet;

use stele_model::{Chunk, ChunkKind};

/// Terms of one chunk. The text of a record may name thousands of fields, and the first few hundred
/// tell it apart from others; a longer list makes every list of the text index longer.
pub(crate) const TERMS_PER_CHUNK_MAX: usize = 256;

/// Bytes of one term. Longer runs without a blank are blobs, which nobody types.
pub(crate) const TERM_BYTES_MAX: usize = 200;

/// Stands between the headings of a section's title.
const BETWEEN_HEADINGS: &str = " › ";

/// Words of a heading that may be a name; a longer one is a sentence.
const HEADING_WORDS_MAX: usize = 3;

/// Stand before the name of what a chunk is about, as it is written and as it is called. No other term
/// begins with them.
const WRITTEN: char = '=';
const CALLED: char = '~';

/// The terms of a chunk: of what it is about first, then of what looks like a name in its title and
/// text. An overview lists names that have chunks of their own, and is not found by them.
pub(crate) fn terms_of(chunk: &Chunk) -> String {
    let metadata = &chunk.metadata;
    let mut terms = Terms::default();
    let subject = match metadata.kind {
        ChunkKind::Event => metadata.event_type.as_deref(),
        ChunkKind::Field => metadata.path.as_deref(),
        ChunkKind::Game => metadata.game_id.as_deref(),
        ChunkKind::Protocol
        | ChunkKind::Record
        | ChunkKind::Session
        | ChunkKind::Section
        | ChunkKind::Object => None,
    };
    if let Some(subject) = subject {
        terms.add(&format!("{WRITTEN}{}", subject.replace(' ', "")));
        terms.add_called(&[subject]);
        let steps: Vec<&str> = subject.rsplit(['.', '/']).collect();
        terms.add_called(&steps[..1]);
        if let [last, before, ..] = steps[..] {
            terms.add_called(&[before, last]);
        }
        if let (ChunkKind::Field, Some(event)) = (metadata.kind, &metadata.event_type) {
            let short = event.rsplit(['.', '/']).next().unwrap_or(event);
            [event, short].into_iter().for_each(|event| terms.add_called(&[event, steps[0]]));
        }
    }
    if metadata.kind == ChunkKind::Section {
        terms.add_heading(metadata.title.rsplit(BETWEEN_HEADINGS).next().unwrap_or_default());
    }
    if metadata.kind == ChunkKind::Protocol {
        ["protocol", "events", "event_types"].iter().for_each(|name| terms.add_called(&[name]));
    }
    for name in [&metadata.path, &metadata.event_type, &metadata.game_id].into_iter().flatten() {
        words_of(name, &mut |word| terms.add(word));
    }
    if matches!(metadata.kind, ChunkKind::Protocol | ChunkKind::Event) {
        return terms.joined();
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

/// What somebody asks for, as terms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueryTerms {
    /// Each name, its segments and their parts, joined by blanks.
    pub(crate) names: String,
    /// What a chunk would be about: each name, and each two that stand side by side, which may be two
    /// segments of a path or two parts of one.
    pub(crate) subjects: String,
}

/// Breaks what somebody asks for into the terms that chunks have, each once, in order.
pub(crate) fn query_terms(asked: &[&str]) -> QueryTerms {
    let (mut names, mut subjects) = (Terms::default(), Terms::default());
    let candidates: Vec<&str> = asked
        .iter()
        .flat_map(|name| name.split(is_break))
        .map(|name| option_of(name).unwrap_or_else(|| trimmed(name)))
        .filter(|name| !name.is_empty())
        .collect();
    for (at, candidate) in candidates.iter().enumerate() {
        words_of(candidate, &mut |word| names.add(word));
        subjects.add(&format!("{WRITTEN}{candidate}"));
        // What an option is called without its dashes is something else.
        if option_of(candidate).is_some() {
            continue;
        }
        subjects.add_called(&[candidate]);
        if let Some(next) = candidates.get(at + 1).filter(|next| option_of(next).is_none()) {
            subjects.add_called(&[candidate, next]);
            subjects.add_called(&[&format!("{candidate}{next}")]);
        }
    }
    QueryTerms { names: names.joined(), subjects: subjects.joined() }
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

    /// A name as people call it: without the brackets of lists, and with or without an underscore.
    fn add_called(&mut self, steps: &[&str]) {
        let plain = |step: &&str| step.replace("[]", "").replace(['_', '-', ' '], "");
        let name = steps.iter().map(plain).collect::<Vec<_>>().join(".");
        if !name.is_empty() {
            self.add(&format!("{CALLED}{name}"));
        }
    }

    /// What a section is about: the options in its heading, and all of a heading that is a name, such
    /// as a command's.
    fn add_heading(&mut self, heading: &str) {
        for option in heading.split(is_break).filter_map(option_of) {
            self.add(&format!("{WRITTEN}{option}"));
        }
        let words: Vec<&str> = heading.split_whitespace().collect();
        if words.len() <= HEADING_WORDS_MAX {
            self.add_called(&[&words.concat()]);
        }
    }

    fn is_full(&self) -> bool {
        self.list.len() >= TERMS_PER_CHUNK_MAX
    }

    fn joined(&self) -> String {
        self.list.join(" ")
    }
}

/// Everything by which one name can be found. An option is found by itself: `--rm` is no way to ask for
/// `rm`.
fn words_of(name: &str, take: &mut dyn FnMut(&str)) {
    if let Some(option) = option_of(name) {
        take(option);
        return;
    }
    for piece in trimmed(name).split_whitespace().map(trimmed) {
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

/// The option of a command that a word is, with its dashes.
fn option_of(word: &str) -> Option<&str> {
    let word = word.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let begins = name.starts_with(|letter: char| letter.is_ascii_alphabetic());
    (begins && name.chars().all(is_name)).then_some(word)
}

/// A name without the marks around it.
fn trimmed(name: &str) -> &str {
    name.trim_matches(|letter: char| !letter.is_alphanumeric() && !matches!(letter, '[' | ']' | '_'))
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
    if option_of(word).is_some() {
        return true;
    }
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
    use stele_model::{Chunk, ChunkKind, ChunkMetadata};

    use super::{query_terms, terms_of};

    fn check(asked: &[&str], names: &str, subjects: &str) {
        let found = query_terms(asked);
        assert_eq!((&*found.names, &*found.subjects), (names, subjects), "{asked:?}");
    }

    #[test]
    fn a_name_is_found_by_its_parts() {
        check(
            &["data.globalSidebets[].payout"],
            "data.globalsidebets[].payout data.globalsidebets.payout data globalsidebets global sidebets payout",
            "=data.globalsidebets[].payout ~data.globalsidebets.payout",
        );
        check(&["gameStateUpdate"], "gamestateupdate game state update", "=gamestateupdate ~gamestateupdate");
        check(&["price"], "price", "=price ~price");
        check(&["data.price?"], "data.price data price", "=data.price ~data.price");
        check(&["HTTPServer"], "httpserver http server", "=httpserver ~httpserver");
        check(&["max_pct"], "max_pct max pct", "=max_pct ~maxpct");
        check(&["Größe.höheMax"], "größe.höhemax größe höhemax höhe max", "=größe.höhemax ~größe.höhemax");
        check(&[""], "", "");
        check(&[" \" OR * "], "or", "=or ~or");
        check(&["\u{1F600} x"], "x", "=x ~x");
        check(&["--rm"], "--rm", "=--rm");
        check(&["a-b", "-it,"], "a-b a b -it", "=a-b ~ab =-it");
    }

    #[test]
    fn names_side_by_side_may_be_one() {
        check(
            &["cooldown", "timer"],
            "cooldown timer",
            "=cooldown ~cooldown ~cooldown.timer ~cooldowntimer =timer ~timer",
        );
    }

    #[test]
    fn what_a_chunk_is_about_is_a_term() {
        let of = |kind, event: &str, path: Option<&str>| {
            let metadata = ChunkMetadata {
                event_type: Some(event.to_owned()),
                path: path.map(str::to_owned),
                ..ChunkMetadata::new(kind, "s", "d", "t", "title")
            };
            terms_of(&Chunk::new("lists data.other".to_owned(), metadata))
        };
        assert_eq!(
            of(ChunkKind::Event, "a/newBid", None),
            "=a/newbid ~a/newbid ~newbid ~a.newbid a/newbid a newbid new bid"
        );
        assert_eq!(
            of(ChunkKind::Field, "a/bid", Some("data.lots[].top_price")),
            "=data.lots[].top_price ~data.lots.topprice ~topprice ~lots.topprice ~a/bid.topprice ~bid.topprice \
             data.lots[].top_price data.lots.top_price data lots top_price top price a/bid a bid data.other other",
        );
        assert_eq!(of(ChunkKind::Record, "bid", None), "bid data.other data other");
        // What somebody wrote into a record's name is no mark.
        assert_eq!(of(ChunkKind::Record, "a =price ~x", None), "a price x data.other data other");
        assert!(of(ChunkKind::Field, "e", Some("new bid")).starts_with("=newbid ~newbid ~e.newbid "));
    }
}
