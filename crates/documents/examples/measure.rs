//! Reads every document below the directories that it is given, and says how fast that was, what was
//! lost and where the graph breaks its contract. `measure DIR…`; with `--alone` in front it only reads,
//! parses and extracts, for whoever measures it from outside.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use stele_documents::{Graph, Request, SameProcess, contract, extract, parse, recognise, structure};

#[derive(Default)]
struct Sums {
    files: usize,
    bytes: usize,
    sections: usize,
    entities: usize,
    references: usize,
    failed: usize,
    lost: usize,
    broken: usize,
    reading: Duration,
    finding: Duration,
    slowest: (f64, PathBuf),
    alone: bool,
}

fn main() -> io::Result<()> {
    let mut sums = Sums::default();
    for argument in env::args_os().skip(1) {
        match argument.to_str() {
            Some("--alone") => sums.alone = true,
            _ => walk(Path::new(&argument), &mut sums)?,
        }
    }
    let rate = |took: Duration| sums.bytes as f64 / 1e6 / took.as_secs_f64();
    println!(
        "{} documents of {:.1} MB, {} that cannot be read",
        sums.files,
        sums.bytes as f64 / 1e6,
        sums.failed
    );
    println!("{} sections, {} things, {} references", sums.sections, sums.entities, sums.references);
    println!("{} below the tolerated conservation, {} breaches of the contract", sums.lost, sums.broken);
    println!(
        "read {:.1} MB/s, found {:.1} MB/s, together {:.1} MB/s",
        rate(sums.reading),
        rate(sums.finding),
        rate(sums.reading + sums.finding)
    );
    println!("slowest {:.3} s: {}", sums.slowest.0, sums.slowest.1.display());
    Ok(())
}

fn walk(path: &Path, sums: &mut Sums) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        let mut inside: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
        inside.sort();
        return inside.iter().try_for_each(|path| walk(path, sums));
    }
    let name = path.to_string_lossy().into_owned();
    let known = ["md", "html", "htm", "csv", "eml", "docx", "pptx", "xlsx", "pdf", "txt"];
    if !path.is_file() || !path.extension().is_some_and(|end| known.contains(&&*end.to_string_lossy())) {
        return Ok(());
    }
    let bytes = fs::read(path)?;
    if recognise(&name, &bytes).is_none() {
        return Ok(());
    }
    let request = Request { tenant: "t".to_owned(), source_uri: name.clone(), format: None };
    let begin = Instant::now();
    let parsed = parse(&request, &bytes, &SameProcess::default());
    let read = begin.elapsed();
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            println!("{error}");
            sums.failed += 1;
            return Ok(());
        }
    };
    let begin = Instant::now();
    let found: Vec<_> = parsed.documents.iter().map(extract).collect();
    let finding = begin.elapsed();
    sums.files += parsed.documents.len();
    sums.bytes += bytes.len();
    sums.reading += read;
    sums.finding += finding;
    let took = (read + finding).as_secs_f64();
    if took > sums.slowest.0 {
        sums.slowest = (took, path.to_owned());
    }
    if sums.alone {
        return Ok(());
    }
    for (document, found) in parsed.documents.iter().zip(found) {
        sums.sections += document.sections.len();
        sums.entities += found.entities.len();
        sums.references += found.references.len();
        let kept = document.conservation;
        if !kept.holds() || kept.characters_extra > kept.characters_in / 50 {
            println!("{}: {kept:?}", document.source_uri);
            sums.lost += 1;
        }
        let mut graph = Graph { entities: found.entities, mentions: found.mentions, ..Graph::default() };
        graph.add(document);
        graph.edges = structure(document);
        graph.edges.extend(found.edges);
        for violation in contract(&graph) {
            println!("{}: {violation}", document.source_uri);
            sums.broken += 1;
        }
    }
    Ok(())
}
