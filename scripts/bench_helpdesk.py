#!/usr/bin/env python3
"""Collects a help desk by `stele ingest --source` and by dlt's REST source into Parquet, each in a process of its own, by
turns, from one `mock-freshdesk` without limits; prints rows, seconds, seconds of processor and memory.

    scripts/bench_helpdesk.py STELE MOCK [TICKETS [TICKETS_ALONE]]

STELE and MOCK are the built programs (`make bench-helpdesk` hands them over), Python is that of $STELE_CACHE/venv-sqlbench.
Each ticket has three messages, which both ask for ticket by ticket. With more than 30,000 tickets dlt goes without: a walk
from page to page is refused behind page 300, and then nothing of it is kept. Ours is measured with TICKETS_ALONE, too. A row whose
count is wrong says so.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

TICKETS = 10_000
TICKETS_ALONE = 100_000
MESSAGES = 3
# Requests at a time, of each tool.
WORKERS = 5
ROUNDS = 2
# As many as 300 pages of 100 hold; behind them the desk answers 400.
WALKED_MAX = 30_000
# How often memory is looked at.
LOOK_SECONDS = 0.05

# Memory that a collection may take, however much there is to collect.
PEAK_MIB_MAX = 300

DLT = """
import os, sys
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"
os.environ["EXTRACT__WORKERS"] = sys.argv[3]
import dlt
from dlt.sources.rest_api import rest_api_source
url, home = sys.argv[1:3]
source = rest_api_source({
    "client": {
        "base_url": url + "/api/v2/",
        "auth": {"type": "http_basic", "username": "mock-key-1", "password": "X"},
        "paginator": {"type": "header_link"},
    },
    "resources": [
        {"name": "tickets", "endpoint": {"path": "tickets", "params": {
            "per_page": 100, "updated_since": "1970-01-01T00:00:00Z", "order_by": "updated_at", "order_type": "asc",
            "include": "description,requester,stats"}}},
        {"name": "conversations", "parallelized": True, "endpoint": {
            "path": "tickets/{resources.tickets.id}/conversations", "params": {"per_page": 100}}},
    ],
}, max_table_nesting=0)
pipeline = dlt.pipeline("helpdesk", pipelines_dir=home + "/pipelines", dataset_name="desk",
                        destination=dlt.destinations.filesystem(bucket_url="file://" + home + "/out"))
pipeline.run(source, loader_file_format="parquet")
counts = pipeline.last_trace.last_normalize_info.row_counts
print(counts["tickets"] + counts["conversations"])
"""

CONFIG = """
[[sources]]
source_id = "desk"
source_type = "freshdesk"
domain = "{url}"
api_key = "${{DESK_KEY}}"
allow_insecure = true
streams = ["tickets", "conversations"]
include_removed = false
rate = {{ reserve = 0.0, credits_per_minute = 100000000, lists_per_minute = 100000000, workers = {workers} }}
"""


@contextlib.contextmanager
def desk(mock, tickets):
    serving = subprocess.Popen([mock, "--tickets", str(tickets), "--conversations", str(MESSAGES)],
                               stdout=subprocess.PIPE, text=True)
    try:
        yield serving.stdout.readline().strip()
    finally:
        serving.kill()
        serving.wait()


def measured(command, env):
    """What a process said, its seconds, those of processor, its peak memory and that of it which is no file, in MiB."""
    started = time.monotonic()
    anonymous = [0]
    with tempfile.TemporaryFile("w+") as complaint:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaint, text=True, env=env)

        def look():
            while True:
                try:
                    status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
                except OSError:
                    return
                now = [int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")]
                if not now:
                    return
                anonymous[0] = max(anonymous[0], now[0])
                time.sleep(LOOK_SECONDS)
        looking = threading.Thread(target=look)
        looking.start()
        said = child.stdout.read()
        looking.join()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        wall = time.monotonic() - started
        if status:
            complaint.seek(0)
            raise RuntimeError(complaint.read().strip()[-400:] or said[-400:])
    return said, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024, anonymous[0] // 1024


def by_stele(stele, url, home):
    pathlib.Path(home, "stele.toml").write_text(CONFIG.format(url=url, workers=WORKERS))
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    command = [stele, "--config", f"{home}/stele.toml", "--data-dir", f"{home}/data", "ingest", "--source", "desk",
               "--no-embed", "--json"]
    said, *figures = measured(command, {**env, "DESK_KEY": "mock-key-1"})
    told = next(line for line in map(json.loads, said.splitlines()) if "fetch_seconds" in line)
    rows = sum(stream["records"] for stream in told["streams"])
    split = [told[f"{name}_seconds"] for name in ("fetch", "limit", "normalise", "store")]
    return rows, *figures, split


def by_dlt(_, url, home):
    env = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    said, *figures = measured([sys.executable, "-c", DLT, url, home, str(WORKERS)], env)
    return int(said.strip().splitlines()[-1]), *figures, None


def show(name, tickets, run):
    """A line; gives whether all rows came, in as little memory as is allowed where that is ours."""
    rows, wall, cpu, peak, anonymous, split = run
    split = "" if split is None else "  fetch {:.1f} s, limit {:.1f} s, normalise {:.1f} s, store {:.1f} s".format(*split)
    wrong = "" if rows == tickets * (1 + MESSAGES) else f"  WRONG: {tickets * (1 + MESSAGES)} were there"
    if name == "stele" and peak >= PEAK_MIB_MAX:
        wrong += f"  TOO MUCH MEMORY: {PEAK_MIB_MAX} MiB are allowed"
    print(f"{name:6} {tickets:8} {rows:9} {wall:7.1f} {cpu:7.1f} {rows / wall:8.0f} {rows / cpu:10.0f} {peak:8} {anonymous:9}"
          f"{split}{wrong}", flush=True)
    return not wrong


def main():
    stele, mock = sys.argv[1:3]
    tickets = int(sys.argv[3]) if len(sys.argv) > 3 else TICKETS
    alone = int(sys.argv[4]) if len(sys.argv) > 4 else TICKETS_ALONE
    tools = {"stele": by_stele, "dlt": by_dlt}
    print(f"{'tool':6} {'tickets':>8} {'rows':>9} {'s':>7} {'cpu s':>7} {'rows/s':>8} {'rows/cpu s':>10} {'peak MiB':>8} "
          f"{'anon MiB':>9}")
    if tickets > WALKED_MAX:
        print(f"dlt is left out: a walk from page to page is refused behind {WALKED_MAX} tickets, and keeps nothing")
        del tools["dlt"]
    best = {}
    for _ in range(ROUNDS):
        for name, tool in tools.items():
            with desk(mock, tickets) as url, tempfile.TemporaryDirectory() as home:
                try:
                    run = tool(stele, url, home)
                except RuntimeError as error:
                    print(f"{name}: failed: {error}", file=sys.stderr)
                    continue
            # Others may use the machine: the run that took the least processor was disturbed the least.
            best[name] = min(best.get(name, run), run, key=lambda run: run[2])
    right = [show(name, tickets, run) for name, run in best.items()]
    if alone:
        with desk(mock, alone) as url, tempfile.TemporaryDirectory() as home:
            right.append(show("stele", alone, by_stele(stele, url, home)))
    return 0 if len(best) == len(tools) and all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
