# The forms that users type. Every target sets itself up; a second call does no set-up again.
recipe ?= mobilenet
set ?=
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3.11
STAMP := $(VENV)/.ready
overrides := $(foreach pair,$(set),--set "$(pair)")

.DEFAULT_GOAL := help
.PHONY: help setup qat ptq run benchmark apk test test-all lint clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
	@echo
	@echo 'recipe=NAME chooses the recipe (mobilenet), set="KEY=VALUE …" overrides its keys:'
	@echo '  make qat recipe=mobilenet set="train.epochs=3 qat.epochs=1"'

setup: $(STAMP) ## Make .venv with the pinned packages (the other targets do it themselves)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: apt-get install python3.11 python3.11-venv, or PYTHON=/path/to/python3.11"; exit 2; }
	@echo "Setting up $(VENV) (once; about 2.6 GB, a minute or two) …"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --progress-bar on --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@

qat: $(STAMP) ## Run a recipe: train, QAT, int8, audit, numbers
	@$(BIN)/pipeline run "$(recipe)" $(overrides)

ptq: $(STAMP) ## Run a recipe without QAT: post-training int8
	@$(BIN)/pipeline run "$(recipe)" --ptq $(overrides)

benchmark: $(STAMP) ## Time the newest run's models side by side
	@$(BIN)/pipeline benchmark

apk: ## Build the Android benchmark app (needs a JDK 17 and Debian packages, no Android SDK)
	@$(PYTHON) android_bench/build_apk.py

test: $(STAMP) ## Run the tests (minutes)
	$(BIN)/python -m pytest -n auto -m "not slow" --durations=5

test-all: $(STAMP) ## Run the slow tests too
	$(BIN)/python -m pytest -n auto --durations=20

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pipeline

clean: ## Remove .venv and caches (runs/ stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
