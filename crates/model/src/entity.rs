//! What texts are about, where they say so, and how one thing leads to another.
//!
//! An [`Entity`] is a thing with a name, a [`Mention`] is a place that names it, an [`Edge`] joins two
//! nodes. Mentions and edges say where they come from and how sure they are; none of them exists
//! without a text that somebody can look at.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::id::IdHasher;
use crate::{DocumentId, EdgeId, EntityId, RecordId, SectionId};

/// What kind of thing an entity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// Something that is typed to make a program do something.
    Command,
    /// A file of settings, a variable, an option, a key.
    Configuration,
    /// A way to get something done.
    Procedure,
    /// One step of a procedure.
    Step,
    /// A code or message that tells what went wrong.
    Error,
    /// An option or argument of one command.
    Parameter,
    /// A part of a system.
    Component,
    /// An idea that is explained.
    Concept,
    /// A version of something.
    Version,
    /// A kind of event in recordings.
    Event,
    /// A path in the payload of events.
    Field,
    /// A game.
    Game,
    /// A player.
    Player,
    /// A ticket of a help desk.
    Ticket,
    /// A conversation.
    Conversation,
    /// A help article.
    Article,
    /// Somebody who asks.
    Contact,
    /// Somebody who answers.
    Agent,
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Command,
        Self::Configuration,
        Self::Procedure,
        Self::Step,
        Self::Error,
        Self::Parameter,
        Self::Component,
        Self::Concept,
        Self::Version,
        Self::Event,
        Self::Field,
        Self::Game,
        Self::Player,
        Self::Ticket,
        Self::Conversation,
        Self::Article,
        Self::Contact,
        Self::Agent,
    ];

    /// The name in tables and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Configuration => "configuration",
            Self::Procedure => "procedure",
            Self::Step => "step",
            Self::Error => "error",
            Self::Parameter => "parameter",
            Self::Component => "component",
            Self::Concept => "concept",
            Self::Version => "version",
            Self::Event => "event",
            Self::Field => "field",
            Self::Game => "game",
            Self::Player => "player",
            Self::Ticket => "ticket",
            Self::Conversation => "conversation",
            Self::Article => "article",
            Self::Contact => "contact",
            Self::Agent => "agent",
        }
    }

    /// Reads back what [`EntityKind::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A thing with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Follows from tenant, kind and key.
    pub id: EntityId,
    /// What kind of thing it is.
    pub kind: EntityKind,
    /// What tells it from others of its kind. An option has its command's name in front, a step its
    /// procedure's.
    pub key: String,
    /// What people call it; never empty.
    pub name: String,
    /// Other names, sorted.
    pub aliases: Vec<String>,
    /// What a text says that it is.
    pub description: Option<String>,
    /// What else a text states about it, such as the type and default of an option, sorted by name.
    pub properties: Vec<(String, String)>,
}

impl Entity {
    /// An entity that is known by its key and nothing else.
    pub fn new(tenant: &str, kind: EntityKind, key: impl Into<String>, name: impl Into<String>) -> Self {
        let key = key.into();
        Self {
            id: EntityId::of(tenant, kind, &key),
            kind,
            key,
            name: name.into(),
            aliases: Vec::new(),
            description: None,
            properties: Vec::new(),
        }
    }

    /// Adds what another text says about the same thing. What was said first stays, so that the order
    /// in which texts are read decides, and nothing else.
    pub fn merge(&mut self, other: Self) {
        self.aliases.extend(other.aliases);
        self.aliases.sort();
        self.aliases.dedup();
        if self.description.is_none() {
            self.description = other.description;
        }
        for (name, value) in other.properties {
            if !self.properties.iter().any(|(known, _)| *known == name) {
                self.properties.push((name, value));
            }
        }
        self.properties.sort();
    }
}

impl EntityId {
    /// The id of the thing of this kind that `key` stands for.
    pub fn of(tenant: &str, kind: EntityKind, key: &str) -> Self {
        let hasher = IdHasher::new("entity").part(tenant.as_bytes()).part(kind.name().as_bytes());
        Self(hasher.part(key.as_bytes()).finish())
    }
}

/// A place in a text that names a thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mention {
    /// Which thing.
    pub entity: EntityId,
    /// In which section.
    pub section: SectionId,
    /// Its bytes in the section's text; never empty.
    pub span: Range<usize>,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
    /// What found it, with its version.
    pub extractor: String,
}

/// One end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A document.
    Document(DocumentId),
    /// A section of one.
    Section(SectionId),
    /// A thing.
    Entity(EntityId),
    /// A record of the lake.
    Record(RecordId),
}

impl Node {
    /// The kind, as tables name it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Document(_) => "document",
            Self::Section(_) => "section",
            Self::Entity(_) => "entity",
            Self::Record(_) => "record",
        }
    }

    /// The bytes of its id.
    pub const fn bytes(&self) -> [u8; 16] {
        match self {
            Self::Document(DocumentId(id))
            | Self::Section(SectionId(id))
            | Self::Entity(EntityId(id))
            | Self::Record(RecordId(id)) => *id,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), crate::id::to_hex(&self.bytes()))
    }
}

/// How one node leads to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EdgeKind {
    /// Document to each of its sections.
    HasSection,
    /// Section to the one after it in its document.
    Next,
    /// Heading to a heading below it.
    ParentOf,
    /// Section to a thing that it names.
    Mentions,
    /// Procedure to one of its steps, which have an order.
    ContainsStep,
    /// Section to a thing that it explains.
    Defines,
    /// Command to one of its options.
    HasParameter,
    /// Command to a command below it.
    HasSubcommand,
    /// Procedure or section to an error that it does away with.
    Resolves,
    /// Section to a document or section that it points to.
    References,
    /// Section to a document or section that its author calls related; thing to thing where a model claims it.
    RelatedTo,
    /// Event to one of its fields.
    HasField,
    /// Message to the one that it answers.
    RepliesTo,
    /// Record to the game or player that it is about.
    About,
}

impl EdgeKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::HasSection,
        Self::Next,
        Self::ParentOf,
        Self::Mentions,
        Self::ContainsStep,
        Self::Defines,
        Self::HasParameter,
        Self::HasSubcommand,
        Self::Resolves,
        Self::References,
        Self::RelatedTo,
        Self::HasField,
        Self::RepliesTo,
        Self::About,
    ];

    /// The name in tables and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HasSection => "HAS_SECTION",
            Self::Next => "NEXT",
            Self::ParentOf => "PARENT_OF",
            Self::Mentions => "MENTIONS",
            Self::ContainsStep => "CONTAINS_STEP",
            Self::Defines => "DEFINES",
            Self::HasParameter => "HAS_PARAMETER",
            Self::HasSubcommand => "HAS_SUBCOMMAND",
            Self::Resolves => "RESOLVES",
            Self::References => "REFERENCES",
            Self::RelatedTo => "RELATED_TO",
            Self::HasField => "HAS_FIELD",
            Self::RepliesTo => "REPLIES_TO",
            Self::About => "ABOUT",
        }
    }

    /// Reads back what [`EdgeKind::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Where an edge comes from: the text that somebody can look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The document, section or record that says so.
    pub source: Node,
    /// The bytes of its text that say so; empty where the whole of it does.
    pub span: Range<usize>,
    /// How sure it is, from 0 to 1.
    pub confidence: f32,
    /// What found it, with its version.
    pub extractor: String,
}

/// How one node leads to another, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Follows from kind, ends and the source of the provenance.
    pub id: EdgeId,
    /// How.
    pub kind: EdgeKind,
    /// From where.
    pub from: Node,
    /// To where.
    pub to: Node,
    /// Place among its siblings, counted from 0, where order matters.
    pub order: Option<u32>,
    /// Who says so.
    pub provenance: Provenance,
}

impl Edge {
    /// An edge whose id follows from everything but span and confidence: found again, it is the same.
    pub fn new(kind: EdgeKind, from: Node, to: Node, order: Option<u32>, provenance: Provenance) -> Self {
        let node = |hasher: IdHasher, node: &Node| hasher.part(node.kind().as_bytes()).part(&node.bytes());
        let hasher = IdHasher::new("edge").part(kind.name().as_bytes());
        let hasher = node(node(node(hasher, &from), &to), &provenance.source);
        let hasher = hasher.part(&order.map_or(Vec::new(), |order| order.to_le_bytes().to_vec()));
        Self { id: EdgeId(hasher.finish()), kind, from, to, order, provenance }
    }
}

/// How a text points to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceKind {
    /// A link.
    Link,
    /// "See also".
    SeeAlso,
    /// Under "Related".
    Related,
    /// "Refer to the … Guide".
    ReferTo,
}

impl ReferenceKind {
    /// The name in tables and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::SeeAlso => "see_also",
            Self::Related => "related",
            Self::ReferTo => "refer_to",
        }
    }

    /// How sure a reference of this kind is.
    pub const fn confidence(self) -> f32 {
        match self {
            Self::Link => 0.95,
            Self::SeeAlso => 0.85,
            Self::Related => 0.80,
            Self::ReferTo => 0.70,
        }
    }
}

/// What a text points to, before anybody has looked whether it is there. It is kept until its target
/// arrives, and afterwards too, for the day on which the target goes away again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The section that points.
    pub section: SectionId,
    /// Its bytes in the section's text.
    pub span: Range<usize>,
    /// How it points.
    pub kind: ReferenceKind,
    /// Where a link leads, made absolute against the document's own URI; empty where only a title is
    /// named.
    pub uri: String,
    /// The place within the target; empty for the whole.
    pub anchor: String,
    /// The title that is named, or the text of the link.
    pub title: String,
}
