//! What is around a thing: a picture, and the same as lists.

use std::future::pending;

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::Value;

use super::{Asked, address, chart, pairs, words};
use crate::api::graph::Show;
use crate::http::guard::Route;
use crate::http::problem::Problem;
use crate::reply::Refusal;
use crate::seats::Kind;
use crate::service::Service;
use crate::tokens::Right;
use crate::tools::{GraphExpand, SqlQuery};

/// What the picture itself may use: its own style, and nothing from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; sandbox";

/// Kinds of things, each with some that most documents speak of.
const KINDS: &str = "SELECT kind, count(*) AS things, list(name ORDER BY documents DESC, name ~ '[[:alpha:]-].*' DESC, name)[:12] AS names \
     FROM entities GROUP BY kind ORDER BY things DESC, kind";

/// Names that are shown of a kind.
const NAMES_SHOWN: usize = 4;

/// Kinds that are listed: there are about a dozen.
const KINDS_SHOWN: u64 = 40;

/// Edges that are listed.
const EDGES_SHOWN: u64 = 60;

/// Steps from the thing that a picture shows.
const DEPTH_MAX: u64 = 3;

pub(super) fn render(asked: &Asked<'_>) -> Result<Markup, Refusal> {
    let name = asked.get("name").unwrap_or_default();
    let depth = depth_of(asked.get("depth"));
    let form = html! {
        form.row method="get" action="/graph" {
            input type="search" name="name" value=(name) placeholder="A name, title, source or id" aria-label="Name" required autofocus[name.is_empty()];
            select name="depth" aria-label="Steps" {
                @for step in 1..=DEPTH_MAX { option value=(step) selected[step == depth] { (words::many(step, "step")) } }
            }
            button { "Show" }
        }
    };
    if name.is_empty() {
        let kinds =
            asked.ask::<SqlQuery>(&[("query", Value::from(KINDS)), ("limit", Value::from(KINDS_SHOWN))]);
        return Ok(html! { h1 { "Graph" } (form)
        // Without a lake there is nothing to begin with, and asking for a name says why.
        @if let Ok(kinds) = &kinds { (begin(kinds)) }
        p.muted { "Commands, options, settings, procedures, errors, events, fields, games and players hang together by what documents and recordings say of them." } });
    }
    let thing = asked.ask::<Show>(&[("name", Value::from(name))])?;
    let around = asked.ask::<GraphExpand>(&[
        ("name", Value::from(name)),
        ("depth", Value::from(depth)),
        ("limit", Value::from(EDGES_SHOWN)),
    ])?;
    let of = &thing["of"];
    let picture = address("/graph/picture", &[("name", name), ("depth", &depth.to_string())]);
    Ok(html! {
        h1 { "Graph" }
        (form)
        section.card {
            h2 { (words::text(&of["name"])) " " span.tag { (kind(of)) } }
            @if let Some(text) = thing["description"].as_str() { p { (text) } }
            @if let Some(at) = of["at"].as_str() { p { (words::place(at)) } }
            @if !words::list(&thing["others"]).is_empty() {
                p.muted { "Others of that name: " @for other in words::list(&thing["others"]) { (node(other)) " " } }
            }
            a.frame href=(picture) { img.picture src=(picture) alt=(format!("A picture of what is around {name}; the lists below say the same")); }
        }
        section.card {
            h2 { (words::many(words::list(&around["edges"]).len() as u64, "edge")) @if around["truncated"] == true { " of more" } }
            (edges(&around, of))
        }
        @if !words::list(&thing["mentions"]).is_empty() {
            section.card {
                h2 { "Mentioned " (words::many(words::number(&thing["mention_count"]), "time")) }
                ul { @for mention in words::list(&thing["mentions"]) { li {
                    (words::place(words::text(&mention["at"]))) " " b { (words::text(&mention["title"])) } ": " (words::text(&mention["snippet"]))
                } } }
            }
        }
    })
}

/// The first names of a kind, each once: things of several events may have the same.
fn some(names: &[Value]) -> Vec<&str> {
    let mut some: Vec<&str> = names.iter().map(words::text).collect();
    some.dedup();
    some.truncate(NAMES_SHOWN);
    some
}

/// Things to begin with, by their kind.
fn begin(kinds: &Value) -> Markup {
    let rows = words::list(&kinds["rows"]);
    let most = rows.iter().map(|row| words::number(&row["things"])).max().unwrap_or_default();
    html! {
        @if !rows.is_empty() {
            section.card {
                h2 { "What there is" }
                div.scroll { table {
                    thead { tr { th { "Kind" } th.number { "Things" } th.wide { span.visually-hidden { "As a bar" } } th { "Such as" } } }
                    tbody { @for row in rows { tr {
                        td { (words::text(&row["kind"])) }
                        td.number { (words::count(words::number(&row["things"]))) }
                        td.wide { (chart::share(words::number(&row["things"]), most)) }
                        td { @for name in some(words::list(&row["names"])) {
                            a.tag href=(address("/graph", &[("name", name)])) { (name) } " " } }
                    } } }
                } }
            }
        }
    }
}

fn depth_of(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).filter(|depth| (1..=DEPTH_MAX).contains(depth)).unwrap_or(1)
}

fn kind(node: &Value) -> &str {
    node["kind"].as_str().unwrap_or_else(|| words::text(&node["node"]))
}

fn node(node: &Value) -> Markup {
    html! { a href=(address("/graph", &[("name", words::text(&node["id"]))])) { (words::text(&node["name"])) } " " span.tag { (kind(node)) } }
}

fn edges(around: &Value, of: &Value) -> Markup {
    let find = |id: &Value| words::list(&around["nodes"]).iter().chain([of]).find(|node| node["id"] == *id);
    html! {
        div.scroll { table {
            thead { tr { th { "From" } th { } th { "To" } th.number { "Confidence" } th { "Said at" } } }
            tbody { @for edge in words::list(&around["edges"]) { tr {
                td { @if let Some(from) = find(&edge["from"]) { (node(from)) } }
                td { span.tag { (words::text(&edge["kind"])) } }
                td { @if let Some(to) = find(&edge["to"]) { (node(to)) } }
                td.number { (format!("{:.2}", edge["confidence"].as_f64().unwrap_or_default())) }
                td { (words::place(words::text(&edge["said_at"]))) }
            } } }
        } }
    }
}

/// The picture by itself: it brings a style of its own, which the policy of pages would not take.
pub(super) async fn picture(service: &Service, request: Request) -> Response {
    let visitor = match crate::api::visitor(&request, Right::Read) {
        Ok(visitor) => visitor,
        Err(problem) => return problem.into_response(),
    };
    let query = match pairs(request).await {
        Ok(query) => query,
        Err(problem) => return problem.into_response(),
    };
    let work = move |_: &crate::desk::Call| {
        let name = query.get("name").map(String::as_str).unwrap_or_default();
        let depth = depth_of(query.get("depth").map(String::as_str)) as u32;
        Ok(visitor.tenant.desk.engine.picture(name, depth)?)
    };
    let mut response = match service.places.of(Kind::Call).run("/graph/picture", pending(), work).await {
        Ok(svg) => {
            let mut response = svg.into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
            let policy = HeaderValue::from_static(POLICY);
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        Err(refusal) => Problem::from(&refusal).into_response(),
    };
    response.extensions_mut().insert(Route("/graph/picture"));
    response
}
