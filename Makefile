# Set-up needs only Python >= 3.11, make and the package registry; every target makes what it needs in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench validate docs clean distclean

# The first interpreter that is new enough; name another with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Compiled kernels are cached by the source they came from: a changed callee in another file must not be missed.
SOURCE_HASH = $(shell find src -name '*.py' -print0 | LC_ALL=C sort -z | xargs -0 cat | cksum | cut -d' ' -f1)
NUMBA_CACHE = $(CURDIR)/build/numba-$(SOURCE_HASH)

# Processes that share the tests; the files of one go to the same process.
TEST_JOBS ?= 2

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Endplate needs Python 3.11 or newer; none was found (make PYTHON=/path/to/python)." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	@echo "Installing Endplate into $(VENV) ..."
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(PIP) install --editable '.[test]'
	@touch $@

$(VENV)/.installed-lint: $(VENV)/.installed-test
	@$(PIP) install --editable '.[test,lint]'
	@touch $@

demo: $(VENV)/.installed ## the main job on the public sample CT (a phantom where it cannot be fetched)
	@$(BIN)/endplate demo --out demo-case

test: $(VENV)/.installed-test ## all tests but the heavy validation; real data where ENDPLATE_DATA names them
	@rm -rf build/numba-*
	NUMBA_CACHE_DIR=$(NUMBA_CACHE) $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile

lint: $(VENV)/.installed-lint ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed ## benchmarks: one JSON line a case
	@$(BIN)/python -m benchmarks

validate: $(VENV)/.installed-test ## heavy validation against analytic and published values
	NUMBA_CACHE_DIR=$(NUMBA_CACHE) $(BIN)/python -m pytest -m validate

docs: $(VENV)/.installed ## generate docs/cli.md, docs/schema and the tables of docs/care from the code
	@$(BIN)/python -m endplate.cli.reference docs
	@$(BIN)/python -m endplate.care.traceability docs/care

clean: ## remove caches and built files
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-case demo-case-kyphoplasty
	@find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## also remove the virtual environment
	@rm -rf $(VENV)
