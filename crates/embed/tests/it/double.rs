//! The test double: the same on every machine, and recognisable.

use stele_embed::{EmbedError, Embedder, Purpose, TestDouble, never};

use crate::cosine;

#[test]
fn it_shows_that_it_is_none() {
    let double = TestDouble::new(32);
    assert!(!double.semantic());
    assert!(double.model_id().starts_with("test-double/"));
    assert_eq!((double.dimension(), double.window_tokens()), (Some(32), 256));
}

#[test]
fn shared_words_are_near_and_vectors_have_length_one() {
    let double = TestDouble::new(128);
    let texts = ["the price fell at noon", "At noon, the PRICE fell!", "a seed was announced", "", "…"];
    let embedded = double.embed(&texts, Purpose::Passage, &never).unwrap();
    let vector = |index| embedded.vectors.get(index).unwrap();
    assert_eq!(embedded.vectors.len(), texts.len());
    assert_eq!(embedded.tokens, 5 + 5 + 4);
    for vector in embedded.vectors.iter() {
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-6);
    }
    assert!((cosine(vector(0), vector(1)) - 1.0).abs() < 1e-6, "order, case and signs do not matter");
    assert!(cosine(vector(0), vector(2)) < 0.5);
    assert_eq!(double.embed(&texts, Purpose::Query, &never).unwrap(), embedded);
    assert_eq!(double.usage().texts, 10);
}

/// Written down once: a stored index of a test must be found again by later versions.
#[test]
fn vectors_do_not_change() {
    let embedded = TestDouble::new(8).embed(&["tick tock"], Purpose::Passage, &never).unwrap();
    let shown: Vec<String> = embedded.vectors.into_flat().iter().map(|x| format!("{x:.3}")).collect();
    assert_eq!(shown.join(" "), "0.000 -0.816 -0.408 0.000 0.000 0.000 0.000 0.408");
}

#[test]
fn long_texts_lose_their_end_and_a_stop_stops() {
    let double = TestDouble::new(8);
    let long = "word ".repeat(300);
    let embedded = double.embed(&[&long, "word"], Purpose::Passage, &never).unwrap();
    assert_eq!((embedded.texts_cut, embedded.tokens), (1, 257));
    let stopped = double.embed(&["word"], Purpose::Passage, &|| true);
    assert!(matches!(stopped, Err(EmbedError::Cancelled)));
}
