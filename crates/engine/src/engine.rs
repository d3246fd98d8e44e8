//! The engine itself: settings, and the things that tests replace.

use std::path::Path;
use std::sync::Arc;

use stele_model::{Clock, Faults, Micros, NoFaults};
use stele_sources::{FindOptions, Found, Input, Profiles, Skipped, TimeZone, find};

use crate::{EngineError, Settings, failpoints};

/// What the engine takes from the world around it.
#[derive(Clone)]
pub struct Environment {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What fails on purpose.
    pub faults: Arc<dyn Faults>,
}

impl Default for Environment {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), faults: Arc::new(NoFaults) }
    }
}

impl Environment {
    /// The machine's clock, and the faults that the environment asks for.
    ///
    /// # Errors
    ///
    /// [`EngineError::Config`] if `STELE_FAILPOINT` cannot be understood.
    pub fn from_process(variable: impl Fn(&str) -> Option<String>) -> Result<Self, EngineError> {
        let faults = failpoints::parse(variable(failpoints::VARIABLE).as_deref())?;
        Ok(Self { faults, ..Self::default() })
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everybody else is handed")]
    fn now(&self) -> Micros {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_micros() as Micros)
    }
}

/// Whether `path` lies in a directory that the data directory `own` keeps for itself. A spool may
/// be ingested by name.
fn is_own(path: &Path, own: &Path) -> bool {
    ["lake", "manifests", "tmp"].iter().any(|part| path.starts_with(own.join(part)))
}

/// Runs everything. Cheap to make; holds no open file.
pub struct Engine {
    settings: Settings,
    environment: Environment,
    profiles: Profiles,
}

impl Engine {
    /// An engine with these settings.
    ///
    /// # Errors
    ///
    /// If a profile file cannot be used.
    pub fn new(settings: Settings, environment: Environment) -> Result<Self, EngineError> {
        let mut profiles = Profiles::builtin();
        for path in &settings.profiles {
            profiles = profiles.with_file(path)?;
        }
        Ok(Self { settings, environment, profiles })
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The formats that it knows.
    pub fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.settings.data_dir
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.environment.clock
    }

    pub(crate) fn faults(&self) -> Arc<dyn Faults> {
        self.environment.faults.clone()
    }

    /// The inputs that `targets` name. A lake is never an input of itself.
    pub(crate) fn find(&self, targets: &[String], stdin_name: Option<String>) -> Result<Found, EngineError> {
        let mut found = find(targets, &FindOptions { stdin_name })?;
        if let Ok(own) = self.data_dir().canonicalize() {
            let (mine, inputs): (Vec<Input>, Vec<Input>) = found
                .inputs
                .into_iter()
                .partition(|input| input.path.as_ref().is_some_and(|path| is_own(path, &own)));
            found.inputs = inputs;
            let reason = || "it belongs to the data directory".to_owned();
            found.skipped.extend(mine.into_iter().map(|input| Skipped { uri: input.uri, reason: reason() }));
        }
        Ok(found)
    }

    /// Worker threads: as many as were asked for, or one a core.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.settings.threads.unwrap_or_else(cores)
    }

    /// The declared zone of naive times.
    pub(crate) fn timezone(&self) -> Result<Option<TimeZone>, EngineError> {
        let Some(name) = &self.settings.timezone else {
            return Ok(None);
        };
        TimeZone::get(name).map(Some).map_err(|_| EngineError::Config {
            origin: "timezone".to_owned(),
            reason: format!(
                "no time zone is named {name:?}; use an IANA name such as America/New_York or UTC"
            ),
        })
    }
}
