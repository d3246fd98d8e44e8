//! A help desk like Freshdesk on this machine: its lists, pages, limits, headers and refusals, and how it misbehaves
//! when it is told to. A second host beside it keeps the files, as a store of signed addresses does.
//!
//! It holds what [`Knobs`] say, made from numbers when it is asked for. Its time is the [`Pace`] that it is given, so
//! that an hour under a limit takes a test no time. What was asked stands in a log.

mod answer;
mod data;
mod knobs;
mod limits;
mod real;
mod routes;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stele_http::Pace;

pub use data::Place;
pub use knobs::{Body, Fault, File, Knobs, RetryAfter, Wrong};
pub use real::Real;

use answer::Answer;
use data::Data;
use limits::Limits;
use wire::Asking;

/// Requests that the log keeps: enough for every test. The desk of a long run forgets the oldest.
const LOG_MAX: usize = 1_000_000;

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When, by the desk's time.
    pub at: Duration,
    /// Whether the host of the files was asked.
    pub files: bool,
    /// With what stands behind `?`.
    pub path: String,
    /// `Authorization`, as it came.
    pub authorization: Option<String>,
    /// What it was answered.
    pub status: u16,
    /// What it cost.
    pub credits: u32,
}

/// What every connection shares.
struct Desk {
    /// Where it listens, as it tells of itself.
    url: String,
    knobs: Knobs,
    data: Data,
    limits: Limits,
    log: Vec<Asked>,
    lists: usize,
    hits: Vec<usize>,
}

/// The running desk; it ends with the process.
#[derive(Clone)]
pub struct MockFreshdesk {
    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub url: String,
    /// Where the files are.
    pub files_url: String,
    desk: Arc<Mutex<Desk>>,
    pace: Arc<dyn Pace>,
}

impl MockFreshdesk {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// If this machine has no free port.
    pub fn start(knobs: Knobs, pace: Arc<dyn Pace>) -> Self {
        Self::start_at("127.0.0.1:0", knobs, pace).expect("a free port")
    }

    /// Starts it at this address, such as `127.0.0.1:8090`.
    ///
    /// # Errors
    /// If nobody may listen there.
    pub fn start_at(address: &str, knobs: Knobs, pace: Arc<dyn Pace>) -> std::io::Result<Self> {
        let hits = vec![0; knobs.faults.len()];
        let (api, files) = (wire::Listener::bind(address)?, wire::Listener::bind("127.0.0.1:0")?);
        let desk = Desk {
            url: api.url(),
            knobs,
            data: Data::default(),
            limits: Limits::default(),
            log: Vec::new(),
            lists: 0,
            hits,
        };
        let desk = Arc::new(Mutex::new(desk));
        let mock = Self { url: api.url(), files_url: files.url(), desk, pace };
        let (here, there) = (mock.clone(), mock.clone());
        api.serve(move |asking| here.answer(false, asking));
        files.serve(move |asking| there.answer(true, asking));
        Ok(mock)
    }

    /// What was asked so far.
    pub fn log(&self) -> Vec<Asked> {
        self.lock().log.clone()
    }

    /// How many requests there were so far, as far as the log goes back.
    pub fn count(&self) -> usize {
        self.lock().log.len()
    }

    /// Forgets what was asked.
    pub fn forget(&self) {
        self.lock().log.clear();
    }

    /// Sets something anew while it runs.
    pub fn set(&self, change: impl FnOnce(&mut Knobs)) {
        let mut desk = self.lock();
        change(&mut desk.knobs);
        desk.hits = vec![0; desk.knobs.faults.len()];
    }

    /// Changes a ticket now: it gets a new version and goes to the end of the list.
    pub fn touch(&self, ticket: u64) {
        let place = {
            let desk = self.lock();
            desk.data.state(&desk.knobs, ticket).place
        };
        self.put(ticket, place);
    }

    /// Puts a ticket into another list now.
    pub fn put(&self, ticket: u64, place: Place) {
        let passed_s = self.passed_s();
        self.lock().put(ticket, place, passed_s);
    }

    fn passed_s(&self) -> i64 {
        self.pace.now().as_secs() as i64
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, files: bool, asking: &Asking) -> Option<Answer> {
        let latency = Duration::from_millis(self.lock().knobs.latency_ms);
        if !latency.is_zero() {
            self.pace.wait(latency);
        }
        let at = self.pace.now();
        let mut desk = self.lock();
        let (answer, credits) = match files {
            true => (desk.kept(&self.files_url, asking, at), 0),
            false => desk.api(&self.files_url, asking, at),
        };
        let asked = Asked {
            at,
            files,
            path: asking.path.clone(),
            authorization: asking.header("authorization").map(str::to_owned),
            status: answer.as_ref().map_or(0, |answer| answer.status),
            credits,
        };
        if desk.log.len() >= LOG_MAX {
            desk.log.drain(..LOG_MAX / 2);
        }
        desk.log.push(asked);
        answer
    }
}

impl Desk {
    fn put(&mut self, ticket: u64, place: Place, passed_s: i64) {
        let mut moved = self.data.state(&self.knobs, ticket);
        moved.updated_s = Data::now_s(&self.knobs, passed_s);
        moved.version += 1;
        moved.place = place;
        self.data.moved.insert(ticket, moved);
    }

    /// Answers a request to the desk, and says what it cost. `None` closes the connection.
    fn api(&mut self, files_url: &str, asking: &Asking, at: Duration) -> (Option<Answer>, u32) {
        let Some(path) = asking.path.strip_prefix("/api/v2") else {
            return (Some(self.control(asking, at)), 0);
        };
        if asking.header("authorization") != Some(&wire::basic(&self.knobs.key, "X")) {
            let said = r#"{"code":"invalid_credentials","message":"You have to be logged in to perform this action."}"#;
            return (Some(Answer::json(401, said.to_owned())), 1);
        }
        let credits = routes::credits(path);
        let list = path.starts_with("/tickets?") || path == "/tickets";
        if let Err(refusal) = self.limits.admit(&self.knobs, at, credits, list) {
            return (Some(self.limits.dress(&self.knobs, at, 0, refusal)), 0);
        }
        let wrong = self.wrong(path);
        let mut answer = match wrong {
            None | Some(Wrong::NothingLeft) => self.route(path, files_url, at),
            Some(Wrong::Close) => return (None, credits),
            Some(Wrong::Limited(retry_after)) => limits::refusal(retry_after, at),
            Some(Wrong::Html(status)) => Answer::html(status),
            Some(Wrong::Nothing) => Answer::json(200, "{}".to_owned()),
            Some(Wrong::Status(status)) => routes::refusal(status),
        };
        answer = self.limits.dress(&self.knobs, at, credits, answer);
        if wrong == Some(Wrong::NothingLeft) {
            answer.headers.retain(|(name, _)| *name != "x-ratelimit-remaining");
            answer.headers.push(("x-ratelimit-remaining", "0.0".to_owned()));
        }
        if list && answer.status == 200 {
            self.lists += 1;
            if let Some((after, tickets)) = self.knobs.drift.clone()
                && self.lists == after
            {
                for ticket in tickets {
                    let place = self.data.state(&self.knobs, ticket).place;
                    self.put(ticket, place, at.as_secs() as i64);
                }
            }
        }
        (Some(answer), credits)
    }

    /// Answers a request to the host of the files. `None` closes the connection.
    fn kept(&mut self, files_url: &str, asking: &Asking, at: Duration) -> Option<Answer> {
        match self.wrong(&asking.path) {
            Some(Wrong::Close) => None,
            Some(Wrong::Status(status)) => Some(Answer::empty(status)),
            _ => Some(self.file(files_url, asking, at)),
        }
    }

    fn wrong(&mut self, path: &str) -> Option<Wrong> {
        for (fault, hits) in self.knobs.faults.iter().zip(&mut self.hits) {
            let rest = path.strip_prefix(fault.path.as_str());
            // `/tickets/1` is not the beginning of `/tickets/10`.
            if rest.is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(['/', '?', '&']) || fault.path.contains('?')
            }) {
                *hits += 1;
                if *hits > fault.after && *hits - fault.after <= fault.times {
                    return Some(fault.wrong);
                }
            }
        }
        None
    }
}
