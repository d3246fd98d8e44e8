//! The sample protocol and the naive path counter, as commands.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use stele_testkit::oracle::Count;
use stele_testkit::sample::{Plan, write};

/// Reads `5MB`, `2GB`, `64KiB` or a bare number of bytes.
///
/// # Errors
///
/// The text is no size.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text} is no size; try 5MB or 2GB"))?;
    let factor = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("{unit} is no unit of size; valid units are B, kB, MB, GB, KiB, MiB, GiB")),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))
}

/// Writes the sample below `out` and says in one line what it holds.
///
/// # Errors
///
/// `out` holds something already, or cannot be written.
pub fn demo_data(out: &Path, plan: &Plan) -> Result<String> {
    if out.join("recordings").exists() {
        bail!("{} holds recordings already; choose another directory or remove it", out.display());
    }
    let sample = write(plan, out).with_context(|| format!("cannot write the sample to {}", out.display()))?;
    Ok(format!(
        "{} files, {} records, {} rejected lines, {} bytes in {}",
        sample.files.len(),
        sample.records(),
        sample.quarantined(),
        sample.bytes(),
        sample.recordings.display()
    ))
}

/// Counts the paths of `files` the naive way.
///
/// # Errors
///
/// A file cannot be read, or is not the document that it is said to be.
pub fn oracle(files: &[PathBuf], document: bool) -> Result<Count> {
    let mut count = Count::default();
    for file in files {
        let mut content = Vec::new();
        let mut reader = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        reader.read_to_end(&mut content).with_context(|| format!("cannot read {}", file.display()))?;
        if document {
            count.document(&content).map_err(|refusal| {
                anyhow::anyhow!(
                    "{} is no JSON document: {} was expected at byte {}",
                    file.display(),
                    refusal.why,
                    refusal.at
                )
            })?;
        } else {
            count.lines(&content);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("5MB"), Ok(5_000_000));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("17"), Ok(17));
        assert!(parse_size("5 MB").is_err());
        assert!(parse_size("MB").is_err());
        assert!(parse_size("99999999999GB").is_err());
    }
}
