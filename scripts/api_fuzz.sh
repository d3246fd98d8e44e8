#!/usr/bin/env bash
# Starts the service over a lake and holds it against what it says of itself: metrics and alert rules by
# Prometheus's own linter, every endpoint by calls that the OpenAPI document allows and by calls that it does not.
# No answer may be a 500, or something else than the document promises.
#
#   scripts/api_fuzz.sh STELE LAKE [SEED] [EXAMPLES]
#
# Runs without LD_LIBRARY_PATH, which the program does not need.
set -euo pipefail
cd "$(dirname "$0")/.."
stele="$1" lake="$2" seed="${3:-1}" examples="${4:-25}"
cache="${STELE_CACHE:-$HOME/.cache/stele}"
work="$(mktemp -d)"
server=
end() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" || true; }
    rm -rf "$work"
}
trap end EXIT

# Jobs go to a queue of this run's own, so the lake stays as it is.
mkdir "$work/data" "$work/in"
for part in lake index graph manifests; do
    [ ! -e "$lake/$part" ] || cp -r "$lake/$part" "$work/data/"
done
echo '{"event":"fuzz"}' >"$work/in/fuzz.jsonl"
printf '[[sources]]\nsource_id = "away"\nsource_type = "api"\nendpoint = "http://127.0.0.1:9/x"\nretry = { max = 1 }\n' \
    >"$work/stele.toml"
"$stele" serve --config "$work/stele.toml" --data-dir "$work/data" --port 0 --allow-root "$work/in" --json >"$work/out" 2>"$work/log" &
server=$!
for _ in $(seq 100); do
    url="$(sed -n 's/.*"url":"\([^"]*\)\/".*/\1/p' "$work/out")"
    [ -z "$url" ] || break
    sleep 0.1
done
[ -n "$url" ] || { echo "the service did not start"; cat "$work/log"; exit 1; }

curl -fsS "$url/api/search?query=price" >/dev/null || true
curl -fsS "$url/metrics" | "$cache/prometheus/promtool" check metrics
"$cache/prometheus/promtool" check rules deploy/alerts.yml
echo "metrics and rules: clean"

# A thousand requests in a row meet no rate here, since there is no token; what would be waited for is not asked:
# the proof over the whole lake, and streams.
"$cache/venv-api/bin/schemathesis" run "$url/openapi.json" --url "$url" \
    --seed "$seed" --max-examples "$examples" --generation-deterministic --suppress-health-check=all \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance \
    --request-timeout 60 --no-color
curl -fsS "$url/health" >/dev/null
echo "the service answers after all that"
