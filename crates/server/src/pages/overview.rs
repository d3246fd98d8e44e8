//! The overview: is it ready, how much is there, how much comes in, how fast are answers.

use maud::{Markup, html};
use serde_json::Value;

use super::chart::{self, Column};
use super::{Asked, address, words};
use crate::api::jobs::QueueStatus;
use crate::api::summary;
use crate::http::problem::Problem;
use crate::ready::Readiness;
use crate::reply::Refusal;
use crate::tokens::Right;
use crate::tools::ListEvents;

/// Events that are shown: the rest is in the coverage.
const EVENTS_SHOWN: u64 = 8;

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let desk = &asked.tenant.desk;
    let readiness = asked.readiness()?;
    let numbers = summary::numbers(desk)?;
    let now = desk.engine.now();
    let events = match numbers.lake_version {
        Some(_) => asked.ask::<ListEvents>(&[("limit", Value::from(EVENTS_SHOWN))])?,
        None => Value::Null,
    };
    let is_new = numbers.lake_version.is_none();
    let queue = desk.jobs.is_some().then(|| asked.ask::<QueueStatus>(&[]));
    let column = |hour: &summary::Hour| Column {
        label: words::hour(hour.from),
        value: hour.records,
        said: format!("{}, {}", words::many(hour.records, "record"), words::bytes(hour.bytes)),
    };
    let hours: Vec<Column> = numbers.hours.iter().map(column).collect();
    let searched = match (numbers.search_ms_p50, numbers.search_ms_p95) {
        (Some(half), Some(most)) => {
            format!("half ≤ {}, 95 of 100 ≤ {}", words::seconds(half / 1000.0), words::seconds(most / 1000.0))
        }
        _ => "none yet since the service started".to_owned(),
    };
    Ok(html! {
        h1.visually-hidden { "Overview" }
        @if is_new { (first_steps(asked)) } @else {
        (standing(&readiness))
        section.tiles aria-label="Numbers" {
            (tile("Records", &words::count(numbers.records), &format!("in {}", words::many(numbers.inputs as u64, "input")), "/coverage"))
            (tile("Read", &words::bytes(numbers.bytes_in),
                if numbers.balances { "every byte accounted for" } else { "BYTES ARE MISSING" }, "/coverage"))
            (tile("Damaged lines", &words::count(numbers.rejected_lines), "kept as they were found", "/quarantine"))
            (tile("Searches", &words::count(numbers.searches), &searched, "/search"))
        }
        }
        @match &queue {
            Some(Ok(queue)) => { (super::jobs::standing(queue)) }
            // The rest of the page is as true without it.
            Some(Err(refusal)) => { (super::frame::notice(&Problem::from(refusal))) }
            None => {}
        }
        @if !is_new { section.card {
            h2 { "Read in the last 24 hours" }
            (chart::columns("Records an hour, UTC", &hours, "records"))
            @if let Some(last) = numbers.last_ingest { p.muted { "The newest input was read " (words::moment(last, now)) "." } }
        } }
        @if !words::list(&events["events"]).is_empty() {
            section.card {
                h2 { "Events" }
                (event_table(&events))
                p { a href="/coverage" { "All " (words::count(words::number(&events["events_total"]))) " events and where every byte went" } }
            }
        }
        p.muted { "This service has run for " (words::seconds(asked.tenant.uptime())) " and answered "
            (words::many(numbers.requests, "request")) "." }
    })
}

/// What to do where nothing is there yet.
fn first_steps(asked: &Asked<'_>) -> Markup {
    let may_start = asked.right == Right::Run
        && asked.tenant.desk.jobs.as_ref().is_some_and(|jobs| jobs.roots.each().next().is_some());
    html! {
        section.notice role="status" {
            h2 { "Nothing has been ingested yet" }
            p { "Recordings and documents become records, a graph and an index here. Begin with either:" }
            ul {
                li { @if may_start { a href="/jobs?start=here" { "Start an ingest" } " of files of the service's machine" }
                    @else { "start the service with " code { "--allow-root DIR" } ", and an ingest can be started on the page of jobs" } }
                li { code { "stele ingest FILE… --data-dir DIR" } " on that machine" }
            }
        }
    }
}

/// Whether it is ready, and why not.
fn standing(readiness: &Readiness) -> Markup {
    html! {
        @if readiness.ready {
            section.notice.good role="status" {
                h2 { "Ready for queries" }
                p { "Answers know every record of version " (readiness.lake_version.unwrap_or_default()) " of the lake." }
            }
        } @else {
            section.notice.warn role="status" {
                h2 { "Not ready for queries" }
                ul {
                    @for reason in &readiness.reasons {
                        li { (reason.message) " " span.next { "→ " code { (reason.next) } } }
                    }
                }
            }
        }
    }
}

/// A number that leads to what is behind it.
pub(super) fn tile(name: &str, value: &str, more: &str, to: &str) -> Markup {
    html! { a.tile href=(to) { span.name { (name) } strong { (value) } span.more { (more) } } }
}

/// Events with their share of all records.
pub(super) fn event_table(events: &Value) -> Markup {
    let records = words::number(&events["records"]);
    html! {
        div.scroll { table {
            thead { tr { th { "Event" } th.number { "Records" } th.wide { "Share" } th.number { "Fields" } th { "First seen" } } }
            tbody { @for event in words::list(&events["events"]) {
                @let (name, own) = (words::text(&event["name"]), words::number(&event["records"]));
                tr {
                    td { a href=(address("/coverage/event", &[("name", name)])) { (name) } }
                    td.number { (words::count(own)) }
                    td.wide { (chart::share(own, records)) span.visually-hidden { (words::percent(own, records)) } }
                    td.number { (words::count(words::number(&event["fields"]))) }
                    td { (words::place(words::text(&event["first_seen"]))) }
                }
            } }
        } }
    }
}
