//! Texts to vectors: ours beside bare ONNX Runtime from Python, on the same graph and the same texts,
//! by turns.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::{Answers, quantile, sorted};

/// Tokens of a text: a field or a chat line, and a record or a paragraph.
const LENGTHS: [u64; 2] = [60, 240];

/// Texts of a run: some seconds of work, beside which the last batch does not matter.
const TEXTS: u64 = 512;

/// Batches among which the other side has its best one: none, a small one, and the usual one.
const BATCHES: [u64; 4] = [1, 8, 32, 64];

/// Numbers of a vector of the model.
const DIMENSION: u64 = 384;

/// Least mean cosine between both sides' vectors. With int8 a text's vector depends a little on its
/// neighbours in a batch; another graph or another tokeniser is further away.
const COSINE_MIN: f64 = 0.98;

/// The model that is measured.
const MODEL: &str = "all-MiniLM-L6-v2";

/// One tool at one length.
#[derive(Debug, Serialize)]
pub(super) struct Embedding {
    tokens: u64,
    tool: &'static str,
    /// Texts that the tool looks at together; ours decides by itself.
    batch: Option<u64>,
    texts_per_second: Vec<f64>,
    cosine: Option<Cosine>,
}

/// How near the vectors are to ours.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cosine {
    least: f64,
    mean: f64,
}

/// One run, as the tool itself saw it: without loading the model.
#[derive(Debug, Deserialize)]
struct Run {
    texts: u64,
    seconds: f64,
}

impl Embedding {
    pub(super) fn row(&self) -> String {
        let tool = match self.batch {
            Some(batch) => format!("{}, batches of {batch}", self.tool),
            None => self.tool.to_owned(),
        };
        let cosine =
            self.cosine.map_or("–".to_owned(), |near| format!("{:.4}, {:.4}", near.mean, near.least));
        let speeds = &self.texts_per_second;
        format!(
            "| {} tokens | {tool} | {:.0} ({:.0}–{:.0}) | {cosine} |",
            self.tokens,
            quantile(speeds, 0.5),
            quantile(speeds, 0.0),
            quantile(speeds, 1.0),
        )
    }
}

/// Both tools at every length.
pub(super) fn embedding(plan: &Answers, lines: &Path) -> Result<Vec<Embedding>> {
    let mut all = Vec::new();
    for tokens in LENGTHS {
        all.extend(side_by_side(plan, lines, tokens)?);
    }
    Ok(all)
}

fn side_by_side(plan: &Answers, lines: &Path, tokens: u64) -> Result<[Embedding; 2]> {
    let dir = &plan.tools.scratch;
    let model = plan.models.join(MODEL);
    let texts = dir.join("answers-texts");
    let (ours, theirs) = (dir.join("answers-vectors-ours"), dir.join("answers-vectors-theirs"));
    let threads = available_parallelism().map_or(1, usize::from).to_string();
    let mut make = script(plan);
    make.arg("texts").arg(&model).args([tokens.to_string(), TEXTS.to_string()]).arg(&texts);
    output(&mut make)?;
    let stele = || {
        let mut command = Command::new(lines);
        command.arg(&plan.models).arg(&texts).arg(&ours).arg(&threads);
        speed(&mut command)
    };
    let bare = |batch: u64| {
        let mut command = script(plan);
        command.arg("embed").arg(&model).arg(&texts).arg(&theirs).args([&threads, &batch.to_string()]);
        speed(&mut command)
    };
    // A round that does not count: memory is warm, and the other side finds its best batch.
    stele()?;
    let mut best = (0.0, 1);
    for batch in BATCHES {
        let found = bare(batch)?;
        if found > best.0 {
            best = (found, batch);
        }
    }
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for round in 0..plan.runs {
        // Whoever comes second finds the processor warmer, so they take turns at that, too.
        if round % 2 == 0 {
            of_ours.push(stele()?);
            of_theirs.push(bare(best.1)?);
        } else {
            of_theirs.push(bare(best.1)?);
            of_ours.push(stele()?);
        }
    }
    let mut compare = script(plan);
    compare.arg("compare").args([&ours, &theirs]).arg(DIMENSION.to_string());
    let cosine: Cosine = serde_json::from_slice(&output(&mut compare)?).context("no cosine")?;
    ensure!(cosine.mean >= COSINE_MIN, "the vectors are not the same: {cosine:?}");
    let entry = |tool, batch, speeds, cosine| Embedding {
        tokens,
        tool,
        batch,
        texts_per_second: sorted(speeds),
        cosine,
    };
    Ok([
        entry("stele", None, of_ours, None),
        entry("ONNX Runtime int8, Python", Some(best.1), of_theirs, Some(cosine)),
    ])
}

fn script(plan: &Answers) -> Command {
    let mut command = Command::new(&plan.tools.python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("answers.py"));
    command
}

/// Texts a second of one run.
fn speed(command: &mut Command) -> Result<f64> {
    let run: Run = serde_json::from_slice(&output(command)?).context("a run did not say how long it took")?;
    ensure!(run.texts == TEXTS && run.seconds > 0.0, "a run saw {} of {TEXTS} texts", run.texts);
    Ok(run.texts as f64 / run.seconds)
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    Ok(output.stdout)
}
