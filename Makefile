# `make help` lists what there is. Every target does its own set-up: Python 3.11+ and the package index suffice.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
RUN    := $(VENV)/.run
DEV    := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help run demo test test-all test-clients chaos check cover bench bench-peers lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUN): requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@ $(RUN)

run: $(RUN) ## serve config/gateway.yaml on 127.0.0.1:8080, key sk-local
	$(BIN)/python -m gateway serve --config config/gateway.yaml

EXAMPLE ?= support
demo: $(RUN) ## an example of config/examples, asked a few questions, its runs shown live (or EXAMPLE=research)
	$(BIN)/python -m gateway.commands.demo $(EXAMPLE)

test: $(DEV) ## the test suite, but for what is slow or needs an environment of its own
	$(BIN)/python -m pytest -m "not slow and not clients"

test-clients: $(DEV) ## clients with environments of their own, Python and Node (needs node and npm)
	$(BIN)/python -m pytest -m clients

test-all: $(DEV) ## everything: clients, chaos, soak
	$(BIN)/python -m pytest

chaos: $(DEV) ## a storm of failing targets in full, with its figures
	$(BIN)/python -m pytest tests/routing/test_storm.py -m slow -q -s

check: $(DEV) ## ruff, mypy --strict, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

cover: $(DEV) ## branch coverage of the test suite
	$(BIN)/coverage run -m pytest -m "not slow and not clients"
	$(BIN)/coverage report --skip-covered --sort=cover

bench: $(DEV) ## CPU, latency and memory beside nginx and the peers, in one run
	$(BIN)/python -m loadtests.bench

bench-peers: $(DEV) ## install the peers that `make bench` compares with
	$(BIN)/python -m loadtests.bench.peers install

LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --upgrade pyproject.toml

lock: $(DEV) ## pin the dependencies again, with hashes
	$(LOCK) --extra test -o requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt -o requirements/run.txt
	for folder in tests/clients/envs/*/; do \
	  overrides=$$(ls $${folder}overrides.txt 2>/dev/null); \
	  $(subst pyproject.toml,$${folder}requirements.in,$(LOCK)) --python-version 3.11 $${overrides:+--override $$overrides} \
	    -o $${folder}requirements.txt || exit 1; \
	done

clean: ## remove what the targets made
	rm -rf $(VENV) bench-out build tests/clients/node/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
