# mailverdict: `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

# Debian packages that tests use.  Installed by `make test` only where CI=true; tests without them are skipped elsewhere.
DEBIAN := nsd unbound postfix python3-milter chromium mmdebstrap systemd-container
# Node from elsewhere will do.
DEBIAN += $(shell command -v npm >/dev/null 2>&1 || echo nodejs npm)

.DEFAULT_GOAL := help
.PHONY: help venv demo test bench figures format lint types unit debian machine pages lock fuzz guards clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-8s %s\n", $$1, $$2 }'
	@echo "  VENV=DIR      use another virtual environment than .venv (one that is there is taken as it is)"

# A virtual environment that stands elsewhere is taken as it is; ours follows the lock files.
ifeq ($(VENV),.venv)
READY := .venv/.developing
RUNNABLE := .venv/.running
endif
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check

.venv/.running: requirements.lock pyproject.toml
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps -e .
	.venv/bin/python -m compileall -q verify  # else each start compiles, where Python may not write beside the code
	@touch $@

.venv/.developing: requirements-dev.lock .venv/.running
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

venv: $(READY) ## make .venv with everything that development needs, from the lock file

demo: $(RUNNABLE) ## judge the samples with their recorded DNS
	@sh samples/demo.sh $(BIN)/python

test: debian machine pages lint types unit ## check format, lint and types, and run all tests

lint: $(READY) ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY) ## check types
	$(BIN)/mypy

unit: $(READY) ## run the tests alone
	$(BIN)/python -m pytest -n $(JOBS)

SECONDS ?= 600
fuzz: $(READY) ## run each fuzz target for SECONDS (600)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

guards: $(READY) ## switch off each guard in turn and show which hostile cases turn red
	$(BIN)/python -m tests.hostile.guards

bench: $(READY) ## measure speed and memory, beside other verifiers where they are installed
	$(BIN)/python -m tests.bench.bench_peers
	$(BIN)/python -m tests.bench.bench_memory
	$(BIN)/python -m tests.bench.bench_cluster
	$(BIN)/python tests/bench/profile_parts.py
	$(BIN)/python tests/bench/start_up.py
	$(BIN)/python tests/bench/bench_dkim.py
	$(BIN)/python tests/bench/bench_hostile.py
	$(BIN)/python tests/bench/bench_growth_of_parsers.py

figures: $(READY) ## measure what the README says of speed and memory, and write it there
	$(BIN)/python -m tests.bench.bench_peers --markdown README.md
	$(BIN)/python -m tests.bench.bench_memory --markdown README.md
	$(BIN)/python -m tests.bench.bench_cluster --markdown README.md

format: $(READY) ## bring the code into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

debian:
ifeq ($(CI),true)
	@sh tests/debian.sh $(DEBIAN)
else
	@sh tests/debian.sh --tell $(DEBIAN)
endif

# An empty Debian that a mail server is set up in, as the README says.
machine: debian $(READY)
ifeq ($(CI),true)
	@sh tests/machine.sh build/machine $(BIN)/python
else
	@test -e build/machine/debian.tar || \
		echo "tests that set up a mail server will be skipped; to run them: sh tests/machine.sh build/machine python3"
endif

# What checks the pages: an HTML validator and an accessibility checker, from tests/page/package-lock.json.
pages:
ifeq ($(CI),true)
	@npm ci --silent --prefix tests/page
else
	@test -d tests/page/node_modules || echo "tests that check the pages will be skipped; to run them: npm ci --prefix tests/page"
endif

UV ?= uv
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

lock: ## write the lock files anew (needs uv)
	$(LOCK) -o requirements.lock pyproject.toml
	$(LOCK) -o requirements-dev.lock -c requirements.lock --all-extras --group dev pyproject.toml

clean: ## remove what the other targets made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist tests/page/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
