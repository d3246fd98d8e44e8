//! A question, and what it is asked with.

use stele_index::Filter;

use crate::SearchError;
use crate::fuse::Fusion;
use crate::words::{content_words, looks_like_a_name};

/// Results of one answer. More is paging through a table, which SQL does better.
pub const TOP_MAX: usize = 200;

/// A question of no more words than this may be a name, so the names are asked too.
const NAME_WORDS_MAX: usize = 3;

/// Which arms answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// Words and names.
    Text,
    /// Meaning.
    Vector,
    /// All of them together.
    #[default]
    Hybrid,
}

impl Arm {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Text, Self::Vector, Self::Hybrid];

    /// As it is written on the command line and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Vector => "vector",
            Self::Hybrid => "hybrid",
        }
    }
}

/// What somebody wants to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// In words, or the name of a field.
    pub text: String,
    /// Results wanted, up to 200.
    pub top: usize,
    /// Which arms answer.
    pub arm: Arm,
    /// Which chunks may answer; applied before the best are taken.
    pub filter: Filter,
    /// How the arms are brought together.
    pub fusion: Fusion,
    /// Most results from one source; nothing means no cap.
    pub per_source: Option<usize>,
    /// Whether what the best results lead to counts for more.
    pub expand: bool,
    /// How much it counts that a result differs from those before it, from 0 (not at all) to 1.
    pub diversity: f32,
}

impl Question {
    /// A question with nothing set but its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            top: 10,
            arm: Arm::default(),
            filter: Filter::default(),
            fusion: Fusion::default(),
            per_source: None,
            expand: true,
            diversity: 0.0,
        }
    }

    pub(crate) fn check(&self) -> Result<(), SearchError> {
        let wrong = |text: String| Err(SearchError::Question(text));
        if self.text.trim().is_empty() {
            return wrong("the question is empty: ask in words, or name a field".to_owned());
        }
        if self.top == 0 || self.top > TOP_MAX {
            return wrong(format!("{} results were asked for; from 1 to {TOP_MAX} are possible", self.top));
        }
        if self.per_source == Some(0) {
            return wrong("no result from each source was asked for; from 1 on are possible".to_owned());
        }
        if !(0.0..=1.0).contains(&self.diversity) {
            return wrong(format!("a diversity of {} is not between 0 and 1", self.diversity));
        }
        Ok(())
    }

    /// The words of the question that may be names: those that look like one, and all of a short
    /// question.
    pub(crate) fn names(&self) -> Vec<&str> {
        let words = content_words(&self.text);
        let short = words.len() <= NAME_WORDS_MAX;
        words.into_iter().filter(|word| short || looks_like_a_name(word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Question;

    #[test]
    fn names_are_found_in_questions() {
        for (text, expect) in [
            ("price", vec!["price"]),
            ("what is data.price?", vec!["data.price"]),
            ("gameStateUpdate fields", vec!["gameStateUpdate", "fields"]),
            ("how are the players of a long game paid out in the end", vec![]),
            (
                "which of all these events holds the playerId and a position_qty",
                vec!["playerId", "position_qty"],
            ),
        ] {
            assert_eq!(Question::new(text).names(), expect, "{text}");
        }
    }
}
