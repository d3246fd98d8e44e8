//! Which texts go through a model together.

/// What a batch may hold at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Texts.
    pub texts_max: usize,
    /// Tokens after every text was filled up to the longest of its batch.
    pub tokens_max: usize,
}

/// Puts texts of these lengths (in tokens) into batches, shortest first, so that texts of a batch
/// are about equally long and little is filled up.
///
/// Every index of `lengths` is in exactly one batch. No batch is empty, and each keeps the limits,
/// except that a text which is too long for any has a batch of its own.
pub fn plan_batches(lengths: &[usize], limits: BatchLimits) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|index| lengths[*index]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for index in order {
        // In rising order, the newcomer is the longest of its batch.
        let fits = |batch: &Vec<usize>| {
            batch.len() < limits.texts_max
                && lengths[index].saturating_mul(batch.len() + 1) <= limits.tokens_max
        };
        match batches.last_mut() {
            Some(batch) if fits(batch) => batch.push(index),
            _ => batches.push(vec![index]),
        }
    }
    batches
}
