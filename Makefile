# Two commands for a newcomer: `make demo` and `make test`. Both make .venv and install into it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# uv installs in seconds what pip installs in minutes; where it cannot be had, pip does the same. Both compile what they
# install, or every process would where Python is told to write no bytecode, which takes longer than all else at its start.
INSTALL = if $(BIN)/python -m pip install --quiet --disable-pip-version-check uv && $(BIN)/uv --version >/dev/null; \
	then VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/uv pip install --quiet --compile-bytecode --constraint constraints.txt --editable $(1) \
	|| $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable $(1); \
	else $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable $(1); fi

# In legs, for machines that are there for a short time only.
BENCH_GPU := bench-gpu-step-video bench-gpu-vae bench-gpu-flow bench-gpu-distill bench-gpu-dpo

.PHONY: help demo test test-slow lint format docs train-tiny bench-gpu $(BENCH_GPU) clean

help:
	@echo "make demo        install and run the whole loop on the built-in world (offline, CPU, minutes)"
	@echo "make test        install with the test extras and run the tests"
	@echo "make test-slow   the tests that take minutes"
	@echo "make lint        ruff, pyright and the import contracts"
	@echo "make docs        the documentation as a site, in site/"
	@echo "make train-tiny  train the small models in the package (about four hours on one CPU core)"
	@echo "make bench-gpu   speed and memory of the model and its training on a GPU; its legs: $(BENCH_GPU)"
	@echo "make clean       remove .venv and caches; runs/ stays"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) (the first time downloads PyTorch)"
	@$(call INSTALL,.)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing with test extras into $(VENV) (the first time downloads PyTorch)"
	@$(call INSTALL,'.[dev]')
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what the site needs into $(VENV) (the first time downloads PyTorch)"
	@$(call INSTALL,'.[docs]')
	@touch $@

$(VENV)/.installed-train: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing what training needs into $(VENV) (the first time downloads PyTorch)"
	@$(call INSTALL,'.[train]')
	@touch $@ $(VENV)/.installed

demo: $(VENV)/.installed
	$(BIN)/stepbench demo

# Tests start hundreds of processes: they shall find this project compiled, whatever the environment says.
test: $(VENV)/.installed-dev
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Look at it with `python -m http.server -d site`, or put it on any web server.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m mkdocs build --strict

# Goes on where it was stopped; `.venv/bin/python -m stepbench.training.tiny --help` has more.
train-tiny: $(VENV)/.installed-train
	$(BIN)/python -m stepbench.training.tiny --out training/tiny --pack reference_model/weights

bench-gpu: $(BENCH_GPU)

bench-gpu-step-video: $(VENV)/.installed-train
	$(BIN)/python benchmarks/step_video.py --device cuda

$(filter-out %-step-video,$(BENCH_GPU)): bench-gpu-%: $(VENV)/.installed-train
	$(BIN)/python benchmarks/training.py --device cuda --stages $*

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
