//! What documents are about, and that every finding has a place.

use proptest::prelude::*;
use stele_documents::{Extracted, Graph, Targets, contract, extract, resolve, structure};
use stele_model::{Document, EdgeKind, EntityKind};

use crate::one;

/// Entities of a kind as `name (alias, alias): description`, one a line, in order.
fn things(extracted: &Extracted, kind: EntityKind) -> Vec<String> {
    let mut lines: Vec<String> = extracted
        .entities
        .iter()
        .filter(|entity| entity.kind == kind)
        .map(|entity| {
            let aliases = match entity.aliases.is_empty() {
                true => String::new(),
                false => format!(" ({})", entity.aliases.join(", ")),
            };
            let description = entity.description.as_ref().map_or(String::new(), |text| format!(": {text}"));
            format!("{}{aliases}{description}", entity.name)
        })
        .collect();
    lines.sort();
    lines
}

#[track_caller]
fn check(markdown: &str, kind: EntityKind, expect: &[&str]) {
    let document = one("guide/page.md", markdown.as_bytes());
    let extracted = extract(&document);
    assert_eq!(things(&extracted, kind), expect, "{markdown}");
    holds(&[document]);
}

/// The graph of these documents keeps its contract.
#[track_caller]
pub fn holds(documents: &[Document]) -> Graph {
    let graph = graph_of(documents);
    let violations = contract(&graph);
    assert!(violations.is_empty(), "{}", violations.iter().map(|v| format!("{v}\n")).collect::<String>());
    graph
}

/// Everything that the rules find in these documents, put together.
pub fn graph_of(documents: &[Document]) -> Graph {
    let mut graph = Graph::default();
    let mut targets = Targets::default();
    documents.iter().for_each(|document| targets.add(document));
    let mut entities = std::collections::BTreeMap::new();
    for document in documents {
        graph.add(document);
        graph.edges.extend(structure(document));
        let extracted = extract(document);
        for entity in extracted.entities {
            match entities.entry(entity.id) {
                std::collections::btree_map::Entry::Vacant(place) => {
                    place.insert(entity);
                }
                std::collections::btree_map::Entry::Occupied(mut known) => known.get_mut().merge(entity),
            }
        }
        graph.mentions.extend(extracted.mentions);
        graph.edges.extend(extracted.edges);
        graph.edges.extend(resolve(&extracted.references, &targets).edges);
    }
    graph.entities = entities.into_values().collect();
    graph
}

const PAGE: &str = "\
# box open

Opens a box.

### Aliases

`tool box open`, `tool open`

### Options

| Name | Type | Default | Description |
|:-----|:-----|:--------|:------------|
| `-a`, `--all` | `bool` | | Opens all <br>of them (`a\\|b`) |
| [`--lid`](#lid) | `string` | `top` | Which lid |

## Examples

```console
$ tool box open --lid side
error: cannot open: no such box
$ tool open \\
    --all
```

The `tool open` command needs `--lid` or `--verbose`, not `x`.
";

#[test]
fn a_page_about_a_command() {
    use EntityKind::{Command, Configuration, Error, Parameter};
    check(PAGE, Command, &["box open (tool box open, tool open): Opens a box.", "tool"]);
    check(PAGE, Parameter, &["--all (-a): Opens all \nof them (a|b)", "--lid: Which lid"]);
    check(PAGE, Configuration, &["--verbose"]);
    check(PAGE, Error, &["cannot open: no such box"]);
    let document = one("guide/page.md", PAGE.as_bytes());
    let extracted = extract(&document);
    let lid = extracted.entities.iter().find(|entity| entity.name == "--lid").unwrap();
    let stated: Vec<String> = lid.properties.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(stated, ["command=box open", "default=top", "type=string"]);
    // In the table, in the block and in the sentence; each span shows it.
    let spans: Vec<&str> = extracted
        .mentions
        .iter()
        .filter(|mention| mention.entity == lid.id)
        .map(|mention| {
            let section = document.sections.iter().find(|section| section.id == mention.section).unwrap();
            &section.text[mention.span.clone()]
        })
        .collect();
    assert_eq!(spans, ["[`--lid`](#lid)", "`--lid`", "--lid", "`--lid`"]);
}

#[test]
fn commands_are_whole_words() {
    use EntityKind::Command;
    check(
        "```sh\nmake all && ./run.sh | sort\nA_B=1 sudo cargo test\n```\n",
        Command,
        &["./run.sh", "cargo", "make", "sort"],
    );
    check(
        "```console\n$ service start\n$ servicenetworking.googleapis.com\nservices\n```\n",
        Command,
        &["service", "servicenetworking.googleapis.com"],
    );
    check("```python\nmake()\n```\n", Command, &[]);
    check("The `frob` command is not `frobnicate` and no `Frob` commands.", Command, &["frob"]);
    check("```sh\nif true; then\n# comment\nexport A=1\nfi\n```\n", Command, &[]);
}

#[test]
fn a_longer_word_is_another_command() {
    let text =
        "# box\n\nBoxes.\n\n### Usage\n\n```console\n$ boxes all\n```\n\nThe `boxer` command is not `box`.\n";
    check(text, EntityKind::Command, &["box: Boxes.", "boxer", "boxes"]);
    let document = one("guide/page.md", text.as_bytes());
    let extracted = extract(&document);
    let own = extracted.entities.iter().find(|entity| entity.name == "box").unwrap();
    assert_eq!(extracted.mentions.iter().filter(|mention| mention.entity == own.id).count(), 2);
}

#[test]
fn recordings_have_events_fields_games_and_players() {
    use stele_documents::{EventFacts, GameFacts, PlayerFacts, RecordingFacts, extract_recordings};
    use stele_model::RecordId;
    let record = |n: u8| RecordId([n; 16]);
    let event = |name: &str, n| EventFacts {
        name: name.to_owned(),
        first: record(n),
        fields: vec![("data.price".to_owned(), "number".to_owned(), record(n))],
    };
    let facts = RecordingFacts {
        events: vec![event("tick", 1), event("trade", 2), event("", 3)],
        games: vec![GameFacts { id: "g-1".to_owned(), first: record(4) }],
        players: vec![PlayerFacts {
            id: "p-1".to_owned(),
            username: Some("ann".to_owned()),
            first: record(5),
            games: vec![("g-1".to_owned(), record(5))],
        }],
    };
    let found = extract_recordings("t", &facts);
    // The same path of two events is two fields; an event without a name is none.
    assert_eq!(things(&found, EntityKind::Field).len(), 2);
    assert_eq!(things(&found, EntityKind::Event), ["tick", "trade"]);
    assert_eq!(
        (things(&found, EntityKind::Game), things(&found, EntityKind::Player)),
        (vec!["g-1".to_owned()], vec!["ann".to_owned()])
    );
    let graph = Graph { entities: found.entities, edges: found.edges, ..Graph::default() };
    assert_eq!((contract(&graph), graph.edges.len()), (Vec::new(), 7));
}

#[test]
fn subcommands_hang_below_their_command() {
    let text = "# box\n\nBoxes.\n\n### Subcommands\n\n| Name | Description |\n|--|--|\n| [`open`](box_open.md) | Opens a box |\n| `shut` | Shuts it |\n";
    check(text, EntityKind::Command, &["box open: Opens a box", "box shut: Shuts it", "box: Boxes."]);
    let documents = [one("d/box.md", text.as_bytes()), one("d/box_open.md", PAGE.as_bytes())];
    let graph = holds(&documents);
    let below: Vec<_> = graph.edges.iter().filter(|edge| edge.kind == EdgeKind::HasSubcommand).collect();
    assert_eq!(below.len(), 2);
    // The row and the page are about the same thing.
    let open: Vec<_> = graph.entities.iter().filter(|entity| entity.name == "box open").collect();
    assert_eq!((open.len(), open[0].aliases.len()), (1, 2));
    let links = graph.edges.iter().filter(|edge| edge.kind == EdgeKind::References).count();
    assert_eq!(links, 1);
}

#[test]
fn settings_are_files_variables_options_and_keys() {
    use EntityKind::Configuration;
    check(
        "Set `HTTP_PROXY`, `PORT=1`, `--quiet` and `server.port` in `/etc/tool/main.yaml`, not `example.com`, `a.rs`, `GET` or `1.2.3`.",
        Configuration,
        &["--quiet", "/etc/tool/main.yaml", "HTTP_PROXY", "PORT", "server.port"],
    );
    check(
        "```yaml\nserver:\n  port: 1\n  # no: key\nurl: http://x\n```\n",
        Configuration,
        &["server", "server.port", "url"],
    );
    check("```json\n{\"a\": {\"b\": [{\"c\": 1}]}}\n```\n", Configuration, &["a", "a.b", "a.b.c"]);
    check("```toml\n[a]\nb = 1\n```\n", Configuration, &["a.b"]);
    check(
        "| Variable | Meaning |\n|--|--|\n| `TOOL_HOME` | Where it lives |\n",
        Configuration,
        &["TOOL_HOME: Where it lives"],
    );
}

#[test]
fn numbered_lists_below_a_procedural_title_are_procedures() {
    let text = "## Installing it\n\n1. Get it\n   1. inner\n2. Run `make`\n\n   ```sh\n   make\n   ```\n\n## Three facts\n\n1. one\n2. two\n";
    check(text, EntityKind::Procedure, &["Installing it"]);
    check(text, EntityKind::Step, &["Get it", "Run make"]);
    let extracted = extract(&one("p.md", text.as_bytes()));
    let orders: Vec<_> = extracted
        .edges
        .iter()
        .filter(|edge| edge.kind == EdgeKind::ContainsStep)
        .map(|edge| edge.order)
        .collect();
    assert_eq!(orders, [Some(0), Some(1)]);
}

#[test]
fn ideas_versions_and_errors() {
    check(
        "# Overview\n\n## Anchor commits\n\n## Lake service\n\n**Residue** is a stretch that is no record. More.\n",
        EntityKind::Concept,
        &["Anchor commits", "Residue: **Residue** is a stretch that is no record"],
    );
    check("# Lake service\n", EntityKind::Component, &["Lake service"]);
    check(
        "Since version 1.2 and v2.0.0-rc.1, not 10.0.0.1 or 3.4 metres.",
        EntityKind::Version,
        &["1.2", "2.0.0-rc.1"],
    );
    check("It ends with the error `no such box` or `E0716`.", EntityKind::Error, &["E0716", "no such box"]);
    let text = "## Troubleshooting\n\nOn the error `no such box`:\n\n1. Make one\n2. Try again\n";
    let extracted = extract(&one("t.md", text.as_bytes()));
    assert_eq!(extracted.edges.iter().filter(|edge| edge.kind == EdgeKind::Resolves).count(), 1);
}

/// References as `kind uri#anchor title`, one a line.
fn references(markdown: &str) -> Vec<String> {
    let extracted = extract(&one("docs/a/page.md", markdown.as_bytes()));
    let line = |r: &stele_model::Reference| format!("{} {}#{} {}", r.kind.name(), r.uri, r.anchor, r.title);
    extracted.references.iter().map(line).collect()
}

#[test]
fn references_are_kept_until_their_target_arrives() {
    assert_eq!(references("[x](../b.md#y) ![p](p.png)"), ["link docs/b.md#y x"]);
    assert_eq!(references("See also [x](#y)."), ["see_also docs/a/page.md#y x"]);
    assert_eq!(references("## Related pages\n\n* [x](x.md)\n"), ["related docs/a/x.md# x"]);
    assert_eq!(references("Refer to the Box Opening Guide for more."), ["refer_to # Box Opening Guide"]);

    let from = one("docs/a.md", b"[x](b.md#part) [y](c) and refer to the Box Guide.");
    let references = extract(&from).references;
    let mut targets = Targets::default();
    targets.add(&from);
    assert_eq!(resolve(&references, &targets).pending, [0, 1, 2]);
    let there = one("docs/b.md", b"# Box Guide\n\n## Part\n");
    targets.add(&there);
    let resolved = resolve(&references, &targets);
    assert_eq!((resolved.edges.len(), resolved.pending.as_slice()), (2, [1].as_slice()));
    let part = there.sections.iter().find(|section| section.title == "Part").unwrap();
    assert_eq!(resolved.edges[0].to, stele_model::Node::Section(part.id));
    targets.remove(there.id);
    assert_eq!(resolve(&references, &targets).pending, [0, 1, 2]);
    let whole = extract(&one("docs/a.md", b"[x](b.md)")).references;
    assert_eq!(resolve(&whole, &targets).pending, [0]);
    targets.add(&there);
    assert_eq!(resolve(&whole, &targets).edges[0].to, stele_model::Node::Document(there.id));
}

#[test]
fn each_rule_of_the_contract_is_seen_to_be_broken() {
    use stele_documents::Rule;
    let text = "# A\n\n## How to install\n\n1. `x.yaml`\n2. two\n\n## C\n\n# D\n";
    let documents = [one("a.md", text.as_bytes()), one("b.md", text.as_bytes())];
    let broken = |damage: &dyn Fn(&mut Graph)| -> Vec<Rule> {
        let mut graph = graph_of(&documents);
        damage(&mut graph);
        let mut rules: Vec<Rule> = contract(&graph).into_iter().map(|violation| violation.rule).collect();
        rules.sort();
        rules.dedup();
        rules
    };
    let at = |graph: &Graph, kind| graph.edges.iter().position(|edge| edge.kind == kind).unwrap();
    assert_eq!(broken(&|_| {}), []);
    assert_eq!(broken(&|g| drop(g.edges.remove(at(g, EdgeKind::HasSection)))), [Rule::OneDocument]);
    assert_eq!(broken(&|g| drop(g.edges.remove(at(g, EdgeKind::Next)))), [Rule::Next]);
    assert_eq!(broken(&|g| drop(g.edges.remove(at(g, EdgeKind::ParentOf)))), [Rule::ParentOf]);
    assert_eq!(broken(&|g| g.sections[1].order = 7), [Rule::Next, Rule::Order]);
    assert_eq!(broken(&|g| g.entities[0].name.clear()), [Rule::Name]);
    assert_eq!(broken(&|g| drop(g.entities.pop())), [Rule::MissingNode]);
    assert_eq!(broken(&|g| g.mentions[0].span = 3..3), [Rule::Span]);
    assert_eq!(broken(&|g| g.mentions[0].confidence = f32::NAN), [Rule::Provenance]);
    assert_eq!(broken(&|g| g.edges[0].provenance.extractor.clear()), [Rule::Provenance]);
    let step = |g: &mut Graph| {
        let at = at(g, EdgeKind::ContainsStep);
        g.edges[at].order = Some(1);
    };
    assert_eq!(broken(&step), [Rule::Steps]);
    assert_eq!(broken(&|g| g.edges.push(g.edges[0].clone())), [Rule::OneDocument, Rule::Unique]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_written_the_contract_holds(
        text in "(\n\n|\n# Install [a-c]|\n## `t x`|\n1. |\n- |`--[a-c]`|`A_B`|\\[l\\]\\(b.md#x\\)|```sh\n|\\$ tool |é|error: no such \
                 thing|\n\\| Name \\| Description \\|\n\\|--\\|--\\|\n\\| `--x` \\| y \\||v1.2| command|\\*\\*X\\*\\* is a |>|    |Refer to \
                 the X Guide){0,40}"
    ) {
        holds(&[one("a.md", text.as_bytes()), one("b.md", text.as_bytes())]);
    }
}
