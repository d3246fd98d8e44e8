//! Whose collection it is, decided before anything is written. One rule for every store.

use crate::{BATCH_IDS_MAX, Cancelled, Found, PointId, Sink, SinkError, Stamp};

/// What may be done to a collection that is there. Nothing, unless it is said: then only one that this
/// lake made, or that is empty and nobody's, is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Opening {
    /// Take over a collection that is not of this lake, with its settings, and remove every point in it:
    /// nobody knows which model their vectors are of, so none of them may pass for a copy.
    pub adopt: bool,
    /// Remove the collection and make it anew: the way to another model or dimension. One that is not of
    /// this lake is removed only if it may also be adopted.
    pub recreate: bool,
}

/// What takes over a collection that is neither ours nor of a shape that our vectors fit into: either flag
/// alone would be told to take the other.
const ADOPT_AND_RECREATE: &str = "--adopt --recreate";

/// Makes the collection if it is missing, and makes sure that it is the one that is meant. Afterwards it is
/// marked with the stamp, and every vector of the stamp's dimension fits into it.
///
/// # Errors
/// [`SinkError::Foreign`] if it is not of this lake, [`SinkError::Different`] if it holds another model, or
/// what the sink says. A collection that is refused was not changed.
pub fn prepare(
    sink: &dyn Sink,
    stamp: &Stamp,
    opening: Opening,
    cancelled: Cancelled<'_>,
) -> Result<(), SinkError> {
    let mut found = sink.look(cancelled)?;
    if let Some(there) = &found {
        owned(sink, stamp, there, opening.adopt)?;
        if opening.recreate {
            sink.remove(cancelled)?;
            found = None;
        }
    }
    if found.is_none() {
        sink.make(stamp, cancelled)?;
        found = sink.look(cancelled)?;
    }
    // Also what was just made: another process may have been faster, or the store may have made
    // something else than it was asked for.
    let Some(there) = found else { return Err(SinkError::Missing { sink: sink.shown().to_owned() }) };
    owned(sink, stamp, &there, opening.adopt)?;
    fits(sink, stamp, &there)?;
    if there.stamp.as_ref() != Some(stamp) {
        // The mark comes last: what is killed before it begins again.
        if opening.adopt {
            empty(sink, cancelled)?;
        }
        sink.mark(stamp, cancelled)?;
    }
    Ok(())
}

/// Removes every point, page by page from the beginning, because a page that was emptied moves those
/// behind it.
fn empty(sink: &dyn Sink, cancelled: Cancelled<'_>) -> Result<(), SinkError> {
    let mut before: Option<PointId> = None;
    loop {
        let ids = sink.page(None, cancelled)?.ids;
        let Some(first) = ids.first() else { return Ok(()) };
        if before.as_ref() == Some(first) {
            let reason = format!("{first} was removed and is still there");
            return Err(SinkError::BadAnswer { what: "empty", sink: sink.shown().to_owned(), reason });
        }
        for batch in ids.chunks(BATCH_IDS_MAX) {
            sink.delete(batch, cancelled)?;
        }
        before = Some(first.clone());
    }
}

/// Whether the collection may be written to at all.
pub(crate) fn owned(sink: &dyn Sink, stamp: &Stamp, there: &Found, adopt: bool) -> Result<(), SinkError> {
    let whose = match &there.stamp {
        Some(mark) if mark.owner == stamp.owner => return Ok(()),
        None if there.points == 0 => return Ok(()),
        _ if adopt => return Ok(()),
        Some(mark) => format!("is the copy of another lake ({})", mark.owner),
        None => "was not made by stele".to_owned(),
    };
    let flags = if fits(sink, stamp, there).is_ok() { "--adopt" } else { ADOPT_AND_RECREATE };
    Err(SinkError::Foreign { sink: sink.shown().to_owned(), whose, points: there.points, flags })
}

/// Whether the vectors that are asked for can stand beside those that are there.
pub(crate) fn fits(sink: &dyn Sink, stamp: &Stamp, there: &Found) -> Result<(), SinkError> {
    let ours = match &there.stamp {
        Some(mark) => mark.owner == stamp.owner,
        None => there.points == 0,
    };
    let mut checks = vec![("comparison of vectors", there.space.clone(), "cosine".to_owned())];
    if let Some(mark) = there.stamp.as_ref().filter(|mark| mark.owner == stamp.owner) {
        checks.push(("model", mark.model.clone(), stamp.model.clone()));
        checks.push(("dimension", mark.dimension.to_string(), stamp.dimension.to_string()));
        checks.push(("version", mark.schema.to_string(), stamp.schema.to_string()));
    }
    if let Some(dimension) = there.dimension {
        checks.push(("dimension", dimension.to_string(), stamp.dimension.to_string()));
    }
    match checks.into_iter().find(|(_, there, asked)| there != asked) {
        None => Ok(()),
        Some((what, there, asked)) => {
            let flags = if ours { "--recreate" } else { ADOPT_AND_RECREATE };
            Err(SinkError::Different { sink: sink.shown().to_owned(), what, there, asked, flags })
        }
    }
}
