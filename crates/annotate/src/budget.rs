//! What a run may spend, and what it has spent.

use serde::Serialize;

/// Bytes of UTF-8 that a token has at least, on average. So an estimate is rather too high, and what is spent
/// rather too little.
const BYTES_PER_TOKEN: u64 = 3;

/// What one run may spend.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Questions.
    pub calls_max: u64,
    /// Tokens of questions and answers.
    pub tokens_max: u64,
    /// Money, in the currency of the prices.
    pub cost_max: Option<f64>,
    /// What a million tokens of questions cost.
    pub input_price: f64,
    /// What a million tokens of answers cost.
    pub output_price: f64,
    /// Tokens of one answer at most.
    pub answer_tokens_max: u64,
}

/// What a run has spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spent {
    /// Questions that were sent, those without an answer that can be used among them.
    pub calls: u64,
    /// Tokens of questions, as the service counts them, or about as many.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Money, in the currency of the prices.
    pub cost: f64,
}

/// What is spent, and what the questions under way may come to.
#[derive(Debug)]
pub(crate) struct Purse {
    budget: Budget,
    pub(crate) spent: Spent,
    promised: Spent,
}

impl Purse {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, spent: Spent::default(), promised: Spent::default() }
    }

    /// What a question of so many bytes may come to, with the longest answer.
    pub(crate) fn most(&self, question_bytes: usize) -> Spent {
        self.priced(tokens_of(question_bytes), self.budget.answer_tokens_max)
    }

    /// What these tokens come to.
    pub(crate) fn priced(&self, input_tokens: u64, output_tokens: u64) -> Spent {
        let cost = |tokens: u64, price: f64| tokens as f64 * price / 1e6;
        let budget = &self.budget;
        Spent {
            calls: 1,
            input_tokens,
            output_tokens,
            cost: cost(input_tokens, budget.input_price) + cost(output_tokens, budget.output_price),
        }
    }

    /// Sets aside what a question may come to.
    ///
    /// # Errors
    ///
    /// Which bound it would go beyond, in words.
    pub(crate) fn promise(&mut self, most: Spent) -> Result<(), String> {
        let all = sum(sum(self.spent, self.promised), most);
        let budget = &self.budget;
        if all.calls > budget.calls_max {
            return Err(format!("calls_max = {} is reached", budget.calls_max));
        }
        let tokens = all.input_tokens + all.output_tokens;
        if tokens > budget.tokens_max {
            return Err(format!(
                "the next question may go beyond tokens_max = {}: {} are spent",
                budget.tokens_max,
                self.spent.input_tokens + self.spent.output_tokens
            ));
        }
        if let Some(most) = budget.cost_max.filter(|most| all.cost > *most) {
            return Err(format!(
                "the next question may go beyond cost_max = {most}: {:.4} is spent",
                self.spent.cost
            ));
        }
        self.promised = sum(self.promised, most);
        Ok(())
    }

    /// What a question came to in the end.
    pub(crate) fn settle(&mut self, most: Spent, came_to: Spent) {
        let promised = &mut self.promised;
        promised.calls -= most.calls;
        promised.input_tokens -= most.input_tokens;
        promised.output_tokens -= most.output_tokens;
        promised.cost = (promised.cost - most.cost).max(0.0);
        self.spent = sum(self.spent, came_to);
    }
}

/// As many tokens as so many bytes may be.
pub(crate) fn tokens_of(bytes: usize) -> u64 {
    bytes as u64 / BYTES_PER_TOKEN + 1
}

fn sum(one: Spent, other: Spent) -> Spent {
    Spent {
        calls: one.calls + other.calls,
        input_tokens: one.input_tokens.saturating_add(other.input_tokens),
        output_tokens: one.output_tokens.saturating_add(other.output_tokens),
        cost: one.cost + other.cost,
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Purse};

    fn purse(calls_max: u64, tokens_max: u64, cost_max: Option<f64>) -> Purse {
        let (input_price, output_price) = (1.0, 10.0);
        Purse::new(Budget {
            calls_max,
            tokens_max,
            cost_max,
            input_price,
            output_price,
            answer_tokens_max: 100,
        })
    }

    #[track_caller]
    fn check(mut purse: Purse, fits: usize, why: &str) {
        // 300 bytes are at most 101 tokens; each question takes 51 and 50 in the end.
        for _ in 0..fits {
            let most = purse.most(300);
            purse.promise(most).unwrap();
            let came_to = purse.priced(51, 50);
            purse.settle(most, came_to);
        }
        let refused = purse.promise(purse.most(300)).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }

    #[test]
    fn each_bound_holds_by_itself() {
        check(purse(3, 1_000_000, None), 3, "calls_max = 3");
        check(purse(100, 500, None), 3, "tokens_max = 500: 303 are spent");
        check(purse(100, 1_000_000, Some(0.003)), 4, "cost_max = 0.003: 0.0022");
        check(purse(0, 0, None), 0, "calls_max");
    }

    #[test]
    fn questions_under_way_count() {
        let mut purse = purse(2, 1_000, None);
        let most = purse.most(300);
        purse.promise(most).unwrap();
        purse.promise(most).unwrap();
        assert!(purse.promise(most).is_err());
    }
}
