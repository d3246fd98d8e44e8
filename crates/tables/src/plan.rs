//! What is asked for a stream: worked out from its configuration and from what the database says of it.

use serde_json::Value;
use stele_collect::Missing;

use crate::TablesError;
use crate::config::{Lag, StreamConfig, wrong};
use crate::dialect::{Bound, Column, Dialect, From, Selection, Start};
use crate::gather::{Gather, Memory};
use crate::order::{Broken, Class, Order, digits};
use crate::params;
use crate::reader::{Reader, Table};
use crate::window::{Saved, Window, less};

/// A stream, as it is read.
#[derive(Debug)]
pub(crate) struct Plan {
    dialect: Dialect,
    name: String,
    columns: Vec<Column>,
    pub(crate) key: Vec<String>,
    pub(crate) cursor: Vec<String>,
    /// Whether the cursor can be null.
    nullable: bool,
    /// Names and types, as far as the database says them.
    pub(crate) fields: Vec<(String, String)>,
}

impl Plan {
    /// Whether the query can be taken apart, and all of its parameters have values.
    pub(crate) fn check_query(stream: &StreamConfig, dialect: Dialect) -> Result<(), TablesError> {
        from_of(stream, dialect, &Saved::default()).map(drop)
    }

    pub(crate) fn make(
        reader: &mut dyn Reader,
        dialect: Dialect,
        name: &str,
        stream: &StreamConfig,
    ) -> Result<Self, TablesError> {
        let table = match &stream.table {
            Some(table) => Some(table_of(reader, table)?),
            None => None,
        };
        let from = from_of(stream, dialect, &Saved::default())?;
        let whole = Selection { dialect, from: &from, columns: &[], cursor: &[], key: &[] }.whole();
        let mut columns = reader.columns(&whole)?;
        if columns.is_empty() {
            return Err(wrong("query", "it gives no columns; a SELECT does"));
        }
        let known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let has = |setting: &'static str, wanted: &[String]| match wanted
            .iter()
            .find(|wanted| !known.contains(wanted))
        {
            Some(wanted) => {
                let why = format!("{name} has no column {wanted}; it has {}", known.join(", "));
                Err(wrong(setting, &why))
            }
            None => Ok(()),
        };
        let cursor = stream.incremental.as_ref().map(|incremental| incremental.cursor.names().to_vec());
        let cursor = cursor.unwrap_or_default();
        let mut key = stream.key.clone();
        if key.is_empty() {
            key = table.as_ref().map(|table| table.key.clone()).unwrap_or_default();
        }
        has("columns", &stream.columns)?;
        has("key", &key)?;
        has("cursor", &cursor)?;
        if !stream.columns.is_empty() {
            // What orders and identifies the rows is needed, whoever wants to see it.
            let wanted = |column: &Column| {
                [&stream.columns, &key, &cursor].iter().any(|names| names.contains(&column.name))
            };
            columns.retain(wanted);
        }
        let mut nullable = true;
        let mut fields = known.iter().map(|name| (name.clone(), String::new())).collect();
        if let Some(table) = table {
            let of = |name: &String| table.columns.iter().find(|column| column.name == *name);
            for column in &mut columns {
                column.json = of(&column.name).is_some_and(|known| known.kind.eq_ignore_ascii_case("json"));
            }
            nullable = cursor.iter().all(|name| of(name).is_none_or(|column| column.nullable));
            fields = table.columns.into_iter().map(|column| (column.name, column.kind)).collect();
        }
        Ok(Plan { dialect, name: name.to_owned(), columns, key, cursor, nullable, fields })
    }

    /// Whether a run can go on where another broke off.
    pub(crate) fn can_go_on(&self) -> bool {
        !self.key.is_empty() || !self.cursor.is_empty()
    }

    /// Reads what is new since `saved`, in a reading that has begun.
    pub(crate) fn read(
        &self,
        stream: &StreamConfig,
        saved: &Saved,
        reader: &mut dyn Reader,
        gather: &mut Gather<'_>,
        calls: &mut u64,
    ) -> Result<(), TablesError> {
        let from = from_of(stream, self.dialect, saved)?;
        let selection = Selection {
            dialect: self.dialect,
            from: &from,
            columns: &self.columns,
            cursor: &self.cursor,
            key: &self.key,
        };
        self.check_order(&selection, saved, reader, calls)?;
        let missing = stream.incremental.as_ref().map(|incremental| incremental.missing);
        let mut nulls = saved.nulls.clone();
        match missing {
            Some(Missing::Raise) if self.nullable => {
                *calls += 1;
                if reader.any(&selection.any_without_cursor())? {
                    return Err(self.null_cursor());
                }
            }
            Some(Missing::Include) if self.nullable => {
                *calls += 1;
                let before = saved.nulls.iter().copied().collect();
                gather.remember(Memory::Nulls(Vec::new(), before), saved.clone());
                reader.read(&selection.without_cursor(), &self.columns, gather)?;
                if gather.full {
                    return Ok(());
                }
                nulls = gather.saved(false).nulls;
            }
            _ => {}
        }
        let memory = match &stream.incremental {
            Some(incremental) => {
                let order = Order::behind(saved.cursor.as_ref(), self.as_text());
                Memory::Cursor(Window::new(incremental.lag, saved), order)
            }
            None => Memory::Key,
        };
        gather.remember(memory, Saved { nulls, ..saved.clone() });
        *calls += 1;
        reader.read(&selection.rows(&self.start(stream, saved)?), &self.columns, gather)
    }

    /// Whether the cursor is asked for as it is: a type that is only written as text may be ordered otherwise.
    fn as_text(&self) -> bool {
        let mut columns = self.columns.iter().filter(|column| self.cursor.contains(&column.name));
        columns.all(|column| column.before.is_empty() && column.after.is_empty())
    }

    /// Whether there is a row that stands before the saved cursor for ever, whenever it came. Asked where that can be: of
    /// texts in SQLite, which an index answers, and of texts of digits. The latter costs each run a look at the
    /// cursors of all rows up to the saved one, also where all is well: a `10` that came after a `9` stands among them, and
    /// no index finds it. Rows behind the saved cursor are not asked for: they are judged as they are read.
    fn check_order(
        &self,
        selection: &Selection<'_>,
        saved: &Saved,
        reader: &mut dyn Reader,
        calls: &mut u64,
    ) -> Result<(), TablesError> {
        let Some(reached) = saved.cursor.as_ref().filter(|_| !self.cursor.is_empty()) else { return Ok(()) };
        let cursor = reached.to_string();
        let class = Class::of(cursor.as_bytes()).filter(|_| self.dialect == Dialect::Sqlite);
        if let Some(class @ (Class::Text | Class::Bytes)) = class {
            *calls += 1;
            if reader.any(&selection.any_of_lesser_type(class))? {
                return Err(Broken::Classes.error(&self.name, &self.cursor, self.dialect));
            }
        }
        if let Some(digits) = digits(cursor.as_bytes()).filter(|_| self.as_text()) {
            *calls += 1;
            let reached = Bound::moment(reached, self.dialect);
            if reader.any(&selection.any_of_other_digits(digits, reached))? {
                return Err(Broken::Digits.error(&self.name, &self.cursor, self.dialect));
            }
        }
        Ok(())
    }

    fn null_cursor(&self) -> TablesError {
        TablesError::Stopped {
            code: "tables_null_cursor",
            why: format!(
                "rows of {} have no {}; `missing` says what becomes of them: include or exclude",
                self.name,
                self.cursor.join(" and no ")
            ),
        }
    }

    fn start(&self, stream: &StreamConfig, saved: &Saved) -> Result<Start, TablesError> {
        let Some(incremental) = &stream.incremental else {
            return Ok(match &saved.behind {
                Some(key) => Start::Behind(None, key.iter().map(Bound::of).collect()),
                None => Start::Beginning,
            });
        };
        let Some(cursor) = &saved.cursor else {
            return Ok(match &incremental.initial {
                Some(initial) => Start::With(Bound::moment(initial, self.dialect)),
                None => Start::Beginning,
            });
        };
        if let Some(key) = &saved.behind {
            let key = key.iter().map(|value| Bound::moment(value, self.dialect)).collect();
            return Ok(Start::Behind(Some(Bound::moment(cursor, self.dialect)), key));
        }
        Ok(Start::With(Bound::moment(&lowest(cursor, incremental.lag)?, self.dialect)))
    }
}

/// The least cursor that a row may have that came late.
fn lowest(cursor: &Value, lag: Option<Lag>) -> Result<Value, TablesError> {
    let by = match lag {
        None => return Ok(cursor.clone()),
        Some(Lag::Time(micros)) if cursor.is_string() => micros,
        Some(Lag::Count(count)) if cursor.is_number() => count,
        Some(_) => {
            let why = format!(
                "it does not go with the cursor {cursor}: a stretch of time such as `10m` goes with times, a number with numbers"
            );
            return Err(wrong("lag", &why));
        }
    };
    less(cursor, by).ok_or_else(|| {
        wrong("lag", &format!("the cursor {cursor} is no date, no time and no integer; leave the lag out"))
    })
}

/// The table that is called so.
fn table_of(reader: &mut dyn Reader, name: &str) -> Result<Table, TablesError> {
    let mut found = reader.tables(Some(name))?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => {
            let why = format!(
                "there is no table {name}, or the user may not read it; `stele sources discover` lists those that there are"
            );
            Err(TablesError::Stopped { code: "tables_no_table", why })
        }
        _ => {
            let names: Vec<String> = found.into_iter().map(|table| table.name).collect();
            Err(wrong("table", &format!("{name} may be any of {}; name its schema", names.join(", "))))
        }
    }
}

/// The table or the query, with values for its parameters as of what was read so far.
fn from_of(stream: &StreamConfig, dialect: Dialect, saved: &Saved) -> Result<From, TablesError> {
    let Some(query) = &stream.query else {
        return Ok(From::Table(dialect.table(stream.table.as_deref().unwrap_or_default())));
    };
    let parsed = params::parse(query, dialect)?;
    let incremental = stream.incremental.as_ref();
    let bind = incremental.and_then(|incremental| incremental.bind.as_ref());
    for name in stream.parameters.keys().chain(bind) {
        if !parsed.names.contains(name) {
            return Err(wrong("parameters", &format!("the query does not mention :{name}")));
        }
    }
    let value_of = |name: &String| -> Result<Bound, TablesError> {
        let given = stream.parameters.get(name);
        if bind != Some(name) {
            let why = || format!("the query mentions :{name}, and there is no value for it");
            return given.map(Bound::of).ok_or_else(|| wrong("parameters", &why()));
        }
        let lag = incremental.and_then(|incremental| incremental.lag);
        let value = match &saved.cursor {
            Some(cursor) => {
                let low = lowest(cursor, lag)?;
                less(&low, 1).unwrap_or(low)
            }
            None => {
                let initial = incremental.and_then(|incremental| incremental.initial.as_ref()).or(given);
                let why = "the parameter that `bind` names needs a value for the first run: `initial`";
                initial.cloned().ok_or_else(|| wrong("initial", why))?
            }
        };
        Ok(Bound::moment(&value, dialect))
    };
    let values = parsed.names.iter().map(value_of).collect::<Result<_, _>>()?;
    Ok(From::Query(parsed, values))
}
