//! Settings: built-in values, then the configuration file, then the environment, then flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use stele_annotate::AnnotationConfig;
use stele_discover::Folding;
use stele_http::without_passwords;
use stele_jobs::Mark;
use stele_lake::sql::ObjectRows;
use stele_model::error::in_full;
use stele_sinks::SinkConfig;
use stele_telemetry::TelemetryConfig;
use stele_watch::{WatcherConfig, check_all};

use crate::answering::{EmbeddingConfig, KEY_VARIABLE, user_models_dir};
use crate::error::EngineError;
use crate::jobs::QueueHome;

/// The configuration file that is read from the working directory if it is there.
pub const CONFIG_FILE: &str = "stele.toml";

/// The data directory unless somebody says otherwise.
const DATA_DIR: &str = ".stele";

/// Most worker threads. Each holds some tens of megabytes of rows while it ingests; beyond the
/// cores of a large machine more only take memory.
pub const THREADS_MAX: u16 = 256;

/// Attempts before a job is a dead letter: three tell a passing fault from a lasting one.
const ATTEMPTS_MAX: u32 = 3;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the lake, its manifests and exports live.
    pub data_dir: PathBuf,
    /// The configuration file that this was read from.
    pub config_file: Option<PathBuf>,
    /// Whose data this is; part of every id.
    pub tenant: String,
    /// Zone of naive times, as an IANA name.
    pub timezone: Option<String>,
    /// How objects whose keys are data are treated.
    pub fold: Folding,
    /// Profile files beside the built-in ones.
    pub profiles: Vec<PathBuf>,
    /// Worker threads, up to [`THREADS_MAX`]; all cores if unset.
    pub threads: Option<u16>,
    /// What gives texts their vectors.
    pub embedding: EmbeddingConfig,
    /// Where models are; see [`crate::Engine::models`] for what holds if nothing is set.
    pub models_dir: Option<PathBuf>,
    /// Where this user's models are by default.
    pub user_models_dir: Option<PathBuf>,
    /// The key of an embedding service.
    pub embedding_key: Option<String>,
    /// A language model that is asked about documents; none unless one is named.
    pub annotation: Option<AnnotationConfig>,
    /// Its key, if the environment has it.
    pub annotation_key: Option<String>,
    /// A language model that summarises what help desks have; none unless one is named.
    pub summaries: Option<AnnotationConfig>,
    /// Its key, if the environment has it.
    pub summaries_key: Option<String>,
    /// Whether an ingest brings the index up to date.
    pub index_on_ingest: bool,
    /// Questions that `verify` asks; each has to find something.
    pub sample_queries: Vec<String>,
    /// Collections outside that are kept a copy of the index, by name.
    pub sinks: BTreeMap<String, SinkConfig>,
    /// Their keys, as far as the environment has them.
    pub sink_keys: BTreeMap<String, String>,
    /// Where jobs are kept.
    pub queue: QueueHome,
    /// What the names of a queue in Redis begin with; [`stele_jobs::DEFAULT_NAMESPACE`] if unset.
    pub queue_namespace: Option<String>,
    /// Attempts before a job is a dead letter.
    pub job_attempts_max: u32,
    /// What is watched, by name.
    pub watchers: BTreeMap<String, WatcherConfig>,
    /// What is collected: entries as they stand in the file.
    pub sources: Vec<serde_json::Value>,
    /// What holds for every source that says nothing else.
    pub source_defaults: serde_json::Map<String, serde_json::Value>,
    /// A file of JSON with comments that lists the sources instead.
    pub sources_file: Option<PathBuf>,
    /// What the variable `ENABLE_FULL_STREAMING_MODE` says for help desks that name no mode.
    pub streaming_flag: Option<String>,
    /// What rows of help desks hold, if whoever makes the engine knows it already; otherwise the sources say it.
    pub object_rows: Option<ObjectRows>,
    /// What holds new jobs back; what fits the machine for signals that have none.
    pub job_marks: Vec<Mark>,
    /// What is told to others; nothing unless somebody says so.
    pub telemetry: TelemetryConfig,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(DATA_DIR),
            config_file: None,
            tenant: "default".to_owned(),
            timezone: None,
            fold: Folding::Auto,
            profiles: Vec::new(),
            threads: None,
            embedding: EmbeddingConfig::default(),
            models_dir: None,
            user_models_dir: None,
            embedding_key: None,
            annotation: None,
            annotation_key: None,
            summaries: None,
            summaries_key: None,
            index_on_ingest: true,
            sample_queries: Vec::new(),
            sinks: BTreeMap::new(),
            sink_keys: BTreeMap::new(),
            queue: QueueHome::default(),
            queue_namespace: None,
            job_attempts_max: ATTEMPTS_MAX,
            sources: Vec::new(),
            source_defaults: serde_json::Map::new(),
            sources_file: None,
            streaming_flag: None,
            object_rows: None,
            watchers: BTreeMap::new(),
            job_marks: Vec::new(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// `stele.toml`. Every key may be left out; an unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the lake, its manifests and exports live. Relative to the file.
    data_dir: Option<PathBuf>,
    /// Whose data this is; part of every id.
    tenant: Option<String>,
    /// Zone of naive times, as an IANA name such as `America/New_York`.
    timezone: Option<String>,
    /// `auto`, `digits` or `none`.
    fold: Option<Folding>,
    /// Profile files, relative to the file.
    profiles: Option<Vec<PathBuf>>,
    /// Worker threads, from 1 to 256.
    threads: Option<u16>,
    /// What gives texts their vectors; see `docs/guide/search.md`.
    embedding: Option<EmbeddingConfig>,
    /// A language model that is asked about documents; see `docs/guide/documents.md`.
    annotation: Option<AnnotationConfig>,
    /// Who summarises what help desks have; see `docs/guide/sources.md`.
    summaries: Option<AnnotationConfig>,
    /// Where models are, relative to the file.
    models_dir: Option<PathBuf>,
    /// Whether an ingest brings the index up to date; `--no-embed` says no for one run.
    index_on_ingest: Option<bool>,
    /// Questions that `stele verify` asks; each has to find something.
    sample_queries: Option<Vec<String>>,
    /// Collections outside that are kept a copy of the index; see `docs/guide/search.md`.
    sinks: Option<BTreeMap<String, SinkConfig>>,
    /// Jobs; see `docs/guide/jobs.md`.
    jobs: Option<JobsFile>,
    /// Who is told what jobs do; see `docs/guide/telemetry.md`.
    telemetry: Option<TelemetryConfig>,
    /// What is watched; see `docs/guide/watch.md`.
    watchers: Option<BTreeMap<String, WatcherConfig>>,
    /// What is collected; see `docs/guide/sources.md`.
    sources: Option<Vec<serde_json::Value>>,
    /// What holds for every source that says nothing else.
    source_defaults: Option<serde_json::Map<String, serde_json::Value>>,
    /// A file of JSON with comments that lists the sources instead, relative to the file.
    sources_file: Option<PathBuf>,
}

/// `[jobs]` of `stele.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobsFile {
    /// `sqlite`, or the address of a Redis.
    queue: Option<String>,
    /// What names in Redis begin with.
    namespace: Option<String>,
    /// Attempts before a job is a dead letter, 1 or more.
    attempts_max: Option<u32>,
    /// What holds new jobs back, and where it lets go.
    #[serde(default)]
    marks: Vec<Mark>,
}

impl Settings {
    /// Settings of this process: the file at `explicit`, or `STELE_CONFIG`, or `stele.toml` if it
    /// is there; then `STELE_DATA_DIR`, `STELE_TIMEZONE` and `STELE_THREADS`. An empty variable is none.
    ///
    /// # Errors
    ///
    /// [`EngineError::Config`] names the file or variable and the key that is wrong.
    pub fn load(
        explicit: Option<&Path>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, EngineError> {
        // A variable that is set to nothing, as scripts do to unset one, says nothing.
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let text = |name: &str| environment(name).map(|value| utf8(name, value)).transpose();
        let named =
            explicit.map(Path::to_path_buf).or_else(|| environment("STELE_CONFIG").map(PathBuf::from));
        let mut settings = Self::default();
        match named {
            Some(path) => settings.read(&path)?,
            None if Path::new(CONFIG_FILE).exists() => settings.read(Path::new(CONFIG_FILE))?,
            None => {}
        }
        if let Some(dir) = environment("STELE_DATA_DIR") {
            settings.data_dir = PathBuf::from(dir);
        }
        if let Some(dir) = environment("STELE_MODELS") {
            settings.models_dir = Some(PathBuf::from(dir));
        }
        let path = |name: &str| environment(name).map(PathBuf::from);
        settings.user_models_dir = user_models_dir(path("XDG_CACHE_HOME"), path("HOME"));
        for (name, sink) in &settings.sinks {
            let variable = sink.key_variable.as_deref().unwrap_or(KEY_VARIABLE);
            if let Some(key) = text(variable)? {
                settings.sink_keys.insert(name.clone(), key);
            }
        }
        settings.embedding_key = text("STELE_EMBEDDING_KEY")?;
        settings.annotation_key = text("STELE_ANNOTATION_KEY")?;
        settings.summaries_key = text("STELE_SUMMARIES_KEY")?;
        settings.streaming_flag = text("ENABLE_FULL_STREAMING_MODE")?;
        if let Some(queue) = text("STELE_QUEUE")? {
            settings.queue = QueueHome::parse(&queue)
                .map_err(|reason| EngineError::Config { origin: "STELE_QUEUE".to_owned(), reason })?;
        }
        if let Some(yes) = text("STELE_INDEX_ON_INGEST")? {
            settings.index_on_ingest = yes.parse().map_err(|_| EngineError::Config {
                origin: "STELE_INDEX_ON_INGEST".to_owned(),
                reason: format!("expected true or false, got {yes:?}"),
            })?;
        }
        if let Some(zone) = text("STELE_TIMEZONE")? {
            settings.timezone = Some(zone);
        }
        if let Some(number) = text("STELE_THREADS")? {
            let parsed = number.parse().ok().and_then(threads);
            settings.threads = Some(parsed.ok_or_else(|| EngineError::Config {
                origin: "STELE_THREADS".to_owned(),
                reason: format!("expected a number from 1 to {THREADS_MAX}, got {number:?}"),
            })?);
        }
        Ok(settings)
    }

    fn read(&mut self, path: &Path) -> Result<(), EngineError> {
        self.config_file = Some(path.to_path_buf());
        let text = std::fs::read_to_string(path).map_err(|error| EngineError::Config {
            origin: path.display().to_string(),
            reason: format!("cannot be read: {error}"),
        })?;
        let file: File = toml::from_str(&text).map_err(|error| EngineError::Config {
            origin: path.display().to_string(),
            // It quotes the line at fault, in which an address may stand.
            reason: without_passwords(error.to_string().trim_end()),
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        if file.data_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            return Err(EngineError::Config {
                origin: path.display().to_string(),
                reason: "data_dir: expected a directory, got an empty text".to_owned(),
            });
        }
        if let Some(dir) = file.data_dir {
            self.data_dir = base.join(dir);
        }
        if let Some(tenant) = file.tenant {
            self.tenant = tenant;
        }
        self.timezone = file.timezone.or(self.timezone.take());
        self.fold = file.fold.unwrap_or(self.fold);
        self.embedding = file.embedding.unwrap_or(std::mem::take(&mut self.embedding));
        for (model, of) in [(file.annotation, &mut self.annotation), (file.summaries, &mut self.summaries)] {
            if let Some(mut model) = model {
                model.key_file = model.key_file.map(|file| base.join(file));
                *of = Some(model);
            }
        }
        self.models_dir = file.models_dir.map(|dir| base.join(dir)).or(self.models_dir.take());
        self.sample_queries = file.sample_queries.unwrap_or(std::mem::take(&mut self.sample_queries));
        if let Some(place) = self.sample_queries.iter().position(|query| query.trim().is_empty()) {
            return Err(EngineError::Config {
                origin: path.display().to_string(),
                reason: format!("sample_queries: question {} is empty", place + 1),
            });
        }
        self.sinks = file.sinks.unwrap_or(std::mem::take(&mut self.sinks));
        self.index_on_ingest = file.index_on_ingest.unwrap_or(self.index_on_ingest);
        if let Some(watchers) = file.watchers {
            check_all(&watchers).map_err(|error| EngineError::Config {
                origin: path.display().to_string(),
                reason: in_full(&error),
            })?;
            self.watchers = watchers;
        }
        self.sources = file.sources.unwrap_or(std::mem::take(&mut self.sources));
        self.source_defaults = file.source_defaults.unwrap_or(std::mem::take(&mut self.source_defaults));
        self.sources_file = file.sources_file.map(|path| base.join(path)).or(self.sources_file.take());
        if self.sources_file.is_some() && !self.sources.is_empty() {
            return Err(EngineError::Config {
                origin: path.display().to_string(),
                reason: "sources_file: there are [[sources]], too; one of the two lists them".to_owned(),
            });
        }
        if let Some(mut telemetry) = file.telemetry {
            telemetry.check().map_err(|error| EngineError::Config {
                origin: path.display().to_string(),
                reason: format!("telemetry.{}", in_full(&error)),
            })?;
            if let Some(file) = telemetry.lineage.as_mut().and_then(|lineage| lineage.file.as_mut()) {
                *file = base.join(&*file);
            }
            self.telemetry = telemetry;
        }
        if let Some(jobs) = file.jobs {
            self.read_jobs(jobs).map_err(|reason| EngineError::Config {
                origin: path.display().to_string(),
                reason: format!("jobs.{reason}"),
            })?;
        }
        if let Some(profiles) = file.profiles {
            self.profiles = profiles.into_iter().map(|profile| base.join(profile)).collect();
        }
        if let Some(number) = file.threads {
            self.threads = Some(threads(number).ok_or_else(|| EngineError::Config {
                origin: path.display().to_string(),
                reason: format!("threads: expected a number from 1 to {THREADS_MAX}, got {number}"),
            })?);
        }
        Ok(())
    }
}

impl Settings {
    fn read_jobs(&mut self, jobs: JobsFile) -> Result<(), String> {
        if let Some(queue) = jobs.queue {
            self.queue = QueueHome::parse(&queue).map_err(|reason| format!("queue: {reason}"))?;
        }
        self.queue_namespace = jobs.namespace.or(self.queue_namespace.take());
        self.job_attempts_max = jobs.attempts_max.unwrap_or(self.job_attempts_max);
        self.job_marks = jobs.marks;
        if self.job_attempts_max == 0 {
            return Err("attempts_max: it is 0, so that nothing would ever be begun; 1 or more do".to_owned());
        }
        Ok(())
    }
}

/// A number of threads, if it can be one.
fn threads(number: u16) -> Option<u16> {
    (1..=THREADS_MAX).contains(&number).then_some(number)
}

/// The value of a variable that is read as text.
pub(crate) fn utf8(name: &str, value: OsString) -> Result<String, EngineError> {
    // The value is not shown: it may be a key.
    value
        .into_string()
        .map_err(|_| EngineError::Config { origin: name.to_owned(), reason: "it is not UTF-8".to_owned() })
}
