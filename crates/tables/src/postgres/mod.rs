//! PostgreSQL, by its own protocol: rows are written as JSON out of the buffer that they were read into.
//!
//! Why not by a library: `docs/decisions/0017-postgres-by-hand.md`.

mod address;
mod auth;
mod link;
mod tls;
mod value;

use std::collections::HashMap;

use stele_collect::Means;
use stele_model::id::to_hex;
use url::Url;

use crate::TablesError;
use crate::config::TablesConfig;
use crate::dialect::{Bound, Column, Statement};
use crate::gather::Gather;
use crate::reader::{Listing, PORTION_ROWS, Reader, Table};
use address::Address;
use link::{Link, read_i16, read_i32};
use value::Kind;

/// Rows that the server sends before it waits for the next question: what is on its way stays bounded when a batch
/// takes long, and asking costs nothing beside so many rows.
const FETCH_ROWS: i32 = 10_000;

/// One state of the database, nothing is changed, and texts that do not depend on where the server stands. `LOCAL`,
/// so that a pool of connections passes them on to nobody.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601'; \
    SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'";

/// Tables, views and what looks like them, with their columns. What belongs to the system is left out.
const TABLES: &str = "SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, \
    array_position(i.indkey::int2[], a.attnum) \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
    WHERE c.relkind IN ('r','v','m','f','p') AND NOT c.relispartition \
    AND n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg\\_t%' \
    AND has_table_privilege(c.oid, 'SELECT') AND ($1::text IS NULL OR c.oid = to_regclass($1)) \
    ORDER BY n.nspname, c.relname, a.attnum";

pub(crate) struct Postgres<'a> {
    link: Link<'a>,
    address: Address,
}

/// A column of a result: its name and the number of its type.
type Described = (String, i32);

impl<'a> Postgres<'a> {
    pub(crate) fn open(url: &Url, config: &TablesConfig, means: &Means<'a>) -> Result<Self, TablesError> {
        let address = Address::parse(url)?;
        let link = Link::open(&address, config.connect_timeout(), config.answer_timeout(), means)?;
        Ok(Postgres { link, address })
    }

    /// For people, without a password.
    pub(crate) fn shown(url: &Url) -> Result<String, TablesError> {
        Ok(Address::parse(url)?.shown())
    }

    /// Statements without values and without rows.
    fn run(&mut self, sql: &str) -> Result<(), TablesError> {
        self.link.put(b'Q', &[sql.as_bytes(), &[0]].concat());
        self.link.send()?;
        while self.link.message()?.0 != b'Z' {}
        Ok(())
    }

    /// Puts the statement before the server, and asks what its columns are.
    fn prepare(&mut self, sql: &str) -> Result<Vec<Described>, TablesError> {
        self.link.put(b'P', &[&[0], sql.as_bytes(), &[0, 0, 0]].concat());
        self.link.put(b'D', b"S\0");
        self.link.put(b'S', &[]);
        self.link.send()?;
        let mut columns = Vec::new();
        loop {
            let (tag, body) = self.link.message()?;
            match tag {
                b'T' => columns = described(self.link.body(body)).ok_or_else(|| self.link.unexpected(tag))?,
                b'Z' => return Ok(columns),
                _ => {}
            }
        }
    }

    /// Values for the statement that was prepared, each as text, of the type that its place has; and its first
    /// rows.
    fn bind(&mut self, binds: &[Bound], binary: bool, rows_max: i32) -> Result<(), TablesError> {
        // The portal and the statement without names; all values as text.
        let mut body = b"\0\0\0\0".to_vec();
        body.extend_from_slice(&(binds.len() as i16).to_be_bytes());
        for bound in binds {
            match text_of(bound) {
                Some(text) => {
                    body.extend_from_slice(&(text.len() as i32).to_be_bytes());
                    body.extend_from_slice(text.as_bytes());
                }
                None => body.extend_from_slice(&(-1i32).to_be_bytes()),
            }
        }
        body.extend_from_slice(&1i16.to_be_bytes());
        body.extend_from_slice(&i16::from(binary).to_be_bytes());
        self.link.put(b'B', &body);
        self.fetch(rows_max)
    }

    /// The next rows.
    fn fetch(&mut self, rows_max: i32) -> Result<(), TablesError> {
        self.link.put(b'E', &[b"\0".as_slice(), &rows_max.to_be_bytes()].concat());
        self.link.put(b'S', &[]);
        self.link.send()
    }

    /// A question whose answer is small, as text.
    fn ask(&mut self, sql: &str, binds: &[Bound]) -> Result<Vec<Vec<Option<String>>>, TablesError> {
        self.prepare(sql)?;
        self.bind(binds, false, 0)?;
        let mut rows = Vec::new();
        loop {
            let (tag, body) = self.link.message()?;
            match tag {
                b'D' => {
                    let mut row = Vec::new();
                    let whole = each_value(self.link.body(body), |bytes| {
                        row.push(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()));
                        Some(())
                    });
                    whole.ok_or_else(|| self.link.unexpected(tag))?;
                    rows.push(row);
                }
                b'Z' => return Ok(rows),
                _ => {}
            }
        }
    }
}

impl Reader for Postgres<'_> {
    fn identity(&mut self) -> Result<String, TablesError> {
        let rows = self.ask("SELECT current_user", &[])?;
        let user = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        Ok(format!("{user} on PostgreSQL {} at {}", self.link.version, self.address.shown()))
    }

    fn tables(&mut self, named: Option<&str>) -> Result<Vec<Table>, TablesError> {
        let named = named.map(|named| crate::dialect::Dialect::Postgres.table(named));
        let rows = self.ask(TABLES, &[named.map_or(Bound::Null, Bound::Text)])?;
        Ok(Listing::of_rows(rows, "f"))
    }

    fn begin(&mut self) -> Result<(), TablesError> {
        self.run(BEGIN)
    }

    fn end(&mut self) -> Result<(), TablesError> {
        self.run("ROLLBACK")
    }

    fn columns(&mut self, statement: &Statement) -> Result<Vec<Column>, TablesError> {
        let described = self.prepare(&statement.sql)?;
        let mut unknown: Vec<i32> =
            described.iter().map(|(_, oid)| *oid).filter(|oid| value::kind(*oid).is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let mut categories: HashMap<i32, String> = HashMap::new();
        if !unknown.is_empty() {
            let oids: Vec<String> = unknown.iter().map(ToString::to_string).collect();
            let sql = "SELECT oid::int8, typcategory FROM pg_type WHERE oid = ANY($1::oid[])";
            for row in self.ask(sql, &[Bound::Text(format!("{{{}}}", oids.join(",")))])? {
                if let [Some(oid), Some(category)] = row.as_slice()
                    && let Ok(oid) = oid.parse::<i64>()
                {
                    categories.insert(oid as i32, category.clone());
                }
            }
        }
        let column = |(name, oid): Described| {
            let (before, after) = match value::kind(oid) {
                Some(_) => ("", ""),
                None => match categories.get(&oid).map(String::as_str) {
                    // Arrays of what is written as text, and rows within rows. `int2vector` and `oidvector` are
                    // called arrays and are none.
                    Some("A") if oid != 22 && oid != 30 => ("", "::text[]"),
                    Some("C") => ("to_json(", ")"),
                    _ => ("", "::text"),
                },
            };
            Column { before, after, ..Column::plain(name) }
        };
        Ok(described.into_iter().map(column).collect())
    }

    fn any(&mut self, statement: &Statement) -> Result<bool, TablesError> {
        Ok(!self.ask(&statement.sql, &statement.binds)?.is_empty())
    }

    fn read(
        &mut self,
        statement: &Statement,
        _: &[Column],
        rows: &mut Gather<'_>,
    ) -> Result<(), TablesError> {
        let described = self.prepare(&statement.sql)?;
        let names: Vec<String> = described.iter().map(|(name, _)| name.clone()).collect();
        // What has no kind was asked for as text.
        let kinds: Vec<Kind> =
            described.iter().map(|(_, oid)| value::kind(*oid).unwrap_or(Kind::Text)).collect();
        rows.begin(&names)?;
        self.bind(&statement.binds, true, FETCH_ROWS)?;
        let mut portion = 0;
        let mut more = false;
        loop {
            let (tag, body) = self.link.message()?;
            match tag {
                b'D' => {
                    rows.row();
                    let body = self.link.body(body);
                    write_row(body, &kinds, rows).ok_or_else(|| self.link.unexpected(tag))?;
                    portion += 1;
                    if rows.end()? || portion == PORTION_ROWS {
                        portion = 0;
                        if !rows.pause()? {
                            return Ok(());
                        }
                    }
                }
                // The portal waits for the next question.
                b's' => more = true,
                b'Z' if more => {
                    more = false;
                    self.fetch(FETCH_ROWS)?;
                }
                b'Z' => return Ok(()),
                _ => {}
            }
        }
    }
}

/// What stands in a place, as the server reads it.
fn text_of(bound: &Bound) -> Option<String> {
    match bound {
        Bound::Null => None,
        Bound::Bool(is) => Some(is.to_string()),
        Bound::Number(text) | Bound::Text(text) => Some(text.clone()),
        Bound::Bytes(bytes) => Some(format!("\\x{}", to_hex(bytes))),
    }
}

fn described(body: &[u8]) -> Option<Vec<Described>> {
    let count = read_i16(body, 0)?;
    let mut rest = body.get(2..)?;
    let mut columns = Vec::new();
    for _ in 0..count {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        // The table, the place in it; the type; its length, its modifier and the format.
        columns.push((name, read_i32(rest, end + 7)?));
        rest = rest.get(end + 19..)?;
    }
    Some(columns)
}

/// Walks over the values of a row.
fn each_value<'b>(body: &'b [u8], mut value: impl FnMut(Option<&'b [u8]>) -> Option<()>) -> Option<()> {
    let count = read_i16(body, 0)?;
    let mut rest = body.get(2..)?;
    for _ in 0..count {
        let length = read_i32(rest, 0)?;
        rest = &rest[4..];
        match usize::try_from(length) {
            Ok(length) => {
                value(Some(rest.get(..length)?))?;
                rest = &rest[length..];
            }
            Err(_) => value(None)?,
        }
    }
    Some(())
}

fn write_row(body: &[u8], kinds: &[Kind], rows: &mut Gather<'_>) -> Option<()> {
    let mut kinds = kinds.iter();
    each_value(body, |bytes| {
        let kind = *kinds.next()?;
        let mut right = Some(());
        rows.value(|out| match bytes {
            Some(bytes) => right = value::write(out, kind, bytes),
            None => out.extend_from_slice(b"null"),
        });
        right
    })
}
