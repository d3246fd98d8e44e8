//! How likely it is that the first result is right.
//!
//! A logistic model of three things that can be seen without knowing the answer: how far the first
//! result is ahead, whether words and meaning agree about it, and how many of the question's words
//! it holds. How its weights were fitted, and how far it is off, is told in
//! `docs/decisions/0009-confidence-is-fitted.md`; `stele eval` measures it on any other collection.

use serde::Serialize;

/// What can be seen of the best result without knowing the answer; all 0 where there is no result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Signs {
    /// Its score minus that of the one after it.
    pub margin: f32,
    /// The smaller of its parts by words and by meaning, as far as both arms were asked.
    pub agreement: f32,
    /// The share of the question's words that stand in it.
    pub coverage: f32,
}

/// Weights of margin, agreement and coverage, and what is added to them, as fitted.
const WEIGHTS: [f32; 3] = [0.5, 1.8, 1.8];
const BIAS: f32 = -1.35;

/// From 0 to 1.
pub(crate) fn confidence(signs: Signs) -> f32 {
    let [margin, agreement, coverage] = WEIGHTS;
    let sum = BIAS + margin * signs.margin + agreement * signs.agreement + coverage * signs.coverage;
    1.0 / (1.0 + (-sum).exp())
}

#[cfg(test)]
mod tests {
    use super::{Signs, confidence};

    #[test]
    fn every_sign_raises_it() {
        let none = Signs { margin: 0.0, agreement: 0.0, coverage: 0.0 };
        let base = confidence(none);
        assert!(base > 0.0 && base < 0.5);
        for more in
            [Signs { margin: 0.5, ..none }, Signs { agreement: 1.0, ..none }, Signs { coverage: 1.0, ..none }]
        {
            assert!(confidence(more) > base);
        }
        assert!(confidence(Signs { margin: 1.0, agreement: 1.0, coverage: 1.0 }) < 1.0);
    }
}
