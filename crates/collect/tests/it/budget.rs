//! What calls may cost.

use serde_json::json;
use stele_collect::{Budget, BudgetState, CollectError, Level, Price, Spent};
use stele_model::{ErrorKind, civil};

/// 2026-11-28 at noon.
fn noon() -> i64 {
    civil::parse_iso("2026-11-28T12:00:00Z").unwrap()
}

fn price(per_call_usd: f64) -> Price {
    Price { per_call_usd, ..Price::default() }
}

#[test]
fn sources_07_the_call_beyond_the_threshold_is_not_made() {
    let budget = Budget::new(0.005, 50.0, BudgetState::default());
    let levels: Vec<Level> =
        (0..5).map(|_| budget.promise("news", &price(0.001), 0, noon()).unwrap()).collect();
    // 70 % is warned of, 90 % is critical.
    assert_eq!(levels, [Level::Fine, Level::Fine, Level::Fine, Level::Warning, Level::Critical]);
    let error = budget.promise("news", &price(0.001), 0, noon()).unwrap_err();
    assert!(matches!(&error, CollectError::Stopped { code: "budget", .. }));
    assert_eq!(error.kind(), ErrorKind::Fix);
    assert!(
        error.to_string().contains("source news: $0.005000 were spent and $0.005000 are the most"),
        "{error}"
    );
    // What was refused is not counted, and others go on.
    assert_eq!(budget.summary()["by_source"]["news"]["api_calls"], 5);
    budget.promise("other", &price(0.001), 0, noon()).unwrap();
    // What costs nothing is never refused.
    budget.promise("news", &price(0.0), 0, noon()).unwrap();
}

#[test]
fn sources_07_it_survives_a_restart_and_begins_anew_at_midnight() {
    let day = civil::DAY;
    let midnight = noon().div_euclid(day) * day + day;
    let spent = Budget::new(0.002, 50.0, BudgetState::default());
    spent.promise("news", &price(0.002), 0, noon()).unwrap();
    let kept = serde_json::to_string(&spent.state_now()).unwrap();
    let again = |now: i64| {
        let budget = Budget::new(0.002, 50.0, serde_json::from_str(&kept).unwrap());
        budget.promise("news", &price(0.002), 0, now).is_ok()
    };
    assert!(!again(noon()));
    assert!(!again(midnight - 1));
    assert!(again(midnight));
    // A clock that goes back gives nothing.
    assert!(!again(noon() - 3 * day));
    // A month goes on through its days.
    let month = Price { month_usd_max: Some(0.003), ..price(0.002) };
    let within = |now: i64| {
        let budget = Budget::new(9.0, 50.0, serde_json::from_str(&kept).unwrap());
        budget.promise("news", &month, 0, now).is_ok()
    };
    assert!(!within(midnight) && !within(midnight + day) && within(midnight + 3 * day));
}

#[test]
fn sources_07_the_emergency_threshold_stops_every_source() {
    let budget = Budget::new(10.0, 0.01, BudgetState::default());
    budget.promise("a", &price(0.006), 0, noon()).unwrap();
    budget.promise("b", &price(0.004), 0, noon()).unwrap();
    for source in ["a", "b", "c"] {
        let error = budget.promise(source, &price(0.001), 0, noon()).unwrap_err().to_string();
        assert!(
            error.contains("all sources") && error.contains("emergency_shutdown_threshold_usd"),
            "{error}"
        );
    }
}

#[test]
fn sources_07_tokens_cost_and_are_counted_under_both_names() {
    let budget = Budget::new(10.0, 50.0, BudgetState::default());
    let tokens = Price { per_token_usd: 0.000_002, day_tokens_max: Some(3_500), ..Price::default() };
    for _ in 0..3 {
        budget.promise("llm", &tokens, 600, noon()).unwrap();
        budget.answered("llm", &tokens, 400, noon());
    }
    let error = budget.promise("llm", &tokens, 600, noon()).unwrap_err().to_string();
    assert!(error.contains("3000 tokens were used today and 3500 are the most"), "{error}");
    assert_eq!(
        budget.summary(),
        json!({
            "total_api_calls": 3, "total_tokens": 3000, "estimated_cost_usd": 0.006, "cost_today_usd": 0.006,
            "by_source": {"llm": {"api_calls": 3, "tokens": 3000, "token_usage": 3000, "cost_usd": 0.006, "cost_today_usd": 0.006}},
        })
    );
}

#[test]
fn sources_07_an_estimate_spends_nothing() {
    let budget = Budget::new(1.0, 50.0, BudgetState::default());
    let mut forecast = budget.forecast(noon());
    let estimate = forecast.run("news", &price(0.001), 30, 0);
    assert_eq!((estimate.cost_usd, estimate.level, estimate.refused), (0.03, Level::Fine, None));
    // What one would spend, the next one has not.
    let estimate = forecast.run("news", &price(0.001), 900, 0);
    assert_eq!((estimate.level, estimate.refused), (Level::Critical, None));
    let estimate = forecast.run("news", &price(0.001), 3_000, 0);
    assert!(estimate.cost_usd == 3.0 && estimate.refused.unwrap().contains("daily_cost_threshold_usd"));
    assert_eq!(budget.forecast(noon()).run("news", &price(0.001), 1_000, 0).refused, None);
    assert_eq!(budget.summary()["total_api_calls"], 0);
    // A price that is no price, and a bound that is none.
    let budget = Budget::new(f64::MAX, f64::INFINITY, BudgetState::default());
    assert_eq!(budget.promise("x", &price(f64::NAN), 0, noon()).unwrap(), Level::Fine);
    assert_eq!(budget.promise("x", &price(1e300), 0, noon()).unwrap(), Level::Critical);
}

#[test]
fn sources_07_a_bound_holds_for_all_who_spend() {
    let one = Budget::new(0.003, 50.0, BudgetState::default());
    let other = Budget::new(0.003, 50.0, BudgetState::default());
    let mut kept = BudgetState::default();
    let settle = |budget: &Budget, kept: &mut BudgetState| {
        let before = kept.clone();
        let keep = |state: &BudgetState| {
            kept.clone_from(state);
            Ok::<(), ()>(())
        };
        budget.settle(before, noon(), keep).unwrap();
    };
    one.promise("news", &price(0.001), 0, noon()).unwrap();
    other.promise("news", &price(0.001), 0, noon()).unwrap();
    settle(&one, &mut kept);
    settle(&other, &mut kept);
    // Neither took the place of the other's, and settling again adds nothing.
    settle(&one, &mut kept);
    assert_eq!(kept.spent("news"), Spent { calls: 2, tokens: 0, cost: 2_000_000 });
    one.promise("news", &price(0.001), 0, noon()).unwrap();
    assert!(one.promise("news", &price(0.001), 0, noon()).is_err(), "what the other spent counts");
    // What could not be kept is kept the next time.
    assert!(one.settle(kept.clone(), noon(), |_| Err(())).is_err());
    assert!(one.has_news());
    settle(&one, &mut kept);
    assert_eq!((kept.spent("news").calls, one.has_news()), (3, false));
    let bounds = one.standing("news", &price(0.001), noon());
    assert_eq!((bounds[0].setting, bounds[0].level), ("daily_cost_threshold_usd", Level::Critical));
    assert_eq!((bounds[0].spent, bounds[0].max), (0.003, 0.003));
    let tomorrow = one.standing("news", &price(0.001), noon() + civil::DAY);
    assert_eq!((tomorrow[0].spent, tomorrow[0].level), (0.0, Level::Fine));
}
