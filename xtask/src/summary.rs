//! One line of totals, and the same for programs: `summary.json` beside `junit.xml`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// Totals of one kind of test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Good ones.
    pub passed: u64,
    /// The others.
    pub failed: u64,
}

/// One check beside the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// Its name.
    pub name: String,
    /// `ok` or `failed`.
    pub state: String,
    /// How long it took.
    pub seconds: u64,
}

/// Everything that `make test` found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All good ones: tests, documentation tests and checks.
    pub passed: u64,
    /// All others.
    pub failed: u64,
    /// Tests of the runner.
    pub tests: Totals,
    /// Examples in comments.
    pub doctests: Totals,
    /// Checks, in the order in which they ran.
    pub checks: Vec<CheckResult>,
}

/// Reads what the checks left in `target` and writes `summary.json` there.
///
/// # Errors
///
/// The list of checks is missing, or nothing can be written.
pub fn summary(target: &Path) -> Result<Summary> {
    let checks = fs::read_to_string(target.join("checks.tsv")).context("no check has run")?;
    let junit = fs::read_to_string(target.join("junit.xml")).ok();
    let doctests = fs::read_to_string(target.join("check-logs/doctests.log")).unwrap_or_default();
    let summary = add_up(&checks, junit.as_deref(), &doctests);
    let json = serde_json::to_string_pretty(&summary)?;
    fs::write(target.join("summary.json"), json + "\n").context("cannot write summary.json")?;
    Ok(summary)
}

/// The totals of a list of checks, a report of tests, and the log of the documentation tests.
pub fn add_up(checks: &str, junit: Option<&str>, doctests: &str) -> Summary {
    let mut summary = Summary::default();
    for line in checks.lines() {
        let mut fields = line.split('\t');
        let (Some(name), Some(state)) = (fields.next(), fields.next()) else { continue };
        let seconds = fields.next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default();
        summary.checks.push(CheckResult { name: name.to_owned(), state: state.to_owned(), seconds });
        // The two runners are checks as well: each counts as one, like a compiler's verdict, so
        // that a runner that could not even start is a failure.
        if state == "ok" {
            summary.passed += 1;
        } else {
            summary.failed += 1;
        }
    }
    if let Some(root) = junit.and_then(|junit| junit.split("<testsuites").nth(1)?.split('>').next()) {
        let number = |name: &str| -> u64 {
            let value = root.split(&format!(" {name}=\"")).nth(1).and_then(|rest| rest.split('"').next());
            value.and_then(|value| value.parse().ok()).unwrap_or_default()
        };
        summary.tests.failed = number("failures") + number("errors");
        summary.tests.passed = number("tests").saturating_sub(summary.tests.failed);
    }
    for line in doctests.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let number = |word: &str| -> u64 {
            let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            let at = words.iter().position(|found| *found == word);
            at.and_then(|at| words[at.checked_sub(1)?].parse().ok()).unwrap_or_default()
        };
        summary.doctests.passed += number("passed");
        summary.doctests.failed += number("failed");
    }
    summary.passed += summary.tests.passed + summary.doctests.passed;
    summary.failed += summary.tests.failed + summary.doctests.failed;
    summary
}

#[cfg(test)]
mod tests {
    use super::{Totals, add_up};

    #[test]
    fn totals() {
        let summary = add_up(
            "fmt\tok\t1\ntests\tfailed\t7\n",
            Some(
                "<?xml?>\n<testsuites name=\"n\" tests=\"12\" failures=\"2\" errors=\"1\" uuid=\"x\">\n<testsuite tests=\"9\">",
            ),
            "test result: ok. 3 passed; 0 failed; 0 ignored\nx\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n",
        );
        assert_eq!(summary.tests, Totals { passed: 9, failed: 3 });
        assert_eq!(summary.doctests, Totals { passed: 4, failed: 2 });
        assert_eq!((summary.passed, summary.failed), (1 + 9 + 4, 1 + 3 + 2));
        assert_eq!(summary.checks.len(), 2);
    }

    #[test]
    fn nothing_ran() {
        assert_eq!(add_up("", None, "").passed, 0);
        assert_eq!(add_up("tests\tfailed\t0", None, "").failed, 1);
    }
}
