//! How good a ranking is, by labelled questions: nDCG at 10, recall at 100, reciprocal rank.

use std::collections::HashMap;

use serde::Serialize;

/// How relevant each document is to one question; those that are not named are not.
pub type Relevance = HashMap<String, u32>;

/// Places that nDCG looks at.
const NDCG_AT: usize = 10;

/// Places that recall looks at.
const RECALL_AT: usize = 100;

/// Means over questions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Metrics {
    /// Normalised discounted cumulative gain of the first ten, with linear gains.
    #[serde(rename = "ndcg@10")]
    pub ndcg: f64,
    /// Share of the relevant documents among the first hundred.
    #[serde(rename = "recall@100")]
    pub recall: f64,
    /// One by the place of the first relevant document; 0 if it is not among the first hundred.
    pub mrr: f64,
}

impl Metrics {
    /// Of one question.
    pub fn of(ranking: &[&str], relevant: &Relevance) -> Self {
        let grade = |document: &&str| relevant.get(*document).copied().unwrap_or(0);
        let discounted = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
            grades
                .take(NDCG_AT)
                .enumerate()
                .map(|(place, grade)| f64::from(grade) / (place as f64 + 2.0).log2())
                // The sum of nothing would be -0.
                .fold(0.0, |sum, gain| sum + gain)
        };
        let mut ideal: Vec<u32> = relevant.values().copied().filter(|grade| *grade > 0).collect();
        ideal.sort_unstable_by(|one, two| two.cmp(one));
        if ideal.is_empty() {
            return Self::default();
        }
        let considered = &ranking[..ranking.len().min(RECALL_AT)];
        let found = considered.iter().filter(|document| grade(document) > 0).count();
        let first = considered.iter().position(|document| grade(document) > 0);
        Self {
            ndcg: discounted(&mut ranking.iter().map(grade)) / discounted(&mut ideal.iter().copied()),
            recall: found as f64 / ideal.len() as f64,
            mrr: first.map_or(0.0, |place| 1.0 / (place as f64 + 1.0)),
        }
    }

    /// The mean of many.
    pub fn mean(all: &[Self]) -> Self {
        let count = all.len().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).fold(0.0, |sum, one| sum + one) / count;
        Self { ndcg: mean(|one| one.ndcg), recall: mean(|one| one.recall), mrr: mean(|one| one.mrr) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Metrics, Relevance};

    #[test]
    fn figures_are_those_of_the_definition() {
        let relevant: Relevance = [("a".to_owned(), 2), ("b".to_owned(), 1), ("z".to_owned(), 0)].into();
        let perfect = Metrics::of(&["a", "b", "c"], &relevant);
        assert_eq!((perfect.ndcg, perfect.recall, perfect.mrr), (1.0, 1.0, 1.0));
        let other = Metrics::of(&["c", "z", "b"], &relevant);
        let expect = (1.0 / 4f64.log2()) / (2.0 / 2f64.log2() + 1.0 / 3f64.log2());
        assert!((other.ndcg - expect).abs() < 1e-12);
        assert_eq!((other.recall, other.mrr), (0.5, 1.0 / 3.0));
        assert_eq!(Metrics::of(&["a"], &Relevance::new()), Metrics::default());
        let nothing = Metrics::of(&[], &relevant);
        assert!(nothing == Metrics::default() && nothing.ndcg.is_sign_positive(), "{nothing:?}");
        assert!(Metrics::mean(&[]).ndcg.is_sign_positive());
        let mean = Metrics::mean(&[perfect, Metrics::default()]);
        assert_eq!((mean.ndcg, mean.mrr), (0.5, 0.5));
    }
}
