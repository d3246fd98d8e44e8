//! How fast answers are made and given: embedding beside bare ONNX Runtime, building the index, asking
//! it through a server that is warm, and starting the program for one question.
//!
//! As with the peers, everything is a child process that is measured from outside, and a figure is
//! only printed if the answer behind it is right.

mod asked;
mod embedding;
mod scale;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use self::embedding::Embedding;
use self::scale::Scale;
use crate::peers::Tools;

/// What to measure, and with what.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Our program, a Python with `onnxruntime`, and room on the disk.
    pub tools: Tools,
    /// The example `lines` of `stele-embed`; without it embedding is not measured.
    pub lines: Option<PathBuf>,
    /// The models directory, as `stele models pull` makes it.
    pub models: PathBuf,
    /// Measured rounds of embedding; one more goes before them and is not counted.
    pub runs: usize,
    /// Sizes of the samples whose texts are indexed, in bytes.
    pub sizes: Vec<u64>,
    /// Texts up to which the real model gives vectors; beyond it the double does.
    pub real_max: u64,
}

/// What was found.
#[derive(Debug, Serialize)]
pub struct Report {
    embedding: Vec<Embedding>,
    scale: Vec<Scale>,
}

/// Measures everything.
///
/// # Errors
///
/// A program cannot be run, or an answer is wrong.
pub fn answers(plan: &Answers) -> Result<Report> {
    fs::create_dir_all(&plan.tools.scratch)
        .with_context(|| format!("cannot make {}", plan.tools.scratch.display()))?;
    let embedding = match &plan.lines {
        Some(lines) => embedding::embedding(plan, lines)?,
        None => Vec::new(),
    };
    let scale = plan.sizes.iter().map(|bytes| scale::scale(plan, *bytes)).collect::<Result<_>>()?;
    Ok(Report { embedding, scale })
}

impl Report {
    /// The tables, for people.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        if !self.embedding.is_empty() {
            out.push_str(
                "| texts | tool | texts/s (min–max) | cosine to ours: mean, least |\n|---|---|---|---|\n",
            );
        }
        for row in &self.embedding {
            let _ = writeln!(out, "{}", row.row());
        }
        if !self.scale.is_empty() {
            out.push_str(
                "\n| texts | vectors | build | peak MB | index MB | arm | warm p50 | p95 | cold start |\n\
                 |---|---|---|---|---|---|---|---|---|\n",
            );
        }
        for scale in &self.scale {
            for row in scale.rows() {
                let _ = writeln!(out, "{row}");
            }
        }
        out
    }

    /// The same as one line of JSON, for programs.
    ///
    /// # Errors
    ///
    /// Never in practice: there is nothing in it that JSON cannot hold.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string(self).context("the report is no JSON")
    }
}

/// The value below which such a share of sorted figures lies; 0 if there are none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// The figures in order.
fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_by(f64::total_cmp);
    figures
}

#[cfg(test)]
mod tests {
    use super::{quantile, sorted};

    #[test]
    fn quantiles() {
        let figures = sorted(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert_eq!(quantile(&figures, 0.5), 3.0);
        assert_eq!(quantile(&figures, 0.95), 5.0);
        assert_eq!(quantile(&figures, 0.0), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
