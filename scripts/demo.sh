#!/usr/bin/env bash
# The program at work on generated recordings, on one page of 40 lines. Called by `make demo`. On a terminal the
# dashboard stays up at the end until Ctrl-C.
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
    shown "$@"
    quietly "$@"
}

shown() {
    local words=() word
    for word in "$@"; do
        case "$word" in *[\ \*]*) words+=("\"$word\"") ;; *) words+=("$word") ;; esac
    done
    if [ -t 1 ]; then printf '\033[1m$ %s\033[0m\n' "${words[*]}"; else echo "\$ ${words[*]}"; fi
}

# quietly COMMAND…: its remarks and its progress are shown only if it fails.
quietly() { "$@" 2>stderr.log || { cat stderr.log >&2; return 1; }; }

quietly stele discover sample/recordings --fold digits --format tsv >found.tsv
cmp found.tsv sample/expected.paths.tsv
echo "Made up: ${made%% in *}; every path is found as expected"
run stele ingest sample/recordings --quiet
run stele coverage --quiet
run stele sql "SELECT event_type, doc_type, records, files FROM event_counts LIMIT 1"
run stele explain auctionState data.price --quiet
ln -s sample/recordings/damaged/mixed_raw.jsonl original.jsonl
run stele replay mixed_raw.jsonl --output back.jsonl
cmp back.jsonl original.jsonl
echo "back.jsonl is original.jsonl: $(sha256sum <back.jsonl | cut -c1-64)"
# Without a model it is answered by words alone, and says so.
run stele search "what is data.price?" --kind field --top 1
echo 'Next: eval "$(make -s env)"; export PATH="$CARGO_TARGET_DIR/debug:$PATH"; stele --help'

# serve: the dashboard over what was just ingested, on a free port. Standard output of the service says where.
serve() {
    shown stele serve --port 0 --allow-root sample
    # The file is looked into before the service may have made it.
    : >serve.json
    stele serve --port 0 --allow-root sample --json >serve.json 2>stderr.log &
    server=$!
    asked=
    trap stop EXIT
    local url='' page records
    for _ in $(seq 300); do
        url="$(sed -n 's/.*"url":"\([^"]*\)\/".*/\1/p' serve.json)"
        [ -z "$url" ] && kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    [ -n "$url" ] || { echo "the service did not start:" >&2; cat stderr.log >&2; return 1; }
    page="$(curl -fsS --max-time 60 "$url/")"
    standing="$(grep -o '<h2>[^<]* for queries</h2>' <<<"$page" | sed 's/<[^>]*>//g')"
    records="$(curl -fsS --max-time 60 "$url/api/metrics/summary" | sed -n 's/.*"records":\([0-9]*\),"inputs".*/\1/p')"
    [ "$records" = "$(sed -n 's/.* files, \([0-9]*\) records.*/\1/p' <<<"$made")" ] ||
        { echo "the dashboard knows $records records, not those of: $made" >&2; return 1; }
    local said="The dashboard at $url/ answers: ${standing:?}, $records records"
    if [ -t 1 ]; then
        echo "$said. Ctrl-C stops it."
        # Ctrl-C reaches the service by itself; to be asked twice would tear it away.
        trap 'asked=yes' INT
        while [ -z "$asked" ] && kill -0 "$server" 2>/dev/null; do sleep 1 & wait $! || true; done
    fi
    stop
    [ -t 1 ] || echo "$said; stopped again"
}

# stop: the service, which has to end by itself and without an error.
stop() {
    trap - EXIT
    [ -n "$asked" ] || kill "$server" 2>/dev/null || true
    local code=0
    wait "$server" || code=$?
    [ "$code" = 0 ] || { echo "the service ended with $code:" >&2; cat stderr.log >&2; return 1; }
}

serve
