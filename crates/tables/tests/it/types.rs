//! What becomes of each type.

use serde_json::{Value, json};
use stele_collect::Collectable;

use crate::databases::{Database, Kind};
use crate::rig::{Kept, collector, good};

/// Reads a table and gives the `data` of its rows as they are spelled.
fn data_of(database: &Database, settings: Value) -> Vec<String> {
    let mut kept = Kept::default();
    good(&mut collector(database, settings), &mut kept);
    kept.lines.iter().map(|line| data(line).to_owned()).collect()
}

fn data(line: &str) -> &str {
    let from = line.find(",\"data\":").unwrap() + 8;
    line[from..].strip_suffix('}').unwrap()
}

/// Each column by itself, so that a difference says where it is.
fn check(said: &str, expect: &[(&str, &str)]) {
    let members: Vec<String> =
        expect.iter().map(|(name, value)| format!("{}:{value}", Value::from(*name))).collect();
    let mut at = 1;
    for member in &members {
        assert!(said[at..].starts_with(member.as_str()), "{member} is not at {}", &said[at..]);
        at += member.len() + 1;
    }
    assert_eq!(said, format!("{{{}}}", members.join(",")));
    serde_json::from_str::<Value>(said).unwrap();
}

#[test]
fn tables_13_types_of_postgres() {
    let database = Database::start(Kind::Postgres);
    database.run(
        r#"CREATE TYPE mood AS ENUM ('sad', 'glad "really"');
        CREATE DOMAIN cents AS bigint;
        CREATE TYPE place AS (x int, y numeric(6,3));
        CREATE TABLE every (id int PRIMARY KEY, "a ""b"" \ c" text, sm smallint, big bigint, dom cents, exact numeric(38,10),
            free numeric, tiny numeric, nan numeric, inf numeric, f4 real, f8 double precision, nanf float8, ok bool,
            c char(4), v varchar(9), odd text, by bytea, d date, dinf date, bc date, far date, t time, ttz timetz,
            ts timestamp, tz timestamptz, tzinf timestamptz, iv interval, u uuid, js json, jb jsonb, m mood, ip inet,
            net cidr, mac macaddr, bits bit(5), r int4range, mr nummultirange, xm xml, pt point, oidv oid,
            ai int[], an numeric(8,2)[], at text[], a2 int[][], az timestamptz[], am mood[], ae int[], pl place, js2 jsonb[],
            ch "char", mon money, nothing text);
        INSERT INTO every VALUES (1, E'x\ty"\\\u00fc\U0001F980\x01', -32768, 9223372036854775807, 5,
            -1234567890123456789012345678.0123456789, 1e30, 0.00000012300, 'NaN', '-Infinity', 0.1, 0.1, '-Infinity', true,
            'ab', '', 'line
break', '\x00ff10', '2024-02-29', 'infinity', '0044-03-15 BC', '12345-01-01', '23:59:59.999999', '12:00:00+02',
            '2024-02-29 12:00:00', '2024-02-29 12:00:00.5+02', '-infinity', '1 year 2 mons 3 days 04:05:06.7',
            'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', E'{"a" :\n1e400, "a":2}', '{"b":12345678901234567890.10,"a":[null]}',
            'glad "really"', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '10110', '[1,5)', '{[1.5,2),(3,)}',
            '<a>1</a>', '(1.5,-2)', 4294967295, '{1,NULL,-3}', '{1.50,NaN}', '{"a\"b",NULL,"NULL"}', '{{1,2},{3,4}}',
            '{"2024-01-01 00:00:00+00"}', '{sad}', '{}', '(1,2.500)', ARRAY['{"k":1}'::jsonb], 'x', '12.34', NULL);
        INSERT INTO every (id) VALUES (2)"#,
    );
    let said = data_of(&database, json!({"table": "every"}));
    check(
        &said[0],
        &[
            ("id", "1"),
            ("a \"b\" \\ c", r#""x\ty\"\\ü🦀\u0001""#),
            ("sm", "-32768"),
            ("big", "9223372036854775807"),
            ("dom", "5"),
            ("exact", "-1234567890123456789012345678.0123456789"),
            ("free", "1000000000000000000000000000000"),
            ("tiny", "0.00000012300"),
            ("nan", "\"NaN\""),
            ("inf", "\"-Infinity\""),
            ("f4", "0.1"),
            ("f8", "0.1"),
            ("nanf", "\"-Infinity\""),
            ("ok", "true"),
            ("c", "\"ab  \""),
            ("v", "\"\""),
            ("odd", "\"line\\nbreak\""),
            ("by", r#"{"$bytes":"AP8Q"}"#),
            ("d", "\"2024-02-29\""),
            ("dinf", "\"infinity\""),
            ("bc", "\"-000043-03-15\""),
            ("far", "\"+012345-01-01\""),
            ("t", "\"23:59:59.999999\""),
            ("ttz", "\"12:00:00+02\""),
            ("ts", "\"2024-02-29T12:00:00\""),
            ("tz", "\"2024-02-29T10:00:00.500000Z\""),
            ("tzinf", "\"-infinity\""),
            ("iv", "\"P1Y2M3DT4H5M6.7S\""),
            ("u", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\""),
            ("js", r#"{"a" : 1e400, "a":2}"#),
            ("jb", r#"{"a": [null], "b": 12345678901234567890.10}"#),
            ("m", r#""glad \"really\"""#),
            ("ip", "\"10.0.0.1/8\""),
            ("net", "\"10.0.0.0/8\""),
            ("mac", "\"08:00:2b:01:02:03\""),
            ("bits", "\"10110\""),
            ("r", "\"[1,5)\""),
            ("mr", "\"{[1.5,2),(3,)}\""),
            ("xm", "\"<a>1</a>\""),
            ("pt", "\"(1.5,-2)\""),
            ("oidv", "4294967295"),
            ("ai", "[1,null,-3]"),
            ("an", "[1.50,\"NaN\"]"),
            ("at", r#"["a\"b",null,"NULL"]"#),
            ("a2", "[[1,2],[3,4]]"),
            ("az", "[\"2024-01-01T00:00:00Z\"]"),
            ("am", "[\"sad\"]"),
            ("ae", "[]"),
            ("pl", r#"{"x":1,"y":2.500}"#),
            ("js2", r#"[{"k": 1}]"#),
            ("ch", "\"x\""),
            ("mon", "\"$12.34\""),
            ("nothing", "null"),
        ],
    );
    assert!(
        said[1].starts_with(r#"{"id":2,"a \"b\" \\ c":null,"#) && !said[1].contains(":\""),
        "{}",
        said[1]
    );
}

#[test]
fn tables_13_types_of_mariadb() {
    let database = Database::start(Kind::MariaDb);
    database.run(
        r#"SET sql_mode = '';
        CREATE TABLE every (id INT PRIMARY KEY, `a ``b`` "c"` TEXT, t1 TINYINT(1), u1 TINYINT(1) UNSIGNED, s SMALLINT, m MEDIUMINT,
            mu MEDIUMINT UNSIGNED, b BIGINT, bu BIGINT UNSIGNED, exact DECIMAL(38,10), zero DECIMAL(5,2) ZEROFILL, f FLOAT,
            d DOUBLE, bits BIT(10), y YEAR, da DATE, da0 DATE, da1 DATE, dt DATETIME(6), dt0 DATETIME, ts TIMESTAMP NULL,
            ts0 TIMESTAMP NOT NULL DEFAULT 0, ti TIME(3), ti2 TIME, c CHAR(3), v VARCHAR(9) CHARACTER SET latin1, bin BINARY(4), vb VARBINARY(9),
            bl BLOB, lt LONGTEXT COLLATE utf8mb4_bin, js JSON, e ENUM('a','b'), se SET('x','y'), nothing INT);
        INSERT INTO every VALUES (1, 'x"\\ü🦀', 1, 200, -32768, -8388608, 16777215, -9223372036854775808,
            18446744073709551615, -1234567890123456789012345678.0123456789, 1.5, 0.1, 0.1, b'1000000001', 2024, '2024-02-29',
            '0000-00-00', '2024-00-10', '2024-02-29 12:00:00.000001', '0000-00-00 00:00:00', '2024-02-29 12:00:00', 0,
            '-838:59:59.5', '12:00:00', 'abc', 'ü', x'00ff1009', x'00', 'blob', 'binary order', '{"a" :
 1.10}', 'b', 'x,y', NULL)"#,
    );
    let said = data_of(&database, json!({"table": "every"}));
    check(
        &said[0],
        &[
            ("id", "1"),
            ("a `b` \"c\"", r#""x\"\\ü🦀""#),
            ("t1", "1"),
            ("u1", "200"),
            ("s", "-32768"),
            ("m", "-8388608"),
            ("mu", "16777215"),
            ("b", "-9223372036854775808"),
            ("bu", "18446744073709551615"),
            ("exact", "-1234567890123456789012345678.0123456789"),
            ("zero", "1.50"),
            ("f", "0.1"),
            ("d", "0.1"),
            ("bits", "513"),
            ("y", "2024"),
            ("da", "\"2024-02-29\""),
            ("da0", "\"0000-00-00\""),
            ("da1", "\"2024-00-10\""),
            ("dt", "\"2024-02-29T12:00:00.000001\""),
            ("dt0", "\"0000-00-00T00:00:00\""),
            ("ts", "\"2024-02-29T12:00:00Z\""),
            ("ts0", "\"0000-00-00T00:00:00Z\""),
            ("ti", "\"-838:59:59.500000\""),
            ("ti2", "\"12:00:00\""),
            ("c", "\"abc\""),
            ("v", "\"ü\""),
            ("bin", r#"{"$bytes":"AP8QCQ=="}"#),
            ("vb", r#"{"$bytes":"AA=="}"#),
            ("bl", r#"{"$bytes":"YmxvYg=="}"#),
            ("lt", "\"binary order\""),
            ("js", r#"{"a" :  1.10}"#),
            ("e", "\"b\""),
            ("se", "\"x,y\""),
            ("nothing", "null"),
        ],
    );
}

#[test]
fn tables_13_types_of_sqlite() {
    let database = Database::start(Kind::Sqlite);
    database.run(
        r#"CREATE TABLE every (id INTEGER PRIMARY KEY, "a ""b""" TEXT, i INTEGER, r REAL, inf REAL, b BLOB, any, js JSON, bad JSON, n NUMERIC, bad_text TEXT);
        INSERT INTO every VALUES (1, 'x"\ü🦀', -9223372036854775808, 0.1, 9e999, x'00ff', '007', '{"a" :
1.10}', '{"a"', 5, CAST(x'61ff' AS TEXT));
        INSERT INTO every (id, any) VALUES (2, 1.0), (3, x'61'), (4, 7)"#,
    );
    let said = data_of(&database, json!({"table": "every"}));
    check(
        &said[0],
        &[
            ("id", "1"),
            ("a \"b\"", r#""x\"\\ü🦀""#),
            ("i", "-9223372036854775808"),
            ("r", "0.1"),
            ("inf", "\"Infinity\""),
            ("b", r#"{"$bytes":"AP8="}"#),
            ("any", "\"007\""),
            ("js", r#"{"a" : 1.10}"#),
            ("bad", r#""{\"a\"""#),
            ("n", "5"),
            ("bad_text", r#"{"$bytes":"Yf8="}"#),
        ],
    );
    let any = said[1..].iter().map(|said| serde_json::from_str::<Value>(said).unwrap()["any"].to_string());
    assert_eq!(any.collect::<Vec<_>>(), ["1.0", r#"{"$bytes":"YQ=="}"#, "7"]);
}

#[test]
fn a_line_is_what_collectables_are_written_as() {
    let database = Database::start(Kind::Sqlite);
    database.run(
        "CREATE TABLE t (a TEXT, b INTEGER, at TEXT, PRIMARY KEY (a, b)); INSERT INTO t VALUES ('x\"', 1, '2024-01-01')",
    );
    let check = |settings: Value, tenant_id: Option<&str>, original_id: Option<&str>, ts: Option<&str>| {
        let mut kept = Kept::default();
        good(&mut collector(&database, settings), &mut kept);
        let raw = serde_json::value::RawValue::from_string(data(&kept.lines[0]).to_owned()).unwrap();
        let record = Collectable {
            source: "shop",
            stream: "t",
            doc_type: "row",
            tenant_id,
            platform: Some("sqlite"),
            original_id,
            ts,
            normalised: None,
            data: &raw,
        };
        let mut expect = Vec::new();
        record.write(&mut expect).unwrap();
        assert_eq!(format!("{}\n", kept.lines[0]), String::from_utf8(expect).unwrap());
    };
    check(json!({"table": "t"}), None, Some(r#"["x\"",1]"#), None);
    check(json!({"table": "t", "key": ["b"], "tenant_id": "a\"b"}), Some("a\"b"), Some("1"), None);
    let incremental = json!({"cursor": "at"});
    check(
        json!({"table": "t", "key": ["a"], "incremental": incremental}),
        None,
        Some("x\""),
        Some("2024-01-01"),
    );
}
