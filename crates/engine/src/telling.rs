//! Who is told what happens: lineage and traces, as the settings say.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use stele_http::Secret;
use stele_model::Clock;
use stele_telemetry::{Lineage, Traces};

use crate::answering::Paced;
use crate::{EngineError, Settings};

impl Settings {
    /// Who is told what jobs read and wrote; nobody unless it is configured. `variable` gives the key.
    ///
    /// # Errors
    ///
    /// If a setting cannot be used. Nothing is opened or asked yet, and no later failure is one of the work.
    pub fn lineage(
        &self,
        clock: Arc<dyn Clock>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Arc<Lineage>>, EngineError> {
        let Some(config) = &self.telemetry.lineage else { return Ok(None) };
        let key = secret(&config.key_variable, variable);
        let lineage = Lineage::open(config, Path::new(""), key, Arc::new(Paced::new(clock)))?;
        Ok(Some(Arc::new(lineage)))
    }

    /// Who is told what took how long; nobody unless it is configured. `instance` is a name of this process.
    ///
    /// # Errors
    ///
    /// As [`Settings::lineage`].
    pub fn traces(
        &self,
        instance: &str,
        clock: Arc<dyn Clock>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Traces>, EngineError> {
        let Some(config) = &self.telemetry.traces else { return Ok(None) };
        let key = secret(&config.key_variable, variable);
        let pace = Arc::new(Paced::new(Arc::clone(&clock)));
        Ok(Some(Traces::open(config, instance, key, clock, pace)?))
    }
}

fn secret(name: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<Secret> {
    variable(name)?.into_string().ok().filter(|key| !key.is_empty()).map(Secret::new)
}
