//! A profile made ready: names sorted into slots, so that one walk over the members of a record
//! finds everything that the profile asks for.

use jiff::tz::TimeZone;
use stele_model::json::{Kind, Tape, Value};
use stele_model::{Direction, DocType};
use toml::{Table, Value as Toml};

use super::Step;
use super::config::{Detect, EventMembers, Members, Profile};
use crate::time::TimeForm;

/// Most member names that one profile may ask for, at the root and in the payload each. The
/// built-in profiles need thirty.
const NAMES_MAX: usize = 64;

const NOWHERE: u32 = u32::MAX;

/// Where a place is looked up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Record,
    Payload,
}

/// A place inside a record.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub scope: Scope,
    pub slot: usize,
    /// Members below the slot.
    pub below: Vec<String>,
}

/// Names and their numbers. They are kept by length: few of the names that are looked up have the
/// length of any that is known, and those are compared with one or two.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    by_length: Vec<Vec<(String, usize)>>,
    count: usize,
}

impl Names {
    /// The number of `name`, a new one if it has none yet.
    pub fn add(&mut self, name: &str) -> usize {
        if let Some(number) = self.find(name.as_bytes()) {
            return number;
        }
        if self.by_length.len() <= name.len() {
            self.by_length.resize(name.len() + 1, Vec::new());
        }
        self.by_length[name.len()].push((name.to_owned(), self.count));
        self.count += 1;
        self.count - 1
    }

    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let known = self.by_length.get(name.len())?;
        known
            .iter()
            .find(|(known, _)| known.as_bytes().first() == name.first() && known.as_bytes() == name)
            .map(|(_, number)| *number)
    }
}

/// Names with a value each.
#[derive(Debug, Clone)]
pub(crate) struct Lookup<T> {
    names: Names,
    values: Vec<T>,
}

impl<T> Lookup<T> {
    fn new(entries: impl IntoIterator<Item = (String, T)>) -> Self {
        let mut names = Names::default();
        let values = entries.into_iter().map(|(name, value)| {
            names.add(&name);
            value
        });
        Self { values: values.collect(), names }
    }

    #[inline]
    pub fn get(&self, name: &str) -> Option<&T> {
        self.names.find(name.as_bytes()).map(|number| &self.values[number])
    }
}

/// Which nodes of a record fill the slots.
pub(crate) struct Slots([u32; NAMES_MAX]);

impl Slots {
    pub const EMPTY: Slots = Slots([NOWHERE; NAMES_MAX]);

    /// Looks at the members of the object at `node`. Of a repeated name the last one counts.
    pub fn of(names: &Names, text: &str, tape: &Tape, node: u32) -> Self {
        let mut slots = Self::EMPTY;
        let nodes = tape.nodes();
        let Some(object) = nodes.get(node as usize) else {
            return slots;
        };
        if object.kind != Kind::Object || names.count == 0 {
            return slots;
        }
        let mut at = node + 1;
        while at < object.next {
            let member = &nodes[at as usize];
            let key = &text.as_bytes()[member.key_start as usize..][..member.key_len as usize];
            let slot = if member.key_escaped() {
                tape.value(text, at).key().and_then(|key| names.find(key.as_bytes()))
            } else {
                names.find(key)
            };
            if let Some(slot) = slot {
                slots.0[slot] = at;
            }
            at = member.next;
        }
        slots
    }

    pub fn get(&self, slot: usize) -> Option<u32> {
        Some(self.0[slot]).filter(|node| *node != NOWHERE)
    }
}

/// [`Members`] as places.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    pub seq: Vec<Look>,
    pub original_id: Vec<Look>,
    pub platform: Vec<Look>,
    pub session_id: Vec<Look>,
    pub game_id: Vec<Look>,
    pub player_id: Vec<Look>,
    pub username: Vec<Look>,
    pub price: Vec<Look>,
    pub tick: Vec<Look>,
    pub cash: Vec<Look>,
    pub position_qty: Vec<Look>,
}

/// A profile made ready.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub profile: Profile,
    pub zone: Option<TimeZone>,
    pub records: Option<Vec<Step>>,
    pub record_names: Names,
    pub payload_names: Names,
    pub event: Vec<usize>,
    pub payload: Vec<usize>,
    pub frame: Option<usize>,
    pub time: Vec<(Look, TimeForm)>,
    pub columns: Columns,
    pub by_event: Lookup<Columns>,
    pub direction: Vec<usize>,
    pub directions: Vec<(String, Direction)>,
    pub doc_type_member: Option<usize>,
    pub doc_types: Lookup<DocType>,
}

/// The keys that `text` has.
pub(super) fn table(text: &str) -> Result<Table, String> {
    text.parse().map_err(|error: toml::de::Error| error.to_string())
}

/// Lays `text` over `base` and makes the result ready; the error says what is wrong with it.
pub(super) fn load(base: &Table, text: &str) -> Result<Plan, String> {
    let mut all = base.clone();
    let over = table(text)?;
    if !over.is_empty() && !over.contains_key("name") {
        return Err("it has no name".to_owned());
    }
    lay(&mut all, over);
    let profile: Profile = Toml::Table(all).try_into().map_err(|error: toml::de::Error| error.to_string())?;
    Plan::new(profile)
}

/// Tables are merged key by key; everything else is replaced.
fn lay(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Toml::Table(below)), Toml::Table(above)) => lay(below, above),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

impl Plan {
    fn new(profile: Profile) -> Result<Self, String> {
        let mut names = Both::default();
        let zone = match &profile.timezone {
            None => None,
            Some(name) => {
                Some(TimeZone::get(name).map_err(|_| format!("timezone: no zone is named {name}"))?)
            }
        };
        let records = match &profile.records {
            None => None,
            Some(path) => Some(steps(path)?),
        };
        let mut time = Vec::new();
        for rule in &profile.time {
            time.push((names.look(&rule.member)?, rule.form));
        }
        let columns = names.columns(&profile.members)?;
        let mut by_event = Vec::new();
        for (event, own) in &profile.by_event {
            by_event.push((event.clone(), names.columns(&over(&profile.members, own))?));
        }
        let rule = &profile.direction;
        let member = profile.doc_type.member.as_ref();
        let sent = rule.sent.iter().map(|value| (value.clone(), Direction::Sent));
        let received = rule.received.iter().map(|value| (value.clone(), Direction::Received));
        Ok(Self {
            zone,
            records,
            event: names.slots(&profile.event)?,
            payload: names.slots(&profile.payload)?,
            frame: profile.frame.as_ref().map(|name| slot(&mut names.record, name)).transpose()?,
            time,
            columns,
            by_event: Lookup::new(by_event),
            direction: names.slots(&rule.members)?,
            directions: sent.chain(received).collect(),
            doc_type_member: member.map(|name| slot(&mut names.record, name)).transpose()?,
            doc_types: Lookup::new(profile.doc_type.events.clone()),
            record_names: names.record,
            payload_names: names.payload,
            profile,
        })
    }

    /// Whether a record fits one of the patterns.
    pub fn fits(&self, record: Value<'_>) -> bool {
        self.profile.detect.iter().any(|pattern| fits(pattern, record))
    }
}

fn fits(pattern: &Detect, record: Value<'_>) -> bool {
    let has = |name: &String| record.member(name).is_some();
    record.kind() == Kind::Object
        && pattern.required.iter().all(has)
        && !pattern.forbidden.iter().any(has)
        && (pattern.only.is_empty()
            || (pattern.only.iter().all(has) && record.children().count() == pattern.only.len()))
        && pattern.kinds.iter().all(|(name, kinds)| {
            record.member(name).is_some_and(|value| kinds.iter().any(|kind| kind.is(value.kind())))
        })
        && pattern.values.iter().all(|(name, values)| {
            let value = record.member(name).and_then(|value| value.as_str());
            value.is_some_and(|value| values.iter().any(|one| *one == value))
        })
}

/// The slot that a member fills.
fn slot(names: &mut Names, name: &str) -> Result<usize, String> {
    let slot = names.add(name);
    if slot < NAMES_MAX { Ok(slot) } else { Err(format!("it asks for more than {NAMES_MAX} members")) }
}

/// The names of one profile at both places.
#[derive(Default)]
struct Both {
    record: Names,
    payload: Names,
}

impl Both {
    fn look(&mut self, place: &str) -> Result<Look, String> {
        let mut parts = place.split('.').map(str::to_owned);
        let mut first = parts.next().unwrap_or_default();
        let mut scope = Scope::Record;
        let mut names = &mut self.record;
        if first == "payload" && place.contains('.') {
            scope = Scope::Payload;
            names = &mut self.payload;
            first = parts.next().unwrap_or_default();
        }
        Ok(Look { scope, slot: slot(names, &first)?, below: parts.collect() })
    }

    fn looks(&mut self, places: &[String]) -> Result<Vec<Look>, String> {
        places.iter().map(|place| self.look(place)).collect()
    }

    fn slots(&mut self, names: &[String]) -> Result<Vec<usize>, String> {
        names.iter().map(|name| slot(&mut self.record, name)).collect()
    }

    fn columns(&mut self, members: &Members) -> Result<Columns, String> {
        Ok(Columns {
            seq: self.looks(&members.seq)?,
            original_id: self.looks(&members.original_id)?,
            platform: self.looks(&members.platform)?,
            session_id: self.looks(&members.session_id)?,
            game_id: self.looks(&members.game_id)?,
            player_id: self.looks(&members.player_id)?,
            username: self.looks(&members.username)?,
            price: self.looks(&members.price)?,
            tick: self.looks(&members.tick)?,
            cash: self.looks(&members.cash)?,
            position_qty: self.looks(&members.position_qty)?,
        })
    }
}

fn over(all: &Members, own: &EventMembers) -> Members {
    let pick = |own: &Option<Vec<String>>, all: &Vec<String>| own.as_ref().unwrap_or(all).clone();
    Members {
        seq: all.seq.clone(),
        platform: all.platform.clone(),
        original_id: pick(&own.original_id, &all.original_id),
        session_id: pick(&own.session_id, &all.session_id),
        game_id: pick(&own.game_id, &all.game_id),
        player_id: pick(&own.player_id, &all.player_id),
        username: pick(&own.username, &all.username),
        price: pick(&own.price, &all.price),
        tick: pick(&own.tick, &all.tick),
        cash: pick(&own.cash, &all.cash),
        position_qty: pick(&own.position_qty, &all.position_qty),
    }
}

/// `log.entries[].messages[]` as steps.
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        if name.is_empty() && !steps.is_empty() || name.contains(['[', ']']) {
            return Err(format!("records: the path {path} is malformed at {part:?}"));
        }
        if !name.is_empty() {
            steps.push(Step::Member(name.to_owned()));
        }
        steps.extend(std::iter::repeat_n(Step::Element, (part.len() - name.len()) / 2));
    }
    Ok(steps)
}
