//! `[telemetry]` of `stele.toml`. Without it nothing is told to anybody.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stele_http::ClientConfig;

use crate::TelemetryError;

/// The environment variable that holds the key, unless another one is named.
const KEY_VARIABLE: &str = "STELE_TELEMETRY_KEY";

/// What is told, and to whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetryConfig {
    /// What jobs read and wrote, as events of OpenLineage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<LineageConfig>,
    /// What took how long, as traces of OpenTelemetry (OTLP over HTTP, JSON).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<TracesConfig>,
}

/// Where lineage events go: to a file, or to a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageConfig {
    /// A file of JSON lines, relative to the configuration; it only grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A service; events are sent to `/api/v1/lineage` below it, such as `http://127.0.0.1:5000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The namespace of the jobs.
    #[serde(default = "namespace")]
    pub namespace: String,
    /// The environment variable that holds the key of the service.
    #[serde(default = "key_variable")]
    pub key_variable: String,
    /// How patient it is: tries, waits, time limits, the proxy.
    #[serde(default)]
    pub http: ClientConfig,
}

/// Where traces go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesConfig {
    /// A collector; spans are sent to `/v1/traces` below it, such as `http://127.0.0.1:4318`.
    pub url: String,
    /// `service.name` of what is told.
    #[serde(default = "service")]
    pub service: String,
    /// The environment variable that holds the key of the collector.
    #[serde(default = "key_variable")]
    pub key_variable: String,
    /// How patient it is: tries, waits, time limits, the proxy.
    #[serde(default)]
    pub http: ClientConfig,
}

impl TelemetryConfig {
    /// Whether everything can be used.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Config`] names the first key that cannot.
    pub fn check(&self) -> Result<(), TelemetryError> {
        let wrong =
            |setting, reason: &str| Err(TelemetryError::Config { setting, reason: reason.to_owned() });
        if let Some(lineage) = &self.lineage {
            match (&lineage.file, &lineage.url) {
                (None, None) => return wrong("lineage", "neither `file` nor `url` is set; name one of them"),
                (Some(_), Some(_)) => {
                    return wrong(
                        "lineage",
                        "`file` and `url` are two answers to one question; leave one out",
                    );
                }
                _ => {}
            }
            if lineage.namespace.is_empty() {
                return wrong("lineage.namespace", "it is empty; leave it out for `stele`");
            }
            lineage.http.check()?;
        }
        if let Some(traces) = &self.traces {
            if traces.service.is_empty() {
                return wrong("traces.service", "it is empty; leave it out for `stele`");
            }
            traces.http.check()?;
        }
        Ok(())
    }
}

fn namespace() -> String {
    "stele".to_owned()
}

fn service() -> String {
    "stele".to_owned()
}

fn key_variable() -> String {
    KEY_VARIABLE.to_owned()
}
