//! Properties: whatever is done in whatever order, the index holds what a map would.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stele_index::{LogicalHash, Upsert};
use stele_model::{Chunk, ChunkId};

use crate::fixture::{World, all_ids, chunk, direction, with};

/// One call of `apply`: which of a few chunks are put in with which title, which are taken out.
#[derive(Debug, Clone)]
struct Call {
    puts: Vec<(u8, u8)>,
    gone: Vec<u8>,
    maintain: bool,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (
        proptest::collection::vec((0..12_u8, 0..3_u8), 0..8),
        proptest::collection::vec(0..12_u8, 0..6),
        proptest::bool::weighted(0.2),
    )
        .prop_map(|(puts, gone, maintain)| Call { puts, gone, maintain });
    proptest::collection::vec(call, 1..5)
}

fn some(number: u8, title: u8) -> Upsert {
    let (mut chunk, _) = chunk(&format!("text of chunk {number}"));
    chunk.metadata.title = format!("title {title}");
    (chunk, Some(direction(u64::from(number) * 10 + u64::from(title), 16)))
}

fn config() -> ProptestConfig {
    // Each case is some ten commits with their syncs.
    ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn it_holds_what_a_map_would(calls in calls()) {
        let world = World::new();
        let mut map: BTreeMap<ChunkId, Upsert> = BTreeMap::new();
        let mut writer = world.writer();
        for (at, call) in calls.iter().enumerate() {
            let gone: Vec<ChunkId> = call.gone.iter().map(|number| some(*number, 0).0.id).collect();
            for id in &gone {
                map.remove(id);
            }
            let puts: Vec<Upsert> = call.puts.iter().map(|(number, title)| some(*number, *title)).collect();
            for put in &puts {
                map.insert(put.0.id, put.clone());
            }
            writer.apply(puts, &gone, Some(at as u64)).unwrap();
            if call.maintain {
                writer.maintain().unwrap();
            }
        }
        let reader = world.reader();
        let ids: Vec<ChunkId> = map.keys().copied().collect();
        prop_assert_eq!(all_ids(&reader), ids.clone());
        let chunks: Vec<Chunk> = map.values().map(|(chunk, _)| chunk.clone()).collect();
        prop_assert_eq!(reader.get(&ids).unwrap(), chunks);
        let vectors = reader.vectors(&ids).unwrap();
        for (id, (_, vector)) in &map {
            prop_assert_eq!(vectors.get(id), vector.as_ref());
        }
        let found = reader.verify().unwrap();
        prop_assert!(found.is_clean(), "{:?}", found);
    }

    #[test]
    fn the_logical_hash_knows_no_order(
        order in Just((0..30_usize).collect::<Vec<_>>()).prop_shuffle(),
        cuts in proptest::collection::vec(1..30_usize, 1..4),
    ) {
        let all: Vec<Upsert> =
            (0..30).map(|n| with(&format!("text {n}"), |metadata| metadata.line = Some(n))).collect();
        let plain = World::with(all.clone());
        let world = World::new();
        let mut writer = world.writer();
        let mut left = &order[..];
        for cut in cuts {
            let (now, later) = left.split_at(cut.min(left.len()));
            writer.apply(now.iter().map(|at| all[*at].clone()).collect(), &[], None).unwrap();
            left = later;
        }
        writer.apply(left.iter().map(|at| all[*at].clone()).collect(), &[], Some(1)).unwrap();
        let (one, two) = (plain.reader(), world.reader());
        prop_assert_eq!(one.pointer().logical_hash, two.pointer().logical_hash);
        prop_assert_eq!(one.verify().unwrap().logical_hash, two.verify().unwrap().logical_hash);
        prop_assert!(one.vector_difference(&two).unwrap().is_none());
        prop_assert_ne!(one.pointer().logical_hash, LogicalHash::default());
    }

    #[test]
    fn no_question_is_refused_or_understood_as_a_language(text in "\\PC{0,40}") {
        // One index for all cases would do, but a case must not depend on another.
        let world = World::with(vec![chunk("price")]);
        let reader = world.reader();
        let filter = stele_index::Filter {
            event_types: vec![text.clone()],
            source_prefix: Some(text.clone()),
            ..Default::default()
        };
        reader.text(&text, &Default::default(), 3).unwrap();
        reader.terms(&[&text], &Default::default(), 3).unwrap();
        prop_assert!(reader.text("price", &filter, 3).unwrap().is_empty());
    }
}

#[test]
fn the_logical_hash_tells_everything_apart() {
    let base = with("text", |metadata| metadata.title = "title".to_owned());
    let hash = |chunks: Vec<Upsert>| World::with(chunks).reader().pointer().logical_hash;
    let first = hash(vec![base.clone()]);
    let changes: [fn(&mut Chunk); 6] = [
        |chunk| chunk.metadata.title.push('s'),
        |chunk| chunk.metadata.place = Some(String::new()),
        |chunk| chunk.metadata.ts = Some(0),
        |chunk| chunk.metadata.line = Some(0),
        |chunk| chunk.metadata.doc_type = "other".to_owned(),
        |chunk| chunk.text.push('s'),
    ];
    for change in changes {
        let (mut chunk, vector) = base.clone();
        change(&mut chunk);
        assert_ne!(hash(vec![(chunk, vector)]), first);
    }
}
