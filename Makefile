# Every target sets itself up first; `make setup` alone does that. Needs Python 3.11+; Java 17 or 21 is installed where it may be.
BIN := .venv/bin
READY := .venv/.ready
export MESH_CACHE ?= $(CURDIR)/.cache
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.PHONY: help setup setup-s3 demo check test test-full format clean
.DEFAULT_GOAL := help

help:
	@echo "make setup      .venv from conf/constraints.txt, Java, the jars that Spark lacks, the class archive"
	@echo "make setup-s3   Hadoop's client of S3 as well (690 MB), for a lake in an object store"
	@echo "make demo       the whole loop on simulated traffic"
	@echo "make check      ruff, mypy, import contracts, secrets"
	@echo "make test       the tests (make test-full: the slow ones too)"
	@echo "make format     let ruff format the code"
	@echo "make clean      remove what was made here; data in .mesh stays"

setup: $(READY)

$(READY): conf/constraints.txt conf/setup.sh setup.py mesh_catalog/lake/jars.py mesh_catalog/lake/archive.py
	@PYTHON="$(PYTHON)" sh conf/setup.sh
	@touch $@

setup-s3: $(READY)
	@$(BIN)/python -m mesh_catalog.lake.jars --s3

demo: $(READY)
	@$(BIN)/python -m domains.demo

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@git ls-files -co --exclude-standard -z | xargs -0 $(BIN)/detect-secrets-hook --no-verify && echo "no secrets found"

# A Spark session waits for itself half of the time: two processes, each with one of its own, fill two cores; long files first.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test: $(READY)
	$(PYTEST) -m "not slow"

test-full: $(READY)
	$(PYTEST)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .cache .demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
