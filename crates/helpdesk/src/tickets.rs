//! The streams of tickets: each list is gone through, and a ticket goes out with all that belongs to it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;
use stele_collect::{Batcher, Outcome};

use crate::HelpdeskError;
use crate::attachments::inline_images;
use crate::caller::not_json;
use crate::gather::{Again, Gatherer, Row, Whole};
use crate::ids::{ObjectType, readable};
use crate::normal::{Attachment, Message};
use crate::platform::{Pass, Question};
use crate::run::{Record, Run, Stop, Thing, erased, things};
use crate::text::{id, instant, string};
use crate::walk::{Lacking, PENDING_MAX, Pending, State, Walk};

/// Bytes of text of the messages that go into their ticket. Beyond that a ticket holds only which there are: each
/// message is a record of its own in any case.
const MESSAGES_IN_TICKET_BYTES_MAX: usize = 4 << 20;

/// Why a ticket cannot be taken as it is.
const NO_STATE: &str = "it has no number, or no time of its last change";

/// A message as a record of its own.
#[derive(Serialize)]
struct MessageRecord<'a> {
    id: String,
    tenant_id: &'a str,
    platform: &'a str,
    object_type: ObjectType,
    original_id: &'a str,
    ticket_id: String,
    ticket_number: &'a str,
    #[serde(flatten)]
    message: Said<'a>,
}

/// What a message says, without the HTML, which stands beside it.
#[derive(Serialize)]
struct Said<'a> {
    incoming: Option<bool>,
    private: Option<bool>,
    kind: &'a Option<String>,
    author_id: &'a Value,
    text: &'a Option<String>,
    created_at: &'a Option<String>,
    updated_at: &'a Option<String>,
}

/// A file as a record of its own.
#[derive(Serialize)]
struct FileRecord<'a> {
    #[serde(rename = "id")]
    readable: String,
    tenant_id: &'a str,
    platform: &'a str,
    object_type: ObjectType,
    original_id: &'a str,
    ticket_id: String,
    #[serde(flatten)]
    file: FileSaid<'a>,
}

/// What is told of a file.
#[derive(Serialize)]
struct FileSaid<'a> {
    name: &'a Option<String>,
    safe_name: &'a str,
    content_type: &'a Option<String>,
    size: Option<u64>,
    parent_type: &'a str,
    parent_id: &'a str,
    text: &'a Option<String>,
    text_status: Option<&'a str>,
}

impl<'a> Run<'a> {
    fn gatherer(&self) -> Gatherer<'a> {
        Gatherer {
            caller: self.caller,
            platform: self.platform,
            downloads: self.downloads,
            prefixes: &self.config.inline_images,
            messages: self.wants("conversations"),
            files: self.wants("attachments"),
            // Who only looks has nobody ask ahead of what is looked at.
            workers: if self.sink.keeps() { self.config.rate.workers } else { 1 },
        }
    }

    /// All lists of tickets, one after another.
    pub(crate) fn all_tickets(&mut self) -> Result<(), stele_collect::CollectError> {
        let mut pending = Vec::new();
        let mut is_closed = true;
        for pass in self.platform.passes() {
            if pass.place != crate::Place::Live && !self.config.include_removed {
                continue;
            }
            let waiting = &mut pending;
            self.stream(pass.stream, "tickets", |run| run.pass(*pass, waiting))?;
            is_closed &= self.is_closed(pass.stream);
        }
        let count = |all: &[Lacking]| pending.iter().filter(|lacks| all.contains(lacks)).count();
        let both: [(&str, &[Lacking]); 2] =
            [("conversations", &[Lacking::Messages]), ("attachments", &[Lacking::Messages, Lacking::Files])];
        for (stream, all) in both {
            if self.wants(stream) {
                let outcome = match count(all) {
                    // Whoever reads `ok` would take it for a desk on which nobody ever wrote.
                    0 if is_closed => Outcome::Unavailable { reason: "tickets are not given".to_owned() },
                    0 => Outcome::Ok,
                    count => Outcome::Failed {
                        reason: format!(
                            "what belongs to {count} tickets could not be read; they are asked for again in the next run"
                        ),
                    },
                };
                self.outcome(stream, stream, outcome);
            }
        }
        // That there is no OCR is how this machine is, and no failure of the run.
        let (waiting, more) = (count(&[Lacking::Ocr]), self.so_far.not_waited_for);
        if waiting > 0 {
            self.notes.push(format!(
                "attachments: {waiting} tickets have pictures of text, and there is no OCR here; they are read again once there is"
            ));
        }
        if more > 0 {
            self.notes.push(format!(
                "attachments: {more} tickets with pictures of text are not kept to be read again, as {PENDING_MAX} wait at most; when there is OCR, \
                 begin anew with `stele sources state reset {}`",
                self.source
            ));
        }
        Ok(())
    }

    fn pass(&mut self, pass: Pass, pending: &mut Vec<Lacking>) -> Result<(), Stop> {
        let again_from = self.config.reconcile_days.map(|days| {
            let now = Timestamp::from_microsecond(self.means.clock.now()).unwrap_or(Timestamp::UNIX_EPOCH);
            now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::UNIX_EPOCH)
        });
        let from = self.from.get(pass.stream);
        let lookback_ms = self.config.lookback.ms;
        let pages_max = self.platform.pages_max();
        let mut walk =
            Walk::resume(pass.stream, from.as_ref(), self.start, lookback_ms, pages_max, again_from)?;
        let mut batcher = Batcher::new(pass.stream);
        let walked = self.walk(pass, &mut walk, &mut batcher);
        pending.extend(walk.pending.iter().map(|pending| pending.lacks));
        if let Err(Stop::Run(error)) = walked {
            return Err(Stop::Run(error));
        }
        // However it ended: what was gathered is kept, and the next run goes on behind it.
        let cursor = walk.cursor();
        if from.as_ref() != Some(&cursor) && !(from.is_none() && walk.came_nowhere()) {
            batcher.reached(cursor, self.sink)?;
        }
        batcher.flush(self.sink)?;
        walked
    }

    fn walk(&mut self, pass: Pass, walk: &mut Walk, batcher: &mut Batcher) -> Result<(), Stop> {
        self.retry_pending(pass, walk, batcher)?;
        let mut flushed_ms = self.caller.now_ms();
        let mut left = self.config.max_tickets.unwrap_or(u64::MAX);
        loop {
            self.caller.stop_if_cancelled()?;
            let (since, page) = walk.next();
            let question = self.platform.tickets(pass, since, page);
            let said = self.fetching(|run| run.caller.ask(&question))?;
            let raws = things(&said.body, &question)?;
            let goes_on = said.goes_on(raws.len());
            let mut times_ms = Vec::with_capacity(raws.len());
            let mut rows = Vec::new();
            for raw in raws {
                let Some(row) = self.row(raw, &question)? else {
                    self.unavailable("tickets", "a ticket of the list".to_owned(), NO_STATE.to_owned());
                    continue;
                };
                times_ms.push(row.state.updated_ms);
                if walk.is_new(&row.state) {
                    rows.push(row);
                }
            }
            let new = rows.len();
            let cut = usize::try_from(left).unwrap_or(usize::MAX) < rows.len();
            rows.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= rows.len() as u64;
            self.rows(pass, rows, walk, batcher)?;
            if cut || left == 0 {
                let max = self.config.max_tickets.unwrap_or_default();
                self.notes
                    .push(format!("{}: stopped after {max} tickets, as `max_tickets` says", pass.stream));
                return Ok(());
            }
            let more = walk.turn(&times_ms, new, goes_on)?;
            let now_ms = self.caller.now_ms();
            if batcher.is_full(self.sink) || now_ms.saturating_sub(flushed_ms) >= self.config.checkpoint.ms {
                // A page without anything new is no reason for a batch of its own.
                if new > 0 {
                    batcher.reached(walk.cursor(), self.sink)?;
                    batcher.flush(self.sink)?;
                }
                flushed_ms = now_ms;
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// Tickets that could not be had whole in earlier runs.
    fn retry_pending(&mut self, pass: Pass, walk: &mut Walk, batcher: &mut Batcher) -> Result<(), Stop> {
        let mut no_ocr = false;
        for Pending { number, lacks, .. } in walk.pending.clone() {
            // That nobody reads pictures yet is found out with one ticket, and holds for all of them.
            if no_ocr && lacks == Lacking::Ocr {
                continue;
            }
            let question = self.platform.as_listed(&number);
            let row = match self.fetching(|run| run.caller.ask(&question)) {
                Ok(said) => {
                    let raw =
                        serde_json::from_slice(&said.body).map_err(|error| not_json(&question, &error))?;
                    let row = self.row(raw, &question)?;
                    if row.is_none() {
                        self.unavailable("tickets", format!("ticket {number}"), NO_STATE.to_owned());
                        let again = Again { lacks, reason: NO_STATE.to_owned() };
                        self.wait_for(walk, &number, again)?;
                        continue;
                    }
                    row
                }
                Err(error) if error.of_one_thing() => {
                    self.unavailable("tickets", format!("ticket {number}"), error.in_full());
                    None
                }
                Err(error) if error.may_pass() => {
                    self.wait_for(walk, &number, Again { lacks, reason: error.in_full() })?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let mut again = None;
            if let Some(row) = row {
                let whole = self.fetching(|run| run.gatherer().whole(&row))?;
                no_ocr |= whole.found_no_ocr();
                let lacks_now = whole.again.as_ref().map(|again| again.lacks);
                if (lacks, lacks_now) == (Lacking::Ocr, Some(Lacking::Ocr)) {
                    // It waits as it did, which is nothing new to write down.
                    continue;
                }
                self.write_ticket(pass, &row, &whole, batcher)?;
                again = whole.again;
            }
            // Only now: a run that is stopped before has not done it.
            match again {
                Some(again) => self.wait_for(walk, &number, again)?,
                None => walk.pending.retain(|pending| pending.number != number),
            }
        }
        Ok(())
    }

    /// A ticket of a list.
    fn row(
        &self,
        raw: Box<serde_json::value::RawValue>,
        question: &Question,
    ) -> Result<Option<Row>, HelpdeskError> {
        let value: Value = serde_json::from_str(raw.get()).map_err(|error| not_json(question, &error))?;
        let html = value.get("description").and_then(Value::as_str).unwrap_or_default();
        let pictures = inline_images(html, &self.config.inline_images);
        let number = self.platform.number(&value);
        let updated = value.get("updated_at").and_then(Value::as_str).and_then(instant);
        let (Some(number), Some(updated)) = (number, updated) else { return Ok(None) };
        let thing = Thing { value, raw }.unsigned(question)?;
        let state = State { number, updated_ms: updated.as_millisecond(), hash: thing.hash() };
        Ok(Some(Row { state, thing, pictures }))
    }

    /// Gathers what belongs to tickets, some at a time, and writes them.
    fn rows(
        &mut self,
        pass: Pass,
        rows: Vec<Row>,
        walk: &mut Walk,
        batcher: &mut Batcher,
    ) -> Result<(), Stop> {
        let (gatherer, fetching) = (self.gatherer(), self.means.fetching.clone());
        gatherer.each(&rows, &fetching, |row, whole| {
            self.write_ticket(pass, row, &whole, batcher)?;
            walk.pending.retain(|pending| pending.number != row.state.number);
            if let Some(again) = whole.again {
                self.wait_for(walk, &row.state.number, again)?;
            }
            walk.collected(&row.state);
            if batcher.is_full(self.sink) {
                batcher.reached(walk.cursor(), self.sink)?;
            }
            self.tell("tickets");
            Ok(())
        })
    }

    /// A ticket, its messages and its files, each as a record.
    fn write_ticket(
        &mut self,
        pass: Pass,
        row: &Row,
        whole: &Whole,
        batcher: &mut Batcher,
    ) -> Result<(), Stop> {
        let said: Vec<Value> = whole.messages.iter().map(|message| message.value.clone()).collect();
        let mut ticket = self.platform.understand_ticket(&row.thing.value, &said, pass.place, &self.account);
        ticket.conversations_status = whole.messages_status;
        if !whole.files.is_empty() {
            ticket.attachments =
                whole.files.iter().map(|(file, _)| Attachment { text: None, ..file.clone() }).collect();
        }
        let original_id = ticket.original_id.clone();
        let messages = std::mem::take(&mut ticket.conversations);
        ticket.conversations = short(&messages);
        let ts = string(row.thing.value.get("updated_at"));
        let record = Record {
            stream: "tickets",
            doc_type: "ticket",
            original_id: &original_id,
            ts: ts.as_deref(),
            data: &row.thing.raw,
        };
        self.write(batcher, &record, Some(&ticket as &dyn erased::Written))?;
        let (tenant, platform) = (self.account.tenant.clone(), self.platform.name());
        for (message, thing) in messages.iter().zip(&whole.messages) {
            let own = id(thing.value.get("id")).unwrap_or_default();
            let at = ["updated_at", "created_at"].iter().find_map(|name| string(thing.value.get(*name)));
            let record = Record {
                stream: "conversations",
                doc_type: "conversation",
                original_id: &own,
                ts: at.as_deref(),
                data: &thing.raw,
            };
            let normal = MessageRecord {
                id: readable(&tenant, platform, ObjectType::Conversation, &own),
                tenant_id: &tenant,
                platform,
                object_type: ObjectType::Conversation,
                original_id: &own,
                ticket_id: ticket.id.clone(),
                ticket_number: &row.state.number,
                message: Said {
                    incoming: message.incoming,
                    private: message.private,
                    kind: &message.kind,
                    author_id: &message.author_id,
                    text: &message.text,
                    created_at: &message.created_at,
                    updated_at: &message.updated_at,
                },
            };
            self.write(batcher, &record, Some(&normal as &dyn erased::Written))?;
        }
        for (file, raw) in &whole.files {
            let record = Record {
                stream: "attachments",
                doc_type: "attachment",
                original_id: &file.id,
                ts: None,
                data: raw,
            };
            let normal = FileRecord {
                readable: readable(&tenant, platform, ObjectType::Attachment, &file.id),
                tenant_id: &tenant,
                platform,
                object_type: ObjectType::Attachment,
                original_id: &file.id,
                ticket_id: ticket.id.clone(),
                file: FileSaid {
                    name: &file.name,
                    safe_name: &file.safe_name,
                    content_type: &file.content_type,
                    size: file.size,
                    parent_type: file.parent_type,
                    parent_id: &file.parent_id,
                    text: &file.text,
                    text_status: file.text_status,
                },
            };
            self.write(batcher, &record, Some(&normal as &dyn erased::Written))?;
        }
        for (stream, what, why) in &whole.unavailable {
            self.unavailable(stream, what.clone(), why.clone());
        }
        Ok(())
    }

    /// A ticket is asked for again in the next run.
    fn wait_for(&mut self, walk: &mut Walk, number: &str, again: Again) -> Result<(), HelpdeskError> {
        let Again { lacks, reason } = again;
        if let Some(pending) = walk.pending.iter_mut().find(|pending| pending.number == number) {
            pending.runs += 1;
            (pending.reason, pending.lacks) = (reason, lacks);
            return Ok(());
        }
        if walk.pending.len() >= PENDING_MAX {
            // Where there is no OCR many tickets may wait for it. They take no place from others, and stop no run.
            if lacks == Lacking::Ocr {
                self.so_far.not_waited_for += 1;
                return Ok(());
            }
            let gives_way = walk.pending.iter().rposition(|pending| pending.lacks == Lacking::Ocr);
            let Some(gives_way) = gives_way else {
                return Err(HelpdeskError::Answer {
                    path: "the list of tickets".to_owned(),
                    why: format!(
                        "what belongs to more than {PENDING_MAX} tickets could not be read; the last: {reason}"
                    ),
                });
            };
            walk.pending.remove(gives_way);
            self.so_far.not_waited_for += 1;
        }
        walk.pending.push(Pending { number: number.to_owned(), reason, runs: 1, lacks });
        Ok(())
    }
}

/// Messages as they go into their ticket: all of them, and of the first what they say.
fn short(messages: &[Message]) -> Vec<Message> {
    let mut left = MESSAGES_IN_TICKET_BYTES_MAX;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let one = |message: &Message| {
        let bytes = length(&message.text) + length(&message.html);
        match left.checked_sub(bytes) {
            Some(rest) => {
                left = rest;
                message.clone()
            }
            None => Message { text: None, html: None, ..message.clone() },
        }
    };
    messages.iter().map(one).collect()
}
