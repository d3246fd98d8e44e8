//! The promise that every embedder keeps, and the plain data around it.

use crate::{Cancelled, EmbedError};

/// Turns texts into vectors of one model.
///
/// Two vectors can be compared only if they come from embedders with the same [`Embedder::model_id`].
pub trait Embedder: Send + Sync {
    /// The name of the vector space, such as `local/all-MiniLM-L6-v2/int8`. Store it beside the
    /// vectors, and refuse to mix.
    fn model_id(&self) -> &str;

    /// Numbers in a vector. `None` before the first answer of a service whose dimension nobody set.
    fn dimension(&self) -> Option<usize>;

    /// Longest text that is taken in whole, in tokens of this model, those that mark its start and
    /// its end included. What is beyond it has no part in the vector.
    fn window_tokens(&self) -> usize;

    /// Whether near vectors mean near meaning. A test double says no, so that nobody takes its
    /// answers for an answer.
    fn semantic(&self) -> bool;

    /// How many tokens a text has, start and end included and uncut. Exact where the tokeniser is at
    /// hand; from a service, an estimate that is rather too high.
    ///
    /// # Errors
    /// If the tokeniser cannot be loaded or refuses the text.
    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError>;

    /// One vector for each text, in the order of the texts.
    ///
    /// # Errors
    /// All or nothing: a batch of which one text fails has no vectors. [`EmbedError::Cancelled`] if
    /// `cancelled` said so.
    fn embed(
        &self,
        texts: &[&str],
        purpose: Purpose,
        cancelled: Cancelled<'_>,
    ) -> Result<Embedded, EmbedError>;

    /// What was done since this embedder was made.
    fn usage(&self) -> Usage;
}

/// What a text is: some models want to be told by a word in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A stored text that will be searched for.
    Passage,
    /// A question that searches.
    Query,
}

/// Words in front of a text, as some models want them. Nothing, unless the model's card says so.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prefixes {
    /// Put in front of every stored text, such as `passage: `.
    pub passage: String,
    /// Put in front of every question, such as `query: `.
    pub query: String,
}

impl Prefixes {
    /// The one for this purpose.
    pub(crate) fn of(&self, purpose: Purpose) -> &str {
        match purpose {
            Purpose::Passage => &self.passage,
            Purpose::Query => &self.query,
        }
    }
}

/// The answer to one [`Embedder::embed`].
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// One vector a text.
    pub vectors: Vectors,
    /// Tokens that were looked at.
    pub tokens: u64,
    /// Texts that were longer than the window and lost their end. Services do not tell: 0.
    pub texts_cut: usize,
}

/// What an embedder has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Texts that were given vectors.
    pub texts: u64,
    /// Tokens that were looked at.
    pub tokens: u64,
    /// Calls of a model or a service that were answered.
    pub requests: u64,
    /// Calls that failed and were made again.
    pub retries: u64,
    /// What it cost, in the currency of the price that was set; 0 where none was.
    pub cost: f64,
}

/// Vectors of one dimension, one after another in one piece of memory, each of length 1 (L2).
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    dimension: usize,
    values: Vec<f32>,
}

impl Vectors {
    /// None yet.
    pub(crate) fn new(dimension: usize) -> Self {
        Vectors { dimension, values: Vec::new() }
    }

    /// Room for this many, all zero.
    pub(crate) fn zeros(dimension: usize, count: usize) -> Self {
        Vectors { dimension, values: vec![0.0; dimension * count] }
    }

    /// Appends one; a length other than the dimension would shift all that follow.
    pub(crate) fn push(&mut self, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dimension);
        self.values.extend_from_slice(vector);
    }

    /// Overwrites the one at `index`.
    pub(crate) fn set(&mut self, index: usize, vector: &[f32]) {
        self.values[index * self.dimension..(index + 1) * self.dimension].copy_from_slice(vector);
    }

    /// Numbers in a vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// How many vectors.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dimension).unwrap_or(0)
    }

    /// No vector at all.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The one at `index`, if there is one.
    pub fn get(&self, index: usize) -> Option<&[f32]> {
        self.values.get(index * self.dimension..(index + 1) * self.dimension)
    }

    /// One after another.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimension.max(1))
    }

    /// All numbers in a row, as a column of fixed-size lists wants them.
    pub fn into_flat(self) -> Vec<f32> {
        self.values
    }
}

/// Brings a vector to length 1. A vector of zeros has no direction and stays as it is.
pub(crate) fn normalise(vector: &mut [f32]) {
    // In f64, because the squares of large f32 overflow.
    let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if length > 0.0 {
        for x in vector {
            *x = (f64::from(*x) / length) as f32;
        }
    }
}
