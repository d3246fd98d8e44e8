//! Sentence models of BERT's shape on this machine, by ONNX Runtime.
//!
//! Making a [`LocalEmbedder`] reads the sizes of the model and no more. The library, the tokeniser
//! and the weights are loaded when the first text comes.

mod bert;
mod graph;
mod made;
mod onnx;
mod quantise;
mod session;
mod tokens;
mod work;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use self::bert::Bert;
use self::session::Sessions;
use self::tokens::Tokeniser;
use crate::Cancelled;
use crate::batches::BatchLimits;
use crate::embedder::{Embedded, Embedder, Prefixes, Purpose, Usage, Vectors};
use crate::{DEFAULT_MODEL, EmbedError, lock, models};

/// One text a run: int8 rounds by the largest number of a run, so a text's vector would otherwise
/// depend on its neighbours. With one, the same text has the same vector in every batch, and an
/// index that is built again is the same index. From 60 tokens on it costs next to nothing; texts of
/// a few words would be twice as fast together.
const TEXTS_INT8: usize = 1;

/// Texts a run in f32, where neighbours make no difference: as many as have 8 tokens each.
const TEXTS_F32: usize = 64;

/// Tokens a run in f32: with so many the cost of starting a run vanishes, and what is computed for
/// them stays in the processor's caches. More gained nothing.
const TOKENS_F32: usize = 512;

/// How exactly a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Weights of one byte: twice as fast or more, a quarter of the size, and the ranking is the
    /// same within what test collections can tell.
    #[default]
    Int8,
    /// The weights as they are.
    F32,
}

impl Precision {
    /// As it stands in names of files and models.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Int8 => "int8",
            Precision::F32 => "f32",
        }
    }

    fn limits(self) -> BatchLimits {
        match self {
            Precision::Int8 => BatchLimits { texts_max: TEXTS_INT8, tokens_max: usize::MAX },
            Precision::F32 => BatchLimits { texts_max: TEXTS_F32, tokens_max: TOKENS_F32 },
        }
    }
}

/// Which model, and how it is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LocalConfig {
    /// Name of a directory below the models directory, or, with a `/` in it, the path of a directory
    /// of your own; its last part is then the name. It holds `model.safetensors` and `tokenizer.json` of a sentence model of BERT's
    /// shape; `config.json`, `modules.json`, `sentence_bert_config.json` and `1_Pooling/config.json`
    /// are obeyed where they are. The graph made of it is written there.
    pub model: String,
    /// `int8` or `f32`.
    pub precision: Precision,
    /// Texts that are worked on at once, each on a thread of its own. 0: one a processor.
    pub threads: usize,
    /// Longest text that is taken in whole, in tokens, if not the model's own; at most what the
    /// model has room for.
    pub window_tokens: Option<usize>,
    /// Words in front of each text, where the model's card asks for them.
    pub prefixes: Prefixes,
}

impl Default for LocalConfig {
    fn default() -> Self {
        LocalConfig {
            model: DEFAULT_MODEL.to_owned(),
            precision: Precision::default(),
            threads: 0,
            window_tokens: None,
            prefixes: Prefixes::default(),
        }
    }
}

/// A sentence model on this machine.
pub struct LocalEmbedder {
    config: LocalConfig,
    library: PathBuf,
    bert: Bert,
    id: String,
    window: usize,
    threads: usize,
    tokeniser: Mutex<Option<Arc<Tokeniser>>>,
    sessions: Mutex<Option<Arc<Sessions>>>,
    usage: Mutex<Usage>,
}

impl LocalEmbedder {
    /// Looks at the sizes of the model; nothing is loaded yet.
    ///
    /// # Errors
    /// If the model is not there, is damaged at its beginning, or is not of BERT's shape.
    pub fn open(models_dir: &Path, config: LocalConfig) -> Result<Self, EmbedError> {
        let dir = if config.model.contains('/') {
            PathBuf::from(&config.model)
        } else {
            models_dir.join(&config.model)
        };
        let bert = Bert::open(&dir)?;
        let window = config.window_tokens.unwrap_or(bert.window);
        if window < 3 || window > bert.positions {
            let reason =
                format!("{window} is not between 3 and {}, which the model has room for", bert.positions);
            return Err(EmbedError::Config { setting: "window_tokens", reason });
        }
        let name = dir.file_name().map_or_else(|| config.model.clone(), |name| name.to_string_lossy().into());
        let threads = match config.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        Ok(LocalEmbedder {
            id: format!("local/{name}/{}", config.precision.name()),
            library: models::library(models_dir),
            config,
            bert,
            window,
            threads,
            tokeniser: Mutex::new(None),
            sessions: Mutex::new(None),
            usage: Mutex::new(Usage::default()),
        })
    }

    /// Loads everything now, so that the first text need not wait for it.
    ///
    /// # Errors
    /// If the library, the tokeniser or the graph cannot be loaded.
    pub fn load(&self) -> Result<(), EmbedError> {
        if lock(&self.tokeniser).is_some() && lock(&self.sessions).is_some() {
            return Ok(());
        }
        // The two take about as long as each other.
        std::thread::scope(|scope| {
            let tokeniser = scope.spawn(|| self.tokeniser().map(drop));
            let sessions = self.sessions().map(drop);
            tokeniser.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).and(sessions)
        })
    }

    fn tokeniser(&self) -> Result<Arc<Tokeniser>, EmbedError> {
        let mut slot = lock(&self.tokeniser);
        if let Some(tokeniser) = &*slot {
            return Ok(Arc::clone(tokeniser));
        }
        let made = Arc::new(Tokeniser::open(&self.bert.dir, self.window, self.bert.vocabulary)?);
        Ok(Arc::clone(slot.insert(made)))
    }

    fn sessions(&self) -> Result<Arc<Sessions>, EmbedError> {
        let mut slot = lock(&self.sessions);
        if let Some(sessions) = &*slot {
            return Ok(Arc::clone(sessions));
        }
        let graph = made::load(&self.bert, self.config.precision)?;
        // One thread a session: sessions that have a text each never wait for each other, as the
        // threads of one session do several times a layer.
        let made = Arc::new(Sessions::new(&self.library, &self.id, graph, self.threads, 1)?);
        Ok(Arc::clone(slot.insert(made)))
    }
}

impl Embedder for LocalEmbedder {
    fn model_id(&self) -> &str {
        &self.id
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.bert.hidden)
    }

    fn window_tokens(&self) -> usize {
        self.window
    }

    fn semantic(&self) -> bool {
        true
    }

    fn count_tokens(&self, text: &str) -> Result<usize, EmbedError> {
        self.tokeniser()?.count(text).map_err(|reason| EmbedError::Tokens { index: 0, reason })
    }

    fn embed(
        &self,
        texts: &[&str],
        purpose: Purpose,
        cancelled: Cancelled<'_>,
    ) -> Result<Embedded, EmbedError> {
        if texts.is_empty() {
            return Ok(Embedded { vectors: Vectors::new(self.bert.hidden), tokens: 0, texts_cut: 0 });
        }
        self.load()?;
        let (tokeniser, sessions) = (self.tokeniser()?, self.sessions()?);
        let desk = work::Desk::new(work::Job {
            tokeniser: &tokeniser,
            sessions: &sessions,
            dimension: self.bert.hidden,
            limits: self.config.precision.limits(),
            prefix: self.config.prefixes.of(purpose),
            texts,
            workers: self.threads,
            cancelled,
        });
        let (embedded, runs) = desk.work()?;
        let mut usage = lock(&self.usage);
        usage.texts += texts.len() as u64;
        usage.tokens += embedded.tokens;
        usage.requests += runs;
        Ok(embedded)
    }

    fn usage(&self) -> Usage {
        *lock(&self.usage)
    }
}

/// Makes the graph file of a model directory, if there is none of its weights yet.
pub(crate) fn prepare(dir: &Path, precision: Precision) -> Result<(), EmbedError> {
    made::load(&Bert::open(dir)?, precision).map(drop)
}

/// The graph files of a model directory: which are whole, and which are not.
pub(crate) fn verify(dir: &Path) -> Vec<Result<PathBuf, EmbedError>> {
    let all = [Precision::Int8, Precision::F32];
    all.into_iter().filter_map(|precision| made::verify(dir, precision).transpose()).collect()
}
