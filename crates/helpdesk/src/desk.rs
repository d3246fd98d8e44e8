//! A help desk as a source: tried, described, collected.

use std::sync::Arc;

use stele_collect::{Checked, CollectError, Collected, Collector, Cursors, Means, Sink, StreamInfo};
use stele_http::{Client, ClientConfig, HttpError, shown_address};

use crate::HelpdeskError;
use crate::attachments::{Downloads, Extract, Texts};
use crate::caller::Caller;
use crate::config::{HelpdeskConfig, PlatformKind, Resolved};
use crate::freshdesk::{Freshdesk, Labels};
use crate::issues::GithubIssues;
use crate::platform::{Account, Platform};
use crate::rate::Start;
use crate::run::{Run, SoFar};

/// What is collected if nobody says what is to be, beside the usual lists.
const USUAL: [&str; 3] = ["tickets", "conversations", "articles"];

/// A help desk that can be collected from.
pub struct Helpdesk {
    source: String,
    config: HelpdeskConfig,
    resolved: Resolved,
    platform: Box<dyn Platform>,
    labels: Labels,
    wanted: Vec<String>,
    extract: Arc<dyn Extract>,
    texts: Arc<dyn Texts>,
}

impl Helpdesk {
    /// With the name that the source has in its configuration, and variables from `lookup`.
    ///
    /// # Errors
    /// [`CollectError::Config`] names what cannot be used, and what would do.
    pub fn new(
        source: &str,
        config: HelpdeskConfig,
        lookup: &dyn Fn(&str) -> Option<String>,
        extract: Arc<dyn Extract>,
        texts: Arc<dyn Texts>,
    ) -> Result<Self, CollectError> {
        let platform: Box<dyn Platform> = match config.platform {
            PlatformKind::Freshdesk => Box::new(match &config.include {
                Some(include) => Freshdesk { include: include.clone(), ..Freshdesk::default() },
                None => Freshdesk::default(),
            }),
            PlatformKind::GithubIssues => Box::new(GithubIssues),
        };
        Self::with(source, config, lookup, extract, texts, platform)
    }

    /// The same for a help desk that is not built in.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with(
        source: &str,
        config: HelpdeskConfig,
        lookup: &dyn Fn(&str) -> Option<String>,
        extract: Arc<dyn Extract>,
        texts: Arc<dyn Texts>,
        platform: Box<dyn Platform>,
    ) -> Result<Self, CollectError> {
        let resolved = config.resolve(source, lookup)?;
        let labels = Labels {
            status_words: config.words(source, &config.status)?,
            priority_words: config.words(source, &config.priority)?,
            ..Labels::default()
        };
        let wanted = wanted(source, &config, &*platform)?;
        Ok(Self { source: source.to_owned(), config, resolved, platform, labels, wanted, extract, texts })
    }

    fn client(&self, means: &Means<'_>) -> Result<Client, CollectError> {
        // Limits and tries are the caller's business.
        let http = ClientConfig { requests_per_minute_max: None, tries_max: 1, ..self.config.http.clone() };
        let key = self.platform.key(self.resolved.key.clone());
        Client::new(&self.resolved.base, http, Some(key), Arc::clone(&means.pace))
            .map_err(|error| CollectError::Config { source_id: self.source.clone(), why: error.to_string() })
    }

    fn start(&self) -> Start {
        let (start, rate) = (self.platform.start(), &self.config.rate);
        Start {
            credits: rate.credits_per_minute.unwrap_or(start.credits),
            lists: rate.lists_per_minute.unwrap_or(start.lists),
            lists_set: rate.lists_per_minute.is_some(),
            reserve: rate.reserve,
            span_ms: start.span_ms,
        }
    }

    fn caller<'a>(&'a self, client: &'a Client, means: &Means<'a>) -> Caller<'a> {
        Caller::new(client, &*self.platform, self.start(), self.config.retry, means)
    }

    /// What a failure means that concerns the whole desk.
    fn ended(&self, asked: &str, error: HelpdeskError) -> CollectError {
        let what = || format!("source {}: it does not say {asked}", self.source);
        let http = |source| CollectError::Http { what: what(), source };
        let service = shown_address(&self.resolved.base);
        match error {
            HelpdeskError::Cancelled => CollectError::Cancelled,
            HelpdeskError::Refused { status: 401, said, .. } => CollectError::Credentials {
                source_id: self.source.clone(),
                variable: self.resolved.key_from.clone(),
                said,
            },
            HelpdeskError::Unreachable { source, .. } => http(source),
            HelpdeskError::Failed { status, tries, said, .. } => {
                http(HttpError::Busy { service, status, reason: said, tries })
            }
            HelpdeskError::Waited { .. } => {
                http(HttpError::Busy { service, status: 429, reason: error.to_string(), tries: 1 })
            }
            HelpdeskError::GivenUp { failures, .. } => {
                http(HttpError::Unreachable { service, reason: error.to_string(), tries: failures })
            }
            other => CollectError::Answer { what: what(), why: other.in_full() },
        }
    }

    /// What the account calls its states. Without it states have words all the same.
    fn account(&self, caller: &Caller<'_>, notes: &mut Vec<String>) -> Result<Account, HelpdeskError> {
        let mut labels = self.labels.clone();
        if let Some(question) = self.platform.fields() {
            match caller.value(&question) {
                Ok(fields) => {
                    let read = Labels::read(&fields);
                    labels = Labels { status: read.status, priority: read.priority, source: read.source, ..labels };
                }
                Err(error) if error.of_one_thing() => notes.push(format!(
                    "the names of states and sources cannot be read ({error}); those of the account's own are custom_ and their code"
                )),
                Err(error) => return Err(error),
            }
        }
        Ok(Account { tenant: self.config.tenant_id.clone(), labels })
    }

    fn streams(run: &mut Run<'_>) -> Result<(), CollectError> {
        if run.wants("tickets") {
            run.all_tickets()?;
        }
        if run.wants("articles") && run.platform.has_articles() {
            run.stream("articles", "articles", Run::articles)?;
        }
        for list in run.platform.lists() {
            if run.wants(list.stream) {
                run.stream(list.stream, list.stream, |run| run.list(*list))?;
            }
        }
        Ok(())
    }
}

impl Collector for Helpdesk {
    fn check(&mut self, means: &Means<'_>) -> Result<Checked, CollectError> {
        let client = self.client(means)?;
        let caller = self.caller(&client, means);
        let said =
            caller.value(&self.platform.me()).map_err(|error| self.ended("who one is there", error))?;
        let mut checked = Checked { identity: self.platform.identity(&said), notes: Vec::new() };
        self.account(&caller, &mut checked.notes)
            .map_err(|error| self.ended("what its states are called", error))?;
        Ok(checked)
    }

    fn discover(&mut self, _means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError> {
        let info = |name: &str, cursor: Option<&str>| StreamInfo {
            name: name.to_owned(),
            key: vec!["id".to_owned()],
            cursor: cursor.map(str::to_owned),
            fields: Vec::new(),
        };
        let mut streams: Vec<StreamInfo> =
            self.platform.passes().iter().map(|pass| info(pass.stream, Some("updated_at"))).collect();
        streams.push(info("conversations", Some("updated_at")));
        streams.push(info("attachments", Some("updated_at")));
        if self.platform.has_articles() {
            streams.push(info("articles", None));
        }
        let lists = self.platform.lists().iter();
        streams.extend(lists.map(|list| info(list.stream, list.since.map(|(_, field)| field))));
        Ok(streams)
    }

    fn collect(
        &mut self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError> {
        let client = self.client(means)?;
        let caller = self.caller(&client, means);
        let downloads = Downloads::new(&*self.extract, &*self.texts, self.config.allow_insecure);
        let mut run = Run {
            source: &self.source,
            config: &self.config,
            platform: &*self.platform,
            caller: &caller,
            downloads: &downloads,
            account: Account { tenant: self.config.tenant_id.clone(), labels: self.labels.clone() },
            from,
            start: self.resolved.start,
            means,
            sink,
            wanted: self.wanted.clone(),
            notes: Vec::new(),
            so_far: SoFar::default(),
        };
        if run.wants("tickets") {
            match means.fetching.time(|| self.account(&caller, &mut run.notes)) {
                Ok(account) => run.account = account,
                Err(error) if error.may_pass() => {
                    let note = format!("the names of states cannot be read now ({})", error.in_full());
                    run.notes.push(note);
                }
                Err(error) => return Err(self.ended("what its states are called", error)),
            }
        }
        match Self::streams(&mut run) {
            // A preview that is full, and a run that came to its end.
            Ok(()) | Err(CollectError::Enough) => Ok(run.end()),
            Err(error) => Err(error),
        }
    }
}

/// The streams that are collected.
fn wanted(
    source: &str,
    config: &HelpdeskConfig,
    platform: &dyn Platform,
) -> Result<Vec<String>, CollectError> {
    let Some(streams) = &config.streams else {
        let lists = platform.lists().iter().filter(|list| list.usual).map(|list| list.stream);
        return Ok(USUAL.into_iter().chain(lists).map(str::to_owned).collect());
    };
    let bad = |why: String| CollectError::Config { source_id: source.to_owned(), why };
    let mut known = vec!["tickets", "conversations", "attachments"];
    known.extend(platform.has_articles().then_some("articles"));
    known.extend(platform.lists().iter().map(|list| list.stream));
    if let Some(unknown) = streams.iter().find(|stream| !known.contains(&stream.as_str())) {
        let known = known.join(", ");
        return Err(bad(format!("it has no stream {unknown:?}; there are {known}")));
    }
    let with_tickets = ["conversations", "attachments"];
    let has = |name: &str| streams.iter().any(|stream| stream == name);
    if let Some(stream) = with_tickets.iter().find(|stream| has(stream) && !has("tickets")) {
        return Err(bad(format!("{stream} come with tickets; add \"tickets\" to streams")));
    }
    Ok(streams.clone())
}
