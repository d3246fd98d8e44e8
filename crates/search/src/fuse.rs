//! Bringing the arms together. Scores of two arms do not compare, so each is brought to a common
//! measure first.

use std::collections::BTreeMap;

use stele_index::{Hit, Row};
use stele_model::ChunkId;

/// How scores of several arms become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fusion {
    /// Each arm's scores are stretched to 0…1 and added up. On public collections with a small
    /// sentence model it is better than ranks.
    #[default]
    MinMax,
    /// Reciprocal ranks: only the order in each arm counts.
    Ranks,
}

/// What is added to a rank before it is inverted: the usual figure, by which the first few places
/// count about alike.
const RANK_OFFSET: f32 = 60.0;

/// The scores that one chunk has in each arm, on the common measure, and together.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fused {
    pub(crate) id: ChunkId,
    pub(crate) row: Row,
    pub(crate) score: f32,
    /// By arm, in the order in which the arms were given; `None` where it was not among the hits.
    pub(crate) parts: Vec<Option<f32>>,
    /// How much of the score comes from what it stands next to.
    pub(crate) graph: f32,
}

/// Fuses the hits of several arms, each of which was asked for `k`; best first, equal scores by id.
pub(crate) fn fuse(fusion: Fusion, arms: &[&[Hit]], k: usize) -> Vec<Fused> {
    let mut all: BTreeMap<ChunkId, (Row, Vec<Option<f32>>)> = BTreeMap::new();
    for (arm, hits) in arms.iter().enumerate() {
        for (rank, hit) in hits.iter().enumerate() {
            let part = match fusion {
                Fusion::MinMax => stretched(hit.score, hits, k),
                Fusion::Ranks => (RANK_OFFSET + 1.0) / (RANK_OFFSET + 1.0 + rank as f32),
            };
            all.entry(hit.id).or_insert_with(|| (hit.row, vec![None; arms.len()])).1[arm] = Some(part);
        }
    }
    let asked = arms.iter().filter(|hits| !hits.is_empty()).count().max(1) as f32;
    let mut fused: Vec<Fused> = all
        .into_iter()
        .map(|(id, (row, parts))| Fused {
            id,
            row,
            score: parts.iter().flatten().sum::<f32>() / asked,
            parts,
            graph: 0.0,
        })
        .collect();
    fused.sort_by(|one, two| two.score.total_cmp(&one.score).then(one.id.cmp(&two.id)));
    fused
}

/// A score between the worst and the best of its arm. Where an arm had no more to give, the worst is
/// what it did not find, which scores 0: of two hits, the second is not nothing. Where all are equal,
/// all are the best.
fn stretched(score: f32, hits: &[Hit], k: usize) -> f32 {
    let best = hits.first().map_or(0.0, |hit| hit.score);
    let last = hits.last().map_or(0.0, |hit| hit.score);
    let worst = if hits.len() < k { last.min(0.0) } else { last };
    if best > worst { (score - worst) / (best - worst) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use stele_index::{Hit, Row};
    use stele_model::ChunkId;

    use super::{Fusion, fuse};

    fn hits(scores: &[(u8, f32)]) -> Vec<Hit> {
        scores
            .iter()
            .map(|(id, score)| Hit { id: ChunkId([*id; 16]), row: Row::default(), score: *score })
            .collect()
    }

    #[track_caller]
    fn check(fusion: Fusion, arms: &[&[(u8, f32)]], expect: &[u8]) {
        let arms: Vec<Vec<Hit>> = arms.iter().map(|arm| hits(arm)).collect();
        let arms: Vec<&[Hit]> = arms.iter().map(Vec::as_slice).collect();
        let order: Vec<u8> = fuse(fusion, &arms, 1).iter().map(|fused| fused.id.0[0]).collect();
        assert_eq!(order, expect);
    }

    #[test]
    fn what_both_arms_find_comes_first() {
        for fusion in [Fusion::MinMax, Fusion::Ranks] {
            check(
                fusion,
                &[&[(1, 9.0), (2, 8.0), (3, 1.0)], &[(2, 0.9), (4, 0.8), (5, 0.1)]],
                &[2, 1, 4, 3, 5],
            );
        }
    }

    #[test]
    fn measures_of_arms_do_not_count() {
        check(Fusion::MinMax, &[&[(1, 9000.0), (2, 10.0)], &[(3, 0.002), (1, 0.001)]], &[1, 3, 2]);
    }

    #[test]
    fn the_last_of_few_is_not_nothing() {
        let arm = hits(&[(1, 8.0), (2, 4.0)]);
        let parts = |k| fuse(Fusion::MinMax, &[&arm], k).iter().map(|fused| fused.score).collect::<Vec<_>>();
        assert_eq!((parts(100), parts(2)), (vec![1.0, 0.5], vec![1.0, 0.0]));
    }

    #[test]
    fn equal_scores_go_by_id_and_an_empty_arm_changes_nothing() {
        check(Fusion::MinMax, &[&[(2, 1.0), (1, 1.0)], &[]], &[1, 2]);
        let fused = fuse(Fusion::MinMax, &[&hits(&[(1, 3.0)]), &[]], 1);
        assert_eq!((fused[0].score, fused[0].parts.clone()), (1.0, vec![Some(1.0), None]));
    }
}
