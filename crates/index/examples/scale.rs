//! How long does it take, how much memory, and how near is near? Builds an index of made-up chunks and
//! asks it.
//!
//! ```text
//! cargo run -p stele-index --example scale -- 1000 10000 100000
//! ```
//!
//! The vectors lie in clusters, as those of texts do. Recall is counted against comparing all of them.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people who measure")]

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stele_index::{Filter, Index, Model, Reader, Spec, Upsert};
use stele_model::{Chunk, ChunkId, ChunkKind, ChunkMetadata, NoFaults};

const DIMENSION: usize = 384;
const CLUSTERS: u64 = 200;
const CHUNKS_PER_CALL: usize = 2_000;
const QUESTIONS: u64 = 100;
const K: usize = 10;

fn main() {
    let mut sizes: Vec<usize> = std::env::args().skip(1).map(|size| size.parse().unwrap()).collect();
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    println!(
        "| chunks | apply s | upkeep s | MB on disk | peak RSS MB, apply | with upkeep | arm | filter | p50 ms | p95 ms | recall@10 |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    for size in sizes {
        measure(size);
    }
}

fn measure(size: usize) {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path(), Arc::new(NoFaults)).unwrap();
    let model = Model { id: "made-up".to_owned(), dimension: DIMENSION as u32, semantic: false };
    let mut writer = index.writer(&Spec::new(Some(model))).unwrap();
    let begin = Instant::now();
    for from in (0..size).step_by(CHUNKS_PER_CALL) {
        let part: Vec<Upsert> = (from..size.min(from + CHUNKS_PER_CALL)).map(upsert).collect();
        writer.apply(part, &[], None).unwrap();
    }
    writer.apply(Vec::new(), &[], Some(1)).unwrap();
    let applied = begin.elapsed();
    let apply_rss = peak_rss_mb();
    let begin = Instant::now();
    let done = writer.maintain().unwrap();
    let kept = begin.elapsed();
    assert!(!done.is_degraded() && done.lag == 0, "{done:?}");
    let head = format!(
        "| {size} | {:.1} | {:.1} | {} | {apply_rss} | {}",
        applied.as_secs_f64(),
        kept.as_secs_f64(),
        done.bytes >> 20,
        peak_rss_mb()
    );
    let reader = index.reader().unwrap();
    let none = Filter::default();
    let tenth = Filter { event_types: vec!["event3".to_owned()], ..none.clone() };
    let vectors: Vec<Vec<f32>> = (0..QUESTIONS).map(|number| vector(1 << 40 | number)).collect();
    let texts: Vec<String> = (0..QUESTIONS).map(|number| text(1 << 41 | number, 4)).collect();
    for (name, filter) in [("none", &none), ("1 in 10", &tenth)] {
        let exact = exact(size, &vectors, filter);
        let hits: usize = vectors
            .iter()
            .zip(&exact)
            .map(|(vector, exact)| {
                let found = reader.vector(vector, filter, K).unwrap();
                found.iter().filter(|hit| exact.contains(&hit.id)).count()
            })
            .sum();
        let recall = hits as f64 / exact.iter().map(Vec::len).sum::<usize>() as f64;
        let times = each(&vectors, |_, vector| drop(reader.vector(vector, filter, K).unwrap()));
        row(&head, "vector", name, times, &format!("{recall:.3}"));
        let times = each(&texts, |_, text| drop(reader.text(text, filter, K).unwrap()));
        row(&head, "text", name, times, "");
        let times = each(&texts, |at, text| both(&reader, &vectors[at], text, filter));
        row(&head, "both", name, times, "");
    }
    let times =
        each(&texts, |at, _| drop(reader.terms(&[&format!("data.part{}.value", at * 7)], &none, K).unwrap()));
    row(&head, "terms", "none", times, "");
    let some: Vec<ChunkId> = (0..K).map(|number| upsert(number * (size / K)).0.id).collect();
    let times = each(&texts, |_, _| assert_eq!(reader.get(&some).unwrap().len(), K));
    row(&head, "get 10", "none", times, "");
}

fn both(reader: &Reader, vector: &[f32], text: &str, filter: &Filter) {
    std::thread::scope(|scope| {
        scope.spawn(|| drop(reader.vector(vector, filter, K).unwrap()));
        drop(reader.text(text, filter, K).unwrap());
    });
}

fn row(head: &str, arm: &str, filter: &str, mut times: Vec<Duration>, recall: &str) {
    times.sort();
    let ms = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    println!("{head} | {arm} | {filter} | {:.1} | {:.1} | {recall} |", ms(50), ms(95));
}

/// Asks everything once to warm up, then once with a clock.
fn each<T>(questions: &[T], mut ask: impl FnMut(usize, &T)) -> Vec<Duration> {
    for (at, question) in questions.iter().enumerate().take(10) {
        ask(at, question);
    }
    let mut times = Vec::new();
    for (at, question) in questions.iter().enumerate() {
        let begin = Instant::now();
        ask(at, question);
        times.push(begin.elapsed());
    }
    times
}

/// The best by comparing all.
fn exact(size: usize, questions: &[Vec<f32>], filter: &Filter) -> Vec<Vec<ChunkId>> {
    let mut best: Vec<BinaryHeap<(i64, ChunkId)>> = questions.iter().map(|_| BinaryHeap::new()).collect();
    for number in 0..size {
        let (chunk, vector) = upsert(number);
        let event = chunk.metadata.event_type.unwrap();
        if !filter.event_types.is_empty() && !filter.event_types.contains(&event) {
            continue;
        }
        let vector = vector.unwrap();
        for (heap, question) in best.iter_mut().zip(questions) {
            let cosine: f32 = vector.iter().zip(question).map(|(one, two)| one * two).sum();
            heap.push((-(f64::from(cosine) * 1e12) as i64, chunk.id));
            if heap.len() > K {
                heap.pop();
            }
        }
    }
    best.into_iter().map(|heap| heap.into_iter().map(|(_, id)| id).collect()).collect()
}

/// Numbers that follow from a number, evenly spread.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn upsert(number: usize) -> Upsert {
    let seed = number as u64;
    let metadata = ChunkMetadata {
        kind: ChunkKind::Record,
        source: format!("part-{}.jsonl", number / 1_000),
        doc_type: "ws_event".to_owned(),
        tenant: "default".to_owned(),
        title: format!("record {number}"),
        event_type: Some(format!("event{}", mix(seed ^ 77) % 10)),
        path: Some(format!("data.part{}.value", number % 1_000)),
        game_id: Some(format!("game-{}", number / 100)),
        ts: Some(number as i64),
        line: Some(seed),
        byte_offset: Some(seed * 100),
        section: None,
        part: None,
        tags: Vec::new(),
        place: None,
    };
    (Chunk::new(format!("{} {number}", text(seed, 40)), metadata), Some(vector(seed)))
}

/// Words of which few are frequent and many are rare.
fn text(seed: u64, words: u64) -> String {
    let word = |at: u64| {
        let even = (mix(seed.wrapping_mul(131).wrapping_add(at)) % 1_000_000) as f64 / 1e6;
        format!("w{}", (8_000.0_f64.powf(even)) as u64)
    };
    (0..words).map(word).collect::<Vec<_>>().join(" ")
}

/// A direction near the middle of one of the clusters.
fn vector(seed: u64) -> Vec<f32> {
    let number = |seed: u64| (mix(seed) >> 40) as f32 / (1 << 23) as f32 - 1.0;
    let cluster = mix(seed ^ 0xC1) % CLUSTERS;
    let mut vector: Vec<f32> = (0..DIMENSION as u64)
        .map(|at| number(cluster << 20 | at) + 0.8 * number(mix(seed) ^ at.wrapping_mul(0x5851_F42D)))
        .collect();
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|number| *number /= length);
    vector
}

/// The most memory this process had, of all sizes so far.
fn peak_rss_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) >> 10
}
