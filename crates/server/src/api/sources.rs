//! Sources: which there are, and what can be done about each. How one stands is `standing.rs`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stele_engine::NoProgress;
use stele_engine::collecting::{BACKUPS_DIR, LastStream, PurgePlan, SourceProblem};
use stele_engine::jobs::Input;
use stele_model::error::in_full;

use super::standing::{CursorView, Looked, STREAMS_MAX, SourceView, cursor_view};
use crate::desk::{Call, Desk};
use crate::reply::{Cause, Refusal, cut, fact};
use crate::tools::{Tool, arguments};

/// Sources of a page unless told otherwise.
const SOURCES_DEFAULT: u64 = 50;

/// Sources of a page at most: each asks the queue up to three times.
const SOURCES_MAX: u64 = 200;

/// Bytes of a reason.
pub(super) const REASON_BYTES: usize = 2_000;

/// Which sources there are.
pub(crate) struct ListSources;

/// Which of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListArguments {
    /// Sources of a page, up to 200; 50 unless told otherwise.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of them.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SourceList {
    /// In the order in which they are collected: by priority, then by id.
    sources: Vec<SourceView>,
    /// Entries of the configuration that cannot be used.
    problems: Vec<ProblemView>,
    /// Why nothing is known of jobs; null where it is.
    queue_error: Option<String>,
    /// Pass it as `cursor` for what follows; null at the end.
    next_cursor: Option<String>,
}

/// An entry that cannot be used.
#[derive(Debug, Serialize, JsonSchema)]
struct ProblemView {
    /// Its place in the list, from 0.
    index: usize,
    source_id: Option<String>,
    why: String,
}

impl Tool for ListSources {
    const NAME: &'static str = "list_sources";
    const TITLE: &'static str = "List the sources";
    const SAYS: &'static str = "Sources of this tenant, each with its state, its last run, how far it has come, its limits, its budget, its last \
        error and what comes next; and the entries of the configuration that cannot be used.";
    type Arguments = ListArguments;
    type Result = SourceList;

    fn run(desk: &Desk, _call: &Call, arguments: ListArguments) -> Result<SourceList, Refusal> {
        let limit = arguments::count("limit", arguments.limit, SOURCES_DEFAULT, SOURCES_MAX)? as usize;
        let list = desk.sources.desk(&desk.engine)?;
        let all = desk.sources.all(&list);
        let from = match &arguments.cursor {
            None => 0,
            Some(id) => {
                1 + all.iter().position(|source| source.id == *id).ok_or_else(|| {
                    Refusal::new("The cursor is none of this list.")
                        .hint("`next_cursor` of the page before, or none")
                })?
            }
        };
        let page = &all[from..all.len().min(from + limit)];
        let next_cursor = page.last().filter(|_| from + limit < all.len()).map(|source| source.id.clone());
        let mut looked = Looked { desk, cost: list.cost(), list: &list, queue_error: None };
        let sources = page.iter().map(|source| Ok(looked.view(source)?.0)).collect::<Result<_, Refusal>>()?;
        let problem = |problem: SourceProblem| ProblemView {
            index: problem.index,
            source_id: problem.source_id.as_deref().map(fact),
            why: cut(&problem.why, REASON_BYTES).0,
        };
        Ok(SourceList {
            sources,
            problems: desk.sources.unusable(&list).into_iter().map(problem).collect(),
            queue_error: looked.queue_error,
            next_cursor,
        })
    }
}

/// One source.
pub(crate) struct ShowSource;

/// Which.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    /// The id of the source.
    id: String,
}

/// All of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SourceDetail {
    #[serde(flatten)]
    source: SourceView,
    /// Its streams, as the last run left them.
    streams: Vec<StreamView>,
    /// How far each stream has come, by the word of the lake.
    cursors_now: Vec<CursorView>,
    /// What is configured, with variables by their names and secrets as `***`.
    settings: Value,
}

/// What came of a stream.
#[derive(Debug, Serialize, JsonSchema)]
struct StreamView {
    stream: String,
    /// `ok`, `unavailable` or `failed`.
    outcome: String,
    reason: Option<String>,
    /// Records that it gave.
    records: u64,
}

impl Tool for ShowSource {
    const NAME: &'static str = "show_source";
    const TITLE: &'static str = "One source";
    const SAYS: &'static str = "A source as it stands: what the list says of it, its streams, its settings, and how far it has come by the word of the lake.";
    type Arguments = Named;
    type Result = SourceDetail;

    fn run(desk: &Desk, _call: &Call, arguments: Named) -> Result<SourceDetail, Refusal> {
        let list = desk.sources.desk(&desk.engine)?;
        let source = desk.sources.one(&list, &arguments.id)?;
        let cursors = list.state(&source.id)?;
        let mut looked = Looked { desk, cost: list.cost(), list: &list, queue_error: None };
        let (view, last) = looked.view(source)?;
        let stream = |one: &LastStream| StreamView {
            stream: fact(&one.stream),
            outcome: fact(&one.outcome),
            reason: one.reason.clone(),
            records: one.records,
        };
        Ok(SourceDetail {
            source: view,
            streams: last.iter().flat_map(|last| &last.streams).map(stream).collect(),
            cursors_now: cursors
                .iter()
                .take(STREAMS_MAX)
                .map(|(stream, cursor)| cursor_view(stream, &cursor))
                .collect(),
            settings: source.shown(),
        })
    }
}

/// Tries a source.
pub(crate) struct CheckSource;

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckView {
    id: String,
    /// Whether it can be collected from.
    ok: bool,
    /// Who one is there, where the source says so.
    identity: Option<String>,
    /// What a person should know.
    notes: Vec<String>,
    /// Why it cannot, and what to do.
    error: Option<String>,
}

impl Tool for CheckSource {
    const NAME: &'static str = "check_source";
    const TITLE: &'static str = "Try a source";
    const SAYS: &'static str = "Tries the connection and the credentials of a source, and changes nothing. That it cannot be collected from is an \
        answer, not a failure of the call. Needs a token that may run.";
    type Arguments = Named;
    type Result = CheckView;

    fn run(desk: &Desk, call: &Call, arguments: Named) -> Result<CheckView, Refusal> {
        let list = desk.sources.desk(&desk.engine)?;
        let source = desk.sources.one(&list, &arguments.id)?;
        let checked = list.check(&source.id, &call.cancel());
        if call.is_stopped() {
            return Err(Refusal::new("The source has not answered in time.")
                .because(Cause::Limit)
                .hint("`stele sources check` waits longer"));
        }
        let id = source.id.clone();
        Ok(match checked {
            Ok(checked) => CheckView {
                id,
                ok: true,
                identity: checked.identity.as_deref().map(fact),
                notes: checked.notes.iter().map(|note| fact(note)).collect(),
                error: None,
            },
            Err(error) => CheckView {
                id,
                ok: false,
                identity: None,
                notes: Vec::new(),
                error: Some(cut(&in_full(&error), REASON_BYTES).0),
            },
        })
    }
}

/// Makes a source begin anew.
pub(crate) struct ResetSource;

/// Which, and which stream of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetArguments {
    /// The id of the source.
    id: String,
    /// One stream; all of them unless told otherwise.
    stream: Option<String>,
}

/// What begins anew.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ResetView {
    id: String,
    /// Streams that begin anew with the next run; none where it had not come anywhere.
    streams: Vec<String>,
}

impl Tool for ResetSource {
    const NAME: &'static str = "reset_source";
    const TITLE: &'static str = "Begin a source anew";
    const SAYS: &'static str = "Makes a source, or one stream of it, begin anew with its next run. What is in the lake stays. Refused while the \
        source is being collected. Needs a token that may run.";
    type Arguments = ResetArguments;
    type Result = ResetView;

    fn run(desk: &Desk, call: &Call, arguments: ResetArguments) -> Result<ResetView, Refusal> {
        let list = desk.sources.desk(&desk.engine)?;
        let source = desk.sources.one(&list, &arguments.id)?;
        let streams = list.reset(&source.id, arguments.stream.as_deref(), &NoProgress, &call.cancel())?;
        Ok(ResetView { id: source.id.clone(), streams: streams.iter().map(|stream| fact(stream)).collect() })
    }
}

/// Removes everything of a tenant on a help desk.
pub(crate) struct PurgeSource;

/// Which, and with which words.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurgeArguments {
    /// The id of a source of that help desk.
    id: String,
    /// The words that carry it out; without them the answer is the plan, which says how they are formed.
    confirm: Option<String>,
    /// Whether a copy is written first, below the data directory; false unless told otherwise.
    backup: Option<bool>,
}

/// Inputs that a purge leaves and that are listed: whoever has more looks at them with the command line.
const KEPT_SHOWN_MAX: usize = 20;

/// What goes, or went.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PurgeView {
    id: String,
    /// Whether it was carried out.
    done: bool,
    tenant: String,
    platform: String,
    /// Every source that such records came from: all of them begin anew.
    sources: Vec<String>,
    /// Things by what they are: tickets, conversations, articles, attachments.
    objects: BTreeMap<String, u64>,
    /// Inputs of the lake.
    inputs: u64,
    /// Their records.
    records: u64,
    /// Their rows in quarantine.
    quarantined: u64,
    /// Content bytes of both.
    bytes: u64,
    /// Inputs that stay, because the same bytes are another input, too; the first of them.
    kept: Vec<KeptInput>,
    /// How many such inputs there are.
    kept_total: usize,
    /// Texts of these sources in the index.
    texts: u64,
    /// How the words are formed.
    confirmation: String,
    /// The lake without it; null where nothing went.
    lake_version: Option<u64>,
    /// Where the copy is; `stele sources restore` brings it back.
    backup: Option<String>,
    /// Why index or graph still hold some of it; null where they do not.
    behind: Option<String>,
    /// Copies outside, which `stele sink sync` tells of it.
    copies: Vec<String>,
}

/// An input that a purge leaves.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeptInput {
    input: String,
    /// The other input.
    kept_for: String,
}

impl KeptInput {
    fn of((input, kept_for): &(String, String)) -> Self {
        Self { input: fact(input), kept_for: fact(kept_for) }
    }
}

impl PurgeView {
    fn of(plan: &PurgePlan) -> Self {
        Self {
            id: plan.source.clone(),
            done: false,
            tenant: fact(&plan.tenant),
            platform: plan.platform.clone(),
            sources: plan.sources.clone(),
            objects: plan.objects.clone(),
            inputs: plan.inputs,
            records: plan.records,
            quarantined: plan.quarantined,
            bytes: plan.bytes,
            kept: plan.kept_for.iter().take(KEPT_SHOWN_MAX).map(KeptInput::of).collect(),
            kept_total: plan.kept_for.len(),
            texts: plan.texts,
            confirmation: plan.confirmation.to_owned(),
            lake_version: None,
            backup: None,
            behind: None,
            copies: Vec::new(),
        }
    }
}

impl Tool for PurgeSource {
    const NAME: &'static str = "purge_source";
    const TITLE: &'static str = "Remove what a help desk gave";
    const SAYS: &'static str = "Removes everything of the tenant and the platform of a source: records, cursors, texts, summaries, and what \
        was kept beside the lake. Without `confirm` it removes nothing and shows what would go. Wrong words are refused with 403. \
        Refused while such a source is being collected. Needs a token that may run.";
    type Arguments = PurgeArguments;
    type Result = PurgeView;

    fn run(desk: &Desk, call: &Call, arguments: PurgeArguments) -> Result<PurgeView, Refusal> {
        let list = desk.sources.desk(&desk.engine)?;
        let source = desk.sources.one(&list, &arguments.id)?;
        if !list.is_help_desk(source) {
            return Err(Refusal::new("The source is no help desk, so its records are of no platform.")
                .hint("a source whose kind is freshdesk or github_issues"));
        }
        let Some(confirm) = &arguments.confirm else {
            return Ok(PurgeView::of(&list.plan_purge(&source.id)?));
        };
        let at = desk.engine.now();
        let dir = desk.engine.settings().data_dir.join(BACKUPS_DIR).join(format!("{}-{at}", source.id));
        let backup = arguments.backup.unwrap_or(false).then_some(dir.as_path());
        let purged = list.purge(&source.id, confirm, backup, &NoProgress, &call.cancel())?;
        Ok(PurgeView {
            done: true,
            lake_version: purged.lake_version,
            backup: purged.backup.map(|backup| backup.dir.display().to_string()),
            behind: purged.behind.as_deref().map(|why| cut(why, REASON_BYTES).0),
            copies: purged.copies,
            ..PurgeView::of(&purged.plan)
        })
    }
}

/// The inputs of the jobs that one source is, or all that are enabled.
pub(super) fn inputs(
    desk: &Desk,
    source: Option<&str>,
    threshold: Option<i64>,
) -> Result<Vec<Input>, Refusal> {
    let list = desk.sources.desk(&desk.engine)?;
    if let Some(id) = source {
        return Ok(vec![Input::of_source(&desk.sources.one(&list, id)?.id)]);
    }
    let unusable = desk.sources.unusable(&list);
    let due = desk.sources.due(&list, threshold).filter(|source| source.is_without(&unusable));
    let due: Vec<Input> = due.map(|source| Input::of_source(&source.id)).collect();
    if let Some(first) = unusable.first()
        && !desk.sources.all(&list).iter().any(|source| source.enabled && source.is_without(&unusable))
    {
        return Err(Refusal::new("None of the sources can be used.")
            .why(fact(&first.to_string()))
            .hint("what GET /api/sources names under `problems`, put right"));
    }
    if desk.sources.all(&list).is_empty() {
        return Err(Refusal::new("No source is configured.")
            .because(Cause::Missing)
            .hint("[[sources]] in stele.toml, as docs/guide/sources.md shows it"));
    }
    Ok(due)
}
