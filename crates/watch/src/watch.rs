//! What every watcher has in common: it looks, and says what is other than what was handed over.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use stele_http::Cancelled;
use stele_model::Micros;

use crate::handed::{Entry, Handed, Step};
use crate::status::Problem;
use crate::{Arrival, ArrivalKind, URI_BYTES_MAX, WatchError};

/// The time, as a look sees it: both kinds of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For people.
    pub(crate) at: Micros,
    /// For waits: since some moment that stays the same, and never back.
    pub(crate) since: Duration,
}

/// What is other than it was, and what is remembered once that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Nothing if nobody has to know: a file that was touched and says what it said.
    pub(crate) arrival: Option<Arrival>,
    pub(crate) steps: Vec<Step>,
}

/// What came of a look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    pub(crate) changes: Vec<Change>,
    /// Whether there is more to be said at once.
    pub(crate) more: bool,
    /// Whether all that is there was seen.
    pub(crate) scanned: bool,
    pub(crate) seen: u64,
    pub(crate) waiting: u64,
    pub(crate) ignored: u64,
    pub(crate) problems: Vec<Problem>,
    pub(crate) problems_count: u64,
}

/// A kind of watcher.
pub(crate) trait Watch: Send {
    /// Looks, and says what is other than what was handed over. Comes back soon after `cancelled`.
    fn look(&mut self, handed: &Handed, now: Now, cancelled: Cancelled<'_>) -> Result<Look, WatchError>;

    /// These were accepted and are remembered. Called after each batch.
    fn done(&mut self, changes: &[Change]);

    /// How long until the next look, if nothing went wrong.
    fn pause(&self) -> Duration;
}

/// A thing that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    pub(crate) uri: String,
    pub(crate) location: String,
    pub(crate) entry: Entry,
}

impl Thing {
    pub(crate) fn arrival(&self, kind: ArrivalKind, time: Micros) -> Arrival {
        Arrival {
            uri: self.uri.clone(),
            name: last_part(&self.uri).to_owned(),
            location: self.location.clone(),
            checksum: self.entry.checksum.clone(),
            kind,
            size: self.entry.size,
            modified: self.entry.modified,
            time,
        }
    }

    /// What to do about a URI that nobody would take.
    pub(crate) fn too_long(&self, name: &str, now: Now) -> Option<Problem> {
        (self.uri.len() > URI_BYTES_MAX).then(|| Problem {
            name: name.chars().take(80).collect(),
            cause: format!("its URI has {} bytes, and {URI_BYTES_MAX} is the most", self.uri.len()),
            next_action: "give it a shorter name".to_owned(),
            since: now.at,
        })
    }
}

/// What is gone, as far as it is remembered.
pub(crate) fn gone(uri: String, name: &str, entry: &Entry, now: Now) -> Change {
    let thing = Thing { location: uri.clone(), uri, entry: entry.clone() };
    let arrival = Some(thing.arrival(ArrivalKind::Gone, now.at));
    Change { arrival, steps: vec![Step::Gone(name.to_owned())] }
}

/// What stands behind the last `/` of a path, or of an address before its `?`.
fn last_part(uri: &str) -> &str {
    let path = match uri.contains("://") {
        true => uri.split(['?', '#']).next().unwrap_or(uri),
        false => uri,
    };
    path.rsplit('/').next().unwrap_or(path)
}

/// Things that are not there any more, by what they said, to be found again under another name.
#[derive(Debug, Default)]
pub(crate) struct Lost(HashMap<(String, Option<u64>), VecDeque<String>>);

impl Lost {
    /// Things without a content are all alike: none of them is another one renamed.
    pub(crate) fn add(&mut self, name: &str, entry: &Entry) {
        if entry.size != Some(0) {
            let key = (entry.checksum.clone(), entry.size);
            self.0.entry(key).or_default().push_back(name.to_owned());
        }
    }

    /// One that said the same: that with the same last part if there is one, as when a directory was renamed.
    pub(crate) fn take(&mut self, name: &str, entry: &Entry) -> Option<String> {
        let names = self.0.get_mut(&(entry.checksum.clone(), entry.size))?;
        let alike = names.iter().position(|lost| last_part(lost) == last_part(name));
        names.remove(alike.unwrap_or(0))
    }
}

/// What is other, where all that is there is known at once. Names of what is in `present` and of what was handed
/// over are of the same kind; `uri` makes a URI of one. What went is only said of names that `listed` knows to be
/// gone.
pub(crate) fn compare(
    handed: &Handed,
    present: &BTreeMap<String, Thing>,
    listed: &dyn Fn(&str) -> bool,
    uri: &dyn Fn(&str) -> String,
    now: Now,
) -> Vec<Change> {
    let mut lost = Lost::default();
    let mut absent = BTreeMap::new();
    for (name, entry) in handed.entries().filter(|(name, _)| !present.contains_key(*name) && listed(name)) {
        lost.add(name, entry);
        absent.insert(name, entry);
    }
    let mut changes = Vec::new();
    for (name, thing) in present {
        let put = Step::Put(name.clone(), thing.entry.clone());
        let (kind, steps) = match handed.get(name) {
            Some(entry) if entry == &thing.entry => continue,
            Some(entry) if entry.checksum == thing.entry.checksum => {
                changes.push(Change { arrival: None, steps: vec![put] });
                continue;
            }
            Some(_) => (ArrivalKind::Changed, vec![put]),
            None => match lost.take(name, &thing.entry) {
                Some(from) => {
                    absent.remove(&from);
                    let renamed = ArrivalKind::Renamed { from: uri(&from) };
                    (renamed, vec![put, Step::Gone(from)])
                }
                None => (ArrivalKind::Appeared, vec![put]),
            },
        };
        changes.push(Change { arrival: Some(thing.arrival(kind, now.at)), steps });
    }
    changes.extend(absent.into_iter().map(|(name, entry)| gone(uri(name), name, entry, now)));
    changes
}
