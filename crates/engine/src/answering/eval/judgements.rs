//! Which document answers which question, as people said it.
//!
//! Two layouts are read, each in tables named `*.tsv`; a first line that names the columns is skipped:
//!
//! ```text
//! query-id  corpus-id  score            BEIR, cells between tabs
//! query-id  0  corpus-id  score         TREC, cells between spaces or tabs
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use super::collection::{Spot, unmarked, wrong};
use crate::EngineError;
use crate::error::At;

/// One line of a table.
pub(super) struct Judgement {
    pub(super) query: String,
    pub(super) document: String,
    /// 0 is not relevant at all, as is everything below it.
    pub(super) grade: u32,
    table: usize,
    line: u64,
}

/// Every line of every table.
pub(super) struct Judgements {
    tables: Vec<PathBuf>,
    pub(super) all: Vec<Judgement>,
}

impl Judgements {
    /// Reads the tables in `DIR/qrels`.
    pub(super) fn read(dir: &Path) -> Result<Self, EngineError> {
        let dir = dir.join("qrels");
        let mut tables: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(&dir).at("list", &dir)? {
            let path = entry.at("list", &dir)?.path();
            if path.extension().is_some_and(|end| end == "tsv") {
                tables.push(path);
            }
        }
        tables.sort();
        let mut all = Vec::new();
        for (table, path) in tables.iter().enumerate() {
            let text = fs::read_to_string(path).at("read", path)?;
            for (line, text) in (1..).zip(unmarked(&text).lines()).filter(|(_, text)| !text.trim().is_empty())
            {
                let place: Spot<'_> = (path, line);
                if let Some((query, document, grade)) =
                    row(text, line == 1).map_err(|why| wrong(place, why))?
                {
                    all.push(Judgement { query, document, grade, table, line });
                }
            }
        }
        if all.is_empty() {
            let reason = "no judgement is in it; it has to hold tables named *.tsv";
            return Err(EngineError::Collection { path: dir, reason: reason.to_owned() });
        }
        Ok(Judgements { tables, all })
    }

    /// Where a judgement stands.
    pub(super) fn place(&self, judgement: &Judgement) -> Spot<'_> {
        (&self.tables[judgement.table], judgement.line)
    }
}

/// What a line says; nothing if it is the first and names the columns.
fn row(line: &str, first: bool) -> Result<Option<(String, String, u32)>, String> {
    let cells: Vec<&str> = match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    };
    let (query, document, grade) = match cells[..] {
        [query, document, grade] | [query, _, document, grade] => (query, document, grade),
        _ => {
            return Err(format!(
                "expected query, document and score, or the four columns of TREC, got {line:?}"
            ));
        }
    };
    match grade.parse::<i64>() {
        Ok(_) if query.is_empty() || document.is_empty() => Err(format!("an id is empty in {line:?}")),
        Ok(grade) => {
            let grade = u32::try_from(grade.max(0)).unwrap_or(u32::MAX);
            Ok(Some((query.to_owned(), document.to_owned(), grade)))
        }
        // A number of another kind is a score that somebody gave, and no name of a column.
        Err(_) if first && grade.parse::<f64>().is_err() => Ok(None),
        Err(_) => Err(format!("expected a whole number as the score, got {grade:?} in {line:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn both_layouts_are_read() {
        let check = |line: &str, first: bool, expect: Result<Option<(&str, &str, u32)>, &str>| {
            let found = row(line, first);
            match (&found, expect) {
                (Ok(Some((query, document, grade))), Ok(Some(expect))) => {
                    assert_eq!((query.as_str(), document.as_str(), *grade), expect);
                }
                (Ok(None), Ok(None)) => {}
                (Err(said), Err(expect)) if said.contains(expect) => {}
                _ => panic!("{line:?}: {found:?}"),
            }
        };
        check("q1\td 2\t1", false, Ok(Some(("q1", "d 2", 1))));
        check("q1 0 d2 1", true, Ok(Some(("q1", "d2", 1))));
        check("q1\tQ0\td2\t3 ", false, Ok(Some(("q1", "d2", 3))));
        check("q1\td2\t-1", false, Ok(Some(("q1", "d2", 0))));
        check("query-id\tcorpus-id\tscore", true, Ok(None));
        check("query-id\tcorpus-id\tscore", false, Err("whole number"));
        check("q1\td2\t1.0", true, Err("whole number"));
        check("q1\td2", true, Err("query, document and score"));
        check("a b c d e", false, Err("four columns"));
        check("\td2\t1", false, Err("empty"));
    }
}
