//! Documentation sets that are not in the repository, read where `STELE_DOCUMENTS` names them.

use std::fs;
use std::time::Instant;

use crate::{corpus, one};

/// Every Markdown file of the set of commands, by name.
fn commands(test: &str) -> Vec<(String, String)> {
    let Some(dir) = corpus(test, "docker-cli") else { return Vec::new() };
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
#[allow(clippy::print_stderr, reason = "the figures are what the test is for")]
fn nothing_of_the_commands_is_lost() {
    let files = commands("nothing_of_the_commands_is_lost");
    let begin = Instant::now();
    let mut bytes = 0;
    for (name, text) in &files {
        let document = one(name, text.as_bytes());
        bytes += text.len();
        assert!(document.conservation.holds(), "{name}: {:?}", document.conservation);
        assert_eq!(document.conservation.characters_extra, 0, "{name}");
        // Without the parser: every character is in the text of the sections, in order.
        let all: String = document.sections.iter().map(|section| section.text.as_str()).collect();
        let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        assert_eq!(dense(&all), dense(text), "{name}");
    }
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{} files, {bytes} bytes, {:.1} MB/s", files.len(), bytes as f64 / 1e6 / seconds);
}

#[test]
fn headings_and_examples_agree_with_the_reference() {
    let Some(path) = corpus("headings_and_examples_agree_with_the_reference", "commonmark-spec.txt") else {
        return;
    };
    let text = fs::read_to_string(path).unwrap();
    let document = one("spec.md", text.as_bytes());
    let fence = "`".repeat(32);
    let body = text.split_once("\n...\n").unwrap().1;
    assert_eq!(headings(&document), reference(body));
    let mut examples = 0;
    let opening = format!("{fence} example\n");
    for part in body.split(&opening).skip(1) {
        let example = part.split(&format!("\n{fence}")).next().unwrap();
        let holders = document.sections.iter().filter(|section| section.text.contains(example)).count();
        let twice = body.matches(example).count() > 1;
        assert!(holders == 1 || (twice && holders >= 1), "{holders} sections hold {example:?}");
        let source = example.split("\n.\n").next().unwrap().replace('→', "\t");
        let alone = one("example.md", source.as_bytes());
        assert!(alone.conservation.holds(), "{source:?}");
        // Front matter and recovery are our own; the rest has to agree.
        if alone.front_matter.is_empty() && alone.warnings.is_empty() {
            assert_eq!(headings(&alone), reference(&source), "{source:?}");
        }
        examples += 1;
    }
    assert!(examples > 600, "{examples}");
}

/// Levels and titles as we see them.
fn headings(document: &stele_model::Document) -> Vec<(u8, String)> {
    let of = |section: &stele_model::Section| (section.level, squeezed(&section.title));
    document.sections.iter().filter(|section| section.heading).map(of).collect()
}

/// Levels and titles in the HTML that the reference renderer makes.
fn reference(markdown: &str) -> Vec<(u8, String)> {
    let mut options = comrak::Options::default();
    options.extension.table = true;
    options.render.r#unsafe = false;
    let html = comrak::markdown_to_html(markdown, &options);
    let mut found = Vec::new();
    for (at, _) in html.match_indices("<h") {
        let Some(level) = html[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else { continue };
        let inner = html[at..].split_once('>').unwrap().1;
        let inner = inner.split(&format!("</h{level}>")).next().unwrap();
        let mut text = String::new();
        for (index, part) in inner.split('<').enumerate() {
            text.push_str(if index == 0 { part } else { part.split_once('>').unwrap().1 });
        }
        let text =
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
        found.push((level as u8, squeezed(&text)));
    }
    found
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
