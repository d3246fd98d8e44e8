//! One stream: its parents side by side, their records through one sieve into one batch after another.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossbeam_channel::{Sender, bounded};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stele_collect::{
    Batcher, CollectError, Collectable, Means, Outcome, Rejected, Sink, Source, StreamOutcome,
    UNAVAILABLE_MAX,
};
use stele_http::HttpError;
use stele_model::error::in_full;

use crate::cursor::State;
use crate::resource::{Context, Resource};
use crate::select::{Record, member, written};
use crate::service::{Moment, Service, is_fatal};
use crate::state::StreamState;
use crate::template::plain;
use crate::walk::{Common, Walked, walk};

/// Records whose children are asked for, at most: a gigabyte of what is needed of them.
pub(crate) const PARENTS_MAX: usize = 1_000_000;

/// Parents that may fail before the stream ends: more is a service that is down.
const FAILED_MAX: u64 = 100;

/// Pages on their way from workers to the sink, for each worker: one that waits and one that is written.
const PAGES_WAITING: usize = 2;

/// What every stream of a run has in common.
pub(crate) struct Run<'a> {
    pub(crate) source: &'a Source,
    pub(crate) service: &'a Service,
    pub(crate) common: &'a Common,
    pub(crate) workers: usize,
    pub(crate) means: &'a Means<'a>,
}

/// What a stream is asked for.
pub(crate) struct Above<'a> {
    pub(crate) parent: Option<&'a Resource>,
    pub(crate) contexts: &'a [Context],
    /// Whether there are no others than these.
    pub(crate) is_whole: bool,
}

/// What came of a stream.
pub(crate) struct Streamed {
    pub(crate) outcome: StreamOutcome,
    /// Where it goes on, if that is only so once its children are read.
    pub(crate) held: Option<StreamState>,
    /// What its children are asked for.
    pub(crate) below: Vec<Context>,
    /// Whether that is everything that there is, and not only what is new or could be had.
    pub(crate) is_whole: bool,
    /// What could not be had beside what the outcome names.
    pub(crate) unavailable_more: u64,
    pub(crate) notes: Vec<String>,
}

/// What workers say.
enum Said {
    Page(usize, Vec<Record>, Option<State>),
    Done(usize, Result<Walked, CollectError>),
}

impl Run<'_> {
    /// Collects one stream for all of its parents.
    ///
    /// # Errors
    /// What ends the whole run.
    pub(crate) fn stream(
        &self,
        resource: &Resource,
        above: &Above<'_>,
        from: Option<&Value>,
        sink: &mut dyn Sink,
    ) -> Result<Streamed, CollectError> {
        let what = format!("source {}, {}", self.source.id, resource.config.name);
        // A cursor that is not understood ends this stream alone, before anything is asked.
        let (state, contexts, lost) = match StreamState::of(from, &what) {
            Ok(state) => (state, above.contexts, None),
            Err(error) => (StreamState::default(), &[][..], Some(in_full(&error))),
        };
        let mut gathering = Gathering::new(self, resource, above, state);
        gathering.ended = lost;
        let states: Vec<State> = contexts.iter().map(|context| gathering.state.get(context)).collect();
        let ended = match sink.keeps() {
            true => self.side_by_side(&mut gathering, contexts, &states, sink),
            false => self.one_by_one(&mut gathering, contexts, &states, sink),
        };
        match ended {
            Err(CollectError::Sink(error)) => return Err(CollectError::Sink(error)),
            Err(CollectError::Enough) => return Err(CollectError::Enough),
            // What was gathered is kept before the run ends.
            Err(error) if is_fatal(&error) => {
                gathering.flush(sink)?;
                return Err(error);
            }
            Err(error) => gathering.ended = Some(in_full(&error)),
            Ok(()) => {}
        }
        gathering.finish(sink)
    }

    /// All parents, several at a time. Those who ask are ahead of what is taken.
    fn side_by_side(
        &self,
        gathering: &mut Gathering<'_>,
        contexts: &[Context],
        states: &[State],
        sink: &mut dyn Sink,
    ) -> Result<(), CollectError> {
        let resource = gathering.resource;
        let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let cancelled = || over.load(Ordering::Relaxed) || (self.means.cancelled)();
        let workers = self.workers.min(contexts.len());
        // Nothing is gathered beyond what waits here: who is quicker than the sink waits for it.
        let (say, said) = bounded(workers.max(1) * PAGES_WAITING);
        std::thread::scope(|scope| {
            for _ in 0..workers {
                let say: Sender<Said> = say.clone();
                let (next, cancelled) = (&next, &cancelled);
                let (service, common) = (self.service, self.common);
                let moment = Moment::of(self.means, cancelled);
                scope.spawn(move || {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(context) = contexts.get(at) else { return };
                        let mut emit = |records, state| say.send(Said::Page(at, records, state)).is_ok();
                        let walked =
                            walk(service, common, resource, context, &states[at], &moment, &mut emit);
                        if cancelled() || say.send(Said::Done(at, walked)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(say);
            let taken = (|| {
                while let Ok(message) = self.means.fetching.time(|| said.recv()) {
                    gathering.take(message, contexts, sink)?;
                }
                match (self.means.cancelled)() {
                    true => Err(CollectError::Cancelled),
                    false => Ok(()),
                }
            })();
            if taken.is_err() {
                over.store(true, Ordering::Relaxed);
            }
            // Whoever still speaks is not heard any more, and ends.
            drop(said);
            taken
        })
    }

    /// All parents for who only looks: a page is asked for once the one before is taken and was not enough.
    fn one_by_one(
        &self,
        gathering: &mut Gathering<'_>,
        contexts: &[Context],
        states: &[State],
        sink: &mut dyn Sink,
    ) -> Result<(), CollectError> {
        let resource = gathering.resource;
        let moment = Moment::of(self.means, self.means.cancelled);
        for (at, (context, state)) in contexts.iter().zip(states).enumerate() {
            let mut taken = Ok(());
            let mut emit = |records: Vec<Record>, state: Option<State>| {
                taken = gathering.take(Said::Page(at, records, state), contexts, sink);
                taken.is_ok()
            };
            let walked = self
                .means
                .fetching
                .time(|| walk(self.service, self.common, resource, context, state, &moment, &mut emit));
            // Why no more is wanted.
            taken?;
            gathering.take(Said::Done(at, walked), contexts, sink)?;
        }
        Ok(())
    }
}

/// One stream as it comes in.
struct Gathering<'a> {
    run: &'a Run<'a>,
    resource: &'a Resource,
    above: &'a Above<'a>,
    batcher: Batcher,
    state: StreamState,
    /// The state is another than what was handed over.
    moved: bool,
    /// A batch was not kept. How far it came holds only with its records, so nothing follows it.
    refused: bool,
    records: u64,
    /// Records that could not be understood.
    rejected: u64,
    left: u64,
    failed: u64,
    first_failure: Option<String>,
    /// Why the stream ended for all parents.
    ended: Option<String>,
    forbidden: Option<String>,
    /// Something was not given, so that nobody knows what is below it.
    lacks: bool,
    notes: Vec<String>,
    unavailable: Vec<(String, String)>,
    unavailable_more: u64,
    below: Vec<Context>,
    below_keys: BTreeSet<String>,
}

impl<'a> Gathering<'a> {
    fn new(run: &'a Run<'a>, resource: &'a Resource, above: &'a Above<'a>, state: StreamState) -> Self {
        Self {
            run,
            resource,
            above,
            batcher: Batcher::new(resource.config.name.clone()),
            state,
            moved: false,
            refused: false,
            records: 0,
            rejected: 0,
            left: 0,
            failed: 0,
            first_failure: None,
            ended: None,
            forbidden: None,
            lacks: false,
            notes: Vec::new(),
            unavailable: Vec::new(),
            unavailable_more: 0,
            below: Vec::new(),
            below_keys: BTreeSet::new(),
        }
    }

    fn take(&mut self, said: Said, contexts: &[Context], sink: &mut dyn Sink) -> Result<(), CollectError> {
        match said {
            Said::Page(at, records, state) => {
                for record in records {
                    self.record(record, &contexts[at])?;
                }
                (self.run.means.progress)(&self.resource.config.name, self.records);
                match state {
                    Some(state) => self.reached(&contexts[at], state, sink),
                    None => self.flush_if_full(sink),
                }
            }
            Said::Done(at, Ok(walked)) => {
                self.left += walked.left;
                if let Some(why) = walked.forbidden.or(walked.nothing.clone()) {
                    self.lacks = true;
                    match (contexts[at].key.is_empty(), walked.nothing.is_some()) {
                        (true, true) => self.notes.push(format!("{}: {why}", self.resource.config.name)),
                        (true, false) => self.forbidden = Some(why),
                        (false, _) => self.unavailable(contexts[at].key.clone(), why),
                    }
                }
                match walked.state {
                    Some(state) => self.reached(&contexts[at], state, sink),
                    None => Ok(()),
                }
            }
            Said::Done(_, Err(error)) if is_fatal(&error) => Err(error),
            Said::Done(at, Err(error)) => {
                let gone = matches!(
                    &error,
                    CollectError::Http { source: HttpError::Refused { status: 404 | 410, .. }, .. }
                );
                if gone && !contexts[at].key.is_empty() {
                    // The parent went while it was read.
                    self.unavailable(contexts[at].key.clone(), in_full(&error));
                    return Ok(());
                }
                self.failed += 1;
                self.unavailable(contexts[at].key.clone(), in_full(&error));
                self.first_failure.get_or_insert_with(|| in_full(&error));
                if self.failed >= FAILED_MAX {
                    return Err(error);
                }
                Ok(())
            }
        }
    }

    fn record(&mut self, record: Record, context: &Context) -> Result<(), CollectError> {
        if let Some(why) = &record.unread {
            // Nobody knows what would be below it.
            self.lacks = true;
            self.rejected += 1;
            let stream = self.resource.config.name.clone();
            self.batcher.reject(Rejected {
                place: format!("{stream}, record {}", self.records + self.rejected),
                stream,
                reason: format!("it cannot be looked into: {why}"),
                raw: record.raw.get().as_bytes().to_vec(),
            });
            return Ok(());
        }
        if self.resource.has_children {
            match self.resource.below(context, &record.value) {
                Err(why) => {
                    let id = self.id(&record.value, context).unwrap_or_else(|| "a record".to_owned());
                    self.unavailable(id, format!("its children cannot be asked for: {why}"));
                }
                Ok(below) if self.below_keys.insert(below.key.clone()) => {
                    if self.below.len() >= PARENTS_MAX {
                        return Err(CollectError::Stopped {
                            code: "parents_max",
                            why: format!(
                                "{} has more than {PARENTS_MAX} records whose children are asked for; read less at a time by `incremental`",
                                self.resource.config.name
                            ),
                        });
                    }
                    self.below.push(below);
                }
                Ok(_) => {}
            }
        }
        let config = &self.resource.config;
        let time = config.ts.as_ref().or(config.incremental.as_ref().map(|incremental| &incremental.cursor));
        let ts = time.and_then(|path| member(&record.value, path)).filter(|ts| !ts.is_null()).map(plain);
        let id = self.id(&record.value, context);
        self.batcher.push(&Collectable {
            source: &self.run.source.id,
            stream: &config.name,
            doc_type: &config.doc_type,
            tenant_id: self.run.source.tenant_id.as_deref(),
            platform: None,
            original_id: id.as_deref(),
            ts: ts.as_deref(),
            normalised: self.normalised(context)?.as_deref(),
            data: &record.raw,
        })?;
        self.records += 1;
        Ok(())
    }

    /// What identifies a record, below its parent.
    fn id(&self, record: &Value, context: &Context) -> Option<String> {
        let key = &self.resource.config.key;
        let values: Option<Vec<String>> = key.iter().map(|name| member(record, name).map(plain)).collect();
        let id = values.filter(|values| !values.is_empty())?.join(":");
        Some(if context.key.is_empty() { id } else { format!("{}/{id}", context.key.replace('"', "")) })
    }

    fn normalised(&self, context: &Context) -> Result<Option<Box<RawValue>>, CollectError> {
        let Some(parent) = self.above.parent else { return Ok(None) };
        let included = self.resource.included(&parent.config.name, context);
        if included.is_empty() {
            return Ok(None);
        }
        Ok(Some(written(json!({ "parent": included }))?.raw))
    }

    /// Everything of a context was gathered up to here.
    fn reached(&mut self, context: &Context, state: State, sink: &mut dyn Sink) -> Result<(), CollectError> {
        self.state.set(context, state);
        self.moved = true;
        self.flush_if_full(sink)
    }

    fn flush_if_full(&mut self, sink: &mut dyn Sink) -> Result<(), CollectError> {
        match self.batcher.is_full(sink) {
            true => self.flush(sink),
            false => Ok(()),
        }
    }

    /// Hands over what was gathered, and how far that came; nothing once something was refused.
    fn flush(&mut self, sink: &mut dyn Sink) -> Result<(), CollectError> {
        if self.refused {
            return Ok(());
        }
        let taken = self.hand_over(sink);
        self.refused = taken.is_err();
        taken
    }

    fn hand_over(&mut self, sink: &mut dyn Sink) -> Result<(), CollectError> {
        // A record that is done before its children are would never be asked for them again.
        if self.moved && !self.resource.has_children {
            // Written for each batch and not for each page: there may be a million parents in it.
            let cursor = self.state.value()?;
            self.moved = false;
            self.batcher.reached(cursor, sink)?;
        }
        self.batcher.flush(sink)
    }

    fn unavailable(&mut self, what: String, why: String) {
        match self.unavailable.len() < UNAVAILABLE_MAX {
            true => self.unavailable.push((what, why)),
            false => self.unavailable_more += 1,
        }
    }

    fn finish(mut self, sink: &mut dyn Sink) -> Result<Streamed, CollectError> {
        let name = self.resource.config.name.clone();
        let incremental = self.resource.config.incremental.is_some();
        let Above { parent, contexts, is_whole } = *self.above;
        // A service that has no parents at all for once is not believed that all of them are gone.
        if incremental && is_whole && parent.is_some() && !contexts.is_empty() && self.ended.is_none() {
            self.moved |= self.state.forget_others(contexts);
        }
        match self.flush(sink) {
            Ok(()) => {}
            Err(error @ CollectError::Frozen { .. }) => self.ended = Some(in_full(&error)),
            Err(error) => return Err(error),
        }
        let is_whole = is_whole && !incremental && !self.lacks && self.failed == 0 && self.ended.is_none();
        let first_failure = self.first_failure.take();
        let outcome = match (first_failure, self.forbidden.take()) {
            _ if self.ended.is_some() => Outcome::Failed { reason: self.ended.take().unwrap_or_default() },
            (Some(first), _) => Outcome::Failed {
                reason: match parent {
                    None => first,
                    Some(parent) => format!(
                        "{} records of {} were asked for in vain; the first: {first}",
                        self.failed, parent.config.name
                    ),
                },
            },
            (None, Some(said)) => Outcome::Unavailable {
                reason: format!("{said}; it needs a permission that the key does not have"),
            },
            (None, None) => Outcome::Ok,
        };
        let mut notes = self.notes;
        if self.left > 0 {
            notes.push(format!("{name}: {} records have no cursor and were left out", self.left));
        }
        if self.unavailable_more > 0 {
            notes.push(format!(
                "{name}: beside the {UNAVAILABLE_MAX} things that are named, {} more could not be had",
                self.unavailable_more
            ));
        }
        Ok(Streamed {
            outcome: StreamOutcome {
                stream: name,
                outcome,
                records: self.records,
                unavailable: self.unavailable,
            },
            held: (self.resource.has_children && self.moved && !self.refused).then_some(self.state),
            below: self.below,
            is_whole,
            unavailable_more: self.unavailable_more,
            notes,
        })
    }
}
