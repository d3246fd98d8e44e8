//! What goes wrong, as HTTP says it: a status, and a small JSON document for programs and people
//! (RFC 9457).

use std::borrow::Cow;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::reply::{Cause, Refusal, cut};

/// The media type of a [`Problem`].
pub(crate) const PROBLEM: &str = "application/problem+json";

/// Bytes of the reason, which may quote what was recorded.
const DETAIL_BYTES_MAX: usize = 2000;

/// Seconds after which one who was told to come back may do so.
const BUSY_SECONDS: u64 = 1;

/// Why a request was not answered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What is the same for all problems of one kind: `bad_request`, `not_found`, `unauthorized`, ….
    pub(crate) code: &'static str,
    /// The status of HTTP.
    pub(crate) status: u16,
    /// What failed, for people.
    pub(crate) title: Box<str>,
    /// The same once more, under the name that many clients look for.
    pub(crate) message: Box<str>,
    /// Why. It may quote recorded, untrusted data.
    pub(crate) detail: Option<String>,
    /// What to try next.
    pub(crate) next: Option<String>,
    #[serde(skip)]
    pub(crate) retry: Option<Duration>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, what: impl Into<String>) -> Self {
        let title = what.into().into_boxed_str();
        Self {
            code,
            status: status.as_u16(),
            message: title.clone(),
            title,
            detail: None,
            next: None,
            retry: None,
        }
    }

    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<Cow<'static, str>>) -> Self {
        self.next = Some(next.into().into_owned());
        self
    }

    /// The status of HTTP.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Puts what every problem says into the head of a response that says it.
    pub(crate) fn mark(&self, response: &mut Response) {
        *response.status_mut() = self.status();
        if let Some(retry) = self.retry {
            // Never less than it takes, so that whoever comes then is not refused again.
            let seconds = retry.as_secs() + u64::from(retry.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl From<&Refusal> for Problem {
    fn from(refusal: &Refusal) -> Self {
        let (status, code) = match refusal.cause {
            Cause::Asked => (StatusCode::BAD_REQUEST, "bad_request"),
            Cause::Missing => (StatusCode::NOT_FOUND, "not_found"),
            Cause::Changed => (StatusCode::CONFLICT, "conflict"),
            Cause::Limit => (StatusCode::UNPROCESSABLE_ENTITY, "limit"),
            Cause::Forbidden => (StatusCode::FORBIDDEN, "forbidden"),
            Cause::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Cause::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Cause::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        };
        Self {
            detail: refusal.reason().map(|reason| cut(reason, DETAIL_BYTES_MAX).0),
            next: Some(refusal.next().to_owned()).filter(|next| !next.is_empty()),
            retry: (refusal.cause == Cause::Busy).then_some(Duration::from_secs(BUSY_SECONDS)),
            ..Self::new(status, code, refusal.what())
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A document of texts and numbers can always be written.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        self.mark(&mut response);
        response
    }
}
