"""What other tools make of a file of JSON lines. Called by `cargo xtask bench peers` and `t12`.

  peers.py describe TOOL INPUT           rows and paths as JSON, or the tool's error
  peers.py run TOOL WORK INPUT OUTPUT    one piece of work, for the clock
  peers.py measure OUTPUT COMMAND…       runs a command; seconds, CPU seconds and peak memory as JSON
"""

import json
import os
import sys
import time


def segment(parent, key):
    if key == "" or any(c in key for c in '.[]{}"') or any(c < " " for c in key):
        return parent + "[" + json.dumps(key, ensure_ascii=False) + "]"
    return parent + "." + key if parent else key


def duckdb_paths(parent, kind, out):
    out.add(parent)
    if kind.id == "struct":
        for name, child in kind.children:
            duckdb_paths(segment(parent, name), child, out)
    elif kind.id == "list":
        duckdb_paths(parent + "[]", kind.children[0][1], out)
    elif kind.id == "map":
        duckdb_paths(parent + ".{}" if parent else "{}", kind.children[1][1], out)


DUCKDB_READ = (
    "read_json(?, format='newline_delimited', sample_size=-1, maximum_object_size=1073741824)"
)


def duckdb_describe(path):
    import duckdb

    db = duckdb.connect()
    rows = db.execute(f"SELECT count(*) FROM {DUCKDB_READ}", [path]).fetchone()[0]
    # The driver hands out types; a relation over no rows has them all.
    rel = db.sql(f"SELECT * FROM {DUCKDB_READ} LIMIT 0", params=[path])
    out = set()
    for name, kind in zip(rel.columns, rel.types):
        duckdb_paths(segment("", name), kind, out)
    # Counting does not read values: only a scan shows whether they can be read.
    db.execute(f"CREATE TABLE t AS SELECT * FROM {DUCKDB_READ}", [path])
    return rows, out


def duckdb_structure(path):
    import duckdb

    db = duckdb.connect()
    return db.execute(
        "SELECT count(*), json_group_structure(json) "
        "FROM read_ndjson_objects(?, maximum_object_size=1073741824)",
        [path],
    ).fetchone()


def structure_paths(parent, node, out):
    if isinstance(node, dict):
        for key, child in node.items():
            path = segment(parent, key)
            out.add(path)
            structure_paths(path, child, out)
    elif isinstance(node, list):
        for child in node:
            out.add(parent + "[]")
            structure_paths(parent + "[]", child, out)


def polars_paths(parent, kind, out):
    import polars as pl

    out.add(parent)
    if isinstance(kind, pl.Struct):
        for field in kind.fields:
            polars_paths(segment(parent, field.name), field.dtype, out)
    elif isinstance(kind, (pl.List, pl.Array)):
        polars_paths(parent + "[]", kind.inner, out)


def polars_describe(path):
    import polars as pl

    frame = pl.scan_ndjson(path, infer_schema_length=None).collect()
    out = set()
    for name, kind in frame.schema.items():
        polars_paths(segment("", name), kind, out)
    return frame.height, out


def schema_paths(parent, node, out):
    """Paths of a JSON Schema as genson writes it."""
    for branch in node.get("anyOf", []):
        schema_paths(parent, branch, out)
    for key, child in node.get("properties", {}).items():
        path = segment(parent, key)
        out.add(path)
        schema_paths(path, child, out)
    items = node.get("items")
    for child in items if isinstance(items, list) else [items] if items else []:
        out.add(parent + "[]")
        schema_paths(parent + "[]", child, out)


def genson_describe(schema):
    with open(schema, encoding="utf-8") as file:
        node = json.load(file)
    out = set()
    schema_paths("", node, out)
    return None, out


def structure_describe(path):
    rows, node = duckdb_structure(path)
    out = set()
    structure_paths("", json.loads(node), out)
    return rows, out


DESCRIBE = {
    "duckdb": duckdb_describe,
    "duckdb-structure": structure_describe,
    "polars": polars_describe,
    "genson": genson_describe,
}


def describe(tool, path):
    try:
        rows, paths = DESCRIBE[tool](path)
        return {"rows": rows, "paths": sorted(paths)}
    except Exception as error:  # whatever a tool raises is its answer
        return {"error": " ".join(str(error).split())[:300] or type(error).__name__}


def run(tool, work, path, output):
    if (tool, work) == ("duckdb", "ingest"):
        import duckdb

        duckdb.execute(
            f"COPY (SELECT * FROM {DUCKDB_READ}) TO '{output}' (FORMAT parquet, COMPRESSION zstd)",
            [path],
        )
    elif (tool, work) == ("polars", "ingest"):
        import polars as pl

        pl.scan_ndjson(path, infer_schema_length=None).sink_parquet(output, compression="zstd")
    elif (tool, work) == ("duckdb", "discover"):
        with open(output, "w", encoding="utf-8") as file:
            file.write(duckdb_structure(path)[1])
    else:
        sys.exit(f"{tool} cannot {work}")


def measure(output, command):
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execvp(command[0], command)
    _, status, usage = os.wait4(child, 0)
    report = {
        "seconds": time.monotonic() - start,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
        "success": os.waitstatus_to_exitcode(status) == 0,
    }
    with open(output, "w", encoding="utf-8") as file:
        json.dump(report, file)


def main(args):
    match args:
        case ["describe", tool, path]:
            json.dump(describe(tool, path), sys.stdout)
        case ["run", tool, work, path, output]:
            run(tool, work, path, output)
        case ["measure", output, *command] if command:
            measure(output, command)
        case _:
            sys.exit(__doc__)


main(sys.argv[1:])
