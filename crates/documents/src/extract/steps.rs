//! Procedures: numbered lists below a title that says how something is done.

use stele_model::{EdgeKind, EntityId, EntityKind, Node, Section};

use super::{Collector, Why};
use crate::limits::NAME_BYTES_MAX;

/// How sure it is that such a list is a procedure.
const LISTED: f32 = 0.85;

/// First words of titles that say how something is done.
const VERBS: [&str; 48] = [
    "add",
    "build",
    "change",
    "check",
    "clean",
    "clone",
    "compile",
    "configure",
    "connect",
    "create",
    "debug",
    "delete",
    "deploy",
    "disable",
    "download",
    "edit",
    "enable",
    "fix",
    "generate",
    "import",
    "export",
    "install",
    "join",
    "launch",
    "log",
    "make",
    "manage",
    "migrate",
    "move",
    "open",
    "prepare",
    "publish",
    "recover",
    "register",
    "remove",
    "reset",
    "restart",
    "restore",
    "rotate",
    "run",
    "send",
    "set",
    "setup",
    "start",
    "stop",
    "update",
    "upgrade",
    "use",
];

/// Words anywhere in a title that say the same.
const WORDS: [&str; 14] = [
    "how to",
    "steps",
    "procedure",
    "getting started",
    "get started",
    "quickstart",
    "quick start",
    "tutorial",
    "walkthrough",
    "instructions",
    "set up",
    "troubleshooting",
    "step by step",
    "before you begin",
];

/// Procedures of a section, each with its steps in order.
pub(super) fn extract(section: &Section, collector: &mut Collector<'_>) -> Vec<EntityId> {
    let mut procedures = Vec::new();
    if !section.heading || !is_procedural(&section.title) {
        return procedures;
    }
    // A list inside a list is a part of a step.
    let mut end = 0;
    for (index, list) in section.steps.iter().enumerate() {
        if list.span.start < end || list.steps.is_empty() {
            continue;
        }
        end = list.span.end;
        // Two procedures may have one title, so the place is part of what tells them apart.
        let key = format!("{}/{index}", section.id);
        let name = cut(&section.title);
        let Some(procedure) = collector.new_entity(EntityKind::Procedure, &key, name) else { continue };
        let procedure = collector.add(procedure);
        collector.mention(procedure, section, list.span.clone(), LISTED);
        procedures.push(procedure);
        for (order, step) in list.steps.iter().enumerate() {
            let name = cut(step.text.lines().next().unwrap_or_default());
            let name = if name.is_empty() { "step" } else { name };
            let Some(mut entity) = collector.new_entity(EntityKind::Step, &format!("{key}/{order}"), name)
            else {
                continue;
            };
            entity.description = (step.text.len() > name.len()).then(|| step.text.clone());
            let id = collector.add(entity);
            collector.mention(id, section, step.span.clone(), LISTED);
            let why = Why { section, span: step.span.clone(), confidence: LISTED };
            let ends = [Node::Entity(procedure), Node::Entity(id)];
            collector.edge(EdgeKind::ContainsStep, ends, Some(order as u32), why);
        }
        let why = Why { section, span: list.span.clone(), confidence: LISTED };
        let ends = [Node::Section(section.id), Node::Entity(procedure)];
        collector.edge(EdgeKind::Defines, ends, None, why);
    }
    procedures
}

fn is_procedural(title: &str) -> bool {
    let lower = title.to_lowercase();
    let first = lower.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty()).unwrap_or_default();
    let doing = first.strip_suffix("ing").is_some_and(|stem| {
        let doubled = stem.len() > 2 && stem.as_bytes()[stem.len() - 1] == stem.as_bytes()[stem.len() - 2];
        let short = if doubled { &stem[..stem.len() - 1] } else { stem };
        VERBS.contains(&stem) || VERBS.contains(&short) || VERBS.contains(&format!("{stem}e").as_str())
    });
    VERBS.contains(&first) || doing || WORDS.iter().any(|words| lower.contains(words))
}

/// As much of a text as a name may have.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim()
}
