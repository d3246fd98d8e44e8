//! What the crate promises to the engine, tested through its public face.

mod blocks;
mod documents;
mod formats;
mod inputs;
mod profiles;

use std::io::Cursor;
use std::sync::LazyLock;

use stele_model::ResidueClass;
use stele_model::json::Tape;
use stele_sources::{
    Block, FrameScratch, OpenOptions, PieceKind, Profiles, Source, SourceError, open_reader,
};

fn source(content: &[u8], options: &OpenOptions) -> Result<Source, SourceError> {
    static PROFILES: LazyLock<Profiles> = LazyLock::new(Profiles::builtin);
    open_reader("stdin:test", Box::new(Cursor::new(content.to_vec())), &PROFILES, options)
}

/// All blocks, and the error that ended them.
fn drain(source: &mut Source) -> (Vec<Block>, Option<SourceError>) {
    let mut blocks = Vec::new();
    loop {
        match source.next_block() {
            Ok(Some(block)) => blocks.push(block),
            Ok(None) => return (blocks, None),
            Err(error) => return (blocks, Some(error)),
        }
    }
}

/// Puts content together again from its pieces by the byte rule, and checks the rule: blocks
/// follow one another, and between two pieces there is nothing or one `\n`.
#[track_caller]
fn rebuild(blocks: &[Block]) -> Vec<u8> {
    let mut content = Vec::new();
    let mut next_block = blocks.first().map_or(0, |block| block.byte_offset);
    let base = next_block;
    let mut newline = false;
    for block in blocks {
        assert_eq!(block.byte_offset, next_block, "blocks follow one another");
        next_block += block.bytes.len() as u64;
        for piece in block.pieces() {
            let here = base + content.len() as u64;
            if piece.byte_offset == here + 1 {
                content.push(b'\n');
            } else {
                assert_eq!(piece.byte_offset, here, "pieces follow one another");
                assert!(!newline, "a newline was announced");
            }
            content.extend_from_slice(piece.bytes);
            newline = piece.newline;
        }
    }
    if base + content.len() as u64 + 1 == next_block {
        content.push(b'\n');
    }
    assert_eq!(base + content.len() as u64, next_block, "pieces reach the end");
    content
}

/// What becomes of an input: its format, then one line a piece.
fn report(content: &[u8], options: &OpenOptions) -> String {
    let mut source = match source(content, options) {
        Ok(source) => source,
        Err(error) => return format!("{error}\n"),
    };
    let format = source.format().clone();
    let mut out = format!("{}\n", format.name());
    let (blocks, error) = drain(&mut source);
    assert_eq!(rebuild(&blocks), content, "every byte is kept");
    let (mut tape, mut frames) = (Tape::default(), FrameScratch::default());
    for piece in blocks.iter().flat_map(Block::pieces) {
        let text = String::from_utf8_lossy(piece.bytes);
        let what = match piece.kind {
            PieceKind::Whole => ResidueClass::Document.name().to_owned(),
            PieceKind::Filler => ResidueClass::Filler.name().to_owned(),
            PieceKind::Rejected(reason) => format!("rejected ({reason})"),
            PieceKind::Line if piece.bytes.trim_ascii().is_empty() => "blank".to_owned(),
            PieceKind::Line if format.is_control(piece.bytes) => "control".to_owned(),
            PieceKind::Line | PieceKind::Record => match std::str::from_utf8(piece.bytes) {
                Err(error) => format!("rejected ({error})"),
                Ok(raw) => match format.json_of(raw) {
                    Err(error) => format!("rejected ({error})"),
                    Ok(json) => match tape.parse(json) {
                        Err(error) => format!("rejected ({error})"),
                        Ok(()) => {
                            let envelope = format.read(raw, &tape, &mut frames);
                            let mut line = show(&envelope);
                            if let Some(payload) = envelope.payload {
                                let raw = tape.value(json, payload.node).raw();
                                line.push_str(&format!(" payload={raw}"));
                            }
                            if let Some((text, tape, node, traced)) = frames.payload() {
                                let raw = tape.value(text, node).raw();
                                line.push_str(&format!(" framed={raw} traced={traced}"));
                            }
                            line
                        }
                    },
                },
            },
        };
        if matches!(piece.kind, PieceKind::Filler) {
            out.push_str(&format!("{}: {what} {text:?}\n", piece.line_no));
        } else {
            out.push_str(&format!("{}: {}\n", piece.line_no, what.trim_end()));
        }
    }
    if let Some(error) = error {
        out.push_str(&format!("{error}\n"));
    }
    out
}

/// The columns that are filled.
fn show(envelope: &stele_model::Envelope<'_>) -> String {
    let mut out = format!("{} {}", envelope.doc_type.name(), envelope.event_type);
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.push_str(&format!(" {name}={value}"));
        }
    };
    let text = |value: &Option<std::borrow::Cow<'_, str>>| value.as_deref().map(str::to_owned);
    add("time", envelope.time.micros.map(|micros| format!("{micros}/{}", envelope.time.quality.name())));
    add("ts_raw", text(&envelope.time.raw).filter(|_| envelope.time.micros.is_none()));
    add("platform", text(&envelope.platform));
    add("original", text(&envelope.original_id));
    add("session", text(&envelope.session_id));
    add("game", text(&envelope.game_id));
    add("player", text(&envelope.player_id));
    add("user", text(&envelope.username));
    add("seq", envelope.seq.map(|seq| seq.to_string()));
    add("direction", envelope.direction.map(|direction| direction.name().to_owned()));
    add("price", envelope.price.map(|price| price.to_string()));
    add("tick", envelope.tick.map(|tick| tick.to_string()));
    add("cash", envelope.cash.map(|cash| cash.to_string()));
    add("qty", envelope.position_qty.map(|qty| qty.to_string()));
    out
}

/// Checks [`report`] with white space at the margin of `expect` left out.
#[track_caller]
fn check(content: &str, expect: &str) {
    check_with(content, &OpenOptions::default(), expect);
}

#[track_caller]
fn check_with(content: &str, options: &OpenOptions, expect: &str) {
    let expect: String = expect.trim().lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(report(content.as_bytes(), options), expect);
}
