# The commands of the project. Each makes its environment in .venv first, once: a stamp file says
# that it is complete, and goes stale when pyproject.toml changes. With fresh stamps nothing is
# fetched.
PYTHON ?= python3
PYTEST_ARGS ?=
OUT ?= out

VENV := .venv
BIN := $(VENV)/bin
# What builds the project lies in the environment itself, so that installing it again after a
# change of pyproject.toml needs no network either.
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
BUILD_TOOLS := "hatchling>=1.27" "editables>=0.3"
# Two processes: most of the time goes into compiling, which uses one core.
PYTEST := $(BIN)/python -m pytest -n 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow lint format clean

help:
	@echo "make demo       simulate and draw: pictures in $(OUT)/"
	@echo "make test       the tests that are not slow, and the examples of the docstrings"
	@echo "make test-slow  the slow tests"
	@echo "make lint       ruff and pyright"
	@echo "make format     let ruff format and sort imports"
	@echo "make clean      remove the environment and what was built"
	@echo "Another Python: make test PYTHON=python3.12 (before the environment exists)."

demo: $(VENV)/stamp-plot
	$(BIN)/python examples/coba.py --out "$(OUT)"
	$(BIN)/python examples/current_clamp.py --out "$(OUT)"

test: $(VENV)/stamp-test
	$(PYTEST) -m "not slow" $(PYTEST_ARGS)

test-slow: $(VENV)/stamp-test
	$(PYTEST) -m slow $(PYTEST_ARGS)

lint: $(VENV)/stamp-test
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m pyright

format: $(VENV)/stamp-test
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:
	rm -rf "$(VENV)" build dist .pytest_cache .ruff_cache .hypothesis

$(VENV)/stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "fdyn needs Python 3.11 or newer, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "'$(PYTHON)' cannot make virtual environments: its modules venv and ensurepip are"; \
	  echo "missing. On Debian and Ubuntu: apt install python3-venv. Or name another Python:"; \
	  echo "make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv "$(VENV)"
	$(PIP) $(BUILD_TOOLS)
	touch $@

$(VENV)/stamp-plot: $(VENV)/stamp-venv pyproject.toml
	$(PIP) --no-build-isolation --editable ".[plot]"
	touch $@

$(VENV)/stamp-test: $(VENV)/stamp-venv pyproject.toml
	$(PIP) --no-build-isolation --editable ".[test]"
	touch "$(VENV)/stamp-plot" $@
