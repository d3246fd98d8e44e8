# The commands that a person needs. `make help` lists them; CONTRIBUTING.md explains them.
#
#   STELE_CACHE        what is fetched and built, outside the checkout    (~/.cache/stele)
#   CARGO_TARGET_DIR   build output; kept between clones                  ($STELE_CACHE/target)
#   STELE_MODELS       the embedding model and what runs it               ($STELE_CACHE/models)

SHELL := /bin/bash
.DEFAULT_GOAL := help

export STELE_CACHE ?= $(HOME)/.cache/stele
export CARGO_TARGET_DIR ?= $(STELE_CACHE)/target
export STELE_MODELS ?= $(STELE_CACHE)/models
export DUCKDB_LIB_DIR := $(STELE_CACHE)/duckdb-1.5.6
# Stores and servers that tests start: `make setup-test` brings them.
export STELE_TEST_CHROMA ?= $(STELE_CACHE)/venv-chroma/bin/chroma
export STELE_TEST_QDRANT ?= $(STELE_CACHE)/qdrant-1.16.3/qdrant
export STELE_TEST_ARCADEDB ?= $(STELE_CACHE)/venv-arcadedb/arcadedb/jre/bin/java
export STELE_TEST_REDIS ?= $(STELE_CACHE)/redis/redis-server
export STELE_TEST_POSTGRES ?= $(STELE_CACHE)/postgres/postgres
export STELE_TEST_MARIADB ?= $(STELE_CACHE)/mariadb/mariadbd
export STELE_TEST_S3 ?= $(STELE_CACHE)/venv-s3/bin/weed
export STELE_TEST_SOCKETIO ?= $(STELE_CACHE)/socketio
export STELE_TEST_CHROMIUM ?= /usr/bin/chromium
export LD_LIBRARY_PATH := $(DUCKDB_LIB_DIR)$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

SECONDS_OF_LOAD ?= 60
SECONDS_OF_SOAK ?= 3600

PREFIX ?= /usr/local
# `dev` is the build that the tests ran; `make install PROFILE=release` compiles everything again.
PROFILE ?= dev
# Markdown that `make bench-documents` reads.
CORPUS ?= docs/guide
out = $(CARGO_TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))

.PHONY: help
help: ## Lists the commands.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

.PHONY: setup
setup: ## Installs what the build needs; quick when there is nothing to do.
	@scripts/setup.sh build

.PHONY: setup-test
setup-test:
	@scripts/setup.sh test

.PHONY: build
build: setup ## Builds the program and the chores with the one profile.
	cargo build --locked --workspace
	@scripts/link-duckdb.sh

.PHONY: models
models: build ## Fetches the embedding model; without a network, search works by words alone.
	@env -u LD_LIBRARY_PATH $(out)/stele models pull --quiet || \
		echo "models: not fetched; search works by words alone until \`make models\` succeeds"

.PHONY: demo
demo: models ## Shows the program at work on a generated sample, on one page.
	@scripts/demo.sh

.PHONY: test
test: setup-test models ## Runs every check and test; ends with one line of totals.
	@scripts/test.sh

.PHONY: bench
bench: models ## Measures beside DuckDB, Polars, genson-rs and ONNX Runtime (release build).
	@scripts/setup.sh bench
	@scripts/bench.sh

.PHONY: bench-helpdesk
bench-helpdesk: build ## Collects 10,000 tickets beside dlt, and 100,000 alone.
	@scripts/setup.sh bench-helpdesk
	@env -u LD_LIBRARY_PATH "$(STELE_CACHE)/venv-sqlbench/bin/python" scripts/bench_helpdesk.py $(out)/stele $(out)/mock-freshdesk

.PHONY: bench-tables
bench-tables: build ## Reads a million rows of PostgreSQL beside dlt and ConnectorX.
	@scripts/setup.sh bench-tables
	cargo build --locked --workspace --example rows --profile $(PROFILE)
	@env -u LD_LIBRARY_PATH "$(STELE_CACHE)/venv-sqlbench/bin/python" scripts/bench_tables.py $(out)/examples/rows 1000000 postgresql

.PHONY: bench-documents
bench-documents: models ## Reads the Markdown below CORPUS beside markdown-it-py and markitdown.
	@scripts/setup.sh bench-documents
	cargo build --locked --workspace --bin stele --bin xtask --example measure --profile $(PROFILE)
	@$(out)/xtask bench documents --embedded --corpus "$(CORPUS)" --stele $(out)/stele --measure $(out)/examples/measure \
	    --python "$(STELE_CACHE)/venv-documents/bin/python" --scratch "$(STELE_CACHE)/bench"

.PHONY: torture
torture: setup-test models ## Runs the long fault tests and prints a table with seeds.
	@scripts/torture.sh

.PHONY: load
load: models ## Asks a service 2,000 times a second beside ingests; says what fails, and how fast the rest is.
	@scripts/setup.sh load
	@python3 scripts/load.py $(out)/stele $(out)/xtask --seconds $(SECONDS_OF_LOAD)

.PHONY: soak
soak: models ## The same at a lower rate for an hour (SECONDS_OF_SOAK), watching memory and handles.
	@scripts/setup.sh load
	@python3 scripts/load.py $(out)/stele $(out)/xtask --soak --seconds $(SECONDS_OF_SOAK) --out $(CARGO_TARGET_DIR)/soak.tsv

.PHONY: install
install: setup ## Installs the program and its library below PREFIX.
	cargo build --locked --workspace --bin stele --profile $(PROFILE)
	install -D -s -m 755 $(out)/stele $(DESTDIR)$(PREFIX)/bin/stele
	ln -sf stele $(DESTDIR)$(PREFIX)/bin/ingestctl
	install -D -m 644 $(DUCKDB_LIB_DIR)/libduckdb.so $(DESTDIR)$(PREFIX)/lib/libduckdb.so
	env -u LD_LIBRARY_PATH $(DESTDIR)$(PREFIX)/bin/stele --version

.PHONY: env
env: setup ## Prints the environment for cargo by hand: eval "`make -s env`".
	@echo 'export STELE_CACHE="$(STELE_CACHE)" STELE_MODELS="$(STELE_MODELS)" CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" DUCKDB_LIB_DIR="$(DUCKDB_LIB_DIR)" LD_LIBRARY_PATH="$(LD_LIBRARY_PATH)" STELE_TEST_CHROMA="$(STELE_TEST_CHROMA)" STELE_TEST_QDRANT="$(STELE_TEST_QDRANT)" STELE_TEST_ARCADEDB="$(STELE_TEST_ARCADEDB)" STELE_TEST_REDIS="$(STELE_TEST_REDIS)" STELE_TEST_S3="$(STELE_TEST_S3)" STELE_TEST_POSTGRES="$(STELE_TEST_POSTGRES)" STELE_TEST_MARIADB="$(STELE_TEST_MARIADB)" STELE_TEST_SOCKETIO="$(STELE_TEST_SOCKETIO)" STELE_TEST_CHROMIUM="$(STELE_TEST_CHROMIUM)"'

.PHONY: clean-cache
clean-cache: ## Removes what was fetched and built.
	rm -rf -- "$(CARGO_TARGET_DIR)" "$(STELE_MODELS)" "$(STELE_CACHE)"/duckdb-* "$(STELE_CACHE)"/qdrant-* "$(STELE_CACHE)"/prometheus "$(STELE_CACHE)"/redis "$(STELE_CACHE)"/postgres "$(STELE_CACHE)"/mariadb "$(STELE_CACHE)"/mcp-conformance "$(STELE_CACHE)"/socketio "$(STELE_CACHE)"/npm "$(STELE_CACHE)"/venv-* "$(STELE_CACHE)"/cargo-tools \
		"$(STELE_CACHE)"/demo "$(STELE_CACHE)"/bench "$(STELE_CACHE)"/torture "$(STELE_CACHE)"/t12
