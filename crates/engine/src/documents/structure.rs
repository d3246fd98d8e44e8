//! What the sections of documents have to do with each other, for those who search.

use stele_graph::{Follow, Reader};
use stele_model::{EdgeKind, Node, SectionId};
use stele_search::{Neighbour, Structure};

/// How near an edge brings what it leads to: what an author points to is nearest, what stands beside is
/// beside by chance, perhaps.
const WEIGHTS: [(EdgeKind, f32); 4] = [
    (EdgeKind::References, 1.0),
    (EdgeKind::RelatedTo, 1.0),
    (EdgeKind::ParentOf, 0.6),
    (EdgeKind::Next, 0.3),
];

/// The graph as search sees it.
pub(crate) struct Around<'a>(pub(crate) &'a Reader);

impl Structure for Around<'_> {
    fn neighbours(&self, section: &str, most: usize) -> Vec<Neighbour> {
        let Some(id) = SectionId::from_hex(section) else { return Vec::new() };
        let (node, follow) = (
            Node::Section(id),
            Follow { kinds: WEIGHTS.map(|(kind, _)| kind).to_vec(), ..Follow::default() },
        );
        // A graph that cannot be read has no say; `stele verify` tells what is wrong with it.
        let Ok(around) = self.0.neighbors(node, 1, most, &follow) else { return Vec::new() };
        let mut found = Vec::new();
        for followed in around.edges {
            let edge = &followed.edge.what;
            let other = if edge.from == node { edge.to } else { edge.from };
            let weight =
                WEIGHTS.iter().find(|(kind, _)| *kind == edge.kind).map_or(0.0, |(_, weight)| *weight);
            let weight = weight * edge.provenance.confidence;
            match other {
                Node::Section(id) => found.push(Neighbour { section: id.to_string(), weight }),
                Node::Document(id) => {
                    // Whoever points to a document points to its beginning.
                    let sections = self.0.sections_of(id).unwrap_or_default();
                    let first = sections.iter().find(|section| section.heading).or(sections.first());
                    found.extend(first.map(|section| Neighbour { section: section.id.to_string(), weight }));
                }
                Node::Entity(_) | Node::Record(_) => {}
            }
        }
        found.sort_by(|one, two| two.weight.total_cmp(&one.weight).then(one.section.cmp(&two.section)));
        found
    }
}
