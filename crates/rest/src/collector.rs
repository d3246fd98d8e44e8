//! A REST source as every collector is driven: tried, asked what it has, and collected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use stele_collect::{
    Batcher, Budget, Checked, CircuitBreaker, CollectError, Collected, Collector, Cursors, DedupBy, Means,
    Outcome, RateLimiter, ResponseCache, Sink, Source, StreamInfo, ValueType,
};
use stele_http::{Client, Pace, Secret, is_exposed, shown_address};
use url::Url;

use crate::auth::Authority;
use crate::config::{Auth, RestConfig};
use crate::cursor::State;
use crate::hidden::unshown;
use crate::resource::{Context, Resource, resources};
use crate::run::{Above, Run};
use crate::select::Record;
use crate::service::{Moment, Service};
use crate::state::StreamState;
use crate::walk::{Common, Walked, walk};

/// Settings that are sent. What is looked up for them may be a key, wherever it stands.
const SENT: [&str; 5] = ["headers", "params", "path", "body", "resources"];

/// Parts of the name of a header that say that its value is a key, wherever it came from.
const KEY_HEADERS: [&str; 8] =
    ["auth", "cookie", "credential", "key", "password", "secret", "session", "token"];

/// What several sources share, or what lies on disk: made by whoever runs them.
#[derive(Debug, Clone, Default)]
pub struct Shared {
    /// What calls may cost. Nothing is counted without it.
    pub budget: Option<Arc<Budget>>,
    /// Where answers are kept. None is without it.
    pub cache: Option<Arc<ResponseCache>>,
    /// The limiter of the account, if another source speaks to the same one.
    pub limiter: Option<Arc<RateLimiter>>,
}

/// A REST source.
pub struct RestCollector {
    source: Source,
    service: Service,
    common: Common,
    resources: Vec<Resource>,
    workers: usize,
}

impl RestCollector {
    /// Of a source and its settings. Nothing is asked yet.
    ///
    /// # Errors
    /// If the settings make no sense; the text says what would.
    pub fn new(
        source: Source,
        mut config: RestConfig,
        shared: Shared,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, CollectError> {
        let refuse = |why: String| CollectError::Config { source_id: source.id.clone(), why };
        let base = Url::parse(&config.base_url)
            .ok()
            .filter(|url| ["http", "https"].contains(&url.scheme()) && url.host_str().is_some())
            // It is not repeated: it may hold a password.
            .ok_or_else(|| refuse("`base_url` is no address such as https://api.example/v1".to_owned()))?;
        if let Auth::Oauth2(oauth2) = &config.auth
            && Url::parse(&oauth2.token_url).is_err()
        {
            return Err(refuse("`token_url` is no address such as https://login.example/token".to_owned()));
        }
        if let Some(where_to) = exposed(&source, &config, &base) {
            return Err(refuse(format!(
                "its key would go to {where_to}, over which everybody reads it; use https, or set allow_insecure = true"
            )));
        }
        config.retry.max = config.retry.max.max(1);
        let client = Client::new(&config.base_url, config.http, None, pace)
            .map_err(|error| refuse(error.to_string()))?;
        let variables: Vec<String> =
            ["auth", "headers"].iter().flat_map(|setting| source.variables_of(setting)).collect();
        let variable = match variables.first() {
            Some(name) => name.clone(),
            None => "its `auth`".to_owned(),
        };
        let of_resources = config.resources.iter().flat_map(|resource| resource.headers.values());
        let addresses: Vec<&str> = config.resources.iter().map(|resource| resource.path.as_str()).collect();
        let addresses = [vec![config.base_url.as_str()], addresses].concat();
        let parts = config.secrets.iter().flat_map(|value| unshown(value, &base, &addresses));
        let who = [base.username(), base.password().unwrap_or_default()].map(Secret::new);
        let hidden = config.headers.values().chain(of_resources).cloned().chain(parts).chain(who).collect();
        let hosts_alone = has_looked_up_address(&source);
        let authority = Authority::new(config.auth, hidden, &source.id, variable, hosts_alone);
        let own =
            || Arc::new(RateLimiter::new(&source.rate_limit).with_wait_max(config.retry.max_total_wait));
        let limiters = match (&shared.limiter, authority.identities()) {
            (Some(limiter), 1) => vec![Arc::clone(limiter)],
            (_, identities) => (0..identities).map(|_| own()).collect(),
        };
        Ok(Self {
            service: Service {
                source_id: source.id.clone(),
                client,
                authority,
                limiters,
                breaker: CircuitBreaker::default(),
                budget: shared.budget,
                price: source.cost.clone(),
                cache: shared.cache,
                retry: config.retry,
                calls: AtomicU64::new(0),
                cached: AtomicU64::new(0),
                spent_level: AtomicU64::new(0),
            },
            common: Common { base, hosts: config.hosts, headers: config.headers, params: config.params },
            resources: resources(config.resources).map_err(refuse)?,
            workers: config.workers,
            source,
        })
    }

    /// The first page of a resource.
    fn first_page(
        &self,
        resource: &Resource,
        context: &Context,
        means: &Means<'_>,
    ) -> Result<(Vec<Record>, Walked), CollectError> {
        let moment = Moment::of(means, means.cancelled);
        let mut first = Vec::new();
        let mut emit = |records: Vec<Record>, _| {
            first = records;
            false
        };
        let walked =
            walk(&self.service, &self.common, resource, context, &State::default(), &moment, &mut emit);
        match walked {
            Ok(walked) => Ok((first, walked)),
            Err(CollectError::Enough) => Ok((first, Walked::default())),
            Err(error) => Err(error),
        }
    }

    /// Whether every resource without a parent answers.
    fn checked(&self, means: &Means<'_>) -> Result<Checked, CollectError> {
        let mut checked = Checked::default();
        let (mut is_any_given, mut refused) = (false, None);
        for resource in self.resources.iter().filter(|resource| resource.parent.is_none()) {
            let name = &resource.config.name;
            let (records, walked) = self.first_page(resource, &Context::default(), means)?;
            match &walked.forbidden {
                Some(why) => refused = refused.or_else(|| Some(format!("{name}: {why}"))),
                None => is_any_given = true,
            }
            checked.notes.push(match (walked.forbidden, walked.nothing) {
                (Some(why), _) => format!("{name} is not given: {why}"),
                (None, Some(why)) => format!("{name} has nothing: {why}"),
                (None, None) => {
                    format!("{name} answers, with {} new records on its first page", records.len())
                }
            });
        }
        if let Some(first) = refused.filter(|_| !is_any_given) {
            return Err(CollectError::Config {
                source_id: self.source.id.clone(),
                why: format!(
                    "none of its streams can be had; {first}; it needs a permission that the key does not have"
                ),
            });
        }
        checked.notes.extend(self.resources.iter().filter_map(|resource| self.doubled(resource)));
        checked.notes.push(format!("{} is reached", self.service.shown(&self.common.base)));
        Ok(checked)
    }

    /// What is said of a resource whose records nothing tells from those of the run before.
    fn doubled(&self, resource: &Resource) -> Option<String> {
        let config = &resource.config;
        let is_told =
            !config.key.is_empty() || config.incremental.is_some() || self.source.dedup != DedupBy::Nothing;
        (!is_told).then(|| {
            format!(
                "{}: it has no `key`, so each run keeps all of its records again; say by `key` what identifies one, or set dedup = \"content\"",
                config.name
            )
        })
    }

    /// Does something without what is kept, which says nothing of what the service has now.
    fn anew<T>(&mut self, work: impl FnOnce(&Self) -> T) -> T {
        let cache = self.service.cache.take();
        let done = work(self);
        self.service.cache = cache;
        done
    }

    /// Whether anything below a resource failed, so that it has to be met again.
    fn is_held_back(&self, at: usize, failed: &BTreeSet<usize>) -> bool {
        let mut below = failed.iter().filter(|index| **index != at);
        below.any(|index| {
            let mut above = self.resources[*index].parent;
            while let Some(parent) = above {
                if parent == at {
                    return true;
                }
                above = self.resources[parent].parent;
            }
            false
        })
    }

    /// Sets the cursors that had to wait until the children were read.
    fn let_go(
        &self,
        held: BTreeMap<usize, StreamState>,
        failed: &BTreeSet<usize>,
        collected: &mut Collected,
        sink: &mut dyn Sink,
    ) -> Result<(), CollectError> {
        for (at, state) in held {
            let name = &self.resources[at].config.name;
            if self.is_held_back(at, failed) {
                collected.notes.push(format!(
                    "{name} is read again by the next run, from where this one began: what is below it did not come to its end"
                ));
                continue;
            }
            let mut batcher = Batcher::new(name.clone());
            batcher.reached(state.value()?, sink)?;
            batcher.flush(sink)?;
        }
        Ok(())
    }

    /// What the first page of each resource shows.
    fn discovered(&self, means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError> {
        let mut firsts: Vec<Option<Context>> = Vec::new();
        let mut streams = Vec::new();
        for resource in &self.resources {
            // One of those above is enough to see what is below.
            let context = match resource.parent {
                None => Some(Context::default()),
                Some(parent) => firsts[parent].clone(),
            };
            let records = match &context {
                None => Vec::new(),
                Some(context) => self.first_page(resource, context, means)?.0,
            };
            let first = context.zip(records.first());
            firsts.push(first.and_then(|(context, record)| resource.below(&context, &record.value).ok()));
            streams.push(StreamInfo {
                name: resource.config.name.clone(),
                key: resource.config.key.clone(),
                cursor: resource.config.incremental.as_ref().map(|incremental| incremental.cursor.clone()),
                fields: fields(&records),
            });
        }
        Ok(streams)
    }

    /// Collects every resource, each after its parent.
    fn gathered(
        &self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError> {
        // What was asked for before, by a check, is not of this run.
        self.finished(Collected::default());
        let run = Run {
            source: &self.source,
            service: &self.service,
            common: &self.common,
            workers: self.workers,
            means,
        };
        let mut collected = Collected::default();
        let mut below: BTreeMap<usize, Vec<Context>> = BTreeMap::new();
        let (mut held, mut failed, mut whole) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for (at, resource) in self.resources.iter().enumerate() {
            let contexts = match resource.parent {
                None => vec![Context::default()],
                Some(parent) => below.get(&parent).cloned().unwrap_or_default(),
            };
            let above = Above {
                parent: resource.parent.map(|parent| &self.resources[parent]),
                contexts: &contexts,
                is_whole: resource.parent.is_none_or(|parent| whole.contains(&parent)),
            };
            let since = from.get(&resource.config.name);
            let mut streamed = match run.stream(resource, &above, since.as_ref(), sink) {
                Ok(streamed) => streamed,
                // A preview is full.
                Err(CollectError::Enough) => return Ok(self.finished(collected)),
                Err(error) => {
                    self.finished(collected);
                    return Err(error);
                }
            };
            // Nobody could be asked for: whoever reads `ok` would take it for empty.
            if let Some(parent) = resource.parent
                && contexts.is_empty()
                && matches!(streamed.outcome.outcome, Outcome::Ok)
                && matches!(collected.streams[parent].outcome, Outcome::Unavailable { .. })
            {
                let reason = format!("{} is not given", self.resources[parent].config.name);
                streamed.outcome.outcome = Outcome::Unavailable { reason };
            }
            if matches!(streamed.outcome.outcome, Outcome::Failed { .. }) {
                failed.insert(at);
            }
            if streamed.is_whole {
                whole.insert(at);
            }
            held.extend(streamed.held.map(|state| (at, state)));
            below.insert(at, streamed.below);
            collected.notes.extend(streamed.notes);
            collected.notes.extend(self.doubled(resource).filter(|_| streamed.outcome.records > 0));
            collected.unavailable_more += streamed.unavailable_more;
            collected.streams.push(streamed.outcome);
        }
        match self.let_go(held, &failed, &mut collected, sink) {
            Ok(()) | Err(CollectError::Enough) => Ok(self.finished(collected)),
            Err(error) => Err(error),
        }
    }

    fn finished(&self, mut collected: Collected) -> Collected {
        collected.calls = self.service.calls.swap(0, Ordering::Relaxed);
        let cached = self.service.cached.swap(0, Ordering::Relaxed);
        if cached > 0 {
            collected.notes.push(format!("{cached} pages were known from before and not sent again"));
        }
        let level = match self.service.spent_level.swap(0, Ordering::Relaxed) {
            0 => return collected,
            1 => "70 %",
            _ => "90 %",
        };
        collected
            .notes
            .push(format!("source {}: more than {level} of what it may cost is spent", self.source.id));
        collected
    }
}

impl Collector for RestCollector {
    fn check(&mut self, means: &Means<'_>) -> Result<Checked, CollectError> {
        self.anew(|this| this.checked(means))
    }

    fn discover(&mut self, means: &Means<'_>) -> Result<Vec<StreamInfo>, CollectError> {
        self.anew(|this| this.discovered(means))
    }

    fn collect(
        &mut self,
        from: &Cursors,
        sink: &mut dyn Sink,
        means: &Means<'_>,
    ) -> Result<Collected, CollectError> {
        if !sink.keeps() {
            return self.anew(|this| this.gathered(from, sink, means));
        }
        let collected = self.gathered(from, sink, means)?;
        let is_failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        // A run that goes on where this one stopped is spared what this one was told.
        if let Some(cache) = &self.service.cache
            && collected.streams.len() == self.resources.len()
            && !collected.streams.iter().any(|stream| is_failed(&stream.outcome))
        {
            cache.ended(means.clock.now());
        }
        Ok(collected)
    }
}

/// Where a key would go that everybody on the way can read, unless that is allowed or there is none.
fn exposed(source: &Source, config: &RestConfig, base: &Url) -> Option<String> {
    if source.allow_insecure {
        return None;
    }
    let of_resources = config.resources.iter().flat_map(|resource| resource.headers.keys());
    let is_secret = !matches!(config.auth, Auth::None)
        || config.headers.keys().chain(of_resources).any(|name| is_key(name))
        || !base.username().is_empty()
        || base.password().is_some()
        || SENT.iter().any(|setting| !source.variables_of(setting).is_empty())
        || is_looked_up(source);
    let token_url = match &config.auth {
        Auth::Oauth2(oauth2) => Some(oauth2.token_url.clone()),
        _ => None,
    };
    // Other hosts are asked as the first one is.
    let hosts = config.hosts.iter().map(|host| format!("{}://{host}", base.scheme()));
    let mut all = [base.to_string()].into_iter().chain(hosts).chain(token_url);
    let exposed = all.find(|url| is_secret && is_exposed(url))?;
    // Without its path: the key may stand there.
    let host =
        Url::parse(&exposed).map_or_else(|_| exposed.clone(), |url| url.origin().ascii_serialization());
    Some(shown_address(&host))
}

/// Whether a header of this name has a key for its value.
fn is_key(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    KEY_HEADERS.iter().any(|part| header.contains(part))
}

/// Whether anything of the address is looked up that may be a key: all of it but the host, which is no secret to anybody.
fn is_looked_up(source: &Source) -> bool {
    let shown = source.shown_settings();
    ["endpoint", "base_url"].iter().filter_map(|name| shown.get(*name)?.as_str()).any(|address| {
        let sent = match address.strip_prefix("http://") {
            Some(rest) => rest.find(['/', '?']).map_or("", |at| &rest[at..]),
            None => address,
        };
        sent.contains("${")
    })
}

/// Whether anything of an address that is asked is looked up: nobody knows then which part of it is a key.
fn has_looked_up_address(source: &Source) -> bool {
    let shown = source.shown_settings();
    let of_resources = shown["resources"].as_array().into_iter().flatten().map(|resource| &resource["path"]);
    let own = [&shown["endpoint"], &shown["base_url"], &shown["path"], &shown["auth"]["token_url"]];
    let mut all = own.into_iter().chain(of_resources).filter_map(Value::as_str);
    all.any(|address| address.contains("${"))
}

/// Names of members and what they are, by a page of records.
fn fields(records: &[Record]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, BTreeSet<&'static str>)> = Vec::new();
    for (name, value) in records.iter().filter_map(|record| record.value.as_object()).flatten() {
        let kind = match ValueType::of(value) {
            None => "null",
            Some(ValueType::Boolean) => "boolean",
            Some(ValueType::Integer) => "integer",
            Some(ValueType::Number) => "number",
            Some(ValueType::String) => "string",
            Some(ValueType::Object) => "object",
            Some(ValueType::Array) => "array",
        };
        match fields.iter_mut().find(|(known, _)| known == name) {
            Some((_, kinds)) => {
                kinds.insert(kind);
            }
            None => fields.push((name.clone(), [kind].into())),
        }
    }
    let joined = |kinds: BTreeSet<&'static str>| kinds.into_iter().collect::<Vec<_>>().join(" or ");
    fields.into_iter().map(|(name, kinds)| (name, joined(kinds))).collect()
}
