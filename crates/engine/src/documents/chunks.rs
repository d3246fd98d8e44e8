//! Sections as texts that are found again: each part of one, with the headings that lead to it in front.

use stele_model::{Chunk, ChunkKind, ChunkMetadata, DocType};

use super::chunking::{headings, parts_of, tables_in};

/// What the texts of one document have in common.
pub(crate) struct Of<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) source: &'a str,
    pub(crate) title: &'a str,
    pub(crate) tags: &'a [String],
}

/// A section, as far as its texts need it.
pub(crate) struct SectionText<'a> {
    /// Its id, as the graph writes it.
    pub(crate) id: String,
    pub(crate) title: &'a str,
    pub(crate) above: &'a [String],
    pub(crate) text: &'a str,
    pub(crate) body: usize,
    /// First line in the source; 0 where the source has none.
    pub(crate) line: u64,
    pub(crate) page: Option<u32>,
}

/// Hands over the texts of a section.
pub(crate) fn each<E>(
    of: &Of<'_>,
    section: &SectionText<'_>,
    take: &mut dyn FnMut(Chunk) -> Result<(), E>,
) -> Result<(), E> {
    let SectionText { text, body, .. } = *section;
    let leading = headings(of.title, section.above, section.title);
    for (number, part) in parts_of(text, body, &tables_in(text)).into_iter().enumerate() {
        let mut said = leading.clone();
        // Its own heading counts twice: by the words of the path alone, all sections of a page are alike.
        if !section.above.is_empty() && !part.span.is_empty() {
            said.push('\n');
            said.push_str(section.title);
        }
        for stretch in part.table_head.iter().chain([&part.span]).filter(|stretch| !stretch.is_empty()) {
            said.push('\n');
            said.push_str(text[stretch.clone()].trim_end());
        }
        let newlines = text[..part.span.start].bytes().filter(|byte| *byte == b'\n').count() as u64;
        // A part without a text is the heading.
        let newlines = if part.span.is_empty() { 0 } else { newlines };
        let metadata = ChunkMetadata {
            line: (section.line > 0).then_some(section.line + newlines),
            place: section.page.map(|page| format!("{}#page={page}", of.source)),
            section: Some(section.id.clone()),
            part: Some(number as u64),
            tags: of.tags.to_vec(),
            ..ChunkMetadata::new(
                ChunkKind::Section,
                of.source,
                DocType::Document.name(),
                of.tenant,
                leading.clone(),
            )
        };
        take(Chunk::new(said, metadata))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Of, SectionText, each};

    #[test]
    fn a_part_says_where_it_stands() {
        let of = Of { tenant: "t", source: "/d/a.md", title: "Guide", tags: &["cli".to_owned()] };
        let long = "A sentence about one thing and nothing else. ".repeat(10);
        let text = format!("## Start\n\n{long}\n\n{long}\n\n{long}\n");
        let section = SectionText {
            id: "ab".to_owned(),
            title: "Start",
            above: &["Guide".to_owned()],
            text: &text,
            body: 9,
            line: 10,
            page: None,
        };
        let mut chunks = Vec::new();
        each(&of, &section, &mut |chunk| {
            chunks.push(chunk);
            Ok::<(), ()>(())
        })
        .unwrap();
        let lines: Vec<_> = chunks.iter().map(|chunk| chunk.metadata.line).collect();
        assert_eq!(lines, [Some(12), Some(14), Some(16)]);
        assert!(chunks.iter().all(|chunk| chunk.text.starts_with("Guide › Start\nStart\nA sentence")));
        assert_ne!(chunks[0].id, chunks[1].id);
        assert_eq!(chunks[1].metadata.part, Some(1));
    }
}
