# make repro: set up and run the main job.  make test: set up and run the tests.  Both need only Python 3.11 or newer.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
# Experiments of a study at a time: two suit the miniature; with real models on one GPU say JOBS=1.
JOBS ?= 2
# Where make real-shapes puts weights and working copy, some 18 GB.
FOLDER ?= .real-shapes
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# One thread for each of the two test workers: with more, tiny models on shared cores run up to 100 times slower.
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false
RUN := $(THREADS) PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: setup lavis check test test-ray repro truth choice evidence ablation layers compare bench scale real-shapes miniature clean

setup: $(STAMP)

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, found %d.%d (make PYTHON=python3.11 ...)" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

# For `blip.backend: lavis` alone: LAVIS and its old packages, beside the environment and never in it.
lavis: setup
	rm -rf .lavis .lavis.tmp
	$(BIN)/pip install --quiet --no-deps --target .lavis.tmp --requirement requirements-lavis.txt
	mv .lavis.tmp .lavis

check: setup
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) codespell

test: setup
	$(RUN) python -m pytest -n 2 --dist loadfile --cov --cov-report=term

# With the extra ray, some 270 MB more in the same environment. In one process: each test starts processes enough.
test-ray: $(STAMP)-ray
	$(RUN) python -m pytest -m ray

$(STAMP)-ray: $(STAMP)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,ray]'
	@touch $@

repro: setup
	$(RUN) dvc repro

# After `make repro`: every stage scored against what the miniature knows, into docs/truth.md.
truth: setup
	$(RUN) python -m miniature.truth

# Studies: what is finished is not run again; each writes its page, figures and chart into docs/studies/. The data that
# all rows share is made once, before them.
choice: repro
	$(RUN) sur study choice --jobs $(JOBS)

evidence: repro
	$(RUN) sur study seeds --jobs $(JOBS)
	$(RUN) sur study paper-values --jobs $(JOBS)

ablation: repro
	$(RUN) sur study ablation --jobs $(JOBS)

layers: repro
	$(RUN) sur study layers --jobs $(JOBS)

# Experiments beside each other, by what differs between them; `dvc exp show` alone shows every figure of every stage.
compare: setup
	$(RUN) dvc exp show --only-changed --drop 'data/.*|.*last_steps.*|.*low|.*high|Created|.*headline'

bench: setup
	$(RUN) python -m bench

# docs/scale.md anew, from counted FLOP and from what benches left in bench/results.
scale: setup
	$(RUN) python -m bench.scale

# The paper's profile on random weights of the real shapes, in FOLDER, which may be deleted: docs/real-shapes.md.
real-shapes: setup
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m bench.real_run $(FOLDER)

miniature: setup
	$(RUN) python -m miniature.build

clean:
	rm -rf .work .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
