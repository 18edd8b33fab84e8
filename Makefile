# Needs Python >= 3.11, Node >= 20.19 and make; everything else is installed into .venv and js/node_modules.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BROWSER := $(VENV)/.browser
MODULES := js/node_modules/.package-lock.json
BUNDLE := lrfinder_widget/widget/static/widget.js
JS_SOURCES := $(shell find js -type f -not -path '*/node_modules/*' -not -path '*/__screenshots__/*' \
	-not -path '*/.vitest-attachments/*' -not -path '*/coverage/*' 2>/dev/null)
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.NOTPARALLEL:
.PHONY: help demo test lint types test-front-end test-python bench clean
.DEFAULT_GOAL := help

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1: \2/p' $(MAKEFILE_LIST)

demo: $(INSTALLED) $(BUNDLE) ## open the quickstart in JupyterLab (with CI=true: execute it and exit)
	if [ "$${CI:-}" = true ]; then \
		$(BIN)/jupyter execute --timeout=300 notebooks/quickstart.ipynb; \
	else \
		$(BIN)/jupyter lab $(AS_ROOT) notebooks/quickstart.ipynb; \
	fi

test: lint types test-front-end test-python ## lint, types, front-end, Python and browser tests

lint: $(INSTALLED) $(MODULES) ## ruff and biome
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	npm --prefix js run --silent lint

types: $(INSTALLED) $(MODULES) ## mypy and tsc, strict
	$(BIN)/mypy
	npm --prefix js run --silent types

test-front-end: $(MODULES) $(BUNDLE) $(BROWSER) ## Vitest, in Chromium
	npm --prefix js run --silent size
	npm --prefix js run --silent test

test-python: $(INSTALLED) $(BUNDLE) $(BROWSER) ## pytest: without a browser, over processes, against a kernel, in JupyterLab
	$(BIN)/pytest -q -n 2 --dist loadfile tests/unit tests/command
	$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder tests/distributed tests/kernel tests/browser

bench: $(INSTALLED) $(BUNDLE) $(BROWSER) ## time per step, bytes on the wire and suggestions, beside the peers
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/wire.py
	$(BIN)/python benchmarks/suggestions.py
	$(BIN)/python benchmarks/leave_out.py

clean: ## remove all that these commands made
	rm -rf $(VENV) js/node_modules lrfinder_widget/widget/static build dist \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis

# The bundle comes first, so that installing need not build it a second time.
$(INSTALLED): pyproject.toml constraints.txt | $(BUNDLE)
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found: install one, or name it with make PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(MODULES): js/package.json js/package-lock.json
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
		|| { echo "Node >= 20.19 is needed (found: $$(node --version 2>/dev/null || echo none))." >&2; exit 1; }
	npm --prefix js ci --no-audit --no-fund
	@touch $@

$(BUNDLE): $(MODULES) $(JS_SOURCES)
	npm --prefix js run --silent build
	@touch $@

# A Chromium that is there is used; root gets Debian's; everyone else gets Playwright's own.
$(BROWSER): $(INSTALLED) $(MODULES)
	if [ -n "$${CHROMIUM:-}" ] || command -v chromium chromium-browser >/dev/null; then \
		true; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	else \
		$(BIN)/playwright install chromium && cd js && npx playwright install chromium; \
	fi
	@touch $@
