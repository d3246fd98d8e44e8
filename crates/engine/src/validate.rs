//! Every record of the lake against the schema of its own event, by a validator that knows nothing
//! of this program.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde::Serialize;
use serde_json::Value;
use stele_discover::render::schema::{self, SchemaOptions};
use stele_lake::scan::RecordRef;

use crate::EngineError;
use crate::engine::Engine;
use crate::progress::{Cancel, Progress, Unit, Update};
use crate::scan;

/// Invalid records that are shown; all are counted.
const EXAMPLES_MAX: usize = 10;

/// Stack of the thread that validates. The validator calls itself once or more a level of nesting;
/// records may be thousands of levels deep. Only what is used is ever backed by memory.
const STACK_BYTES: usize = 1 << 30;

/// Records between two reports of progress.
const PROGRESS_EVERY: u64 = 1_000;

/// What a validation came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ValidationReport {
    /// Records that were checked.
    pub records: u64,
    /// Of these, records that meet the schema of their event.
    pub valid: u64,
    /// Of these, records that do not.
    pub invalid: u64,
    /// Schemas, which is events.
    pub schemas: u64,
    /// The first invalid records: where they are and what is wrong.
    pub examples: Vec<String>,
}

impl Engine {
    /// Validates every record of the lake.
    ///
    /// # Errors
    ///
    /// If there is no lake or it cannot be read, or a schema is not a valid schema.
    pub fn validate_records(
        &self,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> Result<ValidationReport, EngineError> {
        let snapshot = self.snapshot()?;
        let view = self.catalogue_of(&snapshot)?.view();
        let formats = self.formats_of(&snapshot)?;
        let mut validators = BTreeMap::new();
        for event in &view.events {
            let mut text = Vec::new();
            let broken = |reason: String| EngineError::Manifest {
                path: self.data_dir().join("manifests").join("event_schemas.json"),
                reason: format!("the schema of {}: {reason}", event.name),
            };
            schema::write_event(&mut text, event, &SchemaOptions::default())
                .map_err(|error| broken(error.to_string()))?;
            let schema = json(&text).map_err(|error| broken(error.to_string()))?;
            let validator =
                jsonschema::draft202012::new(&schema).map_err(|error| broken(error.to_string()))?;
            validators.insert(event.name.clone(), validator);
        }
        let mut report = ValidationReport { schemas: validators.len() as u64, ..ValidationReport::default() };
        let total = snapshot.totals().records;
        let mut check = |row: RecordRef<'_>| {
            report.check(validators.get(row.event_type), formats.json_of(&row), || {
                format!("{}:{} ({})", row.source, row.line_no, row.event_type)
            });
            cancel.check("every record was validated")?;
            let (records, item) = (report.records, row.source.to_owned());
            if records.is_multiple_of(PROGRESS_EVERY) {
                progress.update(&Update {
                    stage: "validate",
                    item,
                    done: records,
                    total: Some(total),
                    unit: Unit::Records,
                    records,
                });
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let scan = || scan::records(&snapshot, &mut check);
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, scan);
            let thread = thread.map_err(EngineError::Thread)?;
            thread.join().map_err(|_| EngineError::WorkerLost)?
        })?;
        Ok(report)
    }
}

impl ValidationReport {
    fn check(&mut self, validator: Option<&Validator>, text: &str, place: impl Fn() -> String) {
        self.records += 1;
        let problem = match (validator, json(whole_surrogates(text).as_bytes())) {
            (None, _) => Some("its event has no schema".to_owned()),
            (_, Err(error)) => Some(error.to_string()),
            (Some(validator), Ok(record)) => validator.validate(&record).err().map(|error| error.to_string()),
        };
        match problem {
            None => self.valid += 1,
            Some(problem) => {
                self.invalid += 1;
                if self.examples.len() < EXAMPLES_MAX {
                    let problem: String = problem.chars().take(200).collect();
                    self.examples.push(format!("{}: {problem}", place()));
                }
            }
        }
    }
}

/// Parses without the library's own limit of 128 levels; [`STACK_BYTES`] is there instead.
fn json(text: &[u8]) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    serde::Deserialize::deserialize(&mut reader)
}

/// The text with every lone surrogate escape replaced by U+FFFD. They are legal JSON, but the
/// library's strings cannot hold them, and a schema says nothing about them.
fn whole_surrogates(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains("\\u") {
        return text.into();
    }
    let bytes = text.as_bytes();
    let unit = |at: usize| {
        let escape = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(escape, 16).ok()
    };
    let mut out = String::new();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(&text[copied..at]);
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            _ => at += 2,
        }
    }
    out.push_str(&text[copied..]);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::whole_surrogates;

    #[test]
    fn only_lone_surrogates_are_replaced() {
        let check = |text: &str, expect: &str| assert_eq!(whole_surrogates(text), expect);
        check(r#""\ud83d\ude00""#, r#""\ud83d\ude00""#);
        check(r#""a\ud800b""#, r#""a\ufffdb""#);
        check(r#""\udc00\ud800\ud83d\ude00""#, r#""\ufffd\ufffd\ud83d\ude00""#);
        check(r#""\\ud800""#, r#""\\ud800""#);
        check(r#""\u00e9 \n""#, r#""\u00e9 \n""#);
    }
}
