# `make demo` and `make test` do everything, installation included. Both can be run repeatedly.
# `make PYTHON=/path/to/python demo` uses another Python than the first one found.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo picture test check format clean

# Python settings of the user's shell must not affect the virtual environment.
unexport PYTHONPATH PYTHONHOME
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$$name"; break; fi; done)

VENV := .venv
VENV_PYTHON := $(VENV)/bin/python
# Do not compile packages at installation: most modules are never imported, and the others are compiled at import.
INSTALL := $(VENV_PYTHON) -m pip install --quiet --no-compile --constraint constraints.txt

help: ## List the targets.
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1@\2/' | column -t -s@ 2>/dev/null || grep -E '^[a-z]+:.*## ' Makefile

demo: $(VENV)/.demo-installed ## Install what the demo needs, run it, print the folder of its pictures.
	@$(VENV_PYTHON) -m v2xsim demo

picture: $(VENV)/.demo-installed ## Draw docs/demo.png, the picture of the README, from a new run of the demo.
	@$(VENV_PYTHON) tools/demo_picture.py

# A test file runs in one process; more than four processes need too much memory.
test: check ## Install what the tests need, then run all checks and tests.
	@$(VENV_PYTHON) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev-installed ## Run the formatter's check, the linter, the type checker and the import contracts.
	@echo "ruff check";  $(VENV_PYTHON) -m ruff check --quiet .
	@echo "ruff format"; $(VENV_PYTHON) -m ruff format --quiet --check .
	@echo "mypy";        $(VENV_PYTHON) -m mypy
	@echo "lint-imports"; $(VENV_PYTHON) -c 'from importlinter.cli import lint_imports_command as run; run()'

format: $(VENV)/.dev-installed ## Format the code.
	@$(VENV_PYTHON) -m ruff check --quiet --fix .
	@$(VENV_PYTHON) -m ruff format --quiet .

clean: ## Remove the virtual environment, builds and caches; runs/ stays.
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Because of the stamp files, a second run installs nothing. The tests need everything that the demo needs, so their stamp sets both.
$(VENV)/.demo-installed: pyproject.toml constraints.txt
	@tools/system-packages "$(PYTHON)" sumo
	@tools/virtual-environment "$(PYTHON)" $(VENV)
	@echo "Installing v2xsim into $(VENV): about 1 GB, some minutes on a slow line ..."
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt
	@tools/system-packages "$(PYTHON)" sumo open3d
	@tools/virtual-environment "$(PYTHON)" $(VENV)
	@echo "Installing v2xsim and what its tests need into $(VENV): about 2 GB, some minutes on a slow line ..."
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation --editable '.[dev]'
	@touch $(VENV)/.demo-installed $@
