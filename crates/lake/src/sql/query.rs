//! One running query: its parameters, its columns, its batches.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use duckdb::core::LogicalTypeHandle;
use duckdb::types::Value;
use duckdb::{Statement, params_from_iter};

use super::Sql;
use super::error::{Context, SqlError, explain};
use super::output::texts;

/// The value of a parameter. The engine converts it to the type that the query needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// NULL.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Param {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Param {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl Param {
    fn value(&self) -> Value {
        match self {
            Param::Null => Value::Null,
            Param::Boolean(boolean) => Value::Boolean(*boolean),
            Param::Integer(number) => Value::BigInt(*number),
            Param::Number(number) => Value::Double(*number),
            Param::Text(text) => Value::Text(text.clone()),
        }
    }
}

/// The parameters of a query, by name. The first `?` and `$1` are called `1`, `$game` is `game`.
#[derive(Debug, Clone, Default)]
pub struct Params(BTreeMap<String, Param>);

impl Params {
    /// No parameters.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parameters for `?`, or for `$1`, `$2`, ….
    pub fn positional<P: Into<Param>>(values: impl IntoIterator<Item = P>) -> Self {
        Self(
            values
                .into_iter()
                .enumerate()
                .map(|(index, value)| ((index + 1).to_string(), value.into()))
                .collect(),
        )
    }

    /// Adds a parameter for `$name`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Param>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The values in the order in which the statement counts its parameters.
    fn bind(&self, statement: &Statement<'_>) -> Result<Vec<Value>, SqlError> {
        let mut values = Vec::with_capacity(self.0.len());
        for index in 1..=statement.parameter_count() {
            let name = statement
                .parameter_name(index)
                .map_err(|error| SqlError::Engine { what: "name a parameter", detail: error.to_string() })?;
            let value = self.0.get(&name).ok_or_else(|| {
                SqlError::Parameter(format!(
                    "The query has a parameter ${name} and was given {}.",
                    self.given()
                ))
            })?;
            values.push(value.value());
        }
        if values.len() < self.0.len() {
            let count = values.len();
            return Err(SqlError::Parameter(format!(
                "The query has {count} parameters and was given {}.",
                self.given()
            )));
        }
        Ok(values)
    }

    fn given(&self) -> String {
        if self.0.is_empty() {
            return "none".into();
        }
        let names: Vec<String> = self.0.keys().map(|name| format!("${name}")).collect();
        names.join(", ")
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What Arrow does not say about its type.
    pub shape: Shape,
}

/// Where in a type the text is JSON, so that JSON output may hold it as it is: Arrow knows text only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Whether the text of this level is JSON.
    pub is_json: bool,
    /// The same for elements, members, or key and value.
    pub children: Vec<Shape>,
}

impl Shape {
    fn of(logical: &LogicalTypeHandle) -> Self {
        Self {
            is_json: logical.get_alias().as_deref() == Some("JSON"),
            children: (0..logical.num_children()).map(|index| Self::of(&logical.child(index))).collect(),
        }
    }
}

/// The rows of a running query. Dropping it ends the query.
pub struct Rows<'a> {
    sql: &'a Sql,
    statement: Statement<'a>,
    text: String,
    schema: SchemaRef,
    columns: Vec<Column>,
    left: Option<u64>,
    limited: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn start(sql: &'a Sql, text: String, params: &Params) -> Result<Self, SqlError> {
        let failed = |error: duckdb::Error| failure(sql, &text, &error);
        if sql.cancelled.load(Ordering::SeqCst) {
            return Err(SqlError::Cancelled);
        }
        let mut statement = sql.connection.prepare(&text).map_err(failed)?;
        let values = params.bind(&statement)?;
        let schema = statement.stream_arrow(params_from_iter(values)).map_err(failed)?.get_schema();
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .map(|(index, field)| Column {
                name: field.name().clone(),
                shape: Shape::of(&statement.column_logical_type(index)),
            })
            .collect();
        Ok(Self { sql, statement, text, schema, columns, left: None, limited: false })
    }

    /// Ends the result after `rows` rows.
    #[must_use]
    pub fn limit(mut self, rows: u64) -> Self {
        self.left = Some(rows);
        self
    }

    /// The Arrow schema.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether the result was ended by [`Rows::limit`] although it had more rows.
    pub fn limited(&self) -> bool {
        self.limited
    }

    /// Hands over the rows that are left, each with its values as text.
    ///
    /// # Errors
    ///
    /// If the query fails or is cancelled, and what `take` says.
    pub fn each_text<E: From<SqlError>>(
        mut self,
        mut take: impl FnMut(Vec<Option<String>>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(batch) = self.next_batch()? {
            texts(&batch, &self.columns)?.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    ///
    /// If the query fails or is cancelled.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>, SqlError> {
        if self.limited {
            return Ok(None);
        }
        if self.sql.cancelled.load(Ordering::SeqCst) {
            return Err(SqlError::Cancelled);
        }
        let step = self.statement.step().map_err(|error| failure(self.sql, &self.text, &error))?;
        let Some(batch) = step.map(RecordBatch::from) else { return Ok(None) };
        let Some(left) = self.left else { return Ok(Some(batch)) };
        let rows = batch.num_rows() as u64;
        if rows <= left {
            self.left = Some(left - rows);
            return Ok(Some(batch));
        }
        self.limited = true;
        self.left = Some(0);
        Ok(if left == 0 { None } else { Some(batch.slice(0, left as usize)) })
    }
}

fn failure(sql: &Sql, text: &str, error: &duckdb::Error) -> SqlError {
    let message = match error {
        duckdb::Error::DuckDBFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    let names = &sql.names;
    let context = Context {
        text,
        views: &names.views,
        table_macros: &names.table_macros,
        memory_limit: &names.memory_limit,
    };
    explain(&message, &context)
}
