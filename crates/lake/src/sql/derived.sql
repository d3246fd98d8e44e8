-- One row a thing: what all documents say about it, put together. Where they differ, the one counts whose
-- source comes first, and what follows from all of them comes last.
CREATE VIEW entities AS
WITH ranked AS (
  SELECT
    entity_rows.*,
    row(entity_rows.document_id IS NULL, coalesce(source, ''), coalesce(entity_rows.document_id, '')) AS place
  FROM entity_rows LEFT JOIN documents ON documents.document_id = entity_rows.document_id
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
  ('documents', 'view', 'every document as it is now: title, format, what went in and came out'),
  ('sections', 'view', 'sections of documents, with their texts, lines and headings'),
  ('entities', 'view', 'things that documents and recordings are about, each once'),
  ('entity_rows', 'view', 'things, as each document speaks of them'),
  ('mentions', 'view', 'places of sections that name a thing'),
  ('edges', 'view', 'how one node leads to another, and who says so'),
  ('document_references', 'view', 'what sections point to, whether it is there or not');
