//! The scratchpad: one reading statement, and its rows.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, chart, words};
use crate::http::problem::Problem;
use crate::reply::Refusal;
use crate::tools::SqlQuery;

/// Rows of a page: what is looked at, not what is exported.
const ROWS_SHOWN: u64 = 200;

/// Steps of a bar beside a row: more than a screen has points.
const BAR: f64 = 10_000.0;

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
    let most = compared(columns, rows);
    html! {
        section.card aria-live="polite" {
            h2 { (words::many(rows.len() as u64, "row"))
                @if answer["truncated"] == true { " of more (" (words::text(&answer["limit_reason"])) ")" } }
            div.scroll { table.fit {
                thead { tr { @for column in columns {
                    th.number[is_number(column)] title=(words::text(&column["type"])) { (words::text(&column["name"])) } }
                    @if most.is_some() { th.wide { span.visually-hidden { "As a bar" } } } } }
                tbody { @for row in rows { tr {
                    @for column in columns {
                        @let value = &row[words::text(&column["name"])];
                        td.number[is_number(column)] { (cell(value)) }
                    }
                    @if let Some((name, most)) = most {
                        td.wide { (chart::share((row[name].as_f64().unwrap_or_default() / most * BAR) as u64, BAR as u64)) } }
                } } }
            } }
        }
    }
}

/// What bars compare, and the most of it: the number of a query that asks for one beside names. Others are read.
fn compared<'a>(columns: &'a [Value], rows: &[Value]) -> Option<(&'a str, f64)> {
    let [name, number] = columns else { return None };
    if is_number(name) || !is_number(number) || rows.len() < 2 {
        return None;
    }
    let key = words::text(&number["name"]);
    let numbers: Option<Vec<f64>> =
        rows.iter().map(|row| if row[key].is_null() { Some(0.0) } else { row[key].as_f64() }).collect();
    let numbers = numbers.filter(|numbers| numbers.iter().all(|number| *number >= 0.0))?;
    let most = numbers.into_iter().fold(0.0, f64::max);
    (most > 0.0).then_some((key, most))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::compared;

    #[test]
    fn one_number_beside_names_is_compared_and_nothing_else() {
        let check = |kinds: &[&str], numbers: Value, expect: Option<f64>| {
            let columns: Vec<Value> = kinds
                .iter()
                .zip(["a", "b", "c"])
                .map(|(kind, name)| json!({ "name": name, "type": kind }))
                .collect();
            let rows: Vec<Value> = numbers
                .as_array()
                .unwrap()
                .iter()
                .map(|number| json!({ "a": "x", "b": number, "c": 1 }))
                .collect();
            assert_eq!(compared(&columns, &rows).map(|(_, most)| most), expect, "{kinds:?} {numbers}");
        };
        check(&["Utf8", "Int64"], json!([1, 7, null]), Some(7.0));
        check(&["Utf8", "Float64"], json!([0.5, 0.25]), Some(0.5));
        check(&["Utf8", "Int64"], json!([1]), None);
        check(&["Utf8", "Int64"], json!([1, -1]), None);
        check(&["Utf8", "Int64"], json!([0, 0]), None);
        check(&["Utf8", "Int64"], json!([1, "many"]), None);
        check(&["Utf8", "Utf8"], json!([1, 2]), None);
        check(&["Int64", "Int64"], json!([1, 2]), None);
        check(&["Utf8", "Int64", "Int64"], json!([1, 2]), None);
    }
}
