//! Settings: built-in values, then the configuration file, then the environment, then flags.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stele_discover::Folding;

use crate::error::{At, EngineError};

/// The configuration file that is read from the working directory if it is there.
pub const CONFIG_FILE: &str = "stele.toml";

/// The data directory unless somebody says otherwise.
const DATA_DIR: &str = ".stele";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the lake, its manifests and exports live.
    pub data_dir: PathBuf,
    /// Whose data this is; part of every id.
    pub tenant: String,
    /// Zone of naive times, as an IANA name.
    pub timezone: Option<String>,
    /// How objects whose keys are data are treated.
    pub fold: Folding,
    /// Profile files beside the built-in ones.
    pub profiles: Vec<PathBuf>,
    /// Worker threads; all cores if unset.
    pub threads: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from(DATA_DIR),
            tenant: "default".to_owned(),
            timezone: None,
            fold: Folding::Auto,
            profiles: Vec::new(),
            threads: None,
        }
    }
}

/// `stele.toml`. Every key may be left out; an unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Where the lake, its manifests and exports live. Relative to the file.
    data_dir: Option<PathBuf>,
    /// Whose data this is; part of every id.
    tenant: Option<String>,
    /// Zone of naive times, as an IANA name such as `America/New_York`.
    timezone: Option<String>,
    /// `auto`, `digits` or `none`.
    fold: Option<Folding>,
    /// Profile files, relative to the file.
    profiles: Option<Vec<PathBuf>>,
    /// Worker threads.
    threads: Option<usize>,
}

impl Settings {
    /// Settings of this process: the file at `explicit`, or `STELE_CONFIG`, or `stele.toml` if it
    /// is there; then `STELE_DATA_DIR`, `STELE_TIMEZONE` and `STELE_THREADS`. An empty variable is none.
    ///
    /// # Errors
    ///
    /// [`EngineError::Config`] names the file or variable and the key that is wrong.
    pub fn load(
        explicit: Option<&Path>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, EngineError> {
        // A variable that is set to nothing, as scripts do to unset one, says nothing.
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let named =
            explicit.map(Path::to_path_buf).or_else(|| environment("STELE_CONFIG").map(PathBuf::from));
        let mut settings = Self::default();
        match named {
            Some(path) => settings.read(&path)?,
            None if Path::new(CONFIG_FILE).exists() => settings.read(Path::new(CONFIG_FILE))?,
            None => {}
        }
        if let Some(dir) = environment("STELE_DATA_DIR") {
            settings.data_dir = PathBuf::from(dir);
        }
        if let Some(zone) = environment("STELE_TIMEZONE") {
            settings.timezone = Some(zone);
        }
        if let Some(threads) = environment("STELE_THREADS") {
            let wrong = || EngineError::Config {
                origin: "STELE_THREADS".to_owned(),
                reason: format!("expected a number from 1, got {threads:?}"),
            };
            settings.threads = Some(threads.parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?);
        }
        Ok(settings)
    }

    fn read(&mut self, path: &Path) -> Result<(), EngineError> {
        let text = std::fs::read_to_string(path).at("read", path)?;
        let file: File = toml::from_str(&text).map_err(|error| EngineError::Config {
            origin: path.display().to_string(),
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let base = path.parent().unwrap_or(Path::new(""));
        if file.data_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            return Err(EngineError::Config {
                origin: path.display().to_string(),
                reason: "data_dir: expected a directory, got an empty text".to_owned(),
            });
        }
        if let Some(dir) = file.data_dir {
            self.data_dir = base.join(dir);
        }
        if let Some(tenant) = file.tenant {
            self.tenant = tenant;
        }
        self.timezone = file.timezone.or(self.timezone.take());
        self.fold = file.fold.unwrap_or(self.fold);
        if let Some(profiles) = file.profiles {
            self.profiles = profiles.into_iter().map(|profile| base.join(profile)).collect();
        }
        if file.threads == Some(0) {
            return Err(EngineError::Config {
                origin: path.display().to_string(),
                reason: "threads: expected a number from 1".to_owned(),
            });
        }
        self.threads = file.threads.or(self.threads);
        Ok(())
    }
}
