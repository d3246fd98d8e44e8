//! The named cases through us, DuckDB and Polars, side by side.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use anyhow::Result;
use stele_testkit::json::{Case, cases};

use super::{Described, Tools, difference, paths_of};

/// Longest error that is shown: enough to recognise it, and a table stays a table.
const ERROR_CHARS: usize = 60;

/// The table, and whether ours was right everywhere.
///
/// # Errors
///
/// A program cannot be run.
pub fn t12(tools: &Tools) -> Result<(String, bool)> {
    let mut out =
        String::from("| case | records, rejected | stele | DuckDB | Polars |\n|---|---|---|---|---|\n");
    let mut all_right = true;
    for (index, case) in cases().into_iter().enumerate() {
        let input = tools.scratch.join(format!("t12-{index}.jsonl"));
        fs::write(&input, case.content())?;
        let ours = match tools.discover(&input, "digits") {
            Ok(tsv) if tsv == case.tsv => "exact".to_owned(),
            Ok(tsv) => {
                all_right = false;
                let difference = difference(&paths_of(&case.tsv), &paths_of(&tsv));
                if difference.is_empty() { "counts differ".to_owned() } else { difference }
            }
            Err(error) => {
                all_right = false;
                cut(&error.to_string())
            }
        };
        let duckdb = judge(&case, &tools.describe_soon("duckdb", &input)?);
        let polars = judge(&case, &tools.describe_soon("polars", &input)?);
        let _ = writeln!(
            out,
            "| {} | {}, {} | {ours} | {duckdb} | {polars} |",
            case.name, case.records, case.rejected
        );
    }
    Ok((out, all_right))
}

/// A peer's answer in a few words.
fn judge(case: &Case, found: &Described) -> String {
    if let Some(error) = &found.error {
        return format!("fails: {}", cut(error));
    }
    let mut words = Vec::new();
    if let Some(rows) = found.rows.filter(|rows| *rows != case.records) {
        words.push(format!("{rows} of {} records", case.records));
    }
    let expect: BTreeSet<String> = paths_of(&case.tsv);
    let lost = difference(&expect, &found.paths);
    if !lost.is_empty() {
        words.push(lost);
    }
    if words.is_empty() { "same paths".to_owned() } else { words.join(", ") }
}

fn cut(text: &str) -> String {
    let text: String = text.chars().take(ERROR_CHARS).collect();
    text.replace('|', "/")
}
