//! Texts of what help desks have: each ticket, message, article and file as its newest record tells it, in parts that a
//! model takes in whole. What took the place of something, and what is gone, has none.

use std::collections::HashSet;

use stele_lake::Snapshot;
use stele_lake::sql::{Params, SqlOptions};
use stele_model::{Chunk, ChunkKind, ChunkMetadata, DocType};

use crate::EngineError;
use crate::collecting::SCHEME;
use crate::documents::chunking::parts_of;
use crate::engine::Engine;
use crate::judge::Accepted;

/// Memory of the question for them: keys of all things, and the texts of some at a time.
const SQL_MEMORY: u64 = 256 << 20;

/// Bytes of what one thing says that are cut into texts: a book. What a mail quotes of the mails before it repeats
/// what they said.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// In a fixed order, so that the same lake comes to the same texts.
const OBJECTS: &str = "SELECT object_type, id, ticket_id, title, text, event_type, epoch_us(ts), source, line_no, byte_offset \
     FROM objects ORDER BY source, byte_offset";

/// Kinds of records that things of help desks are.
pub(crate) const DOC_TYPES: [DocType; 4] =
    [DocType::Ticket, DocType::Conversation, DocType::Article, DocType::Attachment];

/// Whether a record is told by the thing that it is of, and has no text of its own.
pub(super) fn is_of_one(record: &Accepted<'_>, source: &str) -> bool {
    let envelope = &record.envelope;
    DOC_TYPES.contains(&envelope.doc_type)
        && source.starts_with(SCHEME)
        && envelope.platform.is_some()
        && envelope.original_id.is_some()
        && record.root().member("normalised").is_some()
}

/// Hands over the texts of every thing.
pub(super) fn each(
    engine: &Engine,
    snapshot: &Snapshot,
    take: &mut dyn FnMut(Chunk) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let kinds = DOC_TYPES.map(DocType::name);
    let has_some = |name: Option<&str>| name.is_some_and(|name| kinds.contains(&name));
    // Most lakes have none, and are not asked.
    if !snapshot.event_parts().iter().any(|part| has_some(part.partition("doc_type"))) {
        return Ok(());
    }
    let options =
        SqlOptions { memory_limit: SQL_MEMORY, threads: engine.threads(), temp_dir: engine.sql_temp_dir() };
    let sql = engine.own_lake_sql(snapshot, &options)?;
    let tenant = &engine.settings().tenant;
    sql.query(OBJECTS, &Params::none())?.each_text(|row| texts_of(tenant, row, take))
}

/// The texts of one thing: what it is called, and a part of what it says.
fn texts_of(
    tenant: &str,
    row: Vec<Option<String>>,
    take: &mut dyn FnMut(Chunk) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut cells = row.into_iter();
    let [kind, id, ticket, title, text, event] = [(); 6].map(|()| cells.next().flatten());
    let [ts, source, line, offset] = [(); 4].map(|()| cells.next().flatten());
    let (kind, id) = (kind.unwrap_or_default(), id.unwrap_or_default());
    // What hangs on a ticket is found by its number, too.
    let called = match (title.as_deref().map(str::trim).filter(|title| !title.is_empty()), ticket) {
        (Some(title), Some(ticket)) => format!("{ticket}: {title}"),
        (Some(title), None) => title.to_owned(),
        (None, Some(ticket)) => format!("{kind} of {ticket}"),
        (None, None) => id.clone(),
    };
    let text = text.unwrap_or_default();
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    let metadata = ChunkMetadata {
        event_type: event,
        ts: ts.and_then(|ts| ts.parse().ok()),
        line: line.and_then(|line| line.parse().ok()),
        byte_offset: offset.and_then(|offset| offset.parse().ok()),
        ..ChunkMetadata::new(
            ChunkKind::Object,
            source.unwrap_or_default(),
            kind.as_str(),
            tenant,
            format!("{kind} {id}"),
        )
    };
    // What it says twice is found once.
    let mut said = HashSet::new();
    for (number, part) in parts_of(text, 0, &[]).into_iter().enumerate() {
        let part = text[part.span].trim_end();
        if !said.insert(part) {
            continue;
        }
        let text = if part.is_empty() { called.clone() } else { format!("{called}\n{part}") };
        take(Chunk::new(text, ChunkMetadata { part: Some(number as u64), ..metadata.clone() }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use stele_model::Chunk;

    use super::texts_of;

    fn texts(title: Option<&str>, text: Option<&str>, ticket: Option<&str>) -> Vec<Chunk> {
        let row = [
            Some("ticket"),
            Some("t_f_5"),
            ticket,
            title,
            text,
            Some("tickets"),
            None,
            Some("collected://d/x"),
        ];
        let row =
            row.into_iter().chain([Some("3"), Some("70")]).map(|cell| cell.map(str::to_owned)).collect();
        let mut chunks = Vec::new();
        texts_of("t", row, &mut |chunk| {
            chunks.push(chunk);
            Ok(())
        })
        .unwrap();
        chunks
    }

    #[test]
    fn every_thing_has_a_text_whatever_it_says() {
        let check = |title, text, ticket, expect: &str| {
            let chunks = texts(title, text, ticket);
            assert_eq!(chunks.iter().map(|chunk| &*chunk.text).collect::<Vec<_>>(), [expect]);
            assert_eq!((chunks[0].metadata.line, chunks[0].metadata.byte_offset), (Some(3), Some(70)));
        };
        check(Some("Pump"), Some("It hums."), None, "Pump\nIt hums.");
        check(Some("Pump"), None, None, "Pump");
        check(Some("  "), Some(""), None, "t_f_5");
        check(None, None, Some("t_f_1"), "ticket of t_f_1");
        check(Some("a.pdf"), Some("Page one"), Some("t_f_1"), "t_f_1: a.pdf\nPage one");
    }

    #[test]
    fn a_long_text_is_in_parts_each_with_its_name() {
        let text = "One paragraph about the pump and what it does all day. ".repeat(9) + "\n\n";
        let text: String = (0..6).map(|number| format!("{number} {text}")).collect();
        let chunks = texts(Some("Pump"), Some(&text), None);
        assert!(
            chunks.len() > 3 && chunks.iter().all(|chunk| chunk.text.starts_with("Pump\n")),
            "{chunks:?}"
        );
        let mut ids: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), chunks.len());
    }
}
