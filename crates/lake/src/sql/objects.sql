-- Things that help desks have, as their newest records tell them. What lets in whoever has it is in no text here:
-- addresses lose what signs them. `raw` is what was said, to the byte.
CREATE MACRO stele_unsigned(value) AS
  regexp_replace(value,
    '(https?://[^\s"''<>?\\]+)\?[^\s"''<>\\]*(signature|token|sig|credential)=[^\s"''<>\\]*', '\1', 'gi');

-- The newest record of each thing: of one source the one of the latest batch, of several the one that came last. What
-- is gone has a record, too, which is nothing but the word of it: no readable id stands in it. Keys are looked at
-- first, and texts only of the records that count.
CREATE VIEW objects AS
WITH told AS NOT MATERIALIZED (
  SELECT * FROM ticket UNION ALL SELECT * FROM conversation
  UNION ALL SELECT * FROM article UNION ALL SELECT * FROM attachment
), named AS NOT MATERIALIZED (
  SELECT
    coalesce(text_at(raw, '$.tenant_id'), tenant_id) AS tenant, platform, doc_type, original_id,
    split_part(source, '/', 3) AS source_id, stele_batch(source) AS batch,
    source, file_id, byte_offset, ingested_at
  FROM told
  WHERE platform IS NOT NULL AND original_id IS NOT NULL AND starts_with(source, 'collected://')
), of_source AS (
  SELECT * FROM named
  QUALIFY row_number() OVER (
    PARTITION BY tenant, platform, doc_type, original_id, source_id
    ORDER BY batch DESC NULLS LAST, byte_offset DESC) = 1
), newest AS (
  SELECT tenant, source_id, file_id, byte_offset FROM of_source
  QUALIFY row_number() OVER (
    PARTITION BY tenant, platform, doc_type, original_id ORDER BY ingested_at DESC, source DESC) = 1
)
SELECT
  newest.tenant AS tenant_id, told.platform, told.doc_type AS object_type, told.original_id,
  newest.source_id,
  text_at(raw, '$.normalised.id') AS id,
  text_at(raw, '$.normalised.ticket_id') AS ticket_id,
  stele_unsigned(CASE told.doc_type
    WHEN 'ticket' THEN text_at(raw, '$.normalised.subject')
    WHEN 'article' THEN text_at(raw, '$.normalised.title')
    WHEN 'attachment' THEN text_at(raw, '$.normalised.name')
  END) AS title,
  stele_unsigned(coalesce(text_at(raw, '$.normalised.content'), text_at(raw, '$.normalised.text'))) AS text,
  coalesce(time_at(raw, '$.normalised.created_at'), time_at(raw, '$.data.created_at')) AS created_at,
  coalesce(time_at(raw, '$.normalised.updated_at'), time_at(raw, '$.data.updated_at')) AS updated_at,
  coalesce(text_at(raw, '$.normalised.source_hash'), told.raw_hash) AS source_hash,
  told.event_type, told.ts, told.ingested_at, told.source, told.line_no, told.record_id, told.file_id, told.byte_offset,
  raw
FROM told JOIN newest ON told.file_id = newest.file_id AND told.byte_offset = newest.byte_offset
WHERE text_at(raw, '$.normalised.id') IS NOT NULL;

-- The main types of files: `image` of `image/png`.
CREATE MACRO stele_main_types(files) AS
  list_sort(list_distinct(list_filter(
    list_transform(files, lambda file: split_part(text_at(file, '$.content_type'), '/', 1)),
    lambda main: main IS NOT NULL)));

CREATE MACRO stele_complexity(points) AS
  CASE WHEN points >= 6 THEN 'high' WHEN points >= 3 THEN 'medium' ELSE 'low' END;

-- The messages of a ticket as one text, each with who wrote it and when.
CREATE MACRO stele_messages(raw) AS
  array_to_string(list_transform(coalesce(values_at(raw, '$.normalised.conversations[*]'), []), lambda message: concat(
    chr(10), chr(10), '[',
    CASE
      WHEN boolean_at(message, '$.private') THEN 'note'
      WHEN boolean_at(message, '$.incoming') THEN 'requester'
      WHEN NOT boolean_at(message, '$.incoming') THEN 'agent'
      ELSE 'unknown'
    END, ', ', coalesce(text_at(message, '$.created_at'), 'unknown time'), ']', chr(10),
    coalesce(text_at(message, '$.text'), ''))), '');

-- A number by its steps: the points of the first step that it is above.
CREATE MACRO stele_points(number, middle, low) AS
  CASE WHEN number > middle THEN 2 WHEN number > low THEN 1 ELSE 0 END;

-- What is told by a ticket without its text.
CREATE MACRO stele_ticket_metadata(raw) AS
  list_transform([{
    'files': coalesce(values_at(raw, '$.normalised.attachments[*]'), []),
    'messages': coalesce(len(values_at(raw, '$.normalised.conversations[*]')), 0),
    'priority': coalesce(integer_at(raw, '$.normalised.priority_code'), 1),
    'length': coalesce(length(text_at(raw, '$.normalised.content')), 0)
  }], lambda said: json_object(
    'status', json_at(raw, '$.normalised.status_code'),
    'priority', json_at(raw, '$.normalised.priority_code'),
    'spam', coalesce(boolean_at(raw, '$.normalised.spam'), false),
    'deleted', coalesce(boolean_at(raw, '$.normalised.deleted'), false),
    'has_attachments', len(said.files) > 0,
    'attachment_count', len(said.files),
    'attachment_types', stele_main_types(said.files),
    'has_image_attachments', list_contains(stele_main_types(said.files), 'image'),
    'has_document_attachments', list_has_any(stele_main_types(said.files), ['application', 'text']),
    -- 5 MiB.
    'large_attachments', len(list_filter(said.files, lambda file: coalesce(integer_at(file, '$.size'), 0) > 5242880)) > 0,
    'has_conversations', said.messages > 0,
    'conversation_count', said.messages,
    'complexity_level', stele_complexity(
      CASE WHEN said.messages > 10 THEN 3 ELSE stele_points(said.messages, 5, 2) END
      + stele_points(len(said.files), 5, 2)
      + stele_points(said.priority, 3, 2)
      + stele_points(said.length, 1000, 500)),
    'metadata_version', '1.0'))[1];

CREATE VIEW integrated_objects AS
WITH counted AS (
  SELECT source_id, count(*) AS things FROM objects WHERE object_type <> 'conversation' GROUP BY source_id
), shown AS NOT MATERIALIZED (
  SELECT objects.*, counted.things <= coalesce(own.content_max, others.content_max) AS keeps
  FROM objects
  JOIN counted ON counted.source_id = objects.source_id
  LEFT JOIN stele_internal.row_rules AS own ON own.source_id = objects.source_id
  CROSS JOIN (SELECT content_max FROM stele_internal.row_rules WHERE source_id IS NULL) AS others
  WHERE object_type <> 'conversation'
)
SELECT
  shown.tenant_id, shown.platform, shown.original_id,
  CASE shown.object_type WHEN 'attachment' THEN 'attachment' ELSE concat('integrated_', shown.object_type) END AS object_type,
  CASE WHEN keeps THEN stele_unsigned(CASE shown.object_type
    WHEN 'attachment' THEN text
    ELSE concat(concat_ws(chr(10) || chr(10), title, text), stele_messages(raw))
  END) END AS integrated_content,
  CASE WHEN keeps THEN said.summary END AS summary,
  CASE WHEN keeps THEN stele_unsigned(json_at(raw, '$.normalised')::VARCHAR)::JSON END AS original_data,
  CASE shown.object_type
    WHEN 'ticket' THEN stele_ticket_metadata(raw)
    WHEN 'article' THEN json_object(
      'status', json_at(raw, '$.normalised.status'), 'category_id', json_at(raw, '$.normalised.category_id'),
      'folder_id', json_at(raw, '$.normalised.folder_id'), 'tags', json_at(raw, '$.normalised.tags'),
      'metadata_version', '1.0')
    ELSE json_object(
      'parent_type', text_at(raw, '$.normalised.parent_type'),
      'parent_original_id', text_at(raw, '$.normalised.parent_id'), 'name', title,
      'content_type', text_at(raw, '$.normalised.content_type'), 'size', integer_at(raw, '$.normalised.size'),
      'text_status', text_at(raw, '$.normalised.text_status'), 'metadata_version', '1.0')
  END AS tenant_metadata,
  shown.ingested_at AS processed_at,
  CASE WHEN keeps THEN make_timestamptz(said.generated_at) END AS summary_generated_at,
  shown.created_at, shown.updated_at,
  CASE WHEN keeps THEN said.model END AS summary_model,
  shown.source_id, shown.source_hash, shown.record_id
FROM shown
LEFT JOIN stele_internal.summaries AS said
  ON said.tenant_id = shown.tenant_id AND said.platform = shown.platform AND said.object_type = shown.object_type
  AND said.original_id = shown.original_id AND said.source_hash = shown.source_hash;

INSERT INTO stele_internal.help VALUES
  ('objects', 'view', 'things of help desks as their newest records tell them: tickets, messages, articles, files'),
  ('integrated_objects', 'view', 'tickets, articles and files as rows: keys, metadata, and content where the mode keeps it');
