//! What every record passes on its way into a sink, whatever kind of source it is of: its contract, and whether it
//! was kept before.
//!
//! What is learnt on the way (members and their types, what was kept) goes along with the batch that it was learnt
//! from, among its other cursors: it is durable with these records or not at all, so a crash neither doubles a
//! record nor loses one.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::dedup::SEEN_MAX;
use crate::{
    Batch, CollectError, Columns, ContentId, Contract, Cursors, DedupBy, Judge, Rejected, Seen, Sink, Source,
    Verdict,
};

/// Cursors that begin with it are the sieve's own; no stream is called that.
pub const OWN: &str = "~";

/// What was kept, batch by batch: a number follows that rises.
const SEEN: &str = "~seen/";

/// What came of a run, beside what was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sifted {
    /// Records that were kept before, in this run or in an earlier one.
    pub duplicates: u64,
    /// Records that were left out because they are none, or not as they have to be. They are kept aside.
    pub rejected: u64,
    /// Members that were taken out of records.
    pub values_left: u64,
}

/// A sink that holds records against the contract of their source, leaves out what was kept before, and hands on
/// the rest.
pub struct Sieve<'s> {
    sink: &'s mut dyn Sink,
    contract: Contract,
    dedup: DedupBy,
    judges: BTreeMap<String, Judge>,
    seen: Seen,
    /// Where what is in `seen` lies, oldest first, and how many each holds.
    marks: VecDeque<(u64, usize)>,
    sifted: Sifted,
}

/// What is looked at of a line.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    original_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'s> Sieve<'s> {
    /// What the cursor is called that holds members and types of a stream: its name follows.
    pub const COLUMNS: &'static str = "~columns/";

    /// In front of `sink`, with what earlier runs of this source have learnt.
    ///
    /// # Errors
    /// If the cursors cannot be read.
    pub fn of(source: &Source, sink: &'s mut dyn Sink) -> Result<Self, CollectError> {
        let (mut judges, mut kept) = (BTreeMap::new(), BTreeMap::new());
        let known = sink.cursors()?;
        for name in known.streams().filter(|name| name.starts_with(OWN)) {
            let cursor = known.get(name).unwrap_or_default();
            if let Some(stream) = name.strip_prefix(Self::COLUMNS) {
                let columns = Columns::deserialize(cursor).unwrap_or_default();
                let judge = Judge::new(source.schema.clone()).with_columns(columns);
                judges.insert(stream.to_owned(), judge);
            } else if let Some(number) = name.strip_prefix(SEEN) {
                kept.insert(number.parse().unwrap_or(0), ids_of(&cursor));
            }
        }
        let marks = kept.iter().map(|(number, ids)| (*number, ids.len())).collect();
        Ok(Self {
            sink,
            contract: source.schema.clone(),
            dedup: source.dedup.clone(),
            judges,
            seen: Seen::with(kept.into_values().flatten()),
            marks,
            sifted: Sifted::default(),
        })
    }

    /// What came of all batches that were kept.
    pub fn sifted(&self) -> &Sifted {
        &self.sifted
    }

    fn judge(&mut self, stream: &str) -> &mut Judge {
        self.judges.entry(stream.to_owned()).or_insert_with(|| Judge::new(self.contract.clone()))
    }

    /// Takes out of a batch what does not go on.
    fn sift(&mut self, batch: &mut Batch, marks: &mut Vec<ContentId>) -> Result<Sifted, CollectError> {
        let mut sifted = Sifted::default();
        let judging = !Judge::new(self.contract.clone()).takes_everything();
        if !judging && self.dedup == DedupBy::Nothing {
            return Ok(sifted);
        }
        let lines = std::mem::take(&mut batch.lines);
        let (records, met_rejected) = (batch.records, batch.rejected.len());
        let mut kept = Vec::with_capacity(lines.len());
        for (record, bytes) in lines.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let place = batch.places.of(record);
            let refuse = |error| CollectError::Unwritable(error);
            let line: Line<'_> = serde_json::from_slice(bytes).map_err(refuse)?;
            let mut data: Value = match serde_json::from_str(line.data.get()) {
                Ok(data) => data,
                // Such as half of a character, or brackets too deep to be looked into.
                Err(error) => {
                    let reason = format!("it cannot be looked into: {error}");
                    batch.rejected.push(rejected(line, place, 0, reason));
                    batch.records -= 1;
                    continue;
                }
            };
            let mut trimmed = None;
            if judging && let Value::Object(members) = &mut data {
                let judge = self.judge(&line.stream);
                let before = judge.report().values_left;
                match judge.judge(members) {
                    Verdict::Kept => {}
                    Verdict::Trimmed => {
                        sifted.values_left += judge.report().values_left - before;
                        trimmed = Some(data.to_string());
                    }
                    Verdict::Left(reason) => {
                        let number = judge.report().records;
                        batch.rejected.push(rejected(line, place, number, reason));
                        batch.records -= 1;
                        continue;
                    }
                    Verdict::Frozen(why) => {
                        let number = judge.report().records;
                        let reason = judge.report().reasons.last().map_or(&why, |(_, reason)| reason).clone();
                        let stream = line.stream.to_string();
                        let rejected = rejected(line, place, number, reason);
                        let at = rejected.place.clone();
                        let of_file = batch.places.file_of(record).map(|(_, records)| records.len() as u64);
                        let others = of_file.unwrap_or(records) - 1;
                        // It is set aside alone: all others come again.
                        let aside =
                            Batch { stream: stream.clone(), rejected: vec![rejected], ..Batch::default() };
                        let mut given = Box::new(std::mem::replace(batch, aside));
                        given.rejected.truncate(met_rejected);
                        (given.lines, given.records) = (lines, records);
                        let again = match others {
                            0 => String::new(),
                            1 => "; one other record of its batch is not kept either, and comes again"
                                .to_owned(),
                            _ => format!(
                                "; {others} other records of its batch are not kept either, and come again"
                            ),
                        };
                        let why = format!("{at}: {why}{again}");
                        return Err(CollectError::Frozen { stream, why, record, batch: given });
                    }
                }
            }
            if let Some(id) = self.dedup.id(&data) {
                let id = of_stream(&line.stream, id);
                if !self.seen.is_new(id) {
                    sifted.duplicates += 1;
                    batch.records -= 1;
                    continue;
                }
                marks.push(id);
            }
            match trimmed {
                None => kept.extend_from_slice(bytes),
                Some(data) => {
                    // It was read from these bytes.
                    let start = line.data.get().as_ptr().addr() - bytes.as_ptr().addr();
                    kept.extend_from_slice(&bytes[..start]);
                    kept.extend_from_slice(data.as_bytes());
                    kept.extend_from_slice(&bytes[start + line.data.get().len()..]);
                }
            }
        }
        batch.lines = kept;
        sifted.rejected = batch.rejected.len() as u64;
        Ok(sifted)
    }

    /// Adds what is known of members now and was not before.
    fn learnt(&self, batch: &mut Batch, before: &BTreeMap<String, Judge>) {
        let new = Judge::new(self.contract.clone());
        for (stream, judge) in &self.judges {
            if before.get(stream).unwrap_or(&new).columns() != judge.columns()
                && let Ok(columns) = serde_json::to_value(judge.columns())
            {
                batch.others.push((format!("{}{stream}", Self::COLUMNS), columns));
            }
        }
    }
}

impl Sink for Sieve<'_> {
    fn cursors(&self) -> Result<Cursors, CollectError> {
        let mut cursors = self.sink.cursors()?;
        cursors.retain(|stream| !stream.starts_with(OWN));
        Ok(cursors)
    }

    fn take(&mut self, mut batch: Batch) -> Result<(), CollectError> {
        let mut ids = Vec::new();
        let judges = self.judges.clone();
        let met_rejected = batch.rejected.len() as u64;
        let sifted = self.sift(&mut batch, &mut ids);
        let is_frozen = matches!(sifted, Err(CollectError::Frozen { .. }));
        let aside = is_frozen.then(|| std::mem::take(&mut batch));
        let taken = sifted.and_then(|mut sifted| {
            sifted.rejected = sifted.rejected.max(met_rejected);
            self.learnt(&mut batch, &judges);
            let mut forgotten = 0;
            let number = self.marks.back().map_or(0, |(number, _)| number + 1);
            if !ids.is_empty() {
                batch.others.push((format!("{SEEN}{number:010}"), text_of(&ids)));
                let mut held: usize = self.marks.iter().map(|(_, ids)| ids).sum::<usize>() + ids.len();
                for (number, ids) in &self.marks {
                    held -= ids;
                    if held < SEEN_MAX {
                        break;
                    }
                    batch.others.push((format!("{SEEN}{number:010}"), Value::Null));
                    forgotten += 1;
                }
            }
            self.sink.take(batch)?;
            self.marks.drain(..forgotten);
            if !ids.is_empty() {
                self.marks.push_back((number, ids.len()));
            }
            Ok(sifted)
        });
        match taken {
            Ok(sifted) => {
                self.seen.kept();
                self.sifted.duplicates += sifted.duplicates;
                self.sifted.rejected += sifted.rejected;
                self.sifted.values_left += sifted.values_left;
                Ok(())
            }
            Err(error) => {
                self.seen.lost();
                self.judges = judges;
                if let Some(aside) = aside {
                    self.sink.take(aside)?;
                    self.sifted.rejected += 1;
                }
                Err(error)
            }
        }
    }

    fn batch_records(&self) -> u64 {
        self.sink.batch_records()
    }

    fn keeps(&self) -> bool {
        self.sink.keeps()
    }
}

/// With where a person would look for the record: the file and the row that it is of, its id, or else its number in the run.
fn rejected(line: Line<'_>, place: Option<String>, number: u64, reason: String) -> Rejected {
    let place = place.unwrap_or_else(|| match &line.original_id {
        Some(id) => format!("{} {id}", line.stream),
        // It was not counted.
        None if number == 0 => line.stream.to_string(),
        None => format!("{}, record {number}", line.stream),
    });
    Rejected { stream: line.stream.into_owned(), place, reason, raw: line.data.get().as_bytes().to_vec() }
}

/// The same content in two streams is two things.
fn of_stream(stream: &str, id: ContentId) -> ContentId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(stream.as_bytes()).update(&[0]).update(&id);
    let mut of = id;
    let len = of.len();
    of.copy_from_slice(&hasher.finalize().as_bytes()[..len]);
    of
}

fn text_of(ids: &[ContentId]) -> Value {
    STANDARD_NO_PAD.encode(ids.concat()).into()
}

fn ids_of(text: &Value) -> Vec<ContentId> {
    let bytes = text.as_str().and_then(|text| STANDARD_NO_PAD.decode(text).ok()).unwrap_or_default();
    bytes.chunks_exact(size_of::<ContentId>()).filter_map(|id| id.try_into().ok()).collect()
}
