-- One row a thing: what all documents say about it, put together.
CREATE VIEW entities AS
SELECT
  entity_id,
  any_value(kind) AS kind,
  any_value(key) AS key,
  arg_min(name, coalesce(document_id, '')) AS name,
  list_sort(list_distinct(flatten(list(aliases)))) AS aliases,
  arg_min(description, coalesce(document_id, '')) FILTER (WHERE description IS NOT NULL) AS description,
  arg_min(properties, coalesce(document_id, '')) AS properties,
  count(DISTINCT document_id) AS documents
FROM entity_rows
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
