# Every target sets up what it needs: a .venv on first use, nothing else by hand.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?= 60
WHEELS := --only-binary :all: --no-binary cpe  # cpe, of stix2-validator, is pure Python and has no wheel

.PHONY: demo test fuzz faults verify-kernels lint bench clean

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --only-binary :all: --no-binary tocsin --editable .
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --quiet $(WHEELS) --no-binary tocsin --editable ".[node,postgres]" --group test
	touch $@

.venv/linted: .venv/installed
	$(BIN)/python -m pip install --quiet $(WHEELS) --no-binary tocsin --editable ".[node,postgres]" --group test --group lint
	touch $@

.venv-identity/installed:  ## A provider of OpenID Connect, for the tests of logins, in an environment of its own
	test -x .venv-identity/bin/python || $(PYTHON) -m venv .venv-identity
	.venv-identity/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	.venv-identity/bin/python -m pip install --quiet --only-binary :all: 'canaille[front,oidc,server,sqlite]==0.3.6'
	touch $@

.venv-delta/installed:  ## The public client of Delta Sharing, which wants older packages, in an environment of its own
	test -x .venv-delta/bin/python || $(PYTHON) -m venv .venv-delta
	.venv-delta/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	.venv-delta/bin/python -m pip install --quiet --only-binary :all: 'delta-sharing==1.4.2'
	touch $@

.venv-pymisp/installed:  ## PyMISP, which reads the feeds that a test writes, in an environment of its own
	test -x .venv-pymisp/bin/python || $(PYTHON) -m venv .venv-pymisp
	.venv-pymisp/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	.venv-pymisp/bin/python -m pip install --quiet --only-binary :all: 'pymisp==2.5.34'
	touch $@

demo: .venv/installed  ## Scan the example evidence; report.html shows what was found
	$(BIN)/tocsin scan examples/water-utility/evidence --site examples/water-utility/site.yml -o report.html

test: .venv/tested .venv-identity/installed .venv-delta/installed .venv-pymisp/installed  ## Run every test
	$(BIN)/python -m pytest -n auto --dist worksteal

fuzz: .venv/tested  ## Damage real evidence at random and compare the fast and the slow readers, SECONDS for each format
	$(BIN)/python tests/fuzz_readers.py --seconds $(SECONDS)

faults: .venv/tested  ## Kill a node in the middle of its work, 200 times for each kind of work; about 15 minutes
	TOCSIN_TEST_ROUNDS=200 $(BIN)/python -m pytest tests/nodes/test_faults.py tests/nodes/test_table_faults.py

verify-kernels: .venv/tested  ## Compare the fast and the slow readers on everything in ../shared/data
	$(BIN)/python tests/verify_kernels.py

lint: .venv/linted  ## Formatting, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/tested  ## Measure, with the match counts of the same run
	$(BIN)/python bench/run.py
	$(BIN)/python bench/sharing.py
	$(BIN)/python bench/tables.py

clean:
	rm -rf .venv .venv-identity .venv-delta .venv-pymisp .bench
