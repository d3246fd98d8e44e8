#!/usr/bin/env bash
# Every check and every test. All of them run even if one fails; the last line is the total, and
# $CARGO_TARGET_DIR holds summary.json, junit.xml and screenshots.
#
# Called by `make test`, which sets the environment.
set -uo pipefail
cd "$(dirname "$0")/.."
tools="$STELE_CACHE/venv-tools/bin"
results="$CARGO_TARGET_DIR/checks.tsv"
logs="$CARGO_TARGET_DIR/check-logs"
# The runner keeps its report in the checkout, wherever cargo builds.
junit=target/nextest/ci/junit.xml
mkdir -p "$logs"
rm -f "$results" "$junit" "$CARGO_TARGET_DIR/summary.json" "$CARGO_TARGET_DIR/junit.xml"
export PATH="$tools:$PATH" CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"

# check NAME COMMAND…: one line of the report; the log is shown if it fails.
check() {
    local name="$1" log="$logs/$1.log" start=$SECONDS state=ok
    shift
    echo "== $name: $*"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        state=failed
        tail -n 200 "$log"
    fi
    printf '%s\t%s\t%s\n' "$name" "$state" "$((SECONDS - start))" >>"$results"
    echo "== $name: $state ($((SECONDS - start)) s)"
}

# show NAME COMMAND…: the same with its output on the screen.
show() {
    local name="$1" log="$logs/$1.log" start=$SECONDS state=ok
    shift
    echo "== $name: $*"
    "$@" </dev/null 2>&1 | tee "$log" || state=failed
    printf '%s\t%s\t%s\n' "$name" "$state" "$((SECONDS - start))" >>"$results"
}

# servers: whatever a test starts is there. One whose server is not passes by testing nothing, and nobody would see it.
servers() {
    local name path missing=0
    for name in $(grep -rhoE 'STELE_TEST_[A-Z0-9]+' crates --include='*.rs' | sort -u); do
        path="${!name:-}"
        # Of Socket.IO it is the directory, which is there before what it is for.
        [ "$name" = STELE_TEST_SOCKETIO ] && path="$path/node_modules"
        [ -e "$path" ] || { echo "$name: there is no ${path:-such variable}"; missing=1; }
    done
    for name in node pdfinfo pdftotext pdftoppm tesseract; do
        command -v "$name" >/dev/null || { echo "$name is not installed"; missing=1; }
    done
    return "$missing"
}

check servers servers
check fmt cargo fmt --all --check
check typos typos --quiet
check build cargo build --locked --workspace
scripts/link-duckdb.sh
# After the build, which has fetched what this looks at.
check deny cargo deny --offline --locked check bans licenses sources
check clippy cargo clippy --locked --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" check doc cargo doc --locked --workspace --no-deps
show tests cargo nextest run --locked --workspace --profile ci
[ -f "$junit" ] && cp "$junit" "$CARGO_TARGET_DIR/junit.xml"
check doctests cargo test --locked --workspace --doc
check readers "$STELE_CACHE/venv-readers/bin/python" scripts/readers.py
check demo scripts/demo.sh
cat "$logs/demo.log" 2>/dev/null
# One page: 40 lines of 100 columns.
check page bash -c '[ "$(wc -l <"$0")" -le 40 ] && [ "$(LC_ALL=C.UTF-8 wc -L <"$0")" -le 100 ]' "$logs/demo.log"
# The demo has left its lake, with an index.
lake="$STELE_CACHE/demo/lake" stele="$CARGO_TARGET_DIR/debug/stele"
check mcp-client env -u LD_LIBRARY_PATH "$STELE_CACHE/venv-mcp/bin/python" scripts/mcp_client.py "$stele" "$lake"
check mcp-fuzz env -u LD_LIBRARY_PATH python3 scripts/mcp_fuzz.py "$stele" "$lake"
check api-fuzz env -u LD_LIBRARY_PATH scripts/api_fuzz.sh "$stele" "$lake"
check browser env -u LD_LIBRARY_PATH "$STELE_CACHE/venv-browser/bin/python" scripts/browser.py "$stele" \
    "$CARGO_TARGET_DIR/debug/xtask" "$CARGO_TARGET_DIR/screenshots"
check mcp-conformance env -u LD_LIBRARY_PATH scripts/mcp_conformance/run.sh "$stele" "$lake"
# What of it is a test of its own has run already.
SEEDS=5 MODEL_SEEDS=0 SIM_SEEDS=0 REDIS_KILLS=0 JOB_KILLS=4 CAPTURE_MINUTES=0 FIRST_SEED=1 check torture scripts/torture.sh
check cases env -u LD_LIBRARY_PATH "$CARGO_TARGET_DIR/debug/xtask" t12 --stele "$CARGO_TARGET_DIR/debug/stele" \
    --python "$STELE_CACHE/venv-readers/bin/python" --scratch "$STELE_CACHE/t12"
cat "$logs/cases.log" 2>/dev/null

if ! "$CARGO_TARGET_DIR/debug/xtask" summary --target "$CARGO_TARGET_DIR"; then
    # Without the program that writes the summary there is nothing to add up.
    [ -f "$CARGO_TARGET_DIR/summary.json" ] || echo "0 passed, 1 failed"
    exit 1
fi
