//! The scratchpad: one reading statement, and its rows.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, words};
use crate::http::problem::Problem;
use crate::reply::Refusal;
use crate::tools::SqlQuery;

/// Rows of a page: what is looked at, not what is exported.
const ROWS_SHOWN: u64 = 200;

/// Queries to begin with.
const EXAMPLES: [(&str, &str); 5] = [
    ("Events", "SELECT * FROM event_counts"),
    ("Inputs", "SELECT uri, format, state, records, quarantined FROM files ORDER BY records DESC"),
    ("Games", "SELECT game_id, records, players, peak_price FROM games ORDER BY peak_price DESC NULLS LAST"),
    ("Damaged lines", "SELECT reason, count(*) AS lines FROM quarantine GROUP BY reason ORDER BY lines DESC"),
    ("What there is", "SELECT * FROM help"),
];

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let query = asked.get("query").unwrap_or_default();
    let answer = (!query.is_empty())
        .then(|| asked.ask::<SqlQuery>(&[("query", Value::from(query)), ("limit", Value::from(ROWS_SHOWN))]));
    Ok(html! {
        h1 { "SQL" }
        form.stack method="post" action="/sql" {
            label.visually-hidden for="query" { "One statement that reads, in the SQL of DuckDB" }
            textarea id="query" name="query" rows="6" spellcheck="false" autocapitalize="off" data-run
                placeholder="SELECT * FROM event_counts" { (query) }
            div.row { button { "Run" } span.muted { "Reads only, within memory and time; up to " (ROWS_SHOWN) " rows." } }
        }
        p { "For a start: " @for (name, text) in EXAMPLES { a.tag href=(address("/sql", &[("query", text)])) { (name) } " " } }
        // What is wrong with a query is said beside it, so that it can be mended.
        @match &answer {
            None => {}
            Some(Err(refusal)) => { (super::frame::notice(&Problem::from(refusal))) }
            Some(Ok(answer)) => { (table(answer)) }
        }
    })
}

fn table(answer: &Value) -> Markup {
    let columns = words::list(&answer["columns"]);
    let rows = words::list(&answer["rows"]);
    html! {
        section.card aria-live="polite" {
            h2 { (words::many(rows.len() as u64, "row"))
                @if answer["truncated"] == true { " of more (" (words::text(&answer["limit_reason"])) ")" } }
            div.scroll { table {
                thead { tr { @for column in columns {
                    th.number[is_number(column)] title=(words::text(&column["type"])) { (words::text(&column["name"])) } } } }
                tbody { @for row in rows { tr {
                    @for column in columns {
                        @let value = &row[words::text(&column["name"])];
                        td.number[is_number(column)] { (cell(value)) }
                    }
                } } }
            } }
        }
    }
}

fn is_number(column: &Value) -> bool {
    let kind = words::text(&column["type"]);
    ["Int", "UInt", "Float", "Decimal"].iter().any(|begin| kind.starts_with(begin))
}

fn cell(value: &Value) -> Markup {
    match value {
        Value::Null => html! { span.muted { "null" } },
        Value::String(text) => html! { (text) },
        other => html! { (other.to_string()) },
    }
}
