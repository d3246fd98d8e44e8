//! A million rows, in little memory.

use serde_json::json;

use crate::databases::{ALL, Database, Kind};
use crate::rig::{Kept, collector, good};

/// What the process may have taken at most, in bytes: what a run is promised to stay below.
const MEMORY_MAX: u64 = 200_000_000;

#[test]
fn tables_13_a_million_rows() {
    for kind in ALL {
        let database = Database::start(kind);
        let numbers = match kind {
            Kind::Postgres => "SELECT g AS n FROM generate_series(1, 1000000) g".to_owned(),
            Kind::MariaDb => "SELECT seq AS n FROM seq_1_to_1000000".to_owned(),
            Kind::Sqlite => "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000) SELECT n FROM s".to_owned(),
        };
        let long = if kind == Kind::Sqlite { "printf('%0100d', n)" } else { "repeat('x', 100)" };
        database.run(
            "CREATE TABLE t (id INT PRIMARY KEY, at INT NOT NULL, a TEXT, b DOUBLE PRECISION, c INT, d INT)",
        );
        database
            .run(&format!("INSERT INTO t SELECT n, n / 10, {long}, n / 7.0, n * 2, NULL FROM ({numbers}) x"));
        let mut kept = Kept { counts_only: true, ..Kept::default() };
        let settings = json!({"table": "t", "incremental": {"cursor": "at", "lag": 100}});
        assert_eq!(good(&mut collector(&database, settings), &mut kept), 1_000_000);
        assert!(kept.batches >= 100, "batches are bounded");
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024;
        assert!(peak < MEMORY_MAX, "{kind:?}: {peak} bytes at most so far");
    }
}
