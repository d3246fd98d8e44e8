//! How a long command shows that it is alive: a bar for a person at a terminal, a line now and
//! then in a log, events under `--json`.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use stele_engine::{Progress, Unit, Update};

use crate::output::{Out, human, is_watched, tell, visible};

/// Between two events under `--json`: at most two a second.
const EVENT_EVERY: Duration = Duration::from_millis(500);

/// Between two plain lines, and before the first: a short run says nothing.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Between two redraws of a bar: faster than the eye, slower than the work.
const BAR_EVERY: Duration = Duration::from_millis(80);

/// Most characters of an input's name beside a bar.
const ITEM_CHARS_MAX: usize = 40;

/// The bar of a stage; `{unit}` stands for what is counted.
fn bar(update: &Update) -> &'static str {
    match (update.unit, update.total) {
        (Unit::Bytes, Some(_)) => {
            "{prefix:>9} [{bar:28}] {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left  {wide_msg}"
        }
        (_, Some(_)) => {
            "{prefix:>9} [{bar:28}] {percent:>3} %  {human_pos} of {human_len} {unit}  {eta} left  {wide_msg}"
        }
        (Unit::Bytes, None) => "{prefix:>9} {decimal_bytes}  {decimal_bytes_per_sec}  {wide_msg}",
        (_, None) => "{prefix:>9} {human_pos} {unit}  {wide_msg}",
    }
}

/// Shows the progress of one command.
pub struct Reporter {
    show: Show,
    out: Out,
    state: Mutex<State>,
}

enum Show {
    Bar(ProgressBar),
    Lines,
    Events,
    Nothing,
}

struct State {
    stage: &'static str,
    stage_began: Instant,
    said: Instant,
    first: bool,
}

impl Reporter {
    /// For a command whose `--json` output is a stream of events.
    pub fn events(out: Out) -> Self {
        Self::new(out, if out.json { Show::Events } else { Self::for_people(out) })
    }

    /// For a command whose `--json` output is one answer.
    pub fn answer(out: Out) -> Self {
        Self::new(out, if out.json { Show::Nothing } else { Self::for_people(out) })
    }

    fn for_people(out: Out) -> Show {
        if out.quiet {
            return Show::Nothing;
        }
        if !is_watched() {
            return Show::Lines;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Show::Bar(bar)
    }

    fn new(out: Out, show: Show) -> Self {
        let now = Instant::now();
        let state = State { stage: "", stage_began: now, said: now, first: true };
        Self { show, out, state: Mutex::new(state) }
    }

    /// Takes the bar away, so that results stand alone.
    pub fn clear(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }

    /// Whether something is to be said now; if so, how long the stage has run.
    fn due(&self, update: &Update, every: Duration) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stage != update.stage {
            state.stage = update.stage;
            state.stage_began = now;
        } else if now - state.said < every && !state.first {
            return None;
        }
        state.said = now;
        state.first = false;
        Some(now - state.stage_began)
    }
}

impl Progress for Reporter {
    fn update(&self, update: &Update) {
        match &self.show {
            Show::Nothing => {}
            Show::Bar(shown) => {
                if self.due(update, BAR_EVERY).is_none() {
                    return;
                }
                let is_new = shown.prefix() != update.stage;
                if is_new {
                    shown.reset();
                    shown.set_prefix(update.stage);
                }
                // How much there is may turn out to be more than was thought, and is not known from then on.
                if is_new || shown.length().is_some() != update.total.is_some() {
                    let template = bar(update).replace("{unit}", update.unit.name());
                    if let Ok(style) = ProgressStyle::with_template(&template) {
                        shown.set_style(style.progress_chars("=> "));
                    }
                }
                match update.total {
                    Some(total) => shown.set_length(total),
                    None => shown.unset_length(),
                }
                shown.set_message(short(&update.item));
                shown.set_position(update.done);
            }
            Show::Lines => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                if state.stage != update.stage {
                    state.stage = update.stage;
                    state.stage_began = now;
                }
                if now - state.said < LINE_EVERY {
                    return;
                }
                state.said = now;
                tell(&line(update, now - state.stage_began));
            }
            Show::Events => {
                if let Some(elapsed) = self.due(update, EVENT_EVERY) {
                    let body = json!({
                        "stage": update.stage,
                        "item": update.item,
                        "unit": update.unit.name(),
                        "done": update.done,
                        "total": update.total,
                        "records": update.records,
                        "seconds": elapsed.as_secs_f64(),
                    });
                    // The work goes on although nobody can be told how it goes.
                    let _ = self.out.event("progress", &body);
                }
            }
        }
    }

    fn note(&self, text: &str) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| tell(text)),
            Show::Lines => tell(text),
            Show::Events => {
                let _ = self.out.event("note", &json!({ "text": text }));
            }
            Show::Nothing => {}
        }
    }
}

/// `ingest 45.0 %  117.0 MB of 260.0 MB  61.2 MB/s  2 s left  …/file.jsonl`
fn line(update: &Update, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64();
    let Update { stage, done, unit, .. } = update;
    let item = short(&update.item);
    let Some(total) = update.total else {
        return match unit {
            Unit::Bytes => {
                format!("{stage} {}  {}  {item}", human::bytes(*done), human::rate(*done, seconds))
            }
            unit => format!("{stage} {} {}  {item}", human::count(*done), unit.name()),
        };
    };
    let share = human::share(*done, total);
    let left = human::rough(total.saturating_sub(*done) as f64 / (*done).max(1) as f64 * seconds);
    match unit {
        Unit::Bytes => {
            let rate = human::rate(*done, seconds);
            let (done, total) = (human::bytes(*done), human::bytes(total));
            format!("{stage} {share}  {done} of {total}  {rate}  {left} left  {item}")
        }
        unit => {
            let (done, total) = (human::count(*done), human::count(total));
            format!("{stage} {share}  {done} of {total} {}  {left} left  {item}", unit.name())
        }
    }
}

/// The end of a long name, which tells more than its beginning.
fn short(item: &str) -> String {
    let item = &*visible(item);
    let chars = item.chars().count();
    if chars <= ITEM_CHARS_MAX {
        return item.to_owned();
    }
    let end: String = item.chars().skip(chars - (ITEM_CHARS_MAX - 1)).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stele_engine::{Unit, Update};

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let check = |unit, done, total, expect: &str| {
            let item = format!("/{}/a.jsonl", "x".repeat(60));
            let update = Update { stage: "ingest", item, done, total, unit, records: 7 };
            let text = super::line(&update, Duration::from_secs(5));
            assert!(
                text.starts_with(expect) && text.ends_with("  …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/a.jsonl"),
                "{text}"
            );
        };
        check(
            Unit::Bytes,
            50_000_000,
            Some(200_000_000),
            "ingest 25.0 %  50.0 MB of 200.0 MB  10.0 MB/s  15 s left",
        );
        check(Unit::Bytes, 0, Some(200_000_000), "ingest 0 %  0 B of 200.0 MB  0 B/s");
        check(Unit::Records, 0, Some(4_000), "ingest 0 %  0 of 4,000 records");
        check(Unit::Records, 1_000, Some(4_000), "ingest 25.0 %  1,000 of 4,000 records  15 s left");
        check(Unit::Records, 1_000, None, "ingest 1,000 records");
        check(Unit::Bytes, 50_000_000, None, "ingest 50.0 MB  10.0 MB/s");
    }
}
