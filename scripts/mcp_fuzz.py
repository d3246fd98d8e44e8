#!/usr/bin/env python3
"""Calls the tools of `stele mcp` with arguments that make no sense.

    scripts/mcp_fuzz.py PATH/TO/stele DATA_DIR [CALLS [SEED]]

Each call has to end within its time, in an answer within its caps or in an error that says what to
try; and the program has to serve on, and to end well. The same seed asks the same. Needs nothing but
Python: the messages are written by hand, since a client of good manners would not send them. Ends
with 1 if anything is not as it should be.
"""

import json
import random
import subprocess
import sys
import time

# What crates/server/src/limits.rs promises: bytes of structured content, entries of a page, rows of
# `sql`, results of a search, lines of an excerpt, and seconds of a call with its grace and some more
# for a machine that is busy.
BYTES_MAX, ENTRIES_MAX, ROWS_MAX, LINES_MAX, SECONDS_MAX = 48 << 10, 100, 1000, 101, 30

# Bytes of an error: a few sentences.
ERROR_BYTES_MAX = 4000

# The error of the protocol for arguments that are no object: "invalid parameters".
PROTOCOL_ERRORS = {-32602}

# Values near to real ones, so that some get past the first check.
LIKELY = [
    "tick", "auctionState", "data.price", "data", "quay_raw.jsonl.gz", "raw.jsonl", "what is data.price?",
    "text", "vector", "hybrid", "record", "field", "FROM events", "SELECT * FROM events", "FROM fields",
    "FROM event_counts", 1, 2, 10, 100,
]
NASTY = [
    "", " ", "\x00", "\u202e\ud83d\ude00", "../../etc/passwd", "/dev/zero", "'; DROP VIEW events; --", "$..*",
    '"unclosed', "[" * 500, "a[]." * 300, "(" * 3000, "x" * 20_000, "word " * 3000, "*", "%",
    "price AND OR NOT ((", "c1.0.1.0.0123456789abcdef", "c1.18446744073709551615.1.0.0123456789abcdef",
    "SELECT repeat('x', 10000000) AS x FROM range(100)", "SELECT * FROM range(1000000)",
    "SELECT list(i) AS l FROM range(100000) t(i)", "SELECT * FROM read_text('/etc/hostname')",
    "COPY events TO '/dev/null'", "ATTACH ':memory:' AS m", "INSTALL httpfs", "SET memory_limit='100GB'",
    "SELECT 1; SELECT 2", "SELECT count(*) FROM range(100000) a, range(100000) b, range(100) c",
    "PRAGMA database_list", "SELECT getenv('HOME')", 0, -1, 1.5, 1e308, 2**63, 2**64, 10**30, True, False,
    None, [], {}, [[[]]], ["tick"] * 60, {"a": {"b": []}}, [None, 1, "x"],
]


def value(chance, depth=0):
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(LIKELY)
    if kind < 0.85:
        return chance.choice(NASTY)
    if kind < 0.93 or depth > 2:
        return "".join(chr(chance.randrange(1, 0x2FFF)) for _ in range(chance.randrange(30)))
    if kind < 0.97:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {str(key): value(chance, depth + 1) for key in range(chance.randrange(3))}


def likely(chance, schema, real):
    """Something of the right type for an argument, out of what there really is."""
    kinds = schema.get("type", "string")
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "string")
    if kind == "integer":
        return chance.choice([1, 2, 5, 20, 50, 100])
    return [chance.choice(real)] if kind == "array" else chance.choice(real)


def arguments(chance, tool, real):
    """An object for the tool: all that it requires, or some, or nothing that it knows."""
    if chance.random() < 0.03:
        return chance.choice([[], "text", 7, None, True])
    schema = tool["inputSchema"]
    known, required = schema.get("properties", {}), schema.get("required", [])
    names = set(chance.sample(sorted(known), chance.randrange(len(known) + 1)))
    good = chance.random() < 0.6
    if good or chance.random() < 0.8:
        names |= set(required)
    if good:
        # A tool that gets what it can use does its work, with one value at most that it cannot.
        names -= {"cursor"}
        bad = chance.choice([None, *sorted(names)])
        return {
            name: value(chance) if name == bad else likely(chance, known.get(name, {}), real.get(name, LIKELY[:1]))
            for name in sorted(names)
        }
    if chance.random() < 0.1:
        names.add("unknown")
    return {name: value(chance) for name in sorted(names)}


def what_there_is(program):
    """Arguments that mean something: names out of the lake, statements, and members of enumerations."""

    def ask(tool, **given):
        return program.ask("tools/call", {"name": tool, "arguments": given})["result"]["structuredContent"]

    events = [event["name"] for event in ask("list_events", limit=ENTRIES_MAX)["events"]]
    example = ask("find_examples", event=events[0], limit=1)["examples"][0]
    statements = [text for text in LIKELY + NASTY if isinstance(text, str) and text.startswith(("FROM", "SELECT"))]
    return {
        "event": events,
        "path": [field["path"] for field in ask("describe_event", event=events[0])["fields"]],
        "source": [example["source"]],
        "query": statements,
        "arm": ["text", "vector", "hybrid"],
        "kind": ["field", "record", "event"],
    }


class Program:
    """`stele mcp`, spoken to by hand."""

    def __init__(self, stele, data_dir):
        command = [stele, "mcp", "--data-dir", data_dir]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.last = 0
        about = {"name": "mcp_fuzz", "version": "0"}
        self.ask("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about})
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, message):
        self.child.stdin.write(json.dumps(message).encode() + b"\n")
        self.child.stdin.flush()

    def ask(self, method, params):
        self.last += 1
        self.say({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        while line := self.child.stdout.readline():
            message = json.loads(line)
            if message.get("id") == self.last:
                return message
        sys.exit(f"mcp_fuzz: the program ended in the middle of {method} {params}")


def wrong(message, given, seconds):
    """What is not as it should be, in words, and what kind of answer it was."""
    if seconds > SECONDS_MAX:
        return f"took {seconds:.0f} s", "late"
    if error := message.get("error"):
        said = error.get("code") in PROTOCOL_ERRORS and isinstance(error.get("message"), str)
        good = said and not isinstance(given, dict)
        return None if good else f"an error of the protocol: {error}", "refused by the protocol"
    result = message["result"]
    text = result["content"][0]["text"]
    if result.get("isError"):
        good = "Try:" in text and len(text.encode()) <= ERROR_BYTES_MAX and "failed on that call" not in text
        return None if good else f"an error that does not help: {text[:300]}", "refused"
    content = result["structuredContent"]
    size = len(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode())
    if size > BYTES_MAX:
        return f"{size} bytes", "answered"
    if content.get("untrusted_data") is not True or "<<<UNTRUSTED DATA " not in text:
        return "not marked as data", "answered"
    caps = {"rows": ROWS_MAX, "lines": LINES_MAX}
    for name, entries in content.items():
        if isinstance(entries, list) and len(entries) > caps.get(name, ENTRIES_MAX):
            return f"{len(entries)} {name}", "answered"
    return None, "answered"


def main(stele, data_dir, calls=400, seed=1):
    chance = random.Random(int(seed))
    program = Program(stele, data_dir)
    tools = program.ask("tools/list", {})["result"]["tools"]
    real = what_there_is(program)
    kinds, findings, slowest = {}, [], 0.0
    for number in range(int(calls)):
        tool = tools[number % len(tools)]
        given = arguments(chance, tool, real)
        start = time.monotonic()
        message = program.ask("tools/call", {"name": tool["name"], "arguments": given})
        seconds = time.monotonic() - start
        slowest = max(slowest, seconds)
        what, kind = wrong(message, given, seconds)
        kinds[kind] = kinds.get(kind, 0) + 1
        if what:
            findings.append(f"{tool['name']} {json.dumps(given)[:500]}: {what}")
    # It still answers, and ends when the client goes.
    if program.ask("tools/call", {"name": "list_events", "arguments": {}})["result"].get("isError"):
        findings.append("list_events fails afterwards")
    program.child.stdin.close()
    if (code := program.child.wait(timeout=SECONDS_MAX)) != 0:
        findings.append(f"the program ended with {code}")
    for finding in findings:
        print(finding)
    print(f"mcp_fuzz: {calls} calls with seed {seed}: {kinds}, the slowest took {slowest:.1f} s")
    print(f"mcp_fuzz: {len(findings)} are not as they should be")
    return 1 if findings else 0


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4, 5):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
