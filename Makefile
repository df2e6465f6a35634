# Two commands are all that a fresh machine needs: make demo, make test.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
CAN_START = $(BIN)/python -c 'import cv2' || { \
	echo "OpenCV cannot start: a system library is missing; on Debian: apt-get install libgl1 libglib2.0-0" >&2; exit 1; }

.PHONY: demo test lint types models constraints audit clean

demo: $(VENV)/.runtime
	@$(BIN)/python -m benchmarks.demo

test: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

# The shipped bundles, from nothing but the project's own synthesis (see each MODEL_CARD.md).
models: $(VENV)/.development
	$(BIN)/python -m benchmarks.remake_models

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "glimpse needs Python 3.10, 3.11 or 3.12; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.10, 3.11 or 3.12; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; rm -rf $(VENV); exit 1; }

# Every file that is installed has a known hash. Excepted is torch, which comes from where pip finds it (as a build
# for the CPU alone where there is one), with CUDA's own packages.
$(VENV)/.runtime: $(VENV)/bin/python pyproject.toml locks/runtime.txt
	@echo "installing glimpse into $(VENV) (once)"
	@$(PIP) --require-hashes --requirement locks/runtime.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(CAN_START)
	@touch $@

$(VENV)/.development: $(VENV)/bin/python pyproject.toml locks/development.txt
	@echo "installing glimpse with its training and development parts into $(VENV) (once)"
	@$(PIP) --require-hashes --requirement locks/development.txt
	@$(PIP) --constraint constraints.txt torch
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(CAN_START)
	@touch $@ $(VENV)/.runtime

# Needs uv (pip install uv).
constraints:
	uv pip compile pyproject.toml --all-extras $(COMPILED) --output-file all.new
	{ echo $(REMADE); awk '/^[a-z]/ { skip = /^(torch|triton|nvidia-[^=]*|cuda-[^=]*|atheris)==/ } !skip' all.new; } \
		> locks/development.txt
	{ echo $(REMADE); sed '/^ *--hash/d; s/ \\$$//' all.new; } > constraints.txt
	echo 'setuptools>=77' | uv pip compile pyproject.toml - --constraint constraints.txt $(COMPILED) --output-file runtime.new
	{ echo $(REMADE); cat runtime.new; } > locks/runtime.txt
	rm all.new runtime.new

REMADE := "\# Every version of a resolved install, for Python 3.10 to 3.12. Remade by 'make constraints'."
COMPILED := --universal --python-version 3.10 --fork-strategy requires-python --generate-hashes \
	--no-annotate --no-header --no-emit-index-url --quiet

# Known vulnerabilities of what is pinned; a package of which nothing is known either way is an error, too.
audit: $(VENV)/bin/python
	$(BIN)/python -m venv build/audit
	build/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	sed -n '/^torch==/p; /^triton==/p' constraints.txt > build/torch.txt
	build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement locks/development.txt
	build/audit/bin/pip-audit --strict --disable-pip --no-deps --requirement build/torch.txt

clean:
	rm -rf $(VENV) build dist demo *.egg-info
