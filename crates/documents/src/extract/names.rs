//! What a word looks like: a command, an option, a file, a variable, a key, a version.

/// Endings of files that hold settings.
const SETTINGS_FILES: [&str; 12] = [
    ".yaml",
    ".yml",
    ".json",
    ".toml",
    ".ini",
    ".conf",
    ".cfg",
    ".env",
    ".properties",
    ".xml",
    ".config",
    ".service",
];

/// Files that hold settings and have no ending.
const SETTINGS_NAMES: [&str; 8] = [
    "dockerfile",
    "makefile",
    "jenkinsfile",
    "vagrantfile",
    "procfile",
    ".env",
    ".gitignore",
    ".dockerignore",
];

/// Last parts of names of hosts; a key never ends like that.
const DOMAINS: [&str; 16] = [
    "com", "org", "net", "io", "dev", "de", "uk", "eu", "edu", "gov", "app", "cloud", "local", "internal",
    "example", "test",
];

/// Endings of files that are no settings and no keys.
const OTHER_FILES: [&str; 26] = [
    "md", "txt", "rs", "py", "js", "ts", "go", "c", "h", "cpp", "java", "rb", "sh", "html", "css", "png",
    "jpg", "svg", "pdf", "csv", "zip", "tar", "gz", "exe", "log", "lock",
];

/// Words of a shell that begin a line and are no commands.
const SHELL_WORDS: [&str; 22] = [
    "if", "then", "else", "elif", "fi", "for", "do", "done", "while", "until", "case", "esac", "function",
    "in", "{", "}", "export", "set", "return", "exit", "local", "EOF",
];

/// Words in front of a command that are not the command.
const BEFORE_COMMANDS: [&str; 6] = ["sudo", "time", "nohup", "exec", "env", "command"];

/// Whether a whole word can be the name of a program: `docker`, `apt-get`, `./run.sh`.
pub(super) fn is_program(word: &str) -> bool {
    let name = word.strip_prefix("./").unwrap_or(word);
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || "._+-/".contains(c));
    let has_letter = name.chars().any(|c| c.is_ascii_lowercase());
    first && rest && has_letter && !SHELL_WORDS.contains(&word) && !name.ends_with('.')
}

/// Whether a word can be a part of a command's name below its program: `run`, `join-token`.
pub(super) fn is_subcommand(word: &str) -> bool {
    word.chars().next().is_some_and(|c| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

/// Words of a command line from its program on, without what stands in front of it.
pub(super) fn command_words(line: &str) -> Vec<&str> {
    let assigns = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_variable(name));
    let skip = |word: &&str| BEFORE_COMMANDS.contains(word) || assigns(word);
    line.split_whitespace().skip_while(skip).collect()
}

/// Whether a word is an option: `-a`, `--all`.
pub(super) fn is_option(word: &str) -> bool {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or_default();
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '?');
    let long = word.starts_with("--");
    first
        && (long || name.len() <= 24)
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.?".contains(c))
}

/// The options in a cell such as `-a`, `--all` or `--name <string>`.
pub(super) fn options(text: &str) -> Vec<&str> {
    let trimmed = text.trim();
    if !trimmed.starts_with('-') {
        return Vec::new();
    }
    let words = trimmed.split(|c: char| c.is_whitespace() || ",|/".contains(c));
    let names = words.map(|word| word.split(['=', '[', '<', '(']).next().unwrap_or_default());
    names.filter(|word| is_option(word)).collect()
}

/// Whether a word is a variable of the environment: `HTTP_PROXY`.
pub(super) fn is_variable(word: &str) -> bool {
    word.len() >= 3
        && word.chars().next().is_some_and(|c| c.is_ascii_uppercase() || c == '_')
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a word in backticks is a variable beyond doubt: with an underscore, or being set.
pub(super) fn variable(word: &str) -> Option<&str> {
    match word.split_once('=') {
        Some((name, _)) => is_variable(name.trim_start_matches('$')).then(|| name.trim_start_matches('$')),
        None => {
            let name = word.trim_start_matches('$').trim_matches(['{', '}']);
            (is_variable(name) && name.trim_matches('_').contains('_') && !name.starts_with("ERR_"))
                .then_some(name)
        }
    }
}

/// Whether a word is a file of settings.
pub(super) fn is_settings_file(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let name = lower.rsplit(['/', '\\']).next().unwrap_or(&lower);
    let plain = !word.contains(char::is_whitespace)
        && !word.contains(['*', '<', '(', '"', '=', ','])
        && !word.contains("://");
    let ended = SETTINGS_FILES.iter().any(|end| name.len() > end.len() && name.ends_with(end));
    plain && (ended || SETTINGS_NAMES.contains(&name))
}

/// Whether a word in backticks is a key with dots: `server.port`. Hosts, files and versions are none.
pub(super) fn is_dotted_key(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let last = parts.last().copied().unwrap_or_default();
    let part = |part: &&str| {
        part.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    parts.len() >= 2
        && parts.iter().all(part)
        && !DOMAINS.contains(&last)
        && !OTHER_FILES.contains(&last)
        && !is_settings_file(word)
}

/// Whether a word is a code of an error: `E0716`, `ERR_CLOSED`, `ORA-00942`, `ENOENT`.
pub(super) fn is_error_code(word: &str) -> bool {
    let upper = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    if let Some(rest) = word.strip_prefix("ERR_") {
        return upper(rest);
    }
    if let Some((family, number)) = word.split_once('-') {
        let digits = number.len() >= 3 && number.chars().all(|c| c.is_ascii_digit());
        return (2..=5).contains(&family.len()) && family.chars().all(|c| c.is_ascii_uppercase()) && digits;
    }
    let number = word.strip_prefix('E').unwrap_or_default();
    let numbered = (3..=5).contains(&number.len()) && number.chars().all(|c| c.is_ascii_digit());
    let posix = [
        "ENOENT",
        "EACCES",
        "EPERM",
        "EEXIST",
        "ENOSPC",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "EADDRINUSE",
        "EPIPE",
        "EINVAL",
        "EIO",
    ];
    numbered || posix.contains(&word)
}

/// Length of the version that `text` begins with, such as `1.2`, `v3` or `2.0.0-rc.1`.
pub(super) fn version_length(text: &str) -> Option<usize> {
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let bytes = digits.as_bytes();
    let mut at = 0;
    let mut parts = 0;
    while at < bytes.len() && bytes[at].is_ascii_digit() {
        at += bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        parts += 1;
        if at + 1 < bytes.len() && bytes[at] == b'.' && bytes[at + 1].is_ascii_digit() {
            at += 1;
        } else {
            break;
        }
    }
    if parts == 0 || (parts == 1 && digits.len() == text.len()) {
        return None;
    }
    if at < bytes.len() && bytes[at] == b'-' && bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric) {
        let more = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'.';
        at += 1 + bytes[at + 1..].iter().take_while(more).count();
        while at > 0 && bytes[at - 1] == b'.' {
            at -= 1;
        }
    }
    let after = bytes.get(at).copied();
    let ends = !after.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    ends.then_some(at + text.len() - digits.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_they_look_like() {
        assert_eq!(options("-a, --all"), ["-a", "--all"]);
        assert_eq!(options("`-x`"), Vec::<&str>::new());
        assert_eq!(options("--name <string> | -n"), ["--name", "-n"]);
        assert!(is_program("apt-get") && is_program("./run.sh") && !is_program("if") && !is_program("--all"));
        assert_eq!(command_words("sudo A_B=1 make all"), ["make", "all"]);
        assert_eq!(
            (variable("HTTP_PROXY"), variable("PORT=1"), variable("GET")),
            (Some("HTTP_PROXY"), Some("PORT"), None)
        );
        assert!(
            is_settings_file("/etc/app/daemon.json")
                && is_settings_file("Dockerfile")
                && !is_settings_file("a b.json")
        );
        assert!(
            is_dotted_key("server.port")
                && !is_dotted_key("a.example.com")
                && !is_dotted_key("1.2.3")
                && !is_dotted_key("x.md")
        );
        assert!(
            is_error_code("E0716")
                && is_error_code("ORA-00942")
                && is_error_code("ERR_X")
                && !is_error_code("E")
        );
        let lengths = ["1.2", "v3", "2.0.0-rc.1.", "7", "1.2x", "v1.2.3, x"].map(version_length);
        assert_eq!(lengths, [Some(3), Some(2), Some(10), None, None, Some(6)]);
    }
}
