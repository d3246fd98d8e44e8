//! What can go wrong with a query, said in the words of the lake and not of its engine.

use std::io;

use stele_model::ErrorKind;

use super::derived;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The text is no SQL.
    #[error("{detail}{}", place(*line, *column, excerpt))]
    Syntax {
        /// What is wrong.
        detail: String,
        /// Line in the query, counted from 1; 0 where it is not known.
        line: usize,
        /// Column in that line, counted from 1.
        column: usize,
        /// The line itself.
        excerpt: String,
    },
    /// A view, column, function or type that does not exist.
    #[error("No {what} named {name}. {hint}{}", place(*line, *column, excerpt))]
    Unknown {
        /// `view`, `column`, `function` or `table function`.
        what: &'static str,
        /// What the query calls it.
        name: String,
        /// What exists instead.
        hint: String,
        /// Line in the query, counted from 1; 0 where it is not known.
        line: usize,
        /// Column in that line, counted from 1.
        column: usize,
        /// The line itself.
        excerpt: String,
    },
    /// The statement would do more than read the lake.
    #[error("{what} is not allowed: a query only reads the views of the lake. {hint}")]
    Forbidden {
        /// What the query tries.
        what: String,
        /// What to do instead.
        hint: String,
    },
    /// A parameter is missing or too many.
    #[error("{0}")]
    Parameter(String),
    /// The query is well formed and failed while it ran.
    #[error("the query failed: {detail}{}", place(*line, *column, excerpt))]
    Failed {
        /// What the engine said.
        detail: String,
        /// Line in the query, counted from 1; 0 where it is not known.
        line: usize,
        /// Column in that line, counted from 1.
        column: usize,
        /// The line itself.
        excerpt: String,
    },
    /// The memory limit is too low for the query.
    #[error(
        "the query needs more than its memory limit of {limit}: raise the limit, or ask for less at once. ({detail})"
    )]
    Memory {
        /// The limit.
        limit: String,
        /// What the engine said.
        detail: String,
    },
    /// Somebody cancelled the query.
    #[error("the query was cancelled")]
    Cancelled,
    /// A part of the snapshot cannot be read.
    #[error("cannot read a part of the lake: {0}. `stele doctor` says what is wrong with it")]
    Part(String),
    /// The parts of the snapshot do not lie where the lake puts them.
    #[error("the lake cannot be opened for SQL: {0}")]
    Layout(String),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Output(#[source] io::Error),
    /// The result holds what the output format has no room for.
    #[error("the result cannot be written as {format}: {detail}")]
    Format {
        /// The output format.
        format: &'static str,
        /// What does not fit.
        detail: String,
    },
    /// The engine itself failed.
    #[error("the SQL engine failed to {what}: {detail}")]
    Engine {
        /// What was tried.
        what: &'static str,
        /// What the engine said.
        detail: String,
    },
}

impl SqlError {
    /// What a caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Cancelled => ErrorKind::Cancelled,
            Self::Engine { .. } | Self::Format { .. } => ErrorKind::Report,
            Self::Output(source) if source.kind() == io::ErrorKind::Interrupted => ErrorKind::Retry,
            _ => ErrorKind::Fix,
        }
    }
}

fn place(line: usize, column: usize, excerpt: &str) -> String {
    if line == 0 {
        return String::new();
    }
    let dashes = " ".repeat(column.saturating_sub(1));
    format!("\n  line {line}, column {column}:\n  {excerpt}\n  {dashes}^")
}

/// What the translation of an engine's message may need to know.
pub(super) struct Context<'a> {
    /// The query.
    pub text: &'a str,
    /// Names of the views.
    pub views: &'a [String],
    /// Names of the table macros.
    pub table_macros: &'a [String],
    /// The memory limit.
    pub memory_limit: &'a str,
}

/// The longest part of a query's line that an error shows: a terminal line.
const EXCERPT_CHARS_MAX: usize = 100;

/// Turns a message of the engine into an error of this crate.
pub(super) fn explain(message: &str, context: &Context<'_>) -> SqlError {
    let message = message.split("\n\nStack Trace:").next().unwrap_or(message);
    let (head, marked) = split_marker(message);
    let (line, column, excerpt) =
        marked.map_or((0, 0, String::new()), |marker| at_marker(context.text, &marker));
    let (class, detail) = head.split_once(": ").unwrap_or(("", head));
    let detail = detail.trim().to_owned();
    let failed = |detail: String| SqlError::Failed { detail, line, column, excerpt: excerpt.clone() };
    match class {
        "INTERNAL Error" | "FATAL Error" => SqlError::Engine { what: "run the query", detail },
        "INTERRUPT Error" => SqlError::Cancelled,
        "Out of Memory Error" => {
            let detail = detail.lines().next().unwrap_or_default().to_owned();
            SqlError::Memory { limit: context.memory_limit.to_owned(), detail }
        }
        "Parser Error" => SqlError::Syntax { detail: capitalised(&detail), line, column, excerpt },
        "Permission Error" => SqlError::Forbidden {
            what: quoted(&detail).map_or_else(|| detail.clone(), |file| format!("reading {file}")),
            hint: format!("Views are {}.", context.views.join(", ")),
        },
        "IO Error" if names_part(&detail) => SqlError::Part(detail),
        "Catalog Error" | "Binder Error" => match unknown(&detail, context) {
            Some((what, name, hint)) => SqlError::Unknown { what, name, hint, line, column, excerpt },
            None => failed(detail),
        },
        _ => failed(detail),
    }
}

/// Whether a message is about a part of the lake. A disk that is full is about the directory for what
/// does not fit in memory.
pub(super) fn names_part(message: &str) -> bool {
    message.contains(".parquet")
}

/// The names in an "is not there" message of the engine, with what is there.
fn unknown(detail: &str, context: &Context<'_>) -> Option<(&'static str, String, String)> {
    let missing = |prefix: &str| -> Option<String> {
        let rest = detail.strip_prefix(prefix)?;
        rest.split_once(" does not exist").map(|(name, _)| name.trim_matches('"').to_owned())
    };
    if let Some(name) = missing("Table with name ") {
        let views = format!("Views are {}.", context.views.join(", "));
        let hint = match derived::is_derived(&name) {
            // Views that are there are never missing, so what it stands on is.
            true => format!(
                "It shows the graph, which is not made or cannot be read: `stele graph build` makes it. {views}"
            ),
            false => views,
        };
        return Some(("view", name, hint));
    }
    if let Some(name) = missing("Table Function with name ") {
        return Some((
            "table function",
            name,
            format!("Table macros are {}.", context.table_macros.join(", ")),
        ));
    }
    for prefix in ["Scalar Function with name ", "Aggregate Function with name ", "Function with name "] {
        if let Some(name) = missing(prefix) {
            let near = candidates(detail).map_or_else(String::new, |names| format!("Near it is {names}. "));
            return Some((
                "function",
                name,
                format!("{near}Macros of the lake are listed by SELECT * FROM help."),
            ));
        }
    }
    if let Some(name) = missing("Type with name ") {
        return Some((
            "type",
            name,
            candidates(detail).map_or_else(String::new, |names| format!("Near it is {names}.")),
        ));
    }
    let rest =
        detail.strip_prefix("Referenced column ").or_else(|| detail.strip_prefix("Referenced table "))?;
    let what = if detail.starts_with("Referenced table") { "view" } else { "column" };
    let name = quoted(rest)?;
    let near = candidates(detail).map_or_else(String::new, |names| format!("Near it are {names}. "));
    Some((what, name, format!("{near}DESCRIBE view lists the columns of a view.")))
}

fn candidates(detail: &str) -> Option<String> {
    let at = detail.find("Candidate").or_else(|| detail.find("Did you mean"))?;
    let names: Vec<&str> = detail[at..].split('"').skip(1).step_by(2).collect();
    if names.is_empty() { None } else { Some(names.join(", ")) }
}

fn quoted(text: &str) -> Option<String> {
    text.split('"').nth(1).map(str::to_owned)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Where a message of the engine points: a line, what is shown of it, and the caret below that.
struct Marker<'a> {
    line: usize,
    shown: &'a str,
    caret: usize,
}

/// Splits `LINE 2: … \n   ^` off the end of a message.
fn split_marker(message: &str) -> (&str, Option<Marker<'_>>) {
    let Some(at) = message.rfind("\nLINE ") else { return (message, None) };
    let mark = (|| {
        let (number, rest) = message[at + "\nLINE ".len()..].split_once(": ")?;
        let (shown, below) = rest.split_once('\n')?;
        let caret = below.find('^')?.checked_sub("LINE : ".len() + number.len())?;
        Some(Marker { line: number.parse().ok()?, shown, caret })
    })();
    (message[..at].trim_end(), mark)
}

/// Where the caret stands in the query. The engine shows a window of a long line, so the window is
/// looked up in that line.
fn at_marker(text: &str, marker: &Marker<'_>) -> (usize, usize, String) {
    let whole = text.lines().nth(marker.line.saturating_sub(1)).unwrap_or_default();
    let window = marker.shown.trim_start_matches("...").trim_end_matches("...");
    let cut = if marker.shown.starts_with("...") { "...".len() } else { 0 };
    let before = whole.find(window).unwrap_or(0);
    let byte = (before + marker.caret.saturating_sub(cut)).min(whole.len());
    pointed(whole, marker.line, byte)
}

/// The place of a byte of the query.
pub(super) fn at_byte(text: &str, byte: usize) -> (usize, usize, String) {
    let byte = (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let line_start = text[..byte].rfind('\n').map_or(0, |at| at + 1);
    let line = text[..byte].matches('\n').count() + 1;
    let whole = text[line_start..].lines().next().unwrap_or_default();
    pointed(whole, line, byte - line_start)
}

fn pointed(whole: &str, line: usize, byte: usize) -> (usize, usize, String) {
    let byte = (0..=byte.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
    let column = whole[..byte].chars().count() + 1;
    let excerpt: String = whole.chars().take(EXCERPT_CHARS_MAX.max(column)).collect();
    (line, column, excerpt)
}

#[cfg(test)]
mod tests {
    use super::{Context, at_byte, explain};

    fn check(message: &str, text: &str, expect: &str) {
        let views = ["events".to_owned(), "games".to_owned()];
        let context =
            Context { text, views: &views, table_macros: &["episode".to_owned()], memory_limit: "1 MB" };
        assert_eq!(explain(message, &context).to_string(), expect);
    }

    #[test]
    fn messages_of_the_engine_in_words_of_the_lake() {
        check(
            "Catalog Error: Table with name gmes does not exist!\nDid you mean \"pg_settings\"?\n\nLINE 1: from gmes\n             ^",
            "from gmes",
            "No view named gmes. Views are events, games.\n  line 1, column 6:\n  from gmes\n       ^",
        );
        check(
            "Binder Error: Referenced column \"nme\" not found in FROM clause!\nCandidate bindings: \"game_id\", \"tick\"\n\nLINE 2: nme from events\n        ^",
            "select\nnme from events",
            "No column named nme. Near it are game_id, tick. DESCRIBE view lists the columns of a view.\n  line 2, column 1:\n  nme from events\n  ^",
        );
        check(
            "Catalog Error: Table with name Documents does not exist!",
            "",
            "No view named Documents. It shows the graph, which is not made or cannot be read: `stele graph build` makes it. Views are events, games.",
        );
        check("INTERRUPT Error: Interrupted!", "", "the query was cancelled");
        check("Conversion Error: no", "", "the query failed: no");
        check("odd", "", "the query failed: odd");
    }

    #[test]
    fn a_byte_has_a_line_and_a_column() {
        assert_eq!(at_byte("a\nbc d", 5), (2, 4, "bc d".to_owned()));
        assert_eq!(at_byte("é x", 1), (1, 1, "é x".to_owned()));
        assert_eq!(at_byte("x", 99), (1, 2, "x".to_owned()));
    }
}
