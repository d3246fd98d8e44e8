//! A page about one command, and tables: options, commands below it, variables.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use foldhash::fast::RandomState;
use stele_model::document::{BlockKind, Cell, Table};
use stele_model::{Document, EdgeKind, Entity, EntityId, EntityKind, Node, Section, SectionId};

use super::names::{command_words, is_subcommand, options, variable};
use super::{Collector, Why};
use crate::outline::file_stem;

/// How sure it is that a table means what its head says.
const TABLE: f32 = 0.95;
/// How sure it is that a page is about the command in its title.
const PAGE: f32 = 0.95;

/// Headings below which a page about a command has its parts.
const PARTS: [&str; 10] = [
    "options",
    "subcommands",
    "commands",
    "aliases",
    "usage",
    "synopsis",
    "flags",
    "arguments",
    "examples",
    "description",
];

/// What a page about a command says, for the rules that come after.
#[derive(Default)]
pub(super) struct Page {
    /// Commands by their names, the page's own and those in its tables.
    pub commands: BTreeMap<String, EntityId>,
    /// Options of the page's command by their spellings.
    pub options: BTreeMap<String, EntityId>,
    /// Programs that begin the names of commands here.
    pub programs: Vec<String>,
}

impl Page {
    /// The longest command that `words` begin with, and how many words it has.
    pub(super) fn longest(&self, words: &[&str]) -> Option<(EntityId, usize)> {
        (1..=words.len().min(4)).rev().find_map(|count| {
            let id = self.commands.get(&words[..count].join(" "))?;
            Some((*id, count))
        })
    }
}

pub(super) fn extract(document: &Document, collector: &mut Collector<'_>) -> Page {
    let mut page = Page::default();
    let own = own_command(document, collector, &mut page);
    let by_id: HashMap<SectionId, &Section, RandomState> =
        document.sections.iter().map(|section| (section.id, section)).collect();
    for section in document.sections.iter().filter(|section| !section.tables.is_empty()) {
        let owner = section_command(&by_id, section, collector).or_else(|| own.clone());
        for table in &section.tables {
            option_rows(section, table, owner.as_ref(), collector, &mut page);
            command_rows(section, table, own.as_ref(), collector, &mut page);
            variable_rows(section, table, collector);
        }
    }
    page
}

/// The command that the page is about: its title, if it reads like one and the page has the parts
/// that such pages have.
fn own_command(document: &Document, collector: &mut Collector<'_>, page: &mut Page) -> Option<Entity> {
    let mut headings = document.sections.iter().filter(|section| section.heading);
    let top = headings.clone().find(|section| section.level == 1).or_else(|| headings.next())?;
    let title = top.title.split('(').next().unwrap_or_default().trim().trim_matches('`');
    let words: Vec<&str> = title.split_whitespace().collect();
    if words.is_empty() || words.len() > 4 || !words.iter().all(|word| is_subcommand(word)) {
        return None;
    }
    let titles: Vec<String> = document.sections.iter().map(|section| section.title.to_lowercase()).collect();
    let has = |part: &[&str]| titles.iter().any(|title| part.contains(&title.as_str()));
    let aliases = aliases(document, &words);
    // Pages are named after the command in full more reliably than they are titled.
    let stem = file_stem(&document.source_uri).replace('_', " ");
    let spelt = |name: &str| name.ends_with(&format!(" {stem}"));
    let named = aliases.iter().any(|alias| spelt(alias))
        || spelt(title)
        || stem.contains(' ') && (stem == title || has(&PARTS[..2]) && stem.ends_with(&format!(" {title}")))
        || links_below(document, &stem);
    if !named && !has(&PARTS) && aliases.is_empty() {
        return None;
    }
    let name = if named { &stem } else { title };
    let mut entity = collector.new_entity(EntityKind::Command, name, name)?;
    entity.description = first_paragraph(document, top);
    entity.aliases = aliases;
    for name in entity.aliases.iter().chain([&entity.name, &title.to_owned()]) {
        page.commands.insert(name.clone(), entity.id);
    }
    for alias in &entity.aliases {
        if let Some(program) = alias.split(' ').next().filter(|program| *program != words[0]) {
            page.programs.push(program.to_owned());
        }
    }
    page.programs.push(words[0].to_owned());
    let id = collector.add(entity.clone());
    let at = top.text.find(title).unwrap_or_default();
    collector.mention(id, top, at..at + title.len(), PAGE);
    let why = Why { section: top, span: 0..top.body.max(1).min(top.text.len()), confidence: PAGE };
    collector.edge(EdgeKind::Defines, [Node::Section(top.id), Node::Entity(id)], None, why);
    Some(entity)
}

/// Whether the tables of a page link to pages that are named after it, with a word behind.
fn links_below(document: &Document, stem: &str) -> bool {
    let tables = document.sections.iter().flat_map(|section| &section.tables);
    let cells = tables.flat_map(|table| &table.rows).filter_map(|row| row.first());
    let below = |link: &String| file_stem(link).replace('_', " ").starts_with(&format!("{stem} "));
    cells.flat_map(|cell| &cell.links).any(below)
}

/// Other names of the command with these `words`: those under "Aliases", and what is typed for it.
fn aliases(document: &Document, words: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for section in document.sections.iter().filter(|section| section.title.eq_ignore_ascii_case("aliases")) {
        names.extend(section.inline_code.iter().map(|code| code.text.trim().to_owned()));
    }
    for code in document.sections.iter().flat_map(|section| &section.code_blocks) {
        for line in code.text.lines().filter_map(|line| line.trim_start().strip_prefix("$ ")) {
            let typed = command_words(line);
            // A program in front of the title: `docker run` on a page called "run".
            if typed.len() > words.len() && typed[1..=words.len()] == *words && is_subcommand(typed[0]) {
                names.push(typed[..=words.len()].join(" "));
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The first sentence or two below a heading: what it is about.
fn first_paragraph(document: &Document, top: &Section) -> Option<String> {
    let texts = |section: &Section| {
        let paragraph = section.blocks.iter().find(|block| block.kind == BlockKind::Paragraph);
        let text = section.text.get(paragraph?.span.clone())?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let below = document.sections.iter().find(|section| section.title.eq_ignore_ascii_case("description"));
    texts(top).or_else(|| texts(below?)).filter(|text| !text.is_empty())
}

/// The command that a section below the first level is about: "## `tool get`" on a page of many.
fn section_command(
    by_id: &HashMap<SectionId, &Section, RandomState>,
    section: &Section,
    collector: &Collector<'_>,
) -> Option<Entity> {
    let mut at = Some(section);
    while let Some(here) = at {
        let coded = here.inline_code.first().filter(|code| code.span.end <= here.body);
        let alone = coded.filter(|code| code.text == here.title && here.level > 1);
        if let Some(code) = alone
            && code.text.split_whitespace().all(is_subcommand)
            && code.text.contains(' ')
        {
            return collector.new_entity(EntityKind::Command, &code.text, &code.text);
        }
        at = here.parent.and_then(|parent| by_id.get(&parent).copied());
    }
    None
}

/// Column of a table whose head is one of `names`.
fn column(table: &Table, names: &[&str]) -> Option<usize> {
    table.head.iter().position(|head| names.contains(&head.trim().to_lowercase().as_str()))
}

/// The column that explains: by its name, else the last one.
fn explains(table: &Table) -> Option<usize> {
    let named = column(
        table,
        &["description", "meaning", "purpose", "explanation", "details", "effect", "what it does", "notes"],
    );
    named.or_else(|| table.head.len().checked_sub(1)).filter(|column| *column > 0)
}

/// Where a cell stands, without the blanks around it; the table where that is not known.
fn place(section: &Section, cell: &Cell, table: &Table) -> Range<usize> {
    let text = section.text.get(cell.span.clone()).unwrap_or_default();
    let start = cell.span.start + (text.len() - text.trim_start().len());
    let span = start..start + text.trim().len();
    if span.is_empty() { table.span.clone() } else { span }
}

/// Other columns of a row, by their heads.
fn properties(table: &Table, row: &[Cell], without: [usize; 2]) -> Vec<(String, String)> {
    let columns = table.head.iter().zip(row).enumerate().filter(|(index, _)| !without.contains(index));
    let mut properties: Vec<(String, String)> = columns
        .map(|(_, (head, cell))| (head.trim().to_lowercase(), cell.text.clone()))
        .filter(|(head, text)| !head.is_empty() && !text.is_empty())
        .collect();
    properties.sort();
    properties
}

fn described(row: &[Cell], explains: Option<usize>) -> Option<String> {
    let text = &row.get(explains?)?.text;
    (!text.is_empty()).then(|| text.clone())
}

/// Rows whose first cell holds options.
fn option_rows(
    section: &Section,
    table: &Table,
    owner: Option<&Entity>,
    collector: &mut Collector<'_>,
    page: &mut Page,
) {
    let explains = explains(table);
    for row in &table.rows {
        let Some(cell) = row.first() else { continue };
        let mut names = options(&cell.text);
        names.sort_by_key(|name| (!name.starts_with("--"), std::cmp::Reverse(name.len())));
        let Some(name) = names.first() else { continue };
        let Some(owner) = owner else {
            if let Some(mut entity) = collector.new_entity(EntityKind::Configuration, name, name) {
                entity.description = described(row, explains);
                let id = collector.add(entity);
                collector.mention(id, section, place(section, cell, table), TABLE);
            }
            continue;
        };
        let key = format!("{} {name}", owner.key);
        let Some(mut entity) = collector.new_entity(EntityKind::Parameter, &key, name) else { continue };
        entity.aliases = names[1..].iter().map(|name| (*name).to_owned()).collect();
        entity.aliases.sort();
        entity.description = described(row, explains);
        entity.properties = properties(table, row, [0, explains.unwrap_or(0)]);
        entity.properties.push(("command".to_owned(), owner.name.clone()));
        entity.properties.sort();
        let id = collector.add(entity);
        for spelling in names {
            page.options.entry(spelling.to_owned()).or_insert(id);
        }
        let span = place(section, cell, table);
        collector.mention(id, section, span.clone(), TABLE);
        let owner_id = collector.add(owner.clone());
        let why = || Why { section, span: span.clone(), confidence: TABLE };
        collector.edge(EdgeKind::HasParameter, [Node::Entity(owner_id), Node::Entity(id)], None, why());
        collector.edge(EdgeKind::Defines, [Node::Section(section.id), Node::Entity(id)], None, why());
    }
}

/// Rows of a table of commands, which its head or its heading calls so.
fn command_rows(
    section: &Section,
    table: &Table,
    own: Option<&Entity>,
    collector: &mut Collector<'_>,
    page: &mut Page,
) {
    let title = section.title.to_lowercase();
    let below = ["subcommands", "commands", "child commands", "available commands"].contains(&title.as_str());
    let called = column(table, &["command", "subcommand"]) == Some(0);
    if !(called || (below && column(table, &["name", "command", "subcommand"]) == Some(0))) {
        return;
    }
    let explains = explains(table);
    for row in &table.rows {
        let Some(cell) = row.first() else { continue };
        let words: Vec<&str> = cell.text.split_whitespace().collect();
        if words.is_empty() || words.len() > 5 || !words.iter().all(|word| is_subcommand(word)) {
            continue;
        }
        let name = full_name(cell, &words, own.filter(|_| below));
        let Some(mut entity) = collector.new_entity(EntityKind::Command, &name, &name) else { continue };
        entity.description = described(row, explains);
        let id = collector.add(entity);
        page.commands.entry(name).or_insert(id);
        let span = place(section, cell, table);
        collector.mention(id, section, span.clone(), TABLE);
        if let Some(own) = own.filter(|own| below && own.id != id) {
            if own.name.split(' ').count() == 1 {
                page.commands.entry(format!("{} {}", own.name, cell.text.trim())).or_insert(id);
            }
            let why = Why { section, span, confidence: TABLE };
            collector.edge(EdgeKind::HasSubcommand, [Node::Entity(own.id), Node::Entity(id)], None, why);
        }
    }
}

/// What a command in a row is called in full. The page that the row links to is named after it, if
/// anything is; else it is the page's command with the row's words behind.
fn full_name(cell: &Cell, words: &[&str], own: Option<&Entity>) -> String {
    let linked = cell.links.first().map(|link| file_stem(link).replace('_', " "));
    let row = words.join(" ");
    match (linked, own) {
        (Some(stem), _) if stem == row || stem.ends_with(&format!(" {row}")) => stem,
        (_, Some(own)) if !row.starts_with(&format!("{} ", own.name)) => format!("{} {row}", own.name),
        _ => row,
    }
}

/// Rows whose first cell is a variable of the environment, or a key under a head that says so.
fn variable_rows(section: &Section, table: &Table, collector: &mut Collector<'_>) {
    let keys = column(
        table,
        &["variable", "environment variable", "key", "setting", "property", "parameter", "configuration"],
    ) == Some(0);
    let explains = explains(table);
    for row in &table.rows {
        let Some(cell) = row.first() else { continue };
        let Some(code) = cell.code.first().map(|code| code.trim()) else { continue };
        let name = match variable(code) {
            Some(name) => name,
            None if keys
                && !code.is_empty()
                && !code.contains(char::is_whitespace)
                && options(code).is_empty() =>
            {
                code
            }
            None => continue,
        };
        let Some(mut entity) = collector.new_entity(EntityKind::Configuration, name, name) else { continue };
        entity.description = described(row, explains);
        entity.properties = properties(table, row, [0, explains.unwrap_or(0)]);
        let id = collector.add(entity);
        let span = place(section, cell, table);
        collector.mention(id, section, span.clone(), TABLE);
        let why = Why { section, span, confidence: TABLE };
        collector.edge(EdgeKind::Defines, [Node::Section(section.id), Node::Entity(id)], None, why);
    }
}
