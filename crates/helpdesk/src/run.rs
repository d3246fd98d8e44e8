//! One run: what every stream of it shares, and how each of them ended.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use stele_collect::{
    Batcher, CollectError, Collectable, Collected, Cursors, Means, Outcome, Sink, StreamOutcome,
    UNAVAILABLE_MAX,
};

use crate::HelpdeskError;
use crate::attachments::{Downloads, unsign};
use crate::caller::{Caller, not_json};
use crate::config::HelpdeskConfig;
use crate::platform::{Account, Platform, Question};

/// Why a stream ended before its end.
pub(crate) enum Stop {
    /// The desk does not give it: others may go on.
    Stream(HelpdeskError),
    /// The whole run ends.
    Run(CollectError),
}

impl From<HelpdeskError> for Stop {
    fn from(error: HelpdeskError) -> Self {
        Self::Stream(error)
    }
}

impl From<CollectError> for Stop {
    fn from(error: CollectError) -> Self {
        Self::Run(error)
    }
}

/// A thing as the desk said it, without what lets in whoever has it.
pub(crate) struct Thing {
    pub(crate) value: Value,
    pub(crate) raw: Box<RawValue>,
}

impl Thing {
    pub(crate) fn new(raw: Box<RawValue>, question: &Question) -> Result<Self, HelpdeskError> {
        let value = serde_json::from_str(raw.get()).map_err(|error| not_json(question, &error))?;
        Self { value, raw }.unsigned(question)
    }

    /// Byte for byte what was said, unless something had to be taken out.
    pub(crate) fn unsigned(mut self, question: &Question) -> Result<Self, HelpdeskError> {
        if unsign(&mut self.value) {
            self.raw = to_raw_value(&self.value).map_err(|error| not_json(question, &error))?;
        }
        Ok(self)
    }

    pub(crate) fn hash(&self) -> String {
        // Enough to tell two states of one thing; it is no id.
        blake3::hash(self.raw.get().as_bytes()).to_hex()[..16].to_owned()
    }
}

/// Things of a page, each as it was said.
pub(crate) fn things(body: &[u8], question: &Question) -> Result<Vec<Box<RawValue>>, HelpdeskError> {
    serde_json::from_slice(body).map_err(|error| not_json(question, &error))
}

/// What was counted of a stream.
#[derive(Default)]
struct Counted {
    records: u64,
    unavailable: Vec<(String, String)>,
    /// Those that are not named any more.
    unavailable_more: u64,
}

/// What was counted and has ended.
#[derive(Default)]
pub(crate) struct SoFar {
    counted: BTreeMap<String, Counted>,
    outcomes: Vec<StreamOutcome>,
    /// What could not be had and stands in no outcome by its name.
    unavailable_more: u64,
    /// Tickets that lack something and are not asked for again.
    pub(crate) not_waited_for: u64,
    /// Why nothing more is asked for.
    given_up: Option<String>,
}

/// A run.
pub(crate) struct Run<'a> {
    pub(crate) source: &'a str,
    pub(crate) config: &'a HelpdeskConfig,
    pub(crate) platform: &'a dyn Platform,
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) downloads: &'a Downloads<'a>,
    pub(crate) account: Account,
    pub(crate) from: &'a Cursors,
    pub(crate) start: jiff::Timestamp,
    pub(crate) means: &'a Means<'a>,
    pub(crate) sink: &'a mut dyn Sink,
    pub(crate) wanted: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// How far it is: nothing at its beginning.
    pub(crate) so_far: SoFar,
}

/// A record on its way out.
pub(crate) struct Record<'a> {
    pub(crate) stream: &'a str,
    pub(crate) doc_type: &'a str,
    pub(crate) original_id: &'a str,
    pub(crate) ts: Option<&'a str>,
    pub(crate) data: &'a RawValue,
}

impl Run<'_> {
    /// Whether this stream is to be collected.
    pub(crate) fn wants(&self, stream: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == stream)
    }

    /// Asks, and takes the time of it.
    pub(crate) fn fetching<T>(&self, ask: impl FnOnce(&Self) -> T) -> T {
        self.means.fetching.time(|| ask(self))
    }

    /// Gathers a record.
    pub(crate) fn write(
        &mut self,
        batcher: &mut Batcher,
        record: &Record<'_>,
        normalised: Option<&dyn erased::Written>,
    ) -> Result<(), CollectError> {
        let normalised =
            normalised.map(erased::Written::raw).transpose().map_err(CollectError::Unwritable)?;
        batcher.push(&Collectable {
            source: self.source,
            stream: record.stream,
            doc_type: record.doc_type,
            tenant_id: Some(&self.account.tenant),
            platform: Some(self.platform.name()),
            original_id: Some(record.original_id),
            ts: record.ts,
            normalised: normalised.as_deref(),
            data: record.data,
        })?;
        self.so_far.counted.entry(record.stream.to_owned()).or_default().records += 1;
        Ok(())
    }

    /// Something was there and could not be had.
    pub(crate) fn unavailable(&mut self, stream: &str, what: String, why: String) {
        let counted = self.so_far.counted.entry(stream.to_owned()).or_default();
        match counted.unavailable.len() < UNAVAILABLE_MAX {
            true => counted.unavailable.push((what, why)),
            false => counted.unavailable_more += 1,
        }
    }

    /// Tells how far it is.
    pub(crate) fn tell(&self, stream: &str) {
        (self.means.progress)(stream, self.so_far.counted.get(stream).map_or(0, |counted| counted.records));
    }

    /// Collects a stream, and writes down how it ended.
    pub(crate) fn stream(
        &mut self,
        stream: &str,
        counted_as: &str,
        collect: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), CollectError> {
        let result = match &self.so_far.given_up {
            None => collect(self),
            Some(reason) => {
                let outcome = Outcome::Failed { reason: format!("it was not tried: {reason}") };
                self.outcome(stream, counted_as, outcome);
                return Ok(());
            }
        };
        let outcome = match result {
            Ok(()) => Outcome::Ok,
            Err(Stop::Run(CollectError::Frozen { why, .. })) => Outcome::Failed { reason: why },
            Err(Stop::Run(error)) => {
                if matches!(error, CollectError::Enough) {
                    self.outcome(stream, counted_as, Outcome::Ok);
                }
                return Err(error);
            }
            Err(Stop::Stream(HelpdeskError::Cancelled)) => return Err(CollectError::Cancelled),
            Err(Stop::Stream(HelpdeskError::Refused { status: 401, said, .. })) => {
                return Err(self.credentials(said));
            }
            Err(Stop::Stream(error)) if error.of_one_thing() => Outcome::Unavailable {
                reason: format!("{error}; the plan or the role of the key does not give it"),
            },
            Err(Stop::Stream(error)) => {
                let reason = error.in_full();
                if matches!(error, HelpdeskError::GivenUp { .. }) {
                    self.so_far.given_up = Some(reason.clone());
                }
                Outcome::Failed { reason }
            }
        };
        self.outcome(stream, counted_as, outcome);
        Ok(())
    }

    /// Writes down how a stream ended that is collected beside another.
    pub(crate) fn outcome(&mut self, stream: &str, counted_as: &str, outcome: Outcome) {
        let Counted { records, unavailable, unavailable_more } =
            self.so_far.counted.remove(counted_as).unwrap_or_default();
        if unavailable_more > 0 {
            self.so_far.unavailable_more += unavailable_more;
            self.notes.push(format!(
                "{stream}: beside the {UNAVAILABLE_MAX} things that are named, {unavailable_more} more could not be had"
            ));
        }
        self.so_far.outcomes.push(StreamOutcome { stream: stream.to_owned(), outcome, records, unavailable });
    }

    /// Whether the desk does not give this stream, and nothing of it came.
    pub(crate) fn is_closed(&self, stream: &str) -> bool {
        let closed = |one: &StreamOutcome| {
            one.stream == stream && one.records == 0 && matches!(one.outcome, Outcome::Unavailable { .. })
        };
        self.so_far.outcomes.iter().any(closed)
    }

    /// The key is refused.
    pub(crate) fn credentials(&self, said: String) -> CollectError {
        let variable = format!("{:?}", self.config.api_key);
        let variable = variable.trim_start_matches("${").trim_end_matches('}').replace("***", "api_key");
        CollectError::Credentials { source_id: self.source.to_owned(), variable, said }
    }

    /// What came of the run.
    pub(crate) fn end(self) -> Collected {
        Collected {
            streams: self.so_far.outcomes,
            calls: self.caller.calls(),
            notes: self.notes,
            unavailable_more: self.so_far.unavailable_more,
        }
    }
}

/// Anything that can be written as JSON, whichever type it has.
pub(crate) mod erased {
    use super::{RawValue, Serialize, to_raw_value};

    pub(crate) trait Written {
        fn raw(&self) -> Result<Box<RawValue>, serde_json::Error>;
    }

    impl<T: Serialize> Written for T {
        fn raw(&self) -> Result<Box<RawValue>, serde_json::Error> {
            to_raw_value(self)
        }
    }
}
