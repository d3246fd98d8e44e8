//! Questions: filters before the best `k`, words that are only words, rows that no index covers.

use stele_index::{Filter, HITS_MAX, IndexError, QUESTION_BYTES_MAX, Reader, Upsert};
use stele_model::{ChunkId, ChunkKind};

use crate::fixture::{World, chunk, direction, field, ids, many, vector_of, with};

fn any() -> Filter {
    Filter::default()
}

/// Rare chunks among many, all of them after maintenance or before.
fn haystack(maintained: bool) -> (World, Vec<Upsert>) {
    let rare: Vec<Upsert> = (0..3)
        .map(|number| {
            with(&format!("price of the rare thing {number}"), |metadata| {
                metadata.event_type = Some("rareEvent".to_owned());
                metadata.kind = ChunkKind::Event;
                metadata.doc_type = "rare_doc".to_owned();
                metadata.tenant = "rare_tenant".to_owned();
                metadata.game_id = Some("rare-game".to_owned());
                metadata.source = "rare/100%_of_it.jsonl".to_owned();
                metadata.ts = Some(-1_000_000 + number);
            })
        })
        .collect();
    let world = World::new();
    let mut writer = world.writer();
    let mut all = many(5_000, 11);
    all.extend(rare.clone());
    writer.apply(all, &[], Some(1)).unwrap();
    if maintained {
        let done = writer.maintain().unwrap();
        assert!(!done.is_degraded(), "{done:?}");
    }
    (world, rare)
}

fn filters() -> Vec<Filter> {
    let one = |word: &str| vec![word.to_owned()];
    vec![
        Filter { event_types: one("rareEvent"), ..any() },
        Filter { kinds: vec![ChunkKind::Event], ..any() },
        Filter { doc_types: one("rare_doc"), ..any() },
        Filter { tenants: one("rare_tenant"), ..any() },
        Filter { game_ids: vec!["rare-game".to_owned(), "no such".to_owned()], ..any() },
        Filter { source_prefix: Some("rare/100%_".to_owned()), ..any() },
        Filter { until: Some(0), ..any() },
        Filter { from: Some(-1_000_000), until: Some(-999_997), ..any() },
    ]
}

fn rare_ones_are_found(maintained: bool) {
    let (world, rare) = haystack(maintained);
    let reader = world.reader();
    let mut wanted: Vec<ChunkId> = rare.iter().map(|(chunk, _)| chunk.id).collect();
    wanted.sort();
    // A vector that points away from all three, and a word that thousands of others have.
    let away: Vec<f32> = rare[0].1.as_ref().unwrap().iter().map(|number| -number).collect();
    for filter in filters() {
        for (arm, hits) in [
            ("vector", reader.vector(&away, &filter, 3).unwrap()),
            ("text", reader.text("price", &filter, 3).unwrap()),
        ] {
            let mut found = ids(&hits);
            found.sort();
            assert_eq!(found, wanted, "{arm} {filter:?}");
        }
    }
    let none = Filter { event_types: vec!["noSuchEvent".to_owned()], ..any() };
    assert!(reader.vector(&away, &none, 3).unwrap().is_empty());
    assert!(reader.text("price", &none, 3).unwrap().is_empty());
}

#[test]
fn a_filter_is_applied_before_the_best_are_taken_where_no_index_covers() {
    rare_ones_are_found(false);
}

#[test]
fn a_filter_is_applied_before_the_best_are_taken_by_the_indexes_too() {
    rare_ones_are_found(true);
}

/// Vectors without any order in them are the hardest to find again.
#[test]
fn the_index_finds_what_comparing_all_finds() {
    let world = World::new();
    let all = many(12_000, 8);
    let mut writer = world.writer();
    writer.apply(all.clone(), &[], Some(1)).unwrap();
    writer.maintain().unwrap();
    let reader = world.reader();
    let status = reader.status().unwrap();
    assert!(status.coverage.iter().any(|one| one.column == "vector" && one.scanned == 0), "{status:?}");
    let seventh = Filter { event_types: vec!["event3".to_owned()], ..any() };
    for filter in [any(), seventh] {
        let mut found = 0;
        for question in 0..40 {
            let asked = direction(900_000 + question, 16);
            let cosine = |vector: &[f32]| vector.iter().zip(&asked).map(|(one, two)| one * two).sum::<f32>();
            let mut exact: Vec<(f32, ChunkId)> = all
                .iter()
                .filter(|(chunk, _)| {
                    filter.is_empty() || chunk.metadata.event_type.as_deref() == Some("event3")
                })
                .map(|(chunk, vector)| (cosine(vector.as_ref().unwrap()), chunk.id))
                .collect();
            exact.sort_by(|one, two| two.0.total_cmp(&one.0));
            let hits = reader.vector(&asked, &filter, 10).unwrap();
            for (hit, best) in hits.iter().zip(&exact) {
                found += usize::from(exact[..10].iter().any(|(_, id)| *id == hit.id));
                // The k-th found is never better than the k-th best, and its score is exact.
                assert!(hit.score <= best.0 + 1e-4);
            }
        }
        assert!(found >= 380, "{found} of 400 with {filter:?}");
    }
}

#[test]
fn rows_that_came_after_maintenance_are_found_by_every_arm() {
    let (world, _) = haystack(true);
    let late = field("gameStateUpdate", "data.tail[].price", "zebra crossings are late");
    world.writer().apply(vec![late.clone()], &[], Some(2)).unwrap();
    let reader = world.reader();
    let status = reader.status().unwrap();
    assert_eq!((status.lag, status.pointer.rows), (1, 5_004));
    let vector = late.1.unwrap();
    assert_eq!(reader.vector(&vector, &any(), 1).unwrap()[0].id, late.0.id);
    assert_eq!(reader.text("zebra", &any(), 1).unwrap()[0].id, late.0.id);
    // The stemmer and the folding hold for rows that no index covers.
    assert_eq!(reader.text("Zébras crossing", &any(), 1).unwrap()[0].id, late.0.id);
    assert_eq!(reader.terms(&["data.tail[].price"], &any(), 1).unwrap()[0].id, late.0.id);
}

#[test]
fn rows_that_were_taken_out_after_maintenance_are_not_found() {
    let (world, rare) = haystack(true);
    let gone = rare[1].0.id;
    world.writer().apply(Vec::new(), &[gone], Some(2)).unwrap();
    let reader = world.reader();
    let filter = &filters()[0];
    for hits in [
        reader.vector(rare[1].1.as_ref().unwrap(), filter, 3).unwrap(),
        reader.text("rare", filter, 3).unwrap(),
    ] {
        assert_eq!(hits.len(), 2);
        assert!(hits.iter().all(|hit| hit.id != gone));
    }
}

#[test]
fn scores_are_cosines_and_equal_ones_go_by_id() {
    let vector = direction(1, 16);
    let opposite: Vec<f32> = vector.iter().map(|number| -2.0 * number).collect();
    let mut chunks: Vec<Upsert> =
        (0..5).map(|number| (chunk(&format!("same {number}")).0, Some(vector.clone()))).collect();
    chunks.push((chunk("opposite").0, Some(opposite)));
    let world = World::with(chunks.clone());
    let hits = world.reader().vector(&vector.iter().map(|n| n * 3.0).collect::<Vec<_>>(), &any(), 6).unwrap();
    let mut same: Vec<ChunkId> = chunks[..5].iter().map(|(chunk, _)| chunk.id).collect();
    same.sort();
    assert_eq!(ids(&hits)[..5], same[..]);
    assert!(hits[..5].iter().all(|hit| (hit.score - 1.0).abs() < 1e-5), "{hits:?}");
    assert!((hits[5].score + 1.0).abs() < 1e-5, "{hits:?}");
    let two = world.reader().vector(&vector, &any(), 2).unwrap();
    assert_eq!(ids(&two)[..], same[..2]);
}

fn finds(reader: &Reader, names: &[&str], expect: &Upsert) {
    let hits = reader.terms(names, &any(), 3).unwrap();
    assert_eq!(hits.first().map(|hit| hit.id), Some(expect.0.id), "{names:?}");
}

#[test]
fn names_are_found_by_the_whole_and_by_their_parts() {
    let price = field("gameStateUpdate", "data.price", "The price. Number between 1 and 50.");
    let payout = field("globalSidebetPlaced", "data.globalSidebets[].payout", "What it paid.");
    let world = World::with(vec![price.clone(), payout.clone(), chunk("Nothing that has a name.")]);
    let check = || {
        let reader = world.reader();
        for names in [["price"], ["data.price"], ["gameStateUpdate"], ["PRICE"], ["state"]] {
            finds(&reader, &names, &price);
        }
        for names in
            [["payout"], ["data.globalSidebets[].payout"], ["globalSidebets"], ["sidebets"], ["placed"]]
        {
            finds(&reader, &names, &payout);
        }
        finds(&reader, &["what", "is", "data.globalSidebets.payout", "?"], &payout);
        assert!(reader.terms(&["nosuchname"], &any(), 3).unwrap().is_empty());
    };
    check();
    world.writer().maintain().unwrap();
    check();
}

#[test]
fn long_paths_are_names_too() {
    // Equal but for the order, so that the whole alone tells them apart.
    let segments = ["data", "aLongSegment", "anotherLongSegment", "theLastOfTheSegments", "value"];
    let there = segments.join(".");
    let back: Vec<&str> = segments.iter().rev().copied().collect();
    let back = back.join(".");
    let (one, two) = (field("deepEvent", &there, "Deep."), field("deepEvent", &back, "Deep."));
    let world = World::with(vec![one.clone(), two.clone()]);
    let check = || {
        finds(&world.reader(), &[&there], &one);
        finds(&world.reader(), &[&back], &two);
    };
    check();
    // And in the index, with as many others as make upkeep worth it.
    let mut writer = world.writer();
    writer.apply(many(300, 3), &[], Some(2)).unwrap();
    writer.maintain().unwrap();
    assert_eq!(world.reader().status().unwrap().lag, 0);
    check();
}

#[test]
fn texts_are_stemmed_lowered_and_folded() {
    let hit = chunk("Several CONNECTIONS were Réjected");
    let world = World::with(vec![hit.clone(), chunk("something else")]);
    for asked in ["connection", "connected", "rejecting", "REJECT", "réject"] {
        let found = world.reader().text(asked, &any(), 3).unwrap();
        assert_eq!(ids(&found), vec![hit.0.id], "{asked}");
    }
}

#[test]
fn words_are_only_words() {
    let hit = chunk("price's \"quoted\" 100% of a_b (parens) price:50 or not");
    let world = World::with(vec![hit.clone(), chunk("unrelated")]);
    let reader = world.reader();
    for asked in [
        "price's",
        "\"quoted\"",
        "\"quoted",
        "quoted OR 1=1",
        "pri* price",
        "+price -price",
        "NOT price",
        "price:50",
        "price AND",
        "(price",
        "price)",
        "' OR '1'='1 price",
        "price; DROP TABLE chunks; --",
        "price^5 ~2",
        "{\"match\":{\"query\":\"price\"}} price",
        "price\\",
        "price\u{0}",
        "price\n\t",
        "a_b [price TO zebra]",
    ] {
        let found = reader.text(asked, &any(), 5).unwrap();
        assert_eq!(ids(&found), vec![hit.0.id], "{asked}");
        reader.terms(&[asked], &any(), 5).unwrap();
    }
    for asked in ["", " ", "OR", "*", "\"", "'", "\\", "the", "\u{1F600}", "%", "zzz*", "pri*", "\u{0}"] {
        assert!(reader.text(asked, &any(), 5).unwrap().is_empty(), "{asked}");
        reader.terms(&[asked], &any(), 5).unwrap();
    }
}

#[test]
fn values_of_filters_are_only_values() {
    let odd = "it's \"odd\" % _ \\ -- ; DROP";
    let hit = with("one", |metadata| {
        metadata.source = format!("{odd}/x");
        metadata.event_type = Some(odd.to_owned());
    });
    let world = World::with(vec![hit.clone(), chunk("two")]);
    let reader = world.reader();
    for filter in [
        Filter { event_types: vec![odd.to_owned()], ..any() },
        Filter { event_types: vec![odd.to_owned(), "x' OR 'a'='a".to_owned()], ..any() },
        Filter { source_prefix: Some(odd.to_owned()), ..any() },
    ] {
        assert_eq!(ids(&reader.vector(&vector_of("x"), &filter, 5).unwrap()), vec![hit.0.id], "{filter:?}");
    }
    let none = Filter { event_types: vec!["x' OR 'a'='a".to_owned()], ..any() };
    assert!(reader.vector(&vector_of("x"), &none, 5).unwrap().is_empty());
    let wild = Filter { source_prefix: Some("%".to_owned()), ..any() };
    assert!(reader.vector(&vector_of("x"), &wild, 5).unwrap().is_empty());
}

#[test]
fn bounds_are_said() {
    let world = World::with(vec![chunk("one")]);
    let reader = world.reader();
    let long = "a ".repeat(QUESTION_BYTES_MAX);
    let too_many = Filter { game_ids: vec![String::new(); 1_001], ..any() };
    for result in [
        reader.text("one", &any(), HITS_MAX + 1),
        reader.vector(&vector_of("x"), &any(), HITS_MAX + 1),
        reader.text(&long, &any(), 1),
        reader.terms(&[&long], &any(), 1),
        reader.text("one", &too_many, 1),
        reader.vector(&[f32::NAN; 16], &any(), 1),
    ] {
        assert!(matches!(result, Err(IndexError::Invalid(_))), "{result:?}");
    }
    assert!(reader.vector(&[0.0; 16], &any(), 1).unwrap().is_empty());
    assert!(reader.text("one", &any(), 0).unwrap().is_empty());
    assert_eq!(reader.text("one", &any(), HITS_MAX).unwrap().len(), 1);
}
