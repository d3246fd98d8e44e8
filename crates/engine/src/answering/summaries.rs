//! One text a game and one a session: what their records come to, asked of the lake in SQL.

use stele_lake::Snapshot;
use stele_lake::sql::{Params, SqlOptions};
use stele_model::{Chunk, ChunkKind, ChunkMetadata, Micros};

use crate::EngineError;
use crate::engine::Engine;

/// Memory for the two queries, which hold one row a game or session.
const SQL_MEMORY: u64 = 256 << 20;

/// The columns that a text is made of, in the order in which [`game`] takes them.
const GAMES: &str = "SELECT g.game_id, e.source, e.line_no, e.doc_type, epoch_us(e.ts), g.records, g.files, g.players, \
     g.tick_records, g.first_tick, g.last_tick, g.first_price, g.last_price, g.low_price, g.peak_price, \
     CAST(g.first_moment AS VARCHAR), CAST(g.last_moment AS VARCHAR), e.events \
     FROM games g JOIN (SELECT game_id, min(source) AS source, arg_min(line_no, (source, byte_offset)) AS line_no, \
     arg_min(doc_type, (source, byte_offset)) AS doc_type, min(ts) AS ts, \
     array_to_string(list_sort(list(DISTINCT event_type)), ', ') AS events \
     FROM events WHERE game_id IS NOT NULL AND tenant_id = $tenant GROUP BY game_id) e USING (game_id) \
     ORDER BY g.game_id";

/// The same for [`session`].
const SESSIONS: &str = "SELECT s.session, s.source, e.line_no, e.doc_type, epoch_us(e.ts), s.records, s.files, s.games, s.players, \
     CAST(s.first_moment AS VARCHAR), CAST(s.last_moment AS VARCHAR), e.events \
     FROM sessions s JOIN (SELECT coalesce(session_id, file_id) AS session, arg_min(line_no, (source, byte_offset)) AS line_no, \
     arg_min(doc_type, (source, byte_offset)) AS doc_type, min(ts) AS ts, \
     array_to_string(list_sort(list(DISTINCT event_type)), ', ') AS events \
     FROM events WHERE tenant_id = $tenant GROUP BY ALL) e USING (session) ORDER BY s.session";

/// Most event types that a text names: the rest would fill its window.
const EVENTS_BYTES_MAX: usize = 300;

/// One row, cell by cell.
type Cells = std::vec::IntoIter<Option<String>>;

/// Makes the text of one row for a tenant.
type Make = fn(&str, Cells) -> Chunk;

/// Hands over the text of every game and every session, in the order of their names.
pub(super) fn each(
    engine: &Engine,
    snapshot: &Snapshot,
    take: &mut dyn FnMut(Chunk) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let options =
        SqlOptions { memory_limit: SQL_MEMORY, threads: engine.threads(), temp_dir: engine.sql_temp_dir() };
    let sql = engine.own_lake_sql(snapshot, &options)?;
    let tenant = &engine.settings().tenant;
    for (query, make) in [(GAMES, game as Make), (SESSIONS, session)] {
        let rows = sql.query(query, &Params::none().with("tenant", tenant.as_str()))?;
        rows.each_text(|row| take(make(tenant, row.into_iter())))?;
    }
    Ok(())
}

fn game(tenant: &str, mut cells: Cells) -> Chunk {
    let (name, mut metadata) = head(tenant, ChunkKind::Game, &mut cells);
    let mut text = format!("Game {name}:");
    let mut next = || cells.next().flatten();
    let [records, files, players, ticks] = [(); 4].map(|()| next());
    say(&mut text, "", records.as_deref(), " records");
    say(&mut text, " in ", files.as_deref(), " files");
    say(&mut text, ", ", players.as_deref().filter(|count| *count != "0"), " players");
    let [first_tick, last_tick, first, last, low, peak, from, to] = [(); 8].map(|()| next());
    say(&mut text, ". ", ticks.as_deref().filter(|count| *count != "0"), " ticks");
    range(&mut text, " from tick ", first_tick.as_deref(), last_tick.as_deref());
    range(&mut text, ". Price from ", first.as_deref(), last.as_deref());
    say(&mut text, ", lowest ", low.as_deref(), "");
    say(&mut text, ", peak ", peak.as_deref(), "");
    range(&mut text, ". From ", from.as_deref(), to.as_deref());
    say(&mut text, ". Events: ", next().map(shortened).as_deref(), ".");
    metadata.game_id = Some(name);
    Chunk::new(text, metadata)
}

fn session(tenant: &str, mut cells: Cells) -> Chunk {
    let (name, metadata) = head(tenant, ChunkKind::Session, &mut cells);
    let mut text = format!("Session {name}:");
    let mut next = || cells.next().flatten();
    let [records, files, games, players, from, to] = [(); 6].map(|()| next());
    say(&mut text, " ", records.as_deref(), " records");
    say(&mut text, " in ", files.as_deref(), " files");
    say(&mut text, ", ", games.as_deref().filter(|count| *count != "0"), " games");
    say(&mut text, ", ", players.as_deref().filter(|count| *count != "0"), " players");
    range(&mut text, ". From ", from.as_deref(), to.as_deref());
    say(&mut text, ". Events: ", next().map(shortened).as_deref(), ".");
    Chunk::new(text, metadata)
}

/// What all of them begin with: name, source, line, doc type, time.
fn head(tenant: &str, kind: ChunkKind, cells: &mut Cells) -> (String, ChunkMetadata) {
    let mut next = || cells.next().flatten();
    let name = next().unwrap_or_default();
    let source = next().unwrap_or_default();
    let line = next().and_then(|line| line.parse().ok());
    let doc_type = next().unwrap_or_default();
    let ts: Option<Micros> = next().and_then(|ts| ts.parse().ok());
    let metadata = ChunkMetadata {
        line,
        ts,
        ..ChunkMetadata::new(kind, source, doc_type, tenant, format!("{} {name}", kind.name()))
    };
    (name, metadata)
}

fn say(text: &mut String, before: &str, value: Option<&str>, after: &str) {
    if let Some(value) = value {
        text.push_str(before);
        text.push_str(value);
        text.push_str(after);
    }
}

fn range(text: &mut String, before: &str, from: Option<&str>, to: Option<&str>) {
    if let (Some(from), Some(to)) = (from, to) {
        text.push_str(&format!("{before}{from} to {to}"));
    }
}

fn shortened(events: String) -> String {
    match events.char_indices().find(|(at, _)| *at >= EVENTS_BYTES_MAX) {
        Some((at, _)) => format!("{}…", &events[..at]),
        None => events,
    }
}
