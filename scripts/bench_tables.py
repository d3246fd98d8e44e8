#!/usr/bin/env python3
"""Reads a table of 25 columns and a million rows by `measure`, dlt and ConnectorX, each in a process of its own, and
prints rows per second, rows per second of processor, and memory.

    scripts/bench_tables.py MEASURE [ROWS [postgresql|mysql|sqlite…]]

MEASURE is the built example (`cargo build --release -p stele-tables --example rows`). Python is that of
`make bench`'s set-up ($STELE_CACHE/venv-sqlbench). `measure` writes every record as JSON to a file; the others only
hand rows to Python: what they would do with them comes on top.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROWS = 1_000_000
COLUMNS = {
    "postgresql": "id bigint PRIMARY KEY, updated_at timestamptz NOT NULL, "
    + ", ".join(f"i{n} bigint" for n in range(5))
    + ", " + ", ".join(f"f{n} double precision" for n in range(4))
    + ", " + ", ".join(f"t{n} text" for n in range(7))
    + ", n0 numeric(18,4), n1 numeric(18,4), b0 boolean, d0 date, ts0 timestamp, u0 uuid, none text",
    "mysql": "id bigint PRIMARY KEY, updated_at datetime(6) NOT NULL, "
    + ", ".join(f"i{n} bigint" for n in range(5))
    + ", " + ", ".join(f"f{n} double" for n in range(4))
    + ", " + ", ".join(f"t{n} text" for n in range(7))
    + ", n0 decimal(18,4), n1 decimal(18,4), b0 tinyint, d0 date, ts0 datetime, u0 char(36), none text",
}
COLUMNS["sqlite"] = COLUMNS["mysql"].replace("bigint PRIMARY", "INTEGER PRIMARY").replace("datetime(6)", "datetime")
NUMBERS = {
    "postgresql": "SELECT g AS n FROM generate_series(1::bigint, {rows}) g",
    "mysql": "SELECT seq AS n FROM seq_1_to_{rows}",
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) SELECT n FROM s",
}
VALUES = {
    "postgresql": "n, timestamptz '2024-01-01 00:00:00+00' + n * interval '1 second', n, n*7, n*1000003, -n, n%10, n/7.0, n/3.0, "
    "n*1.5, -n/11.0, 'a short text', 'row number '||n, repeat('x', 60), 'with \"quotes\" in it', 'ünïcode '||n, '', "
    "'ORDER-'||n, n/13.0, n*0.0001, n%2=0, date '2024-01-01' + (n%365)::int, timestamp '2024-01-01' + n * interval '1 minute', "
    "('00000000-0000-0000-0000-'||lpad(n::text, 12, '0'))::uuid, NULL",
    "mysql": "n, '2024-01-01' + INTERVAL n SECOND, n, n*7, n*1000003, -n, n%10, n/7.0, n/3.0, n*1.5, -n/11.0, 'a short text', "
    "CONCAT('row number ', n), REPEAT('x', 60), 'with \"quotes\" in it', CONCAT('ünïcode ', n), '', CONCAT('ORDER-', n), "
    "n/13.0, n*0.0001, n%2, DATE('2024-01-01') + INTERVAL n%365 DAY, '2024-01-01' + INTERVAL n MINUTE, "
    "CONCAT('00000000-0000-0000-0000-', LPAD(n, 12, '0')), NULL",
    "sqlite": "n, datetime('2024-01-01', n||' seconds'), n, n*7, n*1000003, -n, n%10, n/7.0, n/3.0, n*1.5, -n/11.0, 'a short text', "
    "'row number '||n, printf('%060d', n), 'with \"quotes\" in it', 'ünïcode '||n, '', 'ORDER-'||n, n/13.0, n*0.0001, n%2, "
    "date('2024-01-01', (n%365)||' days'), datetime('2024-01-01', n||' minutes'), "
    "'00000000-0000-0000-0000-'||printf('%012d', n), NULL",
}

DLT = """
import sys, os
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
from dlt.sources.sql_database import sql_table
url, backend = sys.argv[1:]
rows = 0
extra = {"backend_kwargs": {"return_type": "arrow", "conn": sys.argv[1].replace("+psycopg2", "").replace("+pymysql", "")}} if backend == "connectorx" else {}
for part in sql_table(url, "bench", backend=backend, chunk_size=50_000, **extra):
    rows += 1 if isinstance(part, dict) else len(part)
print(rows)
"""

CONNECTORX = """
import sys
import connectorx
print(connectorx.read_sql(sys.argv[1], "SELECT * FROM bench", return_type="arrow").num_rows)
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(1)
                return
        time.sleep(0.1)
    sys.exit(f"nothing answers on port {port}")


def quiet(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stdout}{done.stderr}")


def postgres(home):
    program = pathlib.Path(os.environ["STELE_TEST_POSTGRES"]).resolve()
    port = free_port()
    drop = []
    if os.getuid() == 0:
        shutil.chown(home, "postgres", "postgres")
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    quiet(*drop, str(program.with_name("initdb")), "-D", f"{home}/pg", "-U", "postgres", "--no-sync", "--no-locale",
          "-E", "UTF8", "--auth=trust", cwd=home)
    server = subprocess.Popen([*drop, str(program), "-D", f"{home}/pg", "-h", "127.0.0.1", "-p", str(port), "-k", home,
                               "-c", "fsync=off", "-c", "max_wal_size=4GB", "-c", "shared_buffers=1GB"], cwd=home,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port)
    psql = [str(program.with_name("psql")), "-q", "-h", home, "-p", str(port), "-U", "postgres", "-c"]
    return server, f"postgresql://postgres:x@127.0.0.1:{port}/postgres", lambda sql: quiet(*psql, sql)


def mariadb(home):
    import pymysql
    program = pathlib.Path(os.environ["STELE_TEST_MARIADB"]).resolve()
    port = free_port()
    user = ["--user=root"] if os.getuid() == 0 else []
    prefix = program.parent.parent
    quiet(str(prefix / "bin/mariadb-install-db"), "--no-defaults", "--skip-test-db",
          "--auth-root-authentication-method=normal", f"--datadir={home}/my", f"--basedir={prefix}", *user)
    server = subprocess.Popen([str(program), "--no-defaults", f"--datadir={home}/my", f"--port={port}",
                               "--bind-address=127.0.0.1", f"--socket={home}/my.sock", f"--pid-file={home}/my.pid",
                               "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=1G", *user],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port)

    def run(sql):
        connection = pymysql.connect(unix_socket=f"{home}/my.sock", user="root", autocommit=True)
        with connection.cursor() as cursor:
            for statement in sql.split(";;"):
                cursor.execute(statement)
        connection.close()
    run("CREATE DATABASE shop;;CREATE USER 'bench'@'%' IDENTIFIED BY 'x';;GRANT ALL ON shop.* TO 'bench'@'%'")
    return server, f"mysql://bench:x@127.0.0.1:{port}/shop", lambda sql: run("USE shop;;" + sql)


def sqlite(home):
    import sqlite3

    def run(sql):
        connection = sqlite3.connect(f"{home}/bench.db")
        connection.execute(sql)
        connection.commit()
        connection.close()
    return None, f"sqlite:{home}/bench.db", run


def measured(command):
    """Rows, seconds, seconds of processor and peak memory of a process."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = child.stdout.read()
    complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    wall = time.monotonic() - started
    if status:
        return None, complaint.strip().splitlines()[-1:]
    last = said.strip().splitlines()[-1]
    rows = json.loads(last)
    rows = rows["rows"] if isinstance(rows, dict) else rows
    return (rows, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024), None


def main():
    measure, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else ROWS
    kinds = sys.argv[3:] or list(COLUMNS)
    print(f"{'database':11} {'reader':22} {'rows':>9} {'s':>7} {'cpu s':>7} {'rows/s':>9} {'rows/cpu s':>10} {'MiB':>6}")
    for kind, start in [("postgresql", postgres), ("mysql", mariadb), ("sqlite", sqlite)]:
        if kind not in kinds:
            continue
        with tempfile.TemporaryDirectory() as home:
            server, url, run = start(home)
            try:
                run(f"CREATE TABLE bench ({COLUMNS[kind]})")
                run(f"INSERT INTO bench SELECT {VALUES[kind]} FROM ({NUMBERS[kind].format(rows=rows)}) s")
                run("ANALYZE bench" if kind != "mysql" else "ANALYZE TABLE bench")
                alchemy = url.replace("postgresql:", "postgresql+psycopg2:").replace("mysql:", "mysql+pymysql:")
                alchemy = alchemy.replace("sqlite:", "sqlite:///")
                apart = url.replace("sqlite:", "sqlite://")
                contenders = {
                    "stele, by key": [measure, url, "bench", "-", f"{home}/out.jsonl"],
                    "stele, to nowhere": [measure, url, "bench", "-"],
                    "dlt sqlalchemy": [sys.executable, "-c", DLT, alchemy, "sqlalchemy"],
                    "dlt pyarrow": [sys.executable, "-c", DLT, alchemy, "pyarrow"],
                    "dlt connectorx": [sys.executable, "-c", DLT, alchemy, "connectorx"],
                    "connectorx to Arrow": [sys.executable, "-c", CONNECTORX, apart],
                }
                for name, command in contenders.items():
                    best = None
                    for _ in range(2):
                        found, complaint = measured(command)
                        if found is None:
                            break
                        best = min(best or found, found, key=lambda run: run[2])
                    if best is None:
                        print(f"{kind:11} {name:22} failed: {complaint}")
                        continue
                    count, wall, cpu, memory = best
                    print(f"{kind:11} {name:22} {count:9} {wall:7.2f} {cpu:7.2f} {count / wall:9.0f} {count / cpu:10.0f} {memory:6}",
                          flush=True)
            finally:
                if server:
                    server.send_signal(signal.SIGKILL)
                    server.wait()
                    time.sleep(1)


if __name__ == "__main__":
    main()
