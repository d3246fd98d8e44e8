//! What rows of help desks hold beside their keys, as the configuration says it.

use serde_json::Value;
use stele_collect::SourceKind;
use stele_helpdesk::Mode;
use stele_lake::sql::ObjectRows;

use super::listed;
use super::summarising::summary_files;
use crate::engine::Engine;

impl Engine {
    /// Up to how many objects rows of each source hold what they say. A list that cannot be read, and a mode that
    /// nobody knows, show keys alone: what was not to be shown is not shown by a slip of the pen.
    pub fn object_rows(&self) -> ObjectRows {
        let settings = self.settings();
        if let Some(rows) = &settings.object_rows {
            return rows.clone();
        }
        let usual =
            settings.streaming_flag.as_deref().map_or(Mode::default(), |flag| Mode::of_flag(Some(flag)));
        let summaries = summary_files(self);
        let keys = ObjectRows { content_max_else: 0, summaries, ..ObjectRows::default() };
        // What stands in variables is no matter here.
        let Ok(config) = listed(settings, &|_| Some(String::new())) else { return keys };
        let mut rows = ObjectRows { content_max_else: usual.content_max().unwrap_or(0), ..keys };
        for source in config.sources.iter().filter(|source| is_desk(source.kind)) {
            let mode = match source.shown_settings().get("mode") {
                None => usual,
                Some(said) => serde_json::from_value(Value::clone(said)).unwrap_or(Mode::VectorOnly),
            };
            rows.content_max.insert(source.id.clone(), mode.content_max().unwrap_or(0));
        }
        // An entry that cannot be used says nothing of its mode.
        for id in config.problems.iter().filter_map(|problem| problem.source_id.clone()) {
            rows.content_max.entry(id).or_insert(0);
        }
        rows
    }
}

/// Whether sources of this kind are help desks.
pub(super) fn is_desk(kind: SourceKind) -> bool {
    matches!(kind, SourceKind::Freshdesk | SourceKind::GithubIssues)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stele_lake::sql::{ObjectRows, Params, SqlOptions};
    use stele_sources::Input;

    use crate::{Cancel, Engine, Environment, IngestOptions, InputOptions, NoProgress, Settings};

    #[test]
    fn freshdesk_25_the_mode_of_a_source_says_what_its_rows_hold() {
        let check = |mode: Option<&str>, flag: Option<&str>, expect: u64| {
            let mut source = json!({ "source_id": "desk", "source_type": "freshdesk", "api_key": "${KEY}" });
            if let Some(mode) = mode {
                source["mode"] = mode.into();
            }
            let streaming_flag = flag.map(str::to_owned);
            let settings = Settings { sources: vec![source], streaming_flag, ..Settings::default() };
            let rows = Engine::new(settings, Environment::default()).unwrap().object_rows();
            assert_eq!(rows.content_max.get("desk"), Some(&expect), "{mode:?} {flag:?}");
        };
        check(None, None, 10_000);
        check(Some("vector-only"), None, 0);
        check(Some("hybrid"), None, u64::MAX);
        check(Some("adaptive"), Some("true"), 10_000);
        for vectors in ["true", "TRUE", "1"] {
            check(None, Some(vectors), 0);
        }
        check(None, Some("false"), u64::MAX);
        check(Some("vectors"), None, 0);
    }

    /// How many of so many tickets have a row, and how many rows hold what the ticket says.
    fn rows(tickets: u64, content_max: u64) -> String {
        let dir = tempfile::tempdir().unwrap();
        let object_rows = Some(ObjectRows { content_max_else: content_max, ..ObjectRows::default() });
        let data_dir = dir.path().join("d");
        let settings = Settings { data_dir, object_rows, threads: Some(1), ..Settings::default() };
        let engine = Engine::new(settings, Environment::default()).unwrap();
        let line = |id: u64| {
            let ticket = json!({
                "source": "desk", "stream": "tickets", "doc_type": "ticket", "tenant_id": "t", "platform": "freshdesk",
                "original_id": id.to_string(), "normalised": { "id": format!("t_freshdesk_{id}"), "subject": "Pump" },
                "data": { "id": id },
            });
            format!("{ticket}\n")
        };
        let path = dir.path().join("batch.jsonl");
        std::fs::write(&path, (1..=tickets).map(line).collect::<String>()).unwrap();
        let uri = "collected://desk/tickets/00000001-00ff.jsonl".to_owned();
        let options = IngestOptions {
            inputs: InputOptions { format: Some("collected".to_owned()), ..InputOptions::default() },
            found: vec![Input { uri, path: Some(path), size_on_disk: 1 }],
            ..IngestOptions::default()
        };
        engine.ingest(&[], &options, &NoProgress, &Cancel::default()).unwrap();
        let temp_dir = engine.sql_temp_dir();
        let options = SqlOptions { memory_limit: 256 << 20, threads: 1, temp_dir };
        let sql = engine.sql(&engine.snapshot().unwrap(), &options).unwrap();
        let mut told = Vec::new();
        let query = "SELECT count(*) || '/' || count(integrated_content) FROM integrated_objects";
        sql.query(query, &Params::none())
            .unwrap()
            .each_text(|row| {
                told.extend(row.into_iter().flatten());
                Ok::<(), crate::EngineError>(())
            })
            .unwrap();
        told.join(",")
    }

    #[test]
    fn freshdesk_25_one_object_more_and_rows_hold_keys_alone() {
        assert_eq!(rows(5, 5), "5/5");
        assert_eq!(rows(6, 5), "6/0");
        assert_eq!(rows(1, 0), "1/0");
    }
}
