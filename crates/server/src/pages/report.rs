//! What a job came to: whether its data can be asked, how long its stages took, where every byte went, and what
//! was wrong.

use maud::{Markup, html};
use serde_json::Value;

use super::overview::tile;
use super::{Asked, address, chart, coverage, words};
use crate::api::jobs::JobReport;
use crate::reply::Refusal;

/// Levels of what has no form of its own that are shown; what lies deeper is shown as it is.
const DEPTH_MAX: usize = 3;

/// Entries of a list that are shown.
const ENTRIES_SHOWN: usize = 50;

/// Members of a report that have a form of their own, or stand in the head.
const SHOWN: [&str; 11] = [
    "ready_for_queries",
    "reasons",
    "stages",
    "inputs",
    "sample_queries",
    "errors",
    "report_version",
    "job",
    "drift",
    "ledger",
    "source",
];

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let id = asked.get("id").unwrap_or_default();
    let answer = asked.ask::<JobReport>(&[("id", Value::from(id))])?;
    let report = &answer["report"];
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/jobs" { "Jobs" } " / " a href=(format!("/jobs/{id}")) { (id) } " / " span aria-current="page" { "Report" } }
        div.heading { h1 { "Report of " (report["tag"].as_str().unwrap_or(id)) } a.button href=(format!("/api/jobs/{id}/report")) { "JSON" } }
        @if report.is_null() {
            section.notice.warn role="status" { h2 { "There is no report yet" } p { "A job writes it at its end." } }
        } @else { (shown(report)) }
    })
}

fn shown(report: &Value) -> Markup {
    let rest = report.as_object().into_iter().flatten().filter(|(name, _)| !SHOWN.contains(&name.as_str()));
    html! {
        (verdict(report))
        (came_to(report))
        @if !report["source"].is_null() { (source(&report["source"])) }
        (stages(report))
        @if !report["ledger"].is_null() { section.card {
            h2 { @if report["balanced"] == true { "Every byte is accounted for" } @else { "Where the bytes went" } }
            (ledger(&report["ledger"]))
        } }
        @if !words::list(&report["errors"]).is_empty() {
            section.card { h2 { (words::many(words::number(&report["errors_total"]), "error")) }
                ul { @for error in words::list(&report["errors"]).iter().take(ENTRIES_SHOWN) { li {
                    span.tag.bad { (words::text(&error["stage"])) } " "
                    @if let Some(uri) = error["uri"].as_str() { (words::file(uri)) ": " }
                    (words::text(&error["reason"]))
                } } } }
        }
        @if !words::list(&report["sample_queries"]).is_empty() { (samples(report)) }
        (inputs(report))
        @if !report["drift"].is_null() { (drift(&report["drift"])) }
        details.card { summary { "Everything else that it says" }
            dl.facts { @for (name, member) in rest { dt { (name.replace('_', " ")) } dd { (tree(member, 1)) } } } }
    }
}

/// What there is now that was not there before.
fn came_to(report: &Value) -> Markup {
    let ledger = |name: &str| words::number(&report["ledger"][name]);
    let counted = |name: &str| words::number(&report["graph"]["counted"][name]);
    let took: f64 = words::list(&report["stages"]).iter().filter_map(|stage| stage["seconds"].as_f64()).sum();
    html! {
        section.tiles aria-label="What it came to" {
            (tile("Records", &words::count(ledger("records")), &format!("{} read in {}", words::bytes(ledger("bytes_in")), words::seconds(took)), "/coverage"))
            @if !report["graph"]["counted"].is_null() {
                (tile("Things", &words::count(counted("entities")), &format!("{}, {} between them", words::many(counted("documents"), "document"), words::many(counted("edges"), "edge")), "/graph")) }
            @if !report["vectors"].is_null() {
                (tile("Texts to find", &words::count(words::number(&report["vectors"]["texts"])), &format!("{} with a vector", words::count(words::number(&report["vectors"]["vectors"]))), "/search")) }
            (tile("Damaged lines", &words::count(ledger("quarantined")), "kept as they were found", "/quarantine"))
        }
    }
}

/// What was collected of a source.
fn source(source: &Value) -> Markup {
    let streams = words::list(&source["streams"]);
    let unavailable = words::list(&source["unavailable"]);
    html! {
        section.card { h2 { "Source " (words::text(&source["id"])) ": " (words::text(&source["outcome"])) }
            p { (super::sources::counted(&source["counts"])) " "
                @if source["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0) { span.tag { (format!("cost ${:.4}", source["cost_usd"].as_f64().unwrap_or_default())) } } }
            @if !streams.is_empty() { ul { @for stream in streams.iter().take(ENTRIES_SHOWN) { li {
                b { (words::text(&stream["stream"])) } ": " (words::text(&stream["outcome"])) ", " (words::many(words::number(&stream["records"]), "record"))
                @if let Some(reason) = stream["reason"].as_str() { span.muted { ": " (reason) } }
            } } } }
            @for note in words::list(&source["notes"]) { p.muted { (words::text(note)) } }
            @if !unavailable.is_empty() { details { summary { "What could not be had" }
                ul { @for pair in unavailable { li { (words::text(&pair[0])) ": " (words::text(&pair[1])) } } } } }
        }
    }
}

fn ledger(ledger: &Value) -> Markup {
    let number = |name: &str| words::number(&ledger[name]);
    coverage::ledger(
        (number("bytes_lake"), number("bytes_quarantine")),
        [number("records"), number("quarantined"), number("control"), number("blank")],
    )
}

/// By how much the index differs from the lake.
fn drift(drift: &Value) -> Markup {
    let number = |name: &str| words::number(&drift[name]);
    let percent = |name: &str| format!("{:.2} %", 100.0 * drift[name].as_f64().unwrap_or_default());
    let ids = ["missing_ids", "extra_ids"].map(|name| (name, words::list(&drift[name])));
    html! {
        section.card { h2 { "Drift of the index" }
            p { b { (percent("ratio")) } " of its texts differ from the lake, of which " (percent("ratio_max")) " are allowed: "
                (words::count(number("missing"))) " missing, " (words::count(number("extra"))) " that should not be there, "
                (words::count(number("differing"))) " different." }
            @for (name, ids) in ids { @if !ids.is_empty() {
                details { summary { (name.replace('_', " ")) } ul { @for id in ids.iter().take(ENTRIES_SHOWN) { li { code { (words::text(id)) } } } } } } }
        }
    }
}

/// Whether its data can be asked, and why not.
fn verdict(report: &Value) -> Markup {
    let ready = words::text(&report["ready_for_queries"]);
    html! {
        section.notice.good[ready == "yes"].bad[ready == "no"].warn[ready != "yes" && ready != "no"] role="status" {
            h2 { @match ready {
                "yes" => { "Its data is ready for queries" }
                "no" => { "Its data is not ready for queries" }
                _ => { "Nobody asked yet whether its data answers questions" }
            } }
            ul { @for reason in words::list(&report["reasons"]) { li { (words::text(reason)) } } }
        }
    }
}

/// How long each stage took.
fn stages(report: &Value) -> Markup {
    let stages = words::list(&report["stages"]);
    let time = |stage: &Value| stage["seconds"].as_f64().unwrap_or_default();
    let longest = stages.iter().map(time).fold(0.0, f64::max);
    html! {
        @if !stages.is_empty() {
            section.card { h2 { "Stages" }
                ol.timings { @for stage in stages { li {
                    b { (words::text(&stage["stage"])) }
                    span.number { (words::seconds(time(stage))) }
                    (chart::share((time(stage) * 1e6) as u64, (longest * 1e6) as u64))
                    // What is not there need not be said of every stage.
                    span.counts { @for (name, count) in stage["counts"].as_object().into_iter().flatten().filter(|(_, count)| **count != 0) {
                        span.tag { (name.replace('_', " ")) " " (words::count(words::number(count))) } " " } }
                } } } }
        }
    }
}

/// Questions that were asked to see whether anybody can.
fn samples(report: &Value) -> Markup {
    html! {
        section.card { h2 { "Sample queries" }
            ul { @for sample in words::list(&report["sample_queries"]) { li {
                @let query = words::text(&sample["query"]);
                a href=(address("/search", &[("query", query)])) { (query) } " "
                @match (sample["evidence"].as_str(), sample["unavailable"].as_str()) {
                    (Some(at), _) => { span.tag.good { (format!("{:.0} %", 100.0 * sample["confidence"].as_f64().unwrap_or_default())) } " " (words::place(at)) }
                    (None, Some(why)) => { span.tag.warn { "could not be asked" } " " (why) }
                    (None, None) => { span.tag.bad { "found nothing" } }
                }
            } } } }
    }
}

fn inputs(report: &Value) -> Markup {
    let inputs = words::list(&report["inputs"]);
    let common = words::common(inputs.iter().map(|input| words::text(&input["uri"])));
    html! {
        section.card { h2 { (words::many(words::number(&report["inputs_total"]), "input")) }
            @if common > 0 { p { "They lie in " code { (&words::text(&inputs[0]["uri"])[..common]) } "." } }
            div.scroll { table {
                thead { tr { th { "Input" } th { "State" } th { "Format" } th.number { "Bytes" } th.number { "Records" } th.number { "Damaged" } } }
                tbody { @for input in inputs.iter().take(ENTRIES_SHOWN) { tr {
                    @let uri = words::text(&input["uri"]);
                    td { a href=(address("/excerpt", &[("source", uri), ("line", "1")])) { (words::rest(uri, common)) } }
                    td { (words::text(&input["state"])) }
                    td { (words::text(&input["format"])) }
                    td.number { (words::bytes(words::number(&input["ledger"]["bytes_in"]))) }
                    td.number { (words::count(words::number(&input["ledger"]["records"]))) }
                    td.number { @if input["ledger"]["quarantined"] == 0 { "0" } @else {
                        a href=(address("/quarantine", &[("source", uri)])) { (words::count(words::number(&input["ledger"]["quarantined"]))) } } }
                } } }
            } }
            @if inputs.len() > ENTRIES_SHOWN { p.muted { "The first of them." } }
        }
    }
}

/// What has no form of its own.
fn tree(value: &Value, depth: usize) -> Markup {
    match value {
        Value::Object(members) if depth < DEPTH_MAX => html! {
            dl.facts { @for (name, member) in members { dt { (name.replace('_', " ")) } dd { (tree(member, depth + 1)) } } }
        },
        Value::Array(entries) if depth < DEPTH_MAX => html! {
            @if entries.is_empty() { span.muted { "none" } }
            ol { @for entry in entries.iter().take(ENTRIES_SHOWN) { li { (tree(entry, depth + 1)) } } }
            @if entries.len() > ENTRIES_SHOWN { p.muted { "and " (entries.len() - ENTRIES_SHOWN) " more" } }
        },
        Value::Object(_) | Value::Array(_) => html! { code { (value.to_string()) } },
        Value::String(text) => html! { (text) },
        Value::Number(number) => html! { (number.as_u64().map_or_else(|| number.to_string(), words::count)) },
        Value::Bool(yes) => html! { @if *yes { "yes" } @else { "no" } },
        Value::Null => html! { span.muted { "–" } },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    #[test]
    fn a_report_is_shown_and_never_markup() {
        let report = json!({
            "ready_for_queries": "no", "reasons": ["<b>drifts"], "errors_total": 1, "inputs_total": 1,
            "stages": [{ "stage": "parsing", "seconds": 1.5, "counts": { "records": 7, "removed": 0 } }],
            "ledger": { "bytes_in": 9, "bytes_lake": 9, "records": 7 }, "balanced": true,
            "drift": { "ratio": 0.25, "ratio_max": 0.005, "missing": 1, "missing_ids": ["<e>"] },
            "errors": [{ "stage": "parsing", "uri": "/a/<i>", "reason": "<u>" }],
            "inputs": [{ "uri": "/a/<s>", "state": "complete", "ledger": { "bytes_in": 9, "records": 7, "quarantined": 0 } }],
            "sample_queries": [{ "query": "<q>", "evidence": null, "confidence": 0.0, "unavailable": null }],
            "extra_<x>": [1, [2, { "deep": "<y>" }]],
        });
        let page = shown(&report).0;
        for text in [
            "not ready",
            "&lt;b&gt;drifts",
            "1.5 s",
            "records",
            "found nothing",
            "&lt;u&gt;",
            "accounted for",
            "25.00 %",
            "&lt;e&gt;",
        ] {
            assert!(page.contains(text), "{text}: {page}");
        }
        for tag in ["<b>drifts", "<i>", "<u>", "<s>", "<q>", "<x>", "<y>", "<e>"] {
            assert!(!page.contains(tag), "{tag}: {page}");
        }
    }
}
