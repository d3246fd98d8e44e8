//! What took how long, as traces of OpenTelemetry: each span that closes becomes one of OTLP, sent in the JSON form
//! of OTLP over HTTP.
//!
//! A span whose field `trace` is set begins a trace of that name, so that all attempts at a job, in whichever
//! process, are one trace. Every other belongs to the trace of the span around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};
use stele_http::{Client, Key, Pace, Secret};
use stele_model::id::{IdHasher, to_hex};
use stele_model::{Clock, Micros};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::outbox::{Destination, Outbox, QUEUE_MAX, Told};
use crate::{TelemetryError, TracesConfig};

/// Spans of one request: some hundred kilobytes.
const BATCH_MAX: usize = 512;

/// Attributes of a span; ours have a handful.
const ATTRIBUTES_MAX: usize = 32;

/// Bytes of the value of an attribute.
const VALUE_BYTES_MAX: usize = 1_024;

/// What our spans' targets begin with. Those of the libraries below are many and nobody's business.
const OWN: &str = "stele";

/// The field that names a trace.
const TRACE: &str = "trace";

/// The field that says why what the span is about failed.
const ERROR: &str = "error";

/// Sends spans, until [`Traces::end`] or until the last of its layers and handles is gone.
#[derive(Clone)]
pub struct Traces(Arc<Inner>);

struct Inner {
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    /// What ids of this process are made of, beside a number that counts up.
    seed: Vec<u8>,
    next: AtomicU64,
    service: String,
    instance: String,
}

impl Traces {
    /// Sends them where the configuration says; `key` is what the environment has for the collector, and `instance`
    /// a name of this process that no other one has.
    ///
    /// # Errors
    ///
    /// A setting cannot be used, or there is no thread for it. Nothing is asked yet.
    pub fn open(
        config: &TracesConfig,
        instance: &str,
        key: Option<Secret>,
        clock: Arc<dyn Clock>,
        pace: Arc<dyn Pace>,
    ) -> Result<Self, TelemetryError> {
        let client = Client::new(&config.url, config.http.clone(), key.map(Key::Bearer), Arc::clone(&pace))?;
        let destination = Destination::Service {
            client: Box::new(client),
            path: "/v1/traces",
            body: request,
            batch_max: BATCH_MAX,
        };
        let outbox = Outbox::start("traces", destination, QUEUE_MAX, pace)?;
        let seed = [instance.as_bytes(), &clock.now().to_le_bytes()].concat();
        let (service, instance) = (config.service.clone(), instance.to_owned());
        Ok(Self(Arc::new(Inner { outbox, clock, seed, next: AtomicU64::new(0), service, instance })))
    }

    /// What `tracing` tells our spans to, and nothing else: what others see of them and of events stays as it is.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        TracesLayer(self.clone()).with_filter(filter_fn(is_ours))
    }

    /// Takes no more, and waits a moment for what is left. A program that ends has to say so, since what `tracing`
    /// tells its spans to stays until it is gone.
    pub fn end(&self) {
        self.0.outbox.end();
    }

    /// What became of the spans so far.
    pub fn told(&self) -> Told {
        self.0.outbox.told()
    }

    /// An id that nobody else has.
    fn id(&self) -> [u8; 16] {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        IdHasher::new("span").part(&self.0.seed).part(&number.to_le_bytes()).finish()
    }
}

/// Whether it is told.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(OWN) && *metadata.level() <= Level::INFO
}

struct TracesLayer(Traces);

/// What a span is until it closes.
struct Open {
    trace: [u8; 16],
    span: [u8; 8],
    parent: Option<[u8; 8]>,
    began: Micros,
    said: Said,
}

/// The fields of a span.
#[derive(Default)]
struct Said {
    attributes: Map<String, Value>,
    trace: Option<String>,
    error: Option<String>,
}

impl Said {
    fn put(&mut self, field: &Field, value: Value) {
        if self.attributes.len() < ATTRIBUTES_MAX || self.attributes.contains_key(field.name()) {
            self.attributes.insert(field.name().to_owned(), value);
        }
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let text = &text[..text.floor_char_boundary(VALUE_BYTES_MAX)];
        match field.name() {
            TRACE => self.trace = Some(text.to_owned()),
            ERROR => self.error = Some(text.to_owned()),
            _ => self.put(field, json!({ "stringValue": text })),
        }
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    // Whole numbers are texts in this form, since JSON's would be rounded.
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!({ "intValue": value.to_string() }));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!({ "intValue": value.to_string() }));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!({ "doubleValue": value }));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!({ "boolValue": value }));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracesLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut said = Said::default();
        attributes.record(&mut said);
        let around = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Open>().map(|open| (open.trace, open.span)));
        let new = self.0.id();
        let (trace, parent) = match (&said.trace, around) {
            (Some(name), _) => (IdHasher::new("trace").part(name.as_bytes()).finish(), None),
            (None, Some((trace, span))) => (trace, Some(span)),
            (None, None) => (new, None),
        };
        let mut own = [0; 8];
        own.copy_from_slice(&self.0.id()[..8]);
        let began = self.0.0.clock.now();
        span.extensions_mut().insert(Open { trace, span: own, parent, began, said });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.said);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else { return };
        let inner = &self.0.0;
        let ended = inner.clock.now().max(open.began);
        let attributes: Vec<Value> = open
            .said
            .attributes
            .into_iter()
            .map(|(key, value)| json!({ "key": key, "value": value }))
            .collect();
        let status = match &open.said.error {
            Some(error) => json!({ "code": 2, "message": error }),
            None => json!({}),
        };
        let mut told = json!({
            "traceId": to_hex(&open.trace),
            "spanId": to_hex(&open.span),
            "name": span.name(),
            // Internal: what asks and what answers is told by the attributes.
            "kind": 1,
            "startTimeUnixNano": nanos(open.began),
            "endTimeUnixNano": nanos(ended),
            "attributes": attributes,
            "status": status,
        });
        if let Some(parent) = open.parent {
            told["parentSpanId"] = to_hex(&parent).into();
        }
        inner.outbox.put(json!({ "resource": [inner.service, inner.instance], "span": told }));
    }
}

fn nanos(at: Micros) -> String {
    (i128::from(at) * 1_000).max(0).to_string()
}

/// One request of several spans, which are all of this process.
fn request(items: Vec<Value>) -> Value {
    let resource = items.first().map(|item| item["resource"].clone()).unwrap_or_default();
    let attribute = |key: &str, value: &Value| json!({ "key": key, "value": { "stringValue": value } });
    let spans: Vec<Value> = items.into_iter().map(|mut item| item["span"].take()).collect();
    let version = Value::from(env!("CARGO_PKG_VERSION"));
    json!({
        "resourceSpans": [{
            "resource": { "attributes": [
                attribute("service.name", &resource[0]),
                attribute("service.instance.id", &resource[1]),
                attribute("service.version", &version),
            ] },
            "scopeSpans": [{ "scope": { "name": "stele", "version": version }, "spans": spans }],
        }],
    })
}
