//! A directory with a lake in it, and engines that work there.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use stele_engine::{
    Cancel, Engine, Environment, IngestOptions, IngestSummary, NoProgress, Progress, Settings, Update,
};

pub struct Place {
    dir: tempfile::TempDir,
    pub settings: Settings,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: dir.path().join("d"), threads: Some(2), ..Settings::default() };
        Self { dir, settings }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn uri(&self, name: &str) -> String {
        self.dir.path().canonicalize().unwrap().join(name).display().to_string()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub fn engine(&self) -> Engine {
        self.engine_of(&self.settings.tenant)
    }

    pub fn engine_of(&self, tenant: &str) -> Engine {
        let settings = Settings { tenant: tenant.to_owned(), ..self.settings.clone() };
        Engine::new(settings, Environment::default()).unwrap()
    }

    #[track_caller]
    pub fn ingest(&self, name: &str) -> IngestSummary {
        self.ingest_with(&self.engine(), name, &NoProgress, &Cancel::default())
    }

    #[track_caller]
    pub fn ingest_with(
        &self,
        engine: &Engine,
        name: &str,
        progress: &dyn Progress,
        cancel: &Cancel,
    ) -> IngestSummary {
        let target = self.path(name).display().to_string();
        let summary = engine.ingest(&[target], &IngestOptions::default(), progress, cancel).unwrap();
        assert_eq!(summary.failures, []);
        summary
    }

    /// What the lake gives back of an input.
    #[track_caller]
    pub fn replayed(&self, engine: &Engine, name: &str) -> Vec<u8> {
        let mut out = Vec::new();
        engine.replay(&self.uri(name), &mut out).unwrap();
        out
    }

    /// The proof has to hold.
    #[track_caller]
    pub fn covered(&self) {
        let report = self.engine().coverage(&NoProgress, &Cancel::default()).unwrap();
        assert!(report.holds, "{:#?} {:#?}", report.differences, report.totals);
    }

    /// What the coverage report says about an input.
    pub fn facts(&self, name: &str) -> Value {
        let text = std::fs::read(self.path("d/manifests/coverage_report.json")).unwrap();
        let report: Value = serde_json::from_slice(&text).unwrap();
        let files = report["files"].as_array().unwrap();
        let uri = self.uri(name);
        files.iter().find(|file| file["uri"] == *uri).unwrap_or_else(|| panic!("no {uri}")).clone()
    }
}

/// Says stop at an update.
pub struct StopAt<'a> {
    cancel: &'a Cancel,
    updates_left: AtomicU64,
}

impl<'a> StopAt<'a> {
    pub fn update(nth: u64, cancel: &'a Cancel) -> Self {
        Self { cancel, updates_left: AtomicU64::new(nth) }
    }
}

impl Progress for StopAt<'_> {
    fn update(&self, _: &Update) {
        if self.updates_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel.cancel();
        }
    }

    fn note(&self, _: &str) {}
}

/// Numbered records.
pub fn lines(event: &str, count: usize) -> String {
    (0..count).map(|n| format!("{{\"event\":\"{event}\",\"seq\":{n}}}\n")).collect()
}
