//! The harbour's messages as different recorders write them down.

use std::io;

use super::auction::{Auction, Message};
use super::sheet::{Fate, Sheet};
use super::time::{Micros, SECOND, naive};
use super::tree::{Style, Tree, decimal, object};

/// What a recorder puts under `data`: the sole argument, or all of them, or null; a traced event
/// is the pair of its trace and its payload.
fn data(message: &Message) -> Tree {
    let all = message.trace.iter().chain(&message.args).cloned().collect::<Vec<_>>();
    match all.len() {
        0 => Tree::Null,
        1 => all.into_iter().next().unwrap_or(Tree::Null),
        _ => Tree::Array(all),
    }
}

/// The message as it stood on the wire.
pub(super) fn frame(message: &Message) -> String {
    let id = message.ack.map(|id| id.to_string()).unwrap_or_default();
    let mut parts: Vec<Tree> = message.trace.iter().chain(&message.args).cloned().collect();
    if message.event != "ack" {
        parts.insert(0, message.event.into());
    }
    let kind = if message.event == "ack" { "43" } else { "42" };
    format!("{kind}{id}{}", Tree::Array(parts).to_text(Style::Compact))
}

/// One line of a raw recording (F1).
pub(super) fn raw_record(seq: i64, message: &Message) -> Tree {
    object([
        ("seq", seq.into()),
        ("ts", naive(message.at).into()),
        ("event", message.event.into()),
        ("data", data(message)),
    ])
}

/// Raw recording (F1) until `budget` bytes are reached. With `farewell` the last record shows a
/// key that no other record has.
pub(super) fn raw(
    sheet: &mut Sheet<'_>,
    auction: &mut Auction,
    budget: u64,
    farewell: bool,
) -> io::Result<()> {
    let mut seq = 0;
    while sheet.facts.bytes < budget {
        let mut message = auction.message();
        // Requests and acknowledgements are not seen by this recorder.
        if message.ack.is_none() {
            // Now and then it misses two messages, or its clock is set back for a moment.
            seq += if seq % 400 == 399 { 3 } else { 1 };
            message.at -= if seq % 700 == 0 { 2 * SECOND } else { 0 };
            sheet.record(message.event, &raw_record(seq, &message), Style::Spaced)?;
        }
    }
    if farewell {
        let state = auction.state().with("farewell", object([("note", "the harbour closes".into())]));
        let last = object([
            ("seq", (seq + 1).into()),
            ("ts", naive(auction.now()).into()),
            ("event", "auctionState".into()),
            ("data", state),
        ]);
        sheet.record("auctionState", &last, Style::Spaced)?;
    }
    Ok(())
}

/// Recording through a browser's debugging protocol (F2): times with offset, directions, frames.
pub(super) fn cdp(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    let mut seq = 0;
    while sheet.facts.bytes < budget {
        let message = auction.message();
        seq += 1;
        // Now and then this writer keeps the trace and loses the payload.
        let lost = message.trace.clone().filter(|_| seq % 37 == 0);
        let mut record = object([
            ("seq", seq.into()),
            ("ts", format!("{}+00:00", naive(message.at)).into()),
            ("event", message.event.into()),
            ("source", "cdp_intercept".into()),
            ("direction", if message.sent { "sent" } else { "received" }.into()),
            ("data", lost.unwrap_or_else(|| data(&message))),
        ]);
        if message.ack.is_some() || seq % 11 == 0 {
            record = record.with("raw", frame(&message));
        }
        sheet.record(message.event, &record, Style::Compact)?;
    }
    Ok(())
}

/// Tick recordings (F4): games one after another, each with its start and its end.
pub(super) fn games(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    let mut number = 0;
    while sheet.facts.bytes < budget {
        number += 1;
        let mut tick = auction.tick();
        while tick.phase == "REST" {
            tick = auction.tick();
        }
        let start = object([
            ("type", "game_start".into()),
            ("timestamp", naive(tick.at).into()),
            ("game_id", tick.game_id.clone().into()),
            ("session_game_number", number.into()),
        ]);
        sheet.record("game_start", &start, Style::Spaced)?;
        let (mut low, mut peak, mut ticks) = (tick.price, tick.price, 0);
        loop {
            // An integer at the start of a game, a decimal later.
            let price = decimal(tick.price, ticks > 0);
            let line = object([
                ("type", "tick".into()),
                ("timestamp", naive(tick.at).into()),
                ("game_id", tick.game_id.clone().into()),
                ("tick", tick.tick.into()),
                ("price", if ticks == 0 { Tree::Int(1) } else { price }),
                ("phase", tick.phase.into()),
                ("active", (!tick.over).into()),
                ("rugged", tick.over.into()),
                ("cooldown_timer", 0.into()),
                ("trade_count", tick.bids.into()),
            ]);
            sheet.record("tick", &line, Style::Spaced)?;
            ticks += 1;
            (low, peak) = (low.min(tick.price), peak.max(tick.price));
            if tick.over {
                break;
            }
            tick = auction.tick();
        }
        let mut end = object([
            ("type", "game_end".into()),
            ("timestamp", naive(tick.at).into()),
            ("game_id", tick.game_id.clone().into()),
            ("total_ticks", ticks.into()),
            ("tick_range", vec![0.into(), tick.tick.into()].into()),
            ("price_range", vec![decimal(low, true), decimal(peak, true)].into()),
            ("peak_price", decimal(peak, true)),
            ("final_price", decimal(tick.price, true)),
        ]);
        if number % 4 == 0 {
            end = end.with("status", "complete");
        }
        sheet.record("game_end", &end, Style::Spaced)?;
    }
    Ok(())
}

/// Recorder sink (F6): metadata first and last, ticks that do not say what they are.
pub(super) fn sink(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    let head = object([("started", naive(auction.now()).into()), ("version", 2.into())]);
    sheet.record("_metadata", &object([("_metadata", head)]), Style::Spaced)?;
    let mut count = 0;
    while sheet.facts.bytes < budget {
        let tick = auction.tick();
        count += 1;
        let line = object([
            ("timestamp", naive(tick.at).into()),
            ("game_id", tick.game_id.into()),
            ("tick", tick.tick.into()),
            ("price", decimal(tick.price, true)),
            ("phase", tick.phase.into()),
        ]);
        sheet.record("unknown", &line, Style::Spaced)?;
    }
    let foot = object([("ended", naive(auction.now()).into()), ("ticks", count.into())]);
    sheet.record("_metadata", &object([("_metadata", foot)]), Style::Spaced)
}

/// Golden hour (F9): comment lines with the session, `data` always the array of arguments.
pub(super) fn golden(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    let session = object([("started", naive(auction.now()).into()), ("quay", 7.into())]);
    let comment = format!("# Session: {}", session.to_text(Style::Spaced));
    sheet.line(Fate::Control, comment.as_bytes())?;
    while sheet.facts.bytes < budget {
        let message = auction.message();
        if message.ack.is_some() {
            continue;
        }
        let args: Vec<Tree> = message.trace.iter().chain(&message.args).cloned().collect();
        let record = object([
            ("ts", naive(message.at).into()),
            ("ts_ms", (message.at / 1000).into()),
            ("event", message.event.into()),
            ("data", Tree::Array(args)),
        ]);
        sheet.record(message.event, &record, Style::Spaced)?;
    }
    Ok(())
}

/// Feed export (F11).
pub(super) fn feed(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    while sheet.facts.bytes < budget {
        let message = auction.message();
        if message.ack.is_none() {
            let record = object([
                ("event_type", message.event.into()),
                ("timestamp_ms", (message.at / 1000).into()),
                ("data", data(&message)),
            ]);
            sheet.record(message.event, &record, Style::Compact)?;
        }
    }
    Ok(())
}

/// One JSON document (F15): a pretty-printed array of records.
pub(super) fn document(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    let mut separator = "[\n";
    while sheet.facts.bytes < budget {
        let message = auction.message();
        if message.ack.is_none() {
            sheet.put(separator.as_bytes())?;
            separator = ",\n";
            sheet.record_inline(message.event, &raw_record(1, &message), Style::Pretty)?;
        }
    }
    sheet.put(b"\n]\n")
}

/// Web archive (HAR): frames inside one pretty document. A record is one socket message; its event
/// is what the frame says: the event's name, or the kind of packet.
pub(super) fn har(sheet: &mut Sheet<'_>, auction: &mut Auction, budget: u64) -> io::Result<()> {
    sheet.put(
        b"{\"log\": {\"version\": \"1.2\", \"creator\": {\"name\": \"quay browser\", \"version\": \"1\"}, \
          \"entries\": [\n{\"request\": {\"method\": \"GET\", \"url\": \"wss://harbour.invalid/socket\"},\n\
          \"_webSocketMessages\": [\n",
    )?;
    let mut separator = "";
    let mut write = |sheet: &mut Sheet<'_>, at: Micros, sent: bool, event: &str, frame: String| {
        sheet.put(separator.as_bytes())?;
        separator = ",\n";
        let record = object([
            ("type", if sent { "send" } else { "receive" }.into()),
            ("time", decimal(at * 1000, true)),
            ("opcode", 1.into()),
            ("data", frame.into()),
        ]);
        sheet.record_inline(event, &record, Style::Spaced)
    };
    let start = auction.now();
    let session = "0{\"sid\":\"aa\",\"upgrades\":[],\"pingInterval\":25000}";
    write(sheet, start, false, "open", session.to_owned())?;
    write(sheet, start, true, "connect", "40".to_owned())?;
    write(sheet, start, false, "connect", "40{\"sid\":\"bb\"}".to_owned())?;
    let mut count = 0;
    while sheet.facts.bytes < budget {
        let message = auction.message();
        count += 1;
        if count % 8 == 0 {
            write(sheet, message.at, false, "ping", "2".to_owned())?;
            write(sheet, message.at, true, "pong", "3".to_owned())?;
        }
        // The connection itself was opened above; its events are not frames of this kind.
        if !matches!(message.event, "connect" | "disconnect") {
            write(sheet, message.at, message.sent, message.event, frame(&message))?;
        }
    }
    sheet.put(b"\n]}\n]}}\n")
}
