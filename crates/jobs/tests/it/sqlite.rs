//! What is special about SQLite: a file that is something else, or of another version, or damaged.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection, Executor, SqliteConnection};
use stele_jobs::{Control, DEFAULT_TENANT, JobsError, Limits, Queue};
use stele_model::ErrorKind;

use crate::rig::{Ticking, spec};
use crate::suite::tenants_have;

async fn open(file: &Path) -> Result<Queue, JobsError> {
    Queue::sqlite(file, Limits::default(), Ticking::still()).await
}

async fn behind(file: &Path, statement: &'static str) {
    let address = format!("sqlite://{}?mode=rwc", file.display());
    let mut connection = SqliteConnection::connect(&address).await.unwrap();
    connection.execute(statement).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    behind(&file("theirs.db"), "CREATE TABLE theirs (a)").await;
    open(&file("newer.db")).await.unwrap();
    behind(&file("newer.db"), "PRAGMA user_version = 2").await;
    std::fs::write(file("text.db"), "this is a text, and long enough to be looked at").unwrap();
    std::fs::create_dir(file("dir.db")).unwrap();
    for (name, kind, says) in [
        ("theirs.db", ErrorKind::Fix, "theirs.db: it is a database of another program; nothing was touched"),
        ("newer.db", ErrorKind::Fix, "its layout is version 2, and this program knows 1"),
        ("text.db", ErrorKind::Fix, "text.db: it is not a database, or damaged"),
        ("dir.db", ErrorKind::Fix, "dir.db: it is a directory"),
        ("absent/state.db", ErrorKind::Fix, "absent/state.db: its directory is not there"),
    ] {
        let error = open(&file(name)).await.unwrap_err();
        let text = stele_model::error::in_full(&error);
        assert!(error.kind() == kind && text.contains(says), "{:?} {text}", error.kind());
        assert!(!text.contains("code:") && error.hint().is_some(), "{text}");
    }
}

/// A full disk makes SQLite take a transaction back by itself, as this trigger does. What the connection believes of it
/// afterwards must not outlast it.
#[tokio::test]
async fn a_write_that_failed_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    queue.submit(spec("a@1")).await.unwrap();
    behind(
        &file,
        "CREATE TRIGGER full BEFORE INSERT ON jobs BEGIN SELECT RAISE(ROLLBACK, 'no room'); END;
         CREATE TRIGGER full2 BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ROLLBACK, 'no room'); END",
    )
    .await;
    // More often than there are connections.
    for _ in 0..8 {
        let error = queue.submit(spec("b@1")).await.unwrap_err();
        assert!(stele_model::error::in_full(&error).ends_with(": no room"), "{error:?}");
    }
    // Something can be written again, and only not what the trigger is on.
    queue.check().await.unwrap();
    behind(&file, "DROP TRIGGER full; DROP TRIGGER full2").await;
    for number in 0..8 {
        queue.submit(spec(&format!("b{number}@1"))).await.unwrap();
    }
    assert_eq!(queue.counts().await.unwrap().in_flight(), 9);
}

/// What would be written to a file that nobody finds any more is lost, so it is opened anew.
#[tokio::test]
async fn a_file_that_was_removed_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    queue.submit(spec("a@1")).await.unwrap();
    let remove = || {
        for name in ["state.db", "state.db-wal", "state.db-shm"] {
            let _ = std::fs::remove_file(dir.path().join(name));
        }
    };
    remove();
    let id = queue.submit(spec("b@1")).await.unwrap().job.unwrap();
    assert_eq!(queue.counts().await.unwrap().in_flight(), 1);
    assert_eq!(open(&file).await.unwrap().get(id).await.unwrap().id, id, "others find it");
    remove();
    std::fs::write(&file, "garbage, and long enough to be looked at").unwrap();
    let error = queue.check().await.unwrap_err();
    assert!(error.is_outage() && error.hint().unwrap().contains("move the file away"), "{error:?}");
    remove();
    queue.check().await.unwrap();
    assert_eq!(queue.counts().await.unwrap().in_flight(), 0);
}

/// What is opened later says why it cannot be, and then can.
#[tokio::test]
async fn a_queue_may_come_later() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("later/state.db");
    let queue = Queue::sqlite_later(&file, Limits::default(), Ticking::still()).unwrap();
    let error = queue.submit(spec("a@1")).await.unwrap_err();
    assert!(stele_model::error::in_full(&error).ends_with("its directory is not there"), "{error:?}");
    std::fs::create_dir(dir.path().join("later")).unwrap();
    queue.submit(spec("a@1")).await.unwrap();
    assert_eq!(queue.examine().await.unwrap().in_flight(), 1);
}

#[tokio::test]
async fn a_damaged_job_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    let id = queue.submit(spec("a@1")).await.unwrap().job.unwrap();
    behind(&file, "UPDATE jobs SET body = '{}'").await;
    let error = queue.get(id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Report);
    assert!(error.to_string().starts_with(&format!("job {id} in the queue in")), "{error}");
}

/// Whoever holds the write lock keeps others waiting, and no longer.
#[tokio::test]
async fn a_lock_is_waited_out() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    let mut other = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let submitting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.submit(spec("a@1")).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!submitting.is_finished() && queue.counts().await.unwrap().in_flight() == 0);
    other.execute("COMMIT").await.unwrap();
    assert!(submitting.await.unwrap().unwrap().job.is_some());
}

/// What the page about the format says can be asked.
#[tokio::test]
async fn its_page_is_true() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    let id = queue.submit(spec("a@1")).await.unwrap().job.unwrap();
    let page = include_str!("../../../../docs/formats/queue.md");
    let question = page.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let rows: Vec<(String, String, f64, String)> =
        sqlx::query_as(question).fetch_all(&mut connection).await.unwrap();
    assert_eq!(rows, [(id.to_string(), "queued".to_owned(), 0.0, String::new())]);
    // What keeps the ends is made with the first.
    queue.control(id, Control::Cancel).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables.len(), 6);
    for table in tables {
        assert!(page.contains(&format!("| `{table}` |")), "the page does not name {table}");
    }
}

/// A file from before jobs were found by tenant is brought up to it, and an older program may go on with it.
#[tokio::test]
async fn a_file_without_tenants_gets_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let id = open(&file).await.unwrap().submit(spec("a@1")).await.unwrap().job.unwrap();
    behind(&file, "DROP INDEX jobs_of_tenant").await;
    let all = BTreeMap::from([(DEFAULT_TENANT, vec![id])]);
    tenants_have(&open(&file).await.unwrap(), &all, 0).await;
}

/// A file from before ends were kept tells none of them, and those that come; and no more are kept than there should be.
#[tokio::test]
async fn ends_are_kept_from_the_first_that_comes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state.db");
    let queue = open(&file).await.unwrap();
    let end = async |inputs: &str| {
        let id = queue.submit(spec(inputs)).await.unwrap().job.unwrap();
        queue.control(id, Control::Cancel).await.unwrap();
        id
    };
    let told = async |mark: Option<u64>| {
        let found = queue.endings(DEFAULT_TENANT, mark, 10).await.unwrap();
        (found.endings.iter().map(|ending| ending.job).collect::<Vec<_>>(), found.mark)
    };
    end("a@1").await;
    let (_, seen) = told(None).await;
    behind(&file, "DROP TABLE endings").await;
    assert_eq!(told(None).await, (vec![], 0));
    // Whoever has a mark of what is no more hears of what comes, even without a look in between.
    let ids = [end("b@1").await, end("c@1").await];
    let (found, mark) = told(Some(seen)).await;
    assert_eq!(found, ids);
    behind(
        &file,
        "UPDATE endings SET number = number - 100000 WHERE number = (SELECT MIN(number) FROM endings)",
    )
    .await;
    assert_eq!(told(Some(0)).await, (ids.to_vec(), mark));
    let last = end("d@1").await;
    assert_eq!(told(Some(0)).await, (vec![ids[1], last], mark + 1));
}
