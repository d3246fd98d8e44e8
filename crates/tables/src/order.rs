//! Whether the order of cursors is the one in which they grow. Texts that are numbers are ordered by their letters, `10`
//! before `9`; and where a column holds values of several types, as SQLite has it, all numbers stand before all texts.
//! Behind such a cursor rows would never be found, and nothing would say so.

use serde_json::Value;

use crate::TablesError;
use crate::dialect::Dialect;

/// What stands one behind the other, whatever the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Number,
    Text,
    Bytes,
}

impl Class {
    /// Of a cursor as JSON; none of what is written as another type than it has.
    pub(crate) fn of(cursor: &[u8]) -> Option<Self> {
        match cursor {
            b"\"-Infinity\"" | b"\"-infinity\"" => None,
            [b'0'..=b'9' | b'-', ..] => Some(Class::Number),
            [b'"', ..] => Some(Class::Text),
            _ => cursor.starts_with(b"{\"$bytes\"").then_some(Class::Bytes),
        }
    }
}

/// How many digits a text has that has nothing else.
pub(crate) fn digits(cursor: &[u8]) -> Option<usize> {
    match cursor {
        [b'"', inner @ .., b'"'] if !inner.is_empty() && inner.iter().all(u8::is_ascii_digit) => {
            Some(inner.len())
        }
        _ => None,
    }
}

/// What the order of cursors is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Texts of digits, and not of the same number.
    Digits,
    /// Values of several types.
    Classes,
}

impl Broken {
    /// The error, and a way out of it that this database understands.
    pub(crate) fn error(self, stream: &str, cursor: &[String], dialect: Dialect) -> TablesError {
        let name = cursor.join(", ");
        let why = match self {
            Broken::Digits => format!(
                "the {name} of {stream} are texts of digits, not all of the same length: as texts 10 comes before 9, and \
                 rows would be lost"
            ),
            Broken::Classes => format!(
                "the {name} of {stream} are values of several types: numbers come before all texts, and rows would be lost"
            ),
        };
        let first = cursor.first().map_or("", String::as_str);
        let integer = dialect.integer();
        let what = format!(
            "take a column of numbers, or write a `query` that makes one by CAST({first} AS {integer}); then `stele sources \
             state reset ID` begins anew"
        );
        TablesError::Stopped { code: "tables_cursor_order", why: format!("{why}; {what}") }
    }
}

/// What was seen of the cursors of a stream.
#[derive(Debug)]
pub(crate) struct Order {
    /// Whether texts are compared as texts: what a database only writes as one may be ordered otherwise.
    as_text: bool,
    class: Option<Class>,
    digits: Option<usize>,
}

impl Order {
    /// Of what was read up to this cursor.
    pub(crate) fn behind(cursor: Option<&Value>, as_text: bool) -> Self {
        let cursor = cursor.map(Value::to_string).unwrap_or_default();
        let digits = digits(cursor.as_bytes()).filter(|_| as_text);
        Order { as_text, class: Class::of(cursor.as_bytes()), digits }
    }

    /// The next cursor; says what is wrong with it behind those before.
    pub(crate) fn breaks(&mut self, cursor: &[u8]) -> Option<Broken> {
        let class = Class::of(cursor);
        if let (Some(before), Some(class)) = (self.class, class)
            && before < class
        {
            return Some(Broken::Classes);
        }
        self.class = class.or(self.class);
        let digits = digits(cursor).filter(|_| self.as_text)?;
        if self.digits.is_some_and(|before| before != digits) {
            return Some(Broken::Digits);
        }
        self.digits = Some(digits);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Broken, Order};
    use crate::dialect::Dialect;

    #[test]
    fn cursors_that_do_not_grow_in_their_order_are_found_out() {
        let check = |cursors: &[&str], expect: Option<Broken>| {
            let mut order = Order::behind(None, true);
            let broken = cursors.iter().find_map(|cursor| order.breaks(cursor.as_bytes()));
            assert_eq!(broken, expect, "{cursors:?}");
        };
        check(&["1", "9", "10", "-5", "1.5"], None);
        check(&["\"1\"", "\"9\""], None);
        check(&["\"1\"", "\"10\""], Some(Broken::Digits));
        check(&["\"000123\"", "\"000124\""], None);
        check(&["\"2024-01-01\"", "\"2024-01-01T10:00\""], None);
        check(&["\"-Infinity\"", "1"], None);
        check(&["1", "\"a\""], Some(Broken::Classes));
        check(&["\"a\"", "{\"$bytes\":\"\"}"], Some(Broken::Classes));
    }

    #[test]
    fn the_way_out_is_one_that_the_database_understands() {
        for (dialect, expect) in [
            (Dialect::Postgres, "CAST(u AS BIGINT)"),
            (Dialect::MySql, "CAST(u AS SIGNED)"),
            (Dialect::Sqlite, "CAST(u AS INTEGER)"),
        ] {
            for broken in [Broken::Digits, Broken::Classes] {
                let error = broken.error("rows", &["u".to_owned()], dialect).to_string();
                assert!(error.contains(&format!("by {expect}; then")), "{dialect:?}: {error}");
            }
        }
    }

    #[test]
    fn what_is_only_written_as_text_may_grow() {
        let mut order = Order::behind(Some(&serde_json::json!("9")), false);
        assert_eq!(order.breaks(b"\"10\""), None);
        let mut order = Order::behind(Some(&serde_json::json!("9")), true);
        assert_eq!(order.breaks(b"\"10\""), Some(Broken::Digits));
    }
}
