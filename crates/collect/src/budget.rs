//! What calls may cost: counted before they are made, by source, day and month, and all together.
//!
//! Money is kept in billionths of a dollar as whole numbers, so that a thousand calls at a tenth of a cent are a
//! dollar and not about one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stele_model::{Micros, civil};

use crate::limits::{LASTING, Made};
use crate::{CollectError, RateLimiter, Window};

/// Parts of a bound at which people are told, in percent.
const WARNING_PERCENT: u128 = 70;
const CRITICAL_PERCENT: u128 = 90;

/// Billionths of a dollar.
const NANOS: f64 = 1e9;

/// What the calls of one source cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// One call, whatever it answers. Nothing if it is not set.
    pub per_call_usd: f64,
    /// One token, where the answer counts them.
    pub per_token_usd: f64,
    /// What this source may cost in a day; that of the defaults if it is not set.
    pub day_usd_max: Option<f64>,
    /// What this source may cost in a month.
    pub month_usd_max: Option<f64>,
    /// What this source may cost in all.
    pub total_usd_max: Option<f64>,
    /// Tokens of a day.
    pub day_tokens_max: Option<u64>,
}

/// What was spent. It is kept by whoever runs sources, and given back at the next start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetState {
    /// The day that `day` is of, counted from 1970-01-01 in UTC.
    today: i64,
    by_source: BTreeMap<String, Spending>,
}

/// How much of one bound is spent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bound {
    /// The setting, by its name.
    pub setting: &'static str,
    /// What may be spent, in dollars or, where the setting says so, in tokens.
    pub max: f64,
    /// What is spent, in the same.
    pub spent: f64,
    /// How much of it that is.
    pub level: Level,
}

impl Bound {
    /// What may still be spent.
    pub fn left(&self) -> f64 {
        // Of two numbers that were no whole billionths only by their form.
        ((self.max - self.spent).max(0.0) * NANOS).round() / NANOS
    }
}

/// What is known to be spent, and what of it was counted here and is not kept yet.
#[derive(Debug, Default)]
struct Ledger {
    state: BudgetState,
    unkept: BTreeMap<String, Unkept>,
    /// Windows whose calls are remembered for the next run, by source.
    lasting: BTreeMap<String, BTreeSet<Duration>>,
}

/// Calls, tokens, billionths of a dollar, and when the calls were made.
#[derive(Debug, Default)]
struct Unkept {
    calls: u64,
    tokens: u64,
    cost: u64,
    made: Made,
}

/// What one source has spent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Spending {
    api_calls: u64,
    tokens: u64,
    /// In billionths of a dollar.
    total: u64,
    month: u64,
    day: u64,
    day_tokens: u64,
    /// When calls were made, where a limit outlasts a run.
    #[serde(skip_serializing_if = "Made::is_empty")]
    made: Made,
}

/// How much of a bound is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Less than 70 %.
    Fine,
    /// 70 % and more.
    Warning,
    /// 90 % and more.
    Critical,
}

/// What a run would cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Dollars.
    pub cost_usd: f64,
    /// How much of the bounds would be spent then.
    pub level: Level,
    /// Why it would not come to its end, if so.
    pub refused: Option<String>,
}

/// What one source has come to since the beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls.
    pub calls: u64,
    /// Tokens.
    pub tokens: u64,
    /// In billionths of a dollar.
    pub cost: u64,
}

/// Runs that are only thought of, one after the other: what one would spend, the next one has not. Nothing is counted.
#[derive(Debug, Clone)]
pub struct Forecast<'b> {
    budget: &'b Budget,
    state: BudgetState,
}

impl Forecast<'_> {
    /// What so many calls would cost, after all that were thought of before.
    pub fn run(&mut self, source: &str, price: &Price, calls: u64, tokens: u64) -> Estimate {
        let cost = cost(price, calls, tokens);
        let refused = self.budget.within(&self.state, source, price, cost, tokens).err();
        self.state.spend(source, calls, tokens, cost);
        let level = self.budget.level(&self.state, source, price);
        Estimate { cost_usd: usd(cost), level, refused }
    }
}

/// Says before each call whether it may be made, for all sources together.
#[derive(Debug)]
pub struct Budget {
    day_usd_max: f64,
    all_usd_max: f64,
    ledger: Mutex<Ledger>,
}

impl Budget {
    /// `day_usd_max` is what one source may cost in a day if it says nothing else, `all_usd_max` what all of them may
    /// together; `state` is what was kept of the last run.
    pub fn new(day_usd_max: f64, all_usd_max: f64, state: BudgetState) -> Self {
        let ledger = Mutex::new(Ledger { state, ..Ledger::default() });
        Self { day_usd_max, all_usd_max, ledger }
    }

    /// The limiter of a source for a run that begins now. Of windows of an hour and longer it knows what earlier runs
    /// have used, and what is counted from here on is remembered for the next one. That is kept with what was spent: of
    /// a run that is killed, the calls since the last [`Budget::settle`] are forgotten.
    pub fn limiter(&self, source: &str, windows: &[Window], now: Micros) -> RateLimiter {
        let lasting: BTreeSet<Duration> =
            windows.iter().map(|window| window.per).filter(|per| *per >= LASTING).collect();
        let mut ledger = self.ledger();
        let mut made = ledger.state.of(source).made;
        made.forget(now);
        let limiter = lasting
            .iter()
            .fold(RateLimiter::new(windows), |limiter, per| limiter.with_spent(*per, made.ago(*per, now)));
        ledger.lasting.insert(source.to_owned(), lasting);
        limiter
    }

    /// Counts a call that is about to be made, with about so many tokens.
    ///
    /// # Errors
    /// [`CollectError::Stopped`] with `budget` if it would go beyond a bound; then it is not counted, and must not be made.
    pub fn promise(
        &self,
        source: &str,
        price: &Price,
        tokens: u64,
        now: Micros,
    ) -> Result<Level, CollectError> {
        let mut ledger = self.ledger();
        ledger.state.turn(now);
        let cost = cost(price, 1, tokens);
        self.within(&ledger.state, source, price, cost, tokens)
            .map_err(|why| CollectError::Stopped { code: "budget", why })?;
        ledger.spend(source, 1, tokens, cost, now);
        Ok(self.level(&ledger.state, source, price))
    }

    /// Counts tokens that became known with the answer, beyond those that were promised. They were spent, so they are counted whatever the bounds.
    pub fn answered(&self, source: &str, price: &Price, tokens: u64, now: Micros) {
        let mut ledger = self.ledger();
        ledger.state.turn(now);
        ledger.spend(source, 0, tokens, cost(price, 0, tokens), now);
    }

    /// Counts calls that cost nothing, and that nobody asks about before they are made.
    pub fn called(&self, source: &str, calls: u64, now: Micros) {
        let mut ledger = self.ledger();
        ledger.state.turn(now);
        ledger.spend(source, calls, 0, 0, now);
    }

    /// What runs would cost that are only thought of.
    pub fn forecast(&self, now: Micros) -> Forecast<'_> {
        let mut state = self.state_now();
        state.turn(now);
        Forecast { budget: self, state }
    }

    /// What is known to be spent, here and, as of the last [`Budget::settle`], elsewhere.
    pub fn state_now(&self) -> BudgetState {
        self.ledger().state.clone()
    }

    /// Whether something was counted here that is not kept yet.
    pub fn has_news(&self) -> bool {
        !self.ledger().unkept.is_empty()
    }

    /// Adds what was counted here since the last time to what is kept elsewhere, where others add theirs, and takes that
    /// over: bounds hold for all of them together. `kept` is what is there, and nobody else may change it meanwhile.
    ///
    /// # Errors
    /// Those of `keep`; what was counted here is added the next time then.
    pub fn settle<E>(
        &self,
        kept: BudgetState,
        now: Micros,
        keep: impl FnOnce(&BudgetState) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut ledger = self.ledger();
        let mut state = kept;
        state.turn(now);
        for (source, unkept) in &ledger.unkept {
            state.spend(source, unkept.calls, unkept.tokens, unkept.cost).made.merge(&unkept.made);
        }
        state.by_source.values_mut().for_each(|spending| spending.made.forget(now));
        keep(&state)?;
        (ledger.state, ledger.unkept) = (state, BTreeMap::new());
        Ok(())
    }

    /// Each bound that holds for a source, and how much of it is spent.
    pub fn standing(&self, source: &str, price: &Price, now: Micros) -> Vec<Bound> {
        let mut state = self.state_now();
        state.turn(now);
        let money = self.bounds(&state, source, price).into_iter().map(|(setting, max, spent, _)| Bound {
            setting,
            max: usd(max),
            spent: usd(spent),
            level: level(spent, max),
        });
        let tokens = price.day_tokens_max.map(|max| {
            let spent = state.of(source).day_tokens;
            Bound {
                setting: "day_tokens_max",
                max: max as f64,
                spent: spent as f64,
                level: level(spent, max),
            }
        });
        money.chain(tokens).collect()
    }

    /// What was spent since the beginning, and by whom.
    pub fn summary(&self) -> Value {
        let state = self.state_now();
        let sum = |of: fn(&Spending) -> u64| state.by_source.values().map(of).sum::<u64>();
        let of = |spending: &Spending| {
            // The second name of the tokens is that of other programs.
            json!({
                "api_calls": spending.api_calls,
                "tokens": spending.tokens,
                "token_usage": spending.tokens,
                "cost_usd": usd(spending.total),
                "cost_today_usd": usd(spending.day),
            })
        };
        let by_source: serde_json::Map<String, Value> =
            state.by_source.iter().map(|(source, spending)| (source.clone(), of(spending))).collect();
        json!({
            "total_api_calls": sum(|s| s.api_calls),
            "total_tokens": sum(|s| s.tokens),
            "estimated_cost_usd": usd(sum(|s| s.total)),
            "cost_today_usd": usd(sum(|s| s.day)),
            "by_source": by_source,
        })
    }

    fn within(
        &self,
        state: &BudgetState,
        source: &str,
        price: &Price,
        cost: u64,
        tokens: u64,
    ) -> Result<(), String> {
        if let Some(max) = price.day_tokens_max {
            let spent = state.of(source).day_tokens;
            // Of a call whose tokens only its answer tells, one at least is to be expected.
            if spent.saturating_add(tokens.max(1)) > max {
                return Err(format!(
                    "source {source}: {spent} tokens were used today and {max} are the most of a day (day_tokens_max); nothing was sent; it goes on after midnight UTC"
                ));
            }
        }
        for (setting, max, spent, whose) in self.bounds(state, source, price) {
            if cost > 0 && spent.saturating_add(cost) > max {
                return Err(format!(
                    "{whose}: ${:.6} were spent and ${:.6} are the most ({setting}), the next call would be beyond it; nothing was sent; raise {setting}, or go on {}",
                    usd(spent),
                    usd(max),
                    match setting {
                        "month_usd_max" => "next month",
                        "total_usd_max" => "with another bound",
                        _ => "after midnight UTC",
                    }
                ));
            }
        }
        Ok(())
    }

    /// Each bound that holds for a source: its name, how much it is, how much of it is spent, and whose it is.
    fn bounds(
        &self,
        state: &BudgetState,
        source: &str,
        price: &Price,
    ) -> Vec<(&'static str, u64, u64, String)> {
        let spent = state.of(source);
        let its = || format!("source {source}");
        let all_today = state.by_source.values().map(|spending| spending.day).sum();
        let day = price
            .day_usd_max
            .map_or(("daily_cost_threshold_usd", self.day_usd_max), |max| ("day_usd_max", max));
        let mut bounds = vec![
            (day.0, nanos(day.1), spent.day, its()),
            (
                "emergency_shutdown_threshold_usd",
                nanos(self.all_usd_max),
                all_today,
                "all sources".to_owned(),
            ),
        ];
        bounds.extend(price.month_usd_max.map(|max| ("month_usd_max", nanos(max), spent.month, its())));
        bounds.extend(price.total_usd_max.map(|max| ("total_usd_max", nanos(max), spent.total, its())));
        bounds
    }

    fn level(&self, state: &BudgetState, source: &str, price: &Price) -> Level {
        let bounds = self.bounds(state, source, price);
        bounds.into_iter().map(|(_, max, spent, _)| level(spent, max)).max().unwrap_or(Level::Fine)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much of a bound is spent.
fn level(spent: u64, max: u64) -> Level {
    match u128::from(spent) * 100 {
        0 => Level::Fine,
        spent if spent >= u128::from(max) * CRITICAL_PERCENT => Level::Critical,
        spent if spent >= u128::from(max) * WARNING_PERCENT => Level::Warning,
        _ => Level::Fine,
    }
}

impl Ledger {
    fn spend(&mut self, source: &str, calls: u64, tokens: u64, cost: u64, now: Micros) {
        let mut made = Made::default();
        if let Some(lasting) = self.lasting.get(source).filter(|_| calls > 0) {
            made.add(lasting, calls, now);
        }
        self.state.spend(source, calls, tokens, cost).made.merge(&made);
        let unkept = self.unkept.entry(source.to_owned()).or_default();
        unkept.made.merge(&made);
        for (sum, more) in
            [(&mut unkept.calls, calls), (&mut unkept.tokens, tokens), (&mut unkept.cost, cost)]
        {
            *sum = sum.saturating_add(more);
        }
    }
}

impl BudgetState {
    /// What a source has come to since the beginning.
    pub fn spent(&self, source: &str) -> Spent {
        let Spending { api_calls: calls, tokens, total: cost, .. } = self.of(source);
        Spent { calls, tokens, cost }
    }

    /// A new day begins at midnight UTC, a new month with its first day. A clock that goes back begins none.
    fn turn(&mut self, now: Micros) {
        let today = now.div_euclid(civil::DAY);
        if today <= self.today {
            return;
        }
        let month = |day: i64| {
            let (year, month, _) = civil::civil(day);
            (year, month)
        };
        let same_month = month(today) == month(self.today);
        for spending in self.by_source.values_mut() {
            (spending.day, spending.day_tokens) = (0, 0);
            if !same_month {
                spending.month = 0;
            }
        }
        self.today = today;
    }

    fn of(&self, source: &str) -> Spending {
        self.by_source.get(source).cloned().unwrap_or_default()
    }

    fn spend(&mut self, source: &str, calls: u64, tokens: u64, cost: u64) -> &mut Spending {
        let spending = self.by_source.entry(source.to_owned()).or_default();
        spending.api_calls = spending.api_calls.saturating_add(calls);
        for sum in [&mut spending.tokens, &mut spending.day_tokens] {
            *sum = sum.saturating_add(tokens);
        }
        for sum in [&mut spending.total, &mut spending.month, &mut spending.day] {
            *sum = sum.saturating_add(cost);
        }
        spending
    }
}

fn cost(price: &Price, calls: u64, tokens: u64) -> u64 {
    let of = |count: u64, each: f64| count.saturating_mul(nanos(each));
    of(calls, price.per_call_usd).saturating_add(of(tokens, price.per_token_usd))
}

/// Negative and what is no number are 0; more than there is money is as much as fits.
fn nanos(usd: f64) -> u64 {
    (usd * NANOS).round() as u64
}

fn usd(nanos: u64) -> f64 {
    nanos as f64 / NANOS
}
