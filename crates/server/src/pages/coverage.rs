//! Coverage: where every byte went, the events, and on request the proof.

use maud::{Markup, html};
use serde_json::Value;

use super::chart::{self, Slice};
use super::{Asked, address, overview, words};
use crate::api::coverage::Coverage;
use crate::reply::Refusal;
use crate::tools::{IngestStatus, ListEvents};

/// Events of a page.
const EVENTS_SHOWN: u64 = 50;

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let prove = asked.get("recount").is_some();
    let covered = asked.ask::<Coverage>(&[("recount", Value::Bool(prove))])?;
    let status = asked.ask::<IngestStatus>(&[])?;
    let events =
        asked.ask::<ListEvents>(&[("limit", Value::from(EVENTS_SHOWN)), ("cursor", asked.text("cursor"))])?;
    let number = |name: &str| words::number(&covered[name]);
    Ok(html! {
        div.heading { h1 { "Coverage" } a.button href="/coverage/drift" { "Drift between versions" } }
        section.card {
            h2 { @if covered["balances"] == true { "Every byte is accounted for" } @else { "Bytes are missing" } }
            p { (words::bytes(number("bytes_in"))) " were read (" (words::count(number("bytes_in"))) " bytes): "
                (words::count(number("bytes_lake"))) " are in the lake, " (words::count(number("bytes_quarantine"))) " in quarantine. "
                (words::count(number("nodes"))) " values at " (words::many(number("paths"), "path")) " of "
                (words::many(number("events"), "event")) "." }
            (ledger((number("bytes_lake"), number("bytes_quarantine")),
                [number("records"), number("rejected_lines"), number("control_lines"), number("blank_lines")]))
            @if prove { (proof(&covered["proof"])) } @else {
                form method="get" action="/coverage" { input type="hidden" name="recount" value="true";
                    button { "Count again and compare" } span.muted { " reads the whole lake" } }
            }
        }
        section.card {
            h2 { "Events" }
            (overview::event_table(&events))
            (next("/coverage", &[], &events))
        }
        section.card {
            h2 { "Inputs" }
            (inputs(&status["inputs"]))
        }
    })
}

/// Where bytes and lines went, as two bars: bytes of the lake and of the quarantine; records, rejected, control and
/// blank lines.
pub(super) fn ledger((lake, quarantine): (u64, u64), lines: [u64; 4]) -> Markup {
    let slice =
        |name: &str, value: u64, said: String, colour| Slice { name: name.to_owned(), value, said, colour };
    let bytes = [
        slice("in the lake", lake, words::bytes(lake), "good"),
        slice("in quarantine", quarantine, words::bytes(quarantine), "bad"),
    ];
    let names = [("records", "good"), ("rejected", "bad"), ("control", "c2"), ("blank", "c3")];
    let mut lines = lines.into_iter();
    let lines = names.map(|(name, colour)| {
        let value = lines.next().unwrap_or_default();
        slice(name, value, words::count(value), colour)
    });
    html! { div.pair { (chart::parts("Bytes", &bytes)) (chart::parts("Lines and records", &lines)) } }
}

fn proof(proof: &Value) -> Markup {
    html! {
        @let holds = proof["holds"] == true;
        div.notice.good[holds].bad[!holds] role="status" {
            h2 { @if holds { "Counted again: everything that was read is here, and nothing else" } @else { "Counted again: it does not hold" } }
            p { (words::count(words::number(&proof["paths"]))) " paths compared one by one, "
                (words::count(words::number(&proof["inputs_exact"]))) " of " (words::many(words::number(&proof["inputs"]), "input"))
                " written back byte for byte." }
            ul { @for difference in words::list(&proof["differences"]) { li { (words::text(difference)) } } }
        }
        div.scroll { table {
            thead { tr { th { "Total" } th.number { "While reading" } th.number { "In the lake" } th.number { "In the sources" } th { } } }
            tbody { @for total in words::list(&proof["totals"]) { tr {
                td { (words::text(&total["name"])) }
                td.number { (words::count(words::number(&total["discovered"]))) }
                td.number { (words::count(words::number(&total["recounted"]))) }
                td.number { @if total["source"].is_null() { "–" } @else { (words::count(words::number(&total["source"]))) } }
                td { @if total["holds"] == true { "equal" } @else { b.bad { "different" } } }
            } } }
        } }
    }
}

fn inputs(inputs: &Value) -> Markup {
    let number = |name: &str| words::number(&inputs[name]);
    let largest = words::list(&inputs["largest"]);
    let common = words::common(largest.iter().map(|input| words::text(&input["source"])));
    html! {
        p { (words::many(number("total"), "input"))
            @for (place, name) in ["complete", "partial", "duplicate"].iter().filter(|name| number(name) > 0).enumerate() {
                (if place == 0 { ": " } else { ", " }) (words::count(number(name))) " " (name) }
            "." @if common > 0 { " They lie in " code { (&words::text(&largest[0]["source"])[..common]) } "." }
            @if (largest.len() as u64) < number("total") { " The largest:" } }
        div.scroll { table {
            thead { tr { th { "Input" } th { "Format" } th.number { "Bytes" } th.number { "Lines" } th.number { "Records" } th.number { "Damaged" } th { "State" } } }
            tbody { @for input in largest {
                @let source = words::text(&input["source"]);
                tr {
                    td { a href=(address("/excerpt", &[("source", source), ("line", "1")])) { (words::rest(source, common)) } }
                    td { (words::text(&input["format"])) }
                    td.number { (words::bytes(words::number(&input["bytes"]))) }
                    td.number { (words::count(words::number(&input["lines"]))) }
                    td.number { (words::count(words::number(&input["records"]))) }
                    td.number { @if input["rejected"] == 0 { "0" } @else {
                        a href=(address("/quarantine", &[("source", source)])) { (words::count(words::number(&input["rejected"]))) } } }
                    td { (words::text(&input["state"])) }
                }
            } }
        } }
    }
}

/// A link to the next page of a list, if there is one.
pub(super) fn next(path: &str, arguments: &[(&str, &str)], answer: &Value) -> Markup {
    let Some(cursor) = answer["next_cursor"].as_str() else { return html! {} };
    let mut arguments = arguments.to_vec();
    arguments.push(("cursor", cursor));
    html! { p { a.button href=(address(path, &arguments)) { "Next page" } } }
}
