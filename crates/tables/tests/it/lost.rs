//! Connections that are lost, and servers that are ended, in the middle of a run.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stele_collect::{Collector, Means, Outcome};
use stele_http::{Pace as _, Still};
use stele_model::ErrorKind;
use stele_model::time::FixedClock;
use stele_tables::TableCollector;

use crate::databases::{Database, Kind};
use crate::rig::{Kept, config, good, run, run_at};

const ROWS: u64 = 60_000;

/// Passes bytes on, and cuts the connection after so many of them from the server, so often.
struct Cutter {
    port: u16,
    cuts_left: Arc<AtomicU64>,
}

impl Cutter {
    fn new(to: u16, after: u64, cuts: u64) -> Cutter {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts_left = Arc::new(AtomicU64::new(cuts));
        let left = cuts_left.clone();
        std::thread::spawn(move || {
            for inward in listener.incoming() {
                let (Ok(inward), Ok(outward)) = (inward, TcpStream::connect(("127.0.0.1", to))) else {
                    return;
                };
                let (mut from, mut into) = (inward.try_clone().unwrap(), outward.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut into);
                    let _ = into.shutdown(Shutdown::Both);
                });
                let left = left.clone();
                std::thread::spawn(move || pass(outward, inward, after, &left));
            }
        });
        Cutter { port, cuts_left }
    }
}

fn pass(mut from: TcpStream, mut into: TcpStream, after: u64, left: &AtomicU64) {
    let (mut passed, mut buffer) = (0, [0; 16 << 10]);
    while let Ok(count) = from.read(&mut buffer) {
        passed += count as u64;
        let cut = passed > after
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if count == 0 || cut || into.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), into.shutdown(Shutdown::Both));
}

fn through(database: &Database, port: u16, settings: Value) -> TableCollector {
    let mut config = config(database, settings);
    config.connection_string = database.url_by(port);
    TableCollector::new("shop", config, &|_| None).unwrap()
}

fn fill(database: &Database) {
    let rows = match database.kind {
        Kind::Postgres => format!("SELECT g, g / 3, repeat('x', 50) FROM generate_series(1, {ROWS}) g"),
        _ => format!("SELECT seq, seq DIV 3, repeat('x', 50) FROM seq_1_to_{ROWS}"),
    };
    database.run("CREATE TABLE t (id INT PRIMARY KEY, at INT NOT NULL, said TEXT)");
    database.run(&format!("INSERT INTO t {rows}"));
}

fn each_once(kept: &mut Kept) {
    let mut ids: Vec<u64> = kept.told(&["id"]).split(' ').map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids.len() as u64, ROWS);
    assert!((1..=ROWS).eq(ids), "each once, none left out");
}

#[test]
fn tables_13_connection_lost_mid_read() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let database = Database::start(kind);
        fill(&database);
        for incremental in [json!({"cursor": "at", "lag": 2}), Value::Null] {
            // Cut again and again: each time it goes on where it was.
            let cutter = Cutter::new(database.port, 1 << 20, 3);
            let settings = json!({"table": "t", "incremental": incremental});
            let mut kept = Kept::default();
            let pace = Arc::new(Still::default());
            let collected =
                run_at(&mut through(&database, cutter.port, settings), &mut kept, pace.clone()).unwrap();
            assert_eq!(cutter.cuts_left.load(Ordering::SeqCst), 0, "it was cut");
            assert_eq!(collected.streams[0].outcome, Outcome::Ok, "{collected:?}");
            assert!(pace.now() >= Duration::from_secs(3), "it waits before it tries again");
            each_once(&mut kept);
        }
        // A server that never lets anything through: the run fails with what was kept, and the next goes on.
        let cutter = Cutter::new(database.port, 1 << 20, u64::MAX);
        let settings = json!({"table": "t", "incremental": {"cursor": "at"}, "rows_max": 20_000});
        let mut kept = Kept::default();
        let mut broken = through(&database, cutter.port, settings.clone());
        let first = run(&mut broken, &mut kept).unwrap();
        assert!(kept.records > 0, "{first:?}");
        let mut healed =
            through(&database, database.port, json!({"table": "t", "incremental": {"cursor": "at"}}));
        good(&mut healed, &mut kept);
        each_once(&mut kept);
        // Without a key and a cursor there is nowhere to go on.
        let cutter = Cutter::new(database.port, 1 << 20, 1);
        let mut whole = through(&database, cutter.port, json!({"query": "SELECT said FROM t"}));
        let collected = run(&mut whole, &mut Kept::default()).unwrap();
        match &collected.streams[0].outcome {
            Outcome::Failed { reason } => assert!(reason.contains("no connection to"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn tables_13_a_server_that_is_killed() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let database = Database::start(kind);
        fill(&database);
        let settings = json!({"table": "t", "incremental": {"cursor": "at"}});
        let mut stream = through(&database, database.port, settings);
        let mut kept = Kept::default();
        let killed = AtomicBool::new(false);
        // Killed and started again while the first batch is on its way.
        let progress = |_: &str, records: u64| {
            if records > 0 && !killed.swap(true, Ordering::SeqCst) {
                database.restart();
            }
        };
        let clock = FixedClock(0);
        let means = Means {
            clock: &clock,
            pace: Arc::new(Still::default()),
            cancelled: &stele_http::never,
            progress: &progress,
            fetching: stele_collect::Stopwatch::default(),
            watch: &(),
        };
        let collected = stream.collect(&kept.cursors.clone(), &mut kept, &means).unwrap();
        assert!(killed.load(Ordering::SeqCst));
        assert_eq!(collected.streams[0].outcome, Outcome::Ok, "{collected:?}");
        each_once(&mut kept);
        // One that stays away is worth another try later, and says where it should be.
        database.kill();
        let error = run(&mut stream, &mut kept).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Retry);
        let said = stele_model::error::in_full(&error);
        assert!(said.contains("is it running") && said.contains("127.0.0.1"), "{said}");
    }
}

#[test]
fn a_run_is_stopped() {
    let database = Database::start(Kind::Postgres);
    fill(&database);
    let mut kept = Kept::default();
    let mut stream = through(&database, database.port, json!({"table": "t"}));
    let asked = AtomicU64::new(0);
    let cancelled = || asked.fetch_add(1, Ordering::SeqCst) > 20;
    let clock = FixedClock(0);
    let means = Means {
        clock: &clock,
        pace: Arc::new(Still::default()),
        cancelled: &cancelled,
        progress: &|_, _| (),
        fetching: stele_collect::Stopwatch::default(),
        watch: &(),
    };
    let error = stream.collect(&kept.cursors.clone(), &mut kept, &means).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(kept.records > 0 && kept.records < ROWS, "what was read before is kept");
    good(&mut stream, &mut kept);
    each_once(&mut kept);
    // While the server is busy and says nothing, too; and it stops what it does.
    let mut busy =
        through(&database, database.port, json!({"query": "SELECT pg_sleep(60) IS NULL AS slept"}));
    let started = std::time::Instant::now();
    let error =
        busy.collect(&kept.cursors.clone(), &mut kept, &Means { cancelled: &|| true, ..means }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(started.elapsed() < Duration::from_secs(30));
}
