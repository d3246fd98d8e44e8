//! Does the table hold what the pointer says? Every file that it names is looked for, every row is read
//! and everything that follows from its content is computed again; then every index is read, and asked
//! for rows that are there.

use std::collections::HashSet;

use stele_model::{CHUNK_POLICY, Chunk, ChunkId};

use crate::columns::{
    CHUNK_COLUMNS, ROW_HASH, TERMS, TEXT_HASH, TextHash, VECTOR, VECTOR_HASH, chunks_of, numbers, row_hashes,
    texts, vector_hash, vectors,
};
use crate::digest::{LogicalHash, row_hash};
use crate::error::IndexError;
use crate::files::{self, Probe};
use crate::pointer::SCHEMA_VERSION;
use crate::reader::Reader;
use crate::table::Of;
use crate::terms::terms_of;

/// Problems that are named one by one; the rest is counted. More than a hundred say no more than a
/// hundred do.
pub const PROBLEMS_NAMED_MAX: usize = 100;

/// How far the numbers of two vectors of one text may lie apart when they were made by other threads
/// or on another machine. Sums of a few hundred single-precision products differ in the sixth digit.
pub const VECTOR_PRECISION: f32 = 1e-4;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The chunk, if it is about one.
    pub id: Option<ChunkId>,
    /// What is wrong.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// Rows that were read.
    pub rows: u64,
    /// The logical hash, computed anew.
    pub logical_hash: LogicalHash,
    /// The first [`PROBLEMS_NAMED_MAX`] problems.
    pub problems: Vec<Problem>,
    /// All problems.
    pub problem_count: u64,
}

impl Verification {
    /// Whether all is as it should be.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    pub(crate) fn add(&mut self, id: Option<ChunkId>, what: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_NAMED_MAX {
            self.problems.push(Problem { id, what: what.into() });
        }
    }
}

impl Reader {
    /// Looks for every file, reads every row and compares it with its own hashes and with the pointer,
    /// and reads every index. It holds the ids of all rows in memory, about 32 bytes a row, and the
    /// indexes as a search does.
    ///
    /// # Errors
    ///
    /// [`IndexError::Stale`] if the version was pruned meanwhile. What is gone or wrong is in the answer.
    pub fn verify(&self) -> Result<Verification, IndexError> {
        let mut found = Verification::default();
        // What an earlier question left in memory must not answer for a file that is gone.
        let cold = self.cold()?;
        let gone = files::gone(&cold.table)?;
        gone.iter().for_each(|file| found.add(None, file.what.as_str()));
        if gone.iter().any(|file| file.index.is_none()) {
            // Without them every hash differs, and saying so would hide the cause.
            return Ok(found);
        }
        let mut probes = Vec::new();
        match cold.read_rows(&mut found, &mut probes) {
            Err(IndexError::Stale) => return Err(IndexError::Stale),
            Err(error) => found.add(None, format!("its rows cannot be read: {}", files::detail_of(error))),
            Ok(()) => cold.check_indexes(&mut found, &gone, &probes),
        }
        Ok(found)
    }

    /// Compares every row with its own hashes, and all of them with the pointer; takes some along as
    /// probes of the indexes.
    fn read_rows(&self, found: &mut Verification, probes: &mut Vec<Probe>) -> Result<(), IndexError> {
        let mut seen = HashSet::new();
        let dimension = self.pointer.spec.dimension();
        let mut columns = self.table.present(&CHUNK_COLUMNS)?;
        columns.extend([TERMS, ROW_HASH, TEXT_HASH, VECTOR_HASH]);
        columns.extend(dimension.map(|_| VECTOR));
        self.scan(&columns, None, &mut |batch| {
            let chunks = chunks_of(&batch).of(&self.table)?;
            let hashes = row_hashes(&batch).of(&self.table)?;
            let terms = texts(&batch, TERMS).of(&self.table)?;
            let text_hashes = texts(&batch, TEXT_HASH).of(&self.table)?;
            let vector_hashes = numbers(&batch, VECTOR_HASH).of(&self.table)?;
            let vectors = match dimension {
                Some(_) => vectors(&batch).of(&self.table)?,
                None => vec![None; chunks.len()],
            };
            for (at, (chunk, vector)) in chunks.into_iter().zip(vectors).enumerate() {
                let hash = row_hash(&chunk);
                found.rows += 1;
                found.logical_hash.add(&hash);
                let id = Some(chunk.id);
                if Probe::is_due(found.rows, self.pointer.rows) {
                    probes.push(Probe::of(&chunk, terms.value(at), vector.as_deref()));
                }
                if !seen.insert(chunk.id) {
                    found.add(id, "stands in more than one row");
                }
                if hash != hashes[at] {
                    found.add(id, "its text or metadata are not what was written");
                }
                if text_hashes.value(at) != TextHash::of(&chunk.text).hex() {
                    found.add(id, "its text does not have the hash that stands beside it");
                }
                // An older schema had other rules, by which it still answers.
                if self.pointer.spec.schema == SCHEMA_VERSION && terms.value(at) != terms_of(&chunk) {
                    found.add(id, "its terms do not follow from it");
                }
                let vector_said = vector_hashes.iter().nth(at).flatten();
                for what in vector_problems(vector.as_deref(), vector_said, dimension) {
                    found.add(id, what);
                }
                if self.pointer.spec.chunk_policy == CHUNK_POLICY {
                    let Chunk { id: said, text, metadata } = chunk;
                    if Chunk::new(text, metadata).id != said {
                        found.add(id, "its id does not follow from its content");
                    }
                }
            }
            Ok(())
        })?;
        let pointer = &self.pointer;
        if found.rows != pointer.rows {
            found
                .add(None, format!("the pointer says {} chunks, the table has {}", pointer.rows, found.rows));
        }
        if found.logical_hash != pointer.logical_hash {
            let (says, is) = (pointer.logical_hash, found.logical_hash);
            found.add(None, format!("the pointer says logical hash {says}, the table has {is}"));
        }
        Ok(())
    }

    /// Compares the vectors of two indexes of equal chunks: the largest difference between two
    /// numbers, and how many chunks have a vector on one side alone.
    ///
    /// # Errors
    ///
    /// When a table cannot be read.
    pub fn vector_difference(&self, other: &Self) -> Result<VectorDifference, IndexError> {
        let mut difference = VectorDifference::default();
        let mut all = Vec::new();
        self.ids(&mut |ids| {
            all.extend_from_slice(ids);
            Ok(())
        })?;
        for ids in all.chunks(crate::table::IDS_PER_LOOKUP) {
            let (here, there) = (self.vectors(ids)?, other.vectors(ids)?);
            difference.unmatched += there.keys().filter(|id| !here.contains_key(id)).count() as u64;
            for (id, vector) in here {
                let Some(twin) = there.get(&id).filter(|twin| twin.len() == vector.len()) else {
                    difference.unmatched += 1;
                    continue;
                };
                for (one, two) in vector.iter().zip(twin) {
                    difference.largest = difference.largest.max((one - two).abs());
                }
            }
        }
        Ok(difference)
    }
}

/// How far the vectors of two indexes lie apart.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct VectorDifference {
    /// The largest difference between two numbers in one place.
    pub largest: f32,
    /// Chunks that have a vector on one side alone.
    pub unmatched: u64,
}

impl VectorDifference {
    /// Whether they are equal to [`VECTOR_PRECISION`].
    pub fn is_none(&self) -> bool {
        self.unmatched == 0 && self.largest <= VECTOR_PRECISION
    }
}

fn vector_problems(vector: Option<&[f32]>, said: Option<u64>, dimension: Option<u32>) -> Vec<&'static str> {
    let mut problems = Vec::new();
    match (vector, dimension) {
        (None, None) => {}
        (None, Some(_)) => problems.push("has no vector"),
        (Some(_), None) => problems.push("has a vector, and the index holds texts alone"),
        (Some(vector), Some(dimension)) => {
            if vector.len() != dimension as usize {
                problems.push("its vector has another dimension");
            }
            if vector.iter().any(|number| !number.is_finite()) {
                problems.push("its vector holds a number that is none");
            }
        }
    }
    if vector.map(vector_hash) != said {
        problems.push("its vector is not what was written");
    }
    problems
}
