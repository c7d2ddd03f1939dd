# Every target sets up what it needs: a .venv on first use, nothing else by hand.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench clean

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --only-binary :all: --no-binary tocsin --editable .
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --quiet --only-binary :all: --group test
	touch $@

.venv/linted: .venv/installed
	$(BIN)/python -m pip install --quiet --only-binary :all: --group test --group lint
	touch $@

demo: .venv/installed  ## Scan the example evidence
	$(BIN)/tocsin scan examples/water-utility/evidence

test: .venv/tested  ## Run every test
	$(BIN)/python -m pytest

lint: .venv/linted  ## Formatting, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/tested  ## Measure, with the match counts of the same run
	$(BIN)/python bench/run.py

clean:
	rm -rf .venv .bench
