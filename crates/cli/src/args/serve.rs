//! Commands that serve machines, and people in a browser.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Args;

use super::QueueArgs;

/// `stele serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Serve agents alone: the Model Context Protocol at /mcp
    #[arg(long)]
    pub mcp_only: bool,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 9108)]
    pub port: u16,
    /// Address to listen on; beyond this machine only with --token-file, or a token in STELE_TOKEN
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Address and port in one
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["port", "bind"])]
    pub listen: Option<SocketAddr>,
    /// File with the tokens of those who may ask, each with a tenant, rights and a rate (docs/guide/service.md)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    #[command(flatten)]
    pub home: QueueArgs,
    /// Jobs that this process works on at once; 0 leaves them to `stele worker`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=64))]
    pub workers: u16,
    /// Its name among the workers; with the same one it takes up at once what it held when it was killed
    /// [default: made of the host and the process]
    #[arg(long, value_name = "NAME")]
    pub worker_name: Option<String>,
    /// How long its worker may be silent before others take its jobs, such as 30s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::duration)]
    pub lease: std::time::Duration,
    /// Directory from which jobs may ingest, of every tenant or, as TENANT=DIR, of one (may be repeated); without it none does
    #[arg(long, value_name = "[TENANT=]DIR")]
    pub allow_root: Vec<PathBuf>,
    /// A name of this host that requests may use, besides localhost and the address (may be repeated)
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
}
