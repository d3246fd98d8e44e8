//! Rows that go into one question, gathered by what the question is.

use std::collections::BTreeMap;

use crate::bolt::Value;

/// Rows in a question at most: a server takes them in one transaction of a tenth of a second.
pub(super) const BATCH_ROWS_MAX: usize = 500;

/// Bytes of rows in a question, after which no more are added: with the longest property far below the
/// sixteen megabytes that servers take.
const BATCH_BYTES_MAX: usize = 2 << 20;

/// Rows that wait, by question.
#[derive(Default)]
pub(super) struct Batches {
    waiting: BTreeMap<String, Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// As they are sent, so that nobody has to guess how long they are.
    rows: Vec<Value>,
    length: usize,
}

/// A question with its rows.
pub(super) struct Batch {
    pub(super) question: String,
    pub(super) rows: Vec<Value>,
}

impl Batches {
    /// Adds a row; gives a batch that is full.
    pub(super) fn push(&mut self, question: String, row: &Value) -> Option<Batch> {
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        let waiting = self.waiting.entry(question.clone()).or_default();
        waiting.length += bytes.len();
        waiting.rows.push(Value::Written(bytes));
        let full = waiting.rows.len() >= BATCH_ROWS_MAX || waiting.length >= BATCH_BYTES_MAX;
        full.then(|| Batch { rows: std::mem::take(waiting).rows, question })
    }

    /// What is left.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Batch> + use<> {
        let left = std::mem::take(&mut self.waiting).into_iter();
        left.filter(|(_, waiting)| !waiting.rows.is_empty())
            .map(|(question, waiting)| Batch { question, rows: waiting.rows })
    }
}
