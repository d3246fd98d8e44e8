//! Files of an index that are gone or damaged: a verification finds each, and names it.

use std::fs;
use std::path::{Path, PathBuf};

use stele_index::{Filter, IndexError};

use crate::fixture::{World, many, vector_of};

/// Rows enough for every kind of index.
const ROWS: usize = 5_200;

fn covered() -> World {
    let world = World::new();
    let mut writer = world.writer();
    for part in many(ROWS, 1).chunks(2_600) {
        writer.apply(part.to_vec(), &[], Some(1)).unwrap();
    }
    assert!(!writer.maintain().unwrap().is_degraded());
    world
}

/// The files below a directory, sorted.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The files that the newest version names: those without which a verification is not clean.
fn named(world: &World, dir: &str) -> Vec<PathBuf> {
    let aside = world.path.join("aside");
    let is_named = |path: &PathBuf| {
        fs::rename(path, &aside).unwrap();
        let found = world.reader().verify().unwrap();
        fs::rename(&aside, path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        !found.is_clean()
            && found.problems.iter().any(|one| one.what.contains(&name) && one.what.contains("is gone"))
    };
    files(&world.path.join("v-1/chunks.lance").join(dir)).into_iter().filter(is_named).collect()
}

#[test]
fn every_file_that_is_gone_or_damaged_is_found() {
    let world = covered();
    world.clean();
    let of_indexes = named(&world, "_indices");
    // Two of texts with four files each, two of keys, one of vectors with two.
    assert!(of_indexes.len() >= 12, "{of_indexes:?}");
    let of_rows = named(&world, "data");
    assert!(!of_rows.is_empty());
    for path in of_indexes.iter().chain(&of_rows) {
        let whole = fs::read(path).unwrap();
        let half = whole[..whole.len() / 2].to_vec();
        let zeros = vec![0; whole.len()];
        for broken in [half, zeros] {
            fs::write(path, broken).unwrap();
            let found = world.reader().verify().unwrap();
            assert!(!found.is_clean(), "{}", path.display());
            for problem in &found.problems {
                assert!(!problem.what.contains(".rs:"), "{problem:?}");
            }
        }
        fs::write(path, &whole).unwrap();
    }
    world.clean();
}

#[test]
fn a_search_says_what_is_gone_and_what_to_do() {
    let world = covered();
    for path in named(&world, "_indices") {
        fs::remove_file(path).unwrap();
    }
    let reader = world.reader();
    let text = reader.text("price", &Filter::default(), 5).unwrap_err();
    let vector = reader.vector(&vector_of("price"), &Filter::default(), 5).unwrap_err();
    for error in [text, vector] {
        assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
        let said = error.to_string();
        assert!(said.contains("stele index rebuild") && !said.contains(".rs:"), "{said}");
        assert!(said.contains(&*world.path.to_string_lossy()), "{said}");
    }
}
