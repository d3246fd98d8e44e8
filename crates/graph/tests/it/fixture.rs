//! Documents that are made up, with all that they say, and graphs in directories of their own.

use std::path::PathBuf;
use std::sync::Arc;

use stele_graph::{Applied, Follows, Home, Piece, Reader, Writer};
use stele_model::document::{Block, BlockKind, FrontMatterEntry, Language, Warning};
use stele_model::{
    Conservation, Document, DocumentFormat, DocumentId, Edge, EdgeKind, Entity, EntityKind, Faults, Mention,
    Node, Provenance, RawHash, Reference, ReferenceKind, Section, SectionId,
};
use tempfile::TempDir;

pub const TENANT: &str = "t";
pub const EXTRACTOR: &str = "made-up 1";

/// A directory with a graph.
pub struct World {
    _dir: TempDir,
    pub path: PathBuf,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("graph");
        Self { _dir: dir, path }
    }

    /// With these documents in it, as version 1 of the lake has them.
    pub fn with(pieces: &[Piece]) -> Self {
        let world = Self::new();
        world.update(pieces, &[], 1);
        world
    }

    pub fn home(&self) -> Home {
        Home::open(&self.path).unwrap()
    }

    pub fn failing(&self, faults: Arc<dyn Faults>) -> Home {
        Home::with_faults(&self.path, faults).unwrap()
    }

    pub fn reader(&self) -> Reader {
        self.home().reader().unwrap()
    }

    pub fn update(&self, pieces: &[Piece], gone: &[DocumentId], lake_version: u64) -> Applied {
        let mut writer = self.home().writer().unwrap();
        fill(&mut writer, pieces, gone).unwrap();
        writer.commit(follows(lake_version)).unwrap()
    }

    /// The part directories, sorted.
    pub fn parts(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("p-"));
        names.sort();
        names
    }
}

/// Puts in and takes out, then makes an edge of each reference whose target is there by its URI.
pub fn fill(
    writer: &mut Writer,
    pieces: &[Piece],
    gone: &[DocumentId],
) -> Result<(), stele_graph::GraphError> {
    for id in gone {
        writer.remove(*id);
    }
    for piece in pieces {
        writer.put(piece)?;
    }
    let staged = writer.staged()?;
    let mut there = std::collections::HashMap::new();
    for document in staged.documents() {
        let document = document?;
        there.insert(document.source, document.id);
    }
    for said in staged.references() {
        let said = said?;
        let Some(target) = there.get(&said.what.uri) else { continue };
        let from = Node::Section(said.what.section);
        let why = why(from, 0.95);
        let edge = Edge::new(EdgeKind::References, from, Node::Document(*target), None, why);
        writer.say_edge(said.by, &edge)?;
    }
    Ok(())
}

pub fn follows(lake_version: u64) -> Follows {
    Follows { lake: "lake".to_owned(), lake_version, extractor: EXTRACTOR.to_owned(), ..Follows::default() }
}

pub fn why(source: Node, confidence: f32) -> Provenance {
    Provenance { source, span: 2..6, confidence, extractor: EXTRACTOR.to_owned() }
}

pub fn id_of(uri: &str) -> DocumentId {
    DocumentId::of(TENANT, uri)
}

pub fn section_of(uri: &str, nth: u32) -> SectionId {
    SectionId::of(id_of(uri), None, true, &format!("Part {nth}"), 0)
}

pub fn command(name: &str) -> Entity {
    let mut entity = Entity::new(TENANT, EntityKind::Command, name, name);
    entity.aliases = vec![format!("tool {name}")];
    entity
}

/// A document: sections of these texts, each naming these commands, and links to these URIs.
pub fn piece(uri: &str, texts: &[&str], commands: &[&str], links: &[&str]) -> Piece {
    let id = id_of(uri);
    let whole = Node::Document(id);
    let section = |(nth, text): (u32, &&str)| section(uri, nth, text);
    let sections: Vec<Section> = (0..).zip(texts).map(section).collect();
    let mut edges = Vec::new();
    for section in &sections {
        let node = Node::Section(section.id);
        edges.push(Edge::new(EdgeKind::HasSection, whole, node, Some(section.order), why(whole, 1.0)));
    }
    for pair in sections.windows(2) {
        let ends = (Node::Section(pair[0].id), Node::Section(pair[1].id));
        edges.push(Edge::new(EdgeKind::Next, ends.0, ends.1, None, why(ends.0, 1.0)));
    }
    let mut entities = Vec::new();
    let mut mentions = Vec::new();
    for name in commands {
        let mut entity = command(name);
        entity.description = Some(format!("What {name} does, by {uri}"));
        entity.properties = vec![("default".to_owned(), "none".to_owned())];
        for section in &sections {
            let from = Node::Section(section.id);
            let edge = Edge::new(EdgeKind::Mentions, from, Node::Entity(entity.id), None, why(from, 0.9));
            edges.push(edge);
            mentions.push(Mention {
                entity: entity.id,
                section: section.id,
                span: 2..6,
                confidence: 0.9,
                extractor: EXTRACTOR.to_owned(),
            });
        }
        entities.push(entity);
    }
    let reference = |uri: &&str| Reference {
        section: sections[0].id,
        span: 2..6,
        kind: ReferenceKind::Link,
        uri: (*uri).to_owned(),
        anchor: String::new(),
        title: String::new(),
    };
    let references = links.iter().map(reference).collect();
    let document = Document {
        id,
        tenant: TENANT.to_owned(),
        source_uri: uri.to_owned(),
        format: DocumentFormat::Markdown,
        title: format!("Title of {uri}"),
        version: Some("1.2".to_owned()),
        checksum: "ab".repeat(32),
        last_edited: None,
        front_matter: vec![FrontMatterEntry { key: "tags".to_owned(), values: vec!["a".to_owned()] }],
        language: Some(Language { code: "eng".to_owned(), confidence: 0.5 }),
        warnings: vec![Warning { code: "w".to_owned(), message: "m".to_owned(), place: 3 }],
        conservation: Conservation {
            characters_in: 10,
            characters_out: 9,
            sections: u32::try_from(sections.len()).unwrap(),
            ..Conservation::default()
        },
        sections,
    };
    Piece { document, file_id: format!("file of {uri}"), entities, mentions, edges, references }
}

fn section(uri: &str, nth: u32, text: &str) -> Section {
    let blocks = vec![
        Block { kind: BlockKind::Paragraph, span: 0..1 },
        Block { kind: BlockKind::Code, span: 1..2 },
        Block { kind: BlockKind::Paragraph, span: 2..3 },
    ];
    Section {
        id: section_of(uri, nth),
        level: 2,
        heading: true,
        title: format!("Part {nth}"),
        anchor: format!("part-{nth}"),
        aliases: vec![format!("p{nth}")],
        order: nth,
        parent: (nth > 0).then(|| section_of(uri, 0)),
        parent_path: vec!["Top".to_owned()],
        page: (nth == 1).then_some(7),
        text: text.to_owned(),
        body: 1,
        tokens: 5,
        checksum: RawHash::of(text.as_bytes()),
        blocks,
        code_blocks: Vec::new(),
        tables: Vec::new(),
        steps: Vec::new(),
        inline_code: Vec::new(),
        links: Vec::new(),
        line_start: nth + 1,
        line_end: nth + 2,
    }
}

/// Three documents that point to one another, to one that is not there, and name two commands.
pub fn three() -> Vec<Piece> {
    vec![
        piece("a.md", &["# About pull", "## More of it"], &["pull"], &["b.md", "later.md"]),
        piece("b.md", &["# About push"], &["push", "pull"], &["a.md"]),
        piece("c.md", &["# Alone", "## Still", "## And so on"], &[], &[]),
    ]
}
