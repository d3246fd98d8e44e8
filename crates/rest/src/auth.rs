//! Who asks: what each request has of it, and how it is renewed. Nothing of it is ever shown.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use stele_collect::CollectError;
use stele_http::{Client, HttpError, Method, Reply, Secret, shown_address};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::config::{Auth, ClientIn, Oauth2, Place};
use crate::hidden::Hidden;
use crate::service::{Moment, Outgoing};

/// How long before its end a token is renewed, so that it does not end on its way; half of its time if that is less.
const MARGIN: Duration = Duration::from_secs(30);

/// How long a token lives whose service does not say.
const LIFE: Duration = Duration::from_secs(3_600);

/// Who asks.
pub(crate) struct Authority {
    auth: Auth,
    /// What a person sets to be somebody, for errors.
    source_id: String,
    variable: String,
    /// Whether addresses are shown without their paths, in any part of which a key may stand.
    hosts_alone: bool,
    held: Mutex<Held>,
}

/// What was fetched.
#[derive(Default)]
struct Held {
    token: Option<(Secret, Duration)>,
    /// The last one that the service gave, where it gives new ones.
    refresh_token: Option<Secret>,
    /// Everything that was ever a secret here.
    hidden: Hidden,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<f64>,
    #[serde(default)]
    refresh_token: Option<String>,
}

impl Authority {
    pub(crate) fn new(
        auth: Auth,
        others: Vec<Secret>,
        source_id: &str,
        variable: String,
        hosts_alone: bool,
    ) -> Self {
        let mut secrets = others;
        match &auth {
            Auth::None => {}
            Auth::ApiKey { value, .. } => secrets.push(value.clone()),
            Auth::Basic { username, password } => {
                secrets.extend([username.clone(), password.clone(), encoded(username, password)]);
            }
            Auth::Bearer { token } => secrets.push(token.clone()),
            Auth::Oauth2(oauth2) => {
                secrets.push(oauth2.client_secret.clone());
                secrets.push(encoded(&oauth2.client_id, &oauth2.client_secret));
                secrets.extend(oauth2.refresh_token.clone());
            }
            Auth::Tokens { tokens, .. } => secrets.extend(tokens.iter().cloned()),
        }
        let held = Mutex::new(Held { hidden: Hidden::of(secrets), ..Held::default() });
        Self { auth, source_id: source_id.to_owned(), variable, hosts_alone, held }
    }

    /// How many there are that have limits of their own.
    pub(crate) fn identities(&self) -> usize {
        match &self.auth {
            Auth::Tokens { tokens, .. } => tokens.len(),
            _ => 1,
        }
    }

    /// What tells who asks from others. Only a hash of it may be kept.
    pub(crate) fn identity(&self) -> String {
        match &self.auth {
            Auth::None => String::new(),
            Auth::ApiKey { name, value, .. } => format!("{name} {}", value.reveal()),
            Auth::Basic { username, password } => format!("{} {}", username.reveal(), password.reveal()),
            Auth::Bearer { token } => token.reveal().to_owned(),
            Auth::Oauth2(oauth2) => format!("{} {:?}", oauth2.client_id.reveal(), oauth2.scope),
            Auth::Tokens { tokens, .. } => tokens.iter().map(Secret::reveal).collect::<Vec<_>>().join(" "),
        }
    }

    /// Puts into a request what it needs.
    ///
    /// # Errors
    /// If a token cannot be fetched.
    pub(crate) fn dress(
        &self,
        outgoing: &mut Outgoing,
        identity: usize,
        client: &Client,
        moment: &Moment<'_>,
    ) -> Result<(), CollectError> {
        let bearer =
            |token: &Secret| ("authorization".to_owned(), Secret::new(format!("Bearer {}", token.reveal())));
        match &self.auth {
            Auth::None => {}
            Auth::ApiKey { place: Place::Header, name, value } => {
                outgoing.headers.push((name.clone(), value.clone()));
            }
            Auth::ApiKey { place: Place::Query, name, value } => {
                set_param(&mut outgoing.url, name, &[value.reveal().to_owned()]);
            }
            Auth::ApiKey { place: Place::Cookie, name, value } => {
                outgoing
                    .headers
                    .push(("cookie".to_owned(), Secret::new(format!("{name}={}", value.reveal()))));
            }
            Auth::Basic { username, password } => outgoing.headers.push(basic(username, password)),
            Auth::Bearer { token } => outgoing.headers.push(bearer(token)),
            Auth::Oauth2(oauth2) => {
                let token = self.token(oauth2, client, moment)?;
                outgoing.headers.push(bearer(&token));
                outgoing.token = Some(token);
            }
            Auth::Tokens { tokens, header } => match header {
                Some(name) => outgoing.headers.push((name.clone(), tokens[identity].clone())),
                None => outgoing.headers.push(bearer(&tokens[identity])),
            },
        }
        Ok(())
    }

    /// The service does not know the token with which it was asked. Says whether it helps to ask again with another.
    pub(crate) fn refused(&self, token: Option<&Secret>) -> bool {
        let Some(token) = token else { return false };
        let mut held = self.held();
        // Somebody else may have fetched a new one meanwhile.
        if held.token.as_ref().is_some_and(|(known, _)| known == token) {
            held.token = None;
        }
        true
    }

    /// A text without anything that is a secret here.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.held().hidden.hide(text)
    }

    /// An address without anything that is a secret here.
    pub(crate) fn shown(&self, address: &str) -> String {
        let Ok(url) = Url::parse(address) else { return shown_address(address) };
        // The host is no secret, even where it reads like one.
        let host = shown_address(&url.origin().ascii_serialization());
        match self.hosts_alone {
            true => host,
            false => {
                let whole = shown_address(address);
                format!("{host}{}", self.hide(whole.strip_prefix(&host).unwrap_or_default()))
            }
        }
    }

    /// What a request to an address failed at, after so many tries, without secrets.
    pub(crate) fn in_vain(&self, error: HttpError, address: &str, tries: u32) -> HttpError {
        let service = || self.shown(address);
        match error {
            HttpError::Unreachable { reason, .. } => {
                HttpError::Unreachable { service: service(), reason: self.hide(&reason), tries }
            }
            HttpError::Unusable { reason, .. } => {
                HttpError::Unusable { service: service(), reason: self.hide(&reason) }
            }
            HttpError::Config { setting, reason } => {
                HttpError::Config { setting, reason: self.hide(&reason) }
            }
            other => other,
        }
    }

    /// The error that says that the credentials are not good.
    pub(crate) fn credentials(&self, said: &str) -> CollectError {
        CollectError::Credentials {
            source_id: self.source_id.clone(),
            variable: self.variable.clone(),
            said: self.hide(said),
        }
    }

    /// A token that is good for a while. Others wait while one is fetched, or each would fetch its own.
    fn token(&self, oauth2: &Oauth2, client: &Client, moment: &Moment<'_>) -> Result<Secret, CollectError> {
        let mut held = self.held();
        if let Some((token, until)) = &held.token
            && moment.pace.now() < *until
        {
            return Ok(token.clone());
        }
        let refresh = held.refresh_token.clone().or_else(|| oauth2.refresh_token.clone());
        let what = || format!("source {}: the token", self.source_id);
        let reply = match fetch(oauth2, refresh.as_ref(), client, moment) {
            Ok(reply) => reply,
            Err(HttpError::Cancelled) => return Err(CollectError::Cancelled),
            Err(error) => {
                // What is hidden is behind the same lock.
                drop(held);
                let source = self.in_vain(error, &oauth2.token_url, 1);
                return Err(CollectError::Http { what: what(), source });
            }
        };
        let status = reply.status;
        if !(200..300).contains(&status) {
            drop(held);
            // Hidden before it is cut: of half a key nobody knows that it is one.
            let said = client.clean(&self.hide(&reply.said()));
            return Err(match status {
                400..=403 => self.credentials(&format!("{status}: {said}")),
                _ => CollectError::Http {
                    what: what(),
                    source: HttpError::Busy {
                        service: self.shown(&oauth2.token_url),
                        status,
                        reason: said,
                        tries: 1,
                    },
                },
            });
        }
        let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_| CollectError::Answer {
            what: what(),
            // Not what it says: the token may be in it.
            why: "its answer has no `access_token`; is `token_url` the right address?".to_owned(),
        })?;
        let token = Secret::new(granted.access_token);
        let life = granted.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let life = life.unwrap_or(LIFE);
        held.token = Some((token.clone(), moment.pace.now() + life - MARGIN.min(life / 2)));
        held.hidden.add(&token);
        if let Some(refresh_token) = granted.refresh_token.map(Secret::new) {
            held.hidden.add(&refresh_token);
            held.refresh_token = Some(refresh_token);
        }
        Ok(token)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for a token once.
fn fetch(
    oauth2: &Oauth2,
    refresh: Option<&Secret>,
    client: &Client,
    moment: &Moment<'_>,
) -> Result<Reply, HttpError> {
    let mut form = Serializer::new(String::new());
    match refresh {
        None => form.append_pair("grant_type", "client_credentials"),
        Some(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.reveal())
        }
    };
    if let Some(scope) = &oauth2.scope {
        form.append_pair("scope", scope);
    }
    let mut headers = vec![
        ("content-type".to_owned(), Secret::new("application/x-www-form-urlencoded")),
        ("accept".to_owned(), Secret::new("application/json")),
    ];
    match oauth2.client_in {
        ClientIn::Basic => headers.push(basic(&oauth2.client_id, &oauth2.client_secret)),
        ClientIn::Body => {
            form.append_pair("client_id", oauth2.client_id.reveal());
            form.append_pair("client_secret", oauth2.client_secret.reveal());
        }
    }
    client.exchange(
        Method::Post,
        &oauth2.token_url,
        &headers,
        Some(form.finish().into_bytes()),
        moment.cancelled,
    )
}

/// Sets what stands behind `?` under a name, whatever stood there.
pub(crate) fn set_param(url: &mut Url, name: &str, values: &[String]) {
    let kept: Vec<(String, String)> =
        url.query_pairs().filter(|(known, _)| known != name).map(|(n, v)| (n.into(), v.into())).collect();
    let mut pairs = url.query_pairs_mut();
    pairs.clear().extend_pairs(kept);
    for value in values {
        pairs.append_pair(name, value);
    }
}

fn basic(username: &Secret, password: &Secret) -> (String, Secret) {
    ("authorization".to_owned(), Secret::new(format!("Basic {}", encoded(username, password).reveal())))
}

/// A name and a password as a header has them.
fn encoded(username: &Secret, password: &Secret) -> Secret {
    Secret::new(base64(format!("{}:{}", username.reveal(), password.reveal()).as_bytes()))
}

/// Base64 with padding (RFC 4648), for one header.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for at in 0..4 {
            match at <= group.len() {
                true => text.push(char::from(LETTERS[(bits >> (18 - 6 * at)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn letters_of_bytes() {
        let check = |text: &str, expect: &str| assert_eq!(base64(text.as_bytes()), expect);
        check("", "");
        check("a", "YQ==");
        check("ab", "YWI=");
        check("abc", "YWJj");
        check("geheim:X", "Z2VoZWltOlg=");
        check("ÿ?>", "w78/Pg==");
    }
}
