//! Whether what answers questions can be relied upon: drift, and questions whose answers somebody
//! expects; and mending what follows from the lake.

use serde::{Deserialize, Serialize};
use stele_index::IndexError;
use stele_lake::Snapshot;
use stele_model::error::in_full;
use stele_search::Question;

use super::status::IndexVerification;
use crate::EngineError;
use crate::documents::GraphVerification;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress};

/// The largest drift that is ready for queries.
pub const DRIFT_MAX: f64 = 0.005;

/// Whether somebody can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// The drift is small and every sample query returned evidence.
    Yes,
    /// One of them is not so.
    No,
    /// Nobody has set sample queries, or nobody can ask any, so nobody knows.
    Unverified,
}

/// One sample query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleQuery {
    /// What was asked.
    pub query: String,
    /// Where the first result says it; nothing if nothing was found.
    pub evidence: Option<String>,
    /// As in the answer.
    pub confidence: f32,
    /// Why it could not be asked.
    pub unavailable: Option<String>,
}

/// What a verification came to.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    /// The index compared with the lake, before anything is mended; nothing where there is none.
    pub index: Option<IndexVerification>,
    /// The graph compared with the lake, with its contract and what documents kept of their text;
    /// nothing where there is none.
    pub graph: Option<GraphVerification>,
    /// The queries of `sample_queries` in `stele.toml`.
    pub sample_queries: Vec<SampleQuery>,
    /// Whether somebody can ask.
    pub ready_for_queries: Ready,
    /// Why it is not `yes`, in words; empty where it is.
    pub reasons: Vec<String>,
}

/// What a repair did.
#[derive(Debug, Clone, Serialize)]
pub struct RepairReport {
    /// What was wrong before.
    pub before: VerifyReport,
    /// What was done about it, in words and in order; empty if there was nothing to do.
    pub done: Vec<String>,
    /// What is wrong now.
    pub after: VerifyReport,
}

/// What a verification looks at, as it was when it began: others go on writing meanwhile. Each was opened before what it
/// follows, so that the graph knows nothing that is not in the lake, and the index nothing that is in neither.
pub(crate) struct Ground {
    /// The index that answers; nothing where there is none.
    pub(crate) index: Option<stele_index::Reader>,
    /// Nothing where there is none.
    pub(crate) graph: Option<stele_graph::Reader>,
    /// The lake as it is.
    pub(crate) now: Snapshot,
    /// The lake as it has to be found again. What came since may still be on its way.
    pub(crate) since: Snapshot,
}

impl Ground {
    /// Whether something came since.
    pub(crate) fn is_later(&self) -> bool {
        self.now.version() != self.since.version()
    }
}

impl Engine {
    /// What there is to be compared, with what has to be found again: the lake as of this version, or as it is.
    ///
    /// # Errors
    ///
    /// If there is no lake, or something of it cannot be opened.
    pub(crate) fn ground(&self, since: Option<u64>) -> Result<Ground, EngineError> {
        let index = match self.index().and_then(|index| Ok(index.reader()?)) {
            Err(EngineError::Index(IndexError::NoIndex { .. })) => None,
            index => Some(index?),
        };
        let graph = self.graph(&self.snapshot()?)?;
        let now = self.snapshot()?;
        let since = match since.filter(|since| *since < now.version()) {
            Some(since) => self.snapshot_at(since).unwrap_or_else(|error| {
                // As after a restore from a copy: then all has to be found.
                tracing::debug!("version {since} of the lake cannot be read: {}", in_full(&error));
                now.clone()
            }),
            None => now.clone(),
        };
        Ok(Ground { index, graph, now, since })
    }

    /// Compares index and graph with the lake and asks the sample queries.
    ///
    /// # Errors
    ///
    /// If there is no lake, or what is compared with it cannot be read. That nobody can ask is no
    /// error: the report says so.
    pub fn verify(&self) -> Result<VerifyReport, EngineError> {
        self.verify_on(&self.ground(None)?, &Cancel::default())
    }

    /// The same on what is there, for as long as nobody asks for the stop.
    pub(crate) fn verify_on(&self, ground: &Ground, cancel: &Cancel) -> Result<VerifyReport, EngineError> {
        let index = match &ground.index {
            None => None,
            Some(reader) => Some(self.index_verify_on(ground, reader, cancel)?),
        };
        let graph = match &ground.graph {
            None => None,
            Some(reader) => Some(self.graph_verify_on(ground, reader, cancel)?),
        };
        let asked = self.settings().sample_queries.iter().filter(|_| index.is_some());
        let sample_queries: Vec<SampleQuery> = asked.map(|query| self.ask_sample(query)).collect();
        let (ready_for_queries, reasons) = verdict(index.as_ref(), graph.as_ref(), &sample_queries);
        Ok(VerifyReport { index, graph, sample_queries, ready_for_queries, reasons })
    }

    /// Brings graph and index to what the lake comes to: first by following it, and anew from it where
    /// that does not help.
    ///
    /// # Errors
    ///
    /// As [`Engine::verify`], [`Engine::graph_rebuild`] and [`Engine::index_rebuild`].
    pub fn repair(&self, progress: &dyn Progress, cancel: &Cancel) -> Result<RepairReport, EngineError> {
        let before = self.verify()?;
        let mut done = Vec::new();
        let mut now = before.clone();
        if !graph_holds(&now) {
            self.graph_build(progress, cancel)?;
            done.push("the graph was brought up to the lake".to_owned());
            now = self.verify()?;
        }
        if !graph_holds(&now) {
            self.graph_rebuild(progress, cancel)?;
            done.push("the graph was made anew from the lake".to_owned());
            now = self.verify()?;
        }
        if !index_holds(&now) {
            let summary = self.index_build(progress, cancel)?;
            let (inserted, deleted) = (summary.inserted + summary.changed, summary.deleted);
            done.push(format!(
                "the index was brought up to the lake: {inserted} put in, {deleted} taken out"
            ));
            now = self.verify()?;
        }
        if !index_holds(&now) {
            self.index_rebuild(progress, cancel)?;
            done.push("the index was made anew from the lake".to_owned());
            now = self.verify()?;
        }
        Ok(RepairReport { before, done, after: now })
    }

    fn ask_sample(&self, query: &str) -> SampleQuery {
        let question = Question { top: 1, ..Question::new(query) };
        match self.search(&question, &Cancel::default()) {
            Ok(found) => SampleQuery {
                query: query.to_owned(),
                // A near vector is always there; words of the question have to be, too.
                evidence: found
                    .answer
                    .results
                    .first()
                    .filter(|found| !found.evidence.matched.is_empty())
                    .map(|found| found.evidence.at.clone()),
                confidence: found.answer.confidence,
                unavailable: None,
            },
            Err(error) => SampleQuery {
                query: query.to_owned(),
                evidence: None,
                confidence: 0.0,
                unavailable: Some(in_full(&error)),
            },
        }
    }
}

fn graph_holds(report: &VerifyReport) -> bool {
    report.graph.as_ref().is_none_or(|graph| graph.holds)
}

fn index_holds(report: &VerifyReport) -> bool {
    report.index.as_ref().is_some_and(|index| index.holds)
}

/// Whether somebody can ask, and why not. What is known to be wrong outweighs what nobody knows.
fn verdict(
    index: Option<&IndexVerification>,
    graph: Option<&GraphVerification>,
    samples: &[SampleQuery],
) -> (Ready, Vec<String>) {
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    match index {
        None => unknown.push("there is no index: `stele index build` makes it".to_owned()),
        Some(index) => {
            if index.drift > DRIFT_MAX {
                wrong.push(format!(
                    "the index drifts by {:.2} % of at most {:.1} %: {} missing, {} too many, {} that differ; \
                     `stele index build`",
                    100.0 * index.drift,
                    100.0 * DRIFT_MAX,
                    index.missing,
                    index.extra,
                    index.differing,
                ));
            }
            if let Some(problem) = index.problems.first() {
                let more = index.problems.len() - 1;
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                wrong.push(format!("the index is damaged ({problem}{more}): `stele index rebuild`"));
            }
        }
    }
    if let Some(graph) = graph.filter(|graph| !graph.holds) {
        wrong.push(format!(
            "the graph has {} problems: `stele graph verify` lists them, `stele graph rebuild` makes it anew",
            graph.problem_count
        ));
    }
    for sample in samples {
        match (&sample.unavailable, &sample.evidence) {
            (Some(why), _) => unknown.push(format!("{:?} could not be asked: {why}", sample.query)),
            (None, None) => wrong.push(format!("{:?} found nothing", sample.query)),
            (None, Some(_)) => {}
        }
    }
    if samples.is_empty() && index.is_some() {
        unknown.push("no sample queries are set (sample_queries in stele.toml)".to_owned());
    }
    let ready = match (wrong.is_empty(), unknown.is_empty()) {
        (false, _) => Ready::No,
        (true, false) => Ready::Unverified,
        (true, true) => Ready::Yes,
    };
    wrong.append(&mut unknown);
    (ready, wrong)
}

#[cfg(test)]
mod tests {
    use super::{IndexVerification, Ready, SampleQuery, verdict};
    use crate::documents::GraphVerification;

    fn index(missing: u64, extra: u64, wanted: u64, problem: Option<&str>) -> IndexVerification {
        IndexVerification {
            wanted,
            rows: wanted + extra - missing,
            missing,
            missing_ids: Vec::new(),
            extra,
            extra_ids: Vec::new(),
            differing: 0,
            differing_ids: Vec::new(),
            pending: 0,
            drift: (missing + extra) as f64 / wanted as f64,
            problems: problem.map(str::to_owned).into_iter().collect(),
            logical_hash: String::new(),
            lake_version: 1,
            holds: missing + extra == 0 && problem.is_none(),
        }
    }

    fn sample(evidence: Option<&str>, unavailable: Option<&str>) -> SampleQuery {
        SampleQuery {
            query: "q".to_owned(),
            evidence: evidence.map(str::to_owned),
            confidence: 0.5,
            unavailable: unavailable.map(str::to_owned),
        }
    }

    #[test]
    fn only_what_was_seen_to_work_is_ready() {
        let graph = |holds| GraphVerification { holds, problem_count: 1, ..GraphVerification::default() };
        let (found, nothing, down) =
            (sample(Some("a:1"), None), sample(None, None), sample(None, Some("no model")));
        let whole = || Some(index(0, 0, 1000, None));
        let table = [
            ("all is well", whole(), None, vec![found.clone()], Ready::Yes),
            ("a little drift", Some(index(3, 2, 1000, None)), None, vec![found.clone()], Ready::Yes),
            ("too many are missing", Some(index(6, 0, 1000, None)), None, vec![found.clone()], Ready::No),
            ("as many, and others", Some(index(5, 5, 1000, None)), None, vec![found.clone()], Ready::No),
            ("damaged", Some(index(0, 0, 9, Some("cut"))), None, vec![found.clone()], Ready::No),
            ("the graph is not whole", whole(), Some(graph(false)), vec![found.clone()], Ready::No),
            ("the graph is whole", whole(), Some(graph(true)), vec![found.clone()], Ready::Yes),
            ("one finds nothing", whole(), None, vec![found.clone(), nothing.clone()], Ready::No),
            ("one cannot be asked", whole(), None, vec![found.clone(), down.clone()], Ready::Unverified),
            ("one finds nothing, one cannot be asked", whole(), None, vec![nothing, down], Ready::No),
            ("nobody asks", whole(), None, vec![], Ready::Unverified),
            ("nobody can ask", None, None, vec![], Ready::Unverified),
            ("nobody can ask, and the graph is wrong", None, Some(graph(false)), vec![], Ready::No),
        ];
        for (name, index, graph, samples, expected) in table {
            let (ready, reasons) = verdict(index.as_ref(), graph.as_ref(), &samples);
            assert_eq!(ready, expected, "{name}: {reasons:?}");
            assert_eq!(reasons.is_empty(), ready == Ready::Yes, "{name}: {reasons:?}");
        }
    }
}
