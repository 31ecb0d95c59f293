# Everything runs in .venv, with the versions of requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: repro test compare lint clean-cache

repro: .venv/installed
	. $(BIN)/activate && dvc repro
	@echo "The report: file://$(CURDIR)/reports/index.html"

# A process per core, and a thread in each.
test: .venv/installed-test
	. $(BIN)/activate && OMP_NUM_THREADS=1 python -m pytest -n auto

# `dvc exp show` with what differs between experiments, and without the hashes of files.
compare: .venv/installed
	. $(BIN)/activate && dvc exp show --no-pager --only-changed --drop '^(Created|data|reports|stages|tickle_core|requirements)'

lint: .venv/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# What no output or lock file refers to: old results in DVC's cache, unfinished work, downloads.
clean-cache: .venv/installed
	. $(BIN)/activate && dvc gc --workspace --force
	rm -rf .cache

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tickle needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[efficientnet]'
	touch $@

.venv/installed-test: .venv/installed
	$(INSTALL) --editable '.[efficientnet,test]'
	touch $@
