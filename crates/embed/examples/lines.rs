//! Gives each line of a file a vector, against the clock. `cargo xtask bench answers` runs it beside
//! other programs that do the same.
//!
//! ```text
//! cargo run -p stele-embed --example lines -- MODELS TEXTS VECTORS THREADS
//! ```
//!
//! MODELS is a models directory, as `stele models pull` makes it. VECTORS receives the vectors as
//! little-endian numbers of four bytes, and standard output the texts and seconds as JSON. Loading the
//! model is not counted; cutting texts into tokens is.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use stele_embed::{Embedder, LocalConfig, LocalEmbedder, Precision, Purpose, never};

/// Texts before the clock starts: threads are there and memory has its size.
const TEXTS_BEFORE: usize = 64;

#[allow(clippy::print_stdout, reason = "an example shows what it finds")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [models, texts, vectors, threads] = &*arguments else {
        return Err("usage: lines MODELS TEXTS VECTORS THREADS".into());
    };
    let content = fs::read_to_string(texts)?;
    let texts: Vec<&str> = content.lines().collect();
    let config =
        LocalConfig { precision: Precision::Int8, threads: threads.parse()?, ..LocalConfig::default() };
    let embedder = LocalEmbedder::open(Path::new(models), config)?;
    embedder.embed(&texts[..texts.len().min(TEXTS_BEFORE)], Purpose::Passage, &never)?;
    let start = Instant::now();
    let embedded = embedder.embed(&texts, Purpose::Passage, &never)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes: Vec<u8> =
        embedded.vectors.into_flat().into_iter().flat_map(|number| number.to_le_bytes()).collect();
    fs::write(vectors, bytes)?;
    println!("{{\"texts\":{},\"seconds\":{seconds}}}", texts.len());
    Ok(())
}
