//! Check, discover and preview; what is wrong in a configuration; and the password, which nobody sees.

use serde_json::{Value, json};
use stele_collect::{CollectError, Collector, Cursors, Means, Outcome, Sieve, SourcesConfig};
use stele_http::{Still, never};
use stele_model::ErrorKind;
use stele_model::error::in_full;
use stele_model::time::FixedClock;
use stele_tables::{TableCollector, TablesConfig};

use crate::databases::{ALL, Database, Kind, PASSWORD};
use crate::rig::{Kept, bad, collector, config, good, run};

pub fn asking<T>(ask: impl FnOnce(&Means<'_>) -> T) -> T {
    let clock = FixedClock(0);
    let pace = std::sync::Arc::new(Still::default());
    ask(&Means {
        clock: &clock,
        pace,
        cancelled: &never,
        progress: &|_, _| (),
        fetching: stele_collect::Stopwatch::default(),
        watch: &(),
    })
}

#[test]
fn tables_17_check_discover_preview() {
    for kind in ALL {
        let database = Database::start(kind);
        database.run("CREATE TABLE orders (part INT NOT NULL, id INT NOT NULL, said VARCHAR(20), PRIMARY KEY (id, part))");
        database.run("CREATE VIEW seen AS SELECT id FROM orders");
        database.run("INSERT INTO orders VALUES (1, 1, 'a'), (1, 2, 'b'), (1, 3, 'c')");
        let prefix = match kind {
            Kind::Postgres => "public.",
            Kind::MariaDb => "shop.",
            Kind::Sqlite => "",
        };
        let mut all = collector(&database, json!({}));
        let checked = asking(|means| all.check(means)).unwrap();
        let identity = checked.identity.unwrap();
        let expect = if kind == Kind::Sqlite { "SQLite 3" } else { "reader" };
        assert!(identity.contains(expect), "{identity}");
        assert!(checked.notes.iter().any(|note| note.contains("seen has no key")), "{:?}", checked.notes);
        let found = asking(|means| all.discover(means)).unwrap();
        let orders = found.iter().find(|stream| stream.name == format!("{prefix}orders")).unwrap();
        assert_eq!(orders.key, ["id", "part"]);
        let fields: Vec<&str> = orders.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(fields, ["part", "id", "said"]);
        assert!(orders.fields[2].1.contains("20"), "{:?}", orders.fields);
        assert!(found.iter().any(|stream| stream.name == format!("{prefix}seen")), "{found:?}");
        // A stream that is named, and one that is no table.
        let query = json!({"query": "SELECT id AS x FROM orders WHERE id > :a", "parameters": {"a": 1}, "key": ["x"]});
        let found = asking(|means| collector(&database, query).discover(means)).unwrap();
        assert_eq!((found[0].name.as_str(), found[0].key.as_slice()), ("shop", &["x".to_owned()][..]));
        assert_eq!(found[0].fields, [("x".to_owned(), String::new())]);
        // A preview is a run into a sink that soon has enough.
        let mut kept = Kept { enough: Some(2), ..Kept::default() };
        let collected =
            run(&mut collector(&database, json!({"table": "orders", "rows_max": 2})), &mut kept).unwrap();
        assert_eq!((collected.streams[0].records, &collected.streams[0].outcome), (2, &Outcome::Ok));
        // What is not there is named, with what is.
        let named =
            |settings: Value| asking(|means| collector(&database, settings).check(means)).unwrap_err();
        let check = |settings: Value, expect: &str| {
            let said = in_full(&named(settings));
            assert!(said.contains(expect), "{said}");
        };
        check(json!({"table": "order"}), "there is no table order");
        check(json!({"table": "orders", "key": ["no"]}), "has no column no; it has part, id, said");
        check(json!({"table": "orders", "incremental": {"cursor": "no"}}), "has no column no");
        check(json!({"query": "SELECT no FROM orders"}), "refuses the statement");
        // Of several streams one that fails leaves the others alone.
        let streams = json!([{"table": "no"}, {"table": "orders", "columns": ["said"]}]);
        let mut kept = Kept::default();
        let collected = run(&mut collector(&database, json!({"streams": streams})), &mut kept).unwrap();
        assert!(matches!(collected.streams[0].outcome, Outcome::Failed { .. }), "{collected:?}");
        assert_eq!((collected.streams[1].records, &collected.streams[1].outcome), (3, &Outcome::Ok));
        assert!(kept.lines[0].contains(r#""data":{"part":1,"id":1,"said":"a"}"#), "{}", kept.lines[0]);
    }
}

#[test]
fn the_password_is_printed_nowhere() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let database = Database::start(kind);
        database.run("CREATE TABLE t (id INT PRIMARY KEY)");
        // From the environment, in the form that an address needs.
        let url = database.url();
        let (before, rest) = url.split_once(":geh").unwrap();
        let (password, after) = rest.split_once('@').unwrap();
        let mut settings = config(&database, json!({"table": "t"}));
        settings.connection_string = format!("{before}:${{DB_PASSWORD}}@{after}");
        let environment =
            |said: &'static str| move |name: &str| (name == "DB_PASSWORD").then(|| said.to_owned());
        let right: &'static str = Box::leak(format!("geh{password}").into_boxed_str());
        let mut right = TableCollector::new("shop", settings.clone(), &environment(right)).unwrap();
        good(&mut right, &mut Kept::default());
        let mut wrong = TableCollector::new("shop", settings.clone(), &environment("ungeheim")).unwrap();
        let error = asking(|means| wrong.check(means)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            matches!(&error, CollectError::Credentials { variable, .. } if variable == "DB_PASSWORD"),
            "{error:?}"
        );
        let missing = TableCollector::new("shop", settings.clone(), &|_| None).unwrap_err();
        assert!(missing.to_string().contains("the environment variable DB_PASSWORD is not set"), "{missing}");
        let mut plain = config(&database, json!({"table": "t"}));
        plain.connection_string = database.url();
        let said = [
            format!("{error} {error:?} {wrong:?}"),
            format!("{plain:?} {right:?} {}", right.target()),
            in_full(&error),
            format!("{:?}", asking(|means| right.check(means)).unwrap()),
            serde_json::to_string(&plain).unwrap(),
        ];
        for said in said {
            for secret in ["ungeheim", "geh@im", "geh%40im", PASSWORD] {
                assert!(!said.contains(secret), "{said}");
            }
        }
    }
}

#[test]
fn who_may_not_read_is_told() {
    let database = Database::start(Kind::Postgres);
    database.run("CREATE TABLE closed (id INT PRIMARY KEY); REVOKE pg_read_all_data FROM reader; CREATE VIEW v AS SELECT * FROM closed; CREATE TABLE open (id INT PRIMARY KEY); GRANT SELECT ON open TO reader");
    let streams = json!([{"name": "closed", "query": "SELECT * FROM closed"}, {"table": "open"}]);
    let collected =
        run(&mut collector(&database, json!({"streams": streams})), &mut Kept::default()).unwrap();
    match &collected.streams[0].outcome {
        Outcome::Unavailable { reason } => assert!(reason.contains("grant SELECT"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(collected.streams[1].outcome, Outcome::Ok);
    let error = bad(&mut collector(&database, json!({"table": "closed"})), &mut Kept::default());
    assert!(error.contains("or the user may not read it"), "{error}");
}

#[test]
fn what_cannot_be_configured() {
    let check = |settings: Value, expect: &str| {
        let mut settings = settings;
        if settings.get("connection_string").is_none() {
            settings["connection_string"] = json!("postgresql://me@127.0.0.1/shop");
        }
        let said = match serde_json::from_value::<TablesConfig>(settings) {
            Ok(config) => in_full(&TableCollector::new("shop", config, &|_| None).unwrap_err()),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(expect), "{said} is not {expect}");
    };
    let at = |text: &str| json!({"connection_string": text});
    check(at("oracle://x"), "it does not begin with postgresql://");
    check(at("postgresql://127.0.0.1/shop"), "it names no user");
    check(at("postgresql://me@127.0.0.1/shop?sslmode=maybe"), "sslmode is disable, prefer");
    check(at("postgresql://me:a/b@127.0.0.1/shop"), "%2F");
    check(at("postgresql://me@127.0.0.1/${NO"), "is not closed");
    check(json!({"quary": "SELECT 1"}), "unknown field `quary`");
    check(json!({"query": "SELECT 1", "table": "t"}), "either a query or a table");
    check(json!({"query": "SELECT :a"}), "the query mentions :a, and there is no value for it");
    check(json!({"query": "SELECT 1", "parameters": {"a": 1}}), "the query does not mention :a");
    check(json!({"query": "SELECT :a", "parameters": {"a": [1]}}), "a is no text, number, boolean or null");
    check(json!({"query": "SELECT 1; SELECT 2"}), "it is more than one statement");
    check(json!({"key": ["id"]}), "there is none that parameters, key or incremental could belong to");
    check(json!({"streams": [{"query": "SELECT 1"}]}), "a query among several streams needs one");
    check(json!({"streams": [{"table": "t"}, {"table": "t"}]}), "two streams are called t");
    check(json!({"table": "t", "rows_max": 0}), "it is 0");
    check(json!({"table": "t", "answer_timeout_s": 0}), "answer_timeout_s: it is 0");
    check(json!({"table": "t", "incremental": {"cursor": []}}), "it has to be 1 to 16 columns");
    check(json!({"table": "t", "incremental": {"cursor": "a", "lag": "10 min"}}), "is no lag");
    check(json!({"table": "t", "incremental": {"cursor": "a", "missing": "skip"}}), "unknown variant `skip`");
    let query = "SELECT :since";
    let incremental = json!({"cursor": "a", "bind": "since"});
    check(json!({"query": query, "incremental": incremental}), "needs a value for the first run");
}

#[test]
fn sources_14_rows_of_a_table_are_held_against_a_contract() {
    let database = Database::start(Kind::Sqlite);
    database.run("CREATE TABLE orders (id INTEGER PRIMARY KEY, forecast_id TEXT, n)");
    database.run("CREATE TABLE parts (id INTEGER PRIMARY KEY)");
    database.run("INSERT INTO orders VALUES (1, 'a', 1), (2, NULL, 2), (3, 'a', 'many')");
    database.run("INSERT INTO parts VALUES (7)");
    let check = |own: Value, expect: &str, kept: u64, sifted: (u64, u64)| {
        let mut entry =
            json!({"source_id": "shop", "source_type": "database", "connection_string": database.url()});
        entry.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let sources = SourcesConfig::of(vec![entry], serde_json::Map::new(), &[], &|_| None).unwrap();
        let mut lake = Kept::default();
        let mut sieve = Sieve::of(&sources.sources[0], &mut lake).unwrap();
        let mut tables = collector(&database, json!({}));
        let collected = asking(|means| tables.collect(&Cursors::default(), &mut sieve, means)).unwrap();
        let told = match &collected.streams[0].outcome {
            Outcome::Failed { reason } => reason.clone(),
            _ => "ok".to_owned(),
        };
        assert!(told.contains(expect), "{told}");
        // The table behind it is collected, whatever becomes of this one.
        assert_eq!((&collected.streams[1].outcome, collected.streams[1].records), (&Outcome::Ok, 1));
        let found = sieve.sifted().clone();
        assert_eq!(((found.rejected, found.duplicates), lake.records), (sifted, kept), "{own}");
    };
    check(json!({}), "ok", 4, (0, 0));
    check(json!({"dedup": ["forecast_id"]}), "ok", 3, (0, 1));
    check(json!({"schema": {"types": "discard_row"}}), "ok", 3, (1, 0));
    check(
        json!({"schema": {"types": "freeze"}}),
        "orders 3: record 3: `n` is String and was Integer",
        1,
        (1, 0),
    );
}
