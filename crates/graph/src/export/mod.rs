//! A graph, or what is around a node, in the formats of other programs. What is written is never held
//! as a whole.

mod dot;
mod graphml;
mod json;
pub(crate) mod text;

use std::io::{self, Write};

use stele_model::{Entity, EntityId, Node};

use crate::describe::Described;
use crate::directory::{Directory, Doc};
use crate::error::GraphError;
use crate::reader::Reader;
use crate::rows::{DocumentRow, EdgeRow, EntityRow, SectionRow};
use crate::tables::Table;
use crate::walk::Neighborhood;

/// Things that are put together at once. All that is said about one has to be seen before it is
/// written; so the table is gone through once for so many of them.
const ENTITIES_AT_ONCE: usize = 50_000;

/// Documents that are read at once, with their texts: of the largest pages there are, ten megabytes.
const DOCUMENTS_AT_ONCE: usize = 16;

/// A format of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportFormat {
    /// XML that Gephi, yEd and NetworkX read.
    GraphMl,
    /// One object with `nodes` and `edges`, one of them a line.
    Json,
    /// The language of Graphviz.
    Dot,
}

impl ExportFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::GraphMl, Self::Json, Self::Dot];

    /// The name, which files end in, too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GraphMl => "graphml",
            Self::Json => "json",
            Self::Dot => "dot",
        }
    }

    /// Reads back what [`ExportFormat::name`] gives.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Nodes.
    pub nodes: u64,
    /// Edges.
    pub edges: u64,
}

/// What a format writes at each point: all nodes come before all edges.
trait Notation {
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()>;
    fn node(&mut self, out: &mut dyn Write, node: &Described) -> io::Result<()>;
    /// Between nodes and edges.
    fn turn(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
    fn edge(&mut self, out: &mut dyn Write, edge: &EdgeRow) -> io::Result<()>;
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

struct Export<'a> {
    notation: Box<dyn Notation>,
    out: &'a mut dyn Write,
    done: Exported,
}

impl<'a> Export<'a> {
    fn begin(format: ExportFormat, out: &'a mut dyn Write) -> Result<Self, GraphError> {
        let mut notation: Box<dyn Notation> = match format {
            ExportFormat::GraphMl => Box::new(graphml::GraphMl),
            ExportFormat::Json => Box::new(json::Json::default()),
            ExportFormat::Dot => Box::new(dot::Dot),
        };
        notation.begin(out).map_err(GraphError::Output)?;
        Ok(Self { notation, out, done: Exported::default() })
    }

    fn node(&mut self, node: &Described) -> Result<(), GraphError> {
        self.done.nodes += 1;
        self.notation.node(self.out, node).map_err(GraphError::Output)
    }

    fn turn(&mut self) -> Result<(), GraphError> {
        self.notation.turn(self.out).map_err(GraphError::Output)
    }

    fn edge(&mut self, edge: &EdgeRow) -> Result<(), GraphError> {
        self.done.edges += 1;
        self.notation.edge(self.out, edge).map_err(GraphError::Output)
    }

    fn end(self) -> Result<Exported, GraphError> {
        let Self { mut notation, out, done } = self;
        notation.end(out).and_then(|()| out.flush()).map_err(GraphError::Output)?;
        Ok(done)
    }
}

impl Reader {
    /// Writes the whole graph: documents in the order of their sources with their sections, things in
    /// the order of their ids, then edges document by document. Two graphs that say the same give the
    /// same bytes, as far as what follows from the whole was said in the same order.
    ///
    /// # Errors
    ///
    /// [`GraphError::Output`] when the output refuses; otherwise what the disk says.
    pub fn export(&self, format: ExportFormat, out: &mut dyn Write) -> Result<Exported, GraphError> {
        let directory = self.directory()?;
        let mut export = Export::begin(format, out)?;
        let docs = directory.in_order();
        let places = |some: &[&Doc], table| -> Vec<_> {
            some.iter().map(|doc| ((*doc).clone(), doc.rows(table))).collect()
        };
        for some in docs.chunks(DOCUMENTS_AT_ONCE) {
            let mut sections =
                self.rows_in::<SectionRow>(&places(some, Table::Sections))?.into_iter().peekable();
            for row in self.rows_in::<DocumentRow>(&places(some, Table::Documents))? {
                let (id, source) = (row.id, row.source.clone());
                export.node(&Described::document(row))?;
                while let Some(row) = sections.next_if(|row| row.document == id) {
                    export.node(&Described::section(row, &source))?;
                }
            }
        }
        let ids: Vec<EntityId> = directory.entity_ids().collect();
        for some in ids.chunks(ENTITIES_AT_ONCE) {
            self.together(&directory, some, &mut |entity| export.node(&Described::entity(entity)))?;
        }
        for node in self.adjacency()?.nodes().iter().filter(|node| !directory.has(node)) {
            export.node(&Described::bare(node))?;
        }
        export.turn()?;
        for some in docs.chunks(DOCUMENTS_AT_ONCE) {
            for edge in self.rows_in::<EdgeRow>(&places(some, Table::Edges))? {
                export.edge(&edge)?;
            }
        }
        export.end()
    }

    /// Writes what is around a node.
    ///
    /// # Errors
    ///
    /// [`GraphError::Output`] when the output refuses; otherwise what the disk says.
    pub fn export_around(
        &self,
        around: &Neighborhood,
        format: ExportFormat,
        out: &mut dyn Write,
    ) -> Result<Exported, GraphError> {
        let mut export = Export::begin(format, out)?;
        let nodes: Vec<Node> = around.nodes.iter().map(|reached| reached.node).collect();
        self.describe(&nodes)?.iter().try_for_each(|node| export.node(node))?;
        export.turn()?;
        around.edges.iter().try_for_each(|followed| export.edge(&followed.edge))?;
        export.end()
    }

    /// Puts together what is said about each of some things; `ids` are sorted.
    fn together(
        &self,
        directory: &Directory,
        ids: &[EntityId],
        each: &mut dyn FnMut(Entity) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(()) };
        let mut said: Vec<(EntityId, u32, Entity)> = Vec::new();
        for row in self.entities() {
            let EntityRow { by, what } = row?;
            if (first..=last).contains(&&what.id) {
                let rank = by.and_then(|by| directory.document(by)).map_or(u32::MAX, |doc| doc.rank);
                said.push((what.id, rank, what));
            }
        }
        said.sort_by_key(|(id, rank, _)| (*id, *rank));
        let mut said = said.into_iter().map(|(.., entity)| entity);
        let mut open = said.next();
        for more in said {
            match &mut open {
                Some(entity) if entity.id == more.id => entity.merge(more),
                _ => open.replace(more).map_or(Ok(()), &mut *each)?,
            }
        }
        open.map_or(Ok(()), each)
    }
}
