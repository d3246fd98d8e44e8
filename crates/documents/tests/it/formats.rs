//! Every format but Markdown: what comes out, and that nothing is lost.

use proptest::prelude::*;
use stele_documents::{extract, recognise};
use stele_model::{Document, DocumentFormat, EntityKind};

use crate::archives::{docx, pptx, with, xlsx, zip};
use crate::{one, parsed};

/// Sections as `level title [kinds] page`, one a line.
fn outline(document: &Document) -> Vec<String> {
    let line = |section: &stele_model::Section| {
        let kinds: Vec<&str> = section.blocks.iter().map(|block| block.kind.name()).collect();
        let level = if section.heading { section.level } else { 0 };
        let page = section.page.map_or(String::new(), |page| format!(" p{page}"));
        format!("{level} {} [{}]{page}", section.title, kinds.join(" "))
    };
    document.sections.iter().map(line).collect()
}

#[track_caller]
fn check(uri: &str, bytes: &[u8], expect: &[&str]) -> Document {
    let document = one(uri, bytes);
    assert_eq!(outline(&document), expect, "{:#?}", document.sections);
    assert!(document.conservation.holds(), "{:?}\n{:#?}", document.conservation, document.sections);
    assert_eq!(
        document.conservation.characters_extra, 0,
        "{:?}\n{:#?}",
        document.conservation, document.sections
    );
    document
}

#[test]
fn pages_of_the_web_are_their_main_part() {
    let page = "<!doctype html><html><head><title>T - Site</title><style>x{}</style></head><body><header>Site</header><nav><a href=/>Home</a></nav>\
        <main><h1 id=top>Boxes <a href=#top>¶</a></h1><div><p>A <b>bo</b>x &amp; a <code>lid</code>, see <a href='b.html#x'>there</a>.</p></div>\
        <pre class=highlight><code class='language-sh'>make  all\n  &lt;x&gt;\n</code></pre>\
        <h2>List</h2><ol><li>One<ul><li>inner</li></ul></li><li><p>Two</p></li></ol>\
        <table><tr><th>a</th><th>b</th></tr><tr><td><code>x</code></td><td>y<br>z</td></tr></table><blockquote><p>said</p></blockquote></main>\
        <aside>around</aside><footer>end</footer><script>var x = '<p>no</p>';</script></body></html>";
    let document = check(
        "a/page.html",
        page.as_bytes(),
        &["1 Boxes [paragraph code]", "2 List [ordered_list list ordered_list table quote]"],
    );
    let first = &document.sections[0];
    assert_eq!(document.title, "Boxes");
    assert_eq!(first.text, "Boxes\n\nA box & a lid, see there.\n\nmake  all\n  <x>");
    assert_eq!(
        (first.code_blocks[0].language.as_str(), first.aliases.as_slice()),
        ("sh", ["top".to_owned()].as_slice())
    );
    assert_eq!(&first.text[first.inline_code[0].span.clone()], "lid");
    assert_eq!(
        (&first.text[first.links[0].span.clone()], first.links[0].target.as_str()),
        ("there", "b.html#x")
    );
    let second = &document.sections[1];
    assert_eq!(
        (second.tables[0].head.join(","), second.tables[0].rows[0][1].text.as_str()),
        ("a,b".to_owned(), "y\nz")
    );
    let steps: Vec<&str> = second.steps[0].steps.iter().map(|step| step.text.as_str()).collect();
    assert_eq!(steps, ["One", "Two"]);
}

#[test]
fn menus_and_footers_are_left_out_wherever_they_are() {
    let around = "<header>h</header><nav>n</nav><div role=\"navigation\">r</div><aside>a</aside><footer>f</footer><p hidden>x</p>";
    check("a.html", format!("{around}<p>text</p>").as_bytes(), &["0 a [paragraph]"]);
    // Inside the main part, a head and a note beside it belong to it.
    check(
        "a.html",
        format!("<article>{around}<p>text</p></article>").as_bytes(),
        &["0 a [paragraph paragraph paragraph]"],
    );
}

#[test]
fn no_text_of_a_page_comes_twice() {
    check("a.html", b"<div><p><code>once</code></p></div>", &["0 a [paragraph]"]);
    check("a.html", b"<p>a<div>b<p>c</div>d", &["0 a [paragraph paragraph paragraph paragraph]"]);
    check(
        "a.html",
        b"<table><tr><td><table><tr><td>in</td></tr></table></td></tr></table>",
        &["0 a [table]"],
    );
    check("a.html", b"<main></main><p>beside</p>", &["0 a [paragraph]"]);
    check("a.html", b"", &[]);
}

#[test]
fn deep_and_large_pages_are_bounded() {
    let deep = format!("{}x{}", "<div>".repeat(50_000), "</div>".repeat(50_000));
    assert!(one("deep.html", deep.as_bytes()).conservation.holds());
    let wide = format!("<p>{}</p>", "<b>a</b> ".repeat(200_000));
    assert!(one("wide.html", wide.as_bytes()).conservation.holds());
}

#[test]
fn plain_text_and_other_encodings() {
    check("a.txt", b"one\ntwo\n\nthree\n", &["0 a [paragraph paragraph]"]);
    let wide: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("größer".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    assert_eq!(one("a.txt", &wide).sections[0].text, "größer");
    let old = one("a.txt", b"gr\xf6\xdfer");
    assert_eq!((old.sections[0].text.as_str(), old.warnings[0].code.as_str()), ("größer", "not_utf8"));
}

#[test]
fn tables_are_cut_into_sections() {
    let document = check("t.csv", b"name;size\nbox;1\n\"a;b\";2\n", &["0 t [table]"]);
    let table = &document.sections[0].tables[0];
    assert_eq!((table.head.join(","), table.rows[1][0].text.as_str()), ("name,size".to_owned(), "a;b"));
    let long: String = (0..450).map(|n| format!("a{n},{n}\n")).collect();
    let document =
        check("t.csv", long.as_bytes(), &["0 t [table]", "0 rows 201–400 [table]", "0 rows 401–450 [table]"]);
    assert_eq!((document.sections[1].line_start, document.sections[1].line_end), (201, 400));
}

#[test]
fn mails_say_who_wrote_what() {
    let mail = "From: Ann <ann@example.com>\r\nTo: bob@example.com\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 3 Mar 2025 10:00:00 +0100\r\n\
        MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello\r\n\r\n> old words\r\n\
        --x\r\nContent-Type: text/plain; name=notes.txt\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nattached\r\n\
        --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner\r\n\r\ninside\r\n--x--\r\n";
    let document = check(
        "m.eml",
        mail.as_bytes(),
        &["1 Grüße [paragraph paragraph quote]", "2 notes.txt [paragraph]", "2 Inner [paragraph]"],
    );
    assert_eq!(document.last_edited.as_deref(), Some("2025-03-03T10:00:00+01:00"));
    let html = b"Subject: S\r\nContent-Type: text/html\r\n\r\n<h1>H</h1><p>a <a href='x'>b</a></p>";
    check("m.eml", html, &["1 S []", "2 H [paragraph]"]);
}

/// A paragraph of a document, with a style.
fn p(style: &str, text: &str) -> String {
    format!(
        "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>"
    )
}

#[test]
fn office_documents() {
    let styles = "<w:styles xmlns:w=\"w\"><w:style w:styleId=\"H1\"><w:name w:val=\"heading 1\"/></w:style>\
        <w:style w:styleId=\"C\"><w:name w:val=\"Source Code\"/></w:style></w:styles>";
    let numbering = "<w:numbering xmlns:w=\"w\"><w:abstractNum w:abstractNumId=\"0\"><w:lvl><w:numFmt w:val=\"decimal\"/></w:lvl></w:abstractNum>\
        <w:num w:numId=\"5\"><w:abstractNumId w:val=\"0\"/></w:num></w:numbering>";
    let core =
        "<c xmlns:dc=\"d\"><dc:title>The title</dc:title><dcterms:modified>2025-01-01</dcterms:modified></c>";
    let relations = "<Relationships><Relationship Id=\"r1\" Type=\"x/hyperlink\" Target=\"https://example.com/x\"/></Relationships>";
    let step = |text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:numId w:val=\"5\"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let body = [
        p("H1", "Installing boxes"),
        step("Get it"),
        step("Open it"),
        p("C", "make"),
        p("C", "make install"),
        "<w:p><w:r><w:t>See </w:t></w:r><w:hyperlink r:id=\"r1\"><w:r><w:t>there</w:t></w:r></w:hyperlink><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>".to_owned(),
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>k</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>v</w:t></w:r></w:p></w:tc></w:tr>\
         <w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>1 &amp; 2</w:t></w:r></w:p></w:tc></w:tr></w:tbl>".to_owned(),
    ];
    let bytes = docx(
        &body.concat(),
        &[
            ("word/styles.xml", styles),
            ("word/numbering.xml", numbering),
            ("docProps/core.xml", core),
            ("word/_rels/document.xml.rels", relations),
        ],
    );
    let document =
        check("a.docx", &bytes, &["1 Installing boxes [ordered_list ordered_list code paragraph table]"]);
    let section = &document.sections[0];
    assert_eq!((document.title.as_str(), document.last_edited.as_deref()), ("The title", Some("2025-01-01")));
    assert_eq!(section.code_blocks[0].text, "make\nmake install");
    assert_eq!(
        (&section.text[section.links[0].span.clone()], section.links[0].target.as_str()),
        ("there", "https://example.com/x")
    );
    assert_eq!(
        (section.tables[0].head.join(","), section.tables[0].rows[0][1].text.as_str()),
        ("k,v".to_owned(), "1 & 2")
    );
    let steps =
        extract(&document).entities.into_iter().filter(|entity| entity.kind == EntityKind::Step).count();
    assert_eq!(steps, 2);
}

#[test]
fn slides_are_pages() {
    let title = "<p:sp><p:nvSpPr><p:nvPr><p:ph type=\"title\"/></p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>First</a:t></a:r></a:p></p:txBody></p:sp>";
    let body = "<p:sp><p:txBody><a:p><a:r><a:t>one</a:t></a:r></a:p><a:p><a:r><a:t>two</a:t></a:r></a:p></p:txBody></p:sp>";
    let bytes = pptx(&[&format!("{body}{title}"), "", body]);
    let document = check(
        "a.pptx",
        &bytes,
        &["1 First [paragraph paragraph] p1", "0 Slide 2 [] p2", "0 Slide 3 [paragraph paragraph] p3"],
    );
    assert_eq!((document.conservation.pages_in, document.conservation.pages_out), (3, 3));
    assert_eq!((document.conservation.pages_without_text, document.warnings[0].place), (1, 2));
}

#[test]
fn sheets_are_pages() {
    let cell = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let rows = format!(
        "<row r=\"1\">{}{}</row><row r=\"2\">{}<c r=\"B2\"><v>1.5</v></c></row>",
        cell("A1", "name"),
        cell("B1", "size"),
        cell("A2", "box")
    );
    // In the last corner of a sheet: as dear as any other cell.
    let corner = format!("<row r=\"1048576\">{}</row>", cell("XFD1048576", "far"));
    let document = check(
        "a.xlsx",
        &xlsx(&[("Boxes", &rows), ("Far", &corner), ("None", "")]),
        &["1 Boxes [table] p1", "1 Far [table] p2", "1 None [] p3"],
    );
    let table = &document.sections[0].tables[0];
    assert_eq!((table.head.join(","), table.rows[0][1].text.as_str()), ("name,size".to_owned(), "1.5"));
    assert_eq!((document.conservation.pages_in, document.conservation.pages_without_text), (3, 1));
}

#[test]
fn what_stands_beside_the_body_has_a_place_of_its_own() {
    let p = |text: &str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let part = |name: &str, inside: &str| format!("<w:{name} xmlns:w=\"w\">{inside}</w:{name}>");
    let (header, footer) = (part("hdr", &p("Board minutes")), part("ftr", &p("Confidential")));
    let notes = part("footnotes", &format!("<w:footnote/><w:footnote>{}</w:footnote>", p("See the annex.")));
    let comments = part("comments", &format!("<w:comment w:author=\"A\">{}</w:comment>", p("Is that so?")));
    let chart = "<c:chart xmlns:c=\"c\" xmlns:a=\"a\"><a:p><a:r><a:t>Sales </a:t></a:r><a:r><a:t>by year</a:t></a:r></a:p></c:chart>";
    let beside = [
        ("word/header1.xml", header.as_str()),
        ("word/header2.xml", &header),
        ("word/header3.xml", &part("hdr", "<w:p/>")),
        ("word/footer1.xml", &footer),
        ("word/footnotes.xml", &notes),
        ("word/comments.xml", &comments),
        ("word/charts/chart1.xml", chart),
        ("word/embeddings/sheet.xlsx", "x"),
    ];
    let document = check(
        "a.docx",
        &docx(&p("The body."), &beside),
        &[
            "0 a [paragraph]",
            "1 Footnotes [paragraph]",
            "1 Comments [paragraph]",
            "1 Headers and footers [paragraph paragraph]",
            "1 Charts and diagrams [paragraph]",
        ],
    );
    let texts: Vec<&str> = document.sections.iter().map(|section| section.body_text().trim()).collect();
    assert_eq!(
        texts,
        ["The body.", "See the annex.", "Is that so?", "Confidential\n\nBoard minutes", "Sales by year"]
    );
    let all: u64 = document
        .sections
        .iter()
        .map(|section| section.text.split_whitespace().collect::<String>().len() as u64)
        .sum();
    assert_eq!(document.conservation.characters_in, all, "what stands beside is counted");
    let warnings: Vec<&str> = document.warnings.iter().map(|warning| &*warning.code).collect();
    assert_eq!(warnings, ["embedded_left_out"]);
    assert!(document.warnings[0].message.contains("1 files inside of it are not read: sheet.xlsx"));

    let slide = "<p:sp><p:txBody><a:p><a:r><a:t>one</a:t></a:r></a:p></p:txBody></p:sp>";
    let slides = with(
        &pptx(&[slide]),
        &[
            (
                "ppt/slides/_rels/slide1.xml.rels",
                "<Relationships><Relationship Id=\"a\" Type=\"x/comments\" Target=\"../comments/comment1.xml\"/>\
                 <Relationship Id=\"b\" Type=\"x/chart\" Target=\"../charts/chart1.xml\"/></Relationships>",
            ),
            (
                "ppt/comments/comment1.xml",
                "<p:cmLst xmlns:p=\"p\"><p:cm><p:text>Really &amp; truly?</p:text></p:cm></p:cmLst>",
            ),
            ("ppt/charts/chart1.xml", chart),
        ],
    );
    let document = check("a.pptx", &slides, &["0 Slide 1 [paragraph paragraph paragraph] p1"]);
    assert_eq!(document.sections[0].text, "one\n\nReally & truly?\n\nSales by year");

    let cell = "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>";
    let book = with(
        &xlsx(&[("Boxes", cell)]),
        &[
            (
                "xl/comments1.xml",
                "<comments><commentList><comment ref=\"A1\"><text><r><t>Who </t></r><r><t>says so?</t></r></text></comment></commentList></comments>",
            ),
            (
                "xl/worksheets/notes.xml",
                "<worksheet><headerFooter><oddHeader>&amp;LQuarter &amp;P</oddHeader></headerFooter></worksheet>",
            ),
            ("xl/drawings/drawing1.xml", chart),
        ],
    );
    let document = check(
        "a.xlsx",
        &book,
        &[
            "1 Boxes [table] p1",
            "1 Comments [paragraph]",
            "1 Headers and footers [paragraph]",
            "1 Charts and drawings [paragraph]",
        ],
    );
    let texts: Vec<&str> = document.sections[1..].iter().map(|section| section.body_text().trim()).collect();
    assert_eq!(texts, ["Who says so?", "Quarter", "Sales by year"]);
    assert_eq!((document.conservation.pages_in, document.conservation.pages_out), (1, 1));
}

#[test]
fn blocks_of_an_api() {
    let text = |text: &str| format!("[{{\"plain_text\":\"{text}\",\"annotations\":{{\"code\":false}}}}]");
    let block = |kind: &str, words: &str, more: &str| {
        format!(
            "{{\"object\":\"block\",\"type\":\"{kind}\",\"{kind}\":{{\"rich_text\":{}}}{more}}}",
            text(words)
        )
    };
    let json = format!(
        "{{\"page\":{{\"object\":\"page\",\"last_edited_time\":\"2025\",\"properties\":{{\"Name\":{{\"title\":{}}}}}}},\"results\":[{},{},{},{},{}],\"has_more\":true,\"next_cursor\":\"c\",\"object\":\"list\"}}",
        text("Boxes"),
        block("heading_2", "How to open", ""),
        block("numbered_list_item", "Lift", ""),
        block("numbered_list_item", "Look", &format!(",\"children\":[{}]", block("code", "make", ""))),
        block("paragraph", "end", ",\"has_children\":true"),
        "{\"object\":\"block\",\"type\":\"table\",\"table\":{\"has_column_header\":true,\"children\":[{\"object\":\"block\",\"type\":\"table_row\",\"table_row\":{\"cells\":[[{\"plain_text\":\"k\"}],[{\"plain_text\":\"v\",\"href\":\"u\"}]]}}]}}",
    );
    let document = check(
        "n.json",
        json.as_bytes(),
        &["1 Boxes []", "2 How to open [ordered_list ordered_list code paragraph table]"],
    );
    assert_eq!((document.title.as_str(), document.last_edited.as_deref()), ("Boxes", Some("2025")));
    let codes: Vec<&str> = document.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["incomplete", "incomplete"]);
}

#[test]
fn exported_archives_hold_pages() {
    let id = "0123456789abcdef0123456789abcdef";
    let page = format!("Space {id}/Page {id}.md");
    let inner = zip(&[("In.md", b"# In\n")]);
    let bytes = zip(&[
        (&page, b"no heading, see [other](../Other%20x.html)"),
        ("Other x.html", b"<h1>Other</h1>"),
        ("Data.csv", b"a,b\n1,2\n"),
        ("Part-1.zip", &inner),
        ("pic.png", b"\x89PNG"),
    ]);
    let parsed = parsed("x.zip", &bytes).unwrap();
    let found: Vec<String> = parsed
        .documents
        .iter()
        .map(|document| format!("{} {}", document.title, document.format.name()))
        .collect();
    assert_eq!(found, ["Data csv", "Other html", "In markdown", "Page markdown"]);
    assert_eq!(
        (parsed.ignored.as_slice(), parsed.failed.len()),
        (["x.zip!/pic.png".to_owned()].as_slice(), 0)
    );
    let references = extract(&parsed.documents[3]).references;
    assert_eq!(references[0].uri, parsed.documents[1].source_uri);
}

#[test]
fn formats_are_recognised_by_content_first() {
    let check = |uri: &str, bytes: &[u8], expect: Option<DocumentFormat>| {
        assert_eq!(recognise(uri, bytes), expect, "{uri}")
    };
    check("a.md", b"%PDF-1.4", Some(DocumentFormat::Pdf));
    check("a", b"<!DOCTYPE html><p>", Some(DocumentFormat::Html));
    check("a.bin", &docx("", &[]), Some(DocumentFormat::Docx));
    check("a.MD", b"x", Some(DocumentFormat::Markdown));
    check("README", b"x", Some(DocumentFormat::Markdown));
    check("a.json", b"{\"event\": 1}", None);
    check(
        "notion://5c6a",
        b"{\"page\":{\"object\":\"page\"},\"blocks\":[]}",
        Some(DocumentFormat::NotionBlocks),
    );
    check("notion://5c6a", b"{\"event\": 1}", None);
    check("a.jsonl", b"{\"event\": 1}", None);
    check("x/inbox", b"Received: from a\r\n\r\nb", Some(DocumentFormat::Eml));
    check("a.png", b"\x89PNG\r\n\x1a\n", Some(DocumentFormat::Image));
    check("a.out", b"\x7fELF\0\0", None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_text_a_page_and_a_table(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for uri in ["a.txt", "a.csv"] {
            let document = one(uri, &bytes);
            prop_assert!(document.conservation.holds(), "{} {:?}", uri, document.conservation);
            prop_assert_eq!(document.conservation.characters_extra, 0);
        }
        one("a.html", &bytes);
        let _ = parsed("a.eml", &bytes);
    }

    #[test]
    fn well_formed_pages_are_kept(
        parts in proptest::collection::vec("<(p|div|li|h2|pre|blockquote|td)>[a-z &;]{0,9}|</(p|div|h2|pre)>|<b>x</b>|<code>y</code>|<br>|<a href=u>z</a>|[a-z ]{1,6}", 0..30)
    ) {
        let document = one("a.html", parts.concat().as_bytes());
        crate::extract::holds(std::slice::from_ref(&document));
        for section in &document.sections {
            for code in &section.inline_code {
                prop_assert!(section.text.get(code.span.clone()).is_some());
            }
            for link in &section.links {
                prop_assert!(section.text.get(link.span.clone()).is_some());
            }
        }
    }

    #[test]
    fn damaged_archives_are_errors_and_no_panics(at in any::<proptest::sample::Index>(), byte in any::<u8>(), cut in any::<proptest::sample::Index>()) {
        let samples = [("a.docx", docx(&p("H1", "x"), &[])), ("a.pptx", pptx(&["<p:sp/>"])), ("a.xlsx", xlsx(&[("S", "<row r=\"1\"><c r=\"A1\"><v>1</v></c></row>")]))];
        for (uri, bytes) in samples {
            let mut flipped = bytes.clone();
            let place = at.index(flipped.len());
            flipped[place] = byte;
            let _ = parsed(uri, &flipped);
            let _ = parsed(uri, &bytes[..cut.index(bytes.len())]);
        }
    }
}
