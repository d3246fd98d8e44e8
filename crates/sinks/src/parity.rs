//! What a store holds beside what it should hold, id by id.

use serde::Serialize;
use stele_model::ChunkId;

use crate::prepare::{fits, owned};
use crate::{Cancelled, OnProgress, PointId, Progress, Sink, SinkError, Step, Wanted};

/// Ids that are named of each difference: enough to look some of them up, and one screen.
pub const NAMED_IDS_MAX: usize = 20;

/// How a store compares with what should be in it. Measured by listing the ids of both; equal numbers of
/// different ids are a difference.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Parity {
    /// Points that should be there.
    pub wanted: u64,
    /// Points that the store's pages list.
    pub listed: u64,
    /// Points that the store counts. Another number than `listed` if somebody writes at the same time.
    pub counted: u64,
    /// Wanted and not there.
    pub missing: Differing,
    /// There and not wanted, those of other people included.
    pub extra: Differing,
    /// There and wanted, and yet something else. Only a graph says so of its nodes and edges; the ids of
    /// texts follow from what they say.
    pub changed: Differing,
}

/// Ids that are on one side only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Differing {
    /// How many.
    pub count: u64,
    /// The first of them, at most [`NAMED_IDS_MAX`], as the store writes them or as 32 digits.
    pub ids: Vec<String>,
}

impl Parity {
    /// The store holds what it should, all of it and nothing else.
    pub fn holds(&self) -> bool {
        let differ = [&self.missing, &self.extra, &self.changed];
        differ.iter().all(|these| these.count == 0) && self.listed == self.counted
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Parity) -> Parity {
        self.wanted += other.wanted;
        self.listed += other.listed;
        self.counted += other.counted;
        self.missing.join(&other.missing);
        self.extra.join(&other.extra);
        self.changed.join(&other.changed);
        self
    }
}

/// Compares the store with what should be in it, and changes nothing.
///
/// # Errors
/// [`SinkError::Missing`] if there is no collection, [`SinkError::Foreign`] or [`SinkError::Different`] if it
/// is of another lake or model, or what the sink or the other side says.
pub fn verify(sink: &dyn Sink, wanted: &dyn Wanted, cancelled: Cancelled<'_>) -> Result<Parity, SinkError> {
    let stamp = wanted.stamp();
    let Some(there) = sink.look(cancelled)? else {
        return Err(SinkError::Missing { sink: sink.shown().to_owned() });
    };
    owned(sink, &stamp, &there, false)?;
    fits(sink, &stamp, &there)?;
    let held = list(sink, Step::Comparing, &mut |_| {}, cancelled)?;
    Ok(compare(&ids(wanted)?, &held))
}

/// Every id that should be there, in order.
pub(crate) fn ids(wanted: &dyn Wanted) -> Result<Vec<ChunkId>, SinkError> {
    let mut ids = wanted.ids()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Every id that is there.
pub(crate) struct Held {
    /// Those that chunks may have, in order, each once.
    pub(crate) chunks: Vec<ChunkId>,
    /// Those of other people, in order, each once. Few, because a collection that is theirs is emptied
    /// before it is ours.
    pub(crate) foreign: Vec<String>,
    /// What the store counts.
    pub(crate) counted: u64,
}

/// Pages through all ids.
pub(crate) fn list(
    sink: &dyn Sink,
    step: Step,
    progress: OnProgress<'_>,
    cancelled: Cancelled<'_>,
) -> Result<Held, SinkError> {
    let total = sink.count(cancelled)?;
    let mut held = Held { chunks: Vec::new(), foreign: Vec::new(), counted: total };
    let mut from: Option<String> = None;
    let mut done = 0;
    loop {
        let page = sink.page(from.as_deref(), cancelled)?;
        done += page.ids.len() as u64;
        progress(Progress { step, done, total: total.max(done) });
        for id in page.ids {
            match id {
                PointId::Chunk(id) => held.chunks.push(id),
                PointId::Foreign(id) => held.foreign.push(id),
            }
        }
        if page.next.is_none() {
            break;
        }
        if page.next == from {
            let reason = "a page is followed by itself".to_owned();
            return Err(SinkError::BadAnswer { what: "list", sink: sink.shown().to_owned(), reason });
        }
        from = page.next;
    }
    held.chunks.sort_unstable();
    held.chunks.dedup();
    held.foreign.sort_unstable();
    held.foreign.dedup();
    Ok(held)
}

/// The difference of two lists in order.
pub(crate) fn compare(wanted: &[ChunkId], held: &Held) -> Parity {
    let mut parity = Parity {
        wanted: wanted.len() as u64,
        listed: (held.chunks.len() + held.foreign.len()) as u64,
        counted: held.counted,
        ..Parity::default()
    };
    only_in(wanted, &held.chunks).for_each(|id| parity.missing.add(&id));
    only_in(&held.chunks, wanted).for_each(|id| parity.extra.add(&id));
    held.foreign.iter().for_each(|id| parity.extra.add(id));
    parity
}

/// Those of the one list that are not in the other; both are in order.
pub(crate) fn only_in<'a>(these: &'a [ChunkId], others: &'a [ChunkId]) -> impl Iterator<Item = ChunkId> + 'a {
    these.iter().copied().filter(|id| others.binary_search(id).is_err())
}

impl Differing {
    pub(crate) fn add(&mut self, id: &dyn std::fmt::Display) {
        self.count += 1;
        if self.ids.len() < NAMED_IDS_MAX {
            self.ids.push(id.to_string());
        }
    }

    fn join(&mut self, other: &Differing) {
        self.count += other.count;
        let room = NAMED_IDS_MAX.saturating_sub(self.ids.len());
        self.ids.extend(other.ids.iter().take(room).cloned());
    }
}
