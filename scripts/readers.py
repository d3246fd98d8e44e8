"""Opens a lake with other people's readers: delta-rs, Polars and DuckDB have to see the same rows.

Run by `make test` with the Python environment of scripts/requirements.txt.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import polars as pl
from deltalake import DeltaTable

TARGET = Path(os.environ["CARGO_TARGET_DIR"]) / "debug"


def run(*command):
    # The program has to start without the libraries of this environment.
    env = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env)
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def equal(what, expect, found):
    if expect != found:
        sys.exit(f"{what}: expected {expect}, found {found}")
    print(f"{what}: {found}")


def check(scratch):
    run(TARGET / "xtask", "demo-data", "--out", scratch / "sample", "--seed", 2, "--size", "1MB", "--damage")
    expected = json.loads((scratch / "sample/expected.json").read_text())
    data = scratch / "data"
    # Two commits, so that readers meet a log and not a single file.
    recordings = scratch / "sample/recordings"
    run(TARGET / "stele", "ingest", recordings / "games", "--data-dir", data, "--no-embed", "--json")
    run(TARGET / "stele", "ingest", recordings, "--data-dir", data, "--no-embed", "--json")
    own = json.loads(
        run(TARGET / "stele", "sql", "SELECT count(*) AS n, sum(byte_len)::BIGINT AS b FROM events",
            "--data-dir", data, "--format", "jsonl").splitlines()[-1]
    )
    equal("stele, rows", expected["records"], own["n"])

    events = data / "lake/events"
    table = DeltaTable(str(events))
    frame = pl.scan_delta(str(events)).select("event_type", "raw", "byte_len", "doc_type", "date").collect()
    equal("Polars, rows", own["n"], frame.height)
    equal("Polars, bytes", own["b"], frame["byte_len"].sum())
    equal("Polars, events", expected["events"], dict(sorted(frame["event_type"].value_counts().iter_rows())))
    files = table.file_uris()
    rows = sum(action["num_records"] for action in pl.DataFrame(table.get_add_actions(flatten=True)).to_dicts())
    equal("delta-rs, rows in the log", own["n"], rows)
    # DuckDB's own Delta extension is fetched at run time; its Parquet reader is built in.
    query = "SELECT count(*), sum(byte_len)::BIGINT, count(DISTINCT doc_type) FROM read_parquet(?, hive_partitioning = true)"
    n, b, doc_types = duckdb.execute(query, [files]).fetchone()
    equal("DuckDB, rows", own["n"], n)
    equal("DuckDB, bytes", own["b"], b)
    equal("DuckDB, doc types", frame["doc_type"].n_unique(), doc_types)

    rejected = pl.scan_delta(str(data / "lake/quarantine")).filter(pl.col("class") == "rejected").collect()
    equal("Polars, rejected lines", expected["quarantined"], rejected.height)
    inputs = pl.scan_delta(str(data / "lake/files")).collect()
    equal("Polars, inputs", len(expected["files"]), inputs["uri"].n_unique())


scratch = Path(tempfile.mkdtemp())
try:
    check(scratch)
finally:
    shutil.rmtree(scratch)
