//! What a language model makes of tickets and articles in a few sentences, where the settings name one and rows hold
//! what was said. What it said is kept beside the lake, because asking again costs, and found in SQL by the hash of
//! what it was said of: a thing that changed has no summary until the model has seen it as it is.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use stele_annotate::{AnnotateError, Passage, Service, Summaries, Summary, Task};
use stele_lake::sql::{Params, SqlOptions};
use stele_model::id::{IdHasher, to_hex};

use super::SourceDesk;
use super::sink::taken;
use crate::EngineError;
use crate::answering::{Paced, own_dir};
use crate::documents::annotating::model_key;
use crate::engine::Engine;
use crate::error::At;
use crate::progress::{Cancel, Progress, Unit, Update};

/// What the directory of the summaries is called.
const DIR: &str = "summaries";

/// What SQL reads of them: a line for each thing.
const ROWS: &str = "rows.jsonl";

/// What the model said, a file for each question.
const ANSWERS: &str = "answers";

/// Memory of the question for what is to be summarised: one thing at a time, and the keys of all.
const SQL_MEMORY: u64 = 256 << 20;

/// Newest first: what a budget is enough for is what people look at. Rows that hold keys alone hold nothing to
/// summarise, and nobody is asked.
const WANTED: &str = "SELECT regexp_replace(object_type, '^integrated_', ''), original_id, source_hash, \
     json_extract_string(original_data, '$.id'), integrated_content \
     FROM integrated_objects WHERE tenant_id = $tenant AND platform = $platform AND integrated_content <> '' \
     ORDER BY updated_at DESC NULLS LAST, object_type, original_id";

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Summarised {
    /// Whose things.
    pub tenant: String,
    /// Of which help desk.
    pub platform: String,
    /// Things with something to summarise; none where rows hold keys alone.
    pub objects: u64,
    /// Of them, things with a summary now.
    pub summaries: u64,
    /// What the model was asked, and what it took.
    #[serde(flatten)]
    pub asked: Summary,
}

/// Where the summaries of a tenant and a platform are.
pub(super) fn summaries_dir(engine: &Engine, tenant: &str, platform: &str) -> PathBuf {
    let name = IdHasher::new("summaries").part(tenant.as_bytes()).part(platform.as_bytes()).finish();
    own_dir(engine.data_dir(), DIR, &engine.settings().tenant).join(to_hex(&name))
}

/// What is held while the summaries of a tenant on a platform are written or removed.
pub(super) fn summaries_lock(tenant: &str, platform: &str) -> String {
    format!("{tenant}.{platform}.summaries")
}

/// The files that SQL reads, in a fixed order.
pub(super) fn summary_files(engine: &Engine) -> Vec<PathBuf> {
    let all = fs::read_dir(own_dir(engine.data_dir(), DIR, &engine.settings().tenant));
    let files = all.into_iter().flatten().flatten().map(|entry| entry.path().join(ROWS));
    // The engine of SQL is told absolute paths, whatever it thinks the working directory is.
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.is_file()).filter_map(|file| std::path::absolute(file).ok()).collect();
    files.sort_unstable();
    files
}

impl SourceDesk<'_> {
    /// Has a model summarise what the help desk of a source has, as far as the budget goes. What was summarised before
    /// costs nothing; what is left is gone on with the next time.
    ///
    /// # Errors
    ///
    /// If there is no such source, it is no help desk, no model is named, or a summary cannot be kept. A service that
    /// does not answer is no error: why it was not asked any more is in the outcome.
    pub fn summarise(
        &self,
        id: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<Summarised, EngineError> {
        let source = self.desk_of(id)?;
        let (engine, settings) = (self.engine, self.engine.settings());
        let Some(config) = &settings.summaries else {
            return Err(EngineError::Config {
                origin: "[summaries]".to_owned(),
                reason: "no model is named; docs/guide/sources.md shows url and model".to_owned(),
            });
        };
        let key = model_key("summaries", settings.summaries_key.as_deref(), config)?;
        let service = Service::new(config, Task::Summary, key, Arc::new(Paced::new(engine.shared_clock())))?;
        let (tenant, platform) = (self.tenant(source).to_owned(), source.kind.name().to_owned());
        let _lock = taken(engine, &summaries_lock(&tenant, &platform))?;
        let dir = summaries_dir(engine, &tenant, &platform);
        let model = Summaries::open(&dir.join(ANSWERS), Arc::new(service), config.budget())?;
        let mut done = Summarised { tenant, platform, objects: 0, summaries: 0, asked: model.summary() };
        if engine.is_without_lake() {
            return Ok(done);
        }
        let mut rows = None;
        let options = SqlOptions {
            memory_limit: SQL_MEMORY,
            threads: engine.threads(),
            temp_dir: engine.sql_temp_dir(),
        };
        let sql = engine.own_lake_sql(&engine.snapshot()?, &options)?;
        let params = Params::none().with("tenant", &*done.tenant).with("platform", &*done.platform);
        sql.query(WANTED, &params)?.each_text(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let [kind, original, hash, called, text] = [(); 5].map(|()| cells.next().unwrap_or_default());
            done.objects += 1;
            let passage = Passage { headings: &called, text: &text };
            let written = match model.summary_of(&passage, engine.now(), &|| cancel.is_cancelled()) {
                Err(AnnotateError::Cancelled) => {
                    return Err(EngineError::Cancelled("everything was summarised; what was is kept"));
                }
                written => written?.filter(|written| !written.text.is_empty()),
            };
            progress.update(&Update {
                stage: "summarise",
                item: called.clone(),
                done: done.objects,
                total: None,
                unit: Unit::Texts,
                records: done.objects,
            });
            let Some(written) = written else { return Ok(()) };
            done.summaries += 1;
            let line = json!({
                "tenant_id": done.tenant, "platform": done.platform, "object_type": kind,
                "original_id": original, "source_hash": hash, "model": model.extractor(),
                "summary": written.text, "generated_at": written.at,
            });
            let rows = match &mut rows {
                Some(rows) => rows,
                none => none.insert(Rows::create(&dir)?),
            };
            rows.line(&line.to_string())
        })?;
        match rows {
            Some(rows) => rows.finish(&dir)?,
            // Nothing is summarised any more, as where rows hold keys alone by now.
            None => forget(&dir.join(ROWS))?,
        }
        done.asked = model.summary();
        Ok(done)
    }
}

/// The file that SQL reads, written aside until it is whole.
struct Rows {
    aside: PathBuf,
    out: BufWriter<File>,
}

impl Rows {
    fn create(dir: &Path) -> Result<Self, EngineError> {
        fs::create_dir_all(dir).at("create", dir)?;
        let aside = dir.join(ROWS).with_extension("part");
        let out = BufWriter::new(File::create(&aside).at("create", &aside)?);
        Ok(Self { aside, out })
    }

    fn line(&mut self, line: &str) -> Result<(), EngineError> {
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.write_all(b"\n"));
        written.at("write", &self.aside)
    }

    fn finish(mut self, dir: &Path) -> Result<(), EngineError> {
        self.out.flush().at("write", &self.aside)?;
        self.out.get_ref().sync_all().at("sync", &self.aside)?;
        fs::rename(&self.aside, dir.join(ROWS)).at("rename", &self.aside)?;
        File::open(dir).and_then(|dir| dir.sync_all()).at("sync", dir)
    }
}

fn forget(path: &Path) -> Result<(), EngineError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).at("remove", path),
        _ => Ok(()),
    }
}
