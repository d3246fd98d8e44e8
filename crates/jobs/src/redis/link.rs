//! One connection to the server that is made again when it breaks, and what its errors mean.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, RedisError};
use stele_model::ErrorKind;
use tokio::sync::Mutex;

use crate::error::JobsError;
use crate::trouble::{Trouble, plain};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// How long an answer may take. A script takes milliseconds; a server that rewrites its file may stand still.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// How often a question is asked before the caller hears that the server does not answer.
const TRIES_MAX: u32 = 4;

/// Wait before a question is asked again; twice as long each time, so that all of it is under half a second.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Whether what is asked may be asked again when it is not known whether it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It only looks, or doing it twice is doing it once.
    May,
    /// The caller has to look first.
    MustNot,
}

/// What is asked of the server.
#[derive(Debug, Clone)]
pub(crate) enum Question<'a> {
    Command(redis::Cmd),
    Pipeline(redis::Pipeline),
    Script(&'a redis::Script, &'a str, Vec<String>),
}

pub(crate) struct Link {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
    /// `host:port/database`, without a password.
    pub(crate) server: String,
}

impl Link {
    pub(crate) fn new(url: &str) -> Result<Self, JobsError> {
        let wrong = |reason: &str| JobsError::Config {
            setting: "queue",
            reason: format!("{reason}; redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] does"),
        };
        // What the library says of a URL may hold the password.
        let client = Client::open(url).map_err(|_| wrong("it is no address of a Redis server"))?;
        let info = client.get_connection_info();
        let server = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                format!("{host}:{port}/{}", info.redis_settings().db())
            }
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => return Err(wrong("TLS is not spoken; put a tunnel before the server")),
        };
        Ok(Self { client, connection: Mutex::new(None), server })
    }

    /// Asks the server, and connects first if that is needed.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        question: &Question<'_>,
        again: Again,
    ) -> Result<T, RedisError> {
        let mut wait = AGAIN_AFTER;
        for attempt in 1.. {
            let (error, sent) = match self.connected().await {
                Ok(connection) => match once(connection, question).await {
                    Ok(given) => return Ok(given),
                    Err(error) => (error, true),
                },
                Err(error) => (error, false),
            };
            // An answer is an answer: what was refused was not done.
            let may_be_done = sent && error.code().is_none();
            if error.code().is_none() {
                *self.connection.lock().await = None;
            }
            let passes =
                trouble_of(&error).kind() == ErrorKind::Retry && (again == Again::May || !may_be_done);
            if attempt == TRIES_MAX || !passes {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            wait *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn connected(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        let new = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        *connection = Some(new.clone());
        Ok(new)
    }
}

async fn once<T: FromRedisValue>(
    mut connection: MultiplexedConnection,
    question: &Question<'_>,
) -> Result<T, RedisError> {
    match question {
        Question::Command(command) => command.query_async(&mut connection).await,
        Question::Pipeline(pipeline) => pipeline.query_async(&mut connection).await,
        Question::Script(script, namespace, arguments) => {
            let mut call = script.prepare_invoke();
            call.key(*namespace);
            for argument in arguments {
                call.arg(argument);
            }
            call.invoke_async(&mut connection).await
        }
    }
}

/// What is the matter with the server.
pub(crate) fn trouble_of(error: &RedisError) -> Trouble {
    use redis::{ErrorKind as Kind, ServerErrorKind as Server};
    match (error.kind(), error.code()) {
        (Kind::AuthenticationFailed | Kind::InvalidClientConfig | Kind::Server(Server::NoPerm), _)
        | (_, Some("NOAUTH" | "WRONGPASS")) => Trouble::Password,
        _ if lacks_password(error) => Trouble::Password,
        (_, Some("OOM" | "MISCONF")) => Trouble::Full,
        (Kind::Server(Server::ReadOnly), _) => Trouble::Replica,
        (Kind::Io, _)
        | (
            Kind::Server(
                Server::BusyLoading
                | Server::TryAgain
                | Server::ClusterDown
                | Server::MasterDown
                | Server::NoScript,
            ),
            _,
        ) => Trouble::Unreachable,
        // Busy with a script, or without enough copies.
        (_, Some("BUSY" | "NOREPLICAS")) => Trouble::Busy,
        _ => Trouble::Other,
    }
}

/// What happened, once: the library says some causes in its own words and again as their source.
pub(crate) fn said(error: &RedisError) -> String {
    match trouble_of(error) {
        Trouble::Password if lacks_password(error) => "the server wants a password".to_owned(),
        Trouble::Password if error.code() != Some("NOPERM") => {
            "the server does not know this user with this password".to_owned()
        }
        _ => match (error.code(), error.detail()) {
            (Some(code), Some(detail)) => format!("{code} {detail}"),
            (_, Some(detail)) => detail.to_owned(),
            _ => plain(&error.to_string()).to_owned(),
        },
    }
}

/// Where the connection is greeted with it, its code is hidden in the text.
fn lacks_password(error: &RedisError) -> bool {
    error.code() == Some("NOAUTH") || error.to_string().contains("Authentication required")
}
