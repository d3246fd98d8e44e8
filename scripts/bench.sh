#!/usr/bin/env bash
# Measures the release build beside DuckDB, Polars, genson-rs and ONNX Runtime, and prints the tables,
# the ones of embedding and search also as a line of JSON. Inputs are generated; more can be named:
# scripts/bench.sh NAME=FILE…
set -euo pipefail
cd "$(dirname "$0")/.."
cargo_tools="$STELE_CACHE/cargo-tools"
if [ ! -x "$cargo_tools/bin/genson-rs" ]; then
    CARGO_TARGET_DIR="$cargo_tools/target" cargo install --quiet --locked --root "$cargo_tools" genson-rs --version 0.2.0
    rm -rf "$cargo_tools/target"
fi
cargo build --locked --release --workspace --bin stele --example lines
cargo build --locked --package xtask
scripts/link-duckdb.sh
inputs=()
for input in "$@"; do inputs+=(--input "$input"); done
own=(--stele "$CARGO_TARGET_DIR/release/stele" --scratch "$STELE_CACHE/bench")
tools=("${own[@]}" --python "$STELE_CACHE/venv-readers/bin/python")
# The Python package brings its own DuckDB.
unset LD_LIBRARY_PATH
"$CARGO_TARGET_DIR/debug/xtask" bench peers "${tools[@]}" --genson "$cargo_tools/bin/genson-rs" "${inputs[@]}"
"$CARGO_TARGET_DIR/debug/xtask" t12 "${tools[@]}"
"$CARGO_TARGET_DIR/debug/xtask" bench answers "${own[@]}" --python "$STELE_CACHE/venv-bench/bin/python" \
    --models "$STELE_MODELS" --lines "$CARGO_TARGET_DIR/release/examples/lines"
