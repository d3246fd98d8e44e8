//! Batches, parameters, limits, cancels, odd places and empty lakes.

use std::io::{self, Write};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use stele_lake::Lake;
use stele_lake::sql::output::{self, End, Format};
use stele_lake::sql::{Param, Params, Part, Sql, SqlError, SqlOptions, Tables};
use stele_model::NoFaults;

use super::harbour;
use crate::fixture::{NOW, lake_in};

fn with_harbour(test: impl FnOnce(&Sql)) {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(dir.path());
    test(&harbour::open(&snapshot, dir.path()));
}

fn rows(sql: &Sql, text: &str, params: &Params) -> Result<String, SqlError> {
    let mut out = Vec::new();
    output::write(&mut sql.query(text, params)?, Format::Csv, &mut out)?;
    Ok(String::from_utf8(out).unwrap().lines().skip(1).collect::<Vec<_>>().join(";"))
}

#[test]
fn every_parameter_is_bound() {
    with_harbour(|sql| {
        let check = |text: &str, params: Params, expect: &str| {
            assert_eq!(rows(sql, text, &params).unwrap_or_else(|error| error.to_string()), expect, "{text}");
        };
        check("SELECT count(*) FROM episode(?)", Params::positional(["g-2"]), "5");
        check("SELECT count(*) FROM episode($game)", Params::none().with("game", "g-2"), "5");
        check("SELECT count(*) FROM tick_features(?)", Params::positional(["g-1"]), "12");
        check("SELECT count(*) FROM tick_features(game := ?)", Params::positional([Param::Null]), "14");
        check(
            "SELECT count(*) FROM events WHERE game_id = $1 AND price > $2 AND tick < $3",
            Params::positional([Param::from("g-1"), Param::from(1.5), Param::from(5)]),
            "4",
        );
        check(
            "SELECT $1 || $1",
            Params::positional(["it's; DROP VIEW events"]),
            "it's; DROP VIEW eventsit's; DROP VIEW events",
        );
        check("SELECT ?::BOOLEAN, ?", Params::positional([Param::from(true), Param::Null]), "true,");
        check("SELECT ?", Params::none(), "The query has a parameter $1 and was given none.");
        check("SELECT 1", Params::positional([1]), "The query has 0 parameters and was given $1.");
        check("SELECT $a", Params::none().with("b", 1), "The query has a parameter $a and was given $b.");
    });
}

#[test]
fn a_limit_ends_the_rows_and_says_so() {
    with_harbour(|sql| {
        for (limit, rows, end) in
            [(0, 0, End::Limited), (3, 3, End::Limited), (14, 14, End::Complete), (99, 14, End::Complete)]
        {
            let mut answer =
                sql.query("FROM ticks WHERE game_id = 'g-1'", &Params::none()).unwrap().limit(limit);
            let written = output::write(&mut answer, Format::Jsonl, &mut io::sink()).unwrap();
            assert_eq!((written.rows, written.end), (rows, end), "{limit}");
        }
    });
}

#[test]
fn rows_come_as_they_are_asked_for() {
    with_harbour(|sql| {
        // A thousand million rows do not fit the memory limit of the fixture.
        let mut answer = sql
            .query("SELECT x, repeat('x', 100) AS s FROM range(1000000000) AS t(x)", &Params::none())
            .unwrap();
        let mut seen = 0;
        while seen < 1_000_000 {
            seen += answer.next_batch().unwrap().unwrap().num_rows();
        }
    });
}

#[test]
fn more_than_the_memory_is_an_error_or_spills() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqlOptions { memory_limit: 64 << 20, threads: 1, temp_dir: dir.path().join("spill") };
    let sql = Sql::open(&Tables::default(), &options).unwrap();
    let sorted = "SELECT max(s) FROM (SELECT x::VARCHAR || repeat('y', 60) AS s FROM range(2000000) AS t(x) ORDER BY s DESC)";
    rows(&sql, sorted, &Params::none()).unwrap();
    let error = rows(
        &sql,
        "SELECT length(list(repeat('x', 1000) || x)::VARCHAR) FROM range(1000000) AS t(x)",
        &Params::none(),
    );
    let error = error.unwrap_err();
    assert!(matches!(error, SqlError::Memory { .. }), "{error:?}");
    assert_eq!(rows(&sql, "SELECT 1", &Params::none()).unwrap(), "1");
}

#[test]
fn another_thread_can_cancel() {
    with_harbour(|sql| {
        let other = sql.try_clone().unwrap();
        let canceller = sql.canceller();
        let started = Instant::now();
        let thread = std::thread::spawn(move || {
            // Nobody sends: this is how long the query may run.
            let (_open, silence) = mpsc::sync_channel::<()>(0);
            let _ = silence.recv_timeout(Duration::from_millis(100));
            canceller.cancel();
        });
        let endless = "SELECT sum(a.x * b.x % 7) FROM range(10000000) AS a(x), range(10000000) AS b(x)";
        let error = rows(sql, endless, &Params::none()).unwrap_err();
        assert!(matches!(error, SqlError::Cancelled), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(20));
        thread.join().unwrap();
        // A cancelled door stays closed, another one is open.
        assert!(matches!(rows(sql, "SELECT 1", &Params::none()), Err(SqlError::Cancelled)));
        assert_eq!(rows(&other, "SELECT count(*) FROM ticks", &Params::none()).unwrap(), "16");
    });
}

#[test]
fn an_empty_lake_has_every_view() {
    let dir = tempfile::tempdir().unwrap();
    drop(lake_in(dir.path()).writer(NOW).unwrap());
    let lake = Lake::open(dir.path(), Arc::new(NoFaults)).unwrap();
    let snapshot = lake.snapshot().unwrap();
    let empty = harbour::open(&snapshot, dir.path());
    let full_dir = tempfile::tempdir().unwrap();
    let full = harbour::open(&harbour::ingest(full_dir.path()), full_dir.path());
    assert_eq!(empty.views(), full.views());
    for view in empty.views() {
        let columns = |sql: &Sql| rows(sql, &format!("DESCRIBE \"{view}\""), &Params::none()).unwrap();
        assert_eq!(columns(&empty), columns(&full), "{view}");
        let count = rows(&empty, &format!("SELECT count(*) FROM \"{view}\""), &Params::none()).unwrap();
        assert_eq!(count == "0", view != "help", "{view}");
    }
    for text in ["FROM episode('g')", "FROM tick_features()", "FROM tick_features('g')"] {
        assert_eq!(rows(&empty, text, &Params::none()).unwrap(), "", "{text}");
    }
}

#[test]
fn a_lake_may_lie_anywhere() {
    let home = tempfile::tempdir().unwrap();
    for odd in ["doc_type=evil/date=1999-01-01", "it's [odd] *? {x}", "a\"b;c", "häfen ⚓"] {
        let dir = home.path().join(odd);
        std::fs::create_dir_all(&dir).unwrap();
        let snapshot = harbour::ingest(&dir);
        let sql = harbour::open(&snapshot, home.path());
        let text =
            "SELECT doc_type, date::VARCHAR AS date, count(*) AS n FROM events GROUP BY ALL ORDER BY ALL";
        let expect = "game_tick,2026-03-01,14;player_action,2026-03-01,3;row,,6;ws_event,2026-03-01,16";
        assert_eq!(rows(&sql, text, &Params::none()).unwrap(), expect, "{odd}");
        let text = "SELECT count(*) FROM events WHERE date = DATE '2026-03-01' AND doc_type = 'game_tick'";
        assert_eq!(rows(&sql, text, &Params::none()).unwrap(), "14", "{odd}");
    }
}

#[test]
fn parts_that_are_gone_or_damaged_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(dir.path());
    let tables = Tables::of(&snapshot).unwrap();
    let fails = |tables: &Tables| match Sql::open(tables, &harbour::options(dir.path())) {
        Ok(_) => panic!("it opened"),
        Err(error) => error.to_string(),
    };
    let mut strange = tables.clone();
    strange.events[0].doc_type = "other".into();
    assert!(fails(&strange).contains("lies outside its partition"));
    let mut apart = tables.clone();
    let path = dir.path().join("doc_type=row/date=2026-03-01/part.parquet");
    apart.events.push(Part { path, doc_type: "row".into(), date: Some("2026-03-01".into()) });
    assert!(fails(&apart).contains("lies outside the lake"));

    let victim = &tables.events[0].path;
    std::fs::write(victim, b"PAR1 and no more").unwrap();
    let message = fails(&tables);
    assert!(
        message.starts_with("cannot read a part of the lake") && message.contains(victim.to_str().unwrap()),
        "{message}"
    );
    std::fs::remove_file(victim).unwrap();
    let message = fails(&tables);
    assert!(
        message.starts_with("cannot read a part of the lake") && message.contains(victim.to_str().unwrap()),
        "{message}"
    );
}

#[test]
fn every_type_has_a_text_and_a_json() {
    with_harbour(|sql| {
        let types = "SELECT true AS b, 1::TINYINT AS i8, 18446744073709551615::UBIGINT AS u64, \
            170141183460469231731687303715884105727::HUGEINT AS big, 1.50::DECIMAL(9,2) AS d, 0.1::FLOAT AS f, 1e300 AS e, 'NaN'::DOUBLE AS nan, \
            '' AS empty, NULL AS nothing, 'a\\x00\\xFF'::BLOB AS bytes, DATE '2026-02-28' AS day, TIME '10:00:00.25' AS clock, \
            TIMESTAMP '2026-02-28 10:00:00' AS naive, TIMESTAMPTZ '2026-02-28 10:00:00+02' AS utc, TIMESTAMP_NS '2026-02-28 10:00:00.000000001' AS ns, \
            'infinity'::TIMESTAMPTZ AS ever, INTERVAL '1 month 2 days 3.5 seconds' AS span, UUID '00000000-0000-0000-0000-00000000000a' AS id, \
            [1, NULL, 3] AS list, {'a': 1, 'b c': [{'d': 'x\"y'}]} AS struct, MAP {'k': 1.5, 'l': NULL} AS map, \
            'red'::ENUM('red', 'blue') AS enum, [1.5, 2.5]::DOUBLE[2] AS pair, '{\"n\":1.000,\"n\":1e400}'::JSON AS json, \
            ['[1]'::JSON, NULL] AS jsons, union_value(num := 2) AS either, '[1,]'::JSON AS loose, '101'::BIT::VARCHAR AS bits";
        let json = harbour::json(sql, types).unwrap();
        assert_eq!(
            json.trim_end(),
            r#"{"b":true,"i8":1,"u64":18446744073709551615,"big":170141183460469231731687303715884105727,"d":1.50,"f":0.1,"e":1e300,"nan":"NaN","empty":"","nothing":null,"bytes":"a\\x00\\xFF","day":"2026-02-28","clock":"10:00:00.250","naive":"2026-02-28T10:00:00","utc":"2026-02-28T08:00:00Z","ns":"2026-02-28T10:00:00.000000001","ever":"infinity","span":"P1M2DT3.500S","id":"00000000-0000-0000-0000-00000000000a","list":[1,null,3],"struct":{"a":1,"b c":[{"d":"x\"y"}]},"map":{"k":1.5,"l":null},"enum":"red","pair":[1.5,2.5],"json":{"n":1.000,"n":1e400},"jsons":[[1],null],"either":2,"loose":"[1,]","bits":"101"}"#
        );
        let csv = harbour::csv(sql, types).unwrap();
        assert_eq!(
            csv.lines().nth(1).unwrap(),
            r#"true,1,18446744073709551615,170141183460469231731687303715884105727,1.50,0.1,1e300,NaN,"",,a\x00\xFF,2026-02-28,10:00:00.250,2026-02-28T10:00:00,2026-02-28T08:00:00Z,2026-02-28T10:00:00.000000001,infinity,P1M2DT3.500S,00000000-0000-0000-0000-00000000000a,"[1,null,3]","{""a"":1,""b c"":[{""d"":""x\""y""}]}","{""k"":1.5,""l"":null}",red,"[1.5,2.5]","{""n"":1.000,""n"":1e400}","[[1],null]",2,"[1,]",101"#
        );
        let mut answer = sql.query(types, &Params::none()).unwrap();
        let columns = answer.columns().to_vec();
        let batch = answer.next_batch().unwrap().unwrap();
        let texts = output::texts(&batch, &columns).unwrap();
        assert_eq!(texts[0][0].as_deref(), Some("true"));
        assert_eq!(texts[0][9], None);
    });
}

#[test]
fn csv_quotes_what_it_must() {
    with_harbour(|sql| {
        let text = "SELECT 'a,b' AS \"x,y\", 'say \"hi\"' AS q, E'two\\nlines' AS n, ' edge' AS s, '' AS e, NULL AS z, 'plain' AS p";
        let expect = "\"x,y\",q,n,s,e,z,p\n\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",\" edge\",\"\",,plain\n";
        assert_eq!(harbour::csv(sql, text).unwrap(), expect);
    });
}

#[test]
fn parquet_reads_back() {
    with_harbour(|sql| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.parquet");
        let mut answer = sql
            .query(
                "SELECT *, INTERVAL 1 DAY AS span, payload(raw) AS payload FROM events ORDER BY record_id",
                &Params::none(),
            )
            .unwrap();
        let written = output::write_parquet(&mut answer, std::fs::File::create(&path).unwrap()).unwrap();
        assert_eq!((written.rows, written.end), (39, End::Complete));
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 39);
        assert_eq!(batches[0].schema().field(1).data_type().to_string(), "Timestamp(µs, \"UTC\")");
    });
}

/// Takes `room` bytes, then fails.
struct Full {
    room: usize,
    error: io::ErrorKind,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(self.error.into());
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_is_no_error_and_a_full_disk_is() {
    with_harbour(|sql| {
        for format in [Format::Csv, Format::Jsonl] {
            for room in [0, 1, 5000] {
                let text = "FROM range(100000)";
                let mut gone = Full { room, error: io::ErrorKind::BrokenPipe };
                let written =
                    output::write(&mut sql.query(text, &Params::none()).unwrap(), format, &mut gone).unwrap();
                assert_eq!(written.end, End::Closed);
                let mut full = Full { room, error: io::ErrorKind::StorageFull };
                let error = output::write(&mut sql.query(text, &Params::none()).unwrap(), format, &mut full)
                    .unwrap_err();
                assert!(matches!(error, SqlError::Output(_)), "{error:?}");
            }
        }
    });
}

#[test]
fn many_parts_are_one_view() {
    // Uncompacted lakes have thousands of parts; the list of them must not be what breaks.
    const PARTS: usize = 1000;
    let dir = tempfile::tempdir().unwrap();
    let snapshot = harbour::ingest(dir.path());
    let mut tables = Tables::of(&snapshot).unwrap();
    let ticks = tables.events.iter().find(|part| part.doc_type == "game_tick").unwrap().clone();
    for index in 0..PARTS {
        let path = ticks.path.with_file_name(format!("many-{index}.parquet"));
        std::fs::hard_link(&ticks.path, &path).unwrap();
        tables.events.push(Part { path, ..ticks.clone() });
    }
    let sql = Sql::open(&tables, &harbour::options(dir.path())).unwrap();
    let count = |text: &str| rows(&sql, text, &Params::none()).unwrap();
    assert_eq!(count("SELECT count(*) FROM game_tick"), (14 * (PARTS + 1)).to_string());
    assert_eq!(count("SELECT count(*) FROM ws_event"), "16");
    assert_eq!(count("SELECT count(*) FROM tick_features('g-1')"), "12");
}
