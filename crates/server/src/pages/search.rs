//! Search, with what each result rests on.

use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, chart, words};
use crate::reply::Refusal;
use crate::tools::Search;

/// Results of a page.
const RESULTS_SHOWN: u64 = 10;

/// Arms that can be asked, with what they are for.
const ARMS: [(&str, &str); 3] =
    [("hybrid", "words and meaning"), ("text", "words alone"), ("vector", "meaning alone")];

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let query = asked.get("query").unwrap_or_default();
    let arm = asked.get("arm").unwrap_or("hybrid");
    let form = html! {
        form.row method="get" action="/search" role="search" {
            input type="search" name="query" value=(query) placeholder="A question in words, or a name" aria-label="Question" required autofocus[query.is_empty()];
            select name="arm" aria-label="What to ask" {
                @for (name, what) in ARMS { option value=(name) selected[name == arm] { (what) } }
            }
            button { "Search" }
        }
    };
    if query.is_empty() {
        return Ok(html! { h1 { "Search" } (form)
        p.muted { "Documents, fields, events, records, games and sessions are searched, each result with the place that it rests on." } });
    }
    let answer = asked.ask::<Search>(&[
        ("query", Value::from(query)),
        ("arm", Value::from(arm)),
        ("top", Value::from(RESULTS_SHOWN)),
        ("cursor", asked.text("cursor")),
    ])?;
    let confidence = answer["confidence"].as_f64().unwrap_or_default();
    Ok(html! {
        h1 { "Search" }
        (form)
        div.confidence { "Confidence " b { (format!("{:.0} %", confidence * 100.0)) } (chart::share((confidence * 1000.0) as u64, 1000))
            @if answer["complete"] != true {
                span.tag.warn { "the index does not know everything yet" }
            }
        }
        @for note in words::list(&answer["notes"]) { p.muted { (words::text(note)) } }
        @if words::list(&answer["results"]).is_empty() { p { "Nothing was found. Fewer or other words may find more." } }
        ol.results { @for result in words::list(&answer["results"]) { li { (hit(result)) } } }
        (super::coverage::next("/search", &[("query", query), ("arm", arm)], &answer))
    })
}

fn hit(result: &Value) -> Markup {
    let title = words::text(&result["title"]);
    let matched: Vec<&str> = words::list(&result["matched"]).iter().map(words::text).collect();
    let parts = &result["score_parts"];
    let part = |name: &str| parts[name].as_f64().map(|score| format!("{name} {score:.2}"));
    let to = match (result["event"].as_str(), result["path"].as_str()) {
        (Some(event), Some(path)) => address("/coverage/field", &[("event", event), ("path", path)]),
        (Some(event), None) if result["kind"] == "event" => address("/coverage/event", &[("name", event)]),
        _ => match result["line"].as_u64() {
            Some(line) => words::lines_at(words::text(&result["source"]), &line.to_string()),
            None => String::new(),
        },
    };
    html! {
        article.hit {
            h2 { @if to.is_empty() { (title) } @else { a href=(to) { (title) } } " " span.tag { (words::text(&result["kind"])) } }
            p.snippet { (marked(words::text(&result["snippet"]), &matched)) }
            p.muted {
                (words::place(words::text(&result["at"])))
                @for said in ["words", "names", "meaning"].iter().filter_map(|name| part(name)) { " · " (said) }
            }
            @if result["text"] != result["snippet"] {
                details { summary { "The whole text" } pre { (words::text(&result["text"])) } }
            }
        }
    }
}

/// A text with the words of the question marked.
fn marked(text: &str, matched: &[&str]) -> Markup {
    let lower = text.to_lowercase();
    // Where lower case has other lengths, places do not fit, and nothing is marked.
    let fits = lower.len() == text.len();
    let mut spans: Vec<(usize, usize)> = Vec::new();
    for word in matched.iter().map(|word| word.to_lowercase()).filter(|word| fits && !word.is_empty()) {
        spans.extend(lower.match_indices(&word).map(|(at, found)| (at, at + found.len())));
    }
    spans.retain(|(from, to)| text.is_char_boundary(*from) && text.is_char_boundary(*to));
    spans.sort_unstable();
    let mut at = 0;
    html! {
        @for (from, to) in spans {
            @if from >= at {
                (&text[at..from]) mark { (&text[from..to]) }
                @let () = { at = to; };
            }
        }
        (&text[at..])
    }
}

#[cfg(test)]
mod tests {
    use super::marked;

    #[test]
    fn words_are_marked_and_markup_is_not() {
        for (text, words, expect) in [
            ("a price b", &["price"][..], "a <mark>price</mark> b"),
            ("Price", &["price", "pri"], "<mark>Pri</mark>ce"),
            ("<b>price", &["<b>"], "<mark>&lt;b&gt;</mark>price"),
            ("İprice", &["price"], "İprice"),
            ("ñ", &["ñ"], "<mark>ñ</mark>"),
            ("x", &[], "x"),
        ] {
            assert_eq!(marked(text, words).0, expect, "{text}");
        }
    }
}
