#!/usr/bin/env bash
# The long fault tests: one line a seed. SEEDS and FIRST_SEED choose them, MODEL_SEEDS how many more
# there are for the index with the model; SIM_SEEDS histories of queue and workers in simulated time, and
# REDIS_KILLS of the server below them, and JOB_KILLS of workers and services; CAPTURE_MINUTES of a live feed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$STELE_CACHE/venv-tools/bin:$PATH"
sim="${SIM_SEEDS:-10000}"
of_jobs() {
    cargo nextest run --locked --workspace --success-output final --status-level none \
        -E "package(stele-jobs) & test(=$1)" 2>&1 | grep -E "histories:|kills, |^error|FAIL|panicked"
}
# In parts, since a test that takes ten minutes is taken for one that hangs.
for ((first = ${FIRST_SEED:-1}; sim > 0; first += 2500, sim -= 2500)); do
    STELE_SIM_FIRST=$first STELE_SIM_SEEDS=$((sim < 2500 ? sim : 2500)) of_jobs sim::histories_end_well
done
[ "${REDIS_KILLS:-50}" = 0 ] || STELE_REDIS_KILLS="${REDIS_KILLS:-50}" of_jobs redis::it_may_die_at_any_moment
# A day of a feed that says five things a second, a commit for each minute.
[ "${CAPTURE_MINUTES:-1440}" = 0 ] || STELE_CAPTURE_MINUTES="${CAPTURE_MINUTES:-1440}" STELE_CAPTURE_A_MINUTE=300 \
    cargo nextest run --locked --workspace --success-output final --status-level none \
    -E "package(stele-engine) & test(=day::a_day_of_small_commits_becomes_few_parts_and_every_message_is_there_once)" 2>&1 |
    grep -E "segments, |^error|FAIL|panicked"
unset LD_LIBRARY_PATH
exec "$CARGO_TARGET_DIR/debug/xtask" torture --stele "$CARGO_TARGET_DIR/debug/stele" \
    --scratch "$STELE_CACHE/torture" --seeds "${SEEDS:-100}" --first-seed "${FIRST_SEED:-1}" \
    --model-seeds "${MODEL_SEEDS:-6}" --job-kills "${JOB_KILLS:-100}"
