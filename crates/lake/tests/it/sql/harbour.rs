//! A small lake of made-up recordings: an auction in a harbour, with everything that bites.

use std::borrow::Cow;
use std::path::Path;

use stele_lake::sql::{Params, Sql, SqlError, SqlOptions, Tables, output};
use stele_lake::{Appender, CommitNote, Snapshot};
use stele_model::{Direction, DocType, Envelope, EventTime, Residue, ResidueClass, TimeQuality};

use crate::fixture::{Input, NOW, context, envelope, lake_in};

/// What a line is.
enum Is<'a> {
    Record(Box<Envelope<'a>>),
    Residue(ResidueClass, &'a str),
}

/// Builds an input line by line.
struct Tape<'a> {
    uri: &'a str,
    lines: Vec<(Vec<u8>, Is<'a>)>,
}

impl<'a> Tape<'a> {
    fn new(uri: &'a str) -> Self {
        Self { uri, lines: Vec::new() }
    }

    fn record(&mut self, raw: &str, envelope: Envelope<'a>) {
        self.lines.push((raw.as_bytes().to_vec(), Is::Record(Box::new(envelope))));
    }

    fn residue(&mut self, bytes: &[u8], class: ResidueClass, reason: &'a str) {
        self.lines.push((bytes.to_vec(), Is::Residue(class, reason)));
    }

    fn input(&self) -> Input {
        let content: Vec<u8> =
            self.lines.iter().flat_map(|(line, _)| [line.as_slice(), b"\n"].concat()).collect();
        Input::new(self.uri, content)
    }

    fn append(&self, input: &Input, appender: &mut Appender) {
        appender.set_file(&input.file_ref());
        let mut offset = 0;
        for (index, (bytes, is)) in self.lines.iter().enumerate() {
            let line_no = index as u64 + 1;
            match is {
                Is::Record(envelope) => {
                    let raw = std::str::from_utf8(bytes).unwrap();
                    appender.record(envelope, raw, line_no, offset).unwrap();
                }
                Is::Residue(class, reason) => appender
                    .residue(&Residue {
                        class: *class,
                        reason: Cow::Borrowed(reason),
                        error_at: (*class == ResidueClass::Rejected).then_some(offset),
                        bytes,
                        line_no,
                        byte_offset: offset,
                    })
                    .unwrap(),
            }
            offset += bytes.len() as u64 + 1;
        }
    }
}

/// Nothing but a doc type, an event and a time.
fn bare<'a>(doc_type: DocType, event: &'a str, time: EventTime<'a>) -> Envelope<'a> {
    Envelope { time, game_id: None, price: None, ..envelope(doc_type, event, None) }
}

/// 2026-03-01T10:00:00Z and some milliseconds.
const TEN: i64 = 1_772_359_200_000_000;

fn utc<'a>(millis: i64) -> EventTime<'a> {
    EventTime { raw: None, micros: Some(TEN + millis * 1000), quality: TimeQuality::Utc, change: None }
}

fn naive<'a>(text: String, micros: i64) -> EventTime<'a> {
    EventTime { raw: Some(Cow::Owned(text)), micros: Some(micros), quality: TimeQuality::Naive, change: None }
}

fn unknown<'a>() -> EventTime<'a> {
    EventTime { raw: None, micros: None, quality: TimeQuality::Ingest, change: None }
}

/// A socket recording with directions and frames.
fn socket() -> Tape<'static> {
    let mut tape = Tape::new("file:///rec/socket.jsonl");
    let game = |tick: i64, price: f64, at: i64| Envelope {
        game_id: Some("g-2".into()),
        tick: Some(tick),
        price: Some(price),
        direction: Some(Direction::Received),
        ..bare(DocType::WsEvent, "auctionState", utc(at))
    };
    tape.record(
        r#"{"event":"auctionState","data":{"gameId":"g-2","price":1.0,"gameHistory":[{"id":"g-1","timestamp":1772359190000,"prices":[1,1.5,0.75],"rugged":true,"peakMultiplier":1.5},{"id":"g-0","timestamp":1772359100000,"prices":[1]}]}}"#,
        game(0, 1.0, 0),
    );
    tape.record(
        r#"{"event":"auctionState","data":[{"__trace":true,"traceparent":"00-1-2-01"},{"gameId":"g-2","price":1.25,"gameHistory":[{"id":"g-1","timestamp":1772359190000,"prices":[1,1.5,0.75,null,2.25],"rugged":true,"peakMultiplier":1.5}]}]}"#,
        game(1, 1.25, 1000),
    );
    let mut frame = |event: &'static str, text: &str, sent: bool, at: i64| {
        let raw = serde_json::json!({"event": event, "data": null, "raw": text}).to_string();
        let direction = Some(if sent { Direction::Sent } else { Direction::Received });
        tape.record(&raw, Envelope { direction, ..bare(DocType::WsEvent, event, utc(at)) });
    };
    frame("placeBid", r#"421["placeBid",{"amount":2}]"#, true, 2000);
    frame("placeBid", r#"422["placeBid",{"__trace":true},{"amount":5}]"#, true, 2010);
    frame("peek", r#"42/quay,1["peek"]"#, true, 2020);
    frame("ack", r#"432[{"success":false,"error":"the hammer has fallen"}]"#, false, 2110);
    frame("ack", r#"431[{"success":true,"timestamp":1772359202060}]"#, false, 2125);
    frame("ack", r#"43/quay,1[]"#, false, 2200);
    frame("placeBid", r#"423["placeBid",{"amount":8}]"#, true, 3000);
    frame("ack", r#"439[1,2]"#, false, 3100);
    // After a reconnect the ids start again.
    frame("placeBid", r#"421["placeBid",{"amount":9}]"#, true, 4000);
    frame("ack", r#"431[{"error":"closed"}]"#, false, 4250);
    // The server asks, too: its ids are not those of the client.
    frame("sync", r#"421["sync",1,2]"#, false, 5000);
    frame("ack", r#"431[{"ok":true}]"#, true, 5001);
    tape.residue(b"", ResidueClass::Blank, "");
    tape.residue(b"{\"event\":\"auct\xff", ResidueClass::Rejected, "invalid UTF-8");
    tape.residue(b"{\"a\":NaN}", ResidueClass::Rejected, "NaN is no JSON value");
    tape
}

/// Ticks of one game in an unknown zone, with the first tick three times.
fn ticks() -> Tape<'static> {
    let mut tape = Tape::new("file:///rec/g-1.jsonl");
    tape.residue(b"# Session: {\"by\":\"nobody\"}", ResidueClass::Control, "");
    let prices = [9.0, 9.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 4.0, 2.0, 1.0, 2.0, 1.0, 2.0];
    for (index, price) in prices.into_iter().enumerate() {
        let tick = index.saturating_sub(2);
        let text = format!("2026-03-01T11:00:{index:02}.500000");
        let raw = format!(
            r#"{{"type":"tick","timestamp":"{text}","game_id":"g-1","tick":{tick},"price":{price:?}}}"#
        );
        let time = naive(text, TEN + 3_600_000_000 + index as i64 * 1_000_000 + 500_000);
        tape.record(
            &raw,
            Envelope {
                game_id: Some("g-1".into()),
                tick: Some(tick as i64),
                price: Some(price),
                session_id: Some("s-1".into()),
                ..bare(DocType::GameTick, "tick", time)
            },
        );
    }
    tape
}

/// Records that other readers stumble over.
fn odd() -> Tape<'static> {
    let mut tape = Tape::new("file:///rec/it's [odd] *?.jsonl");
    let depth = format!(r#"{{"event":"deep","data":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let row = |event: &'static str| bare(DocType::Row, event, unknown());
    tape.record(
        r#"{"event":"huge","data":{"n":1e400,"i":12345678901234567890,"j":9007199254740993}}"#,
        row("huge"),
    );
    tape.record(r#"{"event":"half","data":{"s":"\ud800!","pair":"\ud83d\udea2 \\ud800 \udc00\ud83d","n":7,"a.b":{"c":[1,{"d":2}]}}}"#, row("half"));
    tape.record(&depth, row("deep"));
    tape.record("[1,2]", row("unknown"));
    tape.record("3", row("unknown"));
    tape.record("{\"event\":\"cr\",\n  \"data\":{\"text\":\"a,b\\n\\\"c\\\" \u{1F6A2}\"}}\r", row("cr"));
    let bid = |who: &'static str, name: &'static str, at: i64| Envelope {
        player_id: Some(who.into()),
        username: Some(name.into()),
        game_id: Some("g-2".into()),
        ..bare(DocType::PlayerAction, "newBid", utc(at))
    };
    tape.record(r#"{"event":"newBid","data":{"playerId":"p-1","amount":"2.5"}}"#, bid("p-1", "Ada", 100));
    tape.record(r#"{"event":"newBid","data":{"playerId":"p-1","amount":3}}"#, bid("p-1", "Ada L.", 200));
    tape.record(r#"{"event":"newBid","data":{"playerId":"p-2","amount":null}}"#, bid("p-2", "Bo", 150));
    tape.record(
        r#"{"type":"receive","time":1772359200.5,"opcode":1,"data":"42[\"auctionState\",{\"gameId\":\"g-2\",\"gameHistory\":[{\"id\":\"g-3\",\"prices\":[2,4]}]}]"}"#,
        bare(DocType::WsEvent, "auctionState", utc(500)),
    );
    tape.record(
        r#"{"event":"auctionState","data":[{"gameHistory":[{"id":"g-4","prices":[]},{"prices":[1]},7]}]}"#,
        bare(DocType::WsEvent, "auctionState", utc(600)),
    );
    tape
}

/// Messages with binary attachments, as each kind of recorder keeps them.
fn relay() -> Tape<'static> {
    let mut tape = Tape::new("file:///rec/relay");
    let mut add = |raw: &str, direction: Option<Direction>| {
        tape.record(raw, Envelope { direction, ..bare(DocType::WsEvent, "relayed", unknown()) });
    };
    let (sent, received) = (Some(Direction::Sent), Some(Direction::Received));
    // An archive tells binary messages by their opcode.
    let har = |opcode: u8, data: &str| serde_json::json!({"opcode": opcode, "data": data}).to_string();
    add(&har(1, r#"451-["sketch", {"note": {"_placeholder": true, "num": 0}}]"#), received);
    add(&har(1, "2"), received);
    add(&har(1, r#"42["look"]"#), sent);
    add(&har(2, "AQID"), received);
    add(
        &har(1, r#"452-/quay,["pair",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#),
        received,
    );
    add(&har(2, "42AA"), received);
    add(&har(1, r#"42["done"]"#), received);
    add(&har(2, "BBBB"), received);
    // Through the DevTools protocol, nothing tells base64 from a text.
    let cdp = |raw: &str| serde_json::json!({"event": "relayed", "data": null, "raw": raw}).to_string();
    add(&cdp(r#"451-["sketch",{"_placeholder":true,"num":0}]"#), sent);
    add(&cdp("BAUG"), sent);
    add(&cdp("chat"), sent);
    // A line a frame.
    add(r#"461-9[{"_placeholder":true,"num":0}]"#, None);
    add("3", None);
    add("bBAUGBw==\r", None);
    add(r#"452-["odd",{"_placeholder":true,"num":0}]"#, None);
    tape
}

/// Commits the recordings to a lake in `dir`.
pub fn ingest(dir: &Path) -> Snapshot {
    commit(dir, [socket(), ticks(), odd()])
}

/// The same with messages that have binary attachments.
pub fn ingest_with_relay(dir: &Path) -> Snapshot {
    commit(dir, [socket(), ticks(), odd(), relay()])
}

fn commit<'a>(dir: &Path, tapes: impl IntoIterator<Item = Tape<'a>>) -> Snapshot {
    let lake = lake_in(dir);
    let mut writer = lake.writer(NOW).unwrap();
    let mut snapshot = None;
    for tape in tapes {
        let input = tape.input();
        let mut appender = writer.appender(context());
        tape.append(&input, &mut appender);
        let entry = input.entry(input.content.len());
        snapshot = Some(
            writer.commit(vec![appender.finish().unwrap()], vec![entry], &CommitNote::default()).unwrap(),
        );
    }
    snapshot.unwrap()
}

/// Opens a snapshot for questions.
pub fn open(snapshot: &Snapshot, dir: &Path) -> Sql {
    Sql::open(&Tables::of(snapshot).unwrap(), &options(dir)).unwrap()
}

pub fn options(dir: &Path) -> SqlOptions {
    SqlOptions { memory_limit: 256 << 20, threads: 2, temp_dir: dir.join("spill") }
}

/// The answer as CSV.
pub fn csv(sql: &Sql, text: &str) -> Result<String, SqlError> {
    written(sql, text, output::Format::Csv)
}

/// The answer as JSON lines.
pub fn json(sql: &Sql, text: &str) -> Result<String, SqlError> {
    written(sql, text, output::Format::Jsonl)
}

fn written(sql: &Sql, text: &str, format: output::Format) -> Result<String, SqlError> {
    let mut out = Vec::new();
    output::write(&mut sql.query(text, &Params::none())?, format, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}
