//! Servers of Bolt that are busy, refuse, lie and fall silent: a small one plays them, byte by byte.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use stele_http::{ClientConfig, Secret, Still};
use stele_model::ErrorKind;
use stele_sinks::{
    GraphParity, GraphSink, SinkConfig, SinkError, SinkKind, WantedNodes, never, verify_graph,
};

use crate::rig::config;

const PASSWORD: &str = "geheim-geheim";

/// What a comparison with nothing asks: whose the nodes of four labels are, which nodes, and which edges.
const QUESTIONS: usize = 4 + 4 + 1;

/// What is answered to one message.
#[derive(Clone)]
enum Answer {
    /// It is done.
    Fine,
    /// A failure with this code.
    Fail(&'static str),
    /// These bytes as they are, then the end.
    Say(&'static [u8]),
    /// Nothing.
    Mute,
    /// No row for now, and there is more to be asked for.
    More,
    /// One empty chunk after the other, as if something were about to come.
    Drip,
}

/// The tags of the messages that a client sends.
const HELLO: u8 = 0x01;
const LOGON: u8 = 0x6a;
const RUN: u8 = 0x10;
const PULL: u8 = 0x3f;

/// A server that agrees on `version` and plays `script` (tag, number of the message with that tag).
struct Fake {
    url: String,
    /// Everything that it was sent.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Fake {
    fn new(version: [u8; 4], script: impl Fn(u8, usize) -> Answer + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("bolt://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let hears = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A connection that breaks off is the client's business.
                let _ = serve(stream, version, &script, &hears);
            }
        });
        Fake { url, heard }
    }

    fn count(&self, tag: u8) -> usize {
        self.heard.lock().unwrap().iter().filter(|message| message[1] == tag).count()
    }
}

fn serve(
    mut stream: TcpStream,
    version: [u8; 4],
    script: &dyn Fn(u8, usize) -> Answer,
    heard: &Mutex<Vec<Vec<u8>>>,
) -> std::io::Result<()> {
    let mut greeting = [0; 20];
    stream.read_exact(&mut greeting)?;
    assert_eq!(greeting[..4], [0x60, 0x60, 0xb0, 0x17]);
    stream.write_all(&version)?;
    loop {
        let mut message = Vec::new();
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let length = usize::from(u16::from_be_bytes(length));
            if length == 0 {
                break;
            }
            let begin = message.len();
            message.resize(begin + length, 0);
            stream.read_exact(&mut message[begin..])?;
        }
        let tag = message[1];
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(message);
            heard.iter().filter(|message| message[1] == tag).count()
        };
        match script(tag, number) {
            Answer::Fine => stream.write_all(b"\0\x03\xb1\x70\xa0\0\0")?,
            Answer::More => stream.write_all(b"\0\x0d\xb1\x70\xa1\x88has_more\xc3\0\0")?,
            Answer::Fail(code) => {
                let said = format!("{PASSWORD} is\n wrong");
                let mut body = vec![0xb1, 0x7f, 0xa2, 0x84];
                body.extend(b"code\xd0");
                body.push(code.len() as u8);
                body.extend(code.as_bytes());
                body.extend(b"\x87message\xd0");
                body.push(said.len() as u8);
                body.extend(said.as_bytes());
                stream.write_all(&(body.len() as u16).to_be_bytes())?;
                stream.write_all(&body)?;
                stream.write_all(&[0, 0])?;
            }
            Answer::Say(bytes) => {
                stream.write_all(bytes)?;
                return Ok(());
            }
            Answer::Mute => {}
            Answer::Drip => loop {
                stream.write_all(&[0, 0])?;
                std::thread::park_timeout(std::time::Duration::from_millis(1));
            },
        }
    }
}

const NEWEST: [u8; 4] = [0, 0, 4, 5];

fn ask(url: &str, http: ClientConfig) -> Result<GraphParity, SinkError> {
    let config = SinkConfig { collection: String::new(), http, ..config(SinkKind::Neo4j, url) };
    let sink = GraphSink::open(&config, Some(Secret::new(PASSWORD)), Arc::new(Still::default())).unwrap();
    verify_graph(&sink, &WantedNodes::new("lake 7"), &never)
}

fn patient(tries_max: u32) -> ClientConfig {
    ClientConfig { tries_max, timeout_ms_max: 200, ..ClientConfig::default() }
}

#[test]
fn each_version_is_logged_on_to_in_its_way() {
    // Since 5.1 the password has a message of its own.
    for (version, logons) in [(NEWEST, 1), ([0, 0, 1, 5], 1), ([0, 0, 0, 5], 0), ([0, 0, 4, 4], 0)] {
        let fake = Fake::new(version, |_, _| Answer::Fine);
        assert!(ask(&fake.url, patient(1)).unwrap().holds());
        assert_eq!((fake.count(HELLO), fake.count(LOGON)), (1, logons), "{version:?}");
        assert_eq!((fake.count(RUN), fake.count(PULL)), (QUESTIONS, QUESTIONS));
        let carries = if logons == 1 { LOGON } else { HELLO };
        let heard = fake.heard.lock().unwrap();
        let secret = |message: &&Vec<u8>| message.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes());
        let tags: Vec<u8> = heard.iter().filter(secret).map(|message| message[1]).collect();
        assert_eq!(tags, [carries], "the password goes where it belongs, and nowhere else");
    }
}

#[test]
fn all_that_there_is_is_asked_for() {
    let fake = Fake::new(NEWEST, |tag, number| match (tag, number) {
        (PULL, 1 | 2) => Answer::More,
        _ => Answer::Fine,
    });
    assert!(ask(&fake.url, patient(1)).unwrap().holds());
    assert_eq!((fake.count(RUN), fake.count(PULL)), (QUESTIONS, QUESTIONS + 2));
}

#[test]
fn what_may_pass_is_asked_again() {
    const BUSY: &str = "Neo.TransientError.Transaction.LockClientStopped";
    for failing in [Answer::Fail(BUSY), Answer::Say(b"\0\x03\xb1"), Answer::Mute, Answer::Drip] {
        let once = failing.clone();
        let fake = Fake::new(NEWEST, move |tag, number| match (tag, number) {
            (RUN, 2) => once.clone(),
            _ => Answer::Fine,
        });
        assert!(ask(&fake.url, patient(2)).unwrap().holds());
        assert_eq!((fake.count(HELLO), fake.count(RUN)), (2, QUESTIONS + 1), "on a new connection");
        let fake = Fake::new(NEWEST, move |tag, _| if tag == RUN { failing.clone() } else { Answer::Fine });
        let error = ask(&fake.url, patient(3)).unwrap_err();
        assert_eq!((error.kind(), fake.count(RUN)), (ErrorKind::Retry, 3), "{error}");
        assert!(stele_model::error::in_full(&error).contains("(3 tries)"), "{error}");
    }
}

#[test]
fn what_will_not_pass_is_told_at_once() {
    let check = |version, at: u8, answer: Answer, kind, says: &[&str]| {
        let fake = Fake::new(version, move |tag, _| if tag == at { answer.clone() } else { Answer::Fine });
        let error = ask(&fake.url, patient(5)).unwrap_err();
        let said = stele_model::error::in_full(&error);
        assert!(says.iter().all(|part| said.contains(part)), "{said}");
        assert!(!said.contains("geheim") && said.contains("the graph in its default database"), "{said}");
        assert_eq!((error.kind(), fake.count(at).min(2)), (kind, usize::from(at != 0)), "{said}");
    };
    const DENIED: &str = "Neo.ClientError.Security.Unauthorized";
    const FORBIDDEN: &str = "Neo.ClientError.Security.Forbidden";
    let fix = ErrorKind::Fix;
    check(NEWEST, LOGON, Answer::Fail(DENIED), fix, &[DENIED, "*** is wrong", "password right"]);
    check(NEWEST, RUN, Answer::Fail(FORBIDDEN), fix, &["may this user write"]);
    let report = ErrorKind::Report;
    check(*b"HTTP", 0, Answer::Fine, report, &["does not speak Bolt"]);
    check([0; 4], 0, Answer::Fine, report, &["none of the versions"]);
    check(NEWEST, RUN, Answer::Say(b"\0\x02\xb0\x55\0\0"), report, &["tag 0x55"]);
    check(NEWEST, RUN, Answer::Say(b"\0\x01\xc0\0\0"), report, &["no message"]);
    check(NEWEST, RUN, Answer::Say(b"\0\x02\xb1\xd2\0\0"), report, &["cut off"]);
    check(NEWEST, RUN, Answer::Say(b"\0\x02\xb0\x7e\0\0"), report, &["ignored"]);
    check(NEWEST, RUN, Answer::Say(b"\0\x04\xb1\x71\x91\x01\0\0"), report, &["before it has taken"]);
    check(
        NEWEST,
        PULL,
        Answer::Say(b"\0\x04\xb1\x71\x91\x01\0\0"),
        report,
        &["column 0 of a row is no text"],
    );
}

#[test]
fn an_answer_without_end_is_not_read() {
    let fake = Fake::new(NEWEST, |tag, _| match tag {
        RUN => Answer::Say(&[0x7f; 70_000]),
        _ => Answer::Fine,
    });
    let error = ask(&fake.url, ClientConfig { answer_bytes_max: 40_000, ..patient(1) }).unwrap_err();
    assert!(error.to_string().contains("more than 40000 bytes"), "{error}");
}
