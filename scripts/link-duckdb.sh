#!/usr/bin/env bash
# Puts libduckdb.so beside the binaries, where their run path looks, so that they start without
# any environment.
set -euo pipefail
for profile in debug release; do
    dir="$CARGO_TARGET_DIR/$profile"
    [ -d "$dir" ] && ln -sfn "$DUCKDB_LIB_DIR/libduckdb.so" "$dir/libduckdb.so"
    [ -d "$dir/deps" ] && ln -sfn "$DUCKDB_LIB_DIR/libduckdb.so" "$dir/deps/libduckdb.so"
done
exit 0
