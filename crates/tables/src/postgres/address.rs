//! Where a PostgreSQL server is, and how one speaks to it.

use std::path::PathBuf;

use stele_http::Secret;
use url::Url;

use crate::TablesError;
use crate::address::{decoded, wrong_address};

const PORT: u16 = 5432;

/// Whether the connection is encrypted, and what the server has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    /// If the server can; who it is, is not looked at.
    Prefer,
    /// Always; who it is, is not looked at.
    Require,
    /// A certificate that is trusted, of whatever name.
    VerifyCa,
    /// A certificate that is trusted, of this name.
    VerifyFull,
}

#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// A name, an address, or the directory of a socket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Secret,
    pub(crate) database: String,
    pub(crate) tls: Tls,
    pub(crate) roots: Option<PathBuf>,
}

impl Address {
    pub(crate) fn parse(url: &Url) -> Result<Self, TablesError> {
        let mut host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (mut tls, mut roots) = (Tls::Prefer, None);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "sslmode" => {
                    tls = match value.as_ref() {
                        "disable" => Tls::Never,
                        "allow" | "prefer" => Tls::Prefer,
                        "require" => Tls::Require,
                        "verify-ca" => Tls::VerifyCa,
                        "verify-full" => Tls::VerifyFull,
                        _ => {
                            return Err(wrong_address(
                                "sslmode is disable, prefer, require, verify-ca or verify-full",
                            ));
                        }
                    }
                }
                "sslrootcert" => roots = Some(PathBuf::from(value.as_ref())),
                "host" => host = value.into_owned(),
                "application_name" | "connect_timeout" => {}
                other => {
                    return Err(wrong_address(&format!(
                        "{other} is not known; there are sslmode, sslrootcert and host"
                    )));
                }
            }
        }
        let user = decoded(url.username())?;
        if user.is_empty() {
            return Err(wrong_address("it names no user"));
        }
        let database = decoded(url.path().trim_start_matches('/'))?;
        Ok(Address {
            host: if host.is_empty() { "127.0.0.1".to_owned() } else { host },
            port: url.port().unwrap_or(PORT),
            database: if database.is_empty() { user.clone() } else { database },
            user,
            password: Secret::new(decoded(url.password().unwrap_or_default())?),
            tls,
            roots,
        })
    }

    /// For people, without a password.
    pub(crate) fn shown(&self) -> String {
        format!("postgresql://{}@{}:{}/{}", self.user, self.host, self.port, self.database)
    }
}
