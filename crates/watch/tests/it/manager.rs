//! Several watchers, as a configuration says, on threads and in the time that passes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stele_http::Pace;
use stele_model::ErrorKind;
use stele_watch::{
    Applied, Arrivals, Batch, Manager, Mode, Refused, SpoolConfig, WatchError, WatcherConfig, WatcherState,
    check_all,
};

use crate::rig::Rig;

/// Time as it passes.
struct Real(Instant);

impl Pace for Real {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        std::thread::park_timeout(time);
    }
}

fn real() -> Rig {
    let mut rig = Rig::default();
    rig.means.pace = Arc::new(Real(Instant::now()));
    rig
}

fn parse(text: &str) -> Result<BTreeMap<String, WatcherConfig>, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

/// Until something is so, or much too long.
#[track_caller]
fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it never is");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_configuration_is_read() {
    let text = r#"
        [inbox]
        kind = "spool"
        path = "/srv/inbox"
        mode = "ready"
        settle_ms = 500
        tag = "in"
        [news]
        kind = "http"
        index = "https://example.org/index.json"
        interval_s = 5
        http = { tries_max = 2 }
        [bucket]
        kind = "s3"
        bucket = "docs"
        prefix = "a/b"
        endpoint = "http://127.0.0.1:8333"
    "#;
    let watchers = parse(text).unwrap();
    check_all(&watchers).unwrap();
    let spool = SpoolConfig {
        mode: Mode::Ready,
        settle_ms: 500,
        tag: Some("in".into()),
        ..SpoolConfig::new("/srv/inbox")
    };
    assert_eq!(watchers["inbox"], WatcherConfig::Spool(spool));
    let targets: Vec<String> = watchers.values().map(WatcherConfig::target).collect();
    assert_eq!(
        targets,
        ["s3://docs/a/b at http://127.0.0.1:8333", "/srv/inbox", "https://example.org/index.json"]
    );
    // The same in JSON, whose numbers are kept as they are written, and back.
    let json = serde_json::to_string(&watchers).unwrap();
    assert_eq!(serde_json::from_str::<BTreeMap<String, WatcherConfig>>(&json).unwrap(), watchers);
}

#[test]
fn the_examples_of_the_guide_are_read() {
    let guide = include_str!("../../../../docs/guide/watch.md");
    let block = guide.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let tables: BTreeMap<String, BTreeMap<String, WatcherConfig>> = toml::from_str(block).unwrap();
    let watchers = &tables["watchers"];
    check_all(watchers).unwrap();
    let kinds: Vec<&str> = watchers.values().map(WatcherConfig::kind).collect();
    assert_eq!(kinds, ["http", "spool", "s3", "notion"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let check = |text: &str, expect: &str| {
        let error = parse(&format!("[w]\n{text}")).err().unwrap();
        assert!(error.contains(expect), "{error}");
    };
    check("path = \"/a\"", "missing field `kind`");
    check("kind = \"ftp\"", "there are spool, http, s3 and notion");
    check("kind = \"spool\"", "missing field `path`");
    check("kind = \"spool\"\nfolder = \"/a\"", "unknown field `folder`");
    check("kind = \"spool\"\npath = \"/a\"\nmode = \"fast\"", "unknown variant `fast`");
    check("kind = \"http\"\nindex = \"http://h\"\ninterval = 1", "unknown field `interval`");
    check("kind = \"http\"\nindex = \"http://h\"\nhttp = { tries = 1 }", "unknown field `tries`");
    check("kind = \"s3\"\nbucket = \"b\"\nkey = \"geheim\"", "unknown field `key`");
    check("kind = \"spool\"\npath = \"/a\"\nsettle_ms = -1", "settle_ms cannot be used");
    check("kind = \"spool\"\npath = 7", "path cannot be used");
    check("kind = \"spool\"\npath = \"/a\"\nevents = \"no\"", "events cannot be used");

    let check = |text: &str, setting: &str| {
        let error = check_all(&parse(text).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(matches!(&error, WatchError::Config { setting: named, .. } if *named == setting), "{error}");
    };
    check("[Inbox]\nkind = \"spool\"\npath = \"/a\"", "name");
    check("[\"../a\"]\nkind = \"spool\"\npath = \"/a\"", "name");
    check("[a]\nkind = \"spool\"\npath = \"a\"", "path");
    check("[a]\nkind = \"spool\"\npath = \"/a\"\nrescan_s = 0", "rescan_s");
    check("[a]\nkind = \"spool\"\npath = \"/a\"\nentries_max = 0", "entries_max");
    check("[a]\nkind = \"s3\"\nbucket = \"a/b\"", "bucket");
    // What two would hand over twice.
    check("[a]\nkind = \"spool\"\npath = \"/a\"\n[b]\nkind = \"spool\"\npath = \"/a/b\"", "path");
    check(
        "[a]\nkind = \"http\"\nindex = \"http://h/\"\n[b]\nkind = \"http\"\nindex = \"http://h/\"",
        "index",
    );
    check("[a]\nkind = \"s3\"\nbucket = \"b\"\n[b]\nkind = \"s3\"\nbucket = \"b\"\nprefix = \"x\"", "prefix");
    let many: String = (0..65).map(|n| format!("[w{n}]\nkind = \"spool\"\npath = \"/{n}\"\n")).collect();
    check(&many, "name");
    let apart = "[a]\nkind = \"spool\"\npath = \"/a\"\n[b]\nkind = \"spool\"\npath = \"/ab\"";
    check_all(&parse(apart).unwrap()).unwrap();
}

#[test]
fn a_configuration_is_replaced_while_it_runs() {
    let rig = real();
    for name in ["a", "b", "c"] {
        std::fs::create_dir(rig.path(name)).unwrap();
    }
    let spool = |name: &str| SpoolConfig { settle_ms: 100, ..SpoolConfig::new(rig.path(name)) };
    let watchers = |spools: &[(&str, SpoolConfig)]| -> BTreeMap<String, WatcherConfig> {
        spools.iter().map(|(name, spool)| ((*name).to_owned(), WatcherConfig::Spool(spool.clone()))).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let manager = Manager::new(rig.means.clone());
    let told = |name: &str| {
        rig.told
            .arrivals()
            .iter()
            .filter(|arrival| arrival.uri == rig.path(name).display().to_string())
            .count()
    };

    let applied = manager.apply(&watchers(&[("a", spool("a")), ("b", spool("b"))])).unwrap();
    assert_eq!(applied, Applied { started: names(&["a", "b"]), ..Applied::default() });
    rig.put("a/x.md", "one");
    rig.put("b/x.md", "one");
    until(|| told("a/x.md") == 1 && told("b/x.md") == 1);

    // One stays, one is other than it was, one comes.
    let direct = SpoolConfig { mode: Mode::Direct, ..spool("b") };
    let new = watchers(&[("a", spool("a")), ("b", direct.clone()), ("c", spool("c"))]);
    let since = manager.statuses()[0].since;
    let applied = manager.apply(&new).unwrap();
    let expect = Applied {
        started: names(&["c"]),
        replaced: names(&["b"]),
        kept: names(&["a"]),
        ..Applied::default()
    };
    assert_eq!(applied, expect);
    assert_eq!(manager.statuses()[0].since, since);
    rig.put("b/y.md", "two");
    rig.put("c/x.md", "three");
    until(|| told("b/y.md") == 1 && told("c/x.md") == 1);

    // What cannot be used changes nothing.
    let mut wrong = new.clone();
    wrong.remove("a");
    wrong.insert("b".to_owned(), WatcherConfig::Spool(SpoolConfig { rescan_s: 0, ..direct }));
    manager.apply(&wrong).unwrap_err();
    let states: Vec<_> =
        manager.statuses().iter().map(|status| (status.name.clone(), status.state)).collect();
    assert_eq!(states, ["a", "b", "c"].map(|name| (name.to_owned(), WatcherState::Watching)));

    // What is taken out is not looked at, and is remembered when it is back.
    let applied = manager.apply(&watchers(&[("c", spool("c"))])).unwrap();
    assert_eq!((applied.stopped, applied.kept), (names(&["a", "b"]), names(&["c"])));
    rig.put("a/y.md", "while nobody looks");
    assert_eq!(manager.apply(&new).unwrap().started, names(&["a", "b"]));
    until(|| told("a/y.md") == 1);
    manager.stop();
    assert!(manager.statuses().is_empty());
    for name in ["a/x.md", "b/x.md", "b/y.md", "c/x.md"] {
        assert_eq!(told(name), 1, "{name}");
    }
    rig.told.world();
}

/// Another process has one of them: the others run, and it is said.
#[test]
fn one_that_cannot_be_opened_does_not_stop_the_others() {
    let rig = real();
    std::fs::create_dir(rig.path("a")).unwrap();
    let spool = |name: &str| WatcherConfig::Spool(SpoolConfig::new(rig.path(name)));
    let other = stele_watch::Watcher::open("taken", &spool("a"), &rig.means).unwrap();
    let manager = Manager::new(rig.means.clone());
    let watchers = BTreeMap::from([("taken".to_owned(), spool("a")), ("free".to_owned(), spool("b"))]);
    let error = manager.apply(&watchers).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retry, "{error}");
    until(|| manager.statuses().iter().map(|status| status.name.as_str()).eq(["free"]));
    drop(other);
    let applied = manager.apply(&watchers).unwrap();
    assert_eq!((applied.started, applied.kept), (vec!["taken".to_owned()], vec!["free".to_owned()]));
}

#[test]
fn a_stop_is_soon() {
    let rig = real();
    let long = SpoolConfig { events: false, rescan_s: 3600, ..SpoolConfig::new(rig.inbox()) };
    let manager = Manager::new(rig.means.clone());
    manager.apply(&BTreeMap::from([("a".to_owned(), WatcherConfig::Spool(long))])).unwrap();
    until(|| manager.statuses()[0].state == WatcherState::Watching);
    let begin = Instant::now();
    drop(manager);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

/// Somebody who never answers.
struct Silent;

#[async_trait]
impl Arrivals for Silent {
    async fn submit(&self, _: &Batch) -> Result<(), Refused> {
        std::future::pending().await
    }
}

#[test]
fn a_stop_does_not_wait_for_whoever_is_told() {
    let mut rig = real();
    rig.means.arrivals = Arc::new(Silent);
    rig.put("x.md", "one");
    let spool = SpoolConfig { settle_ms: 0, ..SpoolConfig::new(rig.inbox()) };
    let manager = Manager::new(rig.means.clone());
    manager.apply(&BTreeMap::from([("a".to_owned(), WatcherConfig::Spool(spool))])).unwrap();
    until(|| manager.statuses()[0].seen == 1);
    let begin = Instant::now();
    drop(manager);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
