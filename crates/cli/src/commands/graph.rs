//! `stele graph`: how things hang together, and who says so.

use std::collections::HashMap;

use stele_engine::Engine;
use stele_engine::graph::{Annotated, EdgeView, Follow, GraphSummary, LimitReason, NodeView};

use super::Context;
use crate::args::{FollowArgs, GraphAction};
use crate::errors::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::human;
use crate::output::table::Rows;
use crate::progress::Reporter;

/// Runs the command.
pub fn run(context: &Context, action: GraphAction) -> Result<Exit, Failure> {
    let engine = context.engine()?;
    match action {
        GraphAction::Build => build(context, &engine, false),
        GraphAction::Rebuild => build(context, &engine, true),
        GraphAction::Status => status(context, &engine),
        GraphAction::Verify => verify(context, &engine),
        GraphAction::Show { name } => show(context, &engine, &name),
        GraphAction::Neighbors { name, depth, limit, follow } => {
            let view = engine.neighbors(&name, depth, limit, &followed(follow))?;
            context.out.event("neighbors", &view)?;
            let mut text = format!("{}\n", described(&view.of));
            let names = by_id(view.nodes.iter().chain([&view.of]));
            for edge in &view.edges {
                text.push_str(&line(edge, &names, &view.of.id));
            }
            text.push_str(&cut(view.limit_reason, "--limit"));
            text.push_str(&others(&view.others));
            context.out.text(text)?;
            Ok(Exit::Done)
        }
        GraphAction::Path { from, to, depth, limit, follow } => {
            let view = engine.paths(&from, &to, depth, limit, &followed(follow))?;
            context.out.event("paths", &view)?;
            let mut text = format!("From {} to {}\n", described(&view.from), described(&view.to));
            for (number, path) in view.paths.iter().enumerate() {
                let names = by_id(path.nodes.iter());
                text.push_str(&format!("{}.\n", number + 1));
                for (edge, at) in path.edges.iter().zip(&path.nodes) {
                    text.push_str(&line(edge, &names, &at.id));
                }
            }
            if view.from.id == view.to.id {
                text.push_str("Both names are the same thing\n");
            } else if view.paths.is_empty() {
                text.push_str(&format!("No way of at most {depth} steps leads from one to the other\n"));
            }
            text.push_str(&cut(view.limit_reason, "--limit"));
            context.out.text(text)?;
            Ok(Exit::Done)
        }
        GraphAction::Export { name, format, output, depth } => {
            super::graph_export::run(context, &engine, name.as_deref(), format, output.as_deref(), depth)
        }
    }
}

fn followed(follow: FollowArgs) -> Follow {
    Follow { kinds: follow.kind, direction: follow.direction.into() }
}

fn build(context: &Context, engine: &Engine, anew: bool) -> Result<Exit, Failure> {
    let interrupt = Interrupt::start()?;
    let reporter = Reporter::events(context.out);
    let outcome = match anew {
        true => engine.graph_rebuild(&reporter, &interrupt.cancel),
        false => engine.graph_build(&reporter, &interrupt.cancel),
    };
    reporter.clear();
    let summary = outcome?;
    context.complain_about(&summary.failures);
    context.out.event("summary", &summary)?;
    context.out.text(page(&summary))?;
    Ok(super::exit_of(summary.cancelled, summary.failures.len(), true))
}

/// What bringing the graph up came to.
pub fn page(summary: &GraphSummary) -> String {
    if summary.cancelled {
        return "Stopped on request; the graph is as it was before\n".to_owned();
    }
    let mut text = format!(
        "Read {} in {}: {} in the graph, {}, {} removed",
        human::many(summary.read, "document"),
        human::seconds(summary.seconds),
        human::count(summary.documents),
        human::many(summary.sections, "new section"),
        human::count(summary.removed),
    );
    if summary.characters_in > 0 {
        // Never rounded up to all of it.
        let kept = summary.characters_out as f64 / summary.characters_in as f64;
        text.push_str(&format!("; {:.2} % of the text is in sections", (kept * 10_000.0).floor() / 100.0));
    }
    text.push('\n');
    if summary.warnings > 0 {
        text.push_str(&format!(
            "{} about what was read: `stele sql \"SELECT source, warnings FROM documents WHERE warnings <> '[]'\"`\n",
            human::many(summary.warnings, "warning"),
        ));
    }
    text.push_str(&summary.annotations.as_ref().map_or_else(String::new, annotated));
    text
}

/// What a language model was asked, what that took, and whether something is left.
fn annotated(summary: &Annotated) -> String {
    let spent = &summary.spent;
    let mut text = format!(
        "{} was asked about {}, and {} known already: {} and {} tokens",
        summary.extractor,
        human::many(summary.asked, "section"),
        human::count(summary.known),
        human::count(spent.input_tokens),
        human::count(spent.output_tokens),
    );
    if spent.cost > 0.0 {
        text.push_str(&format!(", which cost {:.4}", spent.cost));
    }
    if summary.unusable > 0 {
        text.push_str(&format!(
            "; {} said nothing that can be used",
            human::many(summary.unusable, "answer")
        ));
    }
    text.push('\n');
    if summary.left > 0 {
        let why = summary.stopped.as_deref().unwrap_or("some answers could not be used");
        text.push_str(&format!(
            "It was not asked about {}: {why}. `stele graph build` goes on there\n",
            human::many(summary.left, "more section")
        ));
    }
    text
}

fn status(context: &Context, engine: &Engine) -> Result<Exit, Failure> {
    let status = engine.graph_status()?;
    context.out.event("graph", &status)?;
    let mut rows = Rows::new(["", ">count"]);
    for (name, count) in [
        ("documents", status.documents),
        ("sections", status.sections),
        ("things", status.entities),
        ("mentions", status.mentions),
        ("edges", status.edges),
        ("references", status.references),
        ("not read", status.unread.len() as u64),
    ] {
        rows.row([name, &human::count(count)]);
    }
    if let Some(unresolved) = status.unresolved_references {
        rows.row(["references to what is not there", &human::count(unresolved)]);
    }
    context.out.text(rows)?;
    context.out.text(format!(
        "The graph follows version {} of the lake, which is at {}\n",
        status.follows, status.lake_version
    ))?;
    for one in &status.unread {
        context.out.text(format!("  not read: {}: {}\n", one.uri, one.reason))?;
    }
    Ok(Exit::Done)
}

fn verify(context: &Context, engine: &Engine) -> Result<Exit, Failure> {
    let report = engine.graph_verify()?;
    context.out.event("graph", &report)?;
    context.out.text(verified(&report))?;
    Ok(if report.holds { Exit::Done } else { Exit::NotMet })
}

/// What a check of the graph came to.
pub fn verified(report: &stele_engine::graph::GraphVerification) -> String {
    let mut text = format!(
        "The graph: {}, {}, {}, {}; {} of {} characters in sections\n",
        human::many(report.documents, "document"),
        human::many(report.sections, "section"),
        human::many(report.entities, "thing"),
        human::many(report.edges, "edge"),
        human::count(report.characters_out),
        human::count(report.characters_in),
    );
    for (what, list) in [
        ("missing in the graph", &report.missing),
        ("in the graph and gone from the lake", &report.extra),
        ("not as the lake has it", &report.stale),
        ("lost more than it may", &report.lossy),
        ("not read", &report.unread),
        ("breaks the contract", &report.violations),
    ] {
        for one in list {
            text.push_str(&format!("  {what}: {one}\n"));
        }
    }
    text.push_str(match report.holds {
        true => "The graph is what the lake comes to, and keeps its contract.\n",
        false => "The graph is not what it should be: `stele graph build`, or `stele graph rebuild`\n",
    });
    text
}

fn show(context: &Context, engine: &Engine, name: &str) -> Result<Exit, Failure> {
    let view = engine.thing(name)?;
    context.out.event("thing", &view)?;
    let mut text = format!("{}\n", described(&view.of));
    if let Some(description) = &view.description {
        text.push_str(&format!("  {description}\n"));
    }
    if !view.aliases.is_empty() {
        text.push_str(&format!("  also called {}\n", view.aliases.join(", ")));
    }
    for (name, value) in &view.properties {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    let edges: Vec<String> = view.edges.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if !edges.is_empty() {
        text.push_str(&format!("  edges: {}\n", edges.join(", ")));
    }
    if view.mention_count > 0 {
        text.push_str(&format!("  named in {}\n", human::many(view.mention_count, "place")));
    }
    for mention in &view.mentions {
        text.push_str(&format!("    {}  {}\n      {}\n", mention.at, mention.title, mention.snippet));
    }
    text.push_str(&others(&view.others));
    context.out.text(text)?;
    Ok(Exit::Done)
}

fn described(node: &NodeView) -> String {
    let kind = node.kind.unwrap_or(node.node);
    match &node.at {
        Some(at) => format!("{kind} {} ({at})", node.name),
        None => format!("{kind} {}", node.name),
    }
}

fn by_id<'a>(nodes: impl Iterator<Item = &'a NodeView>) -> HashMap<&'a str, &'a NodeView> {
    nodes.map(|node| (&*node.id, node)).collect()
}

/// An edge as seen from one of its ends.
fn line(edge: &EdgeView, names: &HashMap<&str, &NodeView>, from: &str) -> String {
    let indent = "  ".repeat(edge.depth.unwrap_or(1) as usize);
    let name = |id: &str| names.get(id).map_or_else(|| id.to_owned(), |node| described(node));
    let way = match (edge.from == from, edge.to == from) {
        (true, _) => format!("─{}→ {}", edge.kind, name(&edge.to)),
        (false, true) => format!("←{}─ {}", edge.kind, name(&edge.from)),
        (false, false) => format!("{} ─{}→ {}", name(&edge.from), edge.kind, name(&edge.to)),
    };
    format!("{indent}{way}  [{:.2}, {}]\n", edge.confidence, edge.said_at)
}

fn cut(reason: Option<LimitReason>, flag: &str) -> String {
    match reason {
        None => String::new(),
        Some(LimitReason::Rows) => format!("There is more: {flag} shows more of it\n"),
        Some(LimitReason::Work) => "There is more than one walk looks at: name kinds of edges\n".to_owned(),
    }
}

fn others(others: &[NodeView]) -> String {
    match others {
        [] => String::new(),
        others => {
            let names: Vec<String> =
                others.iter().map(|other| format!("{} [{}]", described(other), other.id)).collect();
            format!("The name also fits {}\n", names.join("; "))
        }
    }
}
