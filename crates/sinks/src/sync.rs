//! Making a store hold what it should: ask, write what is missing, remove what is too much, ask again.

use stele_model::ChunkId;

use crate::parity::{compare, ids, list, only_in};
use crate::{Cancelled, Opening, Parity, Point, PointId, Sink, SinkError, Stamp, prepare};

/// Points in a batch at most: with vectors of four hundred numbers two megabytes of JSON, so a store
/// confirms several times a second and little is sent again after a failure.
pub const BATCH_POINTS_MAX: usize = 500;

/// Ids in a request to remove points at most: forty kilobytes, which no server refuses.
pub const BATCH_IDS_MAX: usize = 1000;

/// What should be in a store. The caller has it in an index, or in memory ([`crate::WantedPoints`]).
pub trait Wanted {
    /// Whose it is, and of which model.
    fn stamp(&self) -> Stamp;

    /// Every id; the order does not matter. All of them are held in memory, 16 bytes each.
    ///
    /// # Errors
    /// [`SinkError::wanted`].
    fn ids(&self) -> Result<Vec<ChunkId>, SinkError>;

    /// The points with these ids, at most [`BATCH_POINTS_MAX`], in any order. One that is gone meanwhile
    /// is left out; the comparison afterwards names it.
    ///
    /// # Errors
    /// [`SinkError::wanted`].
    fn points(&self, ids: &[ChunkId]) -> Result<Vec<Point>, SinkError>;
}

/// Told how far it is.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

/// How far a step is, in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Points that are done.
    pub done: u64,
    /// Points that this step goes over, as far as it is known.
    pub total: u64,
}

/// What [`sync`] does, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The store is asked which points it holds.
    Listing,
    /// What is missing is written.
    Writing,
    /// What is too much is removed.
    Removing,
    /// The store is asked again.
    Comparing,
}

/// What a [`sync`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// Points that were written.
    pub written: u64,
    /// Points that were removed.
    pub removed: u64,
    /// What the store held afterwards, beside what it should hold. Somebody who wrote at the same time is
    /// a reason why it does not hold; to run it again is what to do.
    pub parity: Parity,
}

/// Makes the store hold what is wanted, and measures whether it does.
///
/// New texts are written before old ones are removed, so a text that was edited is never absent. Nothing
/// is noted down: a run that was stopped or killed is taken up by the next one, which asks the store.
///
/// # Errors
/// What [`prepare`] says, [`SinkError::Wanted`] or [`SinkError::Point`] about the other side, or what the
/// sink says; inside of [`SinkError::Stopped`] as soon as it may have written something.
pub fn sync(
    sink: &dyn Sink,
    wanted: &dyn Wanted,
    opening: Opening,
    progress: OnProgress<'_>,
    cancelled: Cancelled<'_>,
) -> Result<Synced, SinkError> {
    let stamp = wanted.stamp();
    prepare(sink, &stamp, opening, cancelled)?;
    let wanted_ids = ids(wanted)?;
    let before = list(sink, Step::Listing, progress, cancelled)?;
    let missing: Vec<ChunkId> = only_in(&wanted_ids, &before.chunks).collect();
    let extra: Vec<PointId> = only_in(&before.chunks, &wanted_ids)
        .map(PointId::Chunk)
        .chain(before.foreign.iter().cloned().map(PointId::Foreign))
        .collect();
    tracing::debug!(sink = sink.shown(), missing = missing.len(), extra = extra.len(), "compared");
    let (mut written, mut removed) = (0, 0);
    let changed = write(sink, wanted, &missing, &mut written, progress, cancelled)
        .and_then(|()| remove(sink, &extra, &mut removed, progress, cancelled))
        .and_then(|()| match (written, removed) {
            // What it held is what it holds.
            (0, 0) => Ok(before),
            _ => list(sink, Step::Comparing, progress, cancelled),
        });
    match changed {
        Ok(after) => Ok(Synced { written, removed, parity: compare(&wanted_ids, &after) }),
        Err(error) => {
            let sink = sink.shown().to_owned();
            Err(SinkError::Stopped { sink, things: "points", written, removed, source: Box::new(error) })
        }
    }
}

fn write(
    sink: &dyn Sink,
    wanted: &dyn Wanted,
    missing: &[ChunkId],
    written: &mut u64,
    progress: OnProgress<'_>,
    cancelled: Cancelled<'_>,
) -> Result<(), SinkError> {
    let dimension = wanted.stamp().dimension;
    let mut done = 0;
    for batch in missing.chunks(BATCH_POINTS_MAX) {
        let points = wanted.points(batch)?;
        points.iter().try_for_each(|point| check(point, dimension))?;
        sink.upsert(&points, cancelled)?;
        *written += points.len() as u64;
        done += batch.len() as u64;
        progress(Progress { step: Step::Writing, done, total: missing.len() as u64 });
    }
    Ok(())
}

fn remove(
    sink: &dyn Sink,
    extra: &[PointId],
    removed: &mut u64,
    progress: OnProgress<'_>,
    cancelled: Cancelled<'_>,
) -> Result<(), SinkError> {
    for batch in extra.chunks(BATCH_IDS_MAX) {
        sink.delete(batch, cancelled)?;
        *removed += batch.len() as u64;
        progress(Progress { step: Step::Removing, done: *removed, total: extra.len() as u64 });
    }
    Ok(())
}

/// A store takes the size of the first vector for the size of all, and JSON has no word for infinity.
fn check(point: &Point, dimension: usize) -> Result<(), SinkError> {
    let reason = match point.vector.iter().position(|number| !number.is_finite()) {
        _ if point.vector.len() != dimension => {
            format!("its vector has {} numbers instead of {dimension}", point.vector.len())
        }
        Some(place) => format!("number {place} of its vector is {}", point.vector[place]),
        None => return Ok(()),
    };
    Err(SinkError::Point { id: point.chunk.id.to_string(), reason })
}
