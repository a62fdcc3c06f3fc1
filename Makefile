# The same words for people and for CI. `make help` lists them.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Two processes; what uses the tests' Ray stays in one of them, so that it starts once.
SIDE_BY_SIDE := --numprocesses 2 --dist loadgroup

.PHONY: help install demo test test-slow lint docs clean

help:  ## list these words
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(READY)  ## make .venv with the project and its pinned, tested versions

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(READY)

demo: install  ## search real handwritten digits, show the best five, write the winner to best.py and test it
	$(BIN)/raynas search configs/digits.yaml --name demo
	$(BIN)/raynas top demo
	$(BIN)/raynas export demo -o best.py --weights best.safetensors
	$(BIN)/python -m examples.digits_winner demo best.py

test: install  ## the test suite, without the slow part
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow and not chaos"

test-slow: install  ## the slow part and the chaos suite
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "slow or chaos"

lint: install  ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: install  ## run the examples in the docstrings
	$(BIN)/python -m pytest --doctest-modules raynas strategies/raynas_strategies

clean:  ## remove what the other words made
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf runs/demo best.py train_best.py best.safetensors
