//! Markdown: sections, what they hold, and what must never be lost.

use proptest::prelude::*;
use stele_model::Document;

use crate::one;

/// Sections as `level title #anchor [kinds]`, one a line.
fn outline(document: &Document) -> String {
    let line = |section: &stele_model::Section| {
        let kinds: Vec<&str> = section.block_types().iter().map(|kind| kind.name()).collect();
        let level = if section.heading { section.level } else { 0 };
        format!("{level} {} #{} [{}]", section.title, section.anchor, kinds.join(" "))
    };
    document.sections.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(markdown: &str, expect: &str) {
    let document = one("guide/page.md", markdown.as_bytes());
    let wanted: Vec<&str> = expect.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(outline(&document), wanted.join("\n"), "{markdown}");
    assert!(document.conservation.holds(), "{:?}\n{markdown}", document.conservation);
    assert_eq!(document.conservation.characters_extra, 0, "{markdown}");
}

#[test]
fn sections_are_headings_with_their_blocks() {
    check("# A\n\ntext\n\n## B\n\n- x\n- y\n", "1 A #a [paragraph]\n2 B #b [list paragraph]");
    check("before\n\n# A\n", "0 A #a [paragraph]\n1 A #a-1 []");
    check("no heading\n", "0 page #page [paragraph]");
    check("# A\n## B\n# A\n## B\n", "1 A #a []\n2 B #b []\n1 A #a-1 []\n2 B #b-1 []");
    check("Set\nin two\n======\nx\n", "1 Set in two #set-in-two [paragraph]");
    check("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "1 A #a [table]");
    check("> quoted\n\n---\n\n<div>\nx\n</div>\n", "0 page #page [quote paragraph break html]");
    check("", "");
    check("\n\n \n", "");
}

#[test]
fn an_open_fence_swallows_nothing() {
    check("# A\n```sh\nmake\n\n## B\n\ntext\n", "1 A #a [code]\n2 B #b [paragraph]");
    check("# A\n```sh\nmake\n\n## B\n\n```sh\nx\n```\n## C\n", "1 A #a [code]\n2 B #b [code]\n2 C #c []");
    // Every fence is bare, so the first one that holds a heading was meant to be over before it.
    check(
        "# A\n```\nx\n\n## B\n\n```\ny\n```\n\n## C\n\ntext\n",
        "1 A #a [code]\n2 B #b [code]\n2 C #c [paragraph]",
    );
    check("# A\n```sh\n# a comment\n## another\nmake\n```\n", "1 A #a [code]");
    check("````md\n# A\n```sh\nx\n```\n````\n# B\n", "0 B #b [code]\n1 B #b-1 []");
    check("```\nnothing like a heading\n", "0 page #page [code]");
}

#[test]
fn many_open_fences_take_linear_time() {
    let text = "```a\nx\n\n## h\n\n".repeat(100_000);
    let document = one("many.md", text.as_bytes());
    assert_eq!(document.sections.len(), 100_001);
    assert!(document.conservation.holds());
}

#[test]
fn what_stands_inside_a_list_is_kept_in_order() {
    let text = "1. One\n\n   ```sh\n   make all\n   ```\n\n   | a | b |\n   |---|---|\n   | `x` | [y](z.md) |\n\n2. Two\n   > said\n";
    let document = one("list.md", text.as_bytes());
    let section = &document.sections[0];
    let kinds: Vec<&str> = section.blocks.iter().map(|block| block.kind.name()).collect();
    assert_eq!(kinds, ["ordered_list", "paragraph", "code", "table", "paragraph", "quote", "paragraph"]);
    assert_eq!(section.code_blocks[0].text, "make all\n");
    assert_eq!(section.code_blocks[0].line, 4);
    let cells = &section.tables[0].rows[0];
    assert_eq!((cells[0].code[0].as_str(), cells[1].links[0].as_str()), ("x", "z.md"));
    let steps: Vec<&str> = section.steps[0].steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(steps, ["One", "Two"]);
    assert_eq!(&section.text[section.inline_code[0].span.clone()], "`x`");
    assert_eq!(&section.text[section.links[0].span.clone()], "[y](z.md)");
}

#[test]
fn front_matter_is_read_and_stands_apart() {
    let text = "---\ntitle: \"A page\"\ntags: [one, two]\nversion: 1.2 # new\nowner:\n  team: docs\nlist:\n- a\n- b\n---\n# H\n";
    let document = one("a.md", text.as_bytes());
    let entries: Vec<String> = document
        .front_matter
        .iter()
        .map(|entry| format!("{}={}", entry.key, entry.values.join(",")))
        .collect();
    assert_eq!(
        entries,
        ["title=A page", "tags=one,two", "version=1.2", "owner=", "owner.team=docs", "list=a,b"]
    );
    assert_eq!((document.title.as_str(), document.version.as_deref()), ("A page", Some("1.2")));
    assert_eq!(outline(&document), "0 A page #a-page [front_matter]\n1 H #h []");
    assert_eq!(document.sections[1].line_start, 11);
    let toml = one("b.md", b"+++\ntitle = \"T\"\n[a]\nb = [1, 2]\n+++\ntext\n");
    assert_eq!((toml.title.as_str(), toml.front_matter[0].values.len()), ("T", 2));
    // A rule and a setext heading are none.
    check("---\nFoo\n---\n", "0 Foo #foo [break]\n2 Foo #foo-1 []");
}

#[test]
fn places_within_a_page_keep_their_names() {
    let document = one("a.md", b"## <a name=\"old\"></a> New `name` (x)\n\n<a id='other'></a>\n");
    let section = &document.sections[0];
    assert_eq!((section.title.as_str(), section.anchor.as_str()), ("New name (x)", "new-name-x"));
    assert_eq!(section.aliases, ["old", "other"]);
    assert_eq!(section.body_text(), "\n<a id='other'></a>\n");
}

#[test]
fn languages_are_told_where_there_is_enough_text() {
    let code = |text: &str| one("a.md", text.as_bytes()).language.map(|language| language.code);
    let english = "The service starts when the configuration file has been read and every port is free.";
    let spanish =
        "El servicio arranca en cuanto se ha leído el archivo y todos los puertos se han quedado libres.";
    assert_eq!(code(english).as_deref(), Some("eng"));
    assert_eq!(code(spanish).as_deref(), Some("spa"));
    assert_eq!(code("short"), None);
}

#[test]
fn huge_texts_take_linear_time_and_are_whole() {
    // One line of 50 MB, full of marks.
    let line = "*a* `b` [c](d) ".repeat(50_000_000 / 15);
    let document = one("line.md", line.as_bytes());
    assert!(document.conservation.holds() && document.sections.len() == 1);
    // Many short blocks without a heading.
    let blocks = "- a\n\n".repeat(2_000_000);
    let document = one("blocks.md", blocks.as_bytes());
    assert!(document.conservation.holds() && document.sections.len() == 1);
    // What one piece defines, another one uses.
    let mut text = "# h\n\n[x][far]\n\n".to_owned();
    text.push_str(&"## part\n\nwords and words\n\n".repeat(50_000));
    text.push_str("\n[far]: there.md\n");
    let document = one("far.md", text.as_bytes());
    assert_eq!(document.sections[0].links[0].target, "there.md");
    assert_eq!(document.sections.len(), 50_001);
}

#[test]
fn deep_nesting_is_no_harm() {
    for text in [">".repeat(20_000), "- ".repeat(20_000), "[".repeat(50_000), "*a ".repeat(50_000)] {
        let document = one("deep.md", text.as_bytes());
        assert!(document.conservation.holds());
    }
}

/// Checksums by id.
fn by_id(document: &Document) -> Vec<(String, String)> {
    document.sections.iter().map(|s| (s.id.to_string(), s.checksum.to_string())).collect()
}

/// Text of `sections` sections below some headings that repeat.
fn page(bodies: &[String]) -> String {
    let mut text = String::new();
    for (index, body) in bodies.iter().enumerate() {
        let level = "#".repeat(1 + index % 3);
        text.push_str(&format!("{level} Title {}\n\n{body}\n\n", index % 4));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_and_kept(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let document = one("any.md", &bytes);
        prop_assert!(document.conservation.holds());
        prop_assert_eq!(document.conservation.characters_extra, 0);
    }

    #[test]
    fn any_marks_are_read_and_kept(text in "([#>*`~|\\[\\]()!<a-c:\\-= \\t\\n\r]|```|\n\n|é|---\n|\n# ){0,120}") {
        let document = one("marks.md", text.as_bytes());
        prop_assert!(document.conservation.holds(), "{:?}", document.conservation);
        for section in &document.sections {
            prop_assert!((1..=6).contains(&section.level));
            for code in &section.inline_code {
                prop_assert!(section.text.get(code.span.clone()).is_some());
            }
            for link in &section.links {
                prop_assert!(section.text.get(link.span.clone()).is_some());
            }
            for block in &section.blocks {
                prop_assert!(section.text.get(block.span.clone()).is_some());
            }
        }
        let mut ids: Vec<_> = document.sections.iter().map(|section| section.id).collect();
        let mut anchors: Vec<_> = document.sections.iter().map(|section| section.anchor.clone()).collect();
        ids.sort();
        ids.dedup();
        anchors.sort();
        anchors.dedup();
        prop_assert_eq!((ids.len(), anchors.len()), (document.sections.len(), document.sections.len()));
    }

    #[test]
    fn an_edit_changes_one_checksum_and_no_id(
        bodies in proptest::collection::vec("[a-z ]{1,30}", 1..12),
        at in any::<proptest::sample::Index>(),
    ) {
        let before = one("a.md", page(&bodies).as_bytes());
        let at = at.index(bodies.len());
        let mut edited = bodies.clone();
        edited[at].push_str(" edited");
        let after = one("a.md", page(&edited).as_bytes());
        for (index, (old, new)) in by_id(&before).into_iter().zip(by_id(&after)).enumerate() {
            prop_assert_eq!(&old.0, &new.0);
            prop_assert_eq!(old.1 == new.1, index != at);
        }
        prop_assert_ne!(&before.checksum, &after.checksum);
        // Back again is the first one again.
        prop_assert_eq!(&one("a.md", page(&bodies).as_bytes()), &before);
        // Another name: other ids, the same texts.
        let renamed = one("b.md", page(&bodies).as_bytes());
        for (old, new) in by_id(&before).into_iter().zip(by_id(&renamed)) {
            prop_assert_ne!(old.0, new.0);
            prop_assert_eq!(old.1, new.1);
        }
    }
}
