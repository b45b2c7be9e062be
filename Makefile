# Everything runs in .venv, which the first target that needs it makes. `make help` lists the targets.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := klaviyo_async codegen tests benchmarks examples

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (a minute the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[redis,testing]' --group dev
	@touch $@

.PHONY: setup
setup: $(VENV)/.ready ## make the virtual environment

.PHONY: demo
demo: $(VENV)/.ready ## the main job against an embedded Klaviyo (read-only against the real one with KLAVIYO_API_KEY)
	@$(BIN)/python examples/demo.py

.PHONY: test
test: $(VENV)/.ready ## all tests
	@$(BIN)/python -m pytest -q $(ARGS)

.PHONY: lint
lint: $(VENV)/.ready ## ruff: lint and format
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)

.PHONY: format
format: $(VENV)/.ready ## ruff: mend what can be mended
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

.PHONY: types
types: $(VENV)/.ready ## mypy --strict and pyright
	@$(BIN)/mypy
	@$(BIN)/pyright

.PHONY: generate
generate: $(VENV)/.ready ## write the generated parts of the package from specs/
	@$(BIN)/python -m codegen generate

.PHONY: check
check: $(VENV)/.ready ## the committed generated parts are what specs/ give
	@$(BIN)/python -m codegen check

.PHONY: bench
bench: $(VENV)/.ready ## all measurements (minutes)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
