//! Every column of every row comes back as it went in, whatever stretches of equal, different and
//! missing values it holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::util::display::array_value_to_string;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use stele_lake::{CommitNote, Snapshot, Table};
use stele_model::{Direction, DocType, Envelope, EventTime, RawHash, RecordId, TimeQuality};

use crate::fixture::{Input, NOW, context, lake_in};

/// One value a row: stretches of one, alternations, gaps, and values that are all different.
fn texts(rows: usize) -> impl Strategy<Value = Vec<Option<String>>> {
    let stretch = (proptest::option::weighted(0.7, 0..4u8), 1..60usize, any::<bool>());
    proptest::collection::vec(stretch, 1..12).prop_map(move |stretches| {
        let mut values = Vec::new();
        for (value, length, unique) in stretches.iter().cycle() {
            for index in 0..*length {
                let name =
                    |value: u8| if *unique { format!("v{value}-{index}") } else { "é".repeat(value.into()) };
                values.push(value.map(name));
            }
            if values.len() >= rows {
                values.truncate(rows);
                return values;
            }
        }
        values
    })
}

const ROWS: usize = 700;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back(events in texts(ROWS), sessions in texts(ROWS), games in texts(ROWS), names in texts(ROWS)) {
        let dir = tempfile::tempdir().unwrap();
        let input = Input::new("/in/a.jsonl", "");
        let mut writer = lake_in(dir.path()).writer(NOW).unwrap();
        let mut appender = writer.appender(context());
        appender.set_file(&input.file_ref());
        let mut expect = BTreeMap::new();
        for row in 0..ROWS {
            let raw = format!("{{\"row\":{row}}}");
            let number = row as i64;
            let text = |values: &[Option<String>]| values[row].clone().map(Cow::Owned);
            let envelope = Envelope {
                doc_type: DocType::ALL[row / 300],
                event_type: text(&events).unwrap_or(Cow::Borrowed("unknown")),
                time: EventTime {
                    raw: text(&names),
                    micros: (row % 5 != 0).then_some(NOW - number * 3_000_000),
                    quality: if row % 3 == 0 { TimeQuality::Naive } else { TimeQuality::Utc },
                    change: None,
                },
                platform: text(&games),
                original_id: text(&names),
                session_id: text(&sessions),
                game_id: text(&games),
                player_id: None,
                username: text(&sessions),
                seq: sessions[row].as_ref().map(|_| number * 7 - 900),
                direction: games[row].as_ref().map(|_| if row % 2 == 0 { Direction::Sent } else { Direction::Received }),
                price: names[row].as_ref().map(|_| number as f64 / 8.0),
                tick: Some(i64::MAX - number),
                cash: None,
                position_qty: games[row].as_ref().map(|_| -0.5),
                payload: None,
            };
            appender.record(&envelope, &raw, row as u64 + 1, row as u64 * 100).unwrap();
            expect.insert(row as i64 * 100, columns_of(&input, &envelope, &raw, row));
        }
        let parts = vec![appender.finish().unwrap()];
        let snapshot = writer.commit(parts, vec![], &CommitNote::default()).unwrap();
        prop_assert_eq!(read_back(&snapshot), expect);
    }
}

type Row = BTreeMap<String, String>;

fn columns_of(input: &Input, row: &Envelope<'_>, raw: &str, index: usize) -> Row {
    let hash = RawHash::of(raw.as_bytes());
    let mut columns = Row::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            columns.insert(name.to_owned(), value);
        }
    };
    let owned = |value: &Option<Cow<'_, str>>| value.as_deref().map(str::to_owned);
    put("record_id", Some(RecordId::of(input.file_id, index as u64 * 100, hash).to_string()));
    put("ts", row.time.utc().map(|ts| ts.to_string()));
    put("ts_raw", owned(&row.time.raw));
    put("ts_quality", Some(row.time.quality.name().to_owned()));
    put("ingested_at", Some(NOW.to_string()));
    put("source", Some(input.uri.clone()));
    put("event_type", Some(row.event_type.clone().into_owned()));
    put("tenant_id", Some("default".to_owned()));
    put("platform", owned(&row.platform));
    put("original_id", owned(&row.original_id));
    put("session_id", owned(&row.session_id));
    put("game_id", owned(&row.game_id));
    put("username", owned(&row.username));
    put("seq", row.seq.map(|seq| seq.to_string()));
    put("direction", row.direction.map(|direction| direction.name().to_owned()));
    put("price", row.price.map(|price| format!("{price:?}")));
    put("tick", row.tick.map(|tick| tick.to_string()));
    put("position_qty", row.position_qty.map(|quantity| format!("{quantity:?}")));
    put("raw", Some(raw.to_owned()));
    put("raw_hash", Some(hash.to_string()));
    put("file_id", Some(input.file_id.to_string()));
    put("line_no", Some((index + 1).to_string()));
    put("byte_offset", Some((index * 100).to_string()));
    put("byte_len", Some(raw.len().to_string()));
    put("schema_version", Some(stele_lake::SCHEMA_VERSION.to_string()));
    columns
}

fn read_back(snapshot: &Snapshot) -> BTreeMap<i64, Row> {
    let mut rows = BTreeMap::new();
    for part in snapshot.event_parts() {
        let file = std::fs::File::open(&part.path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let names: Vec<String> = reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        let expect: Vec<&str> = Table::Events.columns().iter().map(|column| column.name).collect();
        assert_eq!(
            names,
            expect.into_iter().filter(|name| !["doc_type", "date"].contains(name)).collect::<Vec<_>>()
        );
        for batch in reader.build().unwrap() {
            let batch: RecordBatch = batch.unwrap();
            for index in 0..batch.num_rows() {
                let value = |column: &ArrayRef| {
                    // A time as its number.
                    let number = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64);
                    let time = column.data_type().is_temporal();
                    array_value_to_string(&if time { number.unwrap() } else { column.clone() }, index)
                        .unwrap()
                };
                let columns = names.iter().zip(batch.columns()).filter(|(_, column)| column.is_valid(index));
                let row: Row = columns.map(|(name, column)| (name.clone(), value(column))).collect();
                rows.insert(row["byte_offset"].parse().unwrap(), row);
            }
        }
    }
    rows
}
