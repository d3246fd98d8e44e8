//! The files on disk: an index of an earlier version opens, a damaged one is told.

use std::fs;
use std::path::{Path, PathBuf};

use stele_index::{Filter, Index, IndexError, SCHEMA_VERSION};
use stele_model::{Chunk, ErrorKind};

use crate::fixture::{World, chunk, field, ids, many, said, spec, vector_of, with};

/// An index of this table schema, as the version of this crate wrote it that came with it.
fn sample(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/samples/index-{schema}"))
}

/// What it holds.
fn sample_chunks() -> Vec<Chunk> {
    let field = field("gameStateUpdate", "data.price", "The price. Number between 1 and 50.").0;
    let record = with("The multiplier crashed at 2.5.", |metadata| {
        metadata.line = Some(3);
        metadata.byte_offset = Some(120);
        metadata.ts = Some(1_765_500_000_000_000);
        metadata.game_id = Some("20251212-1".to_owned());
        metadata.place = Some("a.jsonl".to_owned());
    })
    .0;
    vec![field, record]
}

/// Writes the sample of the newest schema where there is none: a new schema needs a new one.
fn write_the_sample() {
    let sample = sample(SCHEMA_VERSION);
    if sample.exists() {
        return;
    }
    let index = Index::open(&sample, std::sync::Arc::new(stele_model::NoFaults)).unwrap();
    let upserts = sample_chunks().into_iter().map(|chunk| (chunk.clone(), Some(vector_of(&chunk.text))));
    let mut writer = index.writer(&spec()).unwrap();
    writer.apply(upserts.collect(), &[], Some(4)).unwrap();
    writer.maintain().unwrap();
}

#[test]
fn indexes_of_every_schema_still_answer() {
    write_the_sample();
    for schema in 1..=SCHEMA_VERSION {
        let world = World::new();
        copy(&sample(schema), &world.path);
        let reader = world.reader();
        assert_eq!(reader.pointer().checkpoint, Some(4));
        let [field, record] = &sample_chunks()[..] else { panic!("two chunks") };
        assert_eq!(reader.get(&[field.id, record.id]).unwrap(), sample_chunks());
        assert_eq!(ids(&reader.text("crash", &Filter::default(), 3).unwrap()), vec![record.id]);
        assert_eq!(ids(&reader.terms(&["data.price"], &Filter::default(), 3).unwrap()), vec![field.id]);
        assert_eq!(reader.vector(&vector_of(&field.text), &Filter::default(), 1).unwrap()[0].id, field.id);
        world.clean();
        if schema == SCHEMA_VERSION {
            world.writer().apply(vec![chunk("more")], &[], Some(5)).unwrap();
            world.clean();
        } else {
            // What is added to it would be found in another way than what is there.
            let refused = said(world.index().writer(&spec()));
            assert!(refused.contains(&format!("table schema {schema}")), "{refused}");
            assert!(refused.contains("`stele index rebuild`"), "{refused}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_damaged_pointer_is_told_and_never_followed() {
    let world = World::with(vec![chunk("one")]);
    let path = world.path.join("CURRENT.json");
    let whole = fs::read_to_string(&path).unwrap();
    for broken in [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("\"rows\": 1", "\"rows\": 2"),
        whole.replace("v-1", "v-2"),
        whole.replace("\"checkpoint\": 1", "\"checkpoint\": 3"),
    ] {
        assert_ne!(broken, whole);
        fs::write(&path, &broken).unwrap();
        for error in [world.index().reader().unwrap_err(), world.index().writer(&spec()).unwrap_err()] {
            assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
            assert_eq!(error.kind(), ErrorKind::Fix);
            assert!(error.to_string().contains("`stele index rebuild`"), "{error}");
        }
    }
    fs::write(&path, whole.replace("\"format\": 2", "\"format\": 3")).unwrap();
    assert!(matches!(
        world.index().reader().unwrap_err(),
        IndexError::NewerFormat { found: 3, known: 2, .. }
    ));
    fs::write(&path, whole).unwrap();
    world.clean();
}

#[test]
fn a_rebuild_cures_a_pointer_that_cannot_be_read() {
    for broken in ["", "{\"format\":99}"] {
        let world = World::with(vec![chunk("one")]);
        fs::write(world.path.join("CURRENT.json"), broken).unwrap();
        let mut rebuild = world.index().rebuild(&spec()).unwrap();
        rebuild.apply(vec![chunk("one"), chunk("two")], &[]).unwrap();
        rebuild.finish(2).unwrap();
        assert_eq!(world.reader().pointer().rows, 2);
        world.clean();
    }
}

#[test]
fn a_version_that_is_gone_is_told() {
    let world = World::with(vec![chunk("one")]);
    fs::remove_dir_all(world.path.join("v-1")).unwrap();
    assert!(said(world.index().reader()).contains("it names v-1, which is not there"));
}

/// Every data file, cut short and with a bit flipped: an error or a finding, never another answer.
#[test]
fn damaged_files_of_rows_are_never_answers() {
    let chunks = many(200, 1);
    let world = World::with(chunks.clone());
    let data = world.path.join("v-1/chunks.lance/data");
    let file = fs::read_dir(&data).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    let looks_clean = || {
        let Ok(reader) = world.index().reader() else { return false };
        reader.verify().is_ok_and(|found| found.is_clean())
    };
    assert!(looks_clean());
    for cut in [0, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..cut]).unwrap();
        assert!(!looks_clean(), "cut to {cut} of {}", whole.len());
    }
    // Bits of padding and statistics mean nothing; all others have to show.
    let mut unseen = 0;
    let mut tried = 0;
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        fs::write(&file, &flipped).unwrap();
        tried += 1;
        // Reading some rows takes another way through a file than reading all of them.
        let wanted: Vec<_> = chunks.iter().map(|(chunk, _)| chunk.id).collect();
        let got = world.index().reader().and_then(|reader| reader.get(&wanted));
        match got {
            Err(_) => {}
            Ok(got) if looks_clean() => {
                unseen += 1;
                let same = got.iter().zip(&chunks).all(|(got, (chunk, _))| got == chunk);
                assert!(same && got.len() == chunks.len(), "a flip at byte {at} changed an answer unseen");
            }
            Ok(_) => {}
        }
    }
    assert!(unseen < tried / 4, "{unseen} of {tried} flips were not seen");
}
