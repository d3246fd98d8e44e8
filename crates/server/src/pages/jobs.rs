//! Jobs: what waits, what runs, what came of it; and what can be done about each.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use stele_engine::jobs::Event;
use stele_model::Micros;

use super::chart::{self, Slice};
use super::{Asked, acted, address, words};
use crate::api::jobs::{ControlJob, ListJobs, QueueStatus, ShowJob};
use crate::api::starting::IngestStart;
use crate::reply::Refusal;
use crate::service::Service;
use crate::tokens::Right;

/// Jobs of a page.
const JOBS_SHOWN: u64 = 25;

/// Events of a job that are shown: all that are kept.
const EVENTS_SHOWN: usize = 1000;

/// Stages of a job, in their order.
const STAGES: [&str; 7] =
    ["parsing", "extracting", "graphing", "embedding", "indexing", "postchecks", "reporting"];

/// The list of jobs.
pub(super) fn list(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let queue = asked.ask::<QueueStatus>(&[])?;
    let jobs = asked.ask::<ListJobs>(&[
        ("limit", Value::from(JOBS_SHOWN)),
        ("state", asked.text("state")),
        ("cursor", asked.text("cursor")),
    ])?;
    let chosen = asked.get("state");
    Ok(html! {
        h1 { "Jobs" }
        (standing(&queue))
        @if asked.right == Right::Run {
            // Who comes to start something, or has nothing else to look at, finds the form open.
            (start(asked, asked.get("start").is_some() || (chosen.is_none() && words::list(&jobs["jobs"]).is_empty())))
        }
        section.card {
            div.heading {
                h2 { @if let Some(state) = chosen { "Jobs that are " (state) } @else { "Newest jobs" } }
                @if chosen.is_some() { a.button href="/jobs" { "All jobs" } }
            }
            @if words::list(&jobs["jobs"]).is_empty() { p.muted { "There are none." @if chosen.is_none() { " " code { "stele ingest FILE… --no-wait" } " queues one as well." } } }
            @else { (table(&jobs, asked.tenant.desk.engine.now())) }
            @if let Some(next) = jobs["next_cursor"].as_str() {
                p { a.button href=(address("/jobs", &[("state", chosen.unwrap_or_default()), ("cursor", next)])) { "Older jobs" } }
            }
        }
    })
}

/// How the queue stands, in a bar and in words.
pub(super) fn standing(queue: &Value) -> Markup {
    let count =
        |states: &[&str]| -> u64 { states.iter().map(|state| words::number(&queue["jobs"][*state])).sum() };
    let slice = |name: &str, states: &[&str], colour| {
        let value = count(states);
        Slice { name: name.to_owned(), value, said: words::count(value), colour }
    };
    let parts = [
        slice("waiting", &["queued"], "warn"),
        slice("running", &STAGES, "c1"),
        slice("done", &["done"], "good"),
        slice("failed or dead", &["failed", "dead"], "bad"),
        slice("cancelled", &["cancelled"], "c3"),
    ];
    let alive = words::number(&queue["workers_alive"]);
    html! {
        section.card {
            h2 { "Queue" }
            (chart::parts("Jobs by state", &parts))
            @if let Some(why) = queue["held_back"].as_str() {
                div.notice.warn role="status" { h3 { "No new job begins" } p { (why) } }
            }
            p.muted {
                @if alive == 0 { "No worker is alive: jobs wait until one is started. " }
                @else { (words::many(alive, "worker")) " alive. " }
                @if let Some(waited) = queue["oldest_waiting_s"].as_f64() { "The oldest that a worker could take has waited " (words::seconds(waited)) ". " }
            }
        }
    }
}

fn start(asked: &Asked<'_>, open: bool) -> Markup {
    let roots: Vec<String> = asked
        .tenant
        .desk
        .jobs
        .iter()
        .flat_map(|jobs| jobs.roots.each())
        .map(|root| root.display().to_string())
        .collect();
    html! {
        details.card open[open] {
            summary { "Start an ingest" }
            @if roots.is_empty() {
                p { "No directory is allowed, so nothing can be started from here. Start the service with "
                    code { "--allow-root DIR" } ", or use " code { "stele ingest FILE…" } " on its machine." }
            } @else {
                form.stack method="post" action="/jobs/start" {
                    label for="targets" { "Files or directories of the service's machine, one a line, as absolute paths" }
                    textarea id="targets" name="targets" rows="3" required spellcheck="false" aria-describedby="roots"
                        placeholder=(format!("{}/…", roots[0])) {}
                    p.muted id="roots" { "Allowed is what lies below " @for (number, root) in roots.iter().enumerate() {
                        @if number > 0 { ", " } code { (root) } } "." }
                    label for="tag" { "Tag" }
                    input id="tag" name="tag" type="text" placeholder="a word to find it by";
                    label { input type="checkbox" name="force" value="true"; " also what was done before" }
                    button { "Start" }
                }
            }
        }
    }
}

/// Jobs in lines.
pub(super) fn table(jobs: &Value, now: i64) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "Job" } th { "State" } th.wide { "Progress" } th { "Inputs" } th { "Submitted" } } }
            tbody { @for job in words::list(&jobs["jobs"]) {
                @let id = words::text(&job["id"]);
                tr {
                    td { a href=(format!("/jobs/{id}")) { (job["tag"].as_str().unwrap_or(id)) } }
                    td.state { (state(job)) @if job["state"] != "done" { br; span.muted { (words::said(words::text(&job["cause"]))) } } }
                    td.wide { (chart::share((job["progress"]["percent"].as_f64().unwrap_or_default() * 10.0) as u64, 1000)) }
                    td { @if let Some(first) = words::list(&job["inputs"]).first() { (words::file(words::text(first))) }
                        @if words::number(&job["input_count"]) > 1 { span.muted { " and " (words::number(&job["input_count"]) - 1) " more" } } }
                    td { (words::moment(job["submitted"].as_i64().unwrap_or_default(), now)) }
                }
            } }
        } }
    }
}

fn state(job: &Value) -> Markup {
    let name = words::text(&job["state"]);
    html! {
        span.tag.good[name == "done"].bad[matches!(name, "failed" | "dead")].warn[name == "queued"] { (name) }
        @if job["paused"] == true { " " span.tag.warn { "paused" } }
        @if job["cancelling"] == true { " " span.tag.warn { "being cancelled" } }
    }
}

/// One job, with its progress as it happens.
pub(super) fn one(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let id = asked.get("id").unwrap_or_default();
    let job = asked.ask::<ShowJob>(&[("id", Value::from(id))])?;
    let now = asked.tenant.desk.engine.now();
    let progress = &job["progress"];
    let percent = progress["percent"].as_f64().unwrap_or_default();
    let name = words::text(&job["state"]);
    let is_over = matches!(name, "done" | "failed" | "cancelled" | "dead");
    let moment = |what: &str| job[what].as_i64().map(|at| words::moment(at, now));
    let events = asked.history(id)?;
    let times = times(&events, now);
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/jobs" { "Jobs" } " / " span aria-current="page" { (id) } }
        div.heading { h1 { (job["tag"].as_str().unwrap_or(id)) } span.row { (state(&job))
            @if is_over { a.button href=(format!("/jobs/{id}/report")) { "Report" } } } }
        section.card data-events=[(!is_over).then(|| format!("/api/jobs/{id}/events?after={}", events.last().map_or(0, |event| event.number)))] {
            p { (words::said(words::text(&job["cause"]))) @if name != "done" { span.next { " → " (words::said(words::text(&job["next_action"]))) } } }
            div.progress {
                progress max="100" value=(format!("{percent:.1}")) data-percent aria-label="Progress" {}
                div.row { b data-said { (format!("{percent:.1} %")) } span data-message { (words::text(&progress["message"])) }
                    span.muted data-rate { @if let Some(rate) = progress["rate"].as_f64() { (format!("{rate:.0} {}/s", words::text(&progress["unit"]))) } }
                    span.muted data-eta { @if let Some(left) = progress["eta_s"].as_f64() { "about " (words::seconds(left)) " left in this stage" } } }
            }
            (stages(name, words::text(&progress["stage"]), percent, &times))
            @if asked.right == Right::Run && name != "done" { (controls(&job)) }
        }
        @if let Some(error) = job["last_error"].as_str() {
            section.notice.bad { h2 { "The last attempt did not work" } p.detail { (error) } }
        }
        section.card {
            h2 { "What it is" }
            dl.facts {
                dt { "Id" } dd { code { (id) } }
                dt { "Asked by" } dd { (words::text(&job["origin"])) }
                @for (what, key) in [("Submitted", "submitted"), ("Started", "started"), ("Finished", "finished")] {
                    @if let Some(moment) = moment(key) { dt { (what) } dd { (moment) } } }
                @if let (Some(from), Some(to)) = (job["started"].as_i64(), job["finished"].as_i64()) {
                    dt { "Took" } dd { (words::seconds((to - from).max(0) as f64 / 1e6)) } }
                dt { "Attempts" } dd { (words::number(&job["attempts"])) " of " (words::number(&job["attempts_max"])) }
                @if let Some(worker) = job["worker"].as_str() { dt { "Worker" } dd { (worker) } }
                dt { "Counted" } dd { @if job["source"].is_string() { (super::sources::counted(&progress["counts"])) }
                    @else { @for (name, count) in progress["counts"].as_object().into_iter().flatten() {
                    span.tag { (name.replace('_', " ")) " " (words::count(words::number(count))) } " " } } }
                @if let Some(source) = job["source"].as_str() {
                    dt { "Source" } dd { a href=(format!("/sources#source-{source}")) { (source) } }
                } @else {
                dt { (words::many(words::number(&job["input_count"]), "input")) }
                dd { @for input in words::list(&job["inputs"]) { code { (words::text(input)) } br; } } }
            }
        }
        section.card {
            h2 { "What happened" }
            ol.log data-log reversed { @for event in events.iter().rev() { li data-number=(event.number) {
                span.muted { (words::clock(event.at)) }
                span { (format!("{:?}", event.kind).to_lowercase()) }
                span { @if event.message.is_empty() { @if event.progress.message.is_empty() { (event.state) } @else { (event.progress.message) } } @else { (event.message) } }
            } } }
        }
    })
}

/// The seconds that each stage took so far, as the events of all attempts tell. Where the first of them are not kept any
/// more nobody knows.
fn times(events: &[Event], now: Micros) -> BTreeMap<String, f64> {
    let mut times = BTreeMap::new();
    if events.first().is_none_or(|event| event.number != 1) {
        return times;
    }
    let ends = events.iter().skip(1).map(|event| event.at).chain([now]);
    for (event, end) in events.iter().zip(ends) {
        if !event.state.is_terminal() {
            *times.entry(event.state.to_string()).or_default() += (end - event.at).max(0) as f64 / 1e6;
        }
    }
    times
}

/// Which stages are behind, and which is now; and how long they took.
fn stages(state: &str, stage: &str, percent: f64, times: &BTreeMap<String, f64>) -> Markup {
    let at = STAGES.iter().position(|one| *one == stage).unwrap_or(0);
    let is_running = STAGES.contains(&state);
    html! {
        ol.stages aria-label="Stages" {
            @for (number, name) in STAGES.iter().enumerate() {
                @let past = state == "done" || (number < at && percent > 0.0);
                @let now = is_running && number == at;
                li.past[past].now[now] aria-current=[now.then_some("step")] { (name)
                    @if let Some(time) = times.get(*name).filter(|_| past || now) { " " span.time { (words::seconds(*time)) } }
                    @if past { span.visually-hidden { " is done" } } }
            }
        }
    }
}

/// What can be asked of a job in its state.
fn controls(job: &Value) -> Markup {
    let (id, state) = (words::text(&job["id"]), words::text(&job["state"]));
    let is_over = matches!(state, "done" | "failed" | "cancelled" | "dead");
    let is_paused = job["paused"] == true;
    // It was asked for, and comes at the next checkpoint: asking again changes nothing.
    if job["cancelling"] == true && !is_over {
        return html! {};
    }
    html! {
        form.row method="post" action=(format!("/jobs/{id}/control")) {
            @if !is_over && !is_paused { button.quiet name="action" value="pause" { "Pause" } }
            @if !is_over && is_paused { button name="action" value="resume" { "Resume" } }
            @if matches!(state, "failed" | "cancelled" | "dead") { button name="action" value="retry" { "Retry" } }
            @if !is_over { button.danger name="action" value="cancel" data-sure="Cancel this job? What is committed is kept." { "Cancel" } }
        }
    }
}

/// Takes the form that starts an ingest.
pub(super) async fn start_form(State(service): State<Arc<Service>>, request: Request) -> Response {
    acted(&service, request, "/jobs/start", |asked| {
        let targets = asked.get("targets").unwrap_or_default();
        let targets: Vec<Value> =
            targets.lines().map(str::trim).filter(|line| !line.is_empty()).map(Value::from).collect();
        let force = asked.get("force").is_some();
        let queued = asked.ask::<IngestStart>(&[
            ("targets", Value::Array(targets)),
            ("tag", asked.text("tag")),
            ("force", Value::Bool(force)),
        ])?;
        // Where everything is on its way already, the job that does it is what is wanted.
        let job = words::list(&queued["job_ids"]).first();
        let job = job.or_else(|| words::list(&queued["duplicates"]).first().map(|one| &one["job_id"]));
        Ok(job.map_or_else(|| "/jobs".to_owned(), |job| format!("/jobs/{}", words::text(job))))
    })
    .await
}

/// Takes the form that steers a job.
pub(super) async fn control_form(State(service): State<Arc<Service>>, request: Request) -> Response {
    acted(&service, request, "/jobs/{id}/control", |asked| {
        let id = asked.get("id").unwrap_or_default();
        asked.ask::<ControlJob>(&[("id", Value::from(id)), ("action", asked.text("action"))])?;
        Ok(format!("/jobs/{id}"))
    })
    .await
}

impl Asked<'_> {
    /// What happened to a job lately.
    fn history(&self, id: &str) -> Result<Vec<Event>, Refusal> {
        let jobs = crate::api::jobs::queue(&self.tenant.desk)?;
        let job = jobs.look(jobs.get(id))?;
        jobs.look(jobs.queue.events(job.id, 0, EVENTS_SHOWN))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stele_engine::jobs::{Event, EventKind, Progress, State};

    use super::{stages, times};

    #[test]
    fn stages_behind_are_told_from_those_ahead() {
        let took = BTreeMap::from([("parsing".to_owned(), 1.5), ("reporting".to_owned(), 9.0)]);
        let shown = stages("graphing", "graphing", 50.0, &took).0;
        assert!(shown.contains("1.5 s") && !shown.contains("9.0 s"), "{shown}");
        assert_eq!(shown.matches("class=\"past\"").count(), 2, "{shown}");
        assert_eq!(shown.matches("aria-current").count(), 1, "{shown}");
        assert_eq!(stages("done", "reporting", 100.0, &took).0.matches("class=\"past\"").count(), 7);
        assert_eq!(stages("queued", "parsing", 0.0, &took).0.matches("class=\"past\"").count(), 0);
    }

    #[test]
    fn a_stage_lasts_until_what_happens_next() {
        let progress = serde_json::json!({ "stage": "parsing", "percent": 0.0, "done": 0, "at": 0 });
        let event = |number: u64, state, at| Event {
            job: "j000000000001".parse().unwrap(),
            number,
            kind: EventKind::Checkpoint,
            state,
            progress: serde_json::from_value::<Progress>(progress.clone()).unwrap(),
            message: String::new(),
            at,
        };
        let events = [
            event(1, State::Queued, 0),
            event(2, State::Parsing, 1_000_000),
            event(3, State::Embedding, 1_500_000),
            event(4, State::Parsing, 4_000_000),
            event(5, State::Done, 4_250_000),
        ];
        let check = |events: &[Event], expect: &[(&str, f64)]| {
            let expect: BTreeMap<String, f64> =
                expect.iter().map(|(name, time)| ((*name).to_owned(), *time)).collect();
            assert_eq!(times(events, 9_000_000), expect);
        };
        check(&events, &[("queued", 1.0), ("parsing", 0.75), ("embedding", 2.5)]);
        check(&events[..3], &[("queued", 1.0), ("parsing", 0.5), ("embedding", 7.5)]);
        check(&events[1..], &[]);
        check(&[], &[]);
    }
}
