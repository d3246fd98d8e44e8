//! Documentation sets that are not in the repository, read where `STELE_DOCUMENTS` names them.

use std::fs;
use std::time::Instant;

use crate::{corpus, one};

/// Every Markdown file of the set of commands, by name.
fn commands(test: &str) -> Vec<(String, String)> {
    let Some(dir) = corpus(test, "docker-cli") else { return Vec::new() };
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
#[allow(clippy::print_stderr, reason = "the figures are what the test is for")]
fn nothing_of_the_commands_is_lost() {
    let files = commands("nothing_of_the_commands_is_lost");
    let begin = Instant::now();
    let mut bytes = 0;
    for (name, text) in &files {
        let document = one(name, text.as_bytes());
        bytes += text.len();
        assert!(document.conservation.holds(), "{name}: {:?}", document.conservation);
        assert_eq!(document.conservation.characters_extra, 0, "{name}");
        // Without the parser: every character is in the text of the sections, in order.
        let all: String = document.sections.iter().map(|section| section.text.as_str()).collect();
        let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(dense(&all), dense(text), "{name}");
    }
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{} files, {bytes} bytes, {:.1} MB/s", files.len(), bytes as f64 / 1e6 / seconds);
}

#[test]
fn headings_and_examples_agree_with_the_reference() {
    let Some(path) = corpus("headings_and_examples_agree_with_the_reference", "commonmark-spec.txt") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let document = one("spec.md", text.as_bytes());
    let fence = "`".repeat(32);
    let body = text.split_once("\n...\n").unwrap().1;
    assert_eq!(headings(&document), reference(body));
    let mut examples = 0;
    let opening = format!("{fence} example\n");
    for part in body.split(&opening).skip(1) {
        let example = part.split(&format!("\n{fence}")).next().unwrap();
        let holders = document.sections.iter().filter(|section| section.text.contains(example)).count();
        let twice = body.matches(example).count() > 1;
        assert!(holders == 1 || (twice && holders >= 1), "{holders} sections hold {example:?}");
        let source = example.split("\n.\n").next().unwrap().replace('→', "\t");
        let alone = one("example.md", source.as_bytes());
        assert!(alone.conservation.holds(), "{source:?}");
        // Front matter and recovery are our own; the rest has to agree.
        if alone.front_matter.is_empty() && alone.warnings.is_empty() {
            assert_eq!(headings(&alone), reference(&source), "{source:?}");
        }
        examples += 1;
    }
    assert!(examples > 600, "{examples}");
}

/// Levels and titles as we see them.
fn headings(document: &stele_model::Document) -> Vec<(u8, String)> {
    let of = |section: &stele_model::Section| (section.level, squeezed(&section.title));
    document.sections.iter().filter(|section| section.heading).map(of).collect()
}

/// Levels and titles in the HTML that the reference renderer makes.
fn reference(markdown: &str) -> Vec<(u8, String)> {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.render.r#unsafe = false;
    let html = comrak::markdown_to_html(markdown, &options);
    let mut found = Vec::new();
    for (at, _) in html.match_indices("<h") {
        let Some(level) = html[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else { continue };
        let inner = html[at..].split_once('>').unwrap().1;
        let inner = inner.split(&format!("</h{level}>")).next().unwrap();
        let mut text = String::new();
        for (index, part) in inner.split('<').enumerate() {
            text.push_str(if index == 0 { part } else { part.split_once('>').unwrap().1 });
        }
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        found.push((level as u8, squeezed(&text)));
    }
    found
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A row of a table of options or commands, read without any parser: names and description.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    page: String,
    names: Vec<String>,
    description: String,
}

/// Rows of the tables below a heading `title`, counted on the lines alone.
fn rows(page: &str, text: &str, title: &str) -> Vec<Row> {
    let mut found = Vec::new();
    let (mut below, mut fenced) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        if !fenced && line.starts_with('#') {
            below = line.trim_start_matches('#').trim() == title;
        }
        if fenced || !below || !line.starts_with('|') || line.contains("---|") || line.starts_with("| Name") {
            continue;
        }
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<String> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| unmarked(&cell.replace('\u{1}', "|")))
            .collect();
        let names = cells[0].split(',').map(|name| name.trim().to_owned()).collect();
        found.push(Row { page: page.to_owned(), names, description: cells.last().unwrap().clone() });
    }
    found
}

/// A cell without backticks, links and breaks.
fn unmarked(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once("](") {
        let (head, label) = before.rsplit_once('[').unwrap_or((before, ""));
        text.push_str(head);
        text.push_str(label);
        rest = after.split_once(')').map_or("", |(_, tail)| tail);
    }
    text.push_str(rest);
    squeezed(&text.replace("<br>", " ").replace(['`', '\\'], ""))
}

/// Precision and recall of `found` against `truth`.
#[allow(clippy::print_stderr, reason = "the figures are what the test is for")]
#[track_caller]
fn measure(what: &str, found: &[Row], truth: &[Row]) {
    let right = found.iter().filter(|row| truth.contains(row)).count() as f64;
    let (precision, recall) = (right / found.len() as f64, right / truth.len() as f64);
    eprintln!("{what}: {} in the tables, precision {precision:.4}, recall {recall:.4}", truth.len());
    let missing: Vec<_> = truth.iter().filter(|row| !found.contains(row)).take(5).collect();
    let extra: Vec<_> = found.iter().filter(|row| !truth.contains(row)).take(5).collect();
    assert!(precision >= 0.97 && recall >= 0.97, "{what}\nmissing {missing:#?}\nextra {extra:#?}");
}

#[test]
fn every_option_and_command_is_found_with_its_description() {
    let files = commands("every_option_and_command_is_found_with_its_description");
    if files.is_empty() {
        return;
    }
    let (mut options, mut found_options) = (Vec::new(), Vec::new());
    let (mut below, mut found_below) = (Vec::new(), Vec::new());
    for (page, text) in &files {
        options.extend(rows(page, text, "Options"));
        below.extend(rows(page, text, "Subcommands"));
        let document = one(page, text.as_bytes());
        let extracted = stele_documents::extract(&document);
        let tables: Vec<_> = document
            .sections
            .iter()
            .filter(|section| section.title == "Options")
            .map(|section| section.id)
            .collect();
        for entity in &extracted.entities {
            let row = |names: Vec<String>| Row {
                page: page.clone(),
                names,
                description: squeezed(&entity.description.clone().unwrap_or_default().replace('\\', "")),
            };
            let in_options = extracted
                .mentions
                .iter()
                .any(|mention| mention.entity == entity.id && tables.contains(&mention.section));
            if entity.kind == stele_model::EntityKind::Parameter && in_options {
                let mut names: Vec<String> = entity.aliases.clone();
                names.push(entity.name.clone());
                // As the tables have it: the short one first.
                names.sort_by_key(|name| name.len());
                found_options.push(row(names));
            }
        }
        for edge in extracted.edges.iter().filter(|edge| edge.kind == stele_model::EdgeKind::HasSubcommand) {
            let to = extracted
                .entities
                .iter()
                .find(|entity| stele_model::Node::Entity(entity.id) == edge.to)
                .unwrap();
            let name = to.name.split(' ').next_back().unwrap().to_owned();
            let description = squeezed(to.description.as_deref().unwrap_or_default());
            found_below.push(Row { page: page.clone(), names: vec![name], description });
        }
    }
    measure("options", &found_options, &options);
    measure("subcommands", &found_below, &below);
    // Every page but the index is about one command, which its name spells out.
    let mut missing = Vec::new();
    for (page, text) in &files {
        let name = page.trim_end_matches(".md").replace('_', " ");
        let extracted = stele_documents::extract(&one(page, text.as_bytes()));
        let found = extracted.entities.iter().any(|entity| {
            entity.kind == stele_model::EntityKind::Command
                && entity.name == name
                && entity.description.is_some()
        });
        if !found {
            missing.push(page.as_str());
        }
    }
    assert_eq!(missing, ["index.md"]);
}

#[test]
#[allow(clippy::print_stderr, reason = "the figures are what the test is for")]
fn the_graph_of_the_commands_keeps_its_contract() {
    let files = commands("the_graph_of_the_commands_keeps_its_contract");
    let documents: Vec<_> = files.iter().map(|(name, text)| one(name, text.as_bytes())).collect();
    let graph = crate::extract::holds(&documents);
    eprintln!(
        "{} entities, {} mentions, {} edges",
        graph.entities.len(),
        graph.mentions.len(),
        graph.edges.len()
    );
    // Without the parser: every link to a page of the set is an edge, every command below one hangs there.
    let mut targets = stele_documents::Targets::default();
    documents.iter().for_each(|document| targets.add(document));
    let mut resolved = 0;
    for document in &documents {
        let references = stele_documents::extract(document).references;
        let outcome = stele_documents::resolve(&references, &targets);
        for index in &outcome.pending {
            let uri = &references[*index].uri;
            assert!(!files.iter().any(|(name, _)| name == uri), "{}: {uri} is there", document.source_uri);
        }
        resolved += references.len() - outcome.pending.len();
    }
    eprintln!("{resolved} references resolved");
}
