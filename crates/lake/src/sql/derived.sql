-- Every document as it is now, with its tags: those that its front matter states, and those that its
-- file, or the archive that it is a page of, was given when it was ingested.
CREATE VIEW documents AS
WITH stated AS (
  SELECT document_id, list_filter(from_json(front_matter, '[{"key":"VARCHAR","values":["VARCHAR"]}]'),
    lambda entry: lower(entry.key) IN ('tags', 'keywords', 'categories')) AS entries
  FROM document_rows
), said AS (
  SELECT document_id, list_filter(list_transform(
    flatten(list_transform(flatten(list_transform(entries, lambda entry: entry.values)),
      lambda words: string_split(words, ','))), lambda word: lower(trim(word))), lambda word: word <> '') AS tags
  FROM stated
)
SELECT
  document.*,
  list_sort(list_distinct(list_concat(
    coalesce(said.tags, []),
    from_json(coalesce(own.tags_json, archive.tags_json, '[]'), '["VARCHAR"]')))) AS tags
FROM document_rows AS document
LEFT JOIN said ON said.document_id = document.document_id
LEFT JOIN stele_internal.files AS own ON own.tenant_id = document.tenant AND own.uri = document.source
LEFT JOIN stele_internal.files AS archive
  ON archive.tenant_id = document.tenant AND archive.uri = split_part(document.source, '!/', 1);

-- One row a thing: what all documents say about it, put together. Where they differ, the one counts whose
-- source comes first, and what follows from all of them comes last.
CREATE VIEW entities AS
WITH ranked AS (
  SELECT
    entity_rows.*,
    row(entity_rows.document_id IS NULL, coalesce(source, ''), coalesce(entity_rows.document_id, '')) AS place
  FROM entity_rows LEFT JOIN document_rows ON document_rows.document_id = entity_rows.document_id
)
SELECT
  entity_id,
  any_value(kind) AS kind,
  any_value(key) AS key,
  arg_min(name, place) AS name,
  list_sort(list_distinct(flatten(list(aliases)))) AS aliases,
  arg_min(description, place) FILTER (WHERE description IS NOT NULL) AS description,
  -- The patch that comes last is the one that stays.
  list_reduce(list(properties ORDER BY place DESC), lambda said, first: json_merge_patch(said, first)::VARCHAR) AS properties,
  count(DISTINCT document_id) AS documents
FROM ranked
GROUP BY entity_id
ORDER BY kind, name, entity_id;

INSERT INTO stele_internal.help VALUES
  ('documents', 'view', 'every document as it is now: title, format, tags, what went in and came out'),
  ('document_rows', 'view', 'the same without the tags'),
  ('sections', 'view', 'sections of documents, with their texts, lines and headings'),
  ('entities', 'view', 'things that documents and recordings are about, each once'),
  ('entity_rows', 'view', 'things, as each document speaks of them'),
  ('mentions', 'view', 'places of sections that name a thing'),
  ('edges', 'view', 'how one node leads to another, and who says so'),
  ('document_references', 'view', 'what sections point to, whether it is there or not');
