//! Texts to token ids, with the tokeniser that came with the model.

use std::path::Path;

use tokenizers::Tokenizer;

use super::bert::TOKENIZER;
use crate::EmbedError;
use crate::error::At;

/// How much of a text is looked at, for a window of 512 tokens: a hundred times what fits into the
/// window, so nothing is lost by it, and a book that is given as one text costs no more than a page.
const TEXT_BYTES_MAX: usize = 256 << 10;

/// The tokens of one text.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) ids: Vec<u32>,
    /// The end of the text did not fit.
    pub(crate) cut: bool,
}

/// A tokeniser that neither fills up nor cuts by itself.
#[derive(Debug)]
pub(crate) struct Tokeniser {
    inner: Tokenizer,
    window: usize,
    /// The token that ends every text, if there is one.
    end: Option<u32>,
}

impl Tokeniser {
    /// Reads `tokenizer.json`; ids at or beyond `vocabulary` would be outside of the model's table.
    pub(crate) fn open(dir: &Path, window: usize, vocabulary: usize) -> Result<Tokeniser, EmbedError> {
        let path = dir.join(TOKENIZER);
        let shown = || path.display().to_string();
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(EmbedError::Missing { path: shown() });
            }
            bytes => bytes.at("read", &path)?,
        };
        let mut inner =
            Tokenizer::from_bytes(&bytes).map_err(|error| EmbedError::damaged(&path, error.to_string()))?;
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .map_err(|error| EmbedError::Unsupported { path: shown(), reason: error.to_string() })?;
        if inner.get_vocab_size(true) > vocabulary {
            let reason = format!(
                "it has {} tokens, the model {vocabulary}: they do not belong together",
                inner.get_vocab_size(true)
            );
            return Err(EmbedError::Unsupported { path: shown(), reason });
        }
        let empty = inner
            .encode_fast("", true)
            .map_err(|error| EmbedError::Unsupported { path: shown(), reason: error.to_string() })?;
        let end = empty.get_ids().last().copied();
        Ok(Tokeniser { inner, window, end })
    }

    /// How many tokens the whole text has.
    pub(crate) fn count(&self, text: &str) -> Result<usize, String> {
        Ok(self.inner.encode_fast(text, true).map_err(|error| error.to_string())?.len())
    }

    /// The tokens of a text as far as the window goes; at least one, so that there is a vector.
    pub(crate) fn encode(&self, prefix: &str, text: &str) -> Result<Tokens, String> {
        let head = head(text);
        let encoded = if prefix.is_empty() {
            self.inner.encode_fast(head, true)
        } else {
            self.inner.encode_fast(format!("{prefix}{head}"), true)
        };
        let mut ids = encoded.map_err(|error| error.to_string())?.get_ids().to_vec();
        let cut = ids.len() > self.window || head.len() < text.len();
        if ids.len() > self.window {
            ids.truncate(self.window);
            if let (Some(end), Some(last)) = (self.end, ids.last_mut()) {
                *last = end;
            }
        }
        if ids.is_empty() {
            return Err("it has no tokens".to_owned());
        }
        Ok(Tokens { ids, cut })
    }
}

/// The beginning of a text, cut between characters.
fn head(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
