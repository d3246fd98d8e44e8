//! What the lake holds of each thing already, so that what did not change is not kept once more.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use stele_collect::Batch;
use stele_lake::sql::{Params, Sql};
use stele_model::RawHash;
use stele_model::id::IdHasher;

use super::sink::SCHEME;
use super::trust::Trust;
use crate::EngineError;

/// Things that are remembered: 100 MB of memory. What is beyond them is kept again when it is read again; the views
/// of the lake know the newest of each.
const THINGS_MAX: usize = 2_000_000;

/// The last record of each thing, in the order in which batches came: streams of one thing have names of their own.
const LATEST: &str = "SELECT event_type, original_id, arg_max(raw_hash, (stele_batch(source), byte_offset)) FROM events \
     WHERE tenant_id = $tenant AND starts_with(source, $prefix) AND original_id IS NOT NULL GROUP BY 1, 2";

/// What tells a line of a thing.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, default)]
    original_id: Option<Cow<'a, str>>,
}

type Key = [u8; 16];

/// The newest record of each thing, by its hash.
#[derive(Debug, Default)]
pub(super) struct Latest(HashMap<Key, u128>);

impl Latest {
    /// Of a source, by the word of the lake.
    pub(super) fn of(sql: &Sql, tenant: &str, source: &str) -> Result<Self, EngineError> {
        let mut latest = Self::default();
        let prefix = format!("{SCHEME}{source}/");
        let params = Params::none().with("tenant", tenant).with("prefix", prefix.as_str());
        sql.query(LATEST, &params)?.each_text(|row| {
            if let [Some(stream), Some(id), Some(hash)] = row.as_slice()
                && latest.0.len() < THINGS_MAX
            {
                latest.0.insert(key(stream, id), number(hash));
            }
            Ok::<(), EngineError>(())
        })?;
        Ok(latest)
    }

    /// Takes out of a batch what is, to the byte, the newest record of its thing; gives how many that were. A thing
    /// that becomes what it was before is no such record.
    /// What is left bears how far its source is trusted.
    pub(super) fn without_known(&mut self, batch: &mut Batch, trust: &Trust) -> u64 {
        let mut marked = Vec::new();
        let mut kept = Vec::with_capacity(batch.lines.len());
        let mut known = 0;
        for line in batch.lines.split_inclusive(|byte| *byte == b'\n') {
            let bare = line.strip_suffix(b"\n").unwrap_or(line);
            marked.clear();
            trust.put(bare, &mut marked);
            let head = serde_json::from_slice::<Head<'_>>(bare).ok();
            let thing = head.and_then(|head| Some(key(&head.stream, &head.original_id?)));
            if let Some(thing) = thing {
                let hash = of(&marked);
                let is_known = |known: &u128| *known == hash || (trust.is_usual() && *known == of(bare));
                if self.0.get(&thing).is_some_and(is_known) {
                    known += 1;
                    continue;
                }
                if self.0.len() < THINGS_MAX || self.0.contains_key(&thing) {
                    self.0.insert(thing, hash);
                }
            }
            kept.extend_from_slice(&marked);
            kept.push(b'\n');
        }
        batch.records -= known;
        batch.lines = kept;
        known
    }
}

fn key(stream: &str, id: &str) -> Key {
    IdHasher::new("collected").part(stream.as_bytes()).part(id.as_bytes()).finish()
}

fn of(record: &[u8]) -> u128 {
    number(&RawHash::of(record).to_string())
}

/// A hash as the lake writes it; one that it never writes is like no other.
fn number(hash: &str) -> u128 {
    u128::from_str_radix(hash, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use stele_collect::Batch;

    use super::{Latest, key, of};
    use crate::collecting::trust::Trust;

    #[test]
    fn a_thing_that_comes_again_in_the_first_run_is_known() {
        let record = "{\"stream\":\"orders\",\"original_id\":\"1\",\"data\":{}}\n";
        let mut latest = Latest::default();
        for known in [1, 2] {
            let mut batch = Batch { lines: record.repeat(2).into_bytes(), records: 2, ..Batch::default() };
            assert_eq!(latest.without_known(&mut batch, &Trust::of(0.5)), known);
            assert_eq!(batch.records, 2 - known);
        }
    }

    #[test]
    fn what_was_kept_before_records_bore_their_trust_is_known() {
        let record = r#"{"stream":"orders","original_id":"1","data":{}}"#;
        for (score, known) in [(0.5, 1), (0.6, 0)] {
            let mut latest = Latest(HashMap::from([(key("orders", "1"), of(record.as_bytes()))]));
            let lines = format!("{record}\n").into_bytes();
            let mut batch = Batch { lines, records: 1, ..Batch::default() };
            assert_eq!(latest.without_known(&mut batch, &Trust::of(score)), known, "{score}");
            let left = match known {
                0 => format!("{},\"trust_score\":{score}}}\n", &record[..record.len() - 1]),
                _ => String::new(),
            };
            assert_eq!((batch.records, String::from_utf8(batch.lines).unwrap()), (1 - known, left));
        }
    }
}
