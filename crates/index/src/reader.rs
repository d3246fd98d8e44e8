//! Questions to one version of one table. A reader sees what it was opened at, whatever is written
//! meanwhile, and blocks nobody.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use lancedb::DistanceType;
use lancedb::expr::DfExpr;
use lancedb::index::scalar::{FtsQuery, FullTextSearchQuery, MatchQuery};
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use stele_model::{Chunk, ChunkId};

use crate::columns::{
    CHUNK_COLUMNS, ID, ROW, ROW_HASH, TERMS, TEXT, TEXT_HASH, TextHash, VECTOR, chunk_hashes, chunks_of,
    floats, ids, numbers, text_hashes, vectors,
};
use crate::digest::Identified;
use crate::error::{At, IndexError};
use crate::filter::{Filter, with_ids, with_rows, with_texts};
use crate::home::Home;
use crate::indexes::{terms_params, text_params};
use crate::lock::ReaderShare;
use crate::pointer::Pointer;
use crate::table::{IDS_PER_LOOKUP, Of, Table};
use crate::terms::query_terms;

/// Hits of one question. An answer shows a handful; a fusion of arms looks at a few hundred.
pub const HITS_MAX: usize = 1_000;

/// Bytes of one question. A page of text; more is a document and not a question.
pub const QUESTION_BYTES_MAX: usize = 8 << 10;

/// Hits that are asked for beyond `k`, so that among equal scores at the edge it is the id that
/// decides and not where a row happens to lie. Longer runs of equal scores stay undecided.
const TIES: usize = 32;

/// Partitions that a vector query looks into at least. Measured at 10,000 and 100,000 vectors in 200
/// clusters: recall at 10 of 1.00.
const PROBES: usize = 24;

/// The same where a filter leaves few vectors of each partition: the best that match lie further
/// away. Measured with a filter that one chunk in ten matches: 24 of 100 partitions found 0.87 of the
/// best ten.
const PROBES_FILTERED: usize = 128;

/// Candidates of the compressed vectors, as a multiple of `k`, whose exact distance is computed. It
/// makes scores exact, and so comparable with those of rows that no index covers yet. Measured at 100,000
/// vectors: the best ten are those of 4, which reads twice as much and takes a third longer.
const REFINE: u32 = 2;

/// How much more the name of what a chunk is about counts than a name that it mentions: enough that a
/// field comes before the object that lists it, and not so much that the other words do not matter.
const SUBJECT_WEIGHT: usize = 2;

/// Where a chunk lies in the version that a reader reads. It means nothing to any other reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Row(pub(crate) u64);

/// A chunk that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Which one.
    pub id: ChunkId,
    /// Where it lies, for [`Reader::at_rows`].
    pub row: Row,
    /// How well it fits: the cosine of the angle, or BM25. Higher is better. Scores of two arms do
    /// not compare.
    pub score: f32,
}

/// One version of one table.
pub struct Reader {
    pub(crate) table: Table,
    pub(crate) pointer: Pointer,
    pub(crate) answers: bool,
    /// Keeps the version directory from being removed.
    share: Arc<ReaderShare>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("pointer", &self.pointer).finish_non_exhaustive()
    }
}

impl Reader {
    /// `None` if the version directory is not there any more.
    pub(crate) fn open(home: &Home, pointer: &Pointer, answers: bool) -> Result<Option<Self>, IndexError> {
        let dir = home.dir.join(&pointer.dir);
        let Some(share) = ReaderShare::take(&dir)? else { return Ok(None) };
        let table = Table::open_at(home, &dir, pointer.table_version)?;
        Ok(Some(Self { table, pointer: pointer.clone(), answers, share: Arc::new(share) }))
    }

    /// The same reader by another handle of its table.
    pub(crate) fn at(&self, table: Table) -> Self {
        let (pointer, share) = (self.pointer.clone(), Arc::clone(&self.share));
        Self { table, pointer, answers: self.answers, share }
    }

    /// What this reader reads: spec, checkpoint, counts.
    pub fn pointer(&self) -> &Pointer {
        &self.pointer
    }

    /// The `k` chunks among those that match whose vectors point most nearly where this one does,
    /// best first, equal scores by id. Nothing for a vector without direction.
    ///
    /// # Errors
    ///
    /// When the index has no vectors, or the vector has another dimension or numbers that are none.
    pub fn vector(&self, vector: &[f32], filter: &Filter, k: usize) -> Result<Vec<Hit>, IndexError> {
        let Some(model) = &self.pointer.spec.model else {
            return Err(IndexError::Invalid(
                "the index holds texts alone: build it with an embedding model, or ask in words".to_owned(),
            ));
        };
        check_k(k)?;
        if vector.len() != model.dimension as usize {
            return Err(IndexError::Mismatch {
                path: self.table.home.dir.clone(),
                asked: format!("a vector of {} dimensions", vector.len()),
                there: self.pointer.spec.in_words(),
            });
        }
        if vector.iter().any(|number| !number.is_finite()) {
            return Err(IndexError::Invalid("the vector asked for holds a number that is none".to_owned()));
        }
        if k == 0 || self.pointer.rows == 0 || vector.iter().all(|number| *number == 0.0) {
            return Ok(Vec::new());
        }
        let asked = self.table.lance.query().nearest_to(vector).at("ask", &self.table.dir)?;
        let rows = filter.expr()?;
        let mut query = asked
            .column(VECTOR)
            .distance_type(DistanceType::Cosine)
            .minimum_nprobes(if rows.is_some() { PROBES_FILTERED } else { PROBES })
            .at("ask", &self.table.dir)?
            .refine_factor(REFINE)
            .limit(k + TIES)
            .with_row_id()
            .select(Select::columns(&[ID, "_distance"]));
        if let Some(rows) = rows {
            query = query.only_if_expr(rows);
        }
        self.hits(&query, "_distance", &|distance| 1.0 - distance, k)
    }

    /// The `k` chunks among those that match whose text fits best by BM25. The text is words and
    /// nothing else: quotes, `OR`, `*` and the like have no meaning in it.
    ///
    /// # Errors
    ///
    /// When the text is too long.
    pub fn text(&self, text: &str, filter: &Filter, k: usize) -> Result<Vec<Hit>, IndexError> {
        check_k(k)?;
        check_question(text)?;
        // A text of stop words or of none at all is no question to the library.
        let words = lancedb::tokenize(text, &text_params()).at("ask", &self.table.dir)?;
        if k == 0 || self.pointer.rows == 0 || words.is_empty() {
            return Ok(Vec::new());
        }
        self.words(FtsQuery::Match(matching(text.to_owned(), TEXT)), filter.expr()?, k)
    }

    /// The `k` chunks among those that match that have these names: a path, a segment of one, an
    /// event type, an identifier. What a chunk is about counts for more than what it mentions.
    ///
    /// # Errors
    ///
    /// When the names are too long together.
    pub fn terms(&self, names: &[&str], filter: &Filter, k: usize) -> Result<Vec<Hit>, IndexError> {
        check_k(k)?;
        check_question(&names.join(" "))?;
        let terms = query_terms(names);
        let words = lancedb::tokenize(&terms.names, &terms_params()).at("ask", &self.table.dir)?;
        if k == 0 || self.pointer.rows == 0 || words.is_empty() {
            return Ok(Vec::new());
        }
        // One list of words, and each subject as often as it counts: a question of two parts is answered by
        // another way of the library, which takes ten times as long with 100,000 chunks.
        let mut words = terms.names;
        for _ in 0..SUBJECT_WEIGHT {
            words.extend([" ", &terms.subjects]);
        }
        self.words(FtsQuery::Match(matching(words, TERMS)), filter.expr()?, k)
    }

    /// Whether the text of a row is found by words of it, and its terms by themselves. A text without
    /// a word that is kept counts as found.
    pub(crate) fn finds(&self, id: ChunkId, text: &str, column: &'static str) -> Result<bool, IndexError> {
        let params = if column == TERMS { terms_params() } else { text_params() };
        if lancedb::tokenize(text, &params).at("ask", &self.table.dir)?.is_empty() {
            return Ok(true);
        }
        let words = FtsQuery::Match(matching(text.to_owned(), column));
        Ok(self.words(words, Some(with_ids(&[id])), 1)?.iter().any(|hit| hit.id == id))
    }

    fn words(&self, words: FtsQuery, rows: Option<DfExpr>, k: usize) -> Result<Vec<Hit>, IndexError> {
        let limit = k + TIES;
        let asked = FullTextSearchQuery::new_query(words).limit(Some(limit as i64));
        let mut query = self
            .table
            .lance
            .query()
            .full_text_search(asked)
            .limit(limit)
            .with_row_id()
            .select(Select::columns(&[ID, "_score"]));
        if let Some(rows) = rows {
            query = query.only_if_expr(rows);
        }
        self.hits(&query, "_score", &|score| score, k)
    }

    fn hits(
        &self,
        query: &impl ExecutableQuery,
        column: &str,
        score_of: &dyn Fn(f32) -> f32,
        k: usize,
    ) -> Result<Vec<Hit>, IndexError> {
        let home = &self.table.home;
        let batches: Vec<RecordBatch> = home
            .call("ask", &self.table.dir, async { query.execute().await?.try_collect().await })
            .map_err(|error| self.stale(error))?;
        let mut hits = Vec::new();
        for batch in &batches {
            let scores = floats(batch, column).of(&self.table)?;
            let rows = numbers(batch, ROW).of(&self.table)?;
            let places = ids(batch).of(&self.table)?.into_iter().zip(rows.values());
            for ((id, row), score) in places.zip(scores.iter()) {
                hits.extend(score.map(|score| Hit { id, row: Row(*row), score: score_of(score) }));
            }
        }
        hits.sort_by(|one, two| two.score.total_cmp(&one.score).then(one.id.cmp(&two.id)));
        hits.truncate(k);
        Ok(hits)
    }

    /// The chunks with these ids, in the order asked. What is not there is left out.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn get(&self, asked: &[ChunkId]) -> Result<Vec<Chunk>, IndexError> {
        let mut found = HashMap::with_capacity(asked.len());
        for ids in asked.chunks(IDS_PER_LOOKUP) {
            self.scan(&self.table.present(&CHUNK_COLUMNS)?, Some(with_ids(ids)), &mut |batch| {
                found.extend(chunks_of(&batch).of(&self.table)?.into_iter().map(|chunk| (chunk.id, chunk)));
                Ok(())
            })?;
        }
        Ok(asked.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// The chunks that lie there, in no order. Quicker than by their ids, which have to be looked up.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn at_rows(&self, rows: &[Row]) -> Result<Vec<Chunk>, IndexError> {
        let mut found = Vec::with_capacity(rows.len());
        for rows in rows.chunks(IDS_PER_LOOKUP) {
            self.scan(&self.table.present(&CHUNK_COLUMNS)?, Some(with_rows(rows)), &mut |batch| {
                found.extend(chunks_of(&batch).of(&self.table)?);
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// The vectors of these chunks. What is not there, or has none, is left out.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn vectors(&self, asked: &[ChunkId]) -> Result<HashMap<ChunkId, Vec<f32>>, IndexError> {
        let mut found = HashMap::with_capacity(asked.len());
        if self.pointer.spec.model.is_none() {
            return Ok(found);
        }
        for some in asked.chunks(IDS_PER_LOOKUP) {
            self.scan(&[ID, VECTOR], Some(with_ids(some)), &mut |batch| {
                let vectors = vectors(&batch).of(&self.table)?;
                for (id, vector) in ids(&batch).of(&self.table)?.into_iter().zip(vectors) {
                    found.extend(vector.map(|vector| (id, vector)));
                }
                Ok(())
            })?;
        }
        Ok(found)
    }

    /// Hands over the ids of all chunks, a thousand at a time, in no order. `each` must not come back
    /// to the index.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, and what `each` says.
    pub fn ids(&self, each: &mut dyn FnMut(&[ChunkId]) -> Result<(), IndexError>) -> Result<(), IndexError> {
        self.scan(&[ID], None, &mut |batch| each(&ids(&batch).of(&self.table)?))
    }

    /// As [`Reader::ids`], of the chunks that match, each with what tells its content apart.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn hashes(
        &self,
        filter: &Filter,
        each: &mut dyn FnMut(&[Identified]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.scan(&[ID, ROW_HASH], filter.expr()?, &mut |batch| each(&chunk_hashes(&batch).of(&self.table)?))
    }

    /// Hands over all chunks, a thousand at a time, in no order. `each` must not come back to the
    /// index.
    ///
    /// # Errors
    ///
    /// When the table cannot be read, and what `each` says.
    pub fn chunks(
        &self,
        each: &mut dyn FnMut(Vec<Chunk>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.scan(&self.table.present(&CHUNK_COLUMNS)?, None, &mut |batch| {
            each(chunks_of(&batch).of(&self.table)?)
        })
    }

    /// The vectors of texts that some chunk here has, so that nobody embeds them again.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn known_texts(&self, hashes: &[TextHash]) -> Result<HashMap<TextHash, Vec<f32>>, IndexError> {
        known_texts(&self.table, self.pointer.spec.dimension().is_some(), hashes)
            .map_err(|error| self.stale(error))
    }

    pub(crate) fn scan(
        &self,
        columns: &[&str],
        rows: Option<DfExpr>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        self.table.scan(columns, rows, each).map_err(|error| self.stale(error))
    }

    /// Files that are gone mean that the version was pruned, if the pointer has moved on, and damage
    /// otherwise.
    fn stale(&self, error: IndexError) -> IndexError {
        let moved = || {
            let current =
                crate::pointer::Current::load(&self.table.home.dir).ok().flatten().unwrap_or_default();
            let place = |pointer: &Pointer| (pointer.dir.clone(), pointer.table_version);
            current.find(self.pointer.spec.key()).map(place) != Some(place(&self.pointer))
        };
        match error {
            IndexError::Lance { detail, .. } if is_not_found(&detail) && moved() => IndexError::Stale,
            IndexError::Lance { detail, .. } if is_not_found(&detail) => self.table.wrong(&detail),
            error => error,
        }
    }
}

/// The library says it in words.
fn is_not_found(detail: &str) -> bool {
    let detail = detail.to_lowercase();
    ["not found", "no such file", "does not exist", "notfound"].iter().any(|words| detail.contains(words))
}

/// Any of the words, each as it is: no operators, no fuzziness.
fn matching(words: String, column: &str) -> MatchQuery {
    MatchQuery::new(words).with_column(Some(column.to_owned())).with_fuzziness(Some(0))
}

fn check_k(k: usize) -> Result<(), IndexError> {
    if k > HITS_MAX {
        return Err(IndexError::Invalid(format!("{k} hits were asked for; at most {HITS_MAX} are possible")));
    }
    Ok(())
}

fn check_question(text: &str) -> Result<(), IndexError> {
    if text.len() > QUESTION_BYTES_MAX {
        return Err(IndexError::Invalid(format!(
            "the question has {} bytes; at most {QUESTION_BYTES_MAX} are possible",
            text.len()
        )));
    }
    Ok(())
}

/// The vectors of texts that some row of a table has.
pub(crate) fn known_texts(
    table: &Table,
    has_vectors: bool,
    hashes: &[TextHash],
) -> Result<HashMap<TextHash, Vec<f32>>, IndexError> {
    let mut known = HashMap::new();
    if !has_vectors {
        return Ok(known);
    }
    for some in hashes.chunks(IDS_PER_LOOKUP) {
        table.scan(&[TEXT_HASH, VECTOR], Some(with_texts(some)), &mut |batch| {
            let vectors = vectors(&batch).of(table)?;
            for (hash, vector) in text_hashes(&batch).of(table)?.into_iter().zip(vectors) {
                known.extend(hash.zip(vector));
            }
            Ok(())
        })?;
    }
    Ok(known)
}
