//! The collector of each kind of source.

use std::sync::Arc;

use serde_json::Value;
use stele_collect::{CollectError, Collector, Price, Source, SourceKind};
use stele_files::{FileCollector, FilesConfig};
use stele_helpdesk::{DiskTexts, Helpdesk, HelpdeskConfig, NoTexts, Texts};
use stele_model::error::in_full;
use stele_rest::{RestCollector, RestConfig, Shared};
use stele_tables::{TableCollector, TablesConfig};

use super::attachments::Documents;
use super::{SourceDesk, SourceProblem};
use crate::EngineError;
use crate::answering::Paced;

/// Where texts of attachments are kept, below the data directory: they can be found out again.
pub(super) const TEXTS_DIR: &str = "tmp/attachments";

/// Bytes of texts of attachments that are kept: those of some ten thousand files.
const TEXTS_BYTES_MAX: u64 = 256 << 20;

/// Where packed Parquet is unpacked to be read, below the data directory.
const UNPACKED_DIR: &str = "tmp/unpacked";

impl SourceDesk<'_> {
    /// The collector of a source. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// If its settings make no sense; the text says what would.
    pub(super) fn collector(&self, source: &Source) -> Result<Box<dyn Collector>, EngineError> {
        let texts = || -> Arc<dyn Texts> {
            let dir = self.engine.data_dir().join(TEXTS_DIR).join(&source.id);
            match DiskTexts::new(dir, TEXTS_BYTES_MAX) {
                Ok(kept) => Arc::new(kept),
                // Each is found out anew then.
                Err(_) => Arc::new(NoTexts),
            }
        };
        let shared = |config: &RestConfig| self.shared(source, config.retry.max_total_wait);
        self.collector_with(source, shared, texts)
    }

    /// Every entry of the list that cannot be used, in its order: those that make no sense, and those that are switched on
    /// and whose settings their kind refuses. Nothing is asked, and nothing that is kept is looked at: a service does this
    /// for each list that it is asked for.
    pub fn unusable(&self) -> Vec<SourceProblem> {
        let config = self.config();
        let refused = config.sources.iter().filter(|source| source.enabled).filter_map(|source| {
            let why = match self.collector_with(source, |_| Shared::default(), || Arc::new(NoTexts)).err()? {
                EngineError::Collect(CollectError::Config { why, .. }) => why,
                error => in_full(&error),
            };
            Some(SourceProblem { index: source.index, source_id: Some(source.id.clone()), why })
        });
        let mut all: Vec<SourceProblem> = config.problems.iter().cloned().chain(refused).collect();
        all.sort_by_key(|problem| problem.index);
        all
    }

    fn collector_with(
        &self,
        source: &Source,
        shared: impl FnOnce(&RestConfig) -> Shared,
        texts: impl FnOnce() -> Arc<dyn Texts>,
    ) -> Result<Box<dyn Collector>, EngineError> {
        let refuse = |why: &str| CollectError::Config { source_id: source.id.clone(), why: why.to_owned() };
        Ok(match source.kind {
            SourceKind::Rest => {
                let config = RestConfig::of(source, self.variable)?;
                let pace = Arc::new(Paced::new(self.engine.shared_clock()));
                let shared = shared(&config);
                Box::new(RestCollector::new(source.clone(), config, shared, pace)?)
            }
            SourceKind::Database => {
                let config: TablesConfig = source.settings(self.variable)?.read_as(Ok)?;
                let tenant_id = Some(self.tenant(source).to_owned());
                Box::new(TableCollector::new(
                    &source.id,
                    TablesConfig { tenant_id, ..config },
                    self.variable,
                )?)
            }
            SourceKind::Freshdesk | SourceKind::GithubIssues => {
                let config = source.settings(self.variable)?.read_as::<HelpdeskConfig>(|mut value| {
                    if let Value::Object(members) = &mut value {
                        members.insert("tenant_id".to_owned(), self.tenant(source).into());
                        members.insert("platform".to_owned(), source.kind.name().into());
                        members.insert("allow_insecure".to_owned(), source.allow_insecure.into());
                    }
                    Ok(value)
                })?;
                let extract = Arc::new(Documents::of(self.engine));
                Box::new(Helpdesk::new(&source.id, config, self.variable, extract, texts())?)
            }
            SourceKind::File => {
                let config = source.settings(self.variable)?.read::<FilesConfig>()?;
                let tenant_id = Some(self.tenant(source).to_owned());
                let scratch = self.engine.data_dir().join(UNPACKED_DIR).join(&source.id);
                let files = FileCollector::new(&source.id, tenant_id, config, scratch)?;
                let settings = self.engine.settings();
                let lists = [&settings.config_file, &settings.sources_file].into_iter().flatten().cloned();
                let own = lists.chain([self.engine.data_dir().to_path_buf()]);
                Box::new(files.beside(own.collect()))
            }
            SourceKind::Socket => {
                return Err(refuse("a live feed does not end: `stele capture URL` listens to it").into());
            }
        })
    }

    /// What its calls cost. Those of other kinds than REST are counted, and cost nothing.
    pub(super) fn price(&self, source: &Source) -> Price {
        match source.kind {
            SourceKind::Rest => source.cost.clone(),
            _ => Price::default(),
        }
    }

    /// Whose records they are.
    pub(super) fn tenant<'s>(&'s self, source: &'s Source) -> &'s str {
        source.tenant_id.as_deref().unwrap_or(&self.engine.settings().tenant)
    }
}
