//! Real stores of vectors, graphs and objects, and a real Redis, each on a free port of the loopback and in a directory of its own, gone with the
//! test.

#![allow(clippy::unwrap_used, reason = "a test ends where it breaks")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub use stele_http::Method;
use stele_http::{Client, ClientConfig, Key, Pace, Secret, never};

/// How often a port is tried that somebody else may have taken meanwhile.
const PORTS_MAX: usize = 5;

/// What kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Chroma, a Python program.
    Chroma,
    /// Qdrant.
    Qdrant,
    /// ArcadeDB, a Java program: a graph database that speaks Bolt as Neo4j does.
    ArcadeDb,
    /// Redis, which writes down everything before it answers.
    Redis,
    /// SeaweedFS, which speaks S3. A bucket is made by the first object in it.
    S3,
}

/// The only key of the S3 server, and its id.
pub const S3_ACCESS_KEY: &str = "key";
/// See [`S3_ACCESS_KEY`].
pub const S3_SECRET_KEY: &str = "geheim-geheim";

/// Who may do what there: everything, with that key.
const S3_IDENTITIES: &str = r#"{"identities": [{"name": "test", "actions": ["Admin", "Read", "List", "Write"],
    "credentials": [{"accessKey": "key", "secretKey": "geheim-geheim"}]}]}"#;

/// The only user of ArcadeDB, its password, and the database that it begins with.
pub const GRAPH_USER: &str = "root";
/// See [`GRAPH_USER`].
pub const GRAPH_PASSWORD: &str = "geheim-geheim";
/// See [`GRAPH_USER`].
pub const GRAPH_DATABASE: &str = "graph";

/// Both, as HTTP has them.
const GRAPH_LOGIN: &str = "Basic cm9vdDpnZWhlaW0tZ2VoZWlt";

/// A server that can be killed, and started again where it was.
pub struct Server {
    /// Such as `http://127.0.0.1:40123`, or `bolt://127.0.0.1:40123`.
    pub url: String,
    /// Where it speaks HTTP, if it does not at `url`.
    side_url: Mutex<Option<String>>,
    kind: Store,
    program: PathBuf,
    port: u16,
    dir: tempfile::TempDir,
    child: Mutex<Option<Child>>,
}

impl Server {
    /// A server of this kind, or nothing where its program is not installed, which is said loudly, and
    /// where it must not be missing is a failure.
    pub fn start(kind: Store) -> Option<Server> {
        let program = program(kind)?;
        for _ in 0..PORTS_MAX {
            let port = free_port();
            let scheme = match kind {
                Store::ArcadeDb => "bolt",
                Store::Redis => "redis",
                Store::Chroma | Store::Qdrant | Store::S3 => "http",
            };
            let (url, program) = (format!("{scheme}://127.0.0.1:{port}"), program.clone());
            let (dir, child, side_url) = (tempfile::tempdir().unwrap(), Mutex::default(), Mutex::default());
            let server = Server { url, side_url, kind, program, port, dir, child };
            if server.up() {
                return Some(server);
            }
        }
        panic!("{} does not start on any of {PORTS_MAX} ports", program.display());
    }

    /// Starts it again on the same port and the same directory.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&self) {
        assert!(self.up(), "{kind:?} does not start again", kind = self.kind);
    }

    /// As by `kill -9`: it has no time for anything.
    ///
    /// # Panics
    ///
    /// If the process cannot be ended.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// As by `kill -STOP`: connections stay open, new ones are taken, and nothing is answered. [`Server::thaw`] lets it
    /// go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// What was asked meanwhile is answered.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let number = self.child.lock().unwrap().as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &number]).status().unwrap().success());
    }

    fn up(&self) -> bool {
        self.kill();
        let log = || Stdio::from(File::create(self.dir.path().join("said")).unwrap());
        let mut command = Command::new(&self.program);
        match self.kind {
            Store::Chroma => command
                .arg("run")
                .args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--path", "data"])
                .env("ANONYMIZED_TELEMETRY", "False"),
            Store::Qdrant => command
                .env("QDRANT__SERVICE__HOST", "127.0.0.1")
                .env("QDRANT__SERVICE__HTTP_PORT", self.port.to_string())
                // It listens there too, and nobody may be in its way.
                .env("QDRANT__SERVICE__GRPC_PORT", free_port().to_string())
                .env("QDRANT__TELEMETRY_DISABLED", "true"),
            Store::Redis => command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]).args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ]),
            Store::S3 => {
                std::fs::write(self.dir.path().join("s3.json"), S3_IDENTITIES).unwrap();
                // Four servers in one, each with a second port that would be 10,000 above the first.
                let parts = ["master", "volume", "filer"];
                let ports = parts.map(|part| format!("-{part}.port={}", free_port()));
                let second = ["master", "volume", "filer", "s3"];
                let second = second.map(|part| format!("-{part}.port.grpc={}", free_port()));
                command
                    .args(["server", "-dir=.", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=4"])
                    .args(["-master.volumeSizeLimitMB=64", "-filer.localSocket=filer.sock"])
                    .args(["-s3", "-s3.config=s3.json", "-s3.localSocket=s3.sock"])
                    .args(["-s3.port.iceberg=0", "-s3.port.lance=0"])
                    .arg(format!("-s3.port={}", self.port))
                    .args(ports)
                    .args(second)
            }
            Store::ArcadeDb => {
                // It is ready when it says so over HTTP.
                let side = free_port();
                *self.side_url.lock().unwrap() = Some(format!("http://127.0.0.1:{side}"));
                let jars = self.program.ancestors().nth(3).unwrap().join("jars/*");
                let settings = [
                    format!("server.rootPath={}", self.dir.path().display()),
                    format!("server.rootPassword={GRAPH_PASSWORD}"),
                    format!("server.defaultDatabases={GRAPH_DATABASE}[{GRAPH_USER}]"),
                    "server.plugins=Bolt:com.arcadedb.bolt.BoltProtocolPlugin".to_owned(),
                    format!("server.httpIncomingPort={side}"),
                    "server.httpIncomingHost=127.0.0.1".to_owned(),
                    format!("bolt.port={}", self.port),
                    "bolt.host=127.0.0.1".to_owned(),
                ];
                command
                    // It would take a quarter of the machine, and there are several at a time.
                    .args([
                        "-Xmx384m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-Djava.awt.headless=true",
                    ])
                    .args(["--add-modules", "jdk.incubator.vector"])
                    .args(settings.map(|setting| format!("-Darcadedb.{setting}")))
                    .arg("-cp")
                    .arg(jars)
                    .arg("com.arcadedb.server.ArcadeDBServer")
            }
        };
        let child = command.current_dir(self.dir.path()).stdin(Stdio::null()).stdout(log()).stderr(log());
        *self.child.lock().unwrap() = Some(child.spawn().unwrap());
        let ready = match self.kind {
            Store::Chroma => "/api/v2/heartbeat",
            Store::Qdrant => "/readyz",
            Store::ArcadeDb => "/api/v1/ready",
            Store::Redis => return self.answers_to_ping(),
            Store::S3 => "/healthz",
        };
        // A minute: Python and Java have a slow start beside a compiler.
        let patient =
            ClientConfig { tries_max: 1200, backoff_ms: 50, backoff_ms_max: 50, ..ClientConfig::default() };
        let client = self.client(patient);
        let answers = client.send(Method::Get, ready, None, &|| !self.runs()).is_ok();
        answers && self.runs()
    }

    /// Redis speaks no HTTP.
    fn answers_to_ping(&self) -> bool {
        let started = Instant::now();
        while self.runs() && started.elapsed() < Duration::from_secs(60) {
            let said = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
                let mut said = [0; 5];
                stream.write_all(b"PING\r\n")?;
                stream.read_exact(&mut said)?;
                Ok(said)
            });
            if said.is_ok_and(|said| &said == b"+PONG") {
                return self.runs();
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        false
    }

    fn runs(&self) -> bool {
        matches!(self.child.lock().unwrap().as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    /// Asks it something directly, past the code under test.
    ///
    /// # Panics
    ///
    /// If it does not answer with JSON.
    pub fn ask(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> serde_json::Value {
        let client = self.client(ClientConfig::default());
        let body = body.map(|body| body.to_string().into_bytes());
        serde_json::from_slice(&client.send(method, path, body, &never).unwrap().body).unwrap()
    }

    /// Asks a graph database in Cypher, past the code under test; gives its rows.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub fn cypher(&self, question: &str) -> Vec<serde_json::Value> {
        let body = serde_json::json!({ "language": "cypher", "command": question });
        let said = self.ask(Method::Post, &format!("/api/v1/command/{GRAPH_DATABASE}"), Some(body));
        said["result"].as_array().unwrap().clone()
    }

    fn client(&self, config: ClientConfig) -> Client {
        let side = self.side_url.lock().unwrap().clone();
        let key = side.as_ref().map(|_| Key::Header("authorization", Secret::new(GRAPH_LOGIN)));
        let url = side.unwrap_or_else(|| self.url.clone());
        Client::new(&url, config, key, Arc::new(Watch::default())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Time as it passes.
struct Watch(Instant);

impl Default for Watch {
    fn default() -> Self {
        Watch(Instant::now())
    }
}

impl Pace for Watch {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        std::thread::park_timeout(time);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test has no configuration and no log")]
fn program(kind: Store) -> Option<PathBuf> {
    let variable = match kind {
        Store::Chroma => "STELE_TEST_CHROMA",
        Store::Qdrant => "STELE_TEST_QDRANT",
        Store::ArcadeDb => "STELE_TEST_ARCADEDB",
        Store::Redis => "STELE_TEST_REDIS",
        Store::S3 => "STELE_TEST_S3",
    };
    let path = std::env::var_os(variable).map(PathBuf::from).filter(|path| Path::is_file(path));
    if path.is_none() {
        let missing = format!("{variable} has to name the program that `make setup-test` brings");
        assert!(std::env::var_os("CI").is_none(), "{missing}");
        eprintln!("SKIPPED, NOTHING TESTED: {missing}");
    }
    path
}
