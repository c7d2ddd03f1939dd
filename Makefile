# Every target sets up what it needs: a .venv on first use, nothing else by hand.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?= 60

.PHONY: demo test fuzz verify-kernels lint bench clean

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

demo: .venv/installed  ## Scan the example evidence and make a report of it
	$(BIN)/tocsin scan examples/water-utility/evidence --site examples/water-utility/site.yml -o findings.jsonl --coverage coverage.json
	$(BIN)/tocsin report findings.jsonl --coverage coverage.json --site examples/water-utility/site.yml

test: .venv/tested  ## Run every test
	$(BIN)/python -m pytest

fuzz: .venv/tested  ## Damage real evidence at random and compare the fast and the slow readers, SECONDS for each format
	$(BIN)/python tests/fuzz_readers.py --seconds $(SECONDS)

verify-kernels: .venv/tested  ## Compare the fast and the slow readers on everything in ../shared/data
	$(BIN)/python tests/verify_kernels.py

lint: .venv/linted  ## Formatting, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/tested  ## Measure, with the match counts of the same run
	$(BIN)/python bench/run.py

clean:
	rm -rf .venv .bench
