//! How one proves who one is, and how a server does.

use std::process::Command;

use serde_json::json;
use stele_collect::{CollectError, Collector};

use crate::asking::asking;
use crate::databases::{Database, Kind};
use crate::rig::{Kept, collector, config, good};

fn checks(database: &Database, more: &str) -> Result<(), String> {
    let mut config = config(database, json!({"query": "SELECT 1 AS one"}));
    config.connection_string += more;
    let mut collector = stele_tables::TableCollector::new("shop", config, &|_| None).unwrap();
    asking(|means| collector.check(means)).map(drop).map_err(|error| stele_model::error::in_full(&error))
}

#[test]
fn passwords_of_both_kinds() {
    // SCRAM is what the server makes of a password if nothing else is said.
    let database = Database::start(Kind::Postgres);
    database.run("CREATE TABLE t (id INT PRIMARY KEY)");
    good(&mut collector(&database, json!({"table": "t"})), &mut Kept::default());
    database.run(
        "SET password_encryption = 'md5'; ALTER ROLE reader PASSWORD 'other'; CREATE ROLE short LOGIN PASSWORD 'short'",
    );
    assert!(checks(&database, "").unwrap_err().contains("the credentials are refused"));
    let mut config = config(&database, json!({"query": "SELECT 1 AS one"}));
    config.connection_string = format!("postgresql://short:short@127.0.0.1:{}/shop", database.port);
    let mut by_md5 = stele_tables::TableCollector::new("shop", config.clone(), &|_| None).unwrap();
    assert!(asking(|means| by_md5.check(means)).unwrap().identity.unwrap().contains("short"));
    config.connection_string = format!("postgresql://short@127.0.0.1:{}/shop", database.port);
    let mut without = stele_tables::TableCollector::new("shop", config.clone(), &|_| None).unwrap();
    let error = asking(|means| without.check(means)).unwrap_err();
    assert!(
        matches!(&error, CollectError::Credentials { said, .. } if said.contains("asks for a password")),
        "{error}"
    );
    // By the socket, where the server trusts.
    config.connection_string = format!("postgresql://postgres@/shop?host={}", database.dir.path().display());
    config.connection_string = config.connection_string.replace("@/", &format!("@x:{}/", database.port));
    let mut by_socket = stele_tables::TableCollector::new("shop", config, &|_| None).unwrap();
    assert!(asking(|means| by_socket.check(means)).unwrap().identity.unwrap().contains("postgres on"));
}

#[test]
fn certificates() {
    let database = Database::start(Kind::Postgres);
    assert!(checks(&database, "?sslmode=prefer").is_ok(), "a server without TLS is talked to without it");
    assert!(checks(&database, "?sslmode=require").unwrap_err().contains("the server does not encrypt"));
    let made = |name: &str, subject: &str| {
        let (key, certificate) = (
            database.dir.path().join(format!("{name}.key")),
            database.dir.path().join(format!("{name}.crt")),
        );
        let parts = format!(
            "[req]\ndistinguished_name = name\nx509_extensions = parts\n[name]\n[parts]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = {subject}\n"
        );
        let settings = database.dir.path().join("openssl.cnf");
        std::fs::write(&settings, parts).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ]);
        openssl.args(["-subj", "/CN=test"]).arg("-config").arg(settings);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        assert!(openssl.output().unwrap().status.success());
        database.own(&key);
        database.own(&certificate);
        (key, certificate)
    };
    let (key, certificate) = made("server", "IP:127.0.0.1");
    let (_, other) = made("other", "IP:127.0.0.1");
    *database.more.lock().unwrap() = vec![
        "-c".to_owned(),
        "ssl=on".to_owned(),
        "-c".to_owned(),
        format!("ssl_cert_file={}", certificate.display()),
        "-c".to_owned(),
        format!("ssl_key_file={}", key.display()),
    ];
    database.restart();
    for mode in ["disable", "prefer", "require"] {
        assert_eq!(checks(&database, &format!("?sslmode={mode}")), Ok(()), "{mode}");
    }
    // Rows come through it as without it.
    database
        .run("CREATE TABLE t AS SELECT g AS id, repeat('x', 1000) AS said FROM generate_series(1, 20000) g");
    let mut settings = config(&database, json!({"table": "t", "key": ["id"]}));
    settings.connection_string += "?sslmode=require";
    let mut encrypted = stele_tables::TableCollector::new("shop", settings, &|_| None).unwrap();
    assert_eq!(good(&mut encrypted, &mut Kept::default()), 20_000);
    let with = |mode: &str, roots: &std::path::Path| {
        checks(&database, &format!("?sslmode={mode}&sslrootcert={}", roots.display()))
    };
    for mode in ["verify-ca", "verify-full"] {
        assert_eq!(with(mode, &certificate), Ok(()), "{mode}");
        let error = with(mode, &other).unwrap_err();
        assert!(error.contains("certificate"), "{error}");
        let error = checks(&database, &format!("?sslmode={mode}")).unwrap_err();
        assert!(error.contains("certificate"), "nobody whom browsers trust: {error}");
    }
    // A certificate of another name.
    let (key, certificate) = made("named", "DNS:elsewhere.example");
    let mut more = database.more.lock().unwrap().clone();
    more[3] = format!("ssl_cert_file={}", certificate.display());
    more[5] = format!("ssl_key_file={}", key.display());
    *database.more.lock().unwrap() = more;
    database.restart();
    assert_eq!(with("verify-ca", &certificate), Ok(()));
    let error = with("verify-full", &certificate).unwrap_err();
    assert!(error.contains("certificate"), "{error}");
    let error = with("verify-full", std::path::Path::new("/nowhere.pem")).unwrap_err();
    assert!(error.contains("sslrootcert /nowhere.pem"), "{error}");
}
