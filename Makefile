# make help lists the targets. Everything is installed into .venv; nothing outside this folder is touched.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CONFIG ?= configs/cnn.yaml

.DEFAULT_GOAL := help
.PHONY: help install install-all fit test test-slow coverage lint docs wheel clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-all: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[keras,export,notebooks,test,lint,docs,studies]'
	touch $@

install: $(VENV)/installed  ## install what training and looking inside need

install-all: $(VENV)/installed-all  ## install TensorFlow, notebooks and the test tools too

fit: install  ## install, then train configs/cnn.yaml (or CONFIG=...)
	$(BIN)/python -m lit_mnist fit --config $(CONFIG)

test: install-all  ## install everything, then run the test suite
	$(BIN)/python -m pytest -m 'not slow' -n auto --dist loadfile

test-slow: install-all  ## the checks that need minutes to hours
	$(BIN)/python -m pytest -m slow --timeout 21600

coverage: install-all  ## run the test suite and see which lines and branches it reaches
	mkdir -p build/coverage
	$(BIN)/python -m pytest -m 'not slow' -n auto --dist loadfile --timeout 3600 --cov --cov-report=html --cov-report=term:skip-covered

lint: install-all  ## look for mistakes without running anything: ruff, its formatter, pyright
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: install-all  ## build the pages and the API reference into build/site; a warning is an error
	$(BIN)/zensical build --strict --clean

wheel: install-all  ## build the wheel into dist/
	$(BIN)/python -m pip wheel --no-deps --wheel-dir dist .

clean:  ## remove the environment and caches (never the runs)
	rm -rf $(VENV) build *.egg-info .pytest_cache .hypothesis .ruff_cache
