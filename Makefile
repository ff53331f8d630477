# What a person needs. `make demo` and `make test` stand on `make install`; PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three times the cores of a small machine: many tests wait for real processes, or for a clock.
WORKERS ?= 6

.PHONY: help install demo test test-long test-all test-cluster torture check format schema docs bench wheel clean example

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP)  ## Prepare .venv with everything that is needed

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gameday needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(STAMP)

demo: install  ## Run a whole game day on this machine: the console with a terminal, unattended without
	$(BIN)/gameday demo

test: install  ## Run the tests
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -q

test-long: install  ## The long forms that `make test` leaves out
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -q -m long

test-all: install  ## All of them, in one go
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -q --long

torture: install  ## The long form of the kill tests
	$(BIN)/pytest -n $(WORKERS) -q --kills 100 tests/torture tests/kubernetes/test_kills.py

test-cluster: install  ## The Kubernetes tests on a real cluster: GAMEDAY_TEST_KUBECONFIG, _IMAGE, GAMEDAY_TEST_TOXIPROXY (a server's path)
	@test -n "$$GAMEDAY_TEST_KUBECONFIG" || { echo "GAMEDAY_TEST_KUBECONFIG names no kubeconfig"; exit 2; }
	$(BIN)/pytest -n 2 -q tests/kubernetes

check: install  ## Everything a machine can see: style, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/gameday schema --check scenarios/scenario.schema.json
	$(BIN)/python -m docs.generate --check

format: install  ## Format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

docs: install  ## Write the generated files anew: schema and CLI reference
	$(BIN)/gameday schema > scenarios/scenario.schema.json
	$(BIN)/python -m docs.generate

bench: install  ## Measure; prints ratios and percentiles
	$(BIN)/python -m benchmarks

wheel: install  ## Build the wheel into dist/
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean:  ## Remove what was built (not the journals)
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

example: install  ## Run the demo for real and make reports/example-* and the README's pictures of it
	@rm -rf build/example && mkdir -p build/example
	cd build/example && GAMEDAY_STORE=store.db GAMEDAY_SANDBOX=/tmp/gameday-example ../../$(BIN)/gameday run \
	  ../../scenarios/sandbox/payment-outage.yaml --unattended --reports .
	for kind in html md json; do cp build/example/2*.$$kind reports/example-payment-outage.$$kind; done
	$(BIN)/python -m docs.pictures
