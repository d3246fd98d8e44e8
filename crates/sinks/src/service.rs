//! What both services have in common: JSON both ways, and errors that name the sink.

use serde::de::DeserializeOwned;
use stele_http::{Client, HttpError, Method};

use crate::{Cancelled, SinkError};

/// A service behind a sink.
pub(crate) struct Service {
    client: Client,
    shown: String,
}

impl Service {
    /// `shown` is the sink, for people.
    pub(crate) fn new(client: Client, shown: String) -> Self {
        Service { client, shown }
    }

    /// The sink, for people.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The answer to a request. `what` is what is tried, as in "cannot {what} {sink}".
    pub(crate) fn ask<T: DeserializeOwned>(
        &self,
        what: &'static str,
        (method, path): (Method, &str),
        body: Option<Vec<u8>>,
        cancelled: Cancelled<'_>,
    ) -> Result<T, SinkError> {
        let answer =
            self.client.send(method, path, body, cancelled).map_err(|error| self.said(what, error))?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.bad(what, &format!("it cannot be read: {error}")))
    }

    /// An answer that promises something else.
    pub(crate) fn bad(&self, what: &'static str, reason: &str) -> SinkError {
        SinkError::BadAnswer { what, sink: self.shown.clone(), reason: self.client.clean(reason) }
    }

    /// There is no collection.
    pub(crate) fn missing(&self) -> SinkError {
        SinkError::Missing { sink: self.shown.clone() }
    }

    fn said(&self, what: &'static str, error: HttpError) -> SinkError {
        let sink = self.shown.clone();
        match error {
            HttpError::Cancelled => SinkError::Cancelled,
            // A store that knows the path says in JSON what is not there; this is none.
            HttpError::Refused { status: status @ (404 | 405), reason, explained: false, .. } => {
                self.bad(what, &format!("it was refused with {status}: {reason}"))
            }
            HttpError::Refused { status, reason, .. } => {
                SinkError::Refused { what, sink, status, reason, advice: advice(status) }
            }
            source => SinkError::Service { what, sink, source },
        }
    }
}

/// The value, or `None` where the service says that it is not there.
pub(crate) fn if_there<T>(answer: Result<T, SinkError>) -> Result<Option<T>, SinkError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(SinkError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "is the key right, and may it write?",
        404 => {
            "was the collection removed meanwhile? The same command makes it again. If it never was there, is it the right service?"
        }
        405 | 501 => "is it the right service, of a version that is supported?",
        413 => "raise the limit on the size of requests of what stands in front of the server",
        300..=399 => "set the address that it points to",
        _ => "what does the server's log say?",
    }
}
