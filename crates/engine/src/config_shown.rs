//! The configuration as it may be shown: to a person who wonders what holds, or in a report of what went wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};
use stele_http::without_passwords;

use crate::EngineError;
use crate::config::Settings;

/// Variables that say more than the file does.
const VARIABLES: [&str; 8] = [
    "STELE_CONFIG",
    "STELE_DATA_DIR",
    "STELE_INDEX_ON_INGEST",
    "STELE_MODELS",
    "STELE_QUEUE",
    "STELE_THREADS",
    "STELE_TIMEZONE",
    "ENABLE_FULL_STREAMING_MODE",
];

/// Variables that are keys, beside those that the configuration names.
const KEYS: [&str; 6] = [
    "STELE_ANNOTATION_KEY",
    "STELE_EMBEDDING_KEY",
    "STELE_SINK_KEY",
    "STELE_SUMMARIES_KEY",
    "STELE_TELEMETRY_KEY",
    "STELE_TOKEN",
];

/// What is shown instead of a key.
const HIDDEN: &str = "***";

/// The file as it stands there and the variables that say more than it, with `***` for everything that is a secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownConfig {
    /// The file that was read; none where there is none.
    pub file: Option<PathBuf>,
    /// Where the lake is.
    pub data_dir: PathBuf,
    /// Variables of the environment that are set and heeded, but for those that sources name.
    pub variables: BTreeMap<String, String>,
    /// What stands in the file.
    pub settings: Value,
}

impl ShownConfig {
    /// The settings as the text of a file.
    ///
    /// # Errors
    ///
    /// If they cannot be written so, which what was read from such a file always can.
    pub fn to_toml(&self) -> Result<String, EngineError> {
        toml::to_string_pretty(&as_toml(&self.settings)).map_err(|error| self.wrong(error.to_string()))
    }

    fn wrong(&self, reason: String) -> EngineError {
        let origin = self.file.as_ref().map_or("stele.toml".to_owned(), |file| file.display().to_string());
        EngineError::Config { origin, reason }
    }
}

impl Settings {
    /// What holds, as it may be shown.
    ///
    /// # Errors
    ///
    /// If the file went away since it was read.
    pub fn shown(&self, environment: impl Fn(&str) -> Option<OsString>) -> Result<ShownConfig, EngineError> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let plain = VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), without_passwords(&set(name)?.to_string_lossy()))));
        let mut shown = ShownConfig {
            file: self.config_file.clone(),
            data_dir: self.data_dir.clone(),
            variables: plain.collect(),
            settings: Value::Object(Map::new()),
        };
        if let Some(file) = &shown.file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| shown.wrong(format!("cannot be read: {error}")))?;
            let settings: toml::Value =
                toml::from_str(&text).map_err(|error| shown.wrong(without_passwords(&error.to_string())))?;
            shown.settings = stele_collect::shown(&as_json(settings));
        }
        let mut keys = KEYS.map(str::to_owned).to_vec();
        named_keys(&shown.settings, &mut keys);
        let keys = keys.into_iter().filter(|name| set(name).is_some());
        shown.variables.extend(keys.map(|name| (name, HIDDEN.to_owned())));
        Ok(shown)
    }
}

/// Variables that a configuration names as those of keys, wherever it does.
fn named_keys(settings: &Value, names: &mut Vec<String>) {
    match settings {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(variable) if name.ends_with("_variable") => names.push(variable.to_owned()),
                    _ => named_keys(value, names),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| named_keys(value, names)),
        _ => {}
    }
}

/// A configuration as JSON. A date is a text there.
fn as_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(yes) => yes.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(as_json).collect(),
        toml::Value::Table(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, as_json(value))).collect())
        }
    }
}

/// What [`as_json`] gave, the other way round.
fn as_toml(value: &Value) -> toml::Value {
    match value {
        Value::Null => toml::Value::String(String::new()),
        Value::Bool(yes) => toml::Value::Boolean(*yes),
        Value::Number(number) => match number.as_i64() {
            Some(number) => toml::Value::Integer(number),
            None => toml::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(values) => toml::Value::Array(values.iter().map(as_toml).collect()),
        Value::Object(members) => {
            toml::Value::Table(members.iter().map(|(name, value)| (name.clone(), as_toml(value))).collect())
        }
    }
}
