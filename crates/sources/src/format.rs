//! What a record says about itself: its envelope, read from the tape in one walk over its
//! members. A profile decides where to look; what no member says stays `None`.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use stele_model::json::{Kind, Tape, Value};
use stele_model::record::{Payload, UNKNOWN_EVENT};
use stele_model::{Direction, DocType, Envelope, EventTime, TimeQuality};

use crate::frame::{self, FrameError, Packet, is_trace};
use crate::profile::{Look, Plan, Scope, Shape, Slots};
use crate::time;

/// How the records of one input are read.
#[derive(Debug)]
pub struct Format {
    plan: Arc<Plan>,
    shape: Shape,
    zone: Option<TimeZone>,
}

/// The frame that is embedded in a record, decoded. Reuse one for many records.
#[derive(Debug, Default)]
pub struct FrameScratch {
    text: String,
    tape: Tape,
    payload: Option<(u32, bool)>,
}

impl FrameScratch {
    /// The payload of the record that was read last, if it sits in an embedded frame: the
    /// frame's JSON, its tape, the payload's node on it and whether a trace stood before it.
    pub fn payload(&self) -> Option<(&str, &Tape, u32, bool)> {
        self.payload.map(|(node, traced)| (self.text.as_str(), &self.tape, node, traced))
    }
}

/// Where the members that a profile calls `payload.…` stand.
#[derive(Clone, Copy)]
enum Inner<'s> {
    /// In the record itself.
    Own,
    /// In the frame that the record holds.
    Framed(&'s str, &'s Tape),
}

/// A record with the slots that its profile asks for.
struct View<'a, 's> {
    text: &'a str,
    tape: &'a Tape,
    record: Slots,
    inner: Inner<'s>,
    payload: Slots,
}

impl Format {
    pub(crate) fn new(plan: Arc<Plan>, shape: Shape, zone: Option<TimeZone>) -> Self {
        Self { zone: zone.or_else(|| plan.zone.clone()), plan, shape }
    }

    /// The profile's name, or what content is called that is kept as a whole.
    pub fn name(&self) -> &str {
        match self.shape {
            Shape::Whole(name) => name,
            _ => &self.plan.profile.name,
        }
    }

    /// Whether the content is kept as a whole.
    pub fn is_whole(&self) -> bool {
        matches!(self.shape, Shape::Whole(_))
    }

    /// Whether records are parts of values that span lines, and not lines.
    pub fn is_document(&self) -> bool {
        matches!(self.shape, Shape::Document(_))
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Whether the line is a comment that the format defines, such as `# Session: {…}`.
    #[inline]
    pub fn is_control(&self, line: &[u8]) -> bool {
        self.plan.profile.control.iter().any(|prefix| line.starts_with(prefix.as_bytes()))
    }

    /// The JSON that a record is parsed and catalogued by: the record itself, or for a bare frame
    /// the JSON in it, and `null` where it has none.
    ///
    /// # Errors
    ///
    /// If the lines of this format are frames and this one is none.
    #[inline]
    pub fn json_of<'a>(&self, raw: &'a str) -> Result<&'a str, FrameError> {
        match self.shape {
            Shape::Frames => Ok(frame::body(bare(raw))?.unwrap_or("null")),
            _ => Ok(raw),
        }
    }

    /// Reads the envelope of the record `raw`; `tape` was made from [`Format::json_of`] it.
    pub fn read<'a>(&self, raw: &'a str, tape: &'a Tape, frames: &mut FrameScratch) -> Envelope<'a> {
        frames.payload = None;
        match self.shape {
            Shape::Frames => self.read_frame(bare(raw), tape),
            _ => self.read_record(raw, tape, frames),
        }
    }

    fn read_record<'a>(&self, text: &'a str, tape: &'a Tape, frames: &mut FrameScratch) -> Envelope<'a> {
        let plan = &*self.plan;
        let record = Slots::of(&plan.record_names, text, tape, 0);
        let mut event = self.event(text, tape, &record);
        let mut system = false;
        let framed = plan.frame.and_then(|slot| record.get(slot));
        if let Some((packet, name)) = framed.and_then(|node| frames.unpack(tape.value(text, node))) {
            (event, system) = (Some(Cow::Owned(name)), packet.is_system());
        }
        let payload = plan.payload.iter().find_map(|slot| record.get(*slot)).map(|holder| {
            let value = tape.value(text, holder);
            match traced(value) {
                Some(node) => Payload { node, holder, traced: true },
                None => Payload { node: holder, holder, traced: false },
            }
        });
        let names = &plan.payload_names;
        let (inner, slots) = match (frames.payload, payload) {
            (Some((node, _)), _) => {
                let (text, tape) = (frames.text.as_str(), &frames.tape);
                (Inner::Framed(text, tape), Slots::of(names, text, tape, node))
            }
            (None, Some(payload)) => {
                let argument = self.argument(tape.value(text, payload.node)).index();
                (Inner::Own, Slots::of(names, text, tape, argument))
            }
            (None, None) => (Inner::Own, Slots::EMPTY),
        };
        let view = View { text, tape, record, inner, payload: slots };
        self.envelope(&view, event, system, payload)
    }

    fn read_frame<'a>(&self, raw: &'a str, tape: &'a Tape) -> Envelope<'a> {
        let (record, inner) = (Slots::EMPTY, Inner::Own);
        let Ok(frame) = frame::with_tape(raw, tape) else {
            let view = View { text: raw, tape, record, inner, payload: Slots::EMPTY };
            return self.envelope(&view, None, false, None);
        };
        let text = frame.body.unwrap_or_default();
        let slots = match frame.payload {
            Some(node) => Slots::of(&self.plan.payload_names, text, tape, node),
            None => Slots::EMPTY,
        };
        let traced = frame.trace.is_some();
        let payload = frame.payload.map(|node| Payload { node, holder: node, traced });
        let system = frame.packet.is_system();
        let event = frame.event.unwrap_or(Cow::Borrowed(frame.packet.name()));
        let view = View { text, tape, record, inner, payload: slots };
        self.envelope(&view, Some(event), system, payload)
    }

    /// The event's name by the rule that all profiles share.
    fn event<'a>(&self, text: &'a str, tape: &'a Tape, record: &Slots) -> Option<Cow<'a, str>> {
        let named = |slot: &usize| tape.value(text, record.get(*slot)?).as_str();
        if let Some(name) = self.plan.event.iter().find_map(named) {
            return Some(name);
        }
        let nodes = tape.nodes();
        let sole = nodes.get(1).is_some_and(|first| first.has_key() && first.next == nodes[0].next);
        let key = if sole { tape.value(text, 1).key()? } else { return None };
        self.plan.profile.event_sole.iter().any(|name| *name == key).then_some(key)
    }

    /// What `payload.…` refers to: the sole argument where the profile says that the payload
    /// always is the array of all arguments.
    fn argument<'a>(&self, payload: Value<'a>) -> Value<'a> {
        if self.plan.profile.payload_is_args && payload.kind() == Kind::Array {
            let mut args = payload.children();
            if let (Some(only), None) = (args.next(), args.next()) {
                return only;
            }
        }
        payload
    }

    fn envelope<'a>(
        &self,
        view: &View<'a, '_>,
        event: Option<Cow<'a, str>>,
        system: bool,
        payload: Option<Payload>,
    ) -> Envelope<'a> {
        let plan = &*self.plan;
        let own = event.as_deref().and_then(|event| plan.by_event.get(event));
        let columns = own.unwrap_or(&plan.columns);
        Envelope {
            doc_type: if system { DocType::SystemEvent } else { self.doc_type(view, event.as_deref()) },
            event_type: event.unwrap_or(Cow::Borrowed(UNKNOWN_EVENT)),
            time: self.time(view),
            platform: view.id(&columns.platform),
            original_id: view.id(&columns.original_id),
            session_id: view.id(&columns.session_id),
            game_id: view.id(&columns.game_id),
            player_id: view.id(&columns.player_id),
            username: view.string(&columns.username),
            seq: view.integer(&columns.seq),
            direction: self.direction(view),
            price: view.number(&columns.price),
            tick: view.integer(&columns.tick),
            cash: view.number(&columns.cash),
            position_qty: view.number(&columns.position_qty),
            payload,
        }
    }

    fn doc_type(&self, view: &View<'_, '_>, event: Option<&str>) -> DocType {
        let rule = &self.plan.profile.doc_type;
        if let Some(node) = self.plan.doc_type_member.and_then(|slot| view.record.get(slot)) {
            let name = view.tape.value(view.text, node).as_str();
            if let Some(doc_type) = name.and_then(|name| DocType::from_name(&name)) {
                return doc_type;
            }
        }
        match event {
            Some(event) => self.plan.doc_types.get(event).copied().unwrap_or(rule.default),
            None => rule.unnamed.unwrap_or(rule.default),
        }
    }

    fn direction(&self, view: &View<'_, '_>) -> Option<Direction> {
        let stated = self.plan.direction.iter().find_map(|slot| view.record.get(*slot))?;
        let word = view.tape.value(view.text, stated).as_str()?;
        self.plan.directions.iter().find(|(name, _)| *name == word).map(|(_, direction)| *direction)
    }

    /// The best time that the record states, see [`crate::profile::Profile::time`].
    fn time<'a>(&self, view: &View<'a, '_>) -> EventTime<'a> {
        let mut best: Option<EventTime<'a>> = None;
        for (look, form) in &self.plan.time {
            let found = view.find(
                look,
                |value| time::read(value, *form, self.zone.as_ref()),
                |value| time::read(value, *form, self.zone.as_ref()).map(owned),
            );
            let Some(found) = found else { continue };
            if found.quality == TimeQuality::Utc {
                return found;
            }
            if best.as_ref().is_none_or(|best| rank(&found) < rank(best)) {
                best = Some(found);
            }
        }
        best.unwrap_or(EventTime { raw: None, micros: None, quality: TimeQuality::Ingest, change: None })
    }
}

/// A bare frame without the carriage return that may end its line.
fn bare(raw: &str) -> &str {
    raw.strip_suffix('\r').unwrap_or(raw)
}

/// The payload out of `[{"__trace":…}, payload]`, as a node.
fn traced(value: Value<'_>) -> Option<u32> {
    if value.kind() != Kind::Array {
        return None;
    }
    let mut elements = value.children();
    let (first, second, end) = (elements.next()?, elements.next()?, elements.next());
    (end.is_none() && is_trace(first)).then(|| second.index())
}

fn rank(time: &EventTime<'_>) -> u8 {
    match (time.quality, time.micros) {
        (TimeQuality::Utc, _) => 0,
        (TimeQuality::ZoneApplied, _) => 1,
        (TimeQuality::Naive, _) => 2,
        (TimeQuality::Ingest, _) => 3,
    }
}

fn owned(time: EventTime<'_>) -> EventTime<'static> {
    EventTime { raw: time.raw.map(|raw| Cow::Owned(raw.into_owned())), ..time }
}

impl FrameScratch {
    /// Decodes the frame in a string; its packet and event type, or `None` if it is no frame.
    fn unpack(&mut self, value: Value<'_>) -> Option<(Packet, String)> {
        let text = value.as_str()?;
        let frame = frame::decode(&text, &mut self.tape).ok()?;
        self.payload = frame.payload.map(|node| (node, frame.trace.is_some()));
        self.text.clear();
        self.text.push_str(frame.body.unwrap_or_default());
        Some((frame.packet, frame.name().to_owned()))
    }
}

impl<'a> View<'a, '_> {
    /// What `own` makes of the value at `look`; `framed` where that is in an embedded frame.
    fn find<T>(
        &self,
        look: &Look,
        own: impl Fn(Value<'a>) -> Option<T>,
        framed: impl Fn(Value<'_>) -> Option<T>,
    ) -> Option<T> {
        fn below<'v>(value: Value<'v>, names: &[String]) -> Option<Value<'v>> {
            names.iter().try_fold(value, |value, name| value.member(name))
        }
        let slots = if look.scope == Scope::Record { &self.record } else { &self.payload };
        let node = slots.get(look.slot)?;
        match (look.scope, self.inner) {
            (Scope::Payload, Inner::Framed(text, tape)) => {
                framed(below(tape.value(text, node), &look.below)?)
            }
            _ => own(below(self.tape.value(self.text, node), &look.below)?),
        }
    }

    fn string(&self, looks: &[Look]) -> Option<Cow<'a, str>> {
        looks
            .iter()
            .find_map(|look| self.find(look, |value| value.as_str(), |value| value.as_str().map(into_owned)))
    }

    fn id(&self, looks: &[Look]) -> Option<Cow<'a, str>> {
        looks.iter().find_map(|look| self.find(look, id_of, |value| id_of(value).map(into_owned)))
    }

    fn integer(&self, looks: &[Look]) -> Option<i64> {
        looks.iter().find_map(|look| self.find(look, |value| value.as_i64(), |value| value.as_i64()))
    }

    fn number(&self, looks: &[Look]) -> Option<f64> {
        looks.iter().find_map(|look| self.find(look, number_of, number_of))
    }
}

fn into_owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn id_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value.kind() {
        Kind::Integer => Some(Cow::Borrowed(value.raw())),
        _ => value.as_str(),
    }
}

/// A number, or a decimal in quotes as writers use it to keep every digit.
fn number_of(value: Value<'_>) -> Option<f64> {
    let number = match value.kind() {
        Kind::String => value.as_str()?.parse().ok()?,
        _ => value.as_f64()?,
    };
    number.is_finite().then_some(number)
}
