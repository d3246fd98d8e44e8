//! What the next run of a source is likely to take, by the figures of its last ones and by its price. Nothing is asked.

use serde::Serialize;
use stele_collect::{Bound, Forecast, Level, Price, Source};

use super::{LastRun, SourceDesk, Took};
use crate::EngineError;

/// Bounds of a day, by their settings.
const OF_A_DAY: [&str; 3] = ["daily_cost_threshold_usd", "day_usd_max", "emergency_shutdown_threshold_usd"];

/// Bounds of a month.
const OF_A_MONTH: [&str; 1] = ["month_usd_max"];

/// What a run is likely to take. What nobody knows is `None`, and is never made up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedRun {
    /// The source.
    pub source: String,
    /// As many as half of the runs took that it is judged by.
    pub likely: Option<Figures>,
    /// As many as the largest of them took.
    pub most: Option<Figures>,
    /// Dollars that it is likely to cost; known where calls cost nothing, too.
    pub cost_usd: Option<f64>,
    /// What it is judged by, in words.
    pub basis: String,
    /// Dollars that are left of this day, by the bound that is nearest.
    pub left_today_usd: f64,
    /// The same of this month, where it has a bound.
    pub left_month_usd: Option<f64>,
    /// `ok`, `warning` (70 % of a bound would be spent), `critical` (90 %), or `stop`: it would not come to its end.
    pub level: &'static str,
    /// What would stop it, or may.
    pub why: Option<String>,
}

/// What a run takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Requests or queries.
    pub calls: u64,
    /// Tokens, where they are counted.
    pub tokens: u64,
    /// Records that come into the lake.
    pub records: u64,
    /// Bytes that come into the lake.
    pub bytes: u64,
    /// Dollars, at the price that is configured now.
    pub cost_usd: f64,
}

impl SourceDesk<'_> {
    /// What the next run of each of these is likely to take, one after the other: what one would spend, the next one has
    /// not.
    ///
    /// # Errors
    ///
    /// If there is no such source, or what is known of its last run cannot be read.
    pub fn expected(&self, ids: &[String]) -> Result<Vec<ExpectedRun>, EngineError> {
        let mut forecast = self.spending.budget().forecast(self.engine.now());
        ids.iter().map(|id| self.expect(self.config.source(id)?, &mut forecast)).collect()
    }

    /// What the next run of one source is likely to take.
    ///
    /// # Errors
    ///
    /// If what is known of its last run cannot be read.
    pub fn expected_of(&self, source: &Source) -> Result<ExpectedRun, EngineError> {
        self.expect(source, &mut self.spending.budget().forecast(self.engine.now()))
    }

    fn expect(&self, source: &Source, forecast: &mut Forecast<'_>) -> Result<ExpectedRun, EngineError> {
        let last = self.last_run(&source.id)?;
        Ok(expect(source, self.price(source), last.as_ref(), &self.bounds(source), forecast))
    }
}

fn expect(
    source: &Source,
    price: Price,
    last: Option<&LastRun>,
    bounds: &[Bound],
    forecast: &mut Forecast<'_>,
) -> ExpectedRun {
    let (runs, basis) = judged_by(last);
    let free = Price { per_call_usd: 0.0, per_token_usd: 0.0, ..price.clone() };
    let is_free = price == free;
    let middle = |of: fn(&Took) -> u64| {
        let mut all: Vec<u64> = runs.iter().map(of).collect();
        all.sort_unstable();
        (all.get(all.len() / 2).copied().unwrap_or_default(), all.last().copied().unwrap_or_default())
    };
    let (calls, tokens) = (middle(|run| run.calls), middle(|run| run.tokens));
    let (records, bytes) = (middle(|run| run.records), middle(|run| run.bytes));
    // The larger one is only asked about, so it goes first and is forgotten.
    let at_most = forecast.clone().run(&source.id, &price, calls.1, tokens.1);
    let estimate = match runs.is_empty() {
        // Whether it may begin at all is known.
        true => forecast.clone().run(&source.id, &price, 1, 0),
        false => forecast.run(&source.id, &price, calls.0, tokens.0),
    };
    let figures = |(calls, tokens, records, bytes), cost_usd| {
        (!runs.is_empty()).then_some(Figures { calls, tokens, records, bytes, cost_usd })
    };
    let likely = figures((calls.0, tokens.0, records.0, bytes.0), estimate.cost_usd);
    let most = figures((calls.1, tokens.1, records.1, bytes.1), at_most.cost_usd);
    let left = |settings: &[&str]| {
        let left = bounds.iter().filter(|bound| settings.contains(&bound.setting));
        left.map(Bound::left).reduce(f64::min)
    };
    let may = |why: String| format!("a run as large as the largest of them would be stopped: {why}");
    ExpectedRun {
        source: source.id.clone(),
        cost_usd: likely.map(|likely| likely.cost_usd).or(is_free.then_some(0.0)),
        likely,
        most,
        basis,
        left_today_usd: left(&OF_A_DAY).unwrap_or_default(),
        left_month_usd: left(&OF_A_MONTH),
        level: match (&estimate.refused, estimate.level) {
            (Some(_), _) => "stop",
            (None, Level::Fine) => "ok",
            (None, Level::Warning) => "warning",
            (None, Level::Critical) => "critical",
        },
        why: estimate.refused.or(at_most.refused.map(may)),
    }
}

/// Runs that tell what the next one takes: those that began where it will begin.
fn judged_by(last: Option<&LastRun>) -> (Vec<Took>, String) {
    let recent = last.map(|last| last.recent.as_slice()).unwrap_or_default();
    let begins_anew = last.is_none_or(|last| last.cursors.is_empty());
    let of = |anew: bool| recent.iter().filter(|run| run.anew == anew).copied().collect::<Vec<_>>();
    let alike = of(begins_anew);
    let many =
        |runs: &[Took]| if runs.len() == 1 { "a run".to_owned() } else { format!("{} runs", runs.len()) };
    match (begins_anew, alike.is_empty(), of(true)) {
        (true, false, _) => (alike.clone(), format!("{} that read everything", many(&alike))),
        (false, false, _) => {
            (alike.clone(), format!("{} that went on where the one before had stopped", many(&alike)))
        }
        (false, true, all) if !all.is_empty() => {
            let basis = format!("{} that read everything; one that goes on takes less as a rule", many(&all));
            (all, basis)
        }
        (true, true, _) if last.is_some_and(|last| !last.recent.is_empty()) => {
            (Vec::new(), "nothing: it begins anew, and no run that did is remembered".to_owned())
        }
        _ => (Vec::new(), "nothing: no run of it came to a good end yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{LastRun, Took, judged_by};

    fn last(cursors: usize, runs: &[(bool, u64)]) -> LastRun {
        let took = |&(anew, calls): &(bool, u64)| Took { anew, calls, tokens: 0, records: calls, bytes: 0 };
        LastRun {
            tenant: "t".to_owned(),
            began: 0,
            ended: 1,
            outcome: "ok".to_owned(),
            error: None,
            counts: Vec::new(),
            streams: Vec::new(),
            cursors: (0..cursors).map(|at| (at.to_string(), at.into())).collect(),
            recent: runs.iter().map(took).collect(),
        }
    }

    #[test]
    fn a_run_is_judged_by_those_that_began_where_it_begins() {
        let check = |last: Option<LastRun>, calls: &[u64], says: &str| {
            let (runs, basis) = judged_by(last.as_ref());
            let found: Vec<u64> = runs.iter().map(|run| run.calls).collect();
            assert!(found == calls && basis.contains(says), "{found:?} {basis}");
        };
        check(None, &[], "no run of it came to a good end");
        check(Some(last(0, &[])), &[], "no run of it came to a good end");
        check(Some(last(0, &[(true, 9), (true, 8)])), &[9, 8], "2 runs that read everything");
        check(Some(last(1, &[(false, 2), (true, 8)])), &[2], "a run that went on");
        check(Some(last(1, &[(true, 8)])), &[8], "takes less as a rule");
        check(Some(last(0, &[(false, 2)])), &[], "no run that did is remembered");
    }
}
