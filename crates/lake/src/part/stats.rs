//! What the Delta log says about a part's rows, so that a reader can pass a part over.

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::{max, min};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use serde_json::{Map, Value, json};
use stele_model::Micros;

use crate::tables::Table;
use stele_model::civil;

/// The smallest and the largest values of some columns of a part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PartStats {
    /// Rows.
    pub rows: u64,
    /// Smallest and largest `file_id`.
    pub file_id: Option<(String, String)>,
    /// Smallest and largest `line_no`.
    pub line_no: Option<(i64, i64)>,
    /// Smallest and largest `byte_offset`.
    pub byte_offset: Option<(i64, i64)>,
    /// Smallest and largest `ts`, of the rows that have one.
    pub ts: Option<(Micros, Micros)>,
    /// Rows without `ts`.
    pub ts_nulls: u64,
    /// Smallest and largest `ingested_at`.
    pub ingested_at: Option<(Micros, Micros)>,
    /// The text in the log that this was read from; it is kept when the part is named again.
    text: Option<String>,
}

impl PartStats {
    /// Takes the rows of a batch into account.
    pub(crate) fn observe(&mut self, table: Table, batch: &RecordBatch) {
        let column = |name: &str| batch.column_by_name(name);
        if let Some(ids) = column("file_id").and_then(|ids| ids.as_string_opt::<i32>()) {
            self.observe_ids(ids);
        }
        let long = |name: &str| {
            let values = column(name)?.as_primitive_opt::<Int64Type>()?;
            min(values).zip(max(values))
        };
        let time = |name: &str| {
            let values = column(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
            min(values).zip(max(values))
        };
        widen(&mut self.line_no, long("line_no"));
        widen(&mut self.byte_offset, long("byte_offset"));
        widen(&mut self.ingested_at, time("ingested_at"));
        if table == Table::Events {
            widen(&mut self.ts, time("ts"));
            self.ts_nulls += column("ts").map_or(0, |ts| ts.null_count() as u64);
        }
    }

    /// Rows of one input stand together, so most comparisons end at the row before.
    fn observe_ids(&mut self, ids: &StringArray) {
        let mut before = "";
        for id in ids.iter().flatten().filter(|id| std::mem::replace(&mut before, id) != *id) {
            let (low, high) = self.file_id.get_or_insert_with(|| (id.to_owned(), id.to_owned()));
            if id < low.as_str() {
                id.clone_into(low);
            } else if id > high.as_str() {
                id.clone_into(high);
            }
        }
    }

    /// The statistics as Delta spells them.
    pub(crate) fn to_json(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let (mut low, mut high, mut nulls) = (Map::new(), Map::new(), Map::new());
        let mut bound = |name: &str, least: Value, most: Value, null_count: u64| {
            low.insert(name.to_owned(), least);
            high.insert(name.to_owned(), most);
            nulls.insert(name.to_owned(), json!(null_count));
        };
        if let Some((least, most)) = &self.file_id {
            bound("file_id", json!(least), json!(most), 0);
        }
        for (name, bounds) in [("line_no", self.line_no), ("byte_offset", self.byte_offset)] {
            if let Some((least, most)) = bounds {
                bound(name, json!(least), json!(most), 0);
            }
        }
        let times = [("ts", self.ts, self.ts_nulls), ("ingested_at", self.ingested_at, 0)];
        for (name, bounds, null_count) in times {
            if let Some((least, most)) = bounds {
                bound(name, json!(civil::iso(least)), json!(civil::iso(most)), null_count);
            }
        }
        json!({"numRecords": self.rows, "minValues": low, "maxValues": high, "nullCount": nulls}).to_string()
    }

    /// Reads statistics from the log. What cannot be read is not known; nothing depends on it but
    /// speed.
    pub(crate) fn from_json(text: &str) -> Self {
        let Ok(stats) = serde_json::from_str::<Value>(text) else {
            return Self::default();
        };
        let bounds =
            |name: &str| Some((stats.get("minValues")?.get(name)?, stats.get("maxValues")?.get(name)?));
        let long = |name: &str| {
            let (low, high) = bounds(name)?;
            Some((low.as_i64()?, high.as_i64()?))
        };
        let time = |name: &str| {
            let (low, high) = bounds(name)?;
            Some((civil::parse_iso(low.as_str()?)?, civil::parse_iso(high.as_str()?)?))
        };
        let count = |value: Option<&Value>| value.and_then(Value::as_u64).unwrap_or_default();
        Self {
            rows: count(stats.get("numRecords")),
            file_id: bounds("file_id")
                .and_then(|(low, high)| Some((low.as_str()?.to_owned(), high.as_str()?.to_owned()))),
            line_no: long("line_no"),
            byte_offset: long("byte_offset"),
            ts: time("ts"),
            ts_nulls: count(stats.get("nullCount").and_then(|nulls| nulls.get("ts"))),
            ingested_at: time("ingested_at"),
            text: Some(text.to_owned()),
        }
    }

    /// Whether rows of this input may be in the part.
    pub(crate) fn may_hold(&self, file_id: &str) -> bool {
        self.file_id.as_ref().is_none_or(|(low, high)| low.as_str() <= file_id && file_id <= high.as_str())
    }
}

fn widen(known: &mut Option<(i64, i64)>, seen: Option<(i64, i64)>) {
    if let Some((low, high)) = seen {
        *known = Some(known.map_or((low, high), |(least, most)| (least.min(low), most.max(high))));
    }
}
