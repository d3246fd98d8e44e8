//! Models on this machine: the graph against the naive computation, int8 against f32, order, stops,
//! and files that are not what they should be.

use std::path::{Path, PathBuf};

use stele_embed::{
    DEFAULT_MODEL, EmbedError, Embedder, LocalConfig, LocalEmbedder, Precision, Prefixes, Purpose, never,
};
use stele_model::ErrorKind;

use crate::bert::{Kind, PLAIN, TinyBert, text};
use crate::{Chance, cosine, models_dir};

fn config(dir: &Path, precision: Precision) -> LocalConfig {
    LocalConfig { model: dir.display().to_string(), precision, threads: 2, ..LocalConfig::default() }
}

fn tiny(kind: Kind) -> (tempfile::TempDir, TinyBert) {
    let dir = tempfile::tempdir().unwrap();
    let bert = TinyBert::new(kind);
    bert.write(dir.path());
    (dir, bert)
}

/// Texts of all lengths in an order that has nothing to do with them.
fn texts(count: usize) -> Vec<(String, Vec<usize>)> {
    let mut chance = Chance(7);
    (0..count)
        .map(|_| {
            let words = chance.below(20);
            text(&mut chance, words)
        })
        .collect()
}

#[test]
fn the_graph_computes_what_the_model_is() {
    let Some(models) = models_dir("the_graph_computes_what_the_model_is") else { return };
    for kind in [
        PLAIN,
        Kind { seed: 2, first_token: true, ..PLAIN },
        Kind { seed: 3, prefix: "bert.", bf16: true, ..PLAIN },
    ] {
        let (dir, bert) = tiny(kind);
        let embedder = LocalEmbedder::open(&models, config(dir.path(), Precision::F32)).unwrap();
        let texts = texts(300);
        let asked: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
        let embedded = embedder.embed(&asked, Purpose::Passage, &never).unwrap();
        assert_eq!(embedded.vectors.len(), texts.len());
        assert_eq!(embedded.tokens, texts.iter().map(|(_, ids)| ids.len() as u64).sum::<u64>());
        assert_eq!(embedded.texts_cut, 0);
        for ((text, ids), vector) in texts.iter().zip(embedded.vectors.iter()) {
            let expected = bert.vector(ids);
            for (found, expected) in vector.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{text:?}: {found} instead of {expected}");
            }
        }
        assert_eq!(embedder.usage().texts, 300);
    }
}

#[test]
fn int8_is_near_and_does_not_depend_on_neighbours() {
    let Some(models) = models_dir("int8_is_near_and_does_not_depend_on_neighbours") else { return };
    let (dir, bert) = tiny(PLAIN);
    let embedder = LocalEmbedder::open(&models, config(dir.path(), Precision::Int8)).unwrap();
    let texts = texts(150);
    let asked: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
    let together = embedder.embed(&asked, Purpose::Passage, &never).unwrap();
    let mut nearness: Vec<f64> = Vec::new();
    for ((text, ids), vector) in texts.iter().zip(together.vectors.iter()) {
        nearness.push(cosine(vector, &bert.vector(ids)));
        let alone = embedder.embed(&[text], Purpose::Passage, &never).unwrap();
        assert_eq!(alone.vectors.get(0), Some(vector), "{text:?} has one vector");
    }
    nearness.sort_by(f64::total_cmp);
    assert!(nearness[nearness.len() / 2] > 0.98, "typical: {}", nearness[nearness.len() / 2]);
    assert!(nearness[0] > 0.9, "worst: {}", nearness[0]);
}

#[test]
fn the_window_cuts_the_end_and_prefixes_count() {
    let Some(models) = models_dir("the_window_cuts_the_end_and_prefixes_count") else { return };
    let (dir, bert) = tiny(PLAIN);
    let prefixes = Prefixes { passage: String::new(), query: "seed ".to_owned() };
    let config = LocalConfig { window_tokens: Some(5), prefixes, ..config(dir.path(), Precision::F32) };
    let embedder = LocalEmbedder::open(&models, config).unwrap();
    assert_eq!(embedder.count_tokens("tick price round seed curve").unwrap(), 7);
    let check = |text: &str, purpose, cut: usize, ids: &[usize]| {
        let embedded = embedder.embed(&[text], purpose, &never).unwrap();
        assert_eq!((embedded.texts_cut, embedded.tokens), (cut, ids.len() as u64), "{text}");
        assert!(cosine(embedded.vectors.get(0).unwrap(), &bert.vector(ids)) > 0.9999, "{text}");
    };
    check("tick price round", Purpose::Passage, 0, &[2, 4, 5, 6, 3]);
    check("tick price round seed curve", Purpose::Passage, 1, &[2, 4, 5, 6, 3]);
    check("tick price", Purpose::Query, 0, &[2, 7, 4, 5, 3]);
    check("", Purpose::Passage, 0, &[2, 3]);
}

#[test]
fn several_callers_and_a_stop() {
    let Some(models) = models_dir("several_callers_and_a_stop") else { return };
    let (dir, _) = tiny(PLAIN);
    let embedder = LocalEmbedder::open(&models, config(dir.path(), Precision::Int8)).unwrap();
    let texts = texts(200);
    let asked: Vec<&str> = texts.iter().map(|(text, _)| text.as_str()).collect();
    let expected = embedder.embed(&asked, Purpose::Passage, &never).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(embedder.embed(&asked, Purpose::Passage, &never).unwrap(), expected));
        }
    });
    let asked_to_stop = std::sync::atomic::AtomicUsize::new(0);
    let stop = || asked_to_stop.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 20;
    let stopped = embedder.embed(&asked, Purpose::Passage, &stop).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Cancelled);
    assert_eq!(embedder.embed(&asked, Purpose::Passage, &never).unwrap(), expected, "it goes on afterwards");
}

#[test]
fn a_graph_is_made_once_and_again_for_other_weights() {
    let Some(models) = models_dir("a_graph_is_made_once_and_again_for_other_weights") else { return };
    let (dir, _) = tiny(PLAIN);
    let graph = dir.path().join("stele-int8.onnx");
    let vector = || {
        let embedder = LocalEmbedder::open(&models, config(dir.path(), Precision::Int8)).unwrap();
        embedder.embed(&["tick price"], Purpose::Passage, &never).unwrap().vectors
    };
    let first = vector();
    let made = std::fs::metadata(&graph).unwrap().modified().unwrap();
    assert_eq!(vector(), first);
    // Touched, but the same: looked at, and kept.
    let weights = std::fs::File::options().write(true).open(dir.path().join("model.safetensors")).unwrap();
    weights.set_modified(made + std::time::Duration::from_secs(5)).unwrap();
    assert_eq!(vector(), first);
    assert_eq!(std::fs::metadata(&graph).unwrap().modified().unwrap(), made);
    TinyBert::new(Kind { seed: 9, ..PLAIN }).write(dir.path());
    assert_ne!(vector(), first);
    // Nothing half-written is left behind.
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with(".partial")), "{names:?}");
}

/// What is said about a directory after something was done to it; it needs no library.
#[track_caller]
fn check_refused(spoil: impl Fn(&Path), kind: ErrorKind, says: &[&str]) {
    let (dir, _) = tiny(PLAIN);
    spoil(dir.path());
    let opened = LocalEmbedder::open(Path::new("/nowhere"), config(dir.path(), Precision::F32));
    let error = match opened {
        Err(error) => error,
        Ok(embedder) => embedder.count_tokens("tick").unwrap_err(),
    };
    assert_eq!(error.kind(), kind, "{error}");
    let said = error.to_string();
    for part in says {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

#[test]
fn unfit_directories_are_named_with_a_way_out() {
    let weights = |dir: &Path| dir.join("model.safetensors");
    check_refused(
        |dir| std::fs::remove_file(weights(dir)).unwrap(),
        ErrorKind::Fix,
        &["model.safetensors is missing", "stele models pull"],
    );
    check_refused(
        |dir| std::fs::remove_file(dir.join("tokenizer.json")).unwrap(),
        ErrorKind::Fix,
        &["tokenizer.json is missing"],
    );
    check_refused(
        |dir| write(dir, "tokenizer.json", "{}"),
        ErrorKind::Fix,
        &["tokenizer.json is damaged", "remove it and fetch it again"],
    );
    check_refused(
        |dir| {
            let file = std::fs::File::options().write(true).open(weights(dir)).unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        },
        ErrorKind::Fix,
        &["model.safetensors is damaged", "bytes instead of"],
    );
    check_refused(
        |dir| std::fs::write(weights(dir), "short").unwrap(),
        ErrorKind::Fix,
        &["is damaged: it has only 5 bytes"],
    );
    check_refused(
        |dir| std::fs::write(weights(dir), [0xff; 100]).unwrap(),
        ErrorKind::Fix,
        &["not those of a safetensors file"],
    );
    check_refused(
        |dir| write(dir, "config.json", r#"{"model_type": "roberta"}"#),
        ErrorKind::Fix,
        &["its model_type is roberta; only bert can be run"],
    );
    check_refused(
        |dir| write(dir, "config.json", r#"{"num_attention_heads": 5}"#),
        ErrorKind::Fix,
        &["5 heads cannot share 32"],
    );
    check_refused(|dir| write(dir, "config.json", "{"), ErrorKind::Fix, &["config.json is damaged"]);
    check_refused(
        |dir| write(dir, "modules.json", r#"[{"type": "sentence_transformers.models.Dense"}]"#),
        ErrorKind::Fix,
        &["asks for a Dense layer"],
    );
    check_refused(
        |dir| write(dir, "1_Pooling/config.json", r#"{"pooling_mode_max_tokens": true}"#),
        ErrorKind::Fix,
        &["other than the mean or the first token"],
    );
}

#[test]
fn a_window_that_the_model_has_no_room_for() {
    let (dir, _) = tiny(PLAIN);
    for window_tokens in [0, 2, 49] {
        let config = LocalConfig { window_tokens: Some(window_tokens), ..config(dir.path(), Precision::F32) };
        let error = LocalEmbedder::open(Path::new("/nowhere"), config).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("not between 3 and 48"), "{error}");
    }
}

#[test]
fn a_missing_library_is_named() {
    let (dir, _) = tiny(PLAIN);
    let library = PathBuf::from("/nowhere/onnxruntime-1.31.1/libonnxruntime.so.1.31.1");
    let embedder = LocalEmbedder::open(Path::new("/nowhere"), config(dir.path(), Precision::F32)).unwrap();
    match embedder.embed(&["tick"], Purpose::Passage, &never) {
        // Another test of this process may have loaded the library already: there is only one.
        Ok(_) => {}
        Err(EmbedError::Missing { path }) => assert_eq!(Path::new(&path), library),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_damaged_graph_is_named() {
    let Some(models) = models_dir("a_damaged_graph_is_named") else { return };
    let (dir, _) = tiny(PLAIN);
    LocalEmbedder::open(&models, config(dir.path(), Precision::Int8)).unwrap().load().unwrap();
    let path = dir.path().join("stele-int8.onnx");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let embedder = LocalEmbedder::open(&models, config(dir.path(), Precision::Int8)).unwrap();
    let error = embedder.embed(&["tick"], Purpose::Passage, &never).unwrap_err();
    assert!(error.to_string().contains("stele-int8.onnx is damaged"), "{error}");
    assert!(error.to_string().contains("remove it"), "{error}");
}

#[test]
fn the_default_model_knows_meaning() {
    let Some(models) = models_dir("the_default_model_knows_meaning") else { return };
    let open = |precision| {
        LocalEmbedder::open(&models, LocalConfig { precision, threads: 2, ..LocalConfig::default() }).unwrap()
    };
    let (int8, f32) = (open(Precision::Int8), open(Precision::F32));
    assert_eq!(int8.model_id(), format!("local/{DEFAULT_MODEL}/int8"));
    assert_eq!((int8.dimension(), int8.window_tokens(), int8.semantic()), (Some(384), 256, true));
    let texts = [
        "The cat sleeps on the sofa.",
        "A kitten is napping on the couch.",
        "The central bank raised interest rates.",
        "Borrowing money became more expensive.",
        "price=1.05 tick=17 state=COOLDOWN",
    ];
    let near = int8.embed(&texts, Purpose::Passage, &never).unwrap().vectors;
    let exact = f32.embed(&texts, Purpose::Passage, &never).unwrap().vectors;
    for (near, exact) in near.iter().zip(exact.iter()) {
        assert!(cosine(near, exact) > 0.98, "{}", cosine(near, exact));
    }
    for vectors in [&near, &exact] {
        let between = |a, b| cosine(vectors.get(a).unwrap(), vectors.get(b).unwrap());
        assert!(between(0, 1) > 0.5 && between(2, 3) > 0.4, "{} {}", between(0, 1), between(2, 3));
        assert!(between(0, 2) < 0.2 && between(1, 3) < 0.2, "{} {}", between(0, 2), between(1, 3));
    }
}
