//! Every example of the guide runs, and the guide leaves nothing out.

use super::harbour;

const GUIDE: &str = include_str!("../../../../../docs/guide/sql.md");

#[test]
fn every_example_of_the_guide_runs() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest_with_relay(dir.path());
    let sql = harbour::open(&snapshot, dir.path());
    let examples: Vec<&str> =
        GUIDE.split("```sql\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert!(examples.len() > 20, "the examples were not found");
    for example in &examples {
        let answer = harbour::csv(&sql, example).unwrap_or_else(|error| panic!("{example}\n{error}"));
        assert!(answer.lines().count() > 1, "the example shows nothing: {example}");
    }
    let names = harbour::csv(&sql, "SELECT split_part(name, '(', 1) AS name FROM help").unwrap();
    for name in names.lines().skip(1) {
        assert!(GUIDE.contains(&format!("`{name}")), "the guide says nothing of {name}");
    }
}
