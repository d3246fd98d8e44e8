//! Commands that serve machines.

use std::net::SocketAddr;

use clap::Args;

/// `stele serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Serve agents alone: the Model Context Protocol at /mcp
    #[arg(long)]
    pub mcp_only: bool,
    /// Where to listen; beyond this machine only with a token in STELE_TOKEN
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9108")]
    pub listen: SocketAddr,
    /// A name of this host that requests may use, besides localhost and the address (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
}
