//! The state machine beside a naive model: whatever happens to files, and whoever refuses meanwhile, in the end exactly
//! what is there was told, and nothing on the way was told twice, from a `.part`, or while it still changed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use stele_model::fault::NoFaults;

use super::names::ready_of;
use super::settle::{Area, Read, Reader, Settling, Stat};
use crate::handed::{Handed, Step};
use crate::watch::{Change, Now};
use crate::{ArrivalKind, Mode, WatchError};

const SETTLE: Duration = Duration::from_secs(3);

/// A few documents, so that they meet each other.
const NAMES: [&str; 8] = ["a", "a.ready", "a.part", "b", "b.ready", "d/a", "d/a.ready", "d/b.part"];

/// What happens in a step of a case.
#[derive(Debug, Clone)]
enum Event {
    /// A text is written, which may be none or blank.
    Write(usize, &'static str),
    Remove(usize),
    Rename(usize, usize),
    /// Time passes, everything or one name is looked at, and what is said is taken or not.
    Look {
        millis: u64,
        only: Option<usize>,
        taken: bool,
    },
    /// The watcher is started anew.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let name = || 0..NAMES.len();
    let text = prop::sample::select(vec!["", "\n", "one", "two", "three"]);
    let only = prop_oneof![Just(None), name().prop_map(Some)];
    prop_oneof![
        4 => (name(), text).prop_map(|(name, text)| Event::Write(name, text)),
        2 => name().prop_map(Event::Remove),
        2 => (name(), name()).prop_map(|(from, to)| Event::Rename(from, to)),
        6 => (prop::sample::select(vec![0, 500, 2_999, 3_000, 10_000, 40_000]), only, prop::bool::weighted(0.8))
            .prop_map(|(millis, only, taken)| Event::Look { millis, only, taken }),
        1 => Just(Event::Restart),
    ]
}

/// A file of the model.
#[derive(Debug, Clone)]
struct File {
    text: &'static str,
    inode: u64,
    /// When it was written, and when something was last done to this name.
    written: Duration,
    touched: Duration,
}

impl File {
    fn stat(&self, name: &str) -> Stat {
        let blank = name.ends_with(".ready") && self.text.trim().is_empty();
        let modified = self.written.as_micros() as i64;
        Stat { size: self.text.len() as u64, modified, inode: self.inode, blank }
    }
}

#[derive(Debug, Default)]
struct World {
    files: BTreeMap<&'static str, File>,
    now: Duration,
    inodes: u64,
}

impl World {
    fn now(&self) -> Now {
        Now { at: self.now.as_micros() as i64, since: self.now }
    }

    /// Each write is at a time of its own: two within one tick of the file system's clock are the disk's affair.
    fn write(&mut self, name: usize, text: &'static str) {
        self.now += Duration::from_micros(1);
        self.inodes += 1;
        let inode = self.files.get(NAMES[name]).map_or(self.inodes, |file| file.inode);
        self.files.insert(NAMES[name], File { text, inode, written: self.now, touched: self.now });
    }

    fn rename(&mut self, from: usize, to: usize) {
        self.now += Duration::from_micros(1);
        if let (true, Some(file)) = (from != to, self.files.remove(NAMES[from])) {
            self.files.insert(NAMES[to], File { touched: self.now, ..file });
        }
    }

    /// What is there of a document, by the words of the guide: the file that holds it; nothing where it is not said to
    /// be ready, which says neither that it is there nor that it is gone.
    fn expect(&self, mode: Mode, document: &str) -> Option<Option<&File>> {
        let plain = self.files.get(document);
        let ready = self.files.get(ready_of(document).as_str()).filter(|_| mode != Mode::Direct);
        let content = ready.filter(|ready| !ready.text.trim().is_empty());
        match (mode, plain, ready, content) {
            (Mode::Ready, Some(_), None, _) => None,
            (Mode::Auto, Some(plain), _, Some(content)) if plain.written > content.written => {
                Some(Some(plain))
            }
            (_, _, _, Some(content)) => Some(Some(content)),
            (_, plain, _, None) => Some(plain),
        }
    }
}

impl Reader for World {
    fn read(&mut self, name: &str, seen: &Stat, _: Option<&str>) -> Result<Read, WatchError> {
        Ok(match self.files.get(name) {
            None => Read::Gone,
            Some(file) if file.stat(name) != *seen => Read::Changed(file.stat(name)),
            Some(file) => Read::Content(file.text.to_owned()),
        })
    }
}

/// The watcher, and what it told.
struct Watched {
    mode: Mode,
    settling: Settling,
    handed: Handed,
    told: BTreeMap<String, String>,
}

impl Watched {
    fn look(&mut self, world: &mut World, only: Option<usize>, taken: bool) -> Result<(), TestCaseError> {
        let now = world.now();
        let area = only.map_or("", |name| NAMES[name]);
        let found = world.files.iter().filter(|(name, _)| area.is_empty() || **name == area);
        // As the disk does it: what is left alone for its name is not among it.
        let found = found.filter(|(name, _)| !name.ends_with(".part"));
        let found = found.filter(|(name, _)| self.mode != Mode::Direct || !name.ends_with(".ready"));
        let found = found.map(|(name, file)| ((*name).to_owned(), file.stat(name))).collect();
        self.settling.observe(&Area { name: area, unread: &[] }, found, &self.handed, now);
        loop {
            let stepped = self.settling.step(&self.handed, now, world, &str::to_owned)?;
            if !taken {
                return Ok(());
            }
            let done = stepped.changes.is_empty();
            stepped.changes.iter().try_for_each(|change| self.tell(change, world))?;
            let steps: Vec<Step> = stepped.changes.iter().flat_map(|change| change.steps.clone()).collect();
            self.handed.record(&steps)?;
            self.settling.done(&stepped.changes);
            if done && !stepped.more {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, change: &Change, world: &World) -> Result<(), TestCaseError> {
        let Some(arrival) = &change.arrival else { return Ok(()) };
        let (uri, checksum) = (arrival.uri.clone(), arrival.checksum.clone());
        prop_assert!(!arrival.location.ends_with(".part"));
        if arrival.kind != ArrivalKind::Gone {
            let file = &world.files[arrival.location.as_str()];
            prop_assert_eq!(file.text, &checksum);
            prop_assert!(world.now - file.touched >= SETTLE, "{} was told while it still changed", uri);
        }
        let was = match &arrival.kind {
            ArrivalKind::Gone => self.told.remove(&uri),
            _ => self.told.insert(uri.clone(), checksum.clone()),
        };
        match &arrival.kind {
            ArrivalKind::Appeared => prop_assert_eq!(was, None),
            ArrivalKind::Changed => prop_assert!(was.is_some_and(|was| was != checksum)),
            ArrivalKind::Gone => prop_assert_eq!(was, Some(checksum)),
            ArrivalKind::Renamed { from } => {
                prop_assert_eq!(was, None);
                prop_assert_eq!(self.told.remove(from), Some(checksum));
            }
        }
        Ok(())
    }
}

fn run(mode: Mode, events: &[Event]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir()?;
    let open = || Handed::open(dir.path(), "test", "spool", "here", Arc::new(NoFaults));
    let mut watched =
        Watched { mode, settling: Settling::new(mode, SETTLE), handed: open()?, told: BTreeMap::new() };
    let mut world = World::default();
    for event in events {
        match event {
            Event::Write(name, text) => world.write(*name, text),
            Event::Remove(name) => drop(world.files.remove(NAMES[*name])),
            Event::Rename(from, to) => world.rename(*from, *to),
            Event::Look { millis, only, taken } => {
                world.now += Duration::from_millis(*millis);
                watched.look(&mut world, *only, *taken)?;
            }
            Event::Restart => watched.settling = Settling::new(mode, SETTLE),
        }
    }
    // Nothing happens any more, and everything is looked at now and then.
    for _ in 0..20 {
        world.now += SETTLE;
        watched.look(&mut world, None, true)?;
    }
    for document in ["a", "b", "d/a", "d/b"] {
        let Some(expect) = world.expect(mode, document) else { continue };
        let told = watched.told.get(document).map(String::as_str);
        prop_assert_eq!(told, expect.map(|file| file.text), "{} of {:?}", document, world);
    }
    let known: BTreeMap<String, String> =
        watched.handed.entries().map(|(name, entry)| (name.clone(), entry.checksum.clone())).collect();
    prop_assert_eq!(&known, &watched.told);
    // What is written down is the same again.
    drop(watched.handed);
    let again = open()?;
    let again = again.entries().map(|(name, entry)| (name.clone(), entry.checksum.clone())).collect();
    prop_assert_eq!(known, again);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_told_is_what_is_there(
        mode in prop::sample::select(vec![Mode::Ready, Mode::Direct, Mode::Auto]),
        events in prop::collection::vec(event(), 0..40),
    ) {
        run(mode, &events)?;
    }
}

/// A file that cannot be read is said to be so, is tried again later, and holds up nobody.
#[test]
fn what_cannot_be_read_is_tried_again() {
    struct Locked(bool);
    impl Reader for Locked {
        fn read(&mut self, name: &str, _: &Stat, _: Option<&str>) -> Result<Read, WatchError> {
            Ok(match name == "locked" && self.0 {
                true => Read::Failed("not for you".to_owned()),
                false => Read::Content(name.to_owned()),
            })
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mut handed = Handed::open(dir.path(), "test", "spool", "here", Arc::new(NoFaults)).unwrap();
    let mut settling = Settling::new(Mode::Auto, SETTLE);
    let stat = Stat { size: 1, modified: 1, inode: 1, blank: false };
    let found = ["locked", "open"].map(|name| (name.to_owned(), stat)).to_vec();
    let at = |seconds| Now { at: 0, since: Duration::from_secs(seconds) };
    settling.observe(&Area { name: "", unread: &[] }, found, &handed, at(0));
    let mut step = |settling: &mut Settling, seconds, locked| {
        let stepped = settling.step(&handed, at(seconds), &mut Locked(locked), &str::to_owned).unwrap();
        let steps: Vec<Step> = stepped.changes.iter().flat_map(|change| change.steps.clone()).collect();
        handed.record(&steps).unwrap();
        settling.done(&stepped.changes);
        (stepped.changes.len(), stepped.failed.len())
    };
    assert_eq!(step(&mut settling, 3, true), (1, 1));
    assert_eq!(step(&mut settling, 4, true), (0, 0));
    assert_eq!(step(&mut settling, 33, true), (0, 1));
    settling.retry("locked", at(34));
    assert_eq!(step(&mut settling, 34, false), (1, 0));
}

/// What is below a directory that could not be looked at is as it was.
#[test]
fn what_cannot_be_looked_at_is_not_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut handed = Handed::open(dir.path(), "test", "spool", "here", Arc::new(NoFaults)).unwrap();
    let at = |seconds| Now { at: 0, since: Duration::from_secs(seconds) };
    let mut world = World::default();
    world.write(0, "one");
    world.write(5, "two");
    let mut settling = Settling::new(Mode::Auto, SETTLE);
    let mut look = |settling: &mut Settling, world: &mut World, seconds, unread: &[String]| {
        let found = world.files.iter().map(|(name, file)| ((*name).to_owned(), file.stat(name))).collect();
        settling.observe(&Area { name: "", unread }, found, &handed, at(seconds));
        let stepped = settling.step(&handed, at(seconds), world, &str::to_owned).unwrap();
        let steps: Vec<Step> = stepped.changes.iter().flat_map(|change| change.steps.clone()).collect();
        handed.record(&steps).unwrap();
        settling.done(&stepped.changes);
        let kinds =
            stepped.changes.into_iter().filter_map(|change| change.arrival).map(|arrival| arrival.uri);
        kinds.collect::<Vec<_>>()
    };
    look(&mut settling, &mut world, 1, &[]);
    assert_eq!(look(&mut settling, &mut world, 10, &[]), ["a", "d/a"]);
    world.files.clear();
    let unread = ["d".to_owned()];
    look(&mut settling, &mut world, 20, &unread);
    assert_eq!(look(&mut settling, &mut world, 100, &unread), ["a"]);
    // The same after a start, when it is known only from what was handed over.
    let mut settling = Settling::new(Mode::Auto, SETTLE);
    look(&mut settling, &mut world, 110, &unread);
    assert!(look(&mut settling, &mut world, 200, &unread).is_empty());
    look(&mut settling, &mut world, 210, &[]);
    assert_eq!(look(&mut settling, &mut world, 300, &[]), ["d/a"]);
}
