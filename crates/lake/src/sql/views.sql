-- Helper views and table macros over `events`, `residue` and `files`. They are created while those
-- are empty stand-ins of the same types, so nothing here is bound to the parts of a lake.

CREATE VIEW quarantine AS
SELECT * EXCLUDE (class), TRY(decode(bytes)) AS text FROM residue WHERE class = 'rejected';

CREATE VIEW counts AS
SELECT
  doc_type,
  count(*) AS records,
  count(DISTINCT event_type) AS events,
  count(DISTINCT game_id) AS games,
  count(DISTINCT player_id) AS players,
  sum(byte_len)::BIGINT AS bytes,
  min(ts) AS first_ts,
  max(ts) AS last_ts
FROM events
GROUP BY doc_type
ORDER BY records DESC, doc_type;

CREATE VIEW event_counts AS
SELECT
  doc_type,
  event_type,
  count(*) AS records,
  sum(byte_len)::BIGINT AS bytes,
  count(DISTINCT file_id) AS files,
  min(ts) AS first_ts,
  max(ts) AS last_ts
FROM events
GROUP BY doc_type, event_type
ORDER BY records DESC, doc_type, event_type;

-- A recording without a session id is one session of its own.
CREATE VIEW sessions AS
SELECT
  coalesce(session_id, file_id) AS session,
  any_value(session_id) AS session_id,
  count(DISTINCT file_id) AS files,
  min(source) AS source,
  count(*) AS records,
  count(DISTINCT event_type) AS events,
  count(DISTINCT game_id) AS games,
  count(DISTINCT player_id) AS players,
  min(moment(ts, ts_raw)) AS first_moment,
  max(moment(ts, ts_raw)) AS last_moment,
  count(ts) AS records_utc
FROM events
GROUP BY coalesce(session_id, file_id)
ORDER BY first_moment, session;

CREATE VIEW ticks AS
SELECT
  game_id, doc_type, event_type, tick, price,
  ts, ts_raw, moment(ts, ts_raw) AS moment,
  session_id, source, record_id, file_id, line_no, byte_offset
FROM events
WHERE game_id IS NOT NULL AND tick IS NOT NULL AND price IS NOT NULL;

CREATE VIEW games AS
SELECT
  game_id,
  count(*) AS records,
  count(DISTINCT file_id) AS files,
  count(DISTINCT player_id) AS players,
  count(*) FILTER (WHERE tick IS NOT NULL AND price IS NOT NULL) AS tick_records,
  min(tick) AS first_tick,
  max(tick) AS last_tick,
  arg_min(price, (tick, moment(ts, ts_raw), file_id, byte_offset)) FILTER (WHERE tick IS NOT NULL AND price IS NOT NULL) AS first_price,
  arg_max(price, (tick, moment(ts, ts_raw), file_id, byte_offset)) FILTER (WHERE tick IS NOT NULL AND price IS NOT NULL) AS last_price,
  min(price) FILTER (WHERE tick IS NOT NULL) AS low_price,
  max(price) FILTER (WHERE tick IS NOT NULL) AS peak_price,
  min(moment(ts, ts_raw)) AS first_moment,
  max(moment(ts, ts_raw)) AS last_moment,
  list_sort(list(DISTINCT doc_type)) AS doc_types
FROM events
WHERE game_id IS NOT NULL
GROUP BY game_id
ORDER BY first_moment, game_id;

CREATE VIEW players AS
SELECT
  player_id,
  arg_max(username, (coalesce(moment(ts, ts_raw), TIMESTAMP '0001-01-01'), file_id, byte_offset)) AS username,
  count(DISTINCT username) AS usernames,
  count(*) AS records,
  count(DISTINCT game_id) AS games,
  count(DISTINCT event_type) AS events,
  min(moment(ts, ts_raw)) AS first_moment,
  max(moment(ts, ts_raw)) AS last_moment
FROM events
WHERE player_id IS NOT NULL
GROUP BY player_id
ORDER BY records DESC, player_id;

-- One game, every record of it, in order of time and then of place.
CREATE MACRO episode(game) AS TABLE
SELECT * FROM events
WHERE game_id = game::VARCHAR
ORDER BY moment(ts, ts_raw) NULLS LAST, file_id, byte_offset;

-- One row a tick of one stream: a game that two recorders saw, or that one stream repeats, is
-- counted once, by its last record of that tick. Streams (event types) are never mixed.
CREATE MACRO tick_features(game := NULL) AS TABLE
WITH latest AS (
  SELECT * FROM ticks
  WHERE game::VARCHAR IS NULL OR game_id = game::VARCHAR
  QUALIFY row_number() OVER (
    PARTITION BY game_id, doc_type, event_type, tick
    ORDER BY moment DESC NULLS LAST, file_id DESC, byte_offset DESC) = 1
), changes AS (
  SELECT *, price - lag(price) OVER stream AS change,
    -- Beyond 1e150 a square is no longer a double; no price moves that far.
    CASE WHEN abs(price) < 1e150 AND lag(price) OVER stream <> 0 AND abs(price / lag(price) OVER stream) < 1e150
      THEN 100 * (price / lag(price) OVER stream - 1) END AS change_pct
  FROM latest
  WINDOW stream AS (PARTITION BY game_id, doc_type, event_type ORDER BY tick)
)
SELECT
  game_id, doc_type, event_type, tick, price, change, change_pct,
  CASE WHEN count(change_pct) OVER last_5 = 5 THEN stddev_samp(change_pct) OVER last_5 END AS volatility_5,
  CASE WHEN count(change_pct) OVER last_10 = 10 THEN stddev_samp(change_pct) OVER last_10 END AS volatility_10,
  max(price) OVER so_far AS running_max,
  CASE WHEN max(price) OVER so_far > 0 THEN 1 - price / max(price) OVER so_far END AS drawdown,
  ts, moment, record_id
FROM changes
WINDOW
  last_5 AS (PARTITION BY game_id, doc_type, event_type ORDER BY tick ROWS BETWEEN 4 PRECEDING AND CURRENT ROW),
  last_10 AS (PARTITION BY game_id, doc_type, event_type ORDER BY tick ROWS BETWEEN 9 PRECEDING AND CURRENT ROW),
  so_far AS (PARTITION BY game_id, doc_type, event_type ORDER BY tick ROWS UNBOUNDED PRECEDING)
ORDER BY game_id, doc_type, event_type, tick;

-- Every Socket.IO event and ack whose frame was recorded. The first condition is a cheap sieve:
-- only a text that is a message frame, or has a string that starts like one, can hold one.
CREATE VIEW frames AS
WITH framed AS (
  SELECT *, stele_packet(frame(raw)) AS packet
  FROM events
  WHERE contains(raw, '"42') OR contains(raw, '"43') OR contains(raw, '"45') OR contains(raw, '"46') OR starts_with(raw, '4')
)
SELECT
  CASE WHEN packet.kind IN ('2', '5') THEN 'event' ELSE 'ack' END AS packet,
  nullif(packet.namespace, '') AS namespace,
  TRY_CAST(nullif(packet.ack_id, '') AS BIGINT) AS ack_id,
  TRY_CAST(nullif(packet.attachments, '') AS BIGINT) AS attachments,
  CASE WHEN packet.kind IN ('2', '5') THEN text_at(packet.body, '$[0]') END AS name,
  CASE WHEN packet.kind IN ('2', '5') THEN to_json(stele_arguments(packet.body)) ELSE json_at(packet.body, '$') END AS arguments,
  direction, ts, moment(ts, ts_raw) AS moment, session_id, source, record_id, file_id, line_no, byte_offset
FROM framed
WHERE packet.kind <> '';

-- A connection is a file and a session in it; ids are reused after a reconnect, so a request takes
-- the next ack of its id, and only if no other request of that id stands between.
CREATE VIEW request_acks AS
WITH asked AS (
  SELECT *, CASE WHEN packet = 'event' THEN direction WHEN direction = 'sent' THEN 'received' WHEN direction = 'received' THEN 'sent' END AS asker
  FROM frames
  WHERE ack_id IS NOT NULL
), paired AS (
  SELECT *,
    lag(packet) OVER connection AS before,
    lead({'packet': packet, 'moment': moment, 'ts': ts, 'arguments': arguments, 'record_id': record_id, 'line_no': line_no}) OVER connection AS next
  FROM asked
  WINDOW connection AS (PARTITION BY file_id, session_id, namespace, asker, ack_id ORDER BY byte_offset)
), told AS (
  SELECT file_id, source, session_id, namespace, ack_id, name AS request,
    CASE WHEN len(json_at(arguments, '$[*]')::JSON[]) = 1 THEN json_at(arguments, '$[0]') ELSE arguments END AS request_payload,
    CASE WHEN next.packet = 'ack' THEN next.arguments END AS ack_arguments,
    ts AS client_ts, moment AS client_moment,
    CASE WHEN next.packet = 'ack' THEN next.ts END AS ack_ts,
    CASE WHEN next.packet = 'ack' THEN next.moment END AS ack_moment,
    record_id AS request_id, line_no AS request_line,
    CASE WHEN next.packet = 'ack' THEN next.record_id END AS ack_record_id,
    CASE WHEN next.packet = 'ack' THEN next.line_no END AS ack_line,
    byte_offset
  FROM paired WHERE packet = 'event'
  UNION ALL
  SELECT file_id, source, session_id, namespace, ack_id, NULL, NULL, arguments, NULL, NULL,
    ts, moment, NULL, NULL, record_id, line_no, byte_offset
  FROM paired WHERE packet = 'ack' AND before IS DISTINCT FROM 'event'
)
SELECT
  request, ack_id, namespace, client_ts, client_moment,
  coalesce(time_at(ack_arguments, '$[0].timestamp'), time_at(ack_arguments, '$[0].serverTime'), time_at(ack_arguments, '$[0].ts')) AS server_ts,
  ack_ts, ack_moment,
  (epoch_us(ack_moment) - epoch_us(client_moment)) / 1000.0 AS latency_ms,
  CASE
    WHEN request_id IS NULL THEN 'no_request'
    WHEN ack_record_id IS NULL THEN 'no_ack'
    WHEN coalesce(boolean_at(ack_arguments, '$[0].success'), boolean_at(ack_arguments, '$[0].ok')) THEN 'ok'
    WHEN NOT coalesce(boolean_at(ack_arguments, '$[0].success'), boolean_at(ack_arguments, '$[0].ok')) THEN 'failed'
    WHEN text_at(ack_arguments, '$[0].error') IS NOT NULL THEN 'failed'
    ELSE 'acked'
  END AS outcome,
  request_payload, ack_arguments, session_id, source, file_id, request_line, ack_line, request_id, ack_record_id
FROM told
ORDER BY file_id, byte_offset;

-- A binary message is a text frame that announces attachments, and the binary frames after it, up
-- to the next message on its connection and in its direction; pings may come between. An input
-- without such a message is not looked at. A text that only may be a binary frame is one where
-- it is awaited.
CREATE VIEW binary_messages AS
WITH framed AS (
  SELECT *, frame(raw) AS text, stele_binary(raw) AS part
  FROM events
  WHERE file_id IN (SELECT file_id FROM events WHERE regexp_matches(raw, '(^|")4[56][0-9]+-'))
), told AS (
  SELECT *, part IS NULL AS is_message, stele_packet(text) AS packet
  FROM framed
  WHERE part IS NOT NULL OR regexp_matches(text, '^4[2356]')
), numbered AS (
  SELECT *, count(*) FILTER (WHERE is_message) OVER connection AS message_no
  FROM told
  WINDOW connection AS (PARTITION BY file_id, session_id, direction ORDER BY byte_offset)
), placed AS (
  SELECT *,
    count(*) FILTER (WHERE NOT is_message) OVER (message ORDER BY byte_offset) AS place,
    coalesce(max(TRY_CAST(packet.attachments AS BIGINT)) FILTER (WHERE is_message) OVER message, 0) AS announced
  FROM numbered
  WINDOW message AS (PARTITION BY file_id, session_id, direction, message_no)
), messages AS (
  SELECT
    file_id, session_id, direction, announced, any_value(source) AS source,
    any_value(packet) FILTER (WHERE is_message) AS packet,
    any_value(ts) FILTER (WHERE is_message) AS ts,
    any_value(moment(ts, ts_raw)) FILTER (WHERE is_message) AS moment,
    any_value(record_id) FILTER (WHERE is_message) AS record_id,
    min(line_no) AS line_no, min(byte_offset) AS byte_offset,
    coalesce(list(part.base64 ORDER BY byte_offset) FILTER (WHERE NOT is_message AND place <= announced), []) AS attachments
  FROM placed
  WHERE announced > 0
  GROUP BY file_id, session_id, direction, message_no, announced
), counted AS (
  SELECT *,
    len(attachments) AS came,
    len(regexp_extract_all(packet.body, '"_placeholder"\s*:\s*true')) AS placed,
    CASE WHEN packet.kind = '5' THEN to_json(stele_arguments(packet.body)) ELSE json_at(packet.body, '$') END AS arguments
  FROM messages
)
SELECT
  CASE WHEN packet.kind = '5' THEN 'event' ELSE 'ack' END AS packet,
  nullif(packet.namespace, '') AS namespace,
  TRY_CAST(nullif(packet.ack_id, '') AS BIGINT) AS ack_id,
  CASE WHEN packet.kind = '5' THEN text_at(packet.body, '$[0]') END AS name,
  announced, placed, came,
  CASE WHEN announced = came AND announced = placed THEN 'complete' ELSE 'incomplete' END AS state,
  stele_filled(arguments, attachments) AS arguments,
  attachments,
  direction, ts, moment, session_id, source, record_id, file_id, line_no, byte_offset
FROM counted
UNION ALL
SELECT NULL, NULL, NULL, NULL, 0, 0, 1, 'stray', NULL, [part.base64],
  direction, ts, moment(ts, ts_raw), session_id, source, record_id, file_id, line_no, byte_offset
FROM placed
WHERE NOT is_message AND part.sure AND place > announced
ORDER BY file_id, byte_offset;

-- Complete games repeat in record after record; each is here once, by its id, with the longest
-- price list that was seen of it.
CREATE VIEW complete_games AS
WITH holders AS (
  SELECT moment(ts, ts_raw) AS moment, source, record_id, file_id, line_no, byte_offset, payload(raw) AS body
  FROM events
  WHERE contains(raw, 'gameHistory')
), histories AS (
  SELECT * EXCLUDE (body), unnest(list_concat(
    json_at(body, '$.gameHistory[*]')::JSON[], json_at(body, '$[0].gameHistory[*]')::JSON[])) AS game
  FROM holders
), seen AS (
  SELECT *, text_at(game, '$.id') AS game_id, TRY(json_array_length(game, '$.prices')) AS price_count
  FROM histories
), best AS (
  SELECT
    game_id,
    arg_max(game, (coalesce(price_count, 0), -epoch_us(coalesce(moment, TIMESTAMP '9999-01-01')), record_id)) AS game,
    count(*) AS seen_times,
    count(DISTINCT file_id) AS files,
    min(moment) AS first_seen,
    max(moment) AS last_seen,
    arg_min(source, (coalesce(moment, TIMESTAMP '9999-01-01'), file_id, byte_offset)) AS first_source,
    arg_min(line_no, (coalesce(moment, TIMESTAMP '9999-01-01'), file_id, byte_offset)) AS first_line
  FROM seen
  WHERE game_id IS NOT NULL
  GROUP BY game_id
)
SELECT
  game_id,
  time_at(game, '$.timestamp') AS ended_ts,
  json_array_length(game, '$.prices')::BIGINT AS price_count,
  list_max(TRY_CAST(json_at(game, '$.prices') AS DOUBLE[])) AS peak_price,
  number_at(game, '$.peakMultiplier') AS peak_stated,
  boolean_at(game, '$.rugged') AS rugged,
  seen_times, files, first_seen, last_seen, first_source, first_line,
  TRY_CAST(json_at(game, '$.prices') AS DOUBLE[]) AS prices,
  game
FROM best
ORDER BY first_seen, game_id;

-- Whoever adds views adds what they are.
CREATE TABLE stele_internal.help AS
FROM (VALUES
  ('events', 'view', 'every record with its envelope columns and its exact text in raw'),
  ('ws_event', 'view', 'the events of doc type ws_event'),
  ('game_tick', 'view', 'the events of doc type game_tick'),
  ('player_action', 'view', 'the events of doc type player_action'),
  ('server_state', 'view', 'the events of doc type server_state'),
  ('system_event', 'view', 'the events of doc type system_event'),
  ('ticket', 'view', 'the events of doc type ticket'),
  ('conversation', 'view', 'the events of doc type conversation'),
  ('article', 'view', 'the events of doc type article'),
  ('attachment', 'view', 'the events of doc type attachment'),
  ('document', 'view', 'the events of doc type document'),
  ('row', 'view', 'the events of doc type row'),
  ('residue', 'view', 'bytes of the inputs that are no record: rejected, control, blank, filler, document'),
  ('quarantine', 'view', 'rejected lines only, with the reason and the original bytes'),
  ('files', 'view', 'every input: how far it was read and what was counted in it'),
  ('counts', 'view', 'records by doc type'),
  ('event_counts', 'view', 'records by doc type and event type'),
  ('sessions', 'view', 'one row a recording session'),
  ('games', 'view', 'one row a game'),
  ('players', 'view', 'one row a player'),
  ('ticks', 'view', 'records that state a price at a tick of a game'),
  ('frames', 'view', 'Socket.IO events and acks whose frame was recorded'),
  ('request_acks', 'view', 'requests with their acks: times, latency, outcome'),
  ('binary_messages', 'view', 'messages with binary attachments, put together or marked incomplete'),
  ('complete_games', 'view', 'finished games out of gameHistory[], each once'),
  ('help', 'view', 'this list'),
  ('episode(game)', 'table macro', 'every record of one game, in order'),
  ('tick_features(game := NULL)', 'table macro', 'ticks with change, volatility, running maximum and drawdown'),
  ('json_at(value, path)', 'macro', 'the JSON value at a path'),
  ('values_at(value, path)', 'macro', 'the list of JSON values at a path with [] or {}'),
  ('text_at(value, path)', 'macro', 'the value at a path as text'),
  ('number_at(value, path)', 'macro', 'the value at a path as a double'),
  ('integer_at(value, path)', 'macro', 'the value at a path as an integer, if it is written as one'),
  ('boolean_at(value, path)', 'macro', 'the value at a path as true or false'),
  ('time_at(value, path)', 'macro', 'the value at a path as an instant'),
  ('payload(raw)', 'macro', 'the payload of a record, without its trace'),
  ('trust(raw)', 'macro', 'how far the source of a record is trusted, from 0 to 1; 0.5 where nothing is said'),
  ('frame(raw)', 'macro', 'the Engine.IO frame of a record, if it was recorded'),
  ('moment(ts, ts_raw)', 'macro', 'UTC where known, else the naive time as written'),
  ('json_path(path)', 'macro', 'a path of the catalogue in the spelling of DuckDB')
) AS names(name, kind, says);

CREATE VIEW help AS FROM stele_internal.help;
