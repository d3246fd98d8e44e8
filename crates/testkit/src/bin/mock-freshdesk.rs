//! The help desk of the tests as a program: `mock-freshdesk --port 8090 --tickets 100000`. It prints where it listens
//! and how to ask it, and runs until it is stopped.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]

use std::process::ExitCode;
use std::sync::Arc;

use stele_testkit::freshdesk::{Fault, Knobs, MockFreshdesk, Real, RetryAfter, Wrong};

const HELP: &str = "\
mock-freshdesk: a help desk like Freshdesk on this machine

  --port N               where it listens (0, any free port)
  --key TEXT             the key that is accepted (mock-key-1)
  --seed N               what all words come from (1)
  --tickets N            tickets (100)
  --conversations N      messages of each ticket (3)
  --step-s N             seconds between the changes of two tickets (600)
  --same FIRST,COUNT     tickets that share one time
  --spam-every N         every n-th ticket is spam
  --deleted-every N      every n-th ticket is deleted
  --drift LISTS,ID,…     after so many lists of tickets, these change
  --limit N              credits a minute
  --list-limit N         lists of tickets a minute, told by no header
  --external N           percent of the limit that others use
  --retry-after FORM     7 (seconds), date:7, or absent
  --fault PATH,AFTER,TIMES,WRONG
                         requests whose path begins so go wrong, some later, so many (or `ever`): a status such as
                         503, html:502, close, limited, nothing-left, nothing. May be given more than once
  --folders LEVELS,N     levels of folders, and folders in each
  --articles N           articles of each folder (3)
  --draft-every N        the first of so many articles is a draft
  --no-subfolders        a plan without folders in folders
  --contacts N           contacts (5)
  --contacts-alike N     so many neighbours among them share one time (1)
  --contacts-newest-first
                         those that changed last stand first
  --entries N            agents, groups, companies … (3)
  --attachments N        files of each ticket
  --conversation-attachments N
                         files of each message
  --expired              the address of a file that is told first has expired
  --files-redirect       the host of the files sends on once
  --inline-images        tickets show a picture
  --latency-ms N         milliseconds for each answer
  --no-link              a next page is not told in `Link`
  --offset               times are written with +05:30

GET /_mock/log says what was asked; GET /_mock/put/ID/live|spam|deleted changes a ticket.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match read(&arguments).and_then(|(port, knobs)| serve(port, knobs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("mock-freshdesk: {reason}; --help says what there is");
            ExitCode::from(2)
        }
    }
}

fn serve(port: u16, knobs: Knobs) -> Result<(), String> {
    let key = knobs.key.clone();
    let mock = MockFreshdesk::start_at(&format!("127.0.0.1:{port}"), knobs, Arc::new(Real::default()))
        .map_err(|error| format!("nobody may listen at port {port}: {error}"))?;
    println!("{}", mock.url);
    println!("files: {}", mock.files_url);
    println!("try: curl -u {key}:X '{}/api/v2/tickets?updated_since=1970-01-01T00:00:00Z'", mock.url);
    loop {
        std::thread::park();
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{name} wants a number and not {text:?}"))
}

fn two(name: &str, text: &str) -> Result<(u64, u64), String> {
    let (a, b) = text.split_once(',').ok_or_else(|| format!("{name} wants two numbers such as 3,5"))?;
    Ok((number(name, a)?, number(name, b)?))
}

fn retry_after(text: &str) -> Result<RetryAfter, String> {
    Ok(match text.split_once(':') {
        Some(("date", seconds)) => RetryAfter::Date(number("--retry-after", seconds)?),
        _ if text == "absent" => RetryAfter::Absent,
        _ => RetryAfter::Seconds(number("--retry-after", text)?),
    })
}

fn fault(text: &str) -> Result<Fault, String> {
    let parts: Vec<&str> = text.rsplitn(4, ',').collect();
    let [wrong, times, after, path] = parts.as_slice() else {
        return Err("--fault wants PATH,AFTER,TIMES,WRONG such as /tickets?,39,ever,500".to_owned());
    };
    let wrong = match *wrong {
        "close" => Wrong::Close,
        "limited" => Wrong::Limited(RetryAfter::Seconds(7)),
        "nothing-left" => Wrong::NothingLeft,
        "nothing" => Wrong::Nothing,
        status => match status.strip_prefix("html:") {
            Some(status) => Wrong::Html(number("--fault", status)?),
            None => Wrong::Status(number("--fault", status)?),
        },
    };
    let times = if *times == "ever" { usize::MAX } else { number("--fault", times)? };
    Ok(Fault { path: (*path).to_owned(), after: number("--fault", after)?, times, wrong })
}

fn read(arguments: &[String]) -> Result<(u16, Knobs), String> {
    let (mut port, mut knobs) = (0, Knobs::default());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let (name, mut given) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            given
                .take()
                .or_else(|| rest.next().map(String::as_str))
                .ok_or_else(|| format!("{name} wants a value"))
        };
        match name {
            "--port" => port = number(name, value()?)?,
            "--key" => knobs.key = value()?.to_owned(),
            "--seed" => knobs.seed = number(name, value()?)?,
            "--tickets" => knobs.tickets = number(name, value()?)?,
            "--conversations" => knobs.conversations = number(name, value()?)?,
            "--step-s" => knobs.step_s = number(name, value()?)?,
            "--same" => knobs.same_timestamp = Some(two(name, value()?)?),
            "--spam-every" => knobs.spam_every = number(name, value()?)?,
            "--deleted-every" => knobs.deleted_every = number(name, value()?)?,
            "--drift" => {
                let all: Result<Vec<u64>, String> =
                    value()?.split(',').map(|text| number(name, text)).collect();
                let mut all = all?;
                let tickets = all.split_off(1.min(all.len()));
                knobs.drift =
                    Some((usize::try_from(all.first().copied().unwrap_or(1)).unwrap_or(1), tickets));
            }
            "--limit" => knobs.limit_per_minute = Some(number(name, value()?)?),
            "--list-limit" => knobs.list_limit_per_minute = Some(number(name, value()?)?),
            "--external" => knobs.external_percent = number(name, value()?)?,
            "--retry-after" => knobs.retry_after = retry_after(value()?)?,
            "--fault" => knobs.faults.push(fault(value()?)?),
            "--folders" => {
                let (levels, breadth) = two(name, value()?)?;
                (knobs.folder_levels, knobs.folder_breadth) = (u32::try_from(levels).unwrap_or(3), breadth);
            }
            "--articles" => knobs.articles = number(name, value()?)?,
            "--draft-every" => knobs.draft_every = number(name, value()?)?,
            "--no-subfolders" => knobs.subfolders = false,
            "--contacts" => knobs.contacts = number(name, value()?)?,
            "--contacts-alike" => knobs.contacts_alike = number(name, value()?)?,
            "--contacts-newest-first" => knobs.contacts_newest_first = true,
            "--entries" => knobs.entries = number(name, value()?)?,
            "--attachments" => knobs.attachments = number(name, value()?)?,
            "--conversation-attachments" => knobs.conversation_attachments = number(name, value()?)?,
            "--expired" => knobs.first_url_expired = true,
            "--files-redirect" => knobs.files_redirect = true,
            "--inline-images" => knobs.inline_images = true,
            "--latency-ms" => knobs.latency_ms = number(name, value()?)?,
            "--no-link" => knobs.link = false,
            "--offset" => knobs.offset = true,
            _ => return Err(format!("there is no {name}")),
        }
    }
    Ok((port, knobs))
}
