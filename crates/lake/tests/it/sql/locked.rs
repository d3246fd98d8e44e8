//! Everything that a query must not do, tried.

use std::fs;
use std::path::Path;

use stele_lake::sql::{Params, SqlError};

use super::harbour;

/// Every file and directory below `dir`, with the bytes of the files.
fn tree(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let bytes = if path.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
            all.push((path.display().to_string(), bytes));
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_query_only_reads_the_lake() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    let snapshot = harbour::ingest(&data);
    let secret = home.path().join("secret.csv");
    fs::write(&secret, "a,b\n1,secret\n").unwrap();
    let part = snapshot.event_parts()[0].path.display().to_string();
    let sql = harbour::open(&snapshot, home.path());
    let before = tree(home.path());

    let out = home.path().join("out").display().to_string();
    let secret = secret.display().to_string();
    let events = data.join("lake/events").display().to_string();
    let forbidden = [
        // Files that are not the lake.
        format!("SELECT * FROM read_csv('{secret}')"),
        format!("SELECT * FROM read_text('{secret}')"),
        format!("SELECT * FROM read_blob('{secret}')"),
        format!("SELECT * FROM read_json('{secret}')"),
        format!("SELECT * FROM '{secret}'"),
        format!("SELECT * FROM \"{secret}\""),
        format!("SELECT (SELECT max(b) FROM '{secret}')"),
        format!("FROM glob('{}/*')", home.path().display()),
        format!("FROM sniff_csv('{secret}')"),
        format!("FROM parquet_metadata('{part}')"),
        format!("FROM read_parquet('{events}/**')"),
        format!("FROM '{events}/*/*/*.parquet'"),
        "FROM read_text('/etc/hostname')".to_owned(),
        "FROM read_csv('https://example.invalid/x.csv')".to_owned(),
        "FROM 'https://example.invalid/x.parquet'".to_owned(),
        "FROM 's3://bucket/x.parquet'".to_owned(),
        format!("FROM query('SELECT * FROM read_text(''{secret}'')')"),
        "FROM query_table(['events'])".to_owned(),
        "WITH x AS (FROM read_text('/etc/hostname')) SELECT * FROM x".to_owned(),
        "SELECT * FROM events WHERE raw IN (SELECT content FROM read_text('/etc/hostname'))".to_owned(),
        "FROM system.main.read_text('/etc/hostname')".to_owned(),
        "FROM READ_TEXT('/etc/hostname')".to_owned(),
        "FROM \"read_text\"('/etc/hostname')".to_owned(),
        // Where this machine keeps its files, and what the views are made of.
        "SELECT current_setting('allowed_directories')".to_owned(),
        "SELECT CURRENT_SETTING('temp_directory') FROM events".to_owned(),
        "SELECT pg_catalog.current_setting('home_directory')".to_owned(),
        "FROM duckdb_views()".to_owned(),
        "FROM duckdb_settings()".to_owned(),
        "SELECT sql FROM duckdb_views".to_owned(),
        "SELECT sql FROM sqlite_master".to_owned(),
        "FROM \"SQLITE_SCHEMA\"".to_owned(),
        "FROM information_schema.tables".to_owned(),
        "FROM memory.information_schema.views".to_owned(),
        "FROM system.pg_catalog.pg_views".to_owned(),
        "FROM pg_settings".to_owned(),
        "FROM stele_internal.files".to_owned(),
        "FROM \"Stele_Internal\".files".to_owned(),
        "SELECT * FROM events WHERE uri IN (SELECT uri FROM stele_internal.files)".to_owned(),
        "WITH x AS (FROM stele_internal.files) FROM x".to_owned(),
        // Writing.
        format!("COPY (SELECT 1) TO '{out}'"),
        format!("COPY events TO '{out}' (FORMAT parquet)"),
        format!("EXPORT DATABASE '{out}'"),
        format!("IMPORT DATABASE '{out}'"),
        format!("ATTACH '{out}' AS x"),
        format!("ATTACH OR REPLACE '{out}' AS x (TYPE sqlite)"),
        "DETACH memory".to_owned(),
        "USE memory".to_owned(),
        "CREATE TABLE t(a INTEGER)".to_owned(),
        "CREATE TEMP TABLE t AS SELECT 1".to_owned(),
        "CREATE OR REPLACE VIEW events AS SELECT 1".to_owned(),
        "CREATE MACRO m() AS 1".to_owned(),
        "CREATE SCHEMA s".to_owned(),
        "CREATE SECRET s (TYPE s3)".to_owned(),
        "INSERT INTO stele_internal.files SELECT * FROM stele_internal.files".to_owned(),
        "UPDATE stele_internal.files SET uri = ''".to_owned(),
        "DELETE FROM stele_internal.files".to_owned(),
        "TRUNCATE stele_internal.files".to_owned(),
        "MERGE INTO stele_internal.files USING stele_internal.files AS s ON true WHEN MATCHED THEN DELETE"
            .to_owned(),
        "DROP VIEW events".to_owned(),
        "DROP TABLE stele_internal.files".to_owned(),
        "ALTER TABLE stele_internal.files ADD COLUMN a INTEGER".to_owned(),
        "COMMENT ON VIEW events IS 'x'".to_owned(),
        "WITH x AS (INSERT INTO stele_internal.files DEFAULT VALUES RETURNING *) SELECT * FROM x".to_owned(),
        "VACUUM".to_owned(),
        "ANALYZE".to_owned(),
        "CHECKPOINT".to_owned(),
        "BEGIN".to_owned(),
        "COMMIT".to_owned(),
        // Settings, extensions, procedures.
        "SET enable_external_access = true".to_owned(),
        "SET lock_configuration = false".to_owned(),
        "SET allowed_paths = ['/etc/hostname']".to_owned(),
        "SET GLOBAL threads = 8".to_owned(),
        "RESET lock_configuration".to_owned(),
        "SET VARIABLE x = 1".to_owned(),
        "PRAGMA enable_profiling".to_owned(),
        "PRAGMA database_list".to_owned(),
        "INSTALL httpfs".to_owned(),
        "LOAD httpfs".to_owned(),
        "LOAD '/tmp/x.duckdb_extension'".to_owned(),
        "UPDATE EXTENSIONS".to_owned(),
        "CALL pragma_version()".to_owned(),
        format!("CALL enable_logging(storage = 'file', storage_path = '{out}')"),
        format!("FROM enable_logging(storage = 'file', storage_config = {{'path': '{out}'}})"),
        format!("FROM enable_profiling(format = 'json', save_location = '{out}')"),
        "FROM disable_logging()".to_owned(),
        "FROM checkpoint()".to_owned(),
        "FROM force_checkpoint()".to_owned(),
        "FROM truncate_duckdb_logs()".to_owned(),
        "FROM duckdb_secrets()".to_owned(),
        "FROM which_secret('x', 's3')".to_owned(),
        "FROM json_execute_serialized_sql('{}')".to_owned(),
        "FROM arrow_scan(1::POINTER, 1::POINTER, 1::POINTER)".to_owned(),
        "FROM seq_scan('x')".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        "EXECUTE p".to_owned(),
        "DEALLOCATE p".to_owned(),
        // Hiding one statement behind another.
        format!("SELECT 1; COPY (SELECT 1) TO '{out}'"),
        format!("COPY (SELECT 1) TO '{out}'; SELECT 1"),
        format!("EXPLAIN COPY (SELECT 1) TO '{out}'"),
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'"),
        format!("EXPLAIN ANALYZE EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'"),
        format!("/* /* */ EXPLAIN SELECT 1 --*/\nCOPY (SELECT 1) TO '{out}'"),
        format!("EXPLAIN SELECT 1; COPY (SELECT 1) TO '{out}'"),
        format!("-- x\nCOPY (SELECT 1) TO '{out}'"),
        format!("SELECT 1 /* ; */ ; /* */ COPY (SELECT 1) TO '{out}'"),
        "SELECT 1\0; DROP VIEW events".to_owned(),
    ];
    for text in &forbidden {
        let answer = sql.query(text, &Params::none()).and_then(|mut rows| rows.next_batch());
        let error = answer.map(|batch| batch.map(|batch| batch.num_rows())).expect_err(text);
        assert!(
            matches!(
                error,
                SqlError::Forbidden { .. }
                    | SqlError::Syntax { .. }
                    | SqlError::Unknown { .. }
                    | SqlError::Part(_)
            ) || error.to_string().contains("not implemented")
                || error.to_string().contains("disabled"),
            "{text}\n{error:?}"
        );
        // Nothing that was refused leaves the engine changed.
        assert_eq!(harbour::csv(&sql, "SELECT count(*) AS n FROM ws_event").unwrap(), "n\n16\n", "{text}");
    }
    // What is refused is said in words that fit.
    for text in [format!("SELECT 1; COPY (SELECT 1) TO '{out}'"), "select 1; drop table x".to_owned()] {
        let error = sql.query(&text, &Params::none()).map(|_| ()).expect_err(&text).to_string();
        assert!(error.contains("several statements") && error.contains("one statement at a time"), "{error}");
    }
    // Whatever the engine makes of this comment, what runs is the statement that was checked.
    let text = format!("/* /* */ EXPLAIN SELECT 1 --*/ COPY (SELECT 1) TO '{out}'");
    assert!(harbour::csv(&sql, &text).unwrap().contains("physical_plan"));
    assert_eq!(tree(home.path()), before, "a query wrote a file");
}

#[test]
fn views_are_still_there_after_all_that() {
    let home = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(home.path());
    let sql = harbour::open(&snapshot, home.path());
    for view in sql.views() {
        harbour::csv(&sql, &format!("SELECT * FROM \"{view}\"")).unwrap();
        harbour::csv(&sql, &format!("SUMMARIZE \"{view}\"")).unwrap();
        harbour::csv(&sql, &format!("DESCRIBE \"{view}\"")).unwrap();
        harbour::csv(&sql, &format!("EXPLAIN SELECT * FROM \"{view}\"")).unwrap();
    }
}
