#!/usr/bin/env bash
# The long fault tests: one line a seed. SEEDS and FIRST_SEED choose them, MODEL_SEEDS how many more
# there are for the index with the model.
set -euo pipefail
cd "$(dirname "$0")/.."
unset LD_LIBRARY_PATH
exec "$CARGO_TARGET_DIR/debug/xtask" torture --stele "$CARGO_TARGET_DIR/debug/stele" \
    --scratch "$STELE_CACHE/torture" --seeds "${SEEDS:-100}" --first-seed "${FIRST_SEED:-1}" \
    --model-seeds "${MODEL_SEEDS:-6}"
