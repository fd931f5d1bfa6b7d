# Needs python3 (3.11 or later) and make. `make run` and `make test` need nothing before them.
# `make test PYTHON=python3.13 VENV=/tmp/venv313` tests on another Python, beside what is set up here.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The lock files name every package, so nothing is left to resolve. Without --no-deps older pips look at
# `coverage[toml]>=7` beside the locked `coverage`, take a newer release for it and stop for want of a hash.
LOCKED := $(PIP) install --require-hashes --no-deps
# What CI leaves out of a run, for example ARGS='-m "not browser"'.
ARGS ?=

.PHONY: setup run test lint bench lock clean

setup: $(VENV)/.run-stamp

run: setup
	@exec $(BIN)/python manage.py up

test: $(VENV)/.dev-stamp
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.dev-stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy speechsite voices jobs
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	SITE_URL=https://speech.example.com BEHIND_PROXY=1 SECURE_SSL_REDIRECT=1 \
	EMAIL_URL=smtp://localhost $(BIN)/python manage.py check --deploy --fail-level WARNING

bench: $(VENV)/.dev-stamp
	@for bench in tests/bench/bench_*.py; do \
	    name=$$(basename "$$bench" .py); echo "== $$name"; $(BIN)/python -m "tests.bench.$$name" || exit 1; \
	done

# Writes both lock files anew. Needs uv; says nothing about where packages come from.
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header --quiet --upgrade
lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH"; exit 1; }
	$(LOCK) pyproject.toml --output-file requirements.txt
	$(LOCK) pyproject.toml --group dev --output-file requirements-dev.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("Speechsite needs Python 3.11 or later, not " \
	    + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-stamp: requirements.txt | $(BIN)/python
	@echo "Installing Speechsite's dependencies"
	$(LOCKED) -r requirements.txt
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.txt $(VENV)/.run-stamp | $(BIN)/python
	@echo "Installing what the tests need"
	$(LOCKED) -r requirements-dev.txt
	@touch $@
