# Everything starts from a bare machine: Python 3.11 or later, its pip, and make.
# The first target that needs it makes .venv; a stamp file makes the second time fast.

PYTHON ?= $(shell for name in python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
DOCTOR := need Python 3.11 or later with pip; give its name as: make PYTHON=python3.12

# What flake8-async says and we do not follow:
ASYNC_IGNORED := ASYNC102 # closing is bounded by the caller's scope alone (contract), so nothing is shielded from it
ASYNC_IGNORED += ASYNC106 # `from anyio import X` is how the core imports
ASYNC_IGNORED += ASYNC110 # a loop of checkpoints is how a test lets others run, a tick at a time
ASYNC_IGNORED += ASYNC123 # an error goes out as it is, in no group (contract)
ASYNC_IGNORED += ASYNC124 # a handler may be async without awaiting
# Many tests wait for servers, browsers and processes, so there are more workers than cores. A part of the suite may be
# quicker with WORKERS=0.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))' 2>/dev/null || echo auto)
PARALLEL := -n $(WORKERS) --dist worksteal
CHECKED := src $(wildcard examples)
ASYNC_CHECKED ?= src $(wildcard examples)
comma := ,
space := $(subst ,, )

# Where the environment forbids it, each of some hundred processes that the suite starts would compile all that it
# imports, pytest and pydantic too: more than a second each.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

# -- the main job, and the suite

.PHONY: demo
demo: $(VENV)/.run ## ten seconds of the main job: what this machine is doing, as events
	$(BIN)/evenflow demo --seconds 10

.PHONY: test
test: $(VENV)/.dev ## the whole suite
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS)

.PHONY: check check-style check-bands check-mypy check-basedpyright check-complete check-async
check: check-style check-bands check-mypy check-basedpyright check-complete check-async ## ruff, the bands, two strict type checkers, flake8-async; with -k all of them
check-style: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
check-bands: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache
check-mypy: $(VENV)/.dev
	$(BIN)/mypy $(CHECKED) tests/typing # tests/test_typing.py asks the others about it
check-basedpyright: $(VENV)/.dev
	$(BIN)/basedpyright --pythonpath $(BIN)/python $(CHECKED)
check-complete: $(VENV)/.dev # every public name has a type that both checkers know: 100 %
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/basedpyright --ignoreexternal --verifytypes evenflow
check-async: $(VENV)/.dev # over the tests too it takes seven minutes of two cores: `make check-async ASYNC_CHECKED="src examples tests benchmarks"`
	$(BIN)/flake8 --select ASYNC1,ASYNC2 --extend-ignore $(subst $(space),$(comma),$(strip $(ASYNC_IGNORED))) \
		--exclude tests/typing $(ASYNC_CHECKED)

.PHONY: soak
soak: $(VENV)/.dev ## what CI leaves out: a thousand clients, ten thousand that come and go, and limits of time
	$(BIN)/python -m pytest -n 0 -m "soak or timed" tests

.PHONY: instrumented
instrumented: $(VENV)/.dev ## the whole contract with every subject followed by telemetry; tests/instrumented.py says what is left out
	$(BIN)/python -m pytest $(PARALLEL) --instrumented --timeout 600 -k "not destructor" tests/contract

.PHONY: fuzz
fuzz: $(VENV)/.dev ## the long runs of every property: many minutes
	EVENFLOW_FUZZ_EXAMPLES=50000 EVENFLOW_MODEL_EXAMPLES=2000 \
	$(BIN)/python -m pytest $(PARALLEL) --timeout 3600 \
		tests/fuzz tests/contract/model tests/streams/oracle tests/streams/test_rules.py tests/log/model

.PHONY: crash
crash: $(VENV)/.dev ## kill processes that publish and consume on one file: 200 times alone, 100 times with three others
	EVENFLOW_KILL_ROUNDS=200 $(BIN)/python -m pytest -n 0 tests/log/sqlite/test_kill.py
	EVENFLOW_CRASH_ROUNDS=200 $(BIN)/python -m pytest -n 0 -k '[1]' tests/log/crash
	EVENFLOW_CRASH_ROUNDS=100 $(BIN)/python -m pytest -n 0 -k '[4]' tests/log/crash

.PHONY: asyncapi-parser
asyncapi-parser: $(VENV)/.asyncapi ## fetch the official parser of AsyncAPI, which the tests ask; needs npm
$(VENV)/.asyncapi: tests/asyncapi/parser/package.json | $(VENV)/.dev
	$(BIN)/python -m tests.asyncapi.parser
	@touch $@

.PHONY: mutants
mutants: $(VENV)/.dev ## break each guarantee on purpose: every one must be noticed
	$(BIN)/python -m tests.mutants $(MUTANTS)

.PHONY: mutants-all
mutants-all: $(VENV)/.mutation ## break every line of a FILE, with mutmut: minutes, and survivors to be read
	@test -n "$(FILE)" || { echo "which file? make mutants-all FILE=src/evenflow/_history.py"; exit 1; }
	$(BIN)/python -m tests.mutants._by_line $(FILE) $(TESTS)

.PHONY: test-lowest
test-lowest: $(VENV)/.dev ## the core's tests on the oldest anyio and pydantic that pyproject.toml allows
	$(UV) venv --quiet --allow-existing --python $(BIN)/python $(VENV)-lowest
	$(UV) pip install --quiet --python $(VENV)-lowest --constraints constraints.txt --group test --editable '.[cli,nats,redis]'
	$(UV) pip install --quiet --python $(VENV)-lowest --resolution lowest-direct \
		--reinstall-package anyio --reinstall-package pydantic --editable .
	$(VENV)-lowest/bin/python -m pytest $(PARALLEL) -p no:anyio --ignore tests/test_typing.py $(TESTS) # that anyio's own plugin warns under today's pytest

# -- measured, drawn

.PHONY: bench
bench: $(VENV)/.bench ## every question against every peer: minutes
	$(BIN)/python -m benchmarks

.PHONY: bench-quick
bench-quick: $(VENV)/.bench ## the ratios that matter: under a minute
	$(BIN)/python -m benchmarks --quick

.PHONY: docs-marbles
docs-marbles: $(VENV)/.dev ## the picture of each operator, made by running it
	$(BIN)/python docs/marbles.py

.PHONY: docs-demo
docs-demo: $(VENV)/.dev ## the picture of the demo, made by running it: ten seconds
	$(BIN)/python docs/demo_svg.py

.PHONY: docs-engines
docs-engines: $(VENV)/.dev ## the table of capabilities, made by running the conformance suite on each engine: a minute or two
	$(BIN)/python docs/engines_table.py

# -- the ground

$(UV):
	@test -n "$(PYTHON)" || { echo "$(DOCTOR)"; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --constraint constraints.txt uv

$(VENV)/.run: pyproject.toml constraints.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --constraints constraints.txt --editable '.[cli]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --constraints constraints.txt --group dev --editable '.[all]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: pyproject.toml constraints.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --constraints constraints.txt --group dev --group bench --editable '.[all]'
	@touch $@ $(VENV)/.dev $(VENV)/.run

$(VENV)/.mutation: pyproject.toml constraints.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python --constraints constraints.txt --group dev --group mutation --editable '.[all]'
	@touch $@ $(VENV)/.dev $(VENV)/.run

.PHONY: constraints
constraints: $(UV) ## write constraints.txt anew: what is tested, on every system, with no address in it
	$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--all-extras --group dev --group bench --group mutation pyproject.toml --output-file constraints.txt

.PHONY: clean
clean: ## leave only what git knows
	rm -rf $(VENV) $(VENV)-lowest build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
