//! Which language a document is written in.

use stele_model::Section;
use stele_model::document::{BlockKind, Language};

use crate::limits::{LANGUAGE_CHARS_MAX, LANGUAGE_CHARS_MIN};

/// The language of the prose of `sections`; none where there is too little of it to tell, or the
/// detector is not sure.
pub(crate) fn detect(sections: &[Section]) -> Option<Language> {
    let mut prose = String::new();
    for section in sections {
        for block in &section.blocks {
            if matches!(block.kind, BlockKind::Paragraph | BlockKind::List | BlockKind::OrderedList) {
                let text = section.text.get(block.span.clone()).unwrap_or_default();
                prose.extend(text.chars().take(LANGUAGE_CHARS_MAX));
                prose.push('\n');
            }
            if prose.len() >= LANGUAGE_CHARS_MAX {
                return told(&prose);
            }
        }
    }
    told(&prose)
}

fn told(prose: &str) -> Option<Language> {
    if prose.chars().filter(|c| c.is_alphabetic()).take(LANGUAGE_CHARS_MIN).count() < LANGUAGE_CHARS_MIN {
        return None;
    }
    let info = whatlang::detect(prose)?;
    info.is_reliable()
        .then(|| Language { code: info.lang().code().to_owned(), confidence: info.confidence() })
}
