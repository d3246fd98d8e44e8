//! When requests may be made, with time that passes only when somebody waits.

use std::sync::Arc;
use std::time::Duration;

use stele_collect::{
    Budget, BudgetState, CircuitBreaker, Closed, CollectError, Heard, Price, RateLimiter, Window,
};
use stele_http::{Pace, Still, never};
use stele_model::civil;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A service that counts as services do: what came in the last minute.
struct Service {
    max: f64,
    came: Vec<(Duration, f64)>,
    refused: usize,
}

impl Service {
    fn new(max: f64) -> Self {
        Self { max, came: Vec::new(), refused: 0 }
    }

    fn used(&self, now: Duration) -> f64 {
        self.came.iter().filter(|(at, _)| *at + seconds(60) > now).map(|(_, credits)| credits).sum()
    }

    /// What it says of its limits; a refused call counts, too.
    fn ask(&mut self, now: Duration, credits: f64) -> Heard {
        self.came.push((now, credits));
        let left = self.max - self.used(now);
        self.refused += usize::from(left < 0.0);
        Heard {
            total: Some(self.max),
            remaining: Some(left.max(0.0)),
            window: Some(seconds(60)),
            refused: left < 0.0,
            ..Heard::default()
        }
    }

    fn most_in_a_minute(&self) -> f64 {
        self.came.iter().map(|(at, _)| self.used_from(*at)).fold(0.0, f64::max)
    }

    fn used_from(&self, from: Duration) -> f64 {
        let within = |(at, _): &&(Duration, f64)| (from..from + seconds(60)).contains(at);
        self.came.iter().filter(within).map(|(_, credits)| credits).sum()
    }
}

/// Asks so often, and says when the last answer came.
fn run(limiter: &RateLimiter, service: &mut Service, requests: usize, credits: u32) -> Duration {
    let pace = Still::default();
    for _ in 0..requests {
        limiter.acquire("/tickets", credits, &pace, &never, &()).unwrap();
        let heard = service.ask(pace.now(), f64::from(credits));
        limiter.heard(pace.now(), "/tickets", &heard);
    }
    pace.now()
}

#[test]
fn sources_06_a_limit_is_used_and_never_exceeded() {
    let check = |window: Vec<Window>, max: f64, requests: usize, credits: u32, ideal: u64| {
        let mut service = Service::new(max);
        let took = run(&RateLimiter::new(&window), &mut service, requests, credits);
        assert!(service.most_in_a_minute() <= max, "{}", service.most_in_a_minute());
        assert_eq!(service.refused, 0);
        let ideal = seconds(ideal).as_secs_f64();
        assert!((ideal..=ideal * 1.1).contains(&took.as_secs_f64()), "{took:?} for {ideal} s");
    };
    // 50 in the first minute, and so on: the last fifty come after eleven.
    check(vec![Window::minute(50)], 50.0, 600, 1, 660);
    // The service allows less than is configured, or says it alone.
    check(vec![Window::minute(700)], 50.0, 600, 1, 660);
    check(vec![], 50.0, 600, 1, 660);
    // Credits: 14 calls of 7 fit into a hundred.
    check(vec![Window::minute(100)], 100.0, 28, 7, 60);
}

#[test]
fn sources_06_five_workers_share_one_limit() {
    let limiter = RateLimiter::new(&[Window::minute(50)]);
    let mut service = Service::new(50.0);
    // When each of five comes back with its answer, after a second each.
    let (mut free, mut left) = ([Duration::ZERO; 5], 600);
    while left > 0 {
        let worker = (0..5).min_by_key(|worker| free[*worker]).unwrap();
        let now = free[worker];
        match limiter.try_acquire(now, "/tickets", 1) {
            Err(wait) => free[worker] = now + wait,
            Ok(()) => {
                let heard = service.ask(now, 1.0);
                limiter.heard(now, "/tickets", &heard);
                free[worker] = now + seconds(1);
                left -= 1;
            }
        }
    }
    assert!(service.most_in_a_minute() <= 50.0 && service.refused == 0);
    let took = free.iter().max().unwrap().as_secs_f64();
    // The first minute begins with what fits into it; the last request comes in the twelfth.
    assert!((660.0..=726.0).contains(&took), "{took}");
}

#[test]
fn sources_06_threads_share_one_limit() {
    let (limiter, pace) = (Arc::new(RateLimiter::new(&[Window::minute(50)])), Arc::new(Still::default()));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (limiter, pace) = (Arc::clone(&limiter), Arc::clone(&pace));
            std::thread::spawn(move || {
                for _ in 0..50 {
                    limiter.acquire("/a", 1, &*pace, &never, &()).unwrap();
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    // 200 requests: three full minutes had to pass, whoever waited for them.
    assert!(pace.now() >= seconds(180), "{:?}", pace.now());
}

#[test]
fn sources_06_every_window_rolls_over() {
    let check = |window: Window, in_time: u32| {
        let limiter = RateLimiter::new(&[window]);
        for request in 0..in_time {
            assert_eq!(limiter.try_acquire(seconds(u64::from(request) / 10), "/a", 1), Ok(()));
        }
        let last = seconds(u64::from(in_time - 1) / 10);
        let wait = limiter.try_acquire(last, "/a", 1).unwrap_err();
        assert!(
            wait <= window.per && wait + seconds(window.per.as_secs() / 300 + 20) >= window.per,
            "{wait:?}"
        );
        // The 101st, once the first have left the window.
        assert_eq!(limiter.try_acquire(last + wait, "/a", 1), Ok(()));
    };
    check(Window::minute(50), 50);
    check(Window::hour(100), 100);
    check(Window::day(1_000), 1_000);
}

#[test]
fn sources_06_what_earlier_runs_have_used_holds_the_next_one_back() {
    let windows = [Window::minute(50), Window::hour(3), Window::day(4)];
    let noon = civil::parse_iso("2026-11-28T12:00:00Z").unwrap();
    let mut kept = String::from("{}");
    // A run asks as often as it may: how often that is, and how long it would have to wait then.
    let mut run = |source: &str, windows: &[Window], minutes: i64| {
        let now = noon + minutes * 60_000_000;
        let read = |kept: &str| serde_json::from_str::<BudgetState>(kept).unwrap();
        let budget = Budget::new(1.0, 1.0, read(&kept));
        let limiter = budget.limiter(source, windows, now);
        let mut made = 0;
        let wait = loop {
            match limiter.try_acquire(Duration::ZERO, "/a", 1) {
                Ok(()) => budget.promise(source, &Price::default(), 0, now).unwrap(),
                Err(wait) => break wait,
            };
            made += 1;
        };
        let before = read(&kept);
        let keep = |state: &BudgetState| serde_json::to_string(state).map(|state| kept = state);
        budget.settle(before, now, keep).unwrap();
        (made, wait)
    };
    assert_eq!(run("news", &windows, 0), (3, seconds(3_600)));
    assert_eq!(run("news", &windows, 0), (0, seconds(3_600)), "of an hour nothing is left");
    // Others are not held back by it.
    assert_eq!(run("other", &windows, 0).0, 3);
    // Calls of a minute are counted at its end, of an hour; of a day, those of 24.
    assert_eq!(run("news", &windows, 30), (0, seconds(1_860)));
    assert_eq!(run("news", &windows, 61), (1, seconds((23 * 60 + 23) * 60)), "the fourth of the day");
    assert_eq!(run("news", &windows, 122).0, 0);
    // The first three have left the day.
    assert_eq!(run("news", &windows, 24 * 60 + 24).0, 3);
    // What a run waits for itself is not remembered.
    assert_eq!(run("quick", &[Window::minute(2)], 0).0, 2);
    assert_eq!(run("quick", &[Window::minute(2)], 0).0, 2);
}

#[test]
fn sources_06_a_wait_that_is_too_long_is_said_instead() {
    let (limiter, pace) = (RateLimiter::new(&[Window::day(1)]), Still::default());
    limiter.acquire("/a", 1, &pace, &never, &()).unwrap();
    let error = limiter.acquire("/a", 1, &pace, &never, &()).unwrap_err();
    assert!(matches!(&error, CollectError::Stopped { code: "rate_limit", .. }), "{error}");
    assert!(error.to_string().contains("in 86400 s"), "{error}");
    let stopped = RateLimiter::new(&[Window::minute(1)]);
    stopped.acquire("/a", 1, &pace, &never, &()).unwrap();
    assert!(matches!(stopped.acquire("/a", 1, &pace, &|| true, &()), Err(CollectError::Cancelled)));
}

#[test]
fn sources_06_others_use_the_account_too() {
    // 60 of 100 are taken by others each minute, one each second, since a minute.
    let limiter = RateLimiter::new(&[]);
    let (mut service, pace) = (Service::new(100.0), Still::default());
    pace.wait(seconds(60));
    let (mut second, mut refused) = (0, 0);
    for _ in 0..200 {
        limiter.acquire("/a", 1, &pace, &never, &()).unwrap();
        while seconds(second) <= pace.now() {
            service.ask(seconds(second), 1.0);
            second += 1;
        }
        let heard = service.ask(pace.now(), 1.0);
        refused += usize::from(heard.refused);
        limiter.heard(pace.now(), "/a", &heard);
    }
    assert!(refused <= 1, "{refused}");
    // 200 at 40 a minute.
    assert!(pace.now() < seconds(60 + 330), "{:?}", pace.now());
}

#[test]
fn sources_06_nothing_left_is_not_believed_for_ever() {
    let check = |heard: Heard, wait: Result<(), Duration>| {
        let limiter = RateLimiter::new(&[]);
        limiter.heard(seconds(5), "/a", &heard);
        assert_eq!(limiter.try_acquire(seconds(5), "/a", 1), wait, "{heard:?}");
        assert_eq!(limiter.try_acquire(seconds(5) + wait.err().unwrap_or_default(), "/a", 1), Ok(()));
    };
    let remaining = |remaining: f64| Heard { remaining: Some(remaining), ..Heard::default() };
    check(remaining(0.0), Err(seconds(60)));
    check(remaining(1.0), Ok(()));
    check(Heard { reset_after: Some(seconds(7)), ..remaining(0.0) }, Err(seconds(7)));
    let minute = Heard { total: Some(50.0), window: Some(seconds(60)), ..remaining(0.0) };
    check(minute, Err(seconds(60)));
}

#[test]
fn sources_06_refusals_are_waited_for() {
    let refused = |retry_after: Option<u64>| Heard {
        refused: true,
        retry_after: retry_after.map(seconds),
        ..Heard::default()
    };
    let check = |retry_after: Option<u64>, waits: &[u64]| {
        let (limiter, mut now) = (RateLimiter::new(&[]), Duration::ZERO);
        for wait in waits {
            limiter.heard(now, "/a", &refused(retry_after));
            assert_eq!(limiter.try_acquire(now, "/b", 1), Err(seconds(*wait)), "{retry_after:?}");
            now += seconds(*wait);
        }
    };
    check(Some(7), &[7, 7, 7]);
    // 0 asks for nothing: the wait is ours, and doubles.
    check(Some(0), &[1, 2, 4, 8, 16, 32, 60, 60]);
    check(None, &[1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn sources_06_a_path_may_have_a_limit_of_its_own() {
    let limiter = RateLimiter::new(&[Window::minute(600)]);
    for second in 0..21 {
        assert_eq!(limiter.try_acquire(seconds(second), "/tickets", 1), Ok(()));
    }
    let heard = Heard { refused: true, remaining: Some(500.0), ..Heard::default() };
    limiter.heard(seconds(20), "/tickets", &heard);
    assert_eq!(limiter.try_acquire(seconds(20), "/conversations", 1), Ok(()));
    assert_eq!(limiter.try_acquire(seconds(21), "/tickets", 1), Err(seconds(40)));
    // From now on, twenty in a minute.
    let mut made = 0;
    for second in 100..160 {
        made += usize::from(limiter.try_acquire(seconds(second), "/tickets", 1).is_ok());
    }
    assert_eq!(made, 20);
}

#[test]
fn sources_06_a_part_is_left_to_others() {
    let limiter = RateLimiter::new(&[Window::minute(50)]).with_reserve(0.2);
    let made = (0..50).filter(|_| limiter.try_acquire(Duration::ZERO, "/a", 1).is_ok()).count();
    assert_eq!(made, 40);
}

#[test]
fn sources_06_a_service_that_is_down_is_left_alone() {
    let breaker = CircuitBreaker::default();
    for _ in 0..9 {
        breaker.failed(seconds(1));
    }
    assert_eq!(breaker.may_ask(seconds(1)), Ok(()));
    breaker.failed(seconds(1));
    assert_eq!(breaker.may_ask(seconds(1)), Err(Closed::Resting(seconds(60))));
    assert_eq!(breaker.may_ask(seconds(60)), Err(Closed::Resting(seconds(1))));
    // One may try, and the others wait for it.
    assert_eq!(breaker.may_ask(seconds(61)), Ok(()));
    assert_eq!(breaker.may_ask(seconds(61)), Err(Closed::Tried(seconds(60))));
    assert_eq!(breaker.rests(), 1);
    breaker.failed(seconds(62));
    assert_eq!(breaker.may_ask(seconds(62)), Err(Closed::Resting(seconds(60))));
    assert_eq!(breaker.rests(), 2);
    assert_eq!(breaker.may_ask(seconds(122)), Ok(()));
    breaker.succeeded();
    assert_eq!(breaker.rests(), 0);
    assert_eq!((breaker.may_ask(seconds(122)), breaker.is_open(seconds(122))), (Ok(()), false));
    // Failures in a row: one answer between them is enough.
    for _ in 0..9 {
        breaker.failed(seconds(130));
    }
    breaker.succeeded();
    breaker.failed(seconds(130));
    assert_eq!(breaker.may_ask(seconds(130)), Ok(()));
}
