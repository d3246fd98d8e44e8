//! ONNX Runtime: the library, sessions on one graph, and the pool that lends them out.

use std::path::Path;
use std::sync::{Condvar, Mutex};

use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, PrepackedWeights};
use ort::value::TensorRef;

use super::graph::OUTPUT;
use super::tokens::Tokens;
use crate::{EmbedError, lock};

/// The environment of ONNX Runtime. A process can have one library and one environment, so the
/// first directory of models that is used decides which.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

fn environment(library: &Path) -> Result<Environment, EmbedError> {
    let mut environment = lock(&ENVIRONMENT);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    if !library.is_file() {
        return Err(EmbedError::Missing { path: library.display().to_string() });
    }
    let failed = |reason: String| EmbedError::Library { path: library.display().to_string(), reason };
    // A relative path would be looked for beside the program first.
    let library = library.canonicalize().map_err(|error| failed(error.to_string()))?;
    let made = ort::init_from(library)
        .map_err(|error| failed(error.to_string()))?
        .with_name("stele")
        .with_telemetry(false)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    *environment = Some(made.clone());
    Ok(made)
}

/// Lends sessions to whoever asks, first come, first served: a question that comes while thousands
/// of texts are embedded waits for one batch, not for all.
pub(crate) struct Sessions {
    model: String,
    graph: Vec<u8>,
    environment: Environment,
    /// One copy of the weights, in the order that the processor likes, for all sessions.
    weights: PrepackedWeights,
    threads: usize,
    size: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
}

struct Queue {
    free: Vec<Session>,
    made: usize,
    next: u64,
    served: u64,
}

impl Sessions {
    /// Up to `size` sessions of `threads` threads each, made when they are needed.
    pub(crate) fn new(
        library: &Path,
        model: &str,
        graph: Vec<u8>,
        size: usize,
        threads: usize,
    ) -> Result<Sessions, EmbedError> {
        let environment = environment(library)?;
        let sessions = Sessions {
            model: model.to_owned(),
            graph,
            environment,
            weights: PrepackedWeights::new(),
            threads,
            size,
            queue: Mutex::new(Queue { free: Vec::new(), made: 1, next: 0, served: 0 }),
            changed: Condvar::new(),
        };
        // The first one now, so that a graph which cannot be run is known before it is used.
        let first = sessions.make()?;
        lock(&sessions.queue).free.push(first);
        Ok(sessions)
    }

    fn make(&self) -> Result<Session, EmbedError> {
        let failed = |reason: String| EmbedError::Runtime { model: self.model.clone(), reason };
        let builder = Session::builder(&self.environment).map_err(|error| failed(error.to_string()))?;
        let builder = builder.with_log_level(LogLevel::Error).map_err(|error| failed(error.to_string()))?;
        // Nothing is left to optimise, and looking for it takes longer than a search.
        let builder = builder
            .with_optimization_level(GraphOptimizationLevel::Disable)
            .map_err(|error| failed(error.to_string()))?;
        let builder = builder.with_intra_threads(self.threads).map_err(|error| failed(error.to_string()))?;
        // Texts differ in length: a plan of the memory for one of them does not fit the next.
        let builder = builder.with_memory_pattern(false).map_err(|error| failed(error.to_string()))?;
        let mut builder =
            builder.with_prepacked_weights(&self.weights).map_err(|error| failed(error.to_string()))?;
        builder.commit_from_memory(&self.graph).map_err(|error| failed(error.to_string()))
    }

    /// Waits for a session, and makes one if there may be more.
    pub(crate) fn take(&self) -> Result<Lent<'_>, EmbedError> {
        let mut queue = lock(&self.queue);
        let ticket = queue.next;
        queue.next += 1;
        while queue.served != ticket || (queue.free.is_empty() && queue.made == self.size) {
            queue = self.changed.wait(queue).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        queue.served += 1;
        let free = queue.free.pop();
        queue.made += usize::from(free.is_none());
        drop(queue);
        self.changed.notify_all();
        let session = match free {
            Some(session) => session,
            None => self.make().inspect_err(|_| {
                lock(&self.queue).made -= 1;
                self.changed.notify_all();
            })?,
        };
        Ok(Lent { home: self, session: Some(session) })
    }
}

/// A session until it is dropped.
pub(crate) struct Lent<'a> {
    home: &'a Sessions,
    session: Option<Session>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        lock(&self.home.queue).free.extend(self.session.take());
        self.home.changed.notify_all();
    }
}

impl Lent<'_> {
    /// Runs the graph on the texts of a batch; `each` gets the place in the batch and its vector.
    pub(crate) fn run(
        &mut self,
        batch: &[&Tokens],
        dimension: usize,
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<(), EmbedError> {
        let model = &self.home.model;
        let failed = |reason: String| EmbedError::Runtime { model: model.clone(), reason };
        let Some(session) = &mut self.session else { return Ok(()) };
        let width = batch.iter().map(|tokens| tokens.ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(batch.len() * width);
        let mut mask: Vec<i64> = Vec::with_capacity(batch.len() * width);
        for (row, tokens) in batch.iter().enumerate() {
            ids.extend(tokens.ids.iter().map(|id| i64::from(*id)));
            mask.resize(ids.len(), 1);
            // Any id will do for the filling, because the mask hides it.
            ids.resize((row + 1) * width, 0);
            mask.resize(ids.len(), 0);
        }
        let positions: Vec<i64> = (0..width as i64).collect();
        let shape = [batch.len(), width];
        let tensor = |error: ort::Error| failed(error.to_string());
        let outputs = session
            .run(ort::inputs![
                TensorRef::from_array_view((shape, &*ids)).map_err(tensor)?,
                TensorRef::from_array_view((shape, &*mask)).map_err(tensor)?,
                TensorRef::from_array_view(([width], &*positions)).map_err(tensor)?,
            ])
            .map_err(tensor)?;
        let output = outputs.get(OUTPUT).ok_or_else(|| failed(format!("it has no output {OUTPUT}")))?;
        let (_, values) = output.try_extract_tensor::<f32>().map_err(tensor)?;
        if values.len() != batch.len() * dimension {
            return Err(failed(format!("it gave {} numbers for {} texts", values.len(), batch.len())));
        }
        if let Some(bad) = values.iter().position(|value| !value.is_finite()) {
            return Err(failed(format!("number {bad} of its answer is {}", values[bad])));
        }
        values.chunks_exact(dimension).enumerate().for_each(|(place, vector)| each(place, vector));
        Ok(())
    }
}
