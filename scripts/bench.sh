#!/usr/bin/env bash
# Measures the release build beside DuckDB, Polars and genson-rs, and prints the tables. Inputs are
# generated; more can be named: scripts/bench.sh NAME=FILE…
set -euo pipefail
cd "$(dirname "$0")/.."
cargo_tools="$STELE_CACHE/cargo-tools"
if [ ! -x "$cargo_tools/bin/genson-rs" ]; then
    CARGO_TARGET_DIR="$cargo_tools/target" cargo install --quiet --locked --root "$cargo_tools" genson-rs --version 0.2.0
    rm -rf "$cargo_tools/target"
fi
cargo build --locked --release --workspace --bin stele
cargo build --locked --package xtask
scripts/link-duckdb.sh
inputs=()
for input in "$@"; do inputs+=(--input "$input"); done
tools=(
    --stele "$CARGO_TARGET_DIR/release/stele"
    --python "$STELE_CACHE/venv-readers/bin/python"
    --scratch "$STELE_CACHE/bench"
)
# The Python package brings its own DuckDB.
unset LD_LIBRARY_PATH
"$CARGO_TARGET_DIR/debug/xtask" bench peers "${tools[@]}" --genson "$cargo_tools/bin/genson-rs" "${inputs[@]}"
"$CARGO_TARGET_DIR/debug/xtask" t12 "${tools[@]}"
