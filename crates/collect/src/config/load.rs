//! From a text or a table to sources: one broken entry is no reason to lose the others, and none is lost in silence.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::jsonc::plain_json;
use super::variables::missing;
use super::{Defaults, Lookup, SOURCES_MAX, Source, SourceKind, SourcesConfig, TRUST_SCORE};
use crate::limits::windows_of;
use crate::{Action, CollectError, Contract, DedupBy, Price};

/// Settings that the kinds have of their own. One that is not in the list of its kind has no effect, and a warning says so; a kind
/// without a list judges them itself.
pub type KnownKeys<'a> = &'a [(SourceKind, &'a [&'a str])];

/// Longest name of a source: it is part of names in the lake.
const ID_CHARS_MAX: usize = 100;

/// What other programs' files say about every source and is decided here by the program itself.
const NO_EFFECT: [&str; 2] = ["batch_size", "max_tokens_per_request"];

/// What a list of sources is called.
const LISTS: [&str; 2] = ["data_sources", "sources"];

/// How the date of a TOML file arrives in JSON.
const TOML_DATE: &str = "$__toml_private_datetime";

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which entry, counted from 0.
    pub index: usize,
    /// Its name, if it has one.
    pub source_id: Option<String>,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source_id.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        write!(f, "entry {} of the sources{name} cannot be used: {}", self.index + 1, self.why)
    }
}

impl SourcesConfig {
    /// Of a text in JSON, which may have comments: `{"defaults": {…}, "data_sources": […]}`, or the list alone.
    ///
    /// # Errors
    /// If it is no JSON, or no list is in it: nothing is assumed instead.
    pub fn parse(text: &str, keys: KnownKeys<'_>, lookup: Lookup<'_>) -> Result<Self, CollectError> {
        let refuse = |why: String| CollectError::Sources { why };
        let text = plain_json(text.trim_start_matches('\u{feff}'));
        let value: Value = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        let mut root = match value {
            Value::Array(entries) => return Self::of(entries, Map::new(), keys, lookup),
            Value::Object(root) => root,
            _ => return Err(refuse("it is neither an object with `data_sources` nor a list".to_owned())),
        };
        let list = LISTS.iter().find_map(|name| root.remove(*name));
        let Some(Value::Array(entries)) = list else {
            return Err(refuse("it has no list `data_sources`".to_owned()));
        };
        let defaults = match root.remove("defaults") {
            None => Map::new(),
            Some(Value::Object(defaults)) => defaults,
            Some(_) => return Err(refuse("`defaults` has to be an object".to_owned())),
        };
        // Some files have the defaults beside the list.
        root.extend(defaults);
        Self::of(entries, root, keys, lookup)
    }

    /// Of the entries of `[[sources]]` and the table of their defaults.
    ///
    /// # Errors
    /// If a default cannot be used, or there are more than [`SOURCES_MAX`] entries.
    pub fn of(
        entries: Vec<Value>,
        mut defaults: Map<String, Value>,
        keys: KnownKeys<'_>,
        lookup: Lookup<'_>,
    ) -> Result<Self, CollectError> {
        if entries.len() > SOURCES_MAX {
            let why = format!("there are {} sources; {SOURCES_MAX} are the most", entries.len());
            return Err(CollectError::Sources { why });
        }
        let mut config = Self::default();
        let known = serde_json::to_value(Defaults::default()).map_err(CollectError::Unwritable)?;
        defaults.retain(|name, _| {
            let is_known = known.get(name).is_some();
            if !is_known {
                config.warnings.push(no_effect("defaults", name));
            }
            is_known
        });
        let cache_ttl_set = defaults.contains_key("cache_ttl_seconds");
        config.defaults = serde_json::from_value(Value::Object(defaults))
            .map_err(|error| CollectError::Sources { why: format!("defaults: {error}") })?;
        config.defaults.cache_ttl_set = cache_ttl_set;
        for (index, entry) in entries.into_iter().enumerate() {
            let entry = plain(entry);
            let name = ["source_id", "id"].iter().find_map(|name| entry.get(name)?.as_str());
            let source_id = name.map(str::to_owned);
            match config.entry(index, entry, keys, lookup) {
                Ok(source) => config.sources.push(source),
                Err(why) => config.problems.push(Problem { index, source_id, why }),
            }
        }
        Ok(config)
    }

    fn entry(
        &mut self,
        index: usize,
        entry: Value,
        keys: KnownKeys<'_>,
        lookup: Lookup<'_>,
    ) -> Result<Source, String> {
        let Value::Object(mut entry) = entry else {
            return Err("it is no object".to_owned());
        };
        let id: String = take(&mut entry, &["source_id", "id"])?.ok_or("`source_id` is missing")?;
        let is_name = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.chars().count() > ID_CHARS_MAX || !id.chars().all(is_name) {
            return Err(format!(
                "`source_id` has to be 1 to {ID_CHARS_MAX} letters, digits, `-`, `_` and `.`"
            ));
        }
        if self.sources.iter().any(|source| source.id == id) {
            return Err("another source has the same `source_id`".to_owned());
        }
        let kind: String =
            take(&mut entry, &["source_type", "type", "kind"])?.ok_or("`source_type` is missing")?;
        let kind = SourceKind::parse(&kind).ok_or_else(|| {
            let names: Vec<&str> = SourceKind::NAMES.iter().map(|(kind, _)| kind.name()).collect();
            format!("there is no `source_type` {kind}; there are {}", names.join(", "))
        })?;
        let enabled = take(&mut entry, &["enabled"])?.unwrap_or(true);
        let priority = take(&mut entry, &["priority"])?.unwrap_or(1);
        let tenant_id = take(&mut entry, &["tenant_id"])?;
        let trust_score = take(&mut entry, &["trust_score"])?.unwrap_or(TRUST_SCORE);
        if !(0.0..=1.0).contains(&trust_score) {
            return Err(format!("`trust_score` is {trust_score}; it has to be between 0 and 1"));
        }
        let allow_insecure = take(&mut entry, &["allow_insecure"])?.unwrap_or(false);
        let (cache_ttl, cache_ttl_set) = self.cache_ttl(&mut entry)?;
        let source = Source {
            index,
            allow_insecure,
            schema: self.schema(&mut entry)?,
            dedup: take::<DedupBy>(&mut entry, &["dedup"])?.unwrap_or_default(),
            rate_limit: match entry.remove("rate_limit") {
                None => self.defaults.windows(),
                Some(value) => windows_of(&value).map_err(|why| format!("`rate_limit`: {why}"))?,
            },
            cost: self.price(&mut entry)?,
            cache_ttl,
            cache_ttl_set,
            settings: self.settings(&id, kind, entry, keys),
            id,
            kind,
            enabled,
            priority,
            tenant_id,
            trust_score,
        };
        let missing = missing(&Value::Object(source.settings.clone()), lookup);
        if enabled && !missing.is_empty() {
            let (is, it) = if missing.len() == 1 { ("is", "it") } else { ("are", "them") };
            return Err(format!("{} {is} not set in the environment; set {it}", missing.join(", ")));
        }
        Ok(source)
    }

    fn schema(&self, entry: &mut Map<String, Value>) -> Result<Contract, String> {
        let given: Option<Contract> = take(entry, &["schema"])?;
        if !self.defaults.validate_schema {
            return Ok(Contract::default());
        }
        let mut contract = given.unwrap_or_default();
        if !self.defaults.filter_invalid_data && contract.missing == Action::DiscardRow {
            contract.missing = Action::Freeze;
        }
        Ok(contract)
    }

    fn price(&self, entry: &mut Map<String, Value>) -> Result<Price, String> {
        let price: Price = take(entry, &["cost"])?.unwrap_or_default();
        let day_tokens_max = price.day_tokens_max.or(self.defaults.max_total_tokens_per_day);
        Ok(Price { day_tokens_max, ..price })
    }

    /// How long answers are used again, and whether somebody chose that time.
    fn cache_ttl(&self, entry: &mut Map<String, Value>) -> Result<(Option<Duration>, bool), String> {
        let is_set = self.defaults.cache_ttl_set;
        let default = Duration::from_secs(self.defaults.cache_ttl_seconds);
        match entry.remove("cache") {
            None => Ok((self.defaults.enable_cache.then_some(default), is_set)),
            Some(Value::Bool(cache)) => Ok((cache.then_some(default), is_set)),
            Some(value) => {
                super::duration::duration_of(&value).map(|ttl| (Some(ttl), true)).ok_or_else(|| {
                    "`cache` has to be true, false or a stretch of time such as \"10m\"".to_owned()
                })
            }
        }
    }

    /// What is left of an entry is for its kind.
    fn settings(
        &mut self,
        id: &str,
        kind: SourceKind,
        mut entry: Map<String, Value>,
        keys: KnownKeys<'_>,
    ) -> Map<String, Value> {
        let known = keys.iter().find(|(of, _)| *of == kind).map(|(_, keys)| *keys);
        entry.retain(|name, _| {
            let has = !NO_EFFECT.contains(&name.as_str())
                && name != "token_usage_tracking"
                && known.is_none_or(|keys| keys.contains(&name.as_str()));
            // Tokens are always counted.
            if !has && name != "token_usage_tracking" {
                self.warnings.push(no_effect(&format!("source {id}"), name));
            }
            has
        });
        entry
    }
}

fn no_effect(of: &str, name: &str) -> String {
    match NO_EFFECT.contains(&name) {
        true => format!("{of}: `{name}` has no effect: the program chooses it by itself"),
        false => format!("{of}: `{name}` has no effect: nothing has this name; is it misspelt?"),
    }
}

/// Takes the first of these members out.
fn take<T: DeserializeOwned>(entry: &mut Map<String, Value>, names: &[&str]) -> Result<Option<T>, String> {
    for name in names {
        if let Some(value) = entry.remove(*name) {
            return match value {
                Value::Null => Ok(None),
                value => {
                    serde_json::from_value(value).map(Some).map_err(|error| format!("`{name}`: {error}"))
                }
            };
        }
    }
    Ok(None)
}

/// Dates of TOML as texts.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(mut members) => match members.remove(TOML_DATE) {
            Some(date) => date,
            None => {
                members.into_iter().map(|(name, value)| (name, plain(value))).collect::<Map<_, _>>().into()
            }
        },
        Value::Array(elements) => elements.into_iter().map(plain).collect(),
        other => other,
    }
}
