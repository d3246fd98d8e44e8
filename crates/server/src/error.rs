//! What can go wrong with a server as a whole. What goes wrong in a call is said to its caller.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use stele_engine::EngineError;
use stele_model::ErrorKind;

use crate::tokens::TokensError;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// From the engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Anybody could ask.
    #[error(
        "{0} can be reached from other machines and no token is set: listen on 127.0.0.1, name a --token-file, or set STELE_TOKEN"
    )]
    Open(SocketAddr),
    /// Tokens that cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A directory from which jobs may ingest is not there.
    #[error("jobs cannot ingest from {dir}", dir = dir.display())]
    Root {
        /// Which.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory is for a tenant that nobody is.
    #[error("jobs cannot ingest from {dir} for tenant {tenant}: no token is for that tenant", dir = dir.display())]
    RootOfNobody {
        /// Which.
        dir: PathBuf,
        /// Whose it would be.
        tenant: String,
    },
    /// The operating system gives no more threads or descriptors.
    #[error("cannot start the server")]
    Start(#[source] io::Error),
    /// The client and this program do not understand each other.
    #[error("the client ended before a session began: {0}")]
    Session(String),
}

impl ServerError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Engine(error) => error.kind(),
            Self::Open(_) | Self::Tokens(_) | Self::Root { .. } | Self::RootOfNobody { .. } => {
                ErrorKind::Config
            }
            Self::Listen { .. } | Self::Start(_) | Self::Session(_) => ErrorKind::Fix,
        }
    }
}
