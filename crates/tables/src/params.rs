//! `:name` in a query: found where it stands for a value, and never in strings, names, comments and casts.

use crate::TablesError;
use crate::config::wrong;
use crate::dialect::Dialect;

/// Parameters that a query mentions, at most: fewer than any of the databases allows.
const MENTIONS_MAX: usize = 1_000;

/// A query in pieces: text, a name, text, a name, … text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) texts: Vec<String>,
    pub(crate) names: Vec<String>,
}

/// Takes a query apart, without the semicolon at its end.
pub(crate) fn parse(query: &str, dialect: Dialect) -> Result<Query, TablesError> {
    let query = query.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    let bytes = query.as_bytes();
    let (mut texts, mut names) = (Vec::new(), Vec::new());
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        match bytes[at] {
            b':' if next == Some(b':') => at += 2,
            b':' if next.is_some_and(starts_name) && stands_for_value(bytes, at) => {
                let end = at + 1 + bytes[at + 1..].iter().take_while(|byte| in_name(**byte)).count();
                if names.len() == MENTIONS_MAX {
                    return Err(wrong("query", "it mentions parameters more than 1,000 times"));
                }
                texts.push(query[copied..at].to_owned());
                names.push(query[at + 1..end].to_owned());
                (copied, at) = (end, end);
            }
            b'?' if dialect == Dialect::MySql || dialect == Dialect::Sqlite => {
                return Err(wrong("query", "`?` is not known here; write `:name` and give its value"));
            }
            b'$' if dialect == Dialect::Postgres && next.is_some_and(|byte| byte.is_ascii_digit()) => {
                return Err(wrong("query", "`$1` is not known here; write `:name` and give its value"));
            }
            b';' => return Err(wrong("query", "it is more than one statement")),
            _ => at = skip(query, at, dialect)?,
        }
    }
    texts.push(query[copied..].to_owned());
    if texts.iter().all(|text| text.trim().is_empty()) {
        return Err(wrong("query", "it is empty"));
    }
    Ok(Query { texts, names })
}

fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}

fn in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `a[1:n]` is a slice, and `x:y` no parameter either.
fn stands_for_value(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(in_name(bytes[at - 1]) || matches!(bytes[at - 1], b':' | b']' | b'"' | 0x80..))
}

/// Behind what begins here and is no parameter: a string, a quoted name, a comment, or a single character.
fn skip(query: &str, at: usize, dialect: Dialect) -> Result<usize, TablesError> {
    let bytes = query.as_bytes();
    let rest = &bytes[at..];
    let unclosed = |what: &str| wrong("query", &format!("{what} is not closed: {}", shown(&query[at..])));
    let mysql = dialect == Dialect::MySql;
    match rest {
        [b'\'', ..] => {
            // PostgreSQL knows backslashes in strings that `E` begins, and only there.
            let e_string = at > 0
                && matches!(bytes[at - 1], b'E' | b'e')
                && (at == 1 || !in_name(bytes[at - 2]))
                && dialect == Dialect::Postgres;
            closing(bytes, at, b'\'', mysql || e_string).ok_or_else(|| unclosed("a string"))
        }
        [b'"', ..] => closing(bytes, at, b'"', mysql).ok_or_else(|| unclosed("a name in quotes")),
        [b'`', ..] if dialect != Dialect::Postgres => {
            closing(bytes, at, b'`', false).ok_or_else(|| unclosed("a name in quotes"))
        }
        [b'[', ..] if dialect == Dialect::Sqlite => {
            closing(bytes, at, b']', false).ok_or_else(|| unclosed("a name in brackets"))
        }
        // MySQL wants a blank after it: `1--1` is a sum there.
        [b'-', b'-', after @ ..] if !mysql || after.first().is_none_or(u8::is_ascii_whitespace) => {
            Ok(line_end(bytes, at))
        }
        [b'#', ..] if mysql => Ok(line_end(bytes, at)),
        [b'/', b'*', ..] => comment_end(bytes, at, dialect).ok_or_else(|| unclosed("a comment")),
        [b'$', ..] if dialect == Dialect::Postgres && (at == 0 || !in_name(bytes[at - 1])) => {
            match dollar_tag(rest) {
                Some(tag) => {
                    let from = at + tag;
                    let close = query[from..].find(&query[at..from]);
                    close.map(|close| from + close + tag).ok_or_else(|| unclosed("a string"))
                }
                None => Ok(at + 1),
            }
        }
        _ => Ok(at + query[at..].chars().next().map_or(1, char::len_utf8)),
    }
}

/// Behind the quote that closes the one at `at`; two of them are one that does not close.
fn closing(bytes: &[u8], at: usize, quote: u8, backslashes: bool) -> Option<usize> {
    let mut at = at + 1;
    loop {
        let byte = *bytes.get(at)?;
        if backslashes && byte == b'\\' {
            at += 2;
        } else if byte == quote {
            if quote == b']' || bytes.get(at + 1) != Some(&quote) {
                return Some(at + 1);
            }
            at += 2;
        } else {
            at += 1;
        }
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1)
}

/// Those of PostgreSQL have comments in them.
fn comment_end(bytes: &[u8], at: usize, dialect: Dialect) -> Option<usize> {
    let (mut at, mut depth) = (at + 2, 1);
    loop {
        match bytes.get(at..at + 2)? {
            b"*/" => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return Some(at);
                }
            }
            b"/*" if dialect == Dialect::Postgres => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
}

/// The length of `$$` or `$tag$`.
fn dollar_tag(rest: &[u8]) -> Option<usize> {
    let name = rest[1..].iter().take_while(|byte| in_name(**byte)).count();
    let is_tag = rest.get(1 + name) == Some(&b'$') && !rest[1].is_ascii_digit();
    is_tag.then_some(name + 2)
}

/// The beginning of a text, for a message.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_where_they_stand_for_values() {
        let check = |dialect: Dialect, query: &str, expect: &[&str]| {
            let parsed = parse(query, dialect).unwrap();
            assert_eq!(parsed.names, expect, "{query}");
            let mut again = parsed.texts[0].clone();
            for (name, text) in parsed.names.iter().zip(&parsed.texts[1..]) {
                again += &format!(":{name}{text}");
            }
            assert_eq!(again, query, "nothing is lost");
        };
        for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
            check(dialect, "SELECT 1", &[]);
            check(dialect, "SELECT :a, :b_2,:a", &["a", "b_2", "a"]);
            check(dialect, "SELECT ':a', 'it''s :b', \":c\", :d", &["d"]);
            check(dialect, "SELECT 1 -- :a\n, :b", &["b"]);
            check(dialect, "SELECT /* :a */ :b", &["b"]);
            check(dialect, "SELECT a:b, 1:2, ü:a, :ü", &[]);
        }
        check(Dialect::Postgres, "SELECT now()::date, :a::text, x::int[]", &["a"]);
        check(Dialect::Postgres, "SELECT E'it\\'s :a', 'x\\', :b, 'd'", &["b"]);
        check(Dialect::Postgres, "SELECT $$ :a $$, $t$ $$ :b $t$, :c", &["c"]);
        check(Dialect::Postgres, "SELECT a[1:2], b[1:n], c[:m]", &["m"]);
        check(Dialect::Postgres, "SELECT /* /* :a */ :b */ :c, j ? 'k'", &["c"]);
        check(Dialect::MySql, "SELECT 'it\\'s :a', `:b`, 1--:c # :d", &["c"]);
        check(Dialect::Sqlite, "SELECT [:a], `:b`, 'x\\', :c", &["c"]);
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let check = |dialect: Dialect, query: &str, expect: &str| {
            let error = parse(query, dialect).unwrap_err().to_string();
            assert!(error.contains(expect), "{query}: {error}");
        };
        check(Dialect::Postgres, "  ;", "it is empty");
        check(Dialect::Postgres, "SELECT 'a", "a string is not closed");
        check(Dialect::MySql, "SELECT /* a", "a comment is not closed");
        check(Dialect::Sqlite, "SELECT [a", "a name in brackets is not closed");
        check(Dialect::Postgres, "SELECT $t$ a", "a string is not closed");
        check(Dialect::Sqlite, "SELECT 1; DROP TABLE x", "more than one statement");
        check(Dialect::MySql, "SELECT ?", "write `:name`");
        check(Dialect::Postgres, "SELECT $1", "write `:name`");
        assert_eq!(parse("SELECT 1 ; \n;", Dialect::MySql).unwrap().texts, ["SELECT 1"]);
    }
}
