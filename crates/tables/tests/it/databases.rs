//! Real servers, each on a free port of the loopback and in a directory of its own, gone with the test; and a file of
//! SQLite, which takes part in everything.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// How long a server may take to begin: a minute, beside compilers.
const START_MAX: Duration = Duration::from_secs(60);

/// Several servers at once: less memory and disk for each, and none of the events of which the system has few.
const MARIADB_SMALL: [&str; 3] =
    ["--innodb-use-native-aio=0", "--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M"];

/// The password of everybody. It stands in no error and no debug output.
pub const PASSWORD: &str = "geh@im:1/2";
const PASSWORD_IN_URL: &str = "geh%40im%3A1%2F2";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Postgres,
    MariaDb,
    Sqlite,
}

pub const ALL: [Kind; 3] = [Kind::Postgres, Kind::MariaDb, Kind::Sqlite];

pub struct Database {
    pub kind: Kind,
    pub port: u16,
    /// What the server is told beside that, when it starts.
    pub more: Mutex<Vec<String>>,
    pub dir: tempfile::TempDir,
    program: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Database {
    pub fn start(kind: Kind) -> Database {
        let program = match kind {
            Kind::Postgres => program("STELE_TEST_POSTGRES"),
            Kind::MariaDb => program("STELE_TEST_MARIADB"),
            Kind::Sqlite => PathBuf::new(),
        };
        let dir = tempfile::tempdir().unwrap();
        let (more, child) = (Mutex::default(), Mutex::default());
        let database = Database { kind, port: free_port(), more, dir, program, child };
        database.prepare();
        database.restart();
        match kind {
            Kind::Postgres => {
                database.run_on("postgres", "CREATE DATABASE shop");
                database.run(&format!("CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'"));
                database.run("GRANT pg_read_all_data TO reader");
            }
            Kind::MariaDb => {
                let user = format!("'reader'@'%' IDENTIFIED BY '{PASSWORD}'");
                database.run_on(
                    "",
                    &format!(
                        "CREATE DATABASE shop; CREATE USER {user}; GRANT SELECT ON shop.* TO 'reader'@'%'"
                    ),
                );
            }
            Kind::Sqlite => database.run("CREATE TABLE there (is_one INTEGER)"),
        }
        database
    }

    /// Where it is, for whoever reads.
    pub fn url(&self) -> String {
        self.url_by(self.port)
    }

    /// The same, by another port.
    pub fn url_by(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgresql://reader:{PASSWORD_IN_URL}@127.0.0.1:{port}/shop"),
            Kind::MariaDb => format!("mysql://reader:{PASSWORD_IN_URL}@127.0.0.1:{port}/shop"),
            Kind::Sqlite => format!("sqlite:{}", self.file().display()),
        }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("shop.db")
    }

    /// Runs statements as its owner, past the code under test.
    pub fn run(&self, sql: &str) {
        self.run_on("shop", sql);
    }

    fn run_on(&self, database: &str, sql: &str) {
        match self.kind {
            Kind::Postgres => {
                let mut psql = Command::new(self.program.with_file_name("psql"));
                psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h"]).arg(self.dir.path());
                psql.args(["-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
                // By a pipe: an argument could not be so long.
                let child = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let mut child = child.spawn().unwrap();
                child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
                let done = child.wait_with_output().unwrap();
                assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
            }
            Kind::MariaDb => {
                let socket = self.dir.path().join("socket");
                block_on(async {
                    let options = sqlx::mysql::MySqlConnectOptions::new()
                        .socket(socket)
                        .username("root")
                        .database(database)
                        .disable_statement_logging();
                    let mut connection = options.connect().await.unwrap();
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut connection)
                        .await
                        .unwrap_or_else(|e| panic!("{sql}: {e}"));
                    connection.close().await.unwrap();
                });
            }
            Kind::Sqlite => block_on(async {
                let options =
                    sqlx::sqlite::SqliteConnectOptions::new().filename(self.file()).create_if_missing(true);
                let mut connection = options.disable_statement_logging().connect().await.unwrap();
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .unwrap_or_else(|e| panic!("{sql}: {e}"));
                connection.close().await.unwrap();
            }),
        }
    }

    /// As by `kill -9`.
    pub fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, or starts it again where it was.
    pub fn restart(&self) {
        self.kill();
        let log = || Stdio::from(std::fs::File::create(self.dir.path().join("said")).unwrap());
        let data = self.dir.path().join("data");
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.as_server(&self.program);
                command.args(["-D"]).arg(&data).args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"]);
                command.arg(self.dir.path()).args(["-c", "fsync=off", "-c", "max_wal_size=4GB"]);
                command
            }
            Kind::MariaDb => {
                let mut command = Command::new(&self.program);
                command.args([
                    "--no-defaults",
                    "--character-set-server=utf8mb4",
                    "--bind-address=127.0.0.1",
                    // What is committed outlives the process, as tests kill it; not the machine.
                    "--innodb-flush-log-at-trx-commit=2",
                ]);
                command.args(MARIADB_SMALL);
                command.arg(format!("--datadir={}", data.display())).arg(format!("--port={}", self.port));
                // Of its own: others that run beside it would take its files for theirs.
                command.arg(format!("--tmpdir={}", self.dir.path().display()));
                command.arg(format!("--socket={}", self.dir.path().join("socket").display()));
                command.arg(format!("--pid-file={}", self.dir.path().join("pid").display()));
                if is_root() {
                    command.arg("--user=root");
                }
                command
            }
            Kind::Sqlite => return,
        };
        command.args(self.more.lock().unwrap().iter());
        let child = command.stdin(Stdio::null()).stdout(log()).stderr(log()).spawn().unwrap();
        *self.child.lock().unwrap() = Some(child);
        let started = Instant::now();
        while !self.answers() {
            let said = std::fs::read_to_string(self.dir.path().join("said")).unwrap_or_default();
            assert!(started.elapsed() < START_MAX, "{:?} does not start: {said}", self.kind);
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn answers(&self) -> bool {
        let reaches = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        reaches
            && match self.kind {
                Kind::Postgres => {
                    let mut ready = Command::new(self.program.with_file_name("pg_isready"));
                    ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
                    ready.status().unwrap().success()
                }
                _ => true,
            }
    }

    /// Makes its directory.
    fn prepare(&self) {
        let data = self.dir.path().join("data");
        let data = data.to_str().unwrap();
        match self.kind {
            Kind::Postgres => {
                if is_root() {
                    let id = |flag: &str| -> u32 {
                        let said = Command::new("id").args([flag, "postgres"]).output().unwrap();
                        String::from_utf8(said.stdout)
                            .unwrap()
                            .trim()
                            .parse()
                            .expect("there is a user postgres")
                    };
                    chown(self.dir.path(), Some(id("-u")), Some(id("-g"))).unwrap();
                }
                let mut initdb = self.as_server(&self.program.with_file_name("initdb"));
                initdb.args(["-D", data, "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8"]);
                initdb.args(["--auth-local=trust", "--auth-host=md5"]);
                must(initdb);
            }
            Kind::MariaDb => {
                let home = self.program.parent().and_then(Path::parent).unwrap();
                let mut install = Command::new(home.join("bin/mariadb-install-db"));
                install.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                install.args(MARIADB_SMALL);
                install.arg(format!("--datadir={data}")).arg(format!("--basedir={}", home.display()));
                if is_root() {
                    install.arg("--user=root");
                }
                must(install);
            }
            Kind::Sqlite => {}
        }
    }

    /// Makes a file one of the server's own, which nobody else may read.
    pub fn own(&self, file: &Path) {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
        if is_root() {
            let owner = std::fs::metadata(self.dir.path()).unwrap();
            chown(file, Some(owner.uid()), Some(owner.gid())).unwrap();
        }
    }

    /// PostgreSQL does not run as root.
    fn as_server(&self, program: &Path) -> Command {
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command.current_dir(self.dir.path());
        command
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.kill();
    }
}

fn must(mut command: Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

fn is_root() -> bool {
    let said = Command::new("id").arg("-u").output().unwrap();
    said.stdout.starts_with(b"0")
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where the links lead: the servers' own users may not look into the directory of the links.
#[allow(clippy::disallowed_methods, reason = "a test has no configuration")]
fn program(variable: &str) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.and_then(|path| std::fs::canonicalize(path).ok());
    found.unwrap_or_else(|| panic!("{variable} has to name the program that `make setup-test` brings"))
}
