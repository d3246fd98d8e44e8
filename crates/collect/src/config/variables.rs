//! `${NAME}` in a configuration: where it stands, what it becomes, and how neither is shown.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use stele_http::{Secret, without_passwords};

use crate::CollectError;

/// Where values of variables come from. In the program that is the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Parts of a name that say that its value is a secret.
const SECRET_NAMES: [&str; 8] =
    ["key", "token", "secret", "password", "authorization", "cookie", "connection_string", "credential"];

/// Names that have such a part and are none.
const NO_SECRETS: [&str; 5] = ["key", "token_usage_tracking", "token_url", "keys", "max_tokens"];

/// Shortest value that is looked for in a text that is shown. Less would spoil every text.
const HIDDEN_CHARS_MIN: usize = 4;

/// What is sent, where any name is that of a value. Elsewhere `key` names members.
const SENT: [&str; 2] = ["params", "body"];

/// What is shown instead of a secret.
const HIDDEN: &str = "***";

/// A configuration in which every variable has its value. It has no `Debug`: it may hold secrets anywhere.
pub struct Resolved {
    source_id: String,
    value: Value,
    secrets: Vec<Secret>,
}

impl Resolved {
    /// Puts the values in. `$${` is a `${` that is none.
    ///
    /// # Errors
    /// If a variable is not set; the text names it.
    pub fn of(source_id: &str, value: &Value, lookup: Lookup<'_>) -> Result<Self, CollectError> {
        let mut resolved =
            Self { source_id: source_id.to_owned(), value: value.clone(), secrets: Vec::new() };
        let mut secrets = Vec::new();
        fill(&mut resolved.value, lookup, &mut secrets).map_err(|why| resolved.refuse(why))?;
        resolved.secrets = secrets;
        Ok(resolved)
    }

    /// As the type that its crate has for it.
    ///
    /// # Errors
    /// If it does not fit; the text says where, and shows no value that came from a variable.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CollectError> {
        T::deserialize(&self.value).map_err(|error| self.refuse(error.to_string()))
    }

    /// The same after it was brought into the form that its type has.
    ///
    /// # Errors
    /// As [`Self::read`], and what `form` says.
    pub fn read_as<T: DeserializeOwned>(
        &self,
        form: impl FnOnce(Value) -> Result<Value, String>,
    ) -> Result<T, CollectError> {
        let value = form(self.value.clone()).map_err(|why| self.refuse(why))?;
        T::deserialize(value).map_err(|error| self.refuse(error.to_string()))
    }

    /// What is shown nowhere: what the variables brought, and what is a key by the name under which it is sent.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets = self.secrets.clone();
        sent_keys(&self.value, false, &mut secrets);
        secrets
    }

    fn refuse(&self, why: String) -> CollectError {
        let hide = |text: String, secret: &Secret| match secret.reveal().len() < HIDDEN_CHARS_MIN {
            true => text,
            false => secret.hide_in(&text),
        };
        let why = self.secrets.iter().fold(without_passwords(&why), hide);
        CollectError::Config { source_id: self.source_id.clone(), why }
    }
}

/// Reads a [`Secret`]: `#[serde(deserialize_with = "stele_collect::secret")]`.
///
/// # Errors
/// If it is no text. It is not repeated.
pub fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => Ok(Secret::new(text)),
        _ => Err(serde::de::Error::custom("a secret has to be a text")),
    }
}

/// Names of the variables that are missing, each once, in the order in which they stand there.
pub(crate) fn missing(value: &Value, lookup: Lookup<'_>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    each_text(value, &mut |text| {
        for name in variables(text) {
            if lookup(name).is_none() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    });
    names
}

/// The value as it may be shown: `***` for each secret that stands in it as such. A variable is shown by its name.
pub fn shown(value: &Value) -> Value {
    shown_below(value, false)
}

/// The same of a part; of what is sent, every name is that of a value.
fn shown_below(value: &Value, is_sent: bool) -> Value {
    match value {
        Value::Object(members) => {
            let show = |(name, value): (&String, &Value)| {
                let is_sent = is_sent || SENT.contains(&name.as_str());
                let value = match value {
                    Value::Object(headers) if name.eq_ignore_ascii_case("headers") => headers
                        .iter()
                        .map(|(name, value)| (name.clone(), without_literals(value)))
                        .collect::<serde_json::Map<_, _>>()
                        .into(),
                    Value::Object(_) => shown_below(value, is_sent),
                    Value::Number(_) if is_sent && is_sent_key(name) => Value::from(HIDDEN),
                    _ if is_secret(name) || is_sent && is_sent_key(name) => without_literals(value),
                    _ => shown_below(value, is_sent),
                };
                (name.clone(), value)
            };
            // A password may also be called `value`, beside what says where it is sent.
            let auth = members.contains_key("in") || members.get("type").is_some();
            let mut members: serde_json::Map<String, Value> = members.iter().map(show).collect();
            if auth && let Some(value) = members.get_mut("value") {
                *value = without_literals(value);
            }
            Value::Object(members)
        }
        Value::Array(elements) => elements.iter().map(|value| shown_below(value, is_sent)).collect(),
        Value::String(text) => Value::String(without_query_keys(&without_passwords(text))),
        other => other.clone(),
    }
}

/// An address without the keys behind its `?`.
fn without_query_keys(text: &str) -> String {
    let Some((head, query)) = text.split_once('?').filter(|(head, _)| head.contains("://")) else {
        return text.to_owned();
    };
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_sent_key(name) && variables(value).is_empty() => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    format!("{head}?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&"))
}

/// Something secret, of which names of variables alone are shown.
fn without_literals(value: &Value) -> Value {
    match value {
        Value::String(text) if variables(text).is_empty() => Value::from(HIDDEN),
        Value::Array(elements) => elements.iter().map(without_literals).collect(),
        other => other.clone(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Where a key stands is no key.
    let is_elsewhere = ["_variable", "_file", "_path"].iter().any(|end| name.ends_with(end));
    !is_elsewhere
        && !NO_SECRETS.contains(&name.as_str())
        && SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// Keys in what is sent and behind the `?` of addresses, wherever they came from.
fn sent_keys(value: &Value, is_sent: bool, keys: &mut Vec<Secret>) {
    match value {
        Value::String(text) => {
            let query = text.split_once('?').map_or("", |(_, query)| query);
            let pairs = query.split(['&', '#']).filter_map(|pair| pair.split_once('='));
            keys.extend(pairs.filter(|(name, _)| is_sent_key(name)).map(|(_, value)| Secret::new(value)));
        }
        Value::Array(elements) => elements.iter().for_each(|value| sent_keys(value, is_sent, keys)),
        Value::Object(members) => {
            for (name, value) in members {
                if is_sent && is_sent_key(name) {
                    each_text(value, &mut |text| keys.push(Secret::new(text)));
                    if let Value::Number(number) = value {
                        keys.push(Secret::new(number.to_string()));
                    }
                }
                sent_keys(value, is_sent || SENT.contains(&name.as_str()), keys);
            }
        }
        _ => {}
    }
}

fn is_sent_key(name: &str) -> bool {
    name.eq_ignore_ascii_case("key") || is_secret(name)
}

fn fill(value: &mut Value, lookup: Lookup<'_>, secrets: &mut Vec<Secret>) -> Result<(), String> {
    match value {
        Value::String(text) if text.contains("${") => {
            *text = filled(text, lookup, secrets)?;
            Ok(())
        }
        Value::Array(elements) => elements.iter_mut().try_for_each(|value| fill(value, lookup, secrets)),
        Value::Object(members) => members.values_mut().try_for_each(|value| fill(value, lookup, secrets)),
        _ => Ok(()),
    }
}

fn filled(text: &str, lookup: Lookup<'_>, secrets: &mut Vec<Secret>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = &after[2..];
            continue;
        }
        filled.push_str(before);
        let Some(end) = after.find('}') else {
            return Err(
                "a `${` is never ended by a `}`; a `${` that is meant as such is written `$${`".to_owned()
            );
        };
        let name = &after[2..end];
        let Some(value) = lookup(name) else {
            return Err(format!("the variable {name} is not set; set it, or write the value here"));
        };
        filled.push_str(&value);
        secrets.push(Secret::new(value));
        rest = &after[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Names of the variables of a text.
fn variables(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("${").map(|at| from + at) {
        from = at + 2;
        if !text[..at].ends_with('$')
            && let Some(end) = text[from..].find('}')
        {
            names.push(&text[from..from + end]);
        }
    }
    names
}

fn each_text(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(elements) => elements.iter().for_each(|value| each_text(value, visit)),
        Value::Object(members) => members.values().for_each(|value| each_text(value, visit)),
        _ => {}
    }
}
