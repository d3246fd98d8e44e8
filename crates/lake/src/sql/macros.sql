-- Scalar macros: reading JSON text that may be anything. None of them ever fails on a value; what
-- cannot be read is NULL. docs/guide/sql.md shows each one at work.

-- A path of the catalogue (`data.a[].b`, `data["a.b"]`, `data.{}`) as DuckDB writes it; a path
-- that starts with `$` or `/` is DuckDB's own and stays.
CREATE MACRO json_path(path) AS
  CASE
    WHEN path IS NULL OR starts_with(path, '$') OR starts_with(path, '/') THEN path
    WHEN path = '' THEN '$'
    ELSE concat(
      CASE WHEN starts_with(path, '[') THEN '$' ELSE '$.' END,
      replace(replace(regexp_replace(path, '\["((?:[^"\\]|\\.)*)"\]', '."\1"', 'g'), '[]', '[*]'), '{}', '*'))
  END;

-- Legal JSON may hold a lone surrogate escape, which DuckDB refuses. Such a text is read with
-- U+FFFD in its place, so that one odd string does not hide the rest of the record. Set aside
-- first, under characters that no JSON text holds: backslashes that are escaped themselves, after
-- which `u` is a letter, and pairs of surrogates, which stand for a character.
CREATE MACRO stele_mend(value) AS
  CASE
    WHEN contains(value, '\ud') OR contains(value, '\uD')
    THEN replace(replace(
      regexp_replace(
        regexp_replace(
          replace(value, '\\', chr(2)),
          '\\(u[dD][89abAB][0-9a-fA-F]{2})\\(u[dD][c-fC-F][0-9a-fA-F]{2})',
          concat(chr(1), '\1', chr(1), '\2'), 'g'),
        '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\ufffd', 'g'),
      chr(1), '\'), chr(2), '\\')
  END;

CREATE MACRO json_at(value, path) AS
  coalesce(
    TRY(json_extract(value::VARCHAR, json_path(path))),
    TRY(json_extract(stele_mend(value::VARCHAR), json_path(path))));

CREATE MACRO values_at(value, path) AS
  list_filter(TRY_CAST(json_at(value, path) AS JSON[]), lambda element: element IS NOT NULL);

CREATE MACRO text_at(value, path) AS
  coalesce(
    TRY(json_extract_string(value::VARCHAR, json_path(path))),
    TRY(json_extract_string(stele_mend(value::VARCHAR), json_path(path))));

-- A literal beyond the range of a double (1e400) is not infinity, so it is NULL.
CREATE MACRO number_at(value, path) AS
  list_transform([TRY_CAST(text_at(value, path) AS DOUBLE)], lambda n: CASE WHEN isfinite(n) THEN n END)[1];

-- Only what is written as an integer: 1.5 is not 2.
CREATE MACRO integer_at(value, path) AS
  list_transform([text_at(value, path)],
    lambda t: CASE WHEN regexp_full_match(t, '-?[0-9]+') THEN TRY_CAST(t AS BIGINT) END)[1];

CREATE MACRO boolean_at(value, path) AS
  CASE text_at(value, path) WHEN 'true' THEN true WHEN 'false' THEN false END;

-- A time with its zone, or an epoch. Epochs below 1e11 are seconds (until the year 5138), below
-- 1e14 milliseconds, else microseconds. A naive time has no place on the time line: NULL.
CREATE MACRO stele_instant(value) AS
  list_transform([value::VARCHAR], lambda t:
    CASE
      WHEN regexp_full_match(t, '-?[0-9]{1,17}(\.[0-9]+)?') THEN
        TRY(make_timestamptz((CASE
          WHEN abs(t::DOUBLE) < 1e11 THEN t::DECIMAL(38, 6) * 1000000
          WHEN abs(t::DOUBLE) < 1e14 THEN t::DECIMAL(38, 6) * 1000
          ELSE t::DECIMAL(38, 6)
        END)::BIGINT))
      WHEN regexp_matches(t, '[0-9](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$') AND contains(t, ':')
        THEN TRY_CAST(t AS TIMESTAMPTZ)
    END)[1];

CREATE MACRO time_at(value, path) AS stele_instant(text_at(value, path));

-- How far the source of a record is trusted; records that do not say are trusted as usual.
CREATE MACRO trust(raw) AS
  coalesce(list_transform([number_at(raw, '$.trust_score')], lambda n: CASE WHEN n BETWEEN 0 AND 1 THEN n END)[1], 0.5);

-- The wall clock of a record: UTC where `ts` is known, else the naive time as written. Orders the
-- records of one input and measures between them; it is no claim about the zone.
CREATE MACRO moment(ts, ts_raw) AS coalesce(ts::TIMESTAMP, TRY_CAST(ts_raw AS TIMESTAMP));

-- The number of the batch that an input was collected in: the larger one is the newer one of a source.
CREATE MACRO stele_batch(source) AS
  TRY_CAST(regexp_extract(source, '/([0-9]+)-[0-9a-f]+\.jsonl$', 1) AS UBIGINT);

-- A whole Engine.IO frame, as far as its beginning tells.
CREATE MACRO stele_is_frame(text) AS
  regexp_matches(text, '^(4[0-6]|0\{|[1236]$|[23]probe$)');

-- A bare frame with arguments or members: no JSON text begins like one.
CREATE MACRO stele_is_bare_frame(text) AS
  regexp_matches(text, '^(4[2356][^"{\[]*\[|4[04][^"{\[]*\{|0\{)');

-- The whole Engine.IO frame, where a record holds one: member `raw`, member `data` of a HAR message,
-- or the record itself.
CREATE MACRO frame(raw) AS
  list_transform([[text_at(raw, '$.raw'), text_at(raw, '$.data'), raw::VARCHAR]], lambda texts:
    CASE
      WHEN stele_is_frame(texts[1]) THEN texts[1]
      WHEN stele_is_frame(texts[2]) THEN texts[2]
      WHEN stele_is_bare_frame(texts[3]) THEN rtrim(texts[3], chr(13))
    END)[1];

-- Kind (2 event, 3 ack, 5 binary event, 6 binary ack), attachments, namespace, ack id and body.
CREATE MACRO stele_packet(text) AS
  regexp_extract(text,
    '(?s)^4([2356])(?:([0-9]+)-)?(?:(/[^,\[]*),)?([0-9]*)(\[.*)$',
    ['kind', 'attachments', 'namespace', 'ack_id', 'body']);

-- A binary frame in base64: a message of opcode 2, or a text that begins with `b`, as binary frames
-- do where only text travels. Some recorders keep the base64 alone; whether that is a binary frame
-- only the message tells that announces it, so it is not `sure`.
CREATE MACRO stele_binary(raw) AS
  list_transform(
    [[coalesce(text_at(raw, '$.raw'), text_at(raw, '$.data'), rtrim(raw::VARCHAR, chr(13))), text_at(raw, '$.opcode')]],
    lambda texts:
      CASE
        WHEN texts[2] = '2' THEN {'base64': texts[1], 'sure': true}
        WHEN stele_is_frame(texts[1]) THEN NULL
        WHEN regexp_full_match(texts[1], 'b([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?')
          THEN {'base64': substr(texts[1], 2), 'sure': true}
        WHEN regexp_full_match(texts[1], '([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?')
          THEN {'base64': texts[1], 'sure': false}
      END)[1];

-- Arguments with each placeholder replaced by its attachment, as text in base64.
CREATE MACRO stele_filled(arguments, attachments) AS
  list_reduce(
    list_transform(attachments, lambda base64, n:
      {'text': concat('{"_placeholder":true,"num":', n - 1, '}'), 'base64': to_json(base64)::VARCHAR}),
    lambda one, other: {'text': replace(one.text, other.text, other.base64), 'base64': ''},
    {'text': arguments::VARCHAR, 'base64': ''}).text::JSON;

CREATE MACRO stele_is_trace(value) AS
  coalesce(json_at(value, '$.__trace') IS NOT NULL OR json_at(value, '$.traceparent') IS NOT NULL, false);

-- The arguments of an event: what stands after its name, and after its trace if it has one.
-- `list_transform` over a list of one is how a macro gives a value a name; the lambda must not
-- reach for columns outside of it, which the engine's optimiser gets wrong.
CREATE MACRO stele_arguments(body) AS
  list_transform([json_at(body, '$[*]')::JSON[]], lambda parts:
    CASE
      WHEN len(parts) > 2 AND stele_is_trace(parts[2]) THEN parts[3:]
      ELSE parts[2:]
    END)[1];

-- One argument is the payload itself; several are an array, as recorders write them.
CREATE MACRO stele_one_or_all(arguments) AS
  list_transform([arguments], lambda parts: CASE WHEN len(parts) = 1 THEN parts[1] ELSE to_json(parts) END)[1];

CREATE MACRO stele_frame_payload(text) AS
  CASE
    WHEN regexp_matches(text, '^4[25]') THEN stele_one_or_all(stele_arguments(stele_packet(text).body))
    WHEN regexp_matches(text, '^4[36]') THEN stele_one_or_all(json_at(stele_packet(text).body, '$[*]')::JSON[])
  END;

-- Member `data` without its trace: a pair [{"__trace":…}, payload] stands for its payload. NULL if
-- `data` is a frame, or is null or the trace alone: some recorders lose the payload there, and the
-- frame may still hold it. One parse finds all that is needed.
CREATE MACRO stele_untraced(raw) AS
  list_transform(
    [TRY(json_extract(raw, [
      '$.data', '$.data[1]', '$.data[2]', '$.data[0].__trace', '$.data[0].traceparent', '$.data.__trace']))],
    lambda found:
      CASE
        WHEN starts_with(found[1], '"4') AND stele_is_frame(found[1] ->> '$') THEN NULL
        WHEN found[6] IS NOT NULL OR found[1]::VARCHAR = 'null' THEN NULL
        WHEN found[2] IS NOT NULL AND found[3] IS NULL AND (found[4] IS NOT NULL OR found[5] IS NOT NULL) THEN found[2]
        ELSE found[1]
      END)[1];

-- The payload of a record: member `data` without its trace; the arguments of the frame where `data`
-- is a frame, or does not tell and `raw` is one; the record itself where it has neither.
CREATE MACRO payload(raw) AS
  coalesce(
    stele_untraced(raw::VARCHAR),
    stele_untraced(stele_mend(raw::VARCHAR)),
    stele_frame_payload(frame(raw)),
    json_at(raw, '$.data'),
    TRY_CAST(raw::VARCHAR AS JSON),
    TRY_CAST(stele_mend(raw::VARCHAR) AS JSON));
