//! Batches: every text once, limits kept, little filled up.

use proptest::prelude::*;
use stele_embed::{BatchLimits, plan_batches};

proptest! {
    #[test]
    fn every_text_once_and_limits_kept(
        lengths in prop::collection::vec(0usize..300, 0..200),
        texts_max in 1usize..40,
        tokens_max in 1usize..2000,
    ) {
        let batches = plan_batches(&lengths, BatchLimits { texts_max, tokens_max });
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        for batch in &batches {
            prop_assert!(!batch.is_empty() && batch.len() <= texts_max);
            let longest = batch.iter().map(|index| lengths[*index]).max().unwrap_or(0);
            prop_assert!(batch.len() == 1 || longest * batch.len() <= tokens_max);
        }
        // In rising order: what is filled up within a batch is as little as it can be.
        let order: Vec<usize> = batches.iter().flatten().map(|index| lengths[*index]).collect();
        prop_assert!(order.is_sorted());
    }
}

#[test]
fn batches_are_as_large_as_they_may_be() {
    let limits = BatchLimits { texts_max: 3, tokens_max: 20 };
    let check = |lengths: &[usize], expect: &[&[usize]]| assert_eq!(plan_batches(lengths, limits), expect);
    check(&[], &[]);
    check(&[5, 5, 5, 5], &[&[0, 1, 2], &[3]]);
    check(&[9, 1, 9, 1], &[&[1, 3], &[0, 2]]);
    check(&[100, 2, 100], &[&[1], &[0], &[2]]);
}
