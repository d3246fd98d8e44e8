//! Jobs: what waits, what runs, what came of it; and what can be done about each.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::chart::{self, Slice};
use super::{Asked, address, frame, pairs, see_other, words};
use crate::api::jobs::{ControlJob, ListJobs, QueueStatus, ShowJob};
use crate::api::starting::IngestStart;
use crate::http::guard::Route;
use crate::http::problem::Problem;
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
        @if asked.right == Right::Run { (start()) }
        section.card {
            div.heading {
                h2 { @if let Some(state) = chosen { "Jobs that are " (state) } @else { "Newest jobs" } }
                @if chosen.is_some() { a.button href="/jobs" { "All jobs" } }
            }
            @if words::list(&jobs["jobs"]).is_empty() { p.muted { "There are none." } }
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
                @if let Some(waited) = queue["oldest_waiting_s"].as_f64() { "The oldest waiting job has waited " (words::seconds(waited)) ". " }
                @if queue["partial"] == true { "Older jobs are not counted." }
            }
        }
    }
}

fn start() -> Markup {
    html! {
        details.card {
            summary { "Start an ingest" }
            form.stack method="post" action="/jobs/start" {
                label for="targets" { "Files or directories of the service's machine, one a line, as absolute paths" }
                textarea id="targets" name="targets" rows="3" required spellcheck="false" {}
                label for="tag" { "Tag" }
                input id="tag" name="tag" type="text" placeholder="a word to find it by";
                label { input type="checkbox" name="force" value="true"; " also what was done before" }
                button { "Start" }
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
                    td { (state(job)) br; span.muted { (words::text(&job["cause"])) } }
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
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/jobs" { "Jobs" } " / " span aria-current="page" { (id) } }
        div.heading { h1 { (job["tag"].as_str().unwrap_or(id)) } span { (state(&job)) } }
        section.card data-events=[(!is_over).then(|| format!("/api/jobs/{id}/events?after={}", events.last().map_or(0, |event| event.number)))] {
            p { (words::text(&job["cause"])) span.next { " → " (words::text(&job["next_action"])) } }
            div.progress {
                progress max="100" value=(format!("{percent:.1}")) data-percent aria-label="Progress" {}
                div.row { b data-said { (format!("{percent:.1} %")) } span data-message { (words::text(&progress["message"])) }
                    span.muted data-rate { @if let Some(rate) = progress["rate"].as_f64() { (format!("{rate:.0} {}/s", words::text(&progress["unit"]))) } }
                    span.muted data-eta { @if let Some(left) = progress["eta_s"].as_f64() { "about " (words::seconds(left)) " left in this stage" } } }
            }
            (stages(name, words::text(&progress["stage"]), percent))
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
                dt { "Attempts" } dd { (words::number(&job["attempts"])) " of " (words::number(&job["attempts_max"])) }
                @if let Some(worker) = job["worker"].as_str() { dt { "Worker" } dd { (worker) } }
                dt { "Counted" } dd { @for (name, count) in progress["counts"].as_object().into_iter().flatten() {
                    span.tag { (name.replace('_', " ")) " " (words::count(words::number(count))) } " " } }
                dt { (words::many(words::number(&job["input_count"]), "input")) }
                dd { @for input in words::list(&job["inputs"]) { code { (words::text(input)) } br; } }
            }
            p { a.button href=(format!("/jobs/{id}/report")) { "Report" } }
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

/// Which stages are behind, and which is now.
fn stages(state: &str, stage: &str, percent: f64) -> Markup {
    let at = STAGES.iter().position(|one| *one == stage).unwrap_or(0);
    let is_running = STAGES.contains(&state);
    html! {
        ol.stages aria-label="Stages" {
            @for (number, name) in STAGES.iter().enumerate() {
                @let past = state == "done" || (number < at && percent > 0.0);
                @let now = is_running && number == at;
                li.past[past].now[now] aria-current=[now.then_some("step")] { (name) @if past { span.visually-hidden { " is done" } } }
            }
        }
    }
}

/// What can be asked of a job in its state.
fn controls(job: &Value) -> Markup {
    let (id, state) = (words::text(&job["id"]), words::text(&job["state"]));
    let is_over = matches!(state, "done" | "failed" | "cancelled" | "dead");
    let is_paused = job["paused"] == true;
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

/// Does what a form asks for, and shows where that leads.
async fn acted(
    service: &Service,
    request: Request,
    route: &'static str,
    act: fn(&Asked<'_>) -> Result<String, Refusal>,
) -> Response {
    let mut response = match tried(service, request, route, act).await {
        Ok(to) => see_other(&to),
        Err(problem) => frame::problem(&problem),
    };
    response.extensions_mut().insert(Route(route));
    response
}

async fn tried(
    service: &Service,
    request: Request,
    route: &'static str,
    act: fn(&Asked<'_>) -> Result<String, Refusal>,
) -> Result<String, Problem> {
    let visitor = crate::api::visitor(&request, Right::Run)?;
    let query = pairs(request).await?;
    let disk = service.disk;
    let work = move |call: &crate::desk::Call| {
        act(&Asked { tenant: &visitor.tenant, right: visitor.right, call, disk, query: &query })
    };
    let done = service.seats.run(route, std::future::pending(), work).await;
    done.map_err(|refusal| Problem::from(&refusal))
}

impl Asked<'_> {
    /// What happened to a job lately.
    fn history(&self, id: &str) -> Result<Vec<stele_engine::jobs::Event>, Refusal> {
        let jobs = crate::api::jobs::queue(&self.tenant.desk)?;
        let job = jobs.wait(jobs.get(id))?;
        jobs.wait(jobs.queue.events(job.id, 0, EVENTS_SHOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::stages;

    #[test]
    fn stages_behind_are_told_from_those_ahead() {
        let shown = stages("graphing", "graphing", 50.0).0;
        assert_eq!(shown.matches("class=\"past\"").count(), 2, "{shown}");
        assert_eq!(shown.matches("aria-current").count(), 1, "{shown}");
        assert_eq!(stages("done", "reporting", 100.0).0.matches("class=\"past\"").count(), 7);
        assert_eq!(stages("queued", "parsing", 0.0).0.matches("class=\"past\"").count(), 0);
    }
}
