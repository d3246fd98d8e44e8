//! Commands that look after the lake.

use clap::{Args, Subcommand};

/// `stele lake`
#[derive(Debug, Args)]
pub struct LakeArgs {
    #[command(subcommand)]
    pub action: LakeAction,
}

/// What to do with the lake.
#[derive(Debug, Subcommand)]
pub enum LakeAction {
    /// Tables, parts and sizes
    Status,
    /// Rewrite many small parts as few large ones; nothing is lost
    Compact,
    /// Delete files that no recent version of the lake names
    Vacuum(VacuumArgs),
    /// Remove records by age, doc type or source. Without a rule everything is kept for ever
    Prune(PruneArgs),
}

/// Whether to act or to show the plan.
#[derive(Debug, Clone, Copy, Args)]
pub struct ConfirmArgs {
    /// Do it; without this the plan is shown and nothing happens
    #[arg(long)]
    pub yes: bool,
}

/// `stele lake vacuum`
#[derive(Debug, Args)]
pub struct VacuumArgs {
    /// Keep files that a version younger than this names, such as 7d or 12h
    #[arg(long, value_name = "AGE", default_value = "7d", value_parser = age)]
    pub older_than: Age,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// `stele lake prune`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("rule").required(true).multiple(true).args(["older_than", "doc_type", "source"]))]
pub struct PruneArgs {
    /// Records older than this, such as 90d or 2y
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<Age>,
    /// Records of this doc type
    #[arg(long, value_name = "NAME")]
    pub doc_type: Option<String>,
    /// Records of this input: its name, an unambiguous end of it, or its file id. What another name
    /// of it needs stays
    #[arg(long, value_name = "FILE")]
    pub source: Option<String>,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
}

/// A span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Age {
    /// Its length.
    pub micros: i64,
    /// As it was written.
    text: String,
}

impl std::fmt::Display for Age {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Units of an age in seconds. A year is 365 days: retention needs no calendar.
const UNITS: [(&str, i64); 6] =
    [("s", 1), ("min", 60), ("h", 3_600), ("d", 86_400), ("w", 7 * 86_400), ("y", 365 * 86_400)];

fn age(text: &str) -> Result<Age, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    let micros = seconds
        .zip(number.parse::<i64>().ok())
        .and_then(|(seconds, number)| seconds.checked_mul(number)?.checked_mul(1_000_000));
    micros
        .map(|micros| Age { micros, text: text.to_owned() })
        .ok_or_else(|| "expected a number and one of s, min, h, d, w, y, such as 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::age;

    #[test]
    fn ages() {
        let micros = |text: &str| age(text).map(|age| age.micros);
        assert_eq!(micros("90d"), Ok(90 * 86_400_000_000));
        assert_eq!(micros("15min"), Ok(900_000_000));
        for wrong in ["90", "d", "-3d", "99999999999999y", ""] {
            assert!(micros(wrong).is_err(), "{wrong}");
        }
    }
}
