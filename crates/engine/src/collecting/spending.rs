//! What sources have spent, on the disk: one account for everybody who collects into a data directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stele_collect::{Budget, BudgetState, Defaults};
use stele_model::Clock;

use crate::EngineError;
use crate::durable::write_durably;
use crate::engine::Engine;
use crate::error::At;

/// What was spent, below the data directory. Losing it loses what today's budget knows, and no data.
const FILE: &str = "sources/budget.json";

/// Held for as long as it takes to add to [`FILE`], below the data directory.
const LOCK: &str = "sources/budget.json.lock";

/// A budget that several processes keep to.
pub(super) struct Spending {
    budget: Arc<Budget>,
    data_dir: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Spending {
    /// As it stands now.
    ///
    /// # Errors
    ///
    /// If it cannot be read. A file that is damaged is an error: who takes it for none spends twice.
    pub(super) fn open(engine: &Engine, defaults: &Defaults) -> Result<Self, EngineError> {
        let (day, all) = (defaults.daily_cost_threshold_usd, defaults.emergency_shutdown_threshold_usd);
        let budget = Arc::new(Budget::new(day, all, kept(&engine.data_dir().join(FILE))?));
        Ok(Self { budget, data_dir: engine.data_dir().to_owned(), clock: engine.shared_clock() })
    }

    pub(super) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Adds what was spent here since the last time, and hears what others spent. Between two batches, so that a bound of
    /// all sources holds for all, and so that what a killed run has spent is known but for its last batch.
    ///
    /// # Errors
    ///
    /// If it cannot be kept; it is added the next time then.
    pub(super) fn settle(&self) -> Result<(), EngineError> {
        if !self.budget.has_news() {
            return Ok(());
        }
        let (path, lock) = (self.data_dir.join(FILE), self.data_dir.join(LOCK));
        let dir = path.parent().unwrap_or(&self.data_dir);
        fs::create_dir_all(dir).at("create", dir)?;
        let held = File::create(&lock).at("create", &lock)?;
        held.lock().at("lock", &lock)?;
        self.budget.settle(kept(&path)?, self.clock.now(), |state| {
            write_durably(&path, &serde_json::to_vec(state).unwrap_or_default())
        })
    }
}

/// What was spent before.
fn kept(path: &Path) -> Result<BudgetState, EngineError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| EngineError::Manifest {
            path: path.to_owned(),
            reason: format!("{error}; without this file all budgets begin anew"),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BudgetState::default()),
        Err(error) => Err(error).at("read", path),
    }
}
