//! How fast is the local model here?
//!
//! ```text
//! cargo run -p stele-embed --example speed -- MODELS [SECONDS [THREADS]]
//! ```
//!
//! MODELS is a models directory, as `stele models pull` makes it. A line for each precision and text
//! length: the best of several rounds, tokenising included, and how long the first answer took.

use std::path::Path;
use std::time::{Duration, Instant};

use stele_embed::{EmbedError, Embedder, LocalConfig, LocalEmbedder, Precision, Purpose, never};

/// Words whose texts have a little more than a token a word, as prose has.
const WORDS: &str = "the price of a round rose slowly while players waited for the next tick and some sold \
     early because the curve had turned before others held until it crashed which the server announced \
     to everyone with a seed that proves the outcome was fixed in advance";

/// Texts in a round, so many that the last ones to finish do not matter.
const TEXTS: usize = 256;

fn main() -> Result<(), EmbedError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let models = arguments.first().map_or("models", String::as_str);
    let seconds = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let threads = arguments.get(2).and_then(|text| text.parse().ok()).unwrap_or(0);
    for precision in [Precision::Int8, Precision::F32] {
        measure(Path::new(models), precision, Duration::from_secs_f64(seconds), threads)?;
    }
    Ok(())
}

#[allow(clippy::print_stdout, reason = "an example shows what it finds")]
fn measure(models: &Path, precision: Precision, time: Duration, threads: usize) -> Result<(), EmbedError> {
    let name = precision.name();
    let config = LocalConfig { precision, threads, ..LocalConfig::default() };
    // Once, in case the graph has to be made.
    LocalEmbedder::open(models, config.clone())?.load()?;
    let start = Instant::now();
    let embedder = LocalEmbedder::open(models, config)?;
    embedder.embed(&["where did the price turn?"], Purpose::Query, &never)?;
    println!("{name}: first answer after {:.0} ms", start.elapsed().as_secs_f64() * 1e3);

    let mut question = f64::INFINITY;
    for _ in 0..50 {
        let start = Instant::now();
        embedder.embed(&["where did the price turn before the crash?"], Purpose::Query, &never)?;
        question = question.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{name}: a question takes {question:.1} ms");

    let start = Instant::now();
    let long = text(&embedder, 240, 0)?;
    let mut counted = 0;
    while start.elapsed() < time / 10 {
        counted += embedder.count_tokens(&long)?;
    }
    println!(
        "{name}: tokeniser {:.0} tokens/s on one thread",
        counted as f64 / start.elapsed().as_secs_f64()
    );

    for tokens in [60, 240] {
        let texts: Vec<String> =
            (0..TEXTS).map(|number| text(&embedder, tokens, number)).collect::<Result<_, _>>()?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (mut best_texts, mut best_tokens, begun) = (0f64, 0f64, Instant::now());
        while begun.elapsed() < time {
            let start = Instant::now();
            let embedded = embedder.embed(&texts, Purpose::Passage, &never)?;
            let seconds = start.elapsed().as_secs_f64();
            best_texts = best_texts.max(texts.len() as f64 / seconds);
            best_tokens = best_tokens.max(embedded.tokens as f64 / seconds);
        }
        println!("{name}: {tokens}-token texts: {best_texts:.0} texts/s, {best_tokens:.0} tokens/s");
    }
    Ok(())
}

/// A text of so many tokens; another `number` begins elsewhere.
fn text(embedder: &LocalEmbedder, tokens: usize, number: usize) -> Result<String, EmbedError> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut text = String::new();
    let mut next = number;
    loop {
        let longer = format!("{text} {}", words[next % words.len()]);
        if embedder.count_tokens(&longer)? > tokens {
            return Ok(text);
        }
        (text, next) = (longer, next + 1);
    }
}
