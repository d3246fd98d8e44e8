//! What is new, on each of the databases: late rows, rows of one cursor, nulls, limits, parameters.

use serde_json::{Value, json};
use stele_collect::{CollectError, Cursors};

use crate::databases::{ALL, Database, Kind};
use crate::rig::{Kept, bad, collector, good};

/// The type of a time with microseconds; texts in SQLite.
fn time_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Postgres => "timestamptz",
        Kind::MariaDb => "DATETIME(6)",
        Kind::Sqlite => "TEXT",
    }
}

#[test]
fn tables_13_incremental() {
    for kind in ALL {
        let database = Database::start(kind);
        late_rows(&database);
        many_of_one_cursor(&database);
        no_key(&database);
        nulls(&database);
        the_first_that_is_not_null(&database);
        limits(&database);
        numbers_as_cursors(&database);
        parameters(&database);
        whole_tables(&database);
        a_sink_that_fails(&database);
    }
}

fn late_rows(database: &Database) {
    let time = time_type(database.kind);
    database.run(&format!("CREATE TABLE late (id INT PRIMARY KEY, at {time} NOT NULL)"));
    let add = |id: u32, at: &str| database.run(&format!("INSERT INTO late VALUES ({id}, '2024-01-01 {at}')"));
    for (id, at) in [(1, "10:00:00"), (2, "10:05:00"), (3, "10:20:00")] {
        add(id, at);
    }
    let mut kept = Kept::default();
    let with = |lag: Value| {
        collector(database, json!({"table": "late", "incremental": {"cursor": "at", "lag": lag}}))
    };
    let mut late = with(json!("10m"));
    assert_eq!(good(&mut late, &mut kept), 3);
    kept.told(&[]);
    // Nothing new: nothing is handed over, and nothing written.
    let batches = kept.batches;
    assert_eq!(good(&mut late, &mut kept), 0);
    assert_eq!(kept.batches, batches, "nothing new leaves nothing behind");
    // Committed late and within the lag; with a cursor that is there; too late; new.
    add(4, "10:12:00");
    add(5, "10:20:00");
    add(6, "10:09:59");
    add(7, "10:21:00");
    good(&mut late, &mut kept);
    assert_eq!(kept.told(&["id"]), "4 5 7", "{:?}", database.kind);
    // A change moves the cursor.
    database.run("UPDATE late SET at = '2024-01-01 10:30:00' WHERE id = 3");
    good(&mut late, &mut kept);
    assert_eq!(kept.told(&["id"]), "3");
    // Without a lag only rows with the last cursor are looked at again.
    add(8, "10:30:00");
    add(9, "10:29:59");
    good(&mut with(json!(null)), &mut kept);
    assert_eq!(kept.told(&["id"]), "8");
    // A lag that does not go with the cursor says so.
    let error = bad(&mut with(json!(5)), &mut kept);
    assert!(error.contains("lag") && error.contains("`10m` goes with times"), "{error}");
}

fn many_of_one_cursor(database: &Database) {
    database.run("CREATE TABLE same (id INT PRIMARY KEY, at INT NOT NULL)");
    let rows: Vec<String> = (1..=2500).map(|id| format!("({id}, 7)")).collect();
    database.run(&format!("INSERT INTO same VALUES {}", rows.join(",")));
    let settings = json!({"table": "same", "incremental": {"cursor": "at"}, "rows_max": 1000});
    let (mut kept, mut same) = (Kept::default(), collector(database, settings));
    let runs: Vec<u64> = (0..4).map(|_| good(&mut same, &mut kept)).collect();
    assert_eq!(runs, [1000, 1000, 500, 0], "{:?}", database.kind);
    let mut ids: Vec<u64> = kept.told(&["id"]).split(' ').map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=2500).collect::<Vec<u64>>(), "each once, none left out");
    // A key that does not identify rows is found out.
    let settings = json!({"table": "same", "incremental": {"cursor": "at"}, "key": ["at"]});
    let error = bad(&mut collector(database, settings), &mut Kept::default());
    assert!(error.contains("tables_key_not_unique"), "{error}");
}

fn no_key(database: &Database) {
    database.run("CREATE TABLE log (at INT NOT NULL, said VARCHAR(9))");
    database.run("INSERT INTO log VALUES (1, 'a'), (2, 'b'), (2, 'c'), (2, 'b')");
    let (mut kept, mut log) =
        (Kept::default(), collector(database, json!({"table": "log", "incremental": {"cursor": "at"}})));
    good(&mut log, &mut kept);
    let mut said: Vec<String> = kept.told(&["said"]).split(' ').map(str::to_owned).collect();
    said.sort_unstable();
    assert_eq!(said, ["a", "b", "b", "c"], "rows that are alike in all are rows");
    database.run("INSERT INTO log VALUES (2, 'd'), (1, 'too late'), (3, 'e')");
    good(&mut log, &mut kept);
    assert_eq!(kept.told(&["said"]), "d e");
}

fn nulls(database: &Database) {
    database.run("CREATE TABLE holes (id INT PRIMARY KEY, at INT)");
    database.run("INSERT INTO holes VALUES (1, NULL), (2, 5), (3, NULL)");
    let with = |missing: &str| {
        let incremental = json!({"cursor": "at", "missing": missing});
        collector(database, json!({"table": "holes", "incremental": incremental}))
    };
    let mut kept = Kept::default();
    let error = bad(&mut with("raise"), &mut kept);
    assert!(error.contains("tables_null_cursor") && error.contains("include or exclude"), "{error}");
    assert_eq!(kept.told(&["id"]), "", "nothing is read then");
    good(&mut with("exclude"), &mut kept);
    assert_eq!(kept.told(&["id"]), "2");
    let mut kept = Kept::default();
    good(&mut with("include"), &mut kept);
    assert_eq!(kept.told(&["id"]), "1 3 2");
    database.run("INSERT INTO holes VALUES (4, NULL), (5, 6)");
    good(&mut with("include"), &mut kept);
    assert_eq!(kept.told(&["id"]), "4 5", "those that were there are known");
    let batches = kept.batches;
    assert_eq!((good(&mut with("include"), &mut kept), kept.batches), (0, batches));
}

fn the_first_that_is_not_null(database: &Database) {
    database.run("CREATE TABLE two (id INT PRIMARY KEY, changed INT, made INT NOT NULL)");
    database.run("INSERT INTO two VALUES (1, NULL, 10), (2, 30, 5), (3, NULL, 20)");
    let incremental = json!({"cursor": ["changed", "made"]});
    let (mut kept, mut two) =
        (Kept::default(), collector(database, json!({"table": "two", "incremental": incremental})));
    good(&mut two, &mut kept);
    assert!(!kept.lines[0].contains("stele_cursor"), "{}", kept.lines[0]);
    assert_eq!(kept.told(&["id", "changed"]), "1/null 3/null 2/30");
    database.run("UPDATE two SET changed = 40 WHERE id = 1");
    good(&mut two, &mut kept);
    assert_eq!(kept.told(&["id"]), "1");
}

fn limits(database: &Database) {
    database.run("CREATE TABLE many (id INT PRIMARY KEY, at INT NOT NULL)");
    let rows: Vec<String> = (1..=25).map(|id| format!("({id}, {})", id / 2)).collect();
    database.run(&format!("INSERT INTO many VALUES {}", rows.join(",")));
    // With a cursor and without one: the limit is no end.
    for incremental in [json!({"cursor": "at"}), Value::Null] {
        let settings = json!({"table": "many", "incremental": incremental, "rows_max": 10});
        let (mut kept, mut many) = (Kept::default(), collector(database, settings));
        let runs: Vec<u64> = (0..3).map(|_| good(&mut many, &mut kept)).collect();
        assert_eq!(runs, [10, 10, 5], "{:?}", database.kind);
        let expect: Vec<String> = (1..=25).map(|id| id.to_string()).collect();
        assert_eq!(kept.told(&["id"]), expect.join(" "));
    }
}

fn numbers_as_cursors(database: &Database) {
    let big = if database.kind == Kind::MariaDb { "BIGINT UNSIGNED" } else { "NUMERIC(20)" };
    let most = if database.kind == Kind::Sqlite { "9223372036854775807" } else { "18446744073709551615" };
    database.run(&format!("CREATE TABLE big (id INT PRIMARY KEY, at {big} NOT NULL)"));
    database.run(&format!("INSERT INTO big VALUES (1, 5), (2, {most})"));
    let incremental = json!({"cursor": "at", "lag": 3});
    let (mut kept, mut stream) =
        (Kept::default(), collector(database, json!({"table": "big", "incremental": incremental})));
    assert_eq!(good(&mut stream, &mut kept), 2);
    assert!(
        kept.cursors.get("big").unwrap().to_string().contains(&format!(":{most},")),
        "{:?}",
        kept.cursors
    );
    let near = format!("{}", most.parse::<u128>().unwrap() - 3);
    database.run(&format!("INSERT INTO big VALUES (3, {near}), (4, 6)"));
    kept.told(&[]);
    good(&mut stream, &mut kept);
    assert_eq!(kept.told(&["id"]), "3");
}

fn parameters(database: &Database) {
    let time = time_type(database.kind);
    database.run(&format!("CREATE TABLE acts (id INT PRIMARY KEY, who VARCHAR(99), at {time} NOT NULL)"));
    database.run("INSERT INTO acts VALUES (1, 'ann', '2023-05-01 00:00:00'), (2, ''' OR 1=1 --', '2023-06-01 00:00:00'), (3, 'ann', '2022-01-01 00:00:00')");
    // A text that would be more than a value stays one.
    let with = |who: Value| {
        let query = "SELECT id, who FROM acts WHERE who = :who AND id < :most -- :not_this\n";
        collector(database, json!({"query": query, "parameters": {"who": who, "most": 100}, "key": ["id"]}))
    };
    let mut kept = Kept::default();
    good(&mut with(json!("' OR 1=1 --")), &mut kept);
    assert_eq!(kept.told(&["id"]), "2");
    for harmless in ["ann'; DROP TABLE acts; --", "\\'; DROP TABLE acts; --", "ann' OR 'a'='a"] {
        assert_eq!(good(&mut with(json!(harmless)), &mut Kept::default()), 0, "{harmless}");
    }
    assert_eq!(good(&mut with(Value::Null), &mut Kept::default()), 0);
    // The parameter goes on where the last run stopped.
    let settings = json!({
        "query": "SELECT * FROM acts WHERE at > :last_ingested_timestamp",
        "parameters": {"last_ingested_timestamp": "2023-01-01T00:00:00Z"},
        "incremental": {"cursor": "at", "bind": "last_ingested_timestamp", "lag": "10m"},
        "key": ["id"],
    });
    let (mut kept, mut acts) = (Kept::default(), collector(database, settings));
    good(&mut acts, &mut kept);
    assert_eq!(kept.told(&["id"]), "1 2", "{:?}", database.kind);
    database.run("INSERT INTO acts VALUES (4, 'b', '2023-06-01 00:00:00'), (5, 'c', '2023-05-31 23:55:00'), (6, 'd', '2023-05-31 23:00:00'), (7, 'e', '2023-06-02 00:00:00')");
    good(&mut acts, &mut kept);
    assert_eq!(kept.told(&["id"]), "5 4 7");
    assert_eq!(good(&mut acts, &mut kept), 0);
    // A query that would change something is refused, by the transaction if not by the grammar.
    let error = bad(&mut collector(database, json!({"query": "DELETE FROM acts"})), &mut Kept::default());
    assert!(error.contains("refuses"), "{error}");
    assert_eq!(good(&mut with(json!("ann")), &mut Kept::default()), 2, "everything is still there");
}

fn whole_tables(database: &Database) {
    // No stream is named: every table is one.
    let mut kept = Kept::default();
    let collected = crate::rig::run(&mut collector(database, json!({})), &mut kept).unwrap();
    let late = collected.streams.iter().find(|stream| stream.stream.ends_with("late")).unwrap();
    assert_eq!(late.records, 9, "{collected:?}");
    // Read again, everything comes again: there is nothing that would say what is new.
    let records = kept.records;
    crate::rig::run(&mut collector(database, json!({})), &mut kept).unwrap();
    assert_eq!(kept.records, records * 2);
}

#[test]
fn tables_13_a_stop_at_a_busy_lake_loses_no_rows() {
    let database = Database::start(Kind::Sqlite);
    database.run("CREATE TABLE sunk (id INT PRIMARY KEY, at INT NOT NULL)");
    let rows: Vec<String> = (1..=25_000).map(|id| format!("({id}, {id})")).collect();
    database.run(&format!("INSERT INTO sunk VALUES {}", rows.join(",")));
    // With a cursor and behind a key; each batch in its turn, the last one at the end of the rows.
    for incremental in [json!({"cursor": "at"}), Value::Null] {
        for stops_at in 1..=3 {
            let mut kept = Kept { stops_at: Some(stops_at), ..Kept::default() };
            let mut sunk = collector(&database, json!({"table": "sunk", "incremental": incremental}));
            let stopped = crate::rig::run(&mut sunk, &mut kept);
            assert!(matches!(stopped, Err(CollectError::Cancelled)), "{stopped:?}");
            assert_eq!(kept.batches, stops_at, "nothing is handed over after what was refused");
            assert_eq!(kept.records, (stops_at - 1) * 10_000);
            good(&mut sunk, &mut kept);
            let ids = kept.told(&["id"]);
            assert!((1..=25_000).map(|id| id.to_string()).eq(ids.split(' ')), "each once, none left out");
        }
    }
}

fn a_sink_that_fails(database: &Database) {
    database.run("CREATE TABLE sunk (id INT PRIMARY KEY, at INT NOT NULL)");
    let rows: Vec<String> = (1..=25_000).map(|id| format!("({id}, {id})")).collect();
    database.run(&format!("INSERT INTO sunk VALUES {}", rows.join(",")));
    for incremental in [json!({"cursor": "at"}), Value::Null] {
        let mut kept = Kept { fails_at: Some(2), ..Kept::default() };
        let mut sunk = collector(database, json!({"table": "sunk", "incremental": incremental}));
        let error = crate::rig::run(&mut sunk, &mut kept).unwrap_err();
        assert_eq!(error.kind(), stele_model::ErrorKind::Retry);
        assert_eq!(kept.records, 10_000, "the batch before is kept");
        // The next run goes on behind what was kept.
        kept.fails_at = None;
        assert_eq!(good(&mut sunk, &mut kept), 15_000);
        let ids = kept.told(&["id"]);
        assert_eq!(ids.split(' ').next_back(), Some("25000"));
        assert_eq!(ids.split(' ').count(), 25_000, "each once");
        // And a state that somebody else wrote is refused.
        let mut cursors = Cursors::default();
        cursors.set("sunk", json!("yesterday"));
        kept.cursors = cursors;
        let error = bad(&mut sunk, &mut kept);
        assert!(error.contains("`stele sources state reset ID`"), "{error}");
    }
}

#[test]
fn tables_13_cursors_that_do_not_grow_in_their_order_are_refused() {
    let database = Database::start(Kind::Sqlite);
    let refused = |table: &str, kept: &mut Kept, says: &str| {
        let settings = json!({"table": table, "incremental": {"cursor": "u"}});
        let error = bad(&mut collector(&database, settings), kept);
        assert!(error.contains("tables_cursor_order") && error.contains(says), "{table}: {error}");
        assert!(error.contains("CAST(u AS INTEGER)") && error.contains("state reset"), "{error}");
    };
    let check = |table: &str, kind: &str, before: &[&str], then: &str, says: Option<&str>| {
        database.run(&format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY, u {kind})"));
        let add = |value: &str| database.run(&format!("INSERT INTO {table} (u) VALUES ({value})"));
        before.iter().for_each(|value| add(value));
        let settings = json!({"table": table, "incremental": {"cursor": "u"}});
        let (mut kept, mut stream) = (Kept::default(), collector(&database, settings));
        assert_eq!(good(&mut stream, &mut kept), before.len() as u64, "{table}");
        add(then);
        match says {
            None => assert_eq!(good(&mut stream, &mut kept), 1, "{table}"),
            Some(says) => {
                // It is said each time, and by a run that begins anew.
                refused(table, &mut kept, says);
                refused(table, &mut kept, says);
                refused(table, &mut Kept::default(), says);
            }
        }
    };
    check("digits", "TEXT", &["'1'", "'8'", "'9'"], "'10'", Some("texts of digits"));
    check("padded", "TEXT", &["'000008'", "'000009'"], "'000010'", None);
    check("dates", "TEXT", &["'2024-01-01'"], "'2024-01-02 10:00:00'", None);
    check("numbers", "INTEGER", &["8", "9"], "10", None);
    check("text_later", "", &["8", "9"], "'10'", Some("several types"));
    check("number_later", "", &["'a'", "'b'"], "7", Some("several types"));
    check("text_before_bytes", "", &["x'01'"], "'a'", Some("several types"));
    // What the error names is a way out.
    let settings = json!({
        "query": "SELECT id, CAST(u AS INTEGER) AS u FROM digits",
        "key": ["id"],
        "incremental": {"cursor": "u"},
    });
    let (mut kept, mut cast) = (Kept::default(), collector(&database, settings));
    assert_eq!(good(&mut cast, &mut kept), 4);
    database.run("INSERT INTO digits (u) VALUES ('11')");
    assert_eq!(good(&mut cast, &mut kept), 1);
}
