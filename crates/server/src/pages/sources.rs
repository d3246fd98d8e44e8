//! Sources, live captures and watchers: how each stands, and what can be done about it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::frame::Frame;
use super::{Asked, acted, address, chart, of_route, tried, words};
use crate::api::feeds::{ControlCapture, ListCaptures, ListWatchers};
use crate::api::sources::{CheckSource, ListSources};
use crate::api::starting::IngestStart;
use crate::reply::Refusal;
use crate::service::Service;
use crate::tokens::Right;

/// Sources of a page.
const SOURCES_SHOWN: u64 = 50;

/// Streams of a source of which it is told how far they have come.
const CURSORS_SHOWN: usize = 8;

/// Parts of a bar: its shares are whole numbers.
const BAR: f64 = 1_000.0;

/// The page.
pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let arguments = [("limit", Value::from(SOURCES_SHOWN)), ("cursor", asked.text("cursor"))];
    let list = asked.ask::<ListSources>(&arguments)?;
    let captures = asked.ask::<ListCaptures>(&[])?;
    let watchers = asked.ask::<ListWatchers>(&[])?;
    let now = asked.tenant.desk.engine.now();
    let may_run = asked.right == Right::Run;
    let sources = words::list(&list["sources"]);
    let is_first = asked.get("cursor").is_none();
    Ok(html! {
        div.heading { h1 { "Sources" }
            @if may_run && sources.iter().any(|source| source["enabled"] == true) {
                form method="post" action="/sources/run" { button name="all" value="true" { "Collect all" } } } }
        @if let Some(why) = list["queue_error"].as_str() {
            section.notice.warn role="status" { h2 { "Nothing is known of jobs" } p.detail { (why) } } }
        @for problem in words::list(&list["problems"]).iter().filter(|_| is_first) {
            section.notice.bad { h2 { "Entry " (words::number(&problem["index"]) + 1) @if let Some(id) = problem["source_id"].as_str() { " (" (id) ")" } " cannot be used" }
                p.detail { (words::text(&problem["why"])) } } }
        @if sources.is_empty() && is_first { section.card {
            p { "No source is configured. " code { "[[sources]]" } " in " code { "stele.toml" } " names help desks, REST APIs and databases." } } }
        @for source in sources { (card(source, now, may_run)) }
        @if let Some(next) = list["next_cursor"].as_str() {
            p { a.button href=(address("/sources", &[("cursor", next)])) { "More sources" } } }
        (feeds(words::list(&captures["captures"]), now, may_run))
        (watching(words::list(&watchers["watchers"]), now))
    })
}

/// One source.
fn card(source: &Value, now: i64, may_run: bool) -> Markup {
    let id = words::text(&source["id"]);
    let (run, job) = (&source["last_run"], &source["job"]);
    let counts = if job["counts"]["records"].is_null() { &run["counts"] } else { &job["counts"] };
    let cursors = words::list(&source["cursors"]);
    let limits = words::list(&source["limits"]);
    html! {
        section.card id=(format!("source-{id}")) {
            div.heading { h2 { (id) } span.row { (state(words::text(&source["state"]))) span.tag { (words::text(&source["kind"])) }
                @if source["enabled"] == false { span.tag.warn { "disabled" } } } }
            @if !job.is_null() {
                p { a href=(format!("/jobs/{}", words::text(&job["id"]))) { "Job " (words::text(&job["id"])) } " is " (words::text(&job["state"]))
                    @if !words::text(&job["message"]).is_empty() { ": " (words::text(&job["message"])) }
                    @if words::number(&source["jobs_waiting"]) > 0 { span.muted { ", and " (words::many(words::number(&source["jobs_waiting"]), "job")) " behind it" } } } }
            @if let Some(why) = source["last_error"].as_str() { div.notice.bad { h3 { "The last run failed" } p.detail { (why) } } }
            dl.facts {
                @if !run.is_null() { dt { "Last run" } dd { (words::text(&run["outcome"])) ", " (words::moment(run["ended"].as_i64().unwrap_or_default(), now))
                    " in " (words::seconds((run["ended"].as_i64().unwrap_or_default() - run["began"].as_i64().unwrap_or_default()).max(0) as f64 / 1e6)) } }
                @if !counts["records"].is_null() { dt { "Counted" } dd { (counted(counts)) } }
                @if !cursors.is_empty() { dt { "Next from" } dd { @for cursor in cursors.iter().take(CURSORS_SHOWN) {
                    b { (words::text(&cursor["stream"])) } " " code { (words::text(&cursor["cursor"])) } br; }
                    @if cursors.len() > CURSORS_SHOWN { span.muted { "and " (cursors.len() - CURSORS_SHOWN) " more streams" } } } }
                dt { "Limits" } dd { @if limits.is_empty() { span.muted { "those of the service" } }
                    @for limit in limits { (words::many(words::number(&limit["requests"]), "request")) " in " (words::seconds(limit["per_s"].as_f64().unwrap_or_default())) br; } }
                dt { "Budget" } dd { (budget(&source["budget"])) }
                dt { "Next run" } dd { (expected(&source["next_run"])) }
                dt { "Next" } dd { (words::said(words::text(&source["next_step"]))) }
            }
            @if may_run { div.row {
                form method="post" action="/sources/run" { input type="hidden" name="source" value=(id);
                    button aria-label=(format!("Collect {id}")) { "Collect" } }
                form method="post" action="/sources/check" { input type="hidden" name="source" value=(id);
                    button.quiet aria-label=(format!("Check {id}")) { "Check" } }
            } }
        }
    }
}

fn state(name: &str) -> Markup {
    html! {
        span.tag.good[name == "ok"].bad[name == "failed"].warn[matches!(name, "partial" | "paused" | "queued" | "cancelled")] {
            @if name == "never" { "never collected" } @else { (name) } }
    }
}

/// What the next run is likely to take.
fn expected(run: &Value) -> Markup {
    let (likely, level) = (&run["likely"], words::text(&run["level"]));
    html! {
        @if likely.is_null() { span.muted { "nothing is known of it" } }
        @else { "about " (words::many(words::number(&likely["calls"]), "call")) ", " (words::many(words::number(&likely["records"]), "record"))
            @if let Some(cost) = run["cost_usd"].as_f64().filter(|cost| *cost > 0.0) { ", $" (format!("{cost:.4}")) } }
        @if level != "ok" && !level.is_empty() { " " span.tag.warn[level != "stop"].bad[level == "stop"] { (level) } }
        @if let Some(why) = run["why"].as_str() { br; span.muted { (why) } }
    }
}

/// What was counted; what is nothing is not said, but for the records.
pub(super) fn counted(counts: &Value) -> Markup {
    let told =
        counts.as_object().into_iter().flatten().filter(|(name, count)| {
            *name == "records" || (words::number(count) > 0 && *name != "cost_microusd")
        });
    let cost = words::number(&counts["cost_microusd"]);
    html! {
        @for (name, count) in told { span.tag { (name.replace('_', " ")) " "
            @if name == "bytes_in" { (words::bytes(words::number(count))) } @else { (words::count(words::number(count))) } } " " }
        @if cost > 0 { span.tag { "cost $" (format!("{:.4}", cost as f64 / 1e6)) } }
    }
}

/// How much of each bound is spent.
fn budget(budget: &Value) -> Markup {
    html! {
        @for bound in words::list(&budget["bounds"]) {
            @let (spent, max) = (bound["spent"].as_f64().unwrap_or_default(), bound["max"].as_f64().unwrap_or_default());
            @let setting = words::text(&bound["setting"]);
            @let level = words::text(&bound["level"]);
            @let share = if max > 0.0 { (spent / max).clamp(0.0, 1.0) } else { 0.0 };
            div.budget {
                (chart::share((share * BAR) as u64, BAR as u64))
                span { @if setting.contains("tokens") { (format!("{spent:.0} of {max:.0} tokens")) }
                    @else { (dollars(spent)) " of " (dollars(max)) }
                    " " span.muted title=(setting) { (bound_in_words(setting)) }
                    @if level != "fine" { " " span.tag.bad[level == "critical"].warn[level == "warning"] { (level) } } }
            }
        }
        @if words::number(&budget["calls"]) > 0 {
            span.muted { (words::many(words::number(&budget["calls"]), "call")) " in all, " (dollars(budget["total_usd"].as_f64().unwrap_or_default())) } }
    }
}

/// A sum, with parts of a cent where there are some.
fn dollars(sum: f64) -> String {
    let cents = sum * 100.0;
    if (cents - cents.round()).abs() < 1e-9 { format!("${sum:.2}") } else { format!("${sum:.4}") }
}

/// What a bound holds for.
fn bound_in_words(setting: &str) -> &str {
    match setting {
        "day_usd_max" | "daily_cost_threshold_usd" | "day_tokens_max" => "today",
        "month_usd_max" => "this month",
        "total_usd_max" => "in all",
        "emergency_shutdown_threshold_usd" => "today by all sources",
        other => other,
    }
}

/// Live captures in lines.
fn feeds(captures: &[Value], now: i64, may_run: bool) -> Markup {
    html! {
        section.card { h2 { "Live captures" }
            @if captures.is_empty() { p.muted { "There are none. " code { "stele capture URL" } " listens to a feed." } }
            @else { div.scroll { table {
                thead { tr { th { "Capture" } th { "State" } th.number { "Received" } th.number { "Gaps" } th.number { "Missing" } @if may_run { th { "Tell it to" } } } }
                tbody { @for capture in captures {
                    @let (name, state) = (words::text(&capture["name"]), capture["state"].as_str().unwrap_or("unknown"));
                    @let running = capture["running"] == true;
                    tr {
                        td { b { (name) } br; span.muted { (words::path(words::text(&capture["target"]))) } }
                        td.state { span.tag.good[running && state == "listening"].warn[matches!(state, "paused" | "held" | "connecting")] { (state) }
                            @if let Some(since) = capture["since"].as_i64() { br; span.muted { (words::moment(since, now)) } }
                            @if let Some(cause) = capture["cause"].as_str() { br; span.muted { (cause) } } }
                        td.number { (words::count(words::number(&capture["received"]))) }
                        td.number { (words::count(words::number(&capture["gaps"]))) }
                        td.number { (words::count(words::number(&capture["missing"]))) }
                        @if may_run { td { @if running {
                            form.row method="post" action="/captures/control" { input type="hidden" name="name" value=(name);
                                @if state == "paused" { button.quiet name="action" value="resume" aria-label=(format!("Resume {name}")) { "Resume" } }
                                @else { button.quiet name="action" value="pause" aria-label=(format!("Pause {name}")) { "Pause" } }
                                button.quiet name="action" value="rotate" aria-label=(format!("Rotate {name}")) { "Rotate" }
                                button.danger name="action" value="stop" aria-label=(format!("Stop {name}")) data-sure="End this capture? What was received is kept." { "Stop" } }
                        } } }
                    }
                } }
            } } }
        }
    }
}

/// Watchers in lines.
fn watching(watchers: &[Value], now: i64) -> Markup {
    html! {
        section.card { h2 { "Watchers" }
            @if watchers.is_empty() { p.muted { "This service runs none. " code { "[watchers.NAME]" } " in " code { "stele.toml" } " sets one up." } }
            @else { div.scroll { table {
                thead { tr { th { "Watcher" } th { "State" } th.number { "Seen" } th.number { "Handed over" } th.number { "Waiting" } th { "Looked" } } }
                tbody { @for watcher in watchers {
                    @let state = words::text(&watcher["state"]);
                    tr {
                        td { b { (words::text(&watcher["name"])) } " " span.tag { (words::text(&watcher["kind"])) } br; span.muted { (words::path(words::text(&watcher["target"]))) } }
                        td.state { span.tag.good[state == "watching"].warn[matches!(state, "held" | "starting")].bad[state == "failing"] { (state) }
                            @if let Some(error) = watcher["error"].as_str() { br; span.muted { (error) } }
                            @if words::number(&watcher["problems_count"]) > 0 { br; span.muted { (words::many(words::number(&watcher["problems_count"]), "problem"))
                                @if let Some(first) = words::list(&watcher["problems"]).first() { ": " (words::text(first)) } } } }
                        td.number { (words::count(words::number(&watcher["seen"]))) }
                        td.number { (words::count(words::number(&watcher["handed_over"]))) }
                        td.number { (words::count(words::number(&watcher["waiting"]))) }
                        td { @if let Some(at) = watcher["last_scan"].as_i64() { (words::moment(at, now)) } @else { span.muted { "not yet" } } }
                    }
                } }
            } } }
        }
    }
}

/// Takes the form that collects a source, or all of them.
pub(super) async fn run_form(State(service): State<Arc<Service>>, request: Request) -> Response {
    acted(&service, request, "/sources/run", |asked| {
        let all = asked.get("all").is_some();
        let queued = asked
            .ask::<IngestStart>(&[("source", asked.text("source")), ("all_sources", Value::Bool(all))])?;
        let job = words::list(&queued["job_ids"]).first();
        let job = job.or_else(|| words::list(&queued["duplicates"]).first().map(|one| &one["job_id"]));
        Ok(match job.filter(|_| !all) {
            Some(job) => format!("/jobs/{}", words::text(job)),
            None => "/sources".to_owned(),
        })
    })
    .await
}

/// Takes the form that steers a capture.
pub(super) async fn control_form(State(service): State<Arc<Service>>, request: Request) -> Response {
    acted(&service, request, "/captures/control", |asked| {
        asked.ask::<ControlCapture>(&[("name", asked.text("name")), ("action", asked.text("action"))])?;
        Ok("/sources".to_owned())
    })
    .await
}

/// Takes the form that tries a source, and says what came of it.
pub(super) async fn check_form(State(service): State<Arc<Service>>, request: Request) -> Response {
    let route = "/sources/check";
    let checked = tried(&service, request, route, |asked| {
        let id = Value::from(asked.get("source").unwrap_or_default());
        Ok((asked.ask::<CheckSource>(&[("id", id)])?, asked.tenant.name.clone()))
    });
    let page = checked.await.map(|(checked, tenant)| {
        let frame = Frame::of(route, "Check", !service.tokens.is_open(), &tenant);
        super::html(&frame.around(outcome(&checked))).into_response()
    });
    of_route(route, page)
}

/// What came of trying a source.
fn outcome(checked: &Value) -> Markup {
    let id = words::text(&checked["id"]);
    html! {
        nav.crumbs aria-label="Where this is" { a href="/sources" { "Sources" } " / " span aria-current="page" { (id) } }
        h1 { "Check of " (id) }
        @if checked["ok"] == true {
            section.notice.good role="status" { h2 { "It can be collected" @if let Some(who) = checked["identity"].as_str() { " as " (who) } }
                @if !words::list(&checked["notes"]).is_empty() { ul { @for note in words::list(&checked["notes"]) { li { (words::text(note)) } } } } }
        } @else {
            section.notice.bad role="alert" { h2 { "It cannot be collected" } p.detail { (words::text(&checked["error"])) } }
        }
        div.row {
            form method="post" action="/sources/check" { input type="hidden" name="source" value=(id); button.quiet { "Check again" } }
            a.button href="/sources" { "All sources" }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{budget, card, counted};

    #[test]
    fn what_was_counted_is_told_and_nothing_is_not() {
        let told = counted(&json!({ "records": 0, "calls": 1200, "rejected": 0, "cost_microusd": 5000 })).0;
        assert!(told.contains("records 0") && told.contains("calls 1\u{202f}200"), "{told}");
        assert!(told.contains("$0.0050") && !told.contains("rejected"), "{told}");
    }

    #[test]
    fn a_budget_is_a_bar_that_says_when_it_ends() {
        let bound = |level: &str, spent: f64| json!({ "setting": "day_usd_max", "spent": spent, "max": 2.0, "level": level });
        let shown = budget(&json!({ "bounds": [bound("critical", 1.9), bound("fine", 0.0)] })).0;
        assert!(shown.contains("width=\"95.00\"") && shown.contains("$1.90 of $2.00"), "{shown}");
        assert_eq!(shown.matches("critical").count(), 1, "{shown}");
        assert!(shown.contains("today"), "{shown}");
    }

    #[test]
    fn who_may_not_run_anything_has_no_buttons() {
        let source = json!({ "id": "<i>", "state": "never", "kind": "rest", "enabled": true, "job": null, "last_run": null });
        assert!(!card(&source, 0, false).0.contains("<form"));
        let shown = card(&source, 0, true).0;
        assert!(shown.contains("value=\"&lt;i&gt;\"") && !shown.contains("<i>"), "{shown}");
    }
}
