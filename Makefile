# Everything runs in .venv, which is remade whenever pyproject.toml changes.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
PYTEST ?= -n 2 --dist loadgroup
# For folders of plain scripts, which import each other by their bare names.
SCRIPTS_MYPY := MYPYPATH=.:$(CURDIR)/conformance/jobwire_conformance/specimen $(CURDIR)/$(BIN)/mypy \
	--config-file $(CURDIR)/pyproject.toml --explicit-package-bases
SOURCES := reference conformance tests tools examples benchmarks

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types format scripts conformance interop self-test bench bench-quick build clean engines
.DELETE_ON_ERROR:

help:  ## list the commands
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed  ## start a server and a worker, run each example, clean up
	@$(BIN)/python examples/demo.py

test: $(VENV)/tools engines  ## run all tests, under coverage
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest $(PYTEST)
	@$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check: lint types test  ## check formatting, lint, types, tests and coverage

lint: $(VENV)/tools
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: $(VENV)/tools
	$(BIN)/mypy
	$(BIN)/mypy reference/conformance
	cd conformance/jobwire_conformance/specimen && $(SCRIPTS_MYPY) .
	cd conformance/jobwire_conformance/selftest/nulls && $(SCRIPTS_MYPY) .

format: $(VENV)/tools  ## format the code
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

scripts: $(VENV)/tools  ## generate pass.lua, scripts.json, the tables of SPEC.md, docs/cli.md, docs/traceability.md
	$(BIN)/python -m tools.generate
	$(BIN)/python -m tools.cli_docs

conformance: $(VENV)/installed  ## run the conformance suite against the reference; report in dist/conformance.html
	@mkdir -p dist
	@$(BIN)/jobwire-conformance run reference/conformance/jobwire.toml --report dist/conformance.ndjson \
		&& $(BIN)/jobwire-conformance report dist/conformance.ndjson --html dist/conformance.html

interop: $(VENV)/tools  ## have the workers in five languages work with each other and their codecs agree; report in dist/interop.html
	@mkdir -p dist
	@$(BIN)/jobwire-conformance interop reference/conformance $(addprefix examples/workers/,typescript go rust java) \
		--report dist/interop.ndjson; code=$$?; \
		$(BIN)/jobwire-conformance report dist/interop.ndjson --html dist/interop.html && exit $$code
	$(BIN)/pytest -n 0 tests/interop

self-test: $(VENV)/installed  ## prove that the suite finds the mistakes that it is there to find, about 10 minutes
	@$(BIN)/jobwire-conformance self-test

bench: $(VENV)/bench  ## compare with other job queues, one to two hours; BENCH="--peers rq --figures one" for a part
	@$(BIN)/python -m benchmarks $(BENCH)

bench-quick: $(VENV)/bench  ## the main figures beside three of them, 3 minutes
	@$(BIN)/python -m benchmarks --quick $(BENCH)

build: $(VENV)/tools  ## build sdist and wheel into dist/
	$(BIN)/python -m build

clean:  ## delete what was built, .venv, and .bench
	rm -rf $(VENV) .bench dist build .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3"; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "Python cannot make a venv (Debian: apt-get install python3-venv)"; exit 1; }
	@$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/tools: $(VENV)/installed
	@$(BIN)/pip install --quiet --group dev
	@touch $@

$(VENV)/bench: $(VENV)/installed
	@$(BIN)/pip install --quiet --group bench
	@touch $@

engines:
	@for program in redis-server redis-cli chromium chromedriver; do command -v $$program >/dev/null \
		|| { echo "$$program is needed for the tests (Debian: apt-get install redis-server chromium chromium-driver)"; \
		exit 1; }; done
