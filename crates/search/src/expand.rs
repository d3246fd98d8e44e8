//! What good results lead to counts for a little more: a section that the best ones point to, or stand
//! next to, is what a reader would look at next.

use std::collections::HashMap;

use stele_model::{Chunk, ChunkId};

use crate::fuse::Fused;

/// What the sections of documents have to do with each other.
pub trait Structure: Sync {
    /// Sections that a section leads to, the surest first, `most` of them.
    fn neighbours(&self, section: &str, most: usize) -> Vec<Neighbour>;
}

/// A section that another one leads to.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    /// Which one.
    pub section: String,
    /// How near it is, from 0 to 1.
    pub weight: f32,
}

/// Results whose neighbours are looked at. What is not among the first few is right by chance.
const SEEDS: usize = 3;

/// Neighbours of each: pages of references would make everything a neighbour.
const NEIGHBOURS_MAX: usize = 24;

/// Candidates that may be neighbours. What is further down does not come up by a tenth.
pub(crate) const CANDIDATES_MAX: usize = 50;

/// How much of a seed's score its neighbour gets at most: enough to come first among equals, too little
/// to pass what answers by itself.
const SHARE: f32 = 0.1;

/// Adds to the scores of candidates that are neighbours of the best ones, and puts them in order again.
/// None passes the seed that brought it up.
pub(crate) fn expand(fused: &mut [Fused], chunks: &HashMap<ChunkId, Chunk>, structure: &dyn Structure) {
    let section_of = |one: &Fused| chunks.get(&one.id).and_then(|chunk| chunk.metadata.section.clone());
    let mut by_section: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, one) in fused.iter().take(CANDIDATES_MAX).enumerate() {
        if let Some(section) = section_of(one) {
            by_section.entry(section).or_default().push(at);
        }
    }
    let seeds: Vec<(String, f32)> =
        fused.iter().take(SEEDS).filter_map(|seed| Some((section_of(seed)?, seed.score))).collect();
    for (section, seed) in seeds {
        for neighbour in structure.neighbours(&section, NEIGHBOURS_MAX) {
            for at in by_section
                .get(&neighbour.section)
                .into_iter()
                .flatten()
                .filter(|_| neighbour.section != section)
            {
                let one = &mut fused[*at];
                let own = one.score - one.graph;
                let more = (SHARE * seed * neighbour.weight).min(seed - own);
                if more > one.graph {
                    one.score = own + more;
                    one.graph = more;
                }
            }
        }
    }
    fused.sort_by(|one, two| {
        two.score.total_cmp(&one.score).then(one.graph.total_cmp(&two.graph)).then(one.id.cmp(&two.id))
    });
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use stele_index::Row;
    use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata};

    use super::{Neighbour, Structure, expand};
    use crate::fuse::Fused;

    struct Leads(&'static str, &'static str, f32);

    impl Structure for Leads {
        fn neighbours(&self, section: &str, _: usize) -> Vec<Neighbour> {
            let leads = section == self.0;
            leads.then(|| Neighbour { section: self.1.to_owned(), weight: self.2 }).into_iter().collect()
        }
    }

    fn order(scores: &[(&str, f32)], leads: &Leads) -> Vec<String> {
        let mut chunks = HashMap::new();
        let mut fused = Vec::new();
        for (section, score) in scores {
            let metadata = ChunkMetadata {
                section: Some((*section).to_owned()),
                ..ChunkMetadata::new(ChunkKind::Section, "a.md", "document", "t", *section)
            };
            let chunk = Chunk::new((*section).to_owned(), metadata);
            let row = Row::default();
            fused.push(Fused { id: chunk.id, row, score: *score, parts: vec![None; 3], graph: 0.0 });
            chunks.insert(chunk.id, chunk);
        }
        expand(&mut fused, &chunks, leads);
        let name = |id: &ChunkId| chunks[id].text.clone();
        fused.iter().map(|one| name(&one.id)).collect()
    }

    #[test]
    fn a_neighbour_comes_before_its_equals_and_never_before_its_seed() {
        let scores = [("seed", 0.9), ("other", 0.51), ("next", 0.5), ("last", 0.1)];
        assert_eq!(order(&scores, &Leads("seed", "next", 1.0)), ["seed", "next", "other", "last"]);
        assert_eq!(order(&scores, &Leads("seed", "last", 1.0)), ["seed", "other", "next", "last"]);
        let close = [("seed", 0.5), ("next", 0.49), ("other", 0.3)];
        assert_eq!(order(&close, &Leads("seed", "next", 1.0)), ["seed", "next", "other"]);
        assert_eq!(order(&close, &Leads("last", "other", 1.0)), ["seed", "next", "other"]);
    }
}
