//! The lines around a place, damaged ones included.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, words};
use crate::reply::Refusal;
use crate::tools::ReadExcerpt;

/// Lines before and after, each.
const AROUND: u64 = 8;

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let source = asked.get("source").unwrap_or_default();
    let line = asked.number("line").as_u64().unwrap_or(1);
    let excerpt = asked.ask::<ReadExcerpt>(&[
        ("source", Value::from(source)),
        ("line", Value::from(line)),
        ("before", Value::from(AROUND)),
        ("after", Value::from(AROUND)),
    ])?;
    let (name, total) = (words::text(&excerpt["source"]), words::number(&excerpt["source_lines"]));
    let lines = words::list(&excerpt["lines"]);
    // What a line is cut into has its number; the first of it is where one looks.
    let here = lines.iter().position(|one| one["line"] == line).unwrap_or(lines.len());
    let go = |line: u64| words::lines_at(name, &line.to_string());
    Ok(html! {
        nav.crumbs aria-label="Where this is" { a href="/coverage" { "Coverage" } " / " span aria-current="page" { (words::file(name)) } }
        h1 { (words::file(name)) ":" (line) }
        p.muted { (name) " · " (words::many(total, "line")) }
        p.row {
            @if line > 1 { a.button rel="prev" href=(go(line.saturating_sub(2 * AROUND).max(1))) { "Earlier" } " " }
            @if line < total { a.button rel="next" href=(go((line + 2 * AROUND).min(total))) { "Later" } }
        }
        ol.lines {
            @for (place, one) in lines.iter().enumerate() {
                @let class = words::text(&one["class"]);
                li.here[one["line"] == line] id=[(place == here).then_some("here")].bad[class == "rejected"] {
                    span.no { (words::number(&one["line"])) }
                    pre { (words::text(&one["text"])) }
                    @if class != "record" && class != "document" {
                        span.tag.bad[class == "rejected"] { (class) @if let Some(why) = one["reason"].as_str() { ": " (why) } }
                    }
                }
            }
        }
    })
}
