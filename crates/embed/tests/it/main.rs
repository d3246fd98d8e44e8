//! What the crate promises to its callers, tested through its public face.

#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

mod batches;
mod bert;
mod double;
mod http;
mod local;
mod models;

/// The models directory of this machine, which `STELE_MODELS` names: tests that run a model need the
/// library in it. Without it they say loudly that they tested nothing, and where it must not be
/// missing they fail.
#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn models_dir(test: &str) -> Option<std::path::PathBuf> {
    match std::env::var_os("STELE_MODELS") {
        Some(dir) => Some(dir.into()),
        None if std::env::var_os("CI").is_some() => {
            panic!("{test}: STELE_MODELS has to name a models directory in CI")
        }
        None => {
            eprintln!(
                "SKIPPED, NOTHING TESTED: {test} needs STELE_MODELS, a directory that `stele models pull` made"
            );
            None
        }
    }
}

/// How near two vectors of length 1 are: 1 is the same direction.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// A generator of numbers for weights and texts: the same seed, the same numbers.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Evenly between −1 and 1.
    fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}
