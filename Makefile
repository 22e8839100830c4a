# Two commands matter: `make demo` and `make test`. They need python3, pip and make; everything else they set up here.
# Other tools: `make test INSTALL="uv pip install --python .venv/bin/python"`, `make test PYTHON=python3.12`.

PYTHON  ?= python3
VENV    := .venv
BIN     := $(VENV)/bin
INSTALL ?= $(PYTHON) -m pip --python $(BIN)/python --disable-pip-version-check -qq install
EXTRAS  := dev
FROZEN  := -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-all sim check fix bench golden docs lock clean

help: ## list what can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.runtime ## decide real injuries by real law, to a verified ledger (INPUT=file.csv for your own)
	@$(BIN)/bailiwick demo $(if $(INPUT),--input "$(INPUT)") $(if $(LEGAL_DATE),--legal-date "$(LEGAL_DATE)")

test: $(VENV)/.development ## run the tests, the long simulations left out
	$(BIN)/python -m pytest -q -m "not slow" $(TESTS)

test-all: $(VENV)/.development ## run every test, a folder at a time; interrupted, it goes on where it was (AGAIN=1 for all)
	$(if $(TESTS),$(BIN)/python -m pytest -q $(TESTS),$(BIN)/python tools/run_parts.py $(if $(AGAIN),--again))

sim: $(VENV)/.development ## repeat what a seed did: make sim SEED=7
	BAILIWICK_SEED=$(or $(SEED),1) BAILIWICK_SEEDS=1 $(BIN)/python -m pytest -q tests/simulation/test_ledger.py tests/simulation/test_kill.py tests/simulation/test_kill_effects.py

check: $(VENV)/.development ## format, lint, types, import contracts, docs: all that is not a test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/write_docs.py --check

fix: $(VENV)/.development ## format, and repair what lint can repair
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.bench ## measure, print the table and write docs/performance.md (FULL=1 for 10 million records)
	$(BIN)/python -m benchmarks --write $(if $(FULL),--full)

golden: $(VENV)/.development ## rewrite the golden files and show what moved: read it aloud
	BAILIWICK_WRITE_GOLDEN=1 $(BIN)/python -m pytest -q tests/golden
	@git --no-pager diff --stat -- tests/golden

docs: $(VENV)/.development ## write the pages that come from code: docs/cli.md, docs/errors.md
	$(BIN)/python tools/write_docs.py

lock: ## resolve every dependency anew and write constraints.txt
	$(PYTHON) tools/lock.py

clean: ## remove what was built here (a demo's home, .bailiwick, stays)
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made without pip, and the host's pip installs into it: that works on a managed system Python and
# where ensurepip is a package of its own. A stamp newer than what it was made from makes the second run start at once.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bailiwick needs Python 3.11 or newer, and $(PYTHON) is not. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m pip --version >/dev/null 2>&1 || \
	  { echo "$(PYTHON) has no pip. Try: apt-get install python3-pip" >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) $(FROZEN) -e .
	@touch $@

$(VENV)/.development: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) $(FROZEN) -e ".[$(EXTRAS)]"
	@touch $(VENV)/.runtime $@

$(VENV)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) $(FROZEN) -e ".[$(EXTRAS),modules,bench]"
	@touch $(VENV)/.runtime $(VENV)/.development $@
