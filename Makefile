# Everything runs in .venv, with the versions of requirements.lock.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: repro test test-fast check compare preset clean-cache

repro: .venv/installed
	. $(BIN)/activate && python -m tickle_core.preflight && dvc repro
	@echo "The report: file://$(CURDIR)/reports/index.html"

# A process per core, and a thread in each.
test: .venv/installed-test
	. $(BIN)/activate && OMP_NUM_THREADS=1 python -m pytest -n auto

# What can be said in 90 seconds: without the small pipelines, and what is marked as slow.
test-fast: .venv/installed-test
	. $(BIN)/activate && OMP_NUM_THREADS=1 python -m pytest -n auto -m "not pipeline and not slow"

# Format, lint, types.
check: .venv/installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# What differs between experiments, without the hashes of files: params first, then metrics.
compare: .venv/installed
	. $(BIN)/activate && dvc exp show --csv --only-changed --drop '^(Created|data|params|reports|stages|tickle_core|requirements)' \
		| python -m tickle_core.reporting.comparison

# params.yaml of a preset: make preset NAME=imagenet_efficientnet_lite0
preset: .venv/installed
	$(BIN)/python -m tickle_core.params.presets $(NAME)

# What was made for layers that are gone, what DVC's cache keeps of old results, unfinished work,
# downloads.
clean-cache: .venv/installed
	. $(BIN)/activate && python -m tickle_core.leftovers && dvc gc --workspace --force
	rm -rf .cache

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tickle needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[efficientnet]'
	touch $@

.venv/installed-test: .venv/installed
	$(INSTALL) --editable '.[efficientnet,test]'
	touch $@
