# Needs Python >= 3.11 with pip, and make. `make` without a target lists the targets.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv

# torch and its CUDA libraries are large downloads. uv must use the given Python and not download another one.
export UV_HTTP_TIMEOUT ?= 300
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format wheel lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/.installed ## install the package and its dependencies in .venv (no-op if done)

demo: setup ## train the default model on the embedded corpus (ARGS="key=value ...")
	@$(VENV)/bin/regard train $(ARGS)

test: check ## check, then all tests (ARGS="options of pytest")
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 2 --dist loadgroup $(ARGS)

check: setup ## lint, format, types, and the import order of the folders
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports --no-logo

format: setup ## fix lint and format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

wheel: setup ## build a wheel and a source distribution in dist/
	@$(PY) -m hatchling build -t sdist -t wheel

lock: $(VENV)/.uv ## write requirements.lock from pyproject.toml (UPGRADE=1: with the newest versions)
	@$(UV) pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
	    --no-annotate --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
	    --quiet --output-file requirements.lock

clean: ## remove caches and dist/ (.venv, data and runs stay)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# Three steps, each with a stamp file, so that an interrupted setup continues where it stopped.

# Some Python packages of Debian have no ensurepip: then their own pip does step two.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'regard: needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3' >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	 else $(PYTHON) -m venv --without-pip $(VENV); fi
	@touch $@

# uv, which installs the rest, and setuptools, which builds the one package without a wheel. Reinstalled always,
# because pip does not notice a partly installed package.
$(VENV)/.uv: requirements.lock $(VENV)/.made
	@awk '/^[^ #]/ { wanted = /^(uv|setuptools)==/ } wanted' requirements.lock > $(VENV)/bootstrap.txt
	@if $(PY) -c 'import pip' 2>/dev/null; then pip='$(PY) -m pip'; \
	 elif $(PYTHON) -c 'import pip' 2>/dev/null; then pip='$(PYTHON) -m pip --python $(PY)'; \
	 else echo 'regard: this Python has no pip; on Debian: apt-get install python3-pip python3-venv' >&2; exit 1; fi; \
	 $$pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --require-hashes \
	    --requirement $(VENV)/bootstrap.txt
	@touch $@

# uv does not notice a partly installed package either: after an interrupted setup, all are reinstalled.
# Packages are compiled to bytecode here, which uv does not do by default: with PYTHONDONTWRITEBYTECODE, common in
# containers, torch would otherwise be compiled at every start, which takes longer than the rest of the start.
# transformers, which only tests of `regard export` and `regard import` use, is installed in a folder of its own:
# torchmetrics imports it where it finds it, and every start of `regard train` would take 1.4 s longer.
$(VENV)/.installed: requirements.lock pyproject.toml $(VENV)/.uv
	@awk '/^[^ #]/ { apart = /^transformers==/ } { print > ("$(VENV)/" (apart ? "apart" : "together") ".txt") }' \
	    requirements.lock
	@again=; if [ -e $(VENV)/.installing ]; then again=--reinstall; fi; touch $(VENV)/.installing; \
	 install='$(UV) pip install --python $(PY) --compile-bytecode --no-deps --no-build-isolation --require-hashes' && \
	 $$install $$again --requirement $(VENV)/together.txt && \
	 $$install $$again --target $(VENV)/apart --requirement $(VENV)/apart.txt && \
	 $(UV) pip install --python $(PY) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.installing
	@touch $@
