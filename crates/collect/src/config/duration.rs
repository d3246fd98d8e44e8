//! Stretches of time as people write them: `90`, `"90s"`, `"5m"`, `"1h30m"`, `"250ms"`, `"2d"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A stretch of time from a text or a number of seconds: `#[serde(deserialize_with = "stele_collect::duration")]`.
///
/// # Errors
/// If it is none; the text shows what would be one.
pub fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let value = Value::deserialize(from)?;
    duration_of(&value).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "{value} is no stretch of time; write a number of seconds, or a text such as \"250ms\", \"90s\", \"5m\", \"1h30m\" or \"2d\""
        ))
    })
}

/// The same where it may be left out: together with `#[serde(default)]`.
///
/// # Errors
/// As [`duration`].
pub fn duration_if_set<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

/// The same of a value.
pub(crate) fn duration_of(value: &Value) -> Option<Duration> {
    match value {
        Value::Number(number) => Duration::try_from_secs_f64(number.as_f64()?).ok(),
        Value::String(text) => parse(text.trim()),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match rest[..letters].trim() {
            "ms" => 0.001,
            "" | "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        rest = &rest[letters..];
        sum = sum.checked_add(Duration::try_from_secs_f64(number * unit).ok()?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::duration_of;

    #[test]
    fn stretches_of_time() {
        let check = |value: Value, ms: Option<u128>| {
            assert_eq!(duration_of(&value).map(|d| d.as_millis()), ms, "{value}")
        };
        check(json!(90), Some(90_000));
        check(json!(0.5), Some(500));
        check(json!("120"), Some(120_000));
        check(json!("250ms"), Some(250));
        check(json!("1h30m"), Some(5_400_000));
        check(json!("2d"), Some(172_800_000));
        check(json!("soon"), None);
        check(json!("5 parsecs"), None);
        check(json!(""), None);
        check(json!(-1), None);
        check(json!(null), None);
    }
}
