//! A bucket of a real S3 server, and services that are none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use stele_http::{Secret, never};
use stele_model::ErrorKind;
use stele_testkit::server::{Reply, Server as Scripted};
use stele_testkit::stores::{S3_ACCESS_KEY, S3_SECRET_KEY, Server, Store};
use stele_watch::{ArrivalKind, WatchError, Watcher, WatcherConfig, WatcherState, WatcherStatus};

use crate::rig::Rig;

fn config(endpoint: &str, more: &str) -> WatcherConfig {
    toml::from_str(&format!("kind = \"s3\"\nbucket = \"inbox\"\nendpoint = \"{endpoint}\"\n{more}")).unwrap()
}

/// With the keys in the environment.
fn rig() -> Rig {
    let mut rig = Rig::default();
    rig.means.secrets = Arc::new(|name| match name {
        "AWS_ACCESS_KEY_ID" => Some(Secret::new(S3_ACCESS_KEY)),
        "AWS_SECRET_ACCESS_KEY" => Some(Secret::new(S3_SECRET_KEY)),
        _ => None,
    });
    rig
}

/// Whoever puts things into the bucket.
struct Bucket<'a>(&'a Rig, AmazonS3);

impl Bucket<'_> {
    fn new<'a>(rig: &'a Rig, endpoint: &str) -> Bucket<'a> {
        let builder = AmazonS3Builder::new()
            .with_bucket_name("inbox")
            .with_region("us-east-1")
            .with_endpoint(endpoint)
            .with_allow_http(true)
            .with_access_key_id(S3_ACCESS_KEY)
            .with_secret_access_key(S3_SECRET_KEY);
        Bucket(rig, builder.build().unwrap())
    }

    fn put(&self, key: &str, text: &str) {
        let payload = PutPayload::from(text.to_owned());
        self.0.means.runtime.block_on(self.1.put(&Path::parse(key).unwrap(), payload)).unwrap();
    }

    fn delete(&self, key: &str) {
        self.0.means.runtime.block_on(self.1.delete(&Path::parse(key).unwrap())).unwrap();
    }

    /// What is read where an arrival says so.
    fn read(&self, location: &str) -> String {
        let key = Path::parse(location.strip_prefix("s3://inbox/").unwrap()).unwrap();
        let read = async { self.1.get(&key).await.unwrap().bytes().await.unwrap() };
        String::from_utf8(self.0.means.runtime.block_on(read).to_vec()).unwrap()
    }
}

/// Looks once, and says what was told since the last time.
fn look(rig: &Rig, bucket: &Bucket<'_>, watcher: &mut Watcher) -> (String, WatcherStatus) {
    let already = rig.told.arrivals().len();
    watcher.step(&never);
    let arrivals = rig.told.arrivals();
    let said = arrivals[already..].iter().map(|arrival| match &arrival.kind {
        ArrivalKind::Appeared => format!("+{}={}", arrival.uri, bucket.read(&arrival.location)),
        ArrivalKind::Changed => format!("~{}={}", arrival.uri, bucket.read(&arrival.location)),
        ArrivalKind::Gone => format!("-{}", arrival.uri),
        ArrivalKind::Renamed { from } => format!("{from}>{}", arrival.uri),
    });
    (said.collect::<Vec<_>>().join(" ").replace("s3://inbox/", ""), watcher.status())
}

#[test]
fn a_bucket() {
    let Some(server) = Server::start(Store::S3) else { return };
    let rig = rig();
    let bucket = Bucket::new(&rig, &server.url);
    let config = config(&server.url, "prefix = \"docs\"");
    bucket.put("docs/a.md", "one");
    bucket.put("docs/deep/b c.md", "two, with a ü");
    bucket.put("docsx/no.md", "a name that only begins alike");
    bucket.put("other/no.md", "elsewhere");
    let mut watcher = rig.open(&config);
    let (said, status) = look(&rig, &bucket, &mut watcher);
    assert_eq!((said.as_str(), status.error), ("+docs/a.md=one +docs/deep/b c.md=two, with a ü", None));
    assert_eq!((status.seen, status.known, status.last_scan.is_some()), (2, 2, true));
    assert_eq!(look(&rig, &bucket, &mut watcher).0, "");
    bucket.put("docs/a.md", "other");
    bucket.put("docs/c.md", "three");
    bucket.delete("docs/deep/b c.md");
    assert_eq!(look(&rig, &bucket, &mut watcher).0, "~docs/a.md=other +docs/c.md=three -docs/deep/b c.md");
    // The same content at another key, and the old one gone: S3 knows no renames, and this is what one looks like.
    bucket.put("docs/d.md", "three");
    bucket.delete("docs/c.md");
    assert_eq!(look(&rig, &bucket, &mut watcher).0, "docs/c.md>docs/d.md");
    // Written anew with the same content: the ETag is what it was.
    bucket.put("docs/a.md", "other");
    assert_eq!(look(&rig, &bucket, &mut watcher).0, "");
    drop(watcher);
    let mut watcher = rig.open(&config);
    assert_eq!(look(&rig, &bucket, &mut watcher).0, "");

    // Nothing is gone because nobody answers; and it goes on by itself.
    server.kill();
    let (said, status) = look(&rig, &bucket, &mut watcher);
    assert_eq!((said.as_str(), status.state, status.known), ("", WatcherState::Failing, 2));
    let error = status.error.unwrap();
    assert!(error.cause.contains("s3://inbox/docs"), "{error:?}");
    assert!(error.next_action.contains("if the service comes back"), "{error:?}");
    server.restart();
    bucket.put("docs/e.md", "four");
    let (said, status) = look(&rig, &bucket, &mut watcher);
    assert_eq!(
        (said.as_str(), status.state, status.error),
        ("+docs/e.md=four", WatcherState::Watching, None)
    );
    rig.told.world();
}

/// A page of a list has a thousand names at most.
#[test]
fn more_than_a_page() {
    let Some(server) = Server::start(Store::S3) else { return };
    let rig = rig();
    let bucket = Bucket::new(&rig, &server.url);
    for number in 0..1_050 {
        bucket.put(&format!("{number:04}.md"), &number.to_string());
    }
    let mut watcher = rig.open(&config(&server.url, ""));
    watcher.step(&never);
    assert_eq!(rig.told.world().len(), 1_050);
    let sizes: Vec<usize> =
        rig.told.batches.lock().unwrap().iter().map(|batch| batch.arrivals.len()).collect();
    assert_eq!(sizes, [1_000, 50]);
    drop(watcher);
    let mut watcher = rig.open(&config(&server.url, "entries_max = 1049"));
    watcher.step(&never);
    let error = watcher.status().error.unwrap();
    assert!(error.cause.contains("more than 1049 entries"), "{error:?}");
    assert_eq!(rig.told.arrivals().len(), 1_050);
}

#[test]
fn what_a_service_says_is_passed_on() {
    let Some(server) = Server::start(Store::S3) else { return };
    let check = |config: &WatcherConfig, rig: &Rig, cause: &str, next_action: &str| {
        let mut watcher = rig.open(config);
        watcher.step(&never);
        let error = watcher.status().error.unwrap();
        assert!(error.cause.contains(cause), "{error:?}");
        assert!(error.next_action.contains(next_action), "{error:?}");
        assert!(!error.cause.contains("geheim"), "{error:?}");
    };
    // No bucket, no key, the wrong key.
    check(&config(&server.url, ""), &rig(), "NoSuchBucket", "see to bucket");
    check(&config(&server.url, ""), &Rig::default(), "AccessDenied", "see to bucket");
    let mut wrong = rig();
    wrong.means.secrets = Arc::new(|name| name.contains("KEY").then(|| Secret::new("geheim")));
    check(&config(&server.url, ""), &wrong, "InvalidAccessKeyId", "see to bucket");
}

/// Whatever it says, nothing is gone unless it is a list that does not name it.
#[test]
fn what_is_no_list_is_no_empty_bucket() {
    let answer = Arc::new(Mutex::new(String::new()));
    let said = Arc::clone(&answer);
    let server = Scripted::new(move |_, _| Reply::Say(200, "", said.lock().unwrap().clone()));
    let rig = rig();
    let mut watcher = rig.open(&config(&server.url, ""));
    let list = |contents: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"s3\"><Name>inbox</Name>{contents}</ListBucketResult>\n"
        )
    };
    let object = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><Size>1</Size><ETag>\"1\"</ETag><LastModified>2024-01-01T00:00:00Z</LastModified></Contents>"
        )
    };
    *answer.lock().unwrap() = list(&object("a.md"));
    watcher.step(&never);
    assert_eq!(watcher.status().known, 1);
    let mut check = |body: String, cause: &str| {
        *answer.lock().unwrap() = body;
        watcher.step(&never);
        let status = watcher.status();
        assert_eq!((status.state, status.known), (WatcherState::Failing, 1), "{status:?}");
        let error = status.error.unwrap();
        assert!(error.cause.contains(cause), "{error:?}");
    };
    check("<html>please log in</html>".to_owned(), "not a list of objects");
    check(String::new(), "not a list of objects");
    check("<Error><Code>Slow</Code></Error>".to_owned(), "not a list of objects");
    check(list(&object("a.md"))[..100].to_owned(), "not a list of objects");
    check("<ListBucketResult/>".repeat(1_000_000), "more than 16777216 bytes");
    // A key that the library has no form for is named.
    check(list(&(object("a.md") + &object("b//c.md"))), "b//c.md");
    for empty in [list(""), "<ListBucketResult/>".to_owned()] {
        *answer.lock().unwrap() = list(&object("a.md"));
        watcher.step(&never);
        assert_eq!((watcher.status().known, watcher.status().error), (1, None));
        *answer.lock().unwrap() = empty;
        watcher.step(&never);
        assert_eq!((watcher.status().known, watcher.status().error), (0, None));
    }
}

#[test]
fn a_stop_does_not_wait_for_a_service() {
    let silent = Scripted::new(|_, _| Reply::Hang);
    let rig = rig();
    let mut watcher = rig.open(&config(&silent.url, ""));
    let asked = std::time::Instant::now();
    let cancelled = || asked.elapsed() > Duration::from_millis(300);
    watcher.step(&cancelled);
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert_eq!(watcher.status().state, WatcherState::Starting);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let check = |endpoint: &str, more: &str, setting: &str| {
        let mut rig = rig();
        if more.contains("key_variable") {
            rig.means.secrets = Arc::new(|name| (name == "SET").then(|| Secret::new("key")));
        }
        let error = Watcher::open("test", &config(endpoint, more), &rig.means).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(matches!(&error, WatchError::Config { setting: named, .. } if *named == setting), "{error}");
    };
    check("ftp://host", "", "endpoint");
    check("http://127.0.0.1:1", "prefix = \"a/../b\"", "prefix");
    check("http://127.0.0.1:1", "interval_s = 0", "interval_s");
    check("http://127.0.0.1:1", "access_key_variable = \"SET\"", "secret_key_variable");
    check("http://127.0.0.1:1", "secret_key_variable = \"SET\"", "access_key_variable");
}
