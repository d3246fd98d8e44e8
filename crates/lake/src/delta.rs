//! One Delta table: its log, its version, its parts. The only file that knows the Delta library.
//!
//! Nothing here knows what the rows mean, and nothing here writes Parquet.

use std::collections::{BTreeMap, HashMap};
use std::future::IntoFuture;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, Add, CommitInfo, MetadataExt, Remove, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::state::DeltaTableState;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt;
use serde_json::json;
use stele_model::id::{IdHasher, hex};
use stele_model::{Faults, Micros};
use tokio::runtime::Runtime;
use url::Url;

use crate::error::{At, LakeError};
use crate::log_check;
use crate::part::{PartInfo, PartStats};
use crate::store::DurableStore;
use crate::tables::Table;

/// Where the tables are, who drives their I/O and what may fail.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) data_dir: PathBuf,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) faults: Arc<dyn Faults>,
}

/// A table at one version.
pub(crate) struct DeltaLog {
    pub(crate) table: Table,
    home: Home,
    delta: DeltaTable,
}

/// What a commit does to a table.
#[derive(Default)]
pub(crate) struct Change {
    /// Parts that come.
    pub(crate) adds: Vec<PartInfo>,
    /// Parts that go.
    pub(crate) removes: Vec<PartInfo>,
    /// Whether rows come or go; false for compaction, which only moves them.
    pub(crate) moves_only: bool,
    /// Application ids and versions to store.
    pub(crate) pins: Vec<(&'static str, u64)>,
    /// A table property to set.
    pub(crate) property: Option<(&'static str, String)>,
    /// Whether the log is to state the columns that this program writes.
    pub(crate) columns: bool,
}

impl Change {
    /// Whether committing it would say nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty() && self.property.is_none() && !self.columns
    }
}

impl DeltaLog {
    /// Whether the table has a log.
    pub(crate) fn exists(home: &Home, table: Table) -> bool {
        table.dir(&home.data_dir).join("_delta_log").join("00000000000000000000.json").exists()
            || table.dir(&home.data_dir).join("_delta_log").join("_last_checkpoint").exists()
    }

    /// Loads the newest version, or the given one.
    pub(crate) fn load(home: &Home, table: Table, version: Option<u64>) -> Result<Self, LakeError> {
        let dir = table.dir(&home.data_dir);
        if !dir.join("_delta_log").is_dir() {
            return Err(LakeError::NoLake { path: dir });
        }
        log_check::check_recent(&dir.join("_delta_log"))?;
        let mut builder = builder(home, table, &dir)?;
        if let Some(version) = version {
            builder = builder.with_version(version);
        }
        let loaded = home.runtime.block_on(builder.load());
        let delta = loaded.map_err(|error| explain(error, "read", &dir))?;
        Ok(Self { table, home: home.clone(), delta })
    }

    /// Creates the table if it does not exist, with `pins` and `properties` in its first commit.
    pub(crate) fn create(
        home: &Home,
        table: Table,
        pins: &[(&'static str, u64)],
        properties: &[(&'static str, String)],
        now: Micros,
    ) -> Result<Self, LakeError> {
        let dir = table.dir(&home.data_dir);
        let log_dir = dir.join("_delta_log");
        std::fs::create_dir_all(&log_dir).at("create", &log_dir)?;
        for synced in [&dir, dir.parent().unwrap_or(&dir)] {
            crate::store::sync_dir(synced).at("sync", synced)?;
        }
        if Self::exists(home, table) {
            return Self::load(home, table, None);
        }
        let mut actions = first_actions(home, table, properties, now)
            .map_err(|error| explain(error.into(), "created", &dir))?;
        actions.extend(pins.iter().map(|(app, version)| txn(app, *version)));
        let actions = with_info(actions, "CREATE TABLE", true, &dir, now)?;
        let store = builder(home, table, &dir)?.build_storage();
        let store = store.map_err(|error| explain(error, "created", &dir))?;
        let builder: CommitBuilder = quiet().into();
        let commit = builder.with_actions(actions).build(None, store, write());
        let created = home.runtime.block_on(commit.into_future());
        let created = created.map_err(|error| explain(error, "created", &dir))?;
        let mut delta =
            self::builder(home, table, &dir)?.build().map_err(|error| explain(error, "created", &dir))?;
        delta.state = Some(created.snapshot());
        Ok(Self { table, home: home.clone(), delta })
    }

    /// The version that is loaded.
    pub(crate) fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// The table's directory.
    pub(crate) fn dir(&self) -> PathBuf {
        self.table.dir(&self.home.data_dir)
    }

    fn state(&self) -> Result<&DeltaTableState, LakeError> {
        self.delta.snapshot().map_err(|error| explain(error, "read", &self.dir()))
    }

    /// The table's own id, given when it was made.
    pub(crate) fn id(&self) -> Result<String, LakeError> {
        Ok(self.state()?.metadata().id().to_owned())
    }

    /// A table property.
    pub(crate) fn property(&self, key: &str) -> Result<Option<String>, LakeError> {
        Ok(self.state()?.metadata().configuration().get(key).cloned())
    }

    /// Whether the log states every column that this program writes.
    pub(crate) fn has_all_columns(&self) -> Result<bool, LakeError> {
        let schema = self.state()?.schema();
        Ok(self.table.columns().iter().all(|column| schema.field(column.name).is_some()))
    }

    /// The version stored under an application id.
    pub(crate) fn pin(&self, app_id: &str) -> Result<Option<u64>, LakeError> {
        let state = self.state()?;
        let store = self.delta.log_store();
        let found = self.home.runtime.block_on(state.transaction_version(store.as_ref(), app_id));
        let found = found.map_err(|error| explain(error, "read", &self.dir()))?;
        Ok(found.and_then(|version| u64::try_from(version).ok()))
    }

    /// The parts that this version consists of, sorted by path.
    pub(crate) fn parts(&self) -> Result<Vec<PartInfo>, LakeError> {
        let dir = self.dir();
        let mut parts = Vec::new();
        for file in self.state()?.log_data().iter() {
            if file.deletion_vector_descriptor().is_some() {
                return Err(LakeError::Delta {
                    what: "read",
                    path: dir,
                    detail:
                        "another program deleted rows with deletion vectors, which this program does not read"
                            .to_owned(),
                });
            }
            let relative = file.path().into_owned();
            let stats = file.stats().map(|text| PartStats::from_json(&text)).unwrap_or_default();
            parts.push(PartInfo {
                path: dir.join(&relative),
                bytes: u64::try_from(file.size()).unwrap_or_default(),
                rows: file.num_records().map_or(stats.rows, |rows| rows as u64),
                partitions: partitions_of(self.table, &relative),
                modified: file.modification_time().saturating_mul(1000),
                relative,
                stats,
            });
        }
        parts.sort_by(|a, b| a.relative.cmp(&b.relative));
        Ok(parts)
    }

    /// Parts that earlier versions had and this one does not, with the time they left.
    pub(crate) fn tombstones(&self) -> Result<HashMap<String, Micros>, LakeError> {
        let store = self.delta.log_store();
        let state = self.state()?;
        // The library looks for its runtime when the stream is made, not when it is read.
        let collect = async { state.all_tombstones(store.as_ref()).try_collect::<Vec<_>>().await };
        let found =
            self.home.runtime.block_on(collect).map_err(|error| explain(error, "read", &self.dir()))?;
        let left = |time: Option<i64>| time.unwrap_or_default().saturating_mul(1000);
        Ok(found.iter().map(|gone| (gone.path().into_owned(), left(gone.deletion_timestamp()))).collect())
    }

    /// Commits and moves on to the new version.
    pub(crate) fn commit(&mut self, change: Change, what: &str, now: Micros) -> Result<u64, LakeError> {
        let dir = self.dir();
        let data_change = !change.moves_only;
        let mut actions = Vec::new();
        if change.property.is_some() || change.columns {
            let mut metadata = self.state()?.metadata().clone();
            if let Some((key, value)) = change.property {
                let changed = metadata.add_config_key(key.to_owned(), value);
                metadata = changed.map_err(|error| explain(error.into(), "changed", &dir))?;
            }
            if change.columns {
                let changed = StructType::try_new(self.table.delta_schema())
                    .map_err(DeltaTableError::from)
                    .and_then(|schema| Ok(metadata.with_schema(&schema)?));
                metadata = changed.map_err(|error| explain(error, "changed", &dir))?;
            }
            actions.push(metadata.into());
        }
        let blind = change.removes.is_empty();
        actions.extend(change.removes.iter().map(|part| Action::Remove(remove(part, data_change, now))));
        actions.extend(change.adds.iter().map(|part| Action::Add(add(part, data_change))));
        actions.extend(change.pins.iter().map(|(app, version)| txn(app, *version)));
        let actions = with_info(actions, what, blind, &dir, now)?;
        let store = self.delta.log_store();
        let state = self.state()?;
        let builder: CommitBuilder = quiet().into();
        let commit = builder.with_actions(actions).build(Some(state), store, write());
        let done = self.home.runtime.block_on(commit.into_future());
        let done = done.map_err(|error| explain(error, "committed", &dir))?;
        let version = done.version();
        self.delta.state = Some(done.snapshot());
        Ok(version)
    }

    /// Writes a checkpoint of the loaded version, so that readers need not replay the whole log.
    pub(crate) fn checkpoint(&self) -> Result<(), LakeError> {
        let done = self.home.runtime.block_on(deltalake::checkpoints::create_checkpoint(&self.delta, None));
        done.map_err(|error| explain(error, "checkpointed", &self.dir()))
    }
}

fn builder(home: &Home, table: Table, dir: &Path) -> Result<DeltaTableBuilder, LakeError> {
    let bad = || LakeError::Invalid(format!("{} is not an absolute path", dir.display()));
    let url = Url::from_directory_path(dir).map_err(|()| bad())?;
    let store = Arc::new(DurableStore::new(table, Arc::clone(&home.faults)));
    let builder = DeltaTableBuilder::from_url(url.clone()).map_err(|error| explain(error, "opened", dir))?;
    Ok(builder.with_storage_backend(store, url))
}

/// What the first commit of a table says. It is put together here because the library's own way of
/// creating a table writes the absolute path into the log.
fn first_actions(
    home: &Home,
    table: Table,
    properties: &[(&'static str, String)],
    now: Micros,
) -> Result<Vec<Action>, serde_json::Error> {
    let id = IdHasher::new("table")
        .part(home.data_dir.as_os_str().as_encoded_bytes())
        .part(table.name().as_bytes())
        .part(&now.to_le_bytes());
    let id = String::from_utf8_lossy(&hex(&id.finish())).into_owned();
    let schema = StructType::try_new(table.delta_schema()).map_err(serde::de::Error::custom)?;
    let mut configuration = BTreeMap::from([("delta.enableExpiredLogCleanup", "false".to_owned())]);
    configuration.extend(properties.iter().cloned());
    let metadata = json!({
        "id": format!("{}-{}-{}-{}-{}", &id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]),
        "name": table.name(),
        "description": null,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": serde_json::to_string(&schema)?,
        "partitionColumns": table.partitions(),
        "configuration": configuration,
        "createdTime": now / 1000,
    });
    let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
    Ok(vec![
        Action::Protocol(serde_json::from_value(protocol)?),
        Action::Metadata(serde_json::from_value(metadata)?),
    ])
}

/// Puts the description of a commit before its actions, with a checksum of them.
fn with_info(
    mut actions: Vec<Action>,
    what: &str,
    blind: bool,
    dir: &Path,
    now: Micros,
) -> Result<Vec<Action>, LakeError> {
    let checksum = log_check::checksum(lines(&actions, dir)?.as_bytes());
    let info = CommitInfo {
        timestamp: Some(now / 1000),
        operation: Some(what.to_owned()),
        engine_info: Some(concat!("stele/", env!("CARGO_PKG_VERSION")).to_owned()),
        is_blind_append: Some(blind),
        info: [(log_check::CHECKSUM.to_owned(), checksum.into())].into(),
        ..CommitInfo::default()
    };
    actions.insert(0, Action::CommitInfo(info));
    Ok(actions)
}

/// The library wants to know the operation for its checks of conflicts; what the log says is ours.
fn write() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None }
}

/// Commits without the library's own checkpoints and log clean-up: a version that a snapshot pins
/// must stay readable, and checkpoints are made when the commit is durable.
fn quiet() -> CommitProperties {
    CommitProperties::default().with_create_checkpoint(false).with_cleanup_expired_logs(Some(false))
}

fn txn(app_id: &str, version: u64) -> Action {
    Action::Txn(Transaction::new(app_id, i64::try_from(version).unwrap_or(i64::MAX)))
}

fn add(part: &PartInfo, data_change: bool) -> Add {
    Add {
        path: part.relative.clone(),
        partition_values: part.partitions.clone().into_iter().collect(),
        size: i64::try_from(part.bytes).unwrap_or(i64::MAX),
        modification_time: part.modified / 1000,
        data_change,
        stats: Some(part.stats.to_json()),
        ..Add::default()
    }
}

fn remove(part: &PartInfo, data_change: bool, now: Micros) -> Remove {
    Remove {
        path: part.relative.clone(),
        data_change,
        deletion_timestamp: Some(now / 1000),
        extended_file_metadata: Some(true),
        partition_values: Some(part.partitions.clone().into_iter().collect()),
        size: Some(i64::try_from(part.bytes).unwrap_or(i64::MAX)),
        ..Remove::default()
    }
}

/// Partition values as the path spells them. The log spells them too, but its library hands them
/// out typed, and a path that disagrees with its values is nothing that this program writes.
pub(crate) fn partitions_of(table: Table, relative: &str) -> BTreeMap<String, Option<String>> {
    let mut values = BTreeMap::new();
    for &name in table.partitions() {
        let value = relative.split('/').find_map(|step| step.strip_prefix(name)?.strip_prefix('='));
        let value = value.filter(|value| *value != crate::tables::NULL_PARTITION);
        values.insert(name.to_owned(), value.map(str::to_owned));
    }
    values
}

/// Actions as the library will write them.
fn lines(actions: &[Action], dir: &Path) -> Result<String, LakeError> {
    let lines: Result<Vec<String>, _> = actions.iter().map(serde_json::to_string).collect();
    let lines = lines.map_err(|error| explain(error.into(), "committed", dir))?;
    Ok(lines.join("\n"))
}

/// Turns the library's error into one that names the damaged file, if a file is damaged.
fn explain(error: DeltaTableError, what: &'static str, dir: &Path) -> LakeError {
    if let Some(found) = io_cause(&error) {
        let what = if matches!(what, "read" | "opened") { "read" } else { "write" };
        return LakeError::Io { what, path: dir.join("_delta_log"), source: found };
    }
    if let Err(damage) = log_check::check(&dir.join("_delta_log")) {
        return damage;
    }
    LakeError::Delta { what, path: dir.to_path_buf(), detail: error.to_string() }
}

/// The operating system's error inside a library error. It is rebuilt because it is borrowed.
fn io_cause(error: &DeltaTableError) -> Option<std::io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<std::io::Error>() {
            return Some(match found.raw_os_error() {
                Some(code) => std::io::Error::from_raw_os_error(code),
                None => std::io::Error::new(found.kind(), found.to_string()),
            });
        }
        cause = current.source();
    }
    None
}
