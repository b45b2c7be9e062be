# Everything runs in .venv, which the first target that needs it makes. `make help` lists the targets.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := klaviyo_async codegen tests benchmarks examples

# Without its bytecode each process would compile the generated package again: every worker, and every test that starts Python.
# Packages are compiled when they are first imported: pip would spend half of the time of an installation on compiling all of them.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable '.[redis,testing,cli]' --group dev
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## create the virtual environment

.PHONY: demo
demo: $(VENV)/.ready ## import and export 20,000 profiles against an embedded Klaviyo (read-only against the real one with KLAVIYO_API_KEY)
	@$(BIN)/python examples/demo.py

.PHONY: test
test: $(VENV)/.ready ## all tests, on all cores (sequentially with ARGS="-n 0")
	@$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-fast
test-fast: $(VENV)/.ready ## quick tests only, in less than a minute: no sweeps, nothing slow
	@$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not sweep and not slow" $(ARGS)

.PHONY: lint
lint: $(VENV)/.ready ## ruff: lint and format
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)

.PHONY: format
format: $(VENV)/.ready ## ruff: fix what can be fixed
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

.PHONY: types
types: $(VENV)/.ready ## mypy --strict and pyright; the tests by pyright alone
	@$(BIN)/mypy
	@$(BIN)/pyright

.PHONY: generate
generate: $(VENV)/.ready ## write the generated parts of the package from specs/
	@$(BIN)/python -m codegen generate

.PHONY: check
check: $(VENV)/.ready ## verify that the generated code matches specs/
	@$(BIN)/python -m codegen check

.PHONY: regenerate
regenerate: $(VENV)/.ready ## update to a Klaviyo revision: REVISION=2026-10-15 or newest, FROM=path for local documents
	@test -n "$(REVISION)" || { echo "which one? make regenerate REVISION=2026-10-15 (or newest), with FROM=path if the documents are at hand"; exit 2; }
	@$(BIN)/python -m codegen regenerate --revision "$(REVISION)" $(if $(FROM),--from "$(FROM)") $(if $(REPORT),--report "$(REPORT)")

.PHONY: docs
docs: $(VENV)/.ready ## the documentation site, into build/site
	@$(BIN)/python -m codegen docs --out build/docs
	@$(BIN)/zensical build --strict --config-file build/zensical.toml

.PHONY: dist
dist: $(VENV)/.ready ## source distribution and wheel, into dist/, checked
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --quiet
	@$(BIN)/python -m twine check --strict dist/*

.PHONY: bench
bench: $(VENV)/.ready ## all measurements (minutes)
	@$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
