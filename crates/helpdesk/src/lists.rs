//! Streams beside tickets and articles: short lists that are read whole and compared, and long ones that are read from
//! a time on.

use std::collections::BTreeMap;

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use stele_collect::Batcher;

use crate::HelpdeskError;
use crate::caller::not_json;
use crate::platform::{List, Question};
use crate::run::{Record, Run, Stop, Thing, things};
use crate::text::{id, instant, string};
use crate::walk::{State, Walk};

/// Things of a list that a cursor remembers. A list with more is collected again as a whole, and what goes from it is
/// not noticed.
const KNOWN_MAX: usize = 100_000;

/// What a list held when it was read last: ids and hashes.
pub(crate) struct KnownThings {
    before: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
}

impl KnownThings {
    pub(crate) fn read(stream: &str, cursor: Option<&Value>) -> Result<Self, HelpdeskError> {
        let before = match cursor.and_then(|cursor| cursor.get("known")) {
            None => BTreeMap::new(),
            Some(known) => serde_json::from_value(known.clone()).map_err(|error| HelpdeskError::Answer {
                path: format!("the cursor of {stream}"),
                why: format!("it cannot be read ({error}); reset it with `stele sources state reset ID`"),
            })?,
        };
        Ok(Self { before, now: BTreeMap::new() })
    }

    /// A thing is there. Says whether it is new or has changed.
    pub(crate) fn there(&mut self, id: &str, hash: &str) -> bool {
        self.now.insert(id.to_owned(), hash.to_owned());
        self.before.get(id).is_none_or(|before| before != hash)
    }

    /// What was there and is not any more, of all those that `concerns`.
    pub(crate) fn gone(&self, concerns: impl Fn(&str) -> bool) -> Vec<String> {
        let gone = |(id, hash): &(&String, &String)| !self.now.contains_key(*id) && concerns(hash);
        self.before.iter().filter(gone).map(|(id, _)| id.clone()).collect()
    }

    /// Keeps in mind what could not be looked for.
    pub(crate) fn keep(&mut self, concerns: impl Fn(&str) -> bool) {
        for (id, hash) in &self.before {
            if concerns(hash) && !self.now.contains_key(id) {
                self.now.insert(id.clone(), hash.clone());
            }
        }
    }

    /// What is remembered; `None` if it is what was remembered before.
    pub(crate) fn cursor(&self) -> Option<Value> {
        let now = if self.now.len() > KNOWN_MAX { &BTreeMap::new() } else { &self.now };
        (*now != self.before).then(|| json!({ "known": now }))
    }
}

impl Run<'_> {
    /// A list of the platform.
    pub(crate) fn list(&mut self, list: List) -> Result<(), Stop> {
        let mut batcher = Batcher::new(list.stream);
        let read = match list.since {
            None => self.whole_list(list, &mut batcher),
            Some((parameter, field)) => self.list_since(list, parameter, field, &mut batcher),
        };
        if let Err(Stop::Run(error)) = read {
            return Err(Stop::Run(error));
        }
        // However it ended: what was gathered is kept.
        batcher.flush(self.sink)?;
        self.tell(list.stream);
        read
    }

    fn whole_list(&mut self, list: List, batcher: &mut Batcher) -> Result<(), Stop> {
        let mut known = KnownThings::read(list.stream, self.from.get(list.stream).as_ref())?;
        self.pages(list, list.path, |run, thing, id| {
            if known.there(id, &thing.hash()) {
                run.write_thing(batcher, list, thing, id)?;
            }
            Ok(())
        })?;
        for id in known.gone(|_| true) {
            self.write_gone(batcher, list.stream, list.doc_type, &id)?;
        }
        if let Some(cursor) = known.cursor() {
            batcher.reached(cursor, self.sink)?;
        }
        Ok(())
    }

    fn list_since(
        &mut self,
        list: List,
        parameter: &str,
        field: &str,
        batcher: &mut Batcher,
    ) -> Result<(), Stop> {
        let from = self.from.get(list.stream);
        let pages_max = self.platform.list_pages_max();
        let lookback_ms = self.config.lookback.ms;
        let mut walk = Walk::resume(list.stream, from.as_ref(), self.start, lookback_ms, pages_max, None)?;
        // The order of these lists is not promised, so nothing is behind a time until all of it was read, or so many pages
        // came in that order that no more can be read.
        loop {
            let (since, _) = walk.next();
            let path = match since.as_second() {
                0 => list.path.to_owned(),
                _ => format!("{}?{parameter}={}", list.path, since.strftime("%Y-%m-%dT%H:%M:%SZ")),
            };
            let (mut in_order, mut latest_ms) = (true, i64::MIN);
            let walk_ref = &mut walk;
            let goes_on = self.pages_there_are(list, &path, |run, thing, id| {
                let time = thing.value.get(field).and_then(Value::as_str).and_then(instant);
                let updated_ms = time.map_or(0, |time| time.as_millisecond());
                in_order &= time.is_some() && updated_ms >= latest_ms;
                latest_ms = latest_ms.max(updated_ms);
                let state = State { number: id.to_owned(), updated_ms, hash: thing.hash() };
                if walk_ref.is_new(&state) {
                    run.write_thing(batcher, list, thing, id)?;
                }
                walk_ref.collected(&state);
                Ok(())
            })?;
            if !goes_on {
                break;
            }
            if !in_order {
                return Err(HelpdeskError::Pages { path: list.path.to_owned(), pages: pages_max }.into());
            }
            if !walk.go_on_from(latest_ms) {
                return Err(HelpdeskError::Cap { at: walk.next().0.to_string(), pages: pages_max }.into());
            }
            // A run that ends before the end of the list does not begin it anew.
            let cursor = walk.cursor();
            if from.as_ref() != Some(&cursor) {
                batcher.reached(cursor, self.sink)?;
                batcher.flush(self.sink)?;
            }
        }
        let cursor = walk.cursor();
        if from.as_ref() != Some(&cursor) && !(from.is_none() && walk.came_nowhere()) {
            batcher.reached(cursor, self.sink)?;
        }
        Ok(())
    }

    /// Goes through the pages of a list, to its end.
    pub(crate) fn pages(
        &mut self,
        list: List,
        path: &str,
        each: impl FnMut(&mut Self, &Thing, &str) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self.pages_there_are(list, path, each)? {
            false => Ok(()),
            true => {
                let pages = self.platform.list_pages_max();
                Err(HelpdeskError::Pages { path: list.path.to_owned(), pages }.into())
            }
        }
    }

    /// Goes through as many pages of a list as can be read. Says whether it goes on behind them.
    fn pages_there_are(
        &mut self,
        list: List,
        path: &str,
        mut each: impl FnMut(&mut Self, &Thing, &str) -> Result<(), Stop>,
    ) -> Result<bool, Stop> {
        for page in 1..=self.platform.list_pages_max() {
            self.caller.stop_if_cancelled()?;
            let question = Question { lane: list.lane, ..Question::page(path, page) };
            let said = self.fetching(|run| run.caller.ask(&question))?;
            let raws = things(&said.body, &question)?;
            let goes_on = said.goes_on(raws.len());
            for raw in raws {
                let thing = Thing::new(raw, &question)?;
                match id(thing.value.get("id")) {
                    Some(id) => each(self, &thing, &id)?,
                    None => {
                        let why = "it has no id".to_owned();
                        self.unavailable(list.stream, format!("a thing of {}", list.stream), why);
                    }
                }
            }
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn write_thing(
        &mut self,
        batcher: &mut Batcher,
        list: List,
        thing: &Thing,
        id: &str,
    ) -> Result<(), Stop> {
        let ts = ["updated_at", "created_at"].iter().find_map(|name| string(thing.value.get(*name)));
        let record = Record {
            stream: list.stream,
            doc_type: list.doc_type,
            original_id: id,
            ts: ts.as_deref(),
            data: &thing.raw,
        };
        self.write(batcher, &record, None)?;
        if batcher.is_full(self.sink) {
            batcher.flush(self.sink)?;
        }
        Ok(())
    }

    /// A thing that was there is not any more.
    pub(crate) fn write_gone(
        &mut self,
        batcher: &mut Batcher,
        stream: &str,
        doc_type: &str,
        id: &str,
    ) -> Result<(), Stop> {
        let said = json!({ "id": id, "removed": true });
        let question = Question::new(stream);
        let data = to_raw_value(&said).map_err(|error| not_json(&question, &error))?;
        let record = Record { stream, doc_type, original_id: id, ts: None, data: &data };
        let normal = json!({
            "tenant_id": self.account.tenant, "platform": self.platform.name(), "object_type": doc_type,
            "original_id": id, "status": "deleted", "deleted": true,
        });
        self.write(batcher, &record, Some(&normal))?;
        Ok(())
    }
}
