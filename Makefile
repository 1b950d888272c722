# Needs Python 3.11 or newer and make; everything else is brought by the environment in .venv.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

UV := uv==0.13.9
BIN := .venv/bin
# uv keeps downloads in the user's cache; where there is no home to write to, it does without.
UV_CACHE := $(shell [ -n "$${HOME:-}" ] && mkdir -p "$$HOME/.cache" 2>/dev/null && [ -w "$$HOME/.cache" ] || echo --no-cache)
KEY := $(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
STAMP := .venv/.ready-$(KEY)

.PHONY: help demo cluster test test-all lint lab airflow bench docs lock clean prepared spark-prepared

help:  ## Show the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

demo: prepared  ## Run the whole pipeline on a simulated plant
	@$(BIN)/sensorstream demo

cluster: spark-prepared  ## The demo's run once more on a Spark cluster: the same objects
	@$(BIN)/sensorstream demo --spark

# Tests wait for Airflow, Java and servers: two at once, each with its own, take 515 s where one by one take 884.
test: lint spark-prepared  ## Lint, types and every test but the slow ones
	@$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile --no-loadscope-reorder

test-all: lint spark-prepared  ## Lint, types and every test
	@$(BIN)/python -m pytest

lint: prepared  ## Lint and types
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: prepared  ## JupyterLab on the notebooks, sandbox running
	@$(BIN)/sensorstream lab

airflow: prepared  ## Airflow with the DAGs, sandbox running
	@$(BIN)/sensorstream airflow

bench: spark-prepared  ## Benchmark against the peers (BENCH="--case all --write-docs": more of it)
	@$(BIN)/sensorstream bench $(BENCH)

docs: prepared  ## Render the public names to build/docs
	@$(BIN)/python docs/api.py

lock: $(STAMP)  ## Pin again what pyproject.toml asks for
	@$(BIN)/uv pip compile pyproject.toml --extra test --python-version 3.11 --universal --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --quiet -o requirements.lock

clean:  ## Stop the sandbox; remove it, the environment and all that was made
	@if [ -x $(BIN)/sensorstream ]; then $(BIN)/sensorstream sandbox down --remove || true; fi
	if [ -x $(BIN)/sensorstream ]; then $(BIN)/sensorstream sandbox down --remove --root .sandbox-bench || true; fi
	rm -rf .venv .venv-bench .sandbox .sandbox-bench build reports spark-warehouse .pytest_cache .mypy_cache .ruff_cache .hypothesis

prepared: $(STAMP)
	@$(BIN)/python -m sensorstream.spark.prepare

# Java and the JDBC driver live in the user's cache, which may be emptied while .venv stays.
spark-prepared: prepared
	@$(BIN)/python -m sensorstream.spark.prepare --spark

$(STAMP):
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null; then break; fi
	    python=
	done
	[ -n "$$python" ] || { echo "SensorStream needs Python 3.11 to 3.14 on PATH: none was found." >&2; exit 1; }
	[ -x $(BIN)/python ] || { echo "Making .venv with $$("$$python" --version) ..."; "$$python" -m venv .venv; } || {
	    rm -rf .venv
	    echo "$$python cannot make a virtual environment: install its venv package (Debian: apt-get install python3-venv)." >&2
	    exit 1
	}
	echo "Installing the pinned requirements ..."
	if $(BIN)/python -m pip install --quiet --disable-pip-version-check '$(UV)' &&
	   $(BIN)/uv pip sync --quiet $(UV_CACHE) --python $(BIN)/python --require-hashes requirements.lock; then
	    $(BIN)/uv pip install --quiet $(UV_CACHE) --python $(BIN)/python --no-deps --editable .
	else
	    echo "uv cannot install them here; pip does it, which takes some minutes ..."
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	fi
	rm -f .venv/.ready-*
	touch $@
