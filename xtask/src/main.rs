//! `cargo xtask COMMAND`: see `cargo xtask help`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal and for pipes")]

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use stele_testkit::sample::Plan;
use xtask::answers::{self, Answers};
use xtask::documents::{self, Documents};
use xtask::peers::{self, Bench, Tools};
use xtask::torture::{self, Torture};
use xtask::{checks, sample, suite, summary};

/// Chores around the program.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the sample protocol and the answers that belong to it.
    DemoData {
        /// Directory to write to.
        #[arg(long)]
        out: PathBuf,
        /// The same seed and size give the same bytes on every machine.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Size of all recordings together, such as 5MB or 2GB.
        #[arg(long, default_value = "5MB", value_parser = sample::parse_size)]
        size: u64,
        /// Adds damaged recordings.
        #[arg(long)]
        damage: bool,
    },
    /// Counts paths the naive way: event, path, types, nodes, records.
    Oracle {
        /// Files of JSON lines.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Each file is one JSON document.
        #[arg(long)]
        document: bool,
    },
    /// Tries a directory of parser tests (y_*.json, n_*.json, i_*.json), each file as one record.
    JsonSuite {
        /// The directory.
        dir: PathBuf,
        /// Also ingests and replays each file with this program.
        #[arg(long)]
        stele: Option<PathBuf>,
    },
    /// All checks of the tree.
    Check,
    /// Crates depend on one another as the architecture allows.
    CheckArrows,
    /// The map names what exists, and everything that exists.
    CheckMap,
    /// Only the lake knows where the lake is, and nothing knows one machine's paths.
    CheckLakeWrites,
    /// Nothing names what the tree must not know.
    CheckText,
    /// Files begin with their purpose and end before 500 lines.
    CheckStyle,
    /// Every dependency has its reason.
    CheckDependencies,
    /// Adds up what `make test` found: one line, and summary.json beside junit.xml.
    Summary {
        /// The target directory.
        #[arg(long)]
        target: PathBuf,
    },
    /// Measurements.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Kills, races and repetitions, one line a seed.
    Torture {
        /// Our program.
        #[arg(long)]
        stele: PathBuf,
        /// Where samples and lakes are put.
        #[arg(long)]
        scratch: PathBuf,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        first_seed: u64,
        /// How many seeds.
        #[arg(long, default_value_t = 10)]
        seeds: u64,
        /// How many seeds more for the index with the model.
        #[arg(long, default_value_t = 0)]
        model_seeds: u64,
        /// How many kills of workers and services that work on jobs.
        #[arg(long, default_value_t = 0)]
        job_kills: u64,
    },
    /// The named cases through us, DuckDB and Polars, side by side.
    T12 {
        #[command(flatten)]
        tools: ToolArgs,
    },
}

#[derive(Subcommand)]
enum BenchCommand {
    /// The same work by us, DuckDB, Polars and genson-rs, interleaved.
    Peers {
        #[command(flatten)]
        tools: ToolArgs,
        /// An input of JSON lines as NAME=FILE; the sample's captures and games if none is given.
        #[arg(long = "input", value_parser = parse_input)]
        inputs: Vec<(String, PathBuf)>,
        /// Size of each generated input.
        #[arg(long, default_value = "60MB", value_parser = sample::parse_size)]
        size: u64,
        /// Measured runs of each.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Also shows figures of tools whose answer differs, with what differs.
        #[arg(long)]
        show_wrong: bool,
    },
    /// Markdown read by us and by other tools, interleaved.
    Documents {
        #[command(flatten)]
        tools: ToolArgs,
        /// The built example `measure` of stele-documents; without it parsing alone is not measured.
        #[arg(long)]
        measure: Option<PathBuf>,
        /// A directory with Markdown files.
        #[arg(long)]
        corpus: PathBuf,
        /// Whether to measure our program with vectors, too, which takes minutes.
        #[arg(long)]
        embedded: bool,
        /// How often the corpus is read in each run, with other words.
        #[arg(long, default_value_t = 20)]
        copies: u64,
        /// Measured runs of each.
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// Embedding beside bare ONNX Runtime, indexes of growing size, warm and cold searches.
    Answers {
        #[command(flatten)]
        tools: ToolArgs,
        /// The models directory.
        #[arg(long)]
        models: PathBuf,
        /// The built example `lines` of stele-embed; without it embedding is not measured.
        #[arg(long)]
        lines: Option<PathBuf>,
        /// Measured rounds of embedding.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Sizes of the samples that are indexed, comma between them; about 1, 10 and 100 thousand
        /// texts if none is given.
        #[arg(long, value_delimiter = ',', default_values = ["700KB", "15500KB", "166MB"], value_parser = sample::parse_size)]
        sizes: Vec<u64>,
        /// Texts up to which the real model gives vectors; beyond it a double without meaning does.
        #[arg(long, default_value_t = 20_000)]
        real_max: u64,
    },
}

#[derive(Args)]
struct ToolArgs {
    /// Our program.
    #[arg(long)]
    stele: PathBuf,
    /// A Python that has duckdb and polars.
    #[arg(long)]
    python: PathBuf,
    /// genson-rs.
    #[arg(long)]
    genson: Option<PathBuf>,
    /// Where inputs and outputs are put; on the disk that is to be measured.
    #[arg(long)]
    scratch: PathBuf,
}

impl ToolArgs {
    fn tools(self) -> Result<Tools> {
        fs::create_dir_all(&self.scratch)
            .with_context(|| format!("cannot make {}", self.scratch.display()))?;
        let ToolArgs { stele, python, genson, scratch } = self;
        Ok(Tools { stele, python, genson, scratch })
    }
}

fn parse_input(text: &str) -> Result<(String, PathBuf), String> {
    let (name, file) = text.split_once('=').ok_or("expected NAME=FILE")?;
    Ok((name.to_owned(), file.into()))
}

fn main() -> Result<ExitCode> {
    let good = match Cli::parse().command {
        Command::DemoData { out, seed, size, damage } => {
            println!("{}", sample::demo_data(&out, &Plan { seed, bytes: size, damage })?);
            true
        }
        Command::Oracle { files, document } => {
            let count = sample::oracle(&files, document)?;
            print!("{}", count.tsv());
            let refused = count.refused.len();
            eprintln!("{} records, {refused} refused lines, {} blank lines", count.records, count.blank);
            true
        }
        Command::JsonSuite { dir, stele } => {
            let scratch = tempfile::tempdir()?;
            let outcome = suite::json_suite(&dir, stele.as_deref(), scratch.path())?;
            println!("{} files, {} wrong", outcome.files, outcome.findings.len());
            report(&outcome.findings)
        }
        Command::Check => {
            let mut good = true;
            for check in checks::ALL {
                good &= report(&(check.run)(&checks::root())?);
            }
            good
        }
        Command::CheckArrows => report(&checks::arrows(&checks::root())?),
        Command::CheckMap => report(&checks::map(&checks::root())?),
        Command::CheckLakeWrites => report(&checks::lake_writes(&checks::root())?),
        Command::CheckText => report(&checks::text(&checks::root())?),
        Command::CheckStyle => report(&checks::style(&checks::root())?),
        Command::CheckDependencies => report(&checks::dependencies(&checks::root())?),
        Command::Summary { target } => {
            let summary = summary::summary(&target)?;
            for check in summary.checks.iter().filter(|check| check.state != "ok") {
                println!("failed: {}", check.name);
            }
            println!("{} passed, {} failed", summary.passed, summary.failed);
            summary.failed == 0
        }
        Command::Bench(BenchCommand::Peers { tools, mut inputs, size, runs, show_wrong }) => {
            let tools = tools.tools()?;
            if inputs.is_empty() {
                inputs = peers::default_inputs(&tools.scratch, size)?;
            }
            print!("{}", peers::bench(&tools, &Bench { inputs, runs, show_wrong })?);
            true
        }
        Command::Bench(BenchCommand::Documents { tools, measure, corpus, embedded, copies, runs }) => {
            let tools = tools.tools()?;
            let plan = Documents { tools, measure, corpus, copies, runs, embedded };
            print!("{}", documents::documents(&plan)?);
            true
        }
        Command::Bench(BenchCommand::Answers { tools, models, lines, runs, sizes, real_max }) => {
            let tools = tools.tools()?;
            let report = answers::answers(&Answers { tools, lines, models, runs, sizes, real_max })?;
            print!("{}", report.tables());
            println!("{}", report.json()?);
            true
        }
        Command::Torture { stele, scratch, first_seed, seeds, model_seeds, job_kills } => {
            fs::create_dir_all(&scratch).with_context(|| format!("cannot make {}", scratch.display()))?;
            let plan = Torture { stele, scratch, first_seed, seeds, model_seeds, job_kills };
            let (table, held) = torture::torture(&plan, &|line| eprintln!("{line}"))?;
            print!("{table}");
            held
        }
        Command::T12 { tools } => {
            let (table, all_right) = peers::t12(&tools.tools()?)?;
            print!("{table}");
            all_right
        }
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(findings: &[String]) -> bool {
    for finding in findings {
        println!("{finding}");
    }
    findings.is_empty()
}
