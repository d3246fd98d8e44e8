//! Somebody who asks: questions made of a lake's own words, a server on standard input and output, and
//! whole processes that answer one question each.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use stele_testkit::rng::Rng;

/// Bytes that a word has at least to say something.
const WORD_BYTES_MIN: usize = 3;

/// Words of the longest question; the shortest has one.
const WORDS_MAX: u64 = 6;

/// Bytes of the longest word of a question at least: `did` alone is a stop word, which finds nothing.
const LONGEST_BYTES_MIN: usize = 5;

/// Times that a text without words is passed over before something is wrong with all of them.
const TRIES_MAX: usize = 1000;

/// So many questions, each made of words that stand together in one of the texts.
pub(super) fn questions(texts: &[String], count: usize, seed: u64) -> Result<Vec<String>> {
    let mut rng = Rng::new(seed);
    let mut all = Vec::new();
    let mut tries = 0;
    ensure!(!texts.is_empty(), "there is no text to ask about");
    while all.len() < count {
        tries += 1;
        ensure!(tries < count * TRIES_MAX, "the texts have no words");
        let text = rng.pick(texts);
        // Whole words: a piece of one is not found by words, and rightly so.
        let words: Vec<&str> = text
            .split(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '+' | '/' | '='))
            .map(|word| word.trim_matches('.'))
            .filter(|word| {
                word.len() >= WORD_BYTES_MIN && word.chars().all(|c| c.is_alphabetic() || c == '.')
            })
            .collect();
        if words.is_empty() {
            continue;
        }
        let wanted = 1 + rng.below(WORDS_MAX) as usize;
        let begin = rng.below(words.len() as u64) as usize;
        let taken: Vec<&str> = words[begin..].iter().take(wanted).copied().collect();
        let question = taken.join(" ");
        if taken.iter().any(|word| word.len() >= LONGEST_BYTES_MIN) && !all.contains(&question) {
            all.push(question);
        }
    }
    Ok(all)
}

/// A server that is kept running.
pub(super) struct Server {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    /// Starts it and shakes hands.
    pub(super) fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("cannot start stele mcp")?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("stele mcp has no pipes");
        };
        let mut server = Self { child, to, from: BufReader::new(from), next: 1 };
        let about = json!({ "name": "bench", "version": "0" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about });
        server.ask("initialize", &hello)?;
        server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(server)
    }

    /// Milliseconds from the question to the last byte of its answer, which has to have results and
    /// to be complete.
    pub(super) fn search(&mut self, question: &str, arm: &str) -> Result<f64> {
        let arguments = json!({ "query": question, "arm": arm, "top": 10 });
        let start = Instant::now();
        let result = self.ask("tools/call", &json!({ "name": "search", "arguments": arguments }))?;
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let content = &result["structuredContent"];
        let found = content["results"].as_array().map_or(0, Vec::len);
        ensure!(found > 0 && content["complete"] == true, "{arm} {question:?}: {result}");
        Ok(milliseconds)
    }

    /// Lets it end, as a client does that goes.
    pub(super) fn stop(self) -> Result<()> {
        let Self { mut child, to, .. } = self;
        drop(to);
        let status = child.wait()?;
        ensure!(status.success(), "stele mcp ended with {status}");
        Ok(())
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        let id = self.next;
        self.next += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.from.read_line(&mut line)? > 0, "stele mcp ended in the middle of {method}");
            let mut message: Value = serde_json::from_str(&line).context("stele mcp did not speak JSON")?;
            if message["id"] == id {
                ensure!(message["error"].is_null(), "{method}: {message}");
                return Ok(message["result"].take());
            }
        }
    }

    fn say(&mut self, message: &Value) -> Result<()> {
        self.to.write_all(format!("{message}\n").as_bytes())?;
        Ok(self.to.flush()?)
    }
}

/// Milliseconds of a whole process that answers one question.
pub(super) fn cold(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let output = command.output().context("cannot run stele")?;
    let milliseconds = start.elapsed().as_secs_f64() * 1e3;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "a search ended with {}: {}", output.status, said.trim());
    Ok(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::questions;

    #[test]
    fn questions_are_made_of_the_texts() {
        let texts =
            ["data.price of auctionState: 12 numbers".to_owned(), "…".to_owned(), "A chat line".to_owned()];
        let asked = questions(&texts, 6, 1).expect("questions");
        assert_eq!(asked.len(), 6);
        let all = texts.join(" ");
        for word in asked.iter().flat_map(|question| question.split(' ')) {
            assert!(all.contains(word), "{word}");
        }
        assert!(questions(&["1 2 3".to_owned()], 1, 1).is_err());
    }
}
