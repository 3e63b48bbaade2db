# Needs python3 (3.11 or newer) with its venv module, and make. Everything else goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
DATA_DIR ?= data
# Stamps: installation happens when a lock or pyproject.toml changed, and never at start-up otherwise.
RUN := $(VENV)/run.stamp
DEV := $(VENV)/dev.stamp

# Where the environment forbids byte code, every start of the program compiles all of it again: a second each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up test pytest suites compiled units servers host long lint format types arch bench docs ci lock clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; \
	  do printf '  make %-8s %s\n' "$$name" "$$text"; done

# numba keeps compiled functions by the file they stand in, and does not see that a function or a constant
# of another file, compiled into them, has changed. So all are compiled anew after any change.
COMPILED := $(VENV)/compiled.stamp
fresh = @if [ -n "$$(find src -name '*.py' -newer $(COMPILED) -print -quit 2>&1)" ]; then \
	  find src -name '*.nb[ic]' -delete; touch $(COMPILED); fi

up: $(RUN)  ## install what is missing, then start Storm Petrel (page on http://127.0.0.1:7780)
	$(fresh)
	@exec $(BIN)/petrel up --data-dir $(DATA_DIR)

# Two at a time; each says what it has to say when it has ended.
BESIDE = $(MAKE) --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(DEV)  ## everything a change must pass: lint, types, arch, then all tests
	@$(BESIDE) compiled lint types arch
	@$(MAKE) --no-print-directory suites

pytest: compiled  ## all tests
	@$(MAKE) --no-print-directory suites

# Tests that start servers wait a lot: the others have the processors meanwhile, after them. Those that
# measure this very host run one at a time, after all.
suites: $(DEV)
	$(fresh)
	@echo "The tests run; those within one process and those of servers each tell when they have ended ..."
	@$(BESIDE) units servers
	@$(MAKE) --no-print-directory host

# What most tests need, compiled once and not by all of them at the same time.
compiled: $(DEV)
	$(fresh)
	@$(BIN)/python -m tests.compiled

# Only the files that have such tests: reading all of them takes ten seconds.
marked = $(shell grep -rl --include='test_*.py' 'mark\.$(1)' tests | sort)

units: $(DEV)  ## tests within one process
	$(fresh)
	@nice -n 5 $(BIN)/python -m pytest -n 3 --dist worksteal -m "not e2e and not long"

servers: $(DEV)  ## tests that start servers or a browser
	$(fresh)
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "e2e and not host and not long" $(call marked,e2e)

host: $(DEV)  ## tests that measure this very host: leave it alone meanwhile
	$(fresh)
	@$(BIN)/python -m pytest -m "e2e and host" $(call marked,host)

long: $(DEV)  ## what takes a processor for minutes and is not in `make test`: before a release
	$(fresh)
	@$(BIN)/python -m pytest -m long $(call marked,long)

lint: $(DEV)  ## style and likely mistakes (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(DEV)  ## rewrite the sources in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(DEV)  ## static types (mypy --strict)
	@$(BIN)/mypy

arch: $(DEV)  ## the dependency rule between layers (import-linter)
	@$(BIN)/lint-imports

bench: $(DEV)  ## all benchmarks, one after the other; each prints figures and a ratio to its baseline
	@set -e; for file in $$(find benchmarks -name '*.py' ! -name '_*' | sort); do \
	  echo "== $$file"; $(BIN)/python "$$file"; done

docs: $(DEV)  ## generated reference pages, then the documentation into site/; any warning fails
	@$(BIN)/python scripts/generate_reference.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

ci: test docs  ## test, then docs

lock:  ## resolve requirements/*.lock again from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: see https://docs.astral.sh/uv/" >&2; exit 1; }
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --extra build pyproject.toml -o requirements/run.lock
	uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 \
	  --extra build --extra dev --extra docs -c requirements/run.lock pyproject.toml -o requirements/dev.lock

clean:  ## remove .venv and everything built; the data directory stays
	rm -rf $(VENV) site dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) was not found: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)," \
	       "or name one with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), and Storm Petrel needs Python 3.11 or newer:" \
	       "install one and name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module: install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Byte code of what is loaded to serve, not of all that is installed: that would take a third of the time.
$(RUN): requirements/run.lock pyproject.toml | $(BIN)/python
	@echo "Installing Storm Petrel into $(VENV) (only when requirements change) ..."
	@$(PIP) install -qq --no-compile --require-hashes -r requirements/run.lock
	@$(PIP) install -qq --no-build-isolation --no-deps -e .
	@$(BIN)/python -c "import stormpetrel.cli.serve"
	@touch $@

$(DEV): requirements/dev.lock $(RUN) | $(BIN)/python
	@echo "Installing the development tools into $(VENV) (only when requirements change) ..."
	@$(PIP) install -qq --no-compile --require-hashes -r requirements/dev.lock
	@touch $@
