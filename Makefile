# Everything installs into a local virtual environment; nothing else on the machine is touched.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Large data files, where somebody keeps a copy beside the checkout; unset otherwise (user's cache folder).
ifneq ($(wildcard ../shared/data),)
export DETABED_DATA_DIR ?= $(abspath ../shared/data)
endif

.PHONY: install board demo test check docs dist mutants bench format clean

install: $(STAMP)

# Compiled at once, as pip does with what it copies: every process of a run imports much of it, and some environments
# forbid Python to keep what it compiled (PYTHONDONTWRITEBYTECODE).
PACKAGES := coordinator edge_node protos experiments carbon_data detabed

# torch first and alone: pip then takes a CPU build where one is offered, and nothing else pulls another version.
$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m compileall -q $(PACKAGES)
	touch $(STAMP)

# A node alone, for a board: no coordinator, no Ray, no studies (docs/decisions/0015-boards.md).
board:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --requirement edge_node/requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps .

demo: install
	$(BIN)/detabed compare demo --policies local,det,dat,deta --seeds 2

# Two more workers than cores: tests that start processes mostly wait for them.
WORKERS = $(shell $(PYTHON) -c "import os; print(len(os.sched_getaffinity(0)) + 2)" 2>/dev/null || echo auto)

test: install
	$(BIN)/python -m pytest -n $(WORKERS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m protos.generate --check
	$(BIN)/python -m edge_node.tasks.data.build_digits --check
	$(BIN)/python -m experiments.scenario.reference --check
	$(BIN)/python -m experiments.run_folder.reference --check
	$(BIN)/python -m docs.fill --check

# The documentation site in site/; a broken link fails.
docs: install
	$(BIN)/python -m pip install --quiet --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

# Wheel and source distribution in dist/, and the demo from the wheel in an environment of its own, outside the checkout.
dist: install
	rm -rf dist build/fresh
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --outdir dist .
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet torch==2.13.0
	build/fresh/bin/python -m pip install --quiet dist/*.whl
	cd build && fresh/bin/detabed compare demo --policies local,det,dat,deta --seeds 2 --output fresh/demo
	cd build && fresh/bin/detabed ledger verify fresh/demo

# MUTANTS: options and names for benchmarks/mutants.py, for example '--sample 300' or 'coordinator.ledger.*'; hours.
mutants: install
	$(BIN)/python -m pip install --quiet --editable '.[dev,mutants]'
	$(BIN)/python -m benchmarks.mutants $(MUTANTS)

bench: install
	$(BIN)/python -m benchmarks.fleet
	$(BIN)/python -m benchmarks.learning
	$(BIN)/python -m benchmarks.optimiser

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
