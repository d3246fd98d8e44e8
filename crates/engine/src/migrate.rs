//! Old recordings into the lake, with a list of everything that can be doubted.
//!
//! The backfill is an ordinary ingest. Then the sources are read a second time and grouped by
//! session, game, day and event type; the lake is asked the same question in SQL; and the two
//! answers are compared group by group: row counts, key fields, and the sum of all raw hashes, which
//! a lost, added or altered record changes. The order inside a group is not compared; `replay` and
//! `coverage` do that, byte by byte. A recorder may go on writing: each input is compared up to the
//! cursor that was committed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use stele_lake::Snapshot;
use stele_lake::sql::{Params, SqlOptions};
use stele_model::error::in_full;
use stele_model::{Envelope, FileEntry, FileId, FileState, RawHash};
use stele_sources::{Input, OpenOptions, TimeZone, open};

use crate::EngineError;
use crate::engine::Engine;
use crate::ingest::IngestOptions;
use crate::judge::{Accepted, Judge};
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::summary::IngestSummary;
use crate::worker::ClockChanges;

/// Memory for the grouping query, which holds one row a group.
const SQL_MEMORY: u64 = 256 << 20;

/// An event type that this share of the sessions has is missed in the others.
const COMMON_SHARE: f64 = 0.9;

/// Fewest sessions from which something common can be told.
const SESSIONS_MIN: usize = 5;

/// What a group of records has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MigrationKey {
    /// Recording session: the session id that the records state, or else the input.
    pub session: String,
    /// Game, if the records name one.
    pub game: Option<String>,
    /// Day: in UTC if that is known, otherwise as written.
    pub day: Option<String>,
    /// Event type.
    pub event: String,
}

/// What is compared about a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MigrationFacts {
    /// Records.
    pub rows: u64,
    /// Records that state a sequence number.
    pub with_seq: u64,
    /// Records that name a player.
    pub with_player: u64,
    /// Records that state a price.
    pub with_price: u64,
    /// Records that state a tick.
    pub with_tick: u64,
    /// Sum of the first 32 bits of all raw hashes.
    #[serde(serialize_with = "as_text")]
    pub raw_hashes: u128,
}

/// One group, as the sources and as the lake have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationRow {
    /// What the records have in common.
    #[serde(flatten)]
    pub key: MigrationKey,
    /// In the sources.
    pub source: MigrationFacts,
    /// In the lake.
    pub lake: MigrationFacts,
}

impl MigrationRow {
    /// Whether both agree.
    pub fn agrees(&self) -> bool {
        self.source == self.lake
    }
}

/// What a migration came to.
#[derive(Debug, Clone, Serialize)]
pub struct MigrationReport {
    /// The backfill.
    pub ingest: IngestSummary,
    /// Inputs that were compared.
    pub compared: u64,
    /// Every group.
    pub rows: Vec<MigrationRow>,
    /// Groups that differ.
    pub differing: u64,
    /// Everything that can be doubted, in words.
    pub doubts: Vec<String>,
}

impl Engine {
    /// Ingests `targets` and compares what the lake then holds of them with the sources.
    ///
    /// # Errors
    ///
    /// As [`Engine::ingest`]; differences and doubts are in the report.
    pub fn migrate(
        &self,
        targets: &[String],
        options: &IngestOptions,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<MigrationReport, EngineError> {
        let ingest = self.ingest(targets, options, progress, cancel)?;
        let snapshot = self.snapshot()?;
        let found = self.find(targets, &options.inputs)?;
        let names: BTreeSet<&str> = found.inputs.iter().map(|input| &*input.uri).collect();
        let files = self.own(snapshot.files()?);
        // What a name stands for now; a content that several of them hold is compared once.
        let mut longest: BTreeMap<FileId, &FileEntry> = BTreeMap::new();
        for entry in files.iter().filter(|entry| names.contains(&*entry.uri)) {
            let known = longest.entry(entry.file_id).or_insert(entry);
            if known.bytes_done < entry.bytes_done {
                *known = entry;
            }
        }
        let mut entries: Vec<&FileEntry> = longest.into_values().collect();
        entries.sort_by(|a, b| a.uri.cmp(&b.uri));

        let mut doubts = Vec::new();
        for failure in &ingest.failures {
            doubts.push(format!("{}: {}", failure.uri, failure.reason));
        }
        let mut source = BTreeMap::new();
        let bytes_total = entries.iter().map(|entry| entry.bytes_done).sum();
        let mut done = 0;
        for entry in &entries {
            progress.update(&Update {
                stage: "compare",
                item: entry.uri.clone(),
                done,
                total: Some(bytes_total),
                unit: Unit::Bytes,
                records: 0,
            });
            done += entry.bytes_done;
            if let Err(error) = self.group_source(entry, &mut source) {
                doubts.push(format!("{}: cannot be read again to compare: {}", entry.uri, in_full(&error)));
            }
            if cancel.is_cancelled() {
                doubts.push("stopped before all inputs were compared".to_owned());
                break;
            }
        }
        let mut lake = self.group_lake(&snapshot, &entries)?;
        let rows: Vec<MigrationRow> = source
            .into_iter()
            .map(|(key, source)| MigrationRow { lake: lake.remove(&key).unwrap_or_default(), key, source })
            .collect();
        let extra =
            lake.into_iter().map(|(key, lake)| MigrationRow { key, source: MigrationFacts::default(), lake });
        let rows: Vec<MigrationRow> = rows.into_iter().chain(extra).collect();
        let differing = rows.iter().filter(|row| !row.agrees()).count() as u64;
        // What was found out about the lines of a content stands under the name that it was read by.
        let ids: BTreeSet<FileId> = entries.iter().map(|entry| entry.file_id).collect();
        let read_as = files.iter().filter(|entry| {
            ids.contains(&entry.file_id)
                && (names.contains(&*entry.uri) || entry.state != FileState::Duplicate)
        });
        let read_as: BTreeSet<&str> = read_as.map(|entry| &*entry.uri).collect();
        doubts.extend(self.doubts(&snapshot, &entries, &read_as, &rows)?);
        Ok(MigrationReport { ingest, compared: entries.len() as u64, rows, differing, doubts })
    }

    /// Reads an input again, up to its cursor, and adds its records to the groups.
    fn group_source(
        &self,
        entry: &FileEntry,
        groups: &mut BTreeMap<MigrationKey, MigrationFacts>,
    ) -> Result<(), EngineError> {
        let input = Input {
            uri: entry.uri.clone(),
            path: Some(stele_sources::path_of(&entry.uri)),
            size_on_disk: entry.size_on_disk,
        };
        let options = OpenOptions {
            timezone: entry.timezone.as_deref().and_then(|name| TimeZone::get(name).ok()),
            format: Some(entry.format.clone()),
            ..OpenOptions::default()
        };
        let mut source = open(&input, self.profiles(), &options)?;
        let format = source.format().clone();
        let mut judge = Judge::default();
        while let Some(block) = source.next_block()? {
            if block.byte_offset >= entry.bytes_done {
                // A recorder wrote this after the commit.
                break;
            }
            for piece in block.pieces() {
                if piece.byte_offset + piece.bytes.len() as u64 > entry.bytes_done {
                    continue;
                }
                let text = std::str::from_utf8(piece.bytes).ok();
                let Ok(Accepted { raw, envelope, .. }) = judge.judge(&format, &piece, text) else { continue };
                let key = MigrationKey {
                    session: envelope.session_id.as_deref().unwrap_or(&entry.uri).to_owned(),
                    game: envelope.game_id.as_deref().map(str::to_owned),
                    day: day(&envelope),
                    event: envelope.event_type.to_string(),
                };
                groups.entry(key).or_default().add(&envelope, raw);
            }
        }
        Ok(())
    }

    /// Asks the lake for the same groups.
    fn group_lake(
        &self,
        snapshot: &Snapshot,
        entries: &[&FileEntry],
    ) -> Result<BTreeMap<MigrationKey, MigrationFacts>, EngineError> {
        let options =
            SqlOptions { memory_limit: SQL_MEMORY, threads: self.threads(), temp_dir: self.sql_temp_dir() };
        let sql = self.sql(snapshot, &options)?;
        // Under another name, more of the same content may be known.
        let wanted = |entry: &&FileEntry| format!("('{}', {})", entry.file_id, entry.bytes_done);
        let mut wanted: Vec<String> = entries.iter().map(wanted).collect();
        if wanted.is_empty() {
            wanted.push("('', 0)".to_owned());
        }
        let text = format!(
            "WITH wanted(file_id, bytes) AS (VALUES {}) SELECT coalesce(session_id, file_id), game_id, CAST(date AS VARCHAR), event_type, count(*), \
             count(seq), count(player_id), count(price), count(tick), \
             CAST(sum(CAST(concat('0x', substr(raw_hash, 1, 8)) AS UBIGINT)) AS VARCHAR) \
             FROM events JOIN wanted USING (file_id) WHERE byte_offset < bytes GROUP BY ALL ORDER BY ALL",
            wanted.join(", ")
        );
        // Rows of an input that grew may bear an older name of it.
        let uris: BTreeMap<String, String> =
            entries.iter().map(|entry| (entry.file_id.to_string(), entry.uri.clone())).collect();
        let mut groups = BTreeMap::new();
        sql.query(&text, &Params::none())?.each_text(|row| {
            let mut cells = row.into_iter();
            let mut next = || cells.next().flatten();
            let key = MigrationKey {
                session: next()
                    .map(|session| uris.get(&session).cloned().unwrap_or(session))
                    .unwrap_or_default(),
                game: next(),
                day: next(),
                event: next().unwrap_or_default(),
            };
            let mut number = || next().and_then(|cell| cell.parse::<u128>().ok()).unwrap_or(0);
            let mut count = || number() as u64;
            let facts = MigrationFacts {
                rows: count(),
                with_seq: count(),
                with_player: count(),
                with_price: count(),
                with_tick: count(),
                raw_hashes: number(),
            };
            groups.insert(key, facts);
            Ok::<(), EngineError>(())
        })?;
        Ok(groups)
    }

    /// Everything about these inputs that a careful person would ask about.
    fn doubts(
        &self,
        snapshot: &Snapshot,
        entries: &[&FileEntry],
        names: &BTreeSet<&str>,
        rows: &[MigrationRow],
    ) -> Result<Vec<String>, EngineError> {
        let mut doubts = Vec::new();
        let view = self.catalogue_of(snapshot)?.view();
        for file in view.files.iter().filter(|file| names.contains(&*file.uri)) {
            if file.growing {
                doubts.push(format!(
                    "{}: the last line is incomplete; the file may still be growing",
                    file.uri
                ));
            }
            let damaged = file.rejected_count - u64::from(file.growing);
            if damaged > 0 {
                let (line, at, reason) = &file.rejected[0];
                doubts.push(format!("{}: {damaged} damaged lines, first at {line}:{at}: {reason}", file.uri));
            }
            if file.hole_count > 0 {
                let (line, before, after) = file.holes[0];
                doubts.push(format!(
                    "{}: {} holes in the sequence, first at line {line}: {before} then {after}",
                    file.uri, file.hole_count
                ));
            }
            if file.step_back_count > 0 {
                let first = file.steps_back[0];
                doubts.push(format!(
                    "{}: time steps back {} times, first at line {first}",
                    file.uri, file.step_back_count
                ));
            }
            let changes =
                ClockChanges { repeated: file.times_repeated_count, skipped: file.times_skipped_count };
            doubts.extend(changes.note().map(|note| format!("{}: {note}", file.uri)));
        }
        for entry in entries.iter().filter(|entry| entry.ledger.records == 0 && entry.bytes_done > 0) {
            doubts.push(format!("{}: holds no record", entry.uri));
        }
        doubts.extend(missing_events(rows));
        Ok(doubts)
    }
}

/// Event types that nearly all sessions have and some do not.
fn missing_events(rows: &[MigrationRow]) -> Vec<String> {
    let mut sessions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut events: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        if sessions.entry(&row.key.session).or_default().insert(&row.key.event) {
            *events.entry(&row.key.event).or_default() += 1;
        }
    }
    if sessions.len() < SESSIONS_MIN {
        return Vec::new();
    }
    let common =
        |count: usize| count < sessions.len() && count as f64 >= COMMON_SHARE * sessions.len() as f64;
    let mut missing = Vec::new();
    for (event, count) in events.into_iter().filter(|(_, count)| common(*count)) {
        for (session, has) in &sessions {
            if !has.contains(event) {
                missing.push(format!(
                    "{session}: no {event}, which {count} of {} sessions have",
                    sessions.len()
                ));
            }
        }
    }
    missing
}

/// The day of a record: in UTC if that is known, otherwise as its wall clock has it.
fn day(envelope: &Envelope<'_>) -> Option<String> {
    let timestamp = stele_sources::Timestamp::from_microsecond(envelope.time.micros?).ok()?;
    Some(timestamp.strftime("%Y-%m-%d").to_string())
}

impl MigrationFacts {
    fn add(&mut self, envelope: &Envelope<'_>, raw: &str) {
        self.rows += 1;
        self.with_seq += u64::from(envelope.seq.is_some());
        self.with_player += u64::from(envelope.player_id.is_some());
        self.with_price += u64::from(envelope.price.is_some());
        self.with_tick += u64::from(envelope.tick.is_some());
        let hash = RawHash::of(raw.as_bytes()).0;
        let first = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        self.raw_hashes += u128::from(first);
    }
}

/// Larger than what readers of JSON take for an integer.
fn as_text<S: serde::Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}
