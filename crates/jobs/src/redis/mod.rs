//! Jobs in Redis.

/// Where the server is, and under which names the jobs are kept there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port/database`.
    pub url: String,
    /// What every name begins with.
    pub namespace: String,
}
