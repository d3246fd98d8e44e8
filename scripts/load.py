#!/usr/bin/env python3
"""Loads `stele serve` with reads at a constant rate beside an ingest, or for hours; needs `wrk`.

    scripts/load.py STELE XTASK [--seconds 60] [--rate 2000]             figures of one run
    scripts/load.py STELE XTASK --soak --seconds 3600 [--rate 100]       memory and handles, each 10 s

The first says how many requests failed, how fast searches and the rest were answered, and by how much the ingests
beside them were slowed: the same ones run before, into a lake of their own, with nobody who asks. The second ingests
once a minute, keeps a line each 10 s in soak.tsv (--out), and ends with the slope of memory and of handles and a
verdict. Both end with 1 if a request failed or the verdict is no, the first also if the load ended before the ingests.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from serving import service

HERE = Path(__file__).parent

# One search in ten: people read status pages far more often than they ask.
SEARCH_SHARE = 0.1

SEARCHES = ["price", "who+won+the+auction", "tide+table", "peak+price+of+a+game", "harbour+notice", "placeBid",
            "cooldown+timer", "chat+about+lot+nine", "boats+of+the+fleet", "leaderboard+profit"]

READS = ["/api/status", "/ready", "/api/coverage", "/api/jobs/{job}/report", "/health", "/api/status", "/ready", "/metrics"]

# Connections of each generator: as many as a rate of 1,000 needs while an answer takes 60 ms. At low rates there are
# fewer, since the service closes what has been idle for half a minute, which would count as broken.
CONNECTIONS_MAX = 64

SAMPLE_SECONDS = 10

# Growth of memory over the whole soak, as a share of what there is, up to which it counts as flat; and of handles.
MEMORY_GROWTH_MAX = 0.10
HANDLES_GROWTH_MAX = 5

# The beginning of a soak, in which caches fill, is not held against it.
WARM_UP_SHARE = 0.25

JOB_SECONDS_MAX = 1800


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def sample(xtask, directory, seed, size):
    subprocess.run([xtask, "demo-data", "--out", directory, "--seed", str(seed), "--size", size], check=True,
                   stdout=subprocess.DEVNULL)
    return directory / "recordings"


class Ingest:
    """A job on files of its own. Beside the load no texts get vectors: a model on the same cores would be all that is
    measured."""

    def __init__(self, url, target, embed=False):
        self.url = url
        self.bytes = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
        self.id = ask(f"{url}/api/ingest/start", {"targets": [str(target)], "embed": embed})["job_ids"][0]

    def done(self):
        job = ask(f"{self.url}/api/jobs/{self.id}")
        if job["state"] in ("failed", "dead", "cancelled"):
            raise SystemExit(f"load: the ingest did not work: {job['cause']}")
        return job["state"] == "done"

    def wait(self):
        until = time.monotonic() + JOB_SECONDS_MAX
        while not self.done():
            if time.monotonic() > until:
                raise SystemExit(f"load: {self.id} did not end within {JOB_SECONDS_MAX} s")
            time.sleep(0.2)
        # When it began and ended, in seconds, without waiting for a worker.
        job = ask(f"{self.url}/api/jobs/{self.id}")
        self.started, self.finished = job["started"] / 1e6, job["finished"] / 1e6


def made(directory):
    """A directory for a service."""
    (directory / "in").mkdir(parents=True)
    return directory


def generator(url, directory, name, paths, rate, seconds):
    """wrk with these paths, each thread at its part of the rate."""
    (directory / name).write_text("\n".join(paths) + "\n")
    threads = 2 if rate >= 200 else 1
    connections = max(threads, min(CONNECTIONS_MAX, int(rate)))
    return subprocess.Popen(
        ["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "40s", "-s", HERE / "load.lua",
         url, "--", str(rate / threads), directory / name],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "LD_LIBRARY_PATH": ""})


def result(wrk):
    said, _ = wrk.communicate()
    if wrk.returncode != 0 or "RESULT " not in said:
        raise SystemExit(f"load: wrk ended with {wrk.returncode}: {said[-1000:]}")
    return json.loads(said.split("RESULT ", 1)[1])


def generators(url, directory, rate, seconds, job):
    searches = [f"/api/search?query={query}&top=5" for query in SEARCHES]
    reads = [path.format(job=job) for path in READS]
    return {
        "search": generator(url, directory, "searches.txt", searches, rate * SEARCH_SHARE, seconds),
        "other reads": generator(url, directory, "reads.txt", reads, rate * (1 - SEARCH_SHARE), seconds),
    }


def tell(results, seconds):
    """A table; gives how many requests failed."""
    print(f"{'':<14}{'asked/s':>9}{'answered/s':>12}{'refused':>9}{'failed':>8}{'broken':>8}{'late':>8}{'behind':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    wrong = 0
    for name, (rate, found) in results.items():
        ms = "".join(f"{found[key]:>7.1f}ms" for key in ("p50_ms", "p95_ms", "p99_ms", "max_ms"))
        print(f"{name:<14}{rate:>9.0f}{found['requests'] / seconds:>12.0f}{found['refused']:>9}{found['failed']:>8}{found['broken']:>8}"
              f"{found['late']:>8}{found['behind_ms']:>7.0f}ms{ms}")
        wrong += found["failed"] + found["broken"] + found["refused"]
    return wrong


def ingested(url, targets):
    """Starts a job on each of these at once, waits for all, and gives how many bytes a second that was."""
    jobs = [Ingest(url, target) for target in targets]
    for job in jobs:
        job.wait()
    began, ended = min(job.started for job in jobs), max(job.finished for job in jobs)
    return sum(job.bytes for job in jobs) / (ended - began)


@contextmanager
def searched(options, directory):
    """A service with something to search: its address, its process and the job that brought that."""
    with service(options.stele, directory) as (url, process):
        first = Ingest(url, sample(options.xtask, directory / "in/first", 1, "1MB"), embed=True)
        first.wait()
        ask(f"{url}/api/search?query=price")
        yield url, process, first.id


def load(options, scratch):
    """The same ingests twice, each time into a lake of their own: with nobody who asks, and beside the load."""
    rates = []
    for name in ("alone", "beside"):
        directory = made(scratch / name)
        targets = [sample(options.xtask, directory / f"in/{number}", 2 + number, options.size) for number in range(options.ingests)]
        with searched(options, directory) as (url, _, first):
            running = generators(url, directory, options.rate, options.seconds, first) if name == "beside" else None
            time.sleep(1)
            rates.append(ingested(url, targets))
            if running:
                loaded = all(wrk.poll() is None for wrk in running.values())
                results = {"search": (options.rate * SEARCH_SHARE, result(running["search"])),
                           "other reads": (options.rate * (1 - SEARCH_SHARE), result(running["other reads"]))}
    wrong = tell(results, options.seconds)
    alone, beside = rates
    print(f"{options.ingests} ingests: {alone / 1e6:.2f} MB/s alone, {beside / 1e6:.2f} MB/s beside the load "
          f"({100 * (1 - beside / alone):.0f} % slower)")
    if not loaded:
        print("the load ended before they did: ask for more --seconds")
    requests = sum(found["requests"] for _, found in results.values())
    print(f"{requests} requests, {wrong} of them refused or failed ({100 * wrong / max(requests, 1):.3f} %)")
    return wrong == 0 and loaded


def standing(process):
    """Memory in KiB, handles and threads of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":" in line)
    return int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{process.pid}/fd")), int(status["Threads"])


def slope(points):
    """By least squares: how much more a second."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def verdict(samples, seconds):
    """What the samples say: slopes after the warm-up, and whether both are flat."""
    after = [one for one in samples if one[0] >= WARM_UP_SHARE * seconds]
    if len(after) < 3:
        raise SystemExit("load: a soak takes more than a minute, or there is nothing to see")
    memory = slope([(at, kib) for at, kib, _, _ in after])
    handles = slope([(at, count) for at, _, count, _ in after])
    lasted = after[-1][0] - after[0][0]
    mean = sum(kib for _, kib, _, _ in after) / len(after)
    flat = memory * lasted <= MEMORY_GROWTH_MAX * mean and handles * lasted <= HANDLES_GROWTH_MAX
    print(f"memory: {mean / 1024:.0f} MiB, {memory * 3600 / 1024:+.1f} MiB/h ({100 * memory * lasted / mean:+.1f} % over {lasted:.0f} s; at most "
          f"{100 * MEMORY_GROWTH_MAX:.0f} %)")
    print(f"handles: {after[-1][2]}, {handles * 3600:+.1f}/h ({handles * lasted:+.1f} over {lasted:.0f} s; at most {HANDLES_GROWTH_MAX})")
    print("verdict:", "flat" if flat else "IT GROWS")
    return flat


def soak(url, directory, options, first, process):
    running = generators(url, directory, options.rate, options.seconds, first)
    began, samples, round_number, job = time.monotonic(), [], 0, None
    with open(options.out, "w") as out:
        print("seconds\trss_kib\thandles\tthreads", file=out)
        while (at := time.monotonic() - began) < options.seconds:
            samples.append((at, *standing(process)))
            print(f"{at:.0f}", *samples[-1][1:], sep="\t", file=out, flush=True)
            # A little that is new each minute: commits, snapshots and catalogues come and have to go again.
            if round_number <= at / 60 and (job is None or job.done()):
                round_number += 1
                job = Ingest(url, again(options.xtask, directory, round_number))
            time.sleep(max(0, SAMPLE_SECONDS - (time.monotonic() - began - at)))
    results = {"search": (options.rate * SEARCH_SHARE, result(running["search"])),
               "other reads": (options.rate * (1 - SEARCH_SHARE), result(running["other reads"]))}
    wrong = tell(results, options.seconds)
    return verdict(samples, options.seconds) and wrong == 0


def again(xtask, directory, number):
    """A small sample that is new each time, in place of the one before."""
    target = directory / "in/again"
    shutil.rmtree(target, ignore_errors=True)
    return sample(xtask, target, 1000 + number, "200KB")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("stele", type=Path)
    options.add_argument("xtask", type=Path)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=float, default=None, help="requests a second; 2000, or 100 of a soak")
    options.add_argument("--size", default="8MB", help="of each sample that is ingested")
    options.add_argument("--ingests", type=int, default=4, help="samples that are ingested beside the load")
    options.add_argument("--soak", action="store_true", help="watch memory and handles")
    options.add_argument("--out", type=Path, default=Path("soak.tsv"), help="where a soak keeps its samples")
    options = options.parse_args()
    options.stele, options.xtask = options.stele.resolve(), options.xtask.resolve()
    options.rate = options.rate or (100 if options.soak else 2000)
    if not shutil.which("wrk"):
        raise SystemExit("load: there is no wrk; apt-get install wrk")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        if options.soak:
            with searched(options, made(scratch)) as (url, process, first):
                holds = soak(url, scratch, options, first, process)
        else:
            holds = load(options, scratch)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
