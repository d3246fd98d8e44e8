//! Statements in the words of each database. Values are never part of their text.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::calendar::Moment;
use crate::json::BYTES_MARK;
use crate::order::Class;
use crate::params::Query;

/// How the query or table is called within a statement, so that its columns can be told from those that are given.
const INNER: &str = "stele_q";

/// How the column is called that holds the first cursor that is not null.
pub(crate) const CURSOR_COLUMN: &str = "stele_cursor";

/// Whose SQL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    MySql,
    Sqlite,
}

impl Dialect {
    /// A name as it is, whatever is in it.
    pub(crate) fn quoted(self, name: &str) -> String {
        match self {
            Dialect::MySql => format!("`{}`", name.replace('`', "``")),
            Dialect::Postgres | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// `schema.table`, or a table where the connection looks for it.
    pub(crate) fn table(self, name: &str) -> String {
        match name.split_once('.') {
            Some((schema, table)) => format!("{}.{}", self.quoted(schema), self.quoted(table)),
            None => self.quoted(name),
        }
    }

    /// How a CAST calls the longest integer: MySQL casts to no `INTEGER`, and in PostgreSQL that has 32 bits only.
    pub(crate) fn integer(self) -> &'static str {
        match self {
            Dialect::Postgres => "BIGINT",
            Dialect::MySql => "SIGNED",
            Dialect::Sqlite => "INTEGER",
        }
    }
}

/// A value for a place in a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bound {
    Null,
    Bool(bool),
    /// As it is spelled.
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
}

impl Bound {
    /// A value of a configuration or of a record.
    pub(crate) fn of(value: &Value) -> Bound {
        match value {
            Value::Null => Bound::Null,
            Value::Bool(is) => Bound::Bool(*is),
            Value::Number(number) => Bound::Number(number.to_string()),
            Value::String(text) => Bound::Text(text.clone()),
            Value::Object(object) => match object.get(BYTES_MARK).and_then(Value::as_str) {
                Some(said) => Bound::Bytes(STANDARD.decode(said).unwrap_or_default()),
                None => Bound::Text(value.to_string()),
            },
            Value::Array(_) => Bound::Text(value.to_string()),
        }
    }

    /// The same, where a moment has to be spelled as this database wants it.
    pub(crate) fn moment(value: &Value, dialect: Dialect) -> Bound {
        match (dialect, value.as_str().and_then(Moment::parse)) {
            (Dialect::MySql, Some(moment)) => Bound::Text(moment.plain()),
            _ => Bound::of(value),
        }
    }
}

/// A statement and what belongs into its places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) binds: Vec<Bound>,
}

/// A column, and how it is asked for: some types are given as text only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// What stands before it, such as `to_json(`.
    pub(crate) before: &'static str,
    /// What stands behind it, such as `::text`.
    pub(crate) after: &'static str,
    /// Its texts are JSON, which the type of the result does not say.
    pub(crate) json: bool,
}

impl Column {
    pub(crate) fn plain(name: impl Into<String>) -> Self {
        Column { name: name.into(), before: "", after: "", json: false }
    }
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    /// As it stands in a statement.
    Table(String),
    /// A query, and a value for each of its names.
    Query(Query, Vec<Bound>),
}

/// Where reading begins, in the order of cursor and key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Start {
    Beginning,
    /// With rows of this cursor, or a later one.
    With(Bound),
    /// Behind the row of this cursor, if there is one, and this key.
    Behind(Option<Bound>, Vec<Bound>),
}

/// What is read, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selection<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) from: &'a From,
    /// None are all of them.
    pub(crate) columns: &'a [Column],
    /// The first that is not null orders the rows. None if there is no cursor.
    pub(crate) cursor: &'a [String],
    /// Orders rows of one cursor.
    pub(crate) key: &'a [String],
}

impl Selection<'_> {
    /// All columns, nothing filtered: for asking what they are.
    pub(crate) fn whole(&self) -> Statement {
        let mut writer = Writer::new(self.dialect);
        writer.text("SELECT * FROM ");
        self.source(&mut writer);
        writer.done()
    }

    /// Rows from `start` on, in order.
    pub(crate) fn rows(&self, start: &Start) -> Statement {
        let mut writer = self.given();
        match start {
            Start::Beginning if self.cursor.is_empty() => {}
            Start::Beginning => writer.text(&format!(" WHERE {} IS NOT NULL", self.cursor_text())),
            Start::With(cursor) => {
                writer.text(&format!(" WHERE {} >= ", self.cursor_text()));
                writer.bind(cursor.clone());
            }
            Start::Behind(cursor, key) => {
                writer.text(" WHERE ");
                let mut parts: Vec<(String, &Bound)> = Vec::new();
                parts.extend(cursor.as_ref().map(|cursor| (self.cursor_text(), cursor)));
                parts.extend(self.key.iter().map(|name| self.inner(name)).zip(key));
                writer.behind(&parts);
            }
        }
        self.order(&mut writer, !self.cursor.is_empty());
        writer.done()
    }

    /// Rows whose cursor is null.
    pub(crate) fn without_cursor(&self) -> Statement {
        let mut writer = self.given();
        writer.text(&format!(" WHERE {} IS NULL", self.cursor_text()));
        self.order(&mut writer, false);
        writer.done()
    }

    /// A row if there is one whose cursor is null.
    pub(crate) fn any_without_cursor(&self) -> Statement {
        self.any(&format!("{} IS NULL", self.cursor_text()))
    }

    /// A row if there is one whose cursor stands before all of this class: SQLite orders by type first.
    pub(crate) fn any_of_lesser_type(&self, class: Class) -> Statement {
        let least = if class == Class::Bytes { "x''" } else { "''" };
        self.any(&format!("{} < {least}", self.cursor_text()))
    }

    /// A row if there is one up to this cursor whose own is a text of digits, and not of so many. No index answers
    /// that; one on the cursor keeps it to the rows up to there.
    pub(crate) fn any_of_other_digits(&self, digits: usize, reached: Bound) -> Statement {
        let cursor = self.cursor_text();
        let (only_digits, length) = match self.dialect {
            Dialect::Postgres => {
                (format!("{cursor}::text COLLATE \"C\" ~ '^[0-9]+$'"), format!("length({cursor}::text)"))
            }
            Dialect::MySql => (format!("{cursor} REGEXP '^[0-9]+$'"), format!("CHAR_LENGTH({cursor})")),
            Dialect::Sqlite => {
                (format!("{cursor} <> '' AND {cursor} NOT GLOB '*[^0-9]*'"), format!("length({cursor})"))
            }
        };
        let mut writer = self.one_where();
        writer.text(&format!("{cursor} <= "));
        writer.bind(reached);
        writer.text(&format!(" AND {only_digits} AND {length} <> {digits} LIMIT 1"));
        writer.done()
    }

    fn any(&self, condition: &str) -> Statement {
        let mut writer = self.one_where();
        writer.text(&format!("{condition} LIMIT 1"));
        writer.done()
    }

    /// What asks whether there is a row, up to its condition.
    fn one_where(&self) -> Writer {
        let mut writer = Writer::new(self.dialect);
        writer.text("SELECT 1 FROM ");
        self.source(&mut writer);
        writer.text(" WHERE ");
        writer
    }

    fn given(&self) -> Writer {
        let mut writer = Writer::new(self.dialect);
        writer.text("SELECT ");
        for (at, column) in self.columns.iter().enumerate() {
            let Column { name, before, after, .. } = column;
            let (inner, given) = (self.inner(name), self.dialect.quoted(name));
            writer.text(if at == 0 { "" } else { ", " });
            writer.text(&format!("{before}{inner}{after} AS {given}"));
        }
        if self.cursor.len() > 1 {
            writer.text(&format!(", {} AS {CURSOR_COLUMN}", self.cursor_text()));
        }
        writer.text(" FROM ");
        self.source(&mut writer);
        writer
    }

    fn source(&self, writer: &mut Writer) {
        match self.from {
            From::Table(table) => writer.text(&format!("{table} AS {INNER}")),
            From::Query(query, values) => {
                writer.text("(");
                for (at, text) in query.texts.iter().enumerate() {
                    writer.text(text);
                    if let Some(value) = values.get(at) {
                        writer.bind(value.clone());
                    }
                }
                // On a line of its own, as the query may end in a comment.
                writer.text(&format!("\n) AS {INNER}"));
            }
        }
    }

    fn order(&self, writer: &mut Writer, by_cursor: bool) {
        let cursor = by_cursor.then(|| self.cursor_text());
        let columns: Vec<String> =
            cursor.into_iter().chain(self.key.iter().map(|name| self.inner(name))).collect();
        if !columns.is_empty() {
            writer.text(&format!(" ORDER BY {}", columns.join(", ")));
        }
    }

    fn inner(&self, name: &str) -> String {
        format!("{INNER}.{}", self.dialect.quoted(name))
    }

    fn cursor_text(&self) -> String {
        let names: Vec<String> = self.cursor.iter().map(|name| self.inner(name)).collect();
        match names.as_slice() {
            [one] => one.clone(),
            names => format!("COALESCE({})", names.join(", ")),
        }
    }
}

struct Writer {
    dialect: Dialect,
    statement: Statement,
}

impl Writer {
    fn new(dialect: Dialect) -> Self {
        Writer { dialect, statement: Statement { sql: String::new(), binds: Vec::new() } }
    }

    fn text(&mut self, text: &str) {
        self.statement.sql.push_str(text);
    }

    fn bind(&mut self, value: Bound) {
        self.statement.binds.push(value);
        match self.dialect {
            Dialect::Postgres => self.statement.sql += &format!("${}", self.statement.binds.len()),
            Dialect::MySql | Dialect::Sqlite => self.statement.sql.push('?'),
        }
    }

    /// `(a, b) > (x, y)`, written so that an index on the first of them is of use to each database.
    fn behind(&mut self, parts: &[(String, &Bound)]) {
        if let [(_, _), _, ..] = parts {
            self.text(&format!("{} >= ", parts[0].0));
            self.bind(parts[0].1.clone());
            self.text(" AND (");
        }
        for last in 0..parts.len() {
            self.text(if last == 0 { "" } else { " OR (" });
            for (name, value) in &parts[..last] {
                self.text(&format!("{name} = "));
                self.bind((*value).clone());
                self.text(" AND ");
            }
            self.text(&format!("{} > ", parts[last].0));
            self.bind(parts[last].1.clone());
            self.text(if last == 0 { "" } else { ")" });
        }
        if parts.len() > 1 {
            self.text(")");
        }
    }

    fn done(self) -> Statement {
        self.statement
    }
}
