//! Commands about the configuration.

use clap::{Args, Subcommand};

/// `stele config`
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with it.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigAction {
    /// The file as it stands there and the variables that say more than it, with `***` for keys and passwords
    Show,
}
