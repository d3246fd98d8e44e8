//! What recordings are about: events with their fields, games and players, each with the record that
//! shows it first.

use std::collections::{BTreeMap, HashMap, HashSet};

use stele_documents::{EventFacts, GameFacts, PlayerFacts, RecordingFacts};
use stele_lake::Snapshot;
use stele_lake::sql::{Params, Sql, SqlOptions};
use stele_model::RecordId;

use crate::EngineError;
use crate::count_again;
use crate::engine::Engine;

/// Memory for the queries, which hold one row an event, a game or a player.
const SQL_MEMORY: u64 = 256 << 20;

/// Most games, and most players, that become things of the graph. Beyond that a name is a key of a
/// table, which SQL looks up better.
const NAMES_MAX: usize = 100_000;

/// Line numbers of one look-up; a statement of that size is planned in milliseconds.
const LINES_PER_QUERY: usize = 5_000;

const EVENTS: &str = "SELECT event_type, arg_min(record_id, (source, byte_offset)) FROM events \
     WHERE tenant_id = $tenant GROUP BY event_type ORDER BY event_type";

const GAMES: &str = "SELECT game_id, arg_min(record_id, (source, byte_offset)) FROM events \
     WHERE tenant_id = $tenant AND game_id IS NOT NULL GROUP BY game_id ORDER BY game_id LIMIT $limit";

/// The name that a player had last, as in the view of players, which knows no tenants.
const PLAYERS: &str = "SELECT player_id, \
     arg_max(username, (coalesce(moment(ts, ts_raw), TIMESTAMP '0001-01-01'), file_id, byte_offset)), \
     arg_min(record_id, (source, byte_offset)) FROM events \
     WHERE tenant_id = $tenant AND player_id IS NOT NULL GROUP BY player_id ORDER BY player_id LIMIT $limit";

const PLAYED: &str = "SELECT player_id, game_id, arg_min(record_id, (source, byte_offset)) FROM events \
     WHERE tenant_id = $tenant AND player_id IS NOT NULL AND game_id IS NOT NULL \
     GROUP BY ALL ORDER BY ALL LIMIT $limit";

/// Everything that the records of a snapshot are about.
pub(super) fn facts(engine: &Engine, snapshot: &Snapshot) -> Result<RecordingFacts, EngineError> {
    if snapshot.totals().records == 0 {
        return Ok(RecordingFacts::default());
    }
    let options =
        SqlOptions { memory_limit: SQL_MEMORY, threads: engine.threads(), temp_dir: engine.sql_temp_dir() };
    let sql = engine.lake_sql(snapshot, &options)?;
    let ask = Ask { sql: &sql, tenant: &engine.settings().tenant };
    let mut firsts: BTreeMap<String, RecordId> = BTreeMap::new();
    ask.each(EVENTS, &mut |row| {
        if let [Some(name), Some(first)] = row
            && let Some(first) = RecordId::from_hex(first)
        {
            firsts.insert(name.clone(), first);
        }
    })?;
    let mut facts = RecordingFacts { events: fields(engine, snapshot, &ask, &firsts)?, ..<_>::default() };
    ask.each(GAMES, &mut |row| {
        if let [Some(id), Some(first)] = row
            && let Some(first) = RecordId::from_hex(first)
        {
            facts.games.push(GameFacts { id: id.clone(), first });
        }
    })?;
    let mut played: HashMap<String, Vec<(String, RecordId)>> = HashMap::new();
    ask.each(PLAYED, &mut |row| {
        if let [Some(player), Some(game), Some(first)] = row
            && let Some(first) = RecordId::from_hex(first)
        {
            played.entry(player.clone()).or_default().push((game.clone(), first));
        }
    })?;
    ask.each(PLAYERS, &mut |row| {
        if let [Some(id), username, Some(first)] = row
            && let Some(first) = RecordId::from_hex(first)
        {
            let games = played.remove(id).unwrap_or_default();
            facts.players.push(PlayerFacts { id: id.clone(), username: username.clone(), first, games });
        }
    })?;
    Ok(facts)
}

/// The events with their fields, as the records of the tenant have them.
fn fields(
    engine: &Engine,
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    firsts: &BTreeMap<String, RecordId>,
) -> Result<Vec<EventFacts>, EngineError> {
    let catalogue = count_again::own(engine, snapshot)?;
    let view = catalogue.view();
    let places = view.events.iter().flat_map(|event| &event.tree).map(|path| &path.first_seen);
    let at: HashSet<(&str, u64)> = places.map(|place| (&*place.file, place.line)).collect();
    let records = ask.records_at(&at)?;
    let mut events = Vec::new();
    for event in &view.events {
        let Some(first) = firsts.get(&event.name) else { continue };
        let fields = event.tree.iter().filter(|path| !path.path.is_empty()).map(|path| {
            let place = (path.first_seen.file.clone(), path.first_seen.line);
            // A name that holds another content now: the first record of the event has to do.
            let shown = records.get(&place).copied().unwrap_or(*first);
            (path.path.clone(), path.kinds_text(), shown)
        });
        events.push(EventFacts { name: event.name.clone(), first: *first, fields: fields.collect() });
    }
    Ok(events)
}

/// Questions to the lake about one tenant.
struct Ask<'a> {
    sql: &'a Sql,
    tenant: &'a str,
}

impl Ask<'_> {
    fn each(&self, query: &str, take: &mut dyn FnMut(&[Option<String>])) -> Result<(), EngineError> {
        let mut params = Params::none().with("tenant", self.tenant);
        if query.contains("$limit") {
            params = params.with("limit", NAMES_MAX as i64);
        }
        self.sql.query(query, &params)?.each_text(|row| {
            take(&row);
            Ok::<(), EngineError>(())
        })
    }

    /// The records that begin at these lines.
    fn records_at(&self, at: &HashSet<(&str, u64)>) -> Result<HashMap<(String, u64), RecordId>, EngineError> {
        let mut lines: Vec<u64> = at.iter().map(|(_, line)| *line).collect();
        lines.sort_unstable();
        lines.dedup();
        let mut found = HashMap::new();
        for lines in lines.chunks(LINES_PER_QUERY) {
            let lines: Vec<String> = lines.iter().map(u64::to_string).collect();
            let query = format!(
                "SELECT source, line_no, min(record_id) FROM events WHERE tenant_id = $tenant \
                 AND line_no IN ({}) GROUP BY ALL",
                lines.join(", ")
            );
            self.each(&query, &mut |row| {
                if let [Some(source), Some(line), Some(record)] = row
                    && let (Ok(line), Some(record)) = (line.parse(), RecordId::from_hex(record))
                    && at.contains(&(&**source, line))
                {
                    found.insert((source.clone(), line), record);
                }
            })?;
        }
        Ok(found)
    }
}
