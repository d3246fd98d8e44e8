//! A server as its users see it: a question, and its rows or one error.

use std::sync::{Arc, Mutex, PoisonError};

use stele_http::{ClientConfig, HttpError, Pace, Secret, wait};

use super::connection::{Broken, Connection, HELLO, LOGON, Limits, PULL, RUN, Said};
use super::{Address, Value};
use crate::{Cancelled, SinkError};

/// Rows that are asked for at once: half a megabyte of ids and hashes.
const ROWS_MAX: i64 = 5000;

/// Longest part of what a server says that is shown.
const SHOWN_CHARS_MAX: usize = 300;

/// Where a server is, and who asks.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) address: Address,
    /// The name and password, or nothing where the server asks for none.
    pub(crate) login: Option<(String, Secret)>,
    /// The one that the server has by default if it is not set.
    pub(crate) database: Option<String>,
}

/// A server behind a sink.
pub(crate) struct Client {
    access: Access,
    config: ClientConfig,
    pace: Arc<dyn Pace>,
    /// The sink, for people.
    shown: String,
    /// The connection, while it stands.
    connection: Mutex<Option<Connection>>,
}

impl Client {
    /// Nothing is asked yet. `shown` is the sink, for people.
    pub(crate) fn new(access: Access, config: ClientConfig, pace: Arc<dyn Pace>, shown: String) -> Self {
        Client { access, config, pace, shown, connection: Mutex::default() }
    }

    /// The sink, for people.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Asks a question and puts its rows together, from the beginning for each try: `start` makes what
    /// `each` adds a row to. `what` is what is tried, as in "cannot {what} {sink}". A row that `each` does not
    /// understand ends it.
    pub(crate) fn ask<T>(
        &self,
        what: &'static str,
        (question, parameters): (&str, Value),
        start: impl Fn() -> T,
        mut each: impl FnMut(&mut T, Vec<Value>) -> Result<(), String>,
        cancelled: Cancelled<'_>,
    ) -> Result<T, SinkError> {
        let mut extra = Vec::new();
        if let Some(database) = &self.access.database {
            extra.push(("db".to_owned(), Value::text(database)));
        }
        let run = Value::Struct(RUN, vec![Value::text(question), parameters, Value::Map(extra)]);
        let mut tries = 0;
        loop {
            tries += 1;
            let mut found = start();
            let mut add = |row| each(&mut found, row);
            let broken = match self.ask_once(&run, &mut add, cancelled) {
                Ok(()) => return Ok(found),
                Err(broken) => broken,
            };
            let error = self.error(what, broken, tries);
            if tries >= self.config.tries_max || error.kind() != stele_model::ErrorKind::Retry {
                return Err(error);
            }
            let time_ms = self.config.backoff_ms(tries);
            tracing::debug!(%error, time_ms, question, "asking again");
            wait(&*self.pace, time_ms, cancelled).map_err(|_| SinkError::Cancelled)?;
        }
    }

    /// One question on the connection that stands, or a new one. After a failure there is none: what is
    /// on its way on the old one belongs to nobody.
    fn ask_once(
        &self,
        run: &Value,
        add: &mut dyn FnMut(Vec<Value>) -> Result<(), String>,
        cancelled: Cancelled<'_>,
    ) -> Result<(), Broken> {
        // What is on its way may be done and never confirmed, so this is the time to stop.
        if cancelled() {
            return Err(Broken::Cancelled);
        }
        // Whole between any two statements, so a panic of another thread is no reason to stop.
        let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.log_on(cancelled)?,
        };
        let pull = Value::Struct(PULL, vec![Value::map([("n", Value::Int(ROWS_MAX))])]);
        connection.send(&[run.clone(), pull.clone()], cancelled)?;
        let Said::Success(_) = connection.receive(cancelled)? else {
            return Err(Broken::Lasting("it answers before it has taken the question".to_owned()));
        };
        loop {
            match connection.receive(cancelled)? {
                Said::Record(row) => add(row).map_err(Broken::Lasting)?,
                Said::Success(more) if more.get("has_more") == Some(&Value::Bool(true)) => {
                    if cancelled() {
                        return Err(Broken::Cancelled);
                    }
                    connection.send(std::slice::from_ref(&pull), cancelled)?;
                }
                Said::Success(_) => break,
            }
        }
        *kept = Some(connection);
        Ok(())
    }

    fn log_on(&self, cancelled: Cancelled<'_>) -> Result<Connection, Broken> {
        let limits = Limits {
            connect_ms_max: self.config.connect_timeout_ms_max,
            answer_ms_max: self.config.timeout_ms_max,
            answer_bytes_max: self.config.answer_bytes_max,
        };
        let mut connection = Connection::open(&self.access.address, limits, cancelled)?;
        let agent = concat!("stele/", env!("CARGO_PKG_VERSION"));
        let mut hello = vec![
            ("user_agent".to_owned(), Value::text(agent)),
            ("bolt_agent".to_owned(), Value::map([("product", Value::text(agent))])),
        ];
        let login = match &self.access.login {
            None => vec![("scheme".to_owned(), Value::text("none"))],
            Some((user, password)) => vec![
                ("scheme".to_owned(), Value::text("basic")),
                ("principal".to_owned(), Value::text(user)),
                ("credentials".to_owned(), Value::text(password.reveal())),
            ],
        };
        // Since 5.1 the name and the password have a message of their own.
        let messages = if connection.version >= (5, 1) {
            let login = Value::Struct(LOGON, vec![Value::Map(login)]);
            vec![Value::Struct(HELLO, vec![Value::Map(hello)]), login]
        } else {
            hello.extend(login);
            vec![Value::Struct(HELLO, vec![Value::Map(hello)])]
        };
        for message in messages {
            connection.send(std::slice::from_ref(&message), cancelled)?;
            let Said::Success(_) = connection.receive(cancelled)? else {
                return Err(Broken::Lasting("it answers before it was asked anything".to_owned()));
            };
        }
        Ok(connection)
    }

    fn error(&self, what: &'static str, broken: Broken, tries: u32) -> SinkError {
        let (sink, service) = (self.shown.clone(), self.access.address.to_string());
        match broken {
            Broken::Cancelled => SinkError::Cancelled,
            Broken::Passing(reason) => {
                let source = HttpError::Unreachable { service, reason: self.clean(&reason), tries };
                SinkError::Service { what, sink, source }
            }
            Broken::Lasting(reason) => SinkError::BadAnswer { what, sink, reason: self.clean(&reason) },
            Broken::Failed { code, message } => {
                let (code, reason) = (self.clean(&code), self.clean(&message));
                SinkError::Failed { what, sink, advice: advice(&code), code, reason, tries }
            }
        }
    }

    /// One line of what a server said: without the password, and cut if it is long.
    fn clean(&self, text: &str) -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut line = match &self.access.login {
            Some((_, password)) => password.hide_in(&line),
            None => line,
        };
        if let Some((end, _)) = line.char_indices().nth(SHOWN_CHARS_MAX) {
            line.truncate(end);
            line.push('…');
        }
        line
    }
}

fn advice(code: &str) -> &'static str {
    match code {
        code if code.contains(".Security.Forbidden") => "may this user write, and make constraints?",
        code if code.contains(".Security.") => "are the user and the password right?",
        code if code.contains(".DatabaseNotFound") => "does the database exist, and is its name right?",
        code if code.contains(".Schema.") => "what else is in the database? Name one of its own",
        code if code.contains(".Statement.") => "is the server of a version that is supported?",
        code if code.contains(".TransientError.") => "try again later",
        _ => "what does the server's log say?",
    }
}
