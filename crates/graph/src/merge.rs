//! Few parts, and few rows in them that do not count.
//!
//! Every update writes parts of its own, and leaves rows that do not count in older ones. Before a
//! commit, parts with many such rows are written anew without them, and small parts are joined.

use std::collections::BTreeSet;

use crate::durable::damaged;
use crate::error::{At, GraphError};
use crate::home::Home;
use crate::pointer::{Current, Part, Version};
use crate::store::OpenPart;
use crate::tables::Table;
use crate::writer::PART_BYTES_MAX;

/// Parts that are not full. Every lookup opens each of them, and so does every query of SQL; with
/// eight, a small update writes about as much as its share in the growth of the graph.
pub(crate) const PARTS_MAX: usize = 8;

/// Share of a part's documents that may be gone, as one in so many.
const GONE_ONE_IN: u64 = 4;

/// Documents of a part that may be gone. They stand in the pointer file, each with 35 bytes.
const GONE_MAX: usize = 4_096;

/// How much larger than all smaller ones together a part may be and still be joined with them. It
/// keeps a large part from being written anew for every few small ones.
const JOIN_TIMES: u64 = 4;

/// What was merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Merged {
    /// Parts that were written anew or dropped.
    pub parts_before: u64,
    /// Parts that they became.
    pub parts_after: u64,
}

/// Brings the parts of a version that nobody reads yet within the bounds.
pub(crate) fn merge(home: &Home, next: &mut Version, number: &mut u64) -> Result<Merged, GraphError> {
    let mut merged = Merged::default();
    let before = next.parts.len();
    next.parts.retain(|part| part.gone.len() as u64 != part.rows(Table::Documents));
    merged.parts_before += (before - next.parts.len()) as u64;

    let chosen = choose(&next.parts);
    if chosen.is_empty() {
        return Ok(merged);
    }
    home.faults.hit("graph.merge").at("merge parts of", &home.dir)?;
    for group in groups(&next.parts, &chosen) {
        let parts: Vec<&Part> = group.iter().map(|index| &next.parts[*index]).collect();
        let joined = write(home, &parts, number)?;
        next.parts.push(joined);
        merged.parts_before += group.len() as u64;
        merged.parts_after += 1;
    }
    let mut index = 0;
    next.parts.retain(|_| {
        index += 1;
        !chosen.contains(&(index - 1))
    });
    Ok(merged)
}

/// The parts to write anew.
fn choose(parts: &[Part]) -> BTreeSet<usize> {
    let worn = |part: &Part| {
        part.gone.len() > GONE_MAX || part.gone.len() as u64 * GONE_ONE_IN > part.rows(Table::Documents)
    };
    let mut chosen: BTreeSet<usize> = (0..parts.len()).filter(|index| worn(&parts[*index])).collect();
    let mut small: Vec<usize> =
        (0..parts.len()).filter(|index| parts[*index].bytes() < PART_BYTES_MAX / 2).collect();
    if small.len() <= PARTS_MAX {
        return chosen;
    }
    small.sort_by_key(|index| (parts[*index].bytes(), *index));
    let mut bytes = 0;
    for (nth, index) in small.into_iter().enumerate() {
        // Two at least, or there would be more and more of them.
        if nth >= 2 && parts[index].bytes() > bytes * JOIN_TIMES {
            break;
        }
        bytes += parts[index].bytes();
        chosen.insert(index);
    }
    chosen
}

/// What is chosen, in groups none of which becomes larger than a part may be.
fn groups(parts: &[Part], chosen: &BTreeSet<usize>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut bytes = u64::MAX;
    for index in chosen {
        let more = parts[*index].bytes();
        match groups.last_mut() {
            Some(group) if bytes + more <= PART_BYTES_MAX => {
                group.push(*index);
                bytes += more;
            }
            _ => {
                groups.push(vec![*index]);
                bytes = more;
            }
        }
    }
    groups
}

/// Writes the rows of `parts` that count as one part, batch by batch.
fn write(home: &Home, parts: &[&Part], number: &mut u64) -> Result<Part, GraphError> {
    let mut to = home.part(number)?;
    for part in parts {
        let gone =
            || damaged(&Current::path(&home.dir), &format!("it names {}, which is not there", part.dir));
        let from = OpenPart::open(&home.dir, part)?.ok_or_else(gone)?;
        for table in Table::ALL {
            for batch in from.batches(table, &[], None)? {
                to.write(table, &from.living(table, batch?)?)?;
            }
        }
    }
    to.finish()
}
