//! Vectors without a model, for tests of everything around one. Not an embedder for people: it
//! knows words, not meaning.

use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::Cancelled;
use crate::embedder::{Embedded, Embedder, Purpose, Usage, Vectors, normalise};
use crate::{EmbedError, lock};

/// Words that a text may have before its end is cut, so that tests meet a window.
const WINDOW_WORDS: usize = 256;

/// A bag of words: each word, lower-cased, adds 1 or −1 at four places that its hash names.
///
/// The same text has the same vector on every machine and in every version. Texts that share words
/// are near each other, which is enough for a test to find something.
#[derive(Debug)]
pub struct TestDouble {
    model_id: String,
    dimension: usize,
    usage: Mutex<Usage>,
}

impl TestDouble {
    /// A double with vectors of this many numbers, at least 1; its id is `test-double/bag-of-words-N`.
    pub fn new(dimension: usize) -> Self {
        let dimension = dimension.max(1);
        TestDouble {
            model_id: format!("test-double/bag-of-words-{dimension}"),
            dimension,
            usage: Mutex::new(Usage::default()),
        }
    }

    fn vector(&self, text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; self.dimension];
        for word in words(text).take(WINDOW_WORDS) {
            let hash = Sha256::digest(word.to_lowercase().as_bytes());
            for place in hash.chunks_exact(8) {
                let number = place.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
                let sign = if number & 1 == 0 { 1.0 } else { -1.0 };
                vector[(number >> 1) as usize % self.dimension] += sign;
            }
        }
        // No words, or words that cancel out: still a vector of length 1.
        if vector.iter().all(|x| *x == 0.0) {
            vector[0] = 1.0;
        }
        normalise(&mut vector);
        vector
    }
}

impl Embedder for TestDouble {
    fn model_id(&self) -> &str {
        &self.model_id
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.dimension)
    }

    fn window_tokens(&self) -> usize {
        WINDOW_WORDS
    }

    fn semantic(&self) -> bool {
        false
    }

    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError> {
        Ok(words(text).count())
    }

    fn embed(
        &self,
        texts: &[&str],
        _purpose: Purpose,
        cancelled: Cancelled<'_>,
    ) -> Result<Embedded, EmbedError> {
        let mut embedded = Embedded { vectors: Vectors::new(self.dimension), tokens: 0, texts_cut: 0 };
        for text in texts {
            if cancelled() {
                return Err(EmbedError::Cancelled);
            }
            embedded.vectors.push(&self.vector(text));
            let count = words(text).count();
            embedded.tokens += count.min(WINDOW_WORDS) as u64;
            embedded.texts_cut += usize::from(count > WINDOW_WORDS);
        }
        let mut usage = lock(&self.usage);
        usage.texts += texts.len() as u64;
        usage.tokens += embedded.tokens;
        usage.requests += 1;
        Ok(embedded)
    }

    fn usage(&self) -> Usage {
        *lock(&self.usage)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}
