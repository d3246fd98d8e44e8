//! Whole records inside damaged lines: two that were spliced, one after a run of NUL bytes, one
//! after the torn end of another.
//!
//! This only reads. What is found is marked and written apart from the records; the lake, its
//! counts and what replay gives stay as they are, and the line stays in quarantine.
//!
//! An object is taken for a record where it has the members, in their order, of a record that was
//! accepted from the same input. Where no such record is known it has to stand by itself: first in
//! its line, or right after another record, and not inside something larger. Anything else may be
//! a fragment of a record whose head is lost, and a fragment is worse than nothing.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::ops::Range;

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use stele_model::FileId;
use stele_model::json::{Tape, quote};

use super::selection::of_inputs;
use super::{Exported, write_lines};
use crate::sql::output;
use crate::sql::{Params, Sql, SqlError};

/// How often over a line is read at most while records are searched in it. Real damage needs two
/// or three; objects that open inside one another and never close would need the square of their
/// length.
const READINGS_MAX: usize = 64;

/// Most shapes of records that are remembered for one input. Where there are more, names are data
/// and tell nothing.
const SHAPES_MAX: usize = 4_096;

/// The names of a record's members, in their order.
type Shape = Vec<String>;

/// Writes the records that stand whole inside rejected lines, of these inputs or of all, as JSON
/// lines: `salvaged`, `source`, `file_id`, `line_no`, `byte_offset`, `byte_len`, the `reason` why
/// the line was rejected, and under `raw` the record as text.
///
/// # Errors
///
/// If the lake cannot be read, or the output refuses for another reason than that its reader went
/// away.
pub fn salvage(sql: &Sql, inputs: &[(FileId, u64)], out: &mut dyn Write) -> Result<Exported, SqlError> {
    let shapes = shapes(sql)?;
    let none = HashSet::new();
    let mut values = Vec::new();
    let chosen = of_inputs(inputs, &mut values).map_or_else(String::new, |chosen| format!(" WHERE {chosen}"));
    let text = format!(
        "SELECT source, file_id, line_no, byte_offset, reason, bytes FROM quarantine{chosen} \
         ORDER BY file_id, byte_offset"
    );
    let mut rows = sql.query(&text, &Params::positional(values))?;
    let mut tape = Tape::default();
    write_lines(&mut rows, out, |batch, columns, row, line| {
        let text = |column| {
            let mut text = String::new();
            output::value_text(batch, columns, (column, row), &mut text).map(|()| text)
        };
        let number = |column| Ok::<u64, SqlError>(text(column)?.parse().unwrap_or_default());
        let (source, id, reason) = (text(0)?, text(1)?, text(4)?);
        let (line_no, byte_offset) = (number(2)?, number(3)?);
        let bytes = bytes_of(batch.column(5), row);
        let found = records(bytes, shapes.get(&id).unwrap_or(&none), &mut tape);
        for Range { start, end } in &found {
            let raw = std::str::from_utf8(&bytes[*start..*end]).unwrap_or_default();
            // A damaged stretch of a document may span lines.
            let lines = bytes[..*start].iter().filter(|byte| **byte == b'\n').count() as u64;
            line.push_str("{\"salvaged\":true,\"source\":");
            line.push_str(&quote(&source));
            line.push_str(",\"file_id\":");
            line.push_str(&quote(&id));
            line.push_str(&format!(
                ",\"line_no\":{},\"byte_offset\":{},\"byte_len\":{},\"reason\":",
                line_no + lines,
                byte_offset + *start as u64,
                end - start
            ));
            line.push_str(&quote(&reason));
            line.push_str(",\"raw\":");
            line.push_str(&quote(raw));
            line.push_str("}\n");
        }
        Ok(found.len() as u64)
    })
}

/// The shapes of the accepted records, by input, for the inputs that have rejected lines.
fn shapes(sql: &Sql) -> Result<HashMap<String, HashSet<Shape>>, SqlError> {
    let text = "SELECT DISTINCT file_id, to_json(TRY(json_keys(raw)))::VARCHAR AS names FROM events \
                WHERE file_id IN (SELECT file_id FROM quarantine) AND starts_with(ltrim(raw), '{')";
    let mut shapes: HashMap<String, HashSet<Shape>> = HashMap::new();
    // Inputs whose names are data, so that none of them is kept.
    let mut too_many: HashSet<String> = HashSet::new();
    let mut tape = Tape::default();
    sql.query(text, &Params::none())?.each_text(|row| {
        let [Some(id), Some(names)] = row.as_slice() else { return Ok(()) };
        if too_many.contains(id) || tape.parse(names).is_err() {
            return Ok(());
        }
        let names = tape.value(names, 0).children();
        let shape = names.filter_map(|name| name.as_str().map(|name| name.into_owned())).collect();
        let known = shapes.entry(id.clone()).or_default();
        known.insert(shape);
        if known.len() > SHAPES_MAX {
            shapes.remove(id);
            too_many.insert(id.clone());
        }
        Ok::<(), SqlError>(())
    })?;
    Ok(shapes)
}

fn bytes_of(array: &dyn Array, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        _ => array.as_binary::<i32>().value(row),
    }
}

/// Where whole records stand in the bytes of a rejected line.
fn records(bytes: &[u8], shapes: &HashSet<Shape>, tape: &mut Tape) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut budget = bytes.len().saturating_mul(READINGS_MAX);
    let mut base = 0;
    // No record spans a byte that is not UTF-8.
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let mut at = 0;
        // Whether only NUL bytes and white space stand before, since the line or this record began.
        let mut alone = base == 0;
        while let Some(skipped) = text[at..].find('{') {
            let start = at + skipped;
            alone &= text[at..start].bytes().all(|byte| byte == 0 || byte.is_ascii_whitespace());
            at = start + 1;
            match tape.parse_prefix(&text[start..]) {
                Ok(len) => {
                    budget = budget.saturating_sub(len);
                    let end = start + len;
                    let record = tape.value(&text[start..], 0);
                    let shape: Shape =
                        record.children().filter_map(|member| Some(member.key()?.into_owned())).collect();
                    let next = text[end..].bytes().find(|byte| !byte.is_ascii_whitespace());
                    let inside = matches!(next, Some(b',' | b':' | b']' | b'}'));
                    alone = shapes.contains(&shape) || (alone && !inside);
                    if alone {
                        found.push(base + start..base + end);
                        at = end;
                    }
                }
                Err(error) => {
                    budget = budget.saturating_sub(error.at);
                    alone = false;
                }
            }
            if budget == 0 {
                return found;
            }
        }
        base += text.len() + chunk.invalid().len();
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use stele_model::json::Tape;

    use super::records;

    /// The records found in `line`, where records with members `n` and `data` were accepted.
    #[track_caller]
    fn check(line: impl AsRef<[u8]>, expect: &[&str]) {
        let shapes = HashSet::from([vec!["n".to_owned(), "data".to_owned()]]);
        let line = line.as_ref();
        let found = records(line, &shapes, &mut Tape::default());
        let found: Vec<&str> = found.into_iter().map(|at| std::str::from_utf8(&line[at]).unwrap()).collect();
        assert_eq!(found, expect, "{}", String::from_utf8_lossy(line));
    }

    const ONE: &str = r#"{"n":1,"data":{"a":[1,{"b":2}]}}"#;
    const TWO: &str = r#"{"n":2,"data":"é {\"n\":3,\"data\":4}"}"#;

    #[test]
    fn whole_records_are_found() {
        check(format!("{ONE}{TWO}"), &[ONE, TWO]);
        check(format!("{ONE}, {TWO}"), &[ONE, TWO]);
        check(format!("\0\0\0{ONE}"), &[ONE]);
        check(format!("a\":{{\"b\":2}}]}}}}{ONE}"), &[ONE]);
        check(format!("{}{TWO}{}", &ONE[..20], &ONE[20..]), &[TWO]);
        check(format!("{}{ONE}", &TWO[..20]), &[ONE]);
        check([b"\xff{", ONE.as_bytes(), b"\xfe", TWO.as_bytes()].concat(), &[ONE, TWO]);
    }

    #[test]
    fn what_stands_by_itself_needs_no_likeness() {
        check(r#"{"x":1}{"y":2} and a note"#, &[r#"{"x":1}"#, r#"{"y":2}"#]);
        check("\0\0{\"x\":1}", &[r#"{"x":1}"#]);
        check(r#"a note {"x":1}"#, &[]);
    }

    #[test]
    fn a_fragment_is_no_record() {
        check(r#""data":{"a":{"b":2}}}"#, &[]);
        check(r#"{"a":1},"more":2}"#, &[]);
        check(&ONE[..ONE.len() - 1], &[]);
        check(&ONE[7..], &[]);
        check("", &[]);
    }

    #[test]
    fn a_hostile_line_ends_soon() {
        check("{\"a\":".repeat(100_000), &[]);
        check("{".repeat(1_000_000), &[]);
    }
}
