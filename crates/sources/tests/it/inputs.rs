//! What is found under a name, and hashes of what is in it.

use std::fs;
use std::path::Path;

use stele_sources::{
    FindOptions, Found, Head, Input, OpenOptions, Profiles, find, open, path_of, prefix_hashes, uri_of,
};

fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    };
    write("b.jsonl", "{}\n");
    write("A/empty.jsonl", "");
    write("A/deep/x.json", "{}\n");
    write("A/.write_test", "x");
    write(".hidden/y.jsonl", "{}\n");
    dir
}

fn names(found: &Found, root: &Path) -> String {
    let root = format!("{}/", fs::canonicalize(root).expect("there").display());
    let short = |uri: &str| uri.replace(&root, "");
    let inputs = found.inputs.iter().map(|input| format!("{} {}", short(&input.uri), input.size_on_disk));
    let skipped = found
        .skipped
        .iter()
        .map(|skipped| format!("-{}: {}", short(&skipped.uri), skipped.reason.replace(&root, "")));
    let failures = found.failures.iter();
    let failures = failures.map(|one| format!("!{}: {}", short(&one.uri), one.reason.replace(&root, "")));
    inputs.chain(skipped).chain(failures).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(dir: &Path, targets: &[&str], expect: &[&str]) {
    let targets: Vec<String> = targets
        .iter()
        .map(|target| if *target == "-" { "-".to_owned() } else { dir.join(target).display().to_string() })
        .collect();
    let root = fs::canonicalize(dir).expect("there").display().to_string();
    let got = match find(&targets, &FindOptions::default()) {
        Ok(found) => names(&found, dir),
        Err(error) => error.to_string().replace(&dir.display().to_string(), "").replace(&root, ""),
    };
    assert_eq!(got, expect.join("\n"));
}

#[test]
fn files_directories_globs_and_standard_input() {
    let dir = tree();
    let dir = dir.path();
    check(dir, &["b.jsonl"], &["b.jsonl 3"]);
    check(dir, &["A/../b.jsonl", "b.jsonl"], &["b.jsonl 3"]);
    check(
        dir,
        &["."],
        &[
            "A/deep/x.json 3",
            "A/empty.jsonl 0",
            "b.jsonl 3",
            "-.hidden: its name begins with a dot",
            "-A/.write_test: its name begins with a dot",
        ],
    );
    check(dir, &["*.jsonl"], &["b.jsonl 3"]);
    check(dir, &["**/*.json*"], &["A/deep/x.json 3", "A/empty.jsonl 0", "b.jsonl 3"]);
    check(dir, &["{A/deep,B}/?.json"], &["A/deep/x.json 3"]);
    check(dir, &["-"], &["stdin:- 0"]);
    check(dir, &["A/.write_test"], &["A/.write_test 1"]);
}

#[test]
fn what_is_not_there_is_an_error() {
    let dir = tree();
    let dir = dir.path();
    check(dir, &["nothing"], &["no file or directory named /nothing"]);
    check(dir, &["*.csv"], &["no file matches /*.csv"]);
    check(dir, &["no/where/*.csv"], &["no file matches /no/where/*.csv"]);
}

#[test]
fn what_is_not_there_does_not_stop_the_others() {
    let dir = tree();
    let found = find(
        &["nothing", "b.jsonl", "*.csv"].map(|name| dir.path().join(name).display().to_string()),
        &FindOptions::default(),
    );
    let found = found.expect("found");
    let got = names(&found, dir.path());
    assert_eq!((found.inputs.len(), found.failures.len()), (1, 2), "{got}");
    assert!(got.contains("no file or directory named"), "{got}");
}

/// A link to itself cannot be opened by anybody, not even by root.
#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_a_failure() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tree();
    let dir = dir.path();
    symlink("self.jsonl", dir.join("A/self.jsonl")).expect("a link");
    for target in [".", "A", "**/*.jsonl", "A/*.jsonl"] {
        let found = find(&[dir.join(target).display().to_string()], &FindOptions::default());
        let got = names(&found.expect("found"), dir);
        assert!(got.contains("!A/self.jsonl: it cannot be opened: "), "{target}: {got}");
    }
    // A pattern that does not reach it has nothing to do with it.
    check(dir, &["*.jsonl"], &["b.jsonl 3"]);
    let closed = |name: &str| {
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o000)).expect("closed");
        format!("!{name}: it cannot be opened: Permission denied")
    };
    let lines = [closed("b.jsonl"), closed("A/deep")];
    if fs::File::open(dir.join("b.jsonl")).is_err() {
        let got = names(&find(&[dir.display().to_string()], &FindOptions::default()).expect("found"), dir);
        for line in lines {
            assert!(got.contains(&line), "{line} in\n{got}");
        }
    }
    fs::set_permissions(dir.join("A/deep"), fs::Permissions::from_mode(0o700)).expect("open");
}

#[cfg(unix)]
#[test]
fn two_names_are_two_texts() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let names: [&[u8]; 9] = [
        b"a\xff",
        b"a\\xff",
        b"a\xfe\\",
        b"a\\\\xff",
        b"tab\t\xff",
        b"tab\\t\xff",
        b"q'\"\xff",
        b"\xc3\xa9\xff",
        b"plain",
    ];
    let mut texts = std::collections::BTreeSet::new();
    for name in names {
        let path = Path::new(OsStr::from_bytes(name));
        let text = uri_of(path);
        assert_eq!(path_of(&text), path, "{text}");
        texts.insert(text);
    }
    assert_eq!(texts.len(), names.len(), "{texts:?}");
    for plain in ["/a b/c'd.jsonl", "/zoë/\t\n\""] {
        assert_eq!((uri_of(Path::new(plain)).as_str(), path_of(plain).as_path()), (plain, Path::new(plain)));
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_loops_are_not() {
    use std::os::unix::fs::symlink;
    let dir = tree();
    let dir = dir.path();
    symlink(dir.join("A"), dir.join("A/deep/up")).expect("a link");
    symlink(dir.join("b.jsonl"), dir.join("link.jsonl")).expect("a link");
    symlink(dir.join("gone"), dir.join("broken")).expect("a link");
    std::os::unix::net::UnixListener::bind(dir.join("A/socket")).expect("a socket");
    check(dir, &["link.jsonl"], &["link.jsonl 3"]);
    check(dir, &["A/socket"], &["/A/socket is a socket, not a file or a directory"]);
    let found = find(&[dir.display().to_string()], &FindOptions::default()).expect("found");
    let got = names(&found, dir);
    for line in [
        "link.jsonl 3",
        "-A/deep/up: the link leads back to ",
        "-A/socket: it is a socket",
        "-broken: it cannot be opened: ",
    ] {
        assert!(got.contains(line), "{line} in\n{got}");
    }
}

#[test]
fn standard_input_has_a_name_and_is_read_once() {
    let options = FindOptions { stdin_name: Some("feed".to_owned()) };
    let found = find(&["-".to_owned()], &options).expect("found");
    assert_eq!(found.inputs, [Input::stdin("feed")]);
    assert_eq!(found.inputs[0].uri, "stdin:feed");
    assert!(Head::of(&found.inputs[0]).is_err());
}

#[test]
fn prefixes_are_hashed_in_one_pass() {
    use sha2::Digest;
    let dir = tree();
    let path = dir.path().join("b.jsonl");
    fs::write(&path, "{\"a\":1}\n{\"a\":2}\n").expect("a file");
    let found = find(&[path.display().to_string()], &FindOptions::default()).expect("found");
    let input = &found.inputs[0];
    let hash = |text: &str| -> [u8; 32] { sha2::Sha256::digest(text).into() };
    let hashes = prefix_hashes(input, &[16, 0, 8, 99]).expect("hashes");
    let whole = "{\"a\":1}\n{\"a\":2}\n";
    assert_eq!(hashes, [hash(whole), hash(""), hash("{\"a\":1}\n"), hash(whole)]);
    assert_eq!(Head::of(input).expect("hashes").hash(), hash(whole));
}

#[test]
fn a_file_without_a_byte_has_no_block() {
    let dir = tree();
    let found = find(&[dir.path().join("A/empty.jsonl").display().to_string()], &FindOptions::default());
    let input = &found.expect("found").inputs[0];
    let mut source = open(input, &Profiles::builtin(), &OpenOptions::default()).expect("opens");
    assert_eq!(source.format().name(), "lines");
    assert!(matches!(source.next_block(), Ok(None)));
}
