//! From an event to its fields, from a field to its values and to the records that hold it; and how all that
//! changed.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, chart, coverage, words};
use crate::api::schemas::Drift;
use crate::reply::Refusal;
use crate::tools::{DescribeEvent, ExplainField, FindExamples};

/// Fields of a page.
const FIELDS_SHOWN: u64 = 100;

/// Records that show what an event or a field looks like.
const EXAMPLES_SHOWN: u64 = 3;

/// One event: its fields, and some records.
pub(super) fn event(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let name = asked.get("name").unwrap_or_default();
    let event = asked.ask::<DescribeEvent>(&[
        ("event", Value::from(name)),
        ("limit", Value::from(FIELDS_SHOWN)),
        ("cursor", asked.text("cursor")),
    ])?;
    let examples =
        asked.ask::<FindExamples>(&[("event", Value::from(name)), ("limit", Value::from(EXAMPLES_SHOWN))])?;
    let records = words::number(&event["records"]);
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/coverage" { "Coverage" } " / " span aria-current="page" { (name) } }
        div.heading { h1 { (name) }
            a.button href=(address("/api/schemas", &[("event", name)])) { "JSON Schema" } }
        p { (words::many(records, "record")) ", " (words::many(words::number(&event["fields_total"]), "field")) "." }
        section.card {
            h2 { "Fields" }
            div.scroll { table {
                thead { tr { th { "Path" } th { "Types" } th.wide { "In how many records" } th.number { } th { "Example" } th { "First seen" } } }
                tbody { @for field in words::list(&event["fields"]) {
                    @let path = words::text(&field["path"]);
                    @let held = words::number(&field["records"]);
                    tr {
                        td { a.path href=(address("/coverage/field", &[("event", name), ("path", path)])) { (words::path(path)) } }
                        td { (words::text(&field["types"])) }
                        td.wide { (chart::share(held, records)) }
                        td.number { (words::percent(held, records))
                            @if field["always"] == true && held < records { br; span.muted { "always where it can be" } } }
                        td.sample { code { (words::text(&field["example"])) } }
                        td { (words::place(words::text(&field["first_seen"]))) }
                    }
                } }
            } }
            (coverage::next("/coverage/event", &[("name", name)], &event))
        }
        (records_of(&examples))
    })
}

/// One field: everything that is known about it, with places.
pub(super) fn field(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let (event, path) = (asked.get("event").unwrap_or_default(), asked.get("path").unwrap_or_default());
    let known = asked.ask::<ExplainField>(&[("path", Value::from(path)), ("event", asked.text("event"))])?;
    let fields = words::list(&known["fields"]);
    // A path is also the end of longer ones; the page is about the one that is named.
    let exact: Vec<&Value> = fields.iter().filter(|field| field["path"] == path).collect();
    let shown: Vec<&Value> = if exact.is_empty() { fields.iter().collect() } else { exact };
    let examples = asked.ask::<FindExamples>(&[
        ("event", asked.text("event")),
        ("path", Value::from(path)),
        ("limit", Value::from(EXAMPLES_SHOWN)),
    ])?;
    Ok(html! {
        nav.crumbs aria-label="Where this is" {
            a href="/coverage" { "Coverage" }
            @if !event.is_empty() { " / " a href=(address("/coverage/event", &[("name", event)])) { (event) } }
            " / " span aria-current="page" { (path) }
        }
        h1.path { (words::path(path)) }
        @for field in shown { (facts(field)) }
        (records_of(&examples))
    })
}

fn facts(field: &Value) -> Markup {
    let number = |name: &str| words::number(&field[name]);
    let (held, of) = (number("records"), number("event_records"));
    let range = |name: &str| match words::list(&field[name]) {
        [low, high] => Some((plain(low), plain(high))),
        _ => None,
    };
    html! {
        section.card {
            h2 { (words::text(&field["event"])) }
            dl.facts {
                dt { "Held by" } dd { (words::count(held)) " of " (words::many(of, "record")) " (" (words::percent(held, of)) ")" (chart::share(held, of)) }
                dt { "Types" } dd { @for kind in words::list(&field["types"]) {
                    span.tag { (words::text(&kind["name"])) " " (words::count(words::number(&kind["count"]))) } " " } }
                dt { "Occurs" } dd { (words::many(number("occurrences"), "time")) ", " (words::count(number("empty"))) " empty" }
                dt { "Distinct values" } dd { @if field["distinct_exact"] != true { "about " } (words::count(number("distinct"))) }
                @for (name, key) in [("Numbers", "number_range"), ("Characters", "length_range"), ("Elements", "items_range")] {
                    @if let Some((low, high)) = range(key) { dt { (name) } dd { "from " code { (low) } " to " code { (high) } } }
                }
                @if let Some(why) = field["keys_are_data"].as_str() { dt { "Keys" } dd { "are data: " (why) } }
                dt { "First seen" } dd { (words::place(words::text(&field["first_seen"]))) }
                dt { "Last seen" } dd { (words::place(words::text(&field["last_seen"]))) }
            }
            @if !words::list(&field["values"]).is_empty() {
                h3 { @if field["all_values"] == true { "All values" } @else { "Some values" } }
                div.scroll { table {
                    thead { tr { th { "Value" } th { "First seen" } } }
                    tbody { @for value in words::list(&field["values"]) { tr {
                        td.sample { code { (words::text(&value["json"])) } }
                        td { (words::place(words::text(&value["at"]))) }
                    } } }
                } }
            }
            @if !words::list(&field["members"]).is_empty() {
                h3 { "Members" }
                p { @for member in words::list(&field["members"]) {
                    a.tag.path href=(address("/coverage/field", &[("event", words::text(&field["event"])), ("path", words::text(member))])) { (words::text(member)) } " " } }
            }
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Records as they were recorded.
fn records_of(examples: &Value) -> Markup {
    html! {
        section.card {
            h2 { "Records" }
            @for example in words::list(&examples["examples"]) {
                article.record {
                    p { (words::place(words::text(&example["at"]))) " " span.muted { "byte " (words::count(words::number(&example["byte_offset"]))) }
                        @if let Some(value) = example["value"].as_str() { " " code { (value) } } }
                    pre { (words::text(&example["record"])) }
                }
            }
        }
    }
}

/// How the events changed from one version of the lake to another.
pub(super) fn drift(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let drift = asked.ask::<Drift>(&[("from", asked.number("from")), ("to", asked.number("to"))])?;
    let choice = |name: &str, chosen: &Value| {
        html! {
            select name=(name) id=(name) {
                @for version in words::list(&drift["versions"]) {
                    option value=(words::number(&version["version"])) selected[version["version"] == *chosen] {
                        (words::number(&version["version"]))
                        @if let Some(records) = version["records"].as_u64() { " – " (words::many(records, "record")) }
                    }
                }
            }
        }
    };
    let changes = words::list(&drift["changes"]);
    // Of whole events that are new there is no path and nothing that was before.
    let [has_path, has_before] =
        ["path", "before"].map(|name| changes.iter().any(|change| !words::text(&change[name]).is_empty()));
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/coverage" { "Coverage" } " / " span aria-current="page" { "Drift" } }
        h1 { "Drift between versions" }
        form.row method="get" {
            label for="from" { "From" } (choice("from", &drift["from"]))
            label for="to" { "to" } (choice("to", &drift["to"]))
            button { "Compare" }
        }
        @if let Some(worst) = drift["worst"].as_str() {
            section.card {
                h2 { (words::many(words::number(&drift["change_count"]), "change")) ", the worst is " (severity(worst)) }
                div.scroll { table {
                    thead { tr { th { "Event" } @if has_path { th { "Path" } } th { "Severity" } th { "Why" } @if has_before { th { "Before" } } th { "After" } th { "Shown at" } } }
                    tbody { @for change in changes { tr {
                        @let event = words::text(&change["event"]);
                        td { a href=(address("/coverage/event", &[("name", event)])) { (event) } }
                        @if has_path { td.path { (words::path(words::text(&change["path"]))) } }
                        td { (severity(words::text(&change["severity"]))) }
                        td.why { (words::text(&change["why"])) }
                        @if has_before { td.sample { code { (words::text(&change["before"])) } } }
                        td.sample { code { (words::text(&change["after"])) } }
                        td { (words::place(words::text(&change["evidence"]))) }
                    } } }
                } }
                @if drift["truncated"] == true { p.muted { "The first of them; `stele schema diff` tells all." } }
            }
        } @else {
            section.notice.good role="status" { h2 { "Nothing changed" }
                p { "Every event has the same shape in both versions." } }
        }
    })
}

fn severity(name: &str) -> Markup {
    html! { span.tag.bad[name == "BREAKING"].warn[name == "WARNING"].good[name == "SAFE"] { (name.to_lowercase()) } }
}
