#!/usr/bin/env bash
# The program at work on generated recordings, on one page of 40 lines. Called by `make demo`.
#
# Everything shown is the program's own output; what the generator expects is compared with it, so
# a demo that ends without an error has checked the answers as well.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${STELE_CACHE:=$HOME/.cache/stele}"
: "${CARGO_TARGET_DIR:=$STELE_CACHE/target}"
# The program has to start without any help from the environment, and find the lake by its own.
unset LD_LIBRARY_PATH
export PATH="$CARGO_TARGET_DIR/debug:$PATH" STELE_DATA_DIR=lake
demo="$STELE_CACHE/demo"

rm -rf "$demo"
mkdir -p "$demo"
made="$(xtask demo-data --out "$demo/sample" --seed 1 --size 2MB --damage)"
cd "$demo"

# run COMMAND…: the command as one would type it, then what it says.
run() {
    local shown=() word
    for word in "$@"; do
        case "$word" in *[\ \*]*) shown+=("\"$word\"") ;; *) shown+=("$word") ;; esac
    done
    if [ -t 1 ]; then printf '\033[1m$ %s\033[0m\n' "${shown[*]}"; else echo "\$ ${shown[*]}"; fi
    quietly "$@"
}

# quietly COMMAND…: its remarks and its progress are shown only if it fails.
quietly() { "$@" 2>stderr.log || { cat stderr.log >&2; return 1; }; }

quietly stele discover sample/recordings --fold digits --format tsv >found.tsv
cmp found.tsv sample/expected.paths.tsv
echo "Made up: ${made%% in *}; every path is found as expected"
run stele ingest sample/recordings --quiet
run stele coverage --quiet
run stele sql "SELECT event_type, doc_type, records, files FROM event_counts LIMIT 2"
run stele explain auctionState data.price --quiet
ln -s sample/recordings/damaged/mixed_raw.jsonl original.jsonl
run stele replay mixed_raw.jsonl --output back.jsonl
cmp back.jsonl original.jsonl
echo "back.jsonl is original.jsonl: $(sha256sum <back.jsonl | cut -c1-64)"
# Without a model it is answered by words alone, and says so.
run stele search "what is data.price?" --kind field --top 1
cat <<'NEXT'
Next: eval "$(make -s env)"; export PATH="$CARGO_TARGET_DIR/debug:$PATH"
      stele status --data-dir "$STELE_CACHE/demo/lake"; stele ingest RECORDINGS --data-dir LAKE
NEXT
