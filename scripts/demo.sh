#!/usr/bin/env bash
# The program at work on generated recordings, on one page. Called by `make demo`.
#
# Everything shown is the program's own output; what the generator expects is compared with it, so
# a demo that ends without an error has checked the answers as well.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${STELE_CACHE:=$HOME/.cache/stele}"
: "${CARGO_TARGET_DIR:=$STELE_CACHE/target}"
# The program has to start without any help from the environment.
unset LD_LIBRARY_PATH
stele="$CARGO_TARGET_DIR/debug/stele"
demo="$STELE_CACHE/demo"
sample="$demo/sample"
lake="$demo/data"

title() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || title() { printf '\n%s\n' "$*"; }

rm -rf "$demo"
mkdir -p "$demo"
made="$("$CARGO_TARGET_DIR/debug/xtask" demo-data --out "$sample" --seed 1 --size 4MB --damage)"
cd "$demo"

title "Recordings of a made-up protocol, damage included: ${made%% in *}"
"$stele" discover sample/recordings --fold digits --format tsv >found.tsv 2>/dev/null
cmp found.tsv sample/expected.paths.tsv
echo "  stele discover finds $(wc -l <found.tsv) paths, line for line what the generator expects"

title "\$ stele ingest sample/recordings"
"$stele" ingest sample/recordings --data-dir "$lake" --no-embed 2>/dev/null | sed -n '1,8p'

title "\$ stele coverage"
"$stele" coverage --data-dir "$lake" 2>/dev/null | grep -v '^ .*/recordings/' | grep -v '^  input\|^ ─*$' 

title "\$ stele sql \"SELECT … FROM event_counts\""
"$stele" sql "SELECT event_type, doc_type, records, files FROM event_counts ORDER BY records DESC, event_type LIMIT 5" \
    --data-dir "$lake" 2>/dev/null

title "\$ stele explain data.price"
"$stele" explain auctionState data.price --data-dir "$lake" 2>/dev/null | sed -n '1,7p'

title "\$ stele sql \"SELECT … FROM complete_games\"   (each game once, however often it is repeated)"
"$stele" sql "SELECT game_id, price_count, round(peak_price, 3) AS peak, seen_times FROM complete_games ORDER BY game_id LIMIT 3" \
    --data-dir "$lake" 2>/dev/null

title "\$ stele replay mixed_raw.jsonl | sha256sum"
file=sample/recordings/damaged/mixed_raw.jsonl
want="$(sha256sum <"$file")"
have="$("$stele" replay "$file" --data-dir "$lake" 2>/dev/null | sha256sum)"
echo "  ${have%% *}  written back"
echo "  ${want%% *}  the original, damaged lines and all"
[ "$want" = "$have" ]

title "Next"
cat <<NEXT
  export PATH="$CARGO_TARGET_DIR/debug:\$PATH" STELE_DATA_DIR="$lake"
  stele status          stele sql "SELECT * FROM help"          stele explain placeBid
  stele discover YOUR-RECORDINGS          stele ingest YOUR-RECORDINGS --data-dir YOUR-LAKE
NEXT
