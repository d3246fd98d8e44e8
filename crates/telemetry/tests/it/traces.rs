//! Traces in the form of OTLP, as a collector gets them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stele_telemetry::{Traces, TracesConfig};
use stele_testkit::server::{Reply, Server};
use tracing::field::Empty;
use tracing_subscriber::layer::SubscriberExt;

use crate::rig::{Seconds, impatient, pace, until};

fn traces(url: &str, instance: &str) -> Traces {
    let text = serde_json::json!({ "url": url }).to_string();
    let config = TracesConfig { http: impatient(), ..serde_json::from_str(&text).unwrap() };
    Traces::open(&config, instance, None, Arc::new(Seconds::default()), pace()).unwrap()
}

fn spans(server: &Server) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for request in server.requests() {
        assert_eq!((&*request.method, &*request.path), ("POST", "/v1/traces"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        for resource in request.body["resourceSpans"].as_array().unwrap() {
            assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "stele");
            for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
                all.insert(span["name"].as_str().unwrap().to_owned(), span.clone());
            }
        }
    }
    all
}

fn value<'a>(span: &'a Value, key: &str) -> Option<&'a Value> {
    let attributes = span["attributes"].as_array()?;
    Some(&attributes.iter().find(|attribute| attribute["key"] == key)?["value"])
}

#[test]
fn spans_are_told_as_collectors_want_them() {
    let server = Server::new(|_, _| Reply::Say(200, "", "{}".to_owned()));
    let traces = traces(&server.url, "host-1");
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let job =
            tracing::info_span!(target: "stele_test", "job", trace = "j1", records = 7_u64, error = Empty);
        job.in_scope(|| {
            tracing::info_span!(target: "stele_test", "stage", share = 0.5, last = true).in_scope(|| {
                // No span of ours, and no detail.
                tracing::info_span!(target: "hyper", "theirs").in_scope(|| {
                    tracing::debug_span!(target: "stele_test", "detail").in_scope(|| {
                        tracing::info!(target: "stele_test", "no span");
                    });
                });
            });
            job.record("error", "no room");
        });
        drop(job);
        tracing::info_span!(target: "stele_test", "alone").in_scope(|| {});
    });
    until("three are told", || traces.told().delivered == 3);
    let spans = spans(&server);
    assert_eq!(spans.keys().collect::<Vec<_>>(), ["alone", "job", "stage"]);
    let (job, stage, alone) = (&spans["job"], &spans["stage"], &spans["alone"]);
    for span in spans.values() {
        for (key, length) in [("traceId", 32), ("spanId", 16)] {
            let id = span[key].as_str().unwrap();
            assert!(id.len() == length && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{span}");
        }
        let nanos = |key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
        assert!(nanos("startTimeUnixNano") < nanos("endTimeUnixNano"), "{span}");
        assert_eq!(nanos("startTimeUnixNano") / 1_000_000_000_000, 1_800_000, "{span}");
    }
    assert_eq!((&stage["traceId"], &stage["parentSpanId"]), (&job["traceId"], &job["spanId"]));
    assert!(job.get("parentSpanId").is_none() && alone["traceId"] != job["traceId"]);
    assert_eq!((&job["status"]["code"], &job["status"]["message"]), (&2.into(), &"no room".into()));
    assert_eq!(stage["status"], serde_json::json!({}));
    assert_eq!(value(job, "records"), Some(&serde_json::json!({ "intValue": "7" })));
    assert_eq!(value(stage, "share"), Some(&serde_json::json!({ "doubleValue": 0.5 })));
    assert_eq!(value(stage, "last"), Some(&serde_json::json!({ "boolValue": true })));
}

#[test]
fn attempts_of_one_job_are_one_trace_whoever_makes_them() {
    let server = Server::new(|_, _| Reply::Say(200, "", "{}".to_owned()));
    for (instance, name) in [("host-1", "first"), ("host-2", "second")] {
        let traces = traces(&server.url, instance);
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || match name {
            "first" => drop(tracing::info_span!(target: "stele_test", "first", trace = "j1")),
            _ => drop(tracing::info_span!(target: "stele_test", "second", trace = "j1")),
        });
    }
    // The end of each waits for what is left.
    let spans = spans(&server);
    assert_eq!(spans["first"]["traceId"], spans["second"]["traceId"]);
    assert_ne!(spans["first"]["spanId"], spans["second"]["spanId"]);
}

#[test]
fn a_collector_that_is_not_there_is_counted() {
    let traces = traces("http://127.0.0.1:1", "host-1");
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        drop(tracing::info_span!(target: "stele_test", "lost"));
    });
    until("it has failed", || traces.told().failed == 1);
    assert_eq!(traces.told().delivered, 0);
}
