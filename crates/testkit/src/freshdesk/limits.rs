//! What may be asked in a minute: credits in any sixty seconds, of all programs together.

use std::collections::VecDeque;
use std::time::Duration;

use super::answer::Answer;
use super::data;
use super::knobs::{Knobs, RetryAfter};

const MINUTE: Duration = Duration::from_secs(60);

/// What was spent.
#[derive(Debug, Default)]
pub(super) struct Limits {
    spent: VecDeque<(Duration, u32)>,
    lists: VecDeque<Duration>,
}

impl Limits {
    fn used(&mut self, at: Duration) -> u32 {
        while self.spent.front().is_some_and(|(then, _)| at.saturating_sub(*then) >= MINUTE) {
            self.spent.pop_front();
        }
        self.spent.iter().map(|(_, credits)| credits).sum()
    }

    fn external(knobs: &Knobs) -> u32 {
        knobs.limit_per_minute.unwrap_or(0) * knobs.external_percent / 100
    }

    /// Lets a request in, or says why not.
    pub(super) fn admit(
        &mut self,
        knobs: &Knobs,
        at: Duration,
        credits: u32,
        list: bool,
    ) -> Result<(), Answer> {
        let used = self.used(at) + Self::external(knobs);
        if knobs.limit_per_minute.is_some_and(|limit| used + credits > limit) {
            return Err(refusal(knobs.retry_after, at));
        }
        while self.lists.front().is_some_and(|then| at.saturating_sub(*then) >= MINUTE) {
            self.lists.pop_front();
        }
        if list {
            if knobs.list_limit_per_minute.is_some_and(|limit| self.lists.len() as u32 >= limit) {
                return Err(refusal(knobs.retry_after, at));
            }
            self.lists.push_back(at);
        }
        self.spent.push_back((at, credits));
        Ok(())
    }

    /// The answer with what is left.
    pub(super) fn dress(&mut self, knobs: &Knobs, at: Duration, credits: u32, mut answer: Answer) -> Answer {
        if let Some(limit) = knobs.limit_per_minute {
            let left = limit.saturating_sub(self.used(at) + Self::external(knobs));
            // As a gateway in front of the service writes them.
            answer.headers.push(("x-ratelimit-total", format!("{limit}.0")));
            answer.headers.push(("x-ratelimit-remaining", format!("{left}.0")));
            answer.headers.push(("x-ratelimit-used-currentrequest", credits.to_string()));
        }
        answer
    }
}

/// "Not now".
pub(super) fn refusal(retry_after: RetryAfter, at: Duration) -> Answer {
    // Not JSON, as happens.
    let mut answer = Answer::html(429);
    let date = |after: u32| http_date(at.as_secs() as i64 + i64::from(after));
    match retry_after {
        RetryAfter::Absent => {}
        RetryAfter::Seconds(seconds) => answer.headers.push(("retry-after", seconds.to_string())),
        RetryAfter::Date(seconds) => {
            answer.headers.push(("date", date(0)));
            answer.headers.push(("retry-after", date(seconds)));
        }
    }
    answer
}

/// `Sun, 08 Mar 2031 12:00:00 GMT`.
fn http_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = data::text(seconds, false);
    let month: usize = text[5..7].parse().unwrap_or(1);
    let day = DAYS[(seconds / 86_400 % 7) as usize];
    format!("{day}, {} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}
