# make demo   sets up and animates the sample clip on the sample head
# make test   sets up and runs the tests
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
TORCH := 2.13.0
CPU_WHEELS := https://download.pytorch.org/whl/cpu

.PHONY: setup demo test lint clean

setup: $(VENV)/.ready

# Without an NVIDIA driver the CPU build of torch is taken: the default Linux wheel brings gigabytes of CUDA libraries.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make setup)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment: apt install python3-venv"; exit 2; }
	@if command -v nvidia-smi >/dev/null; then $(BIN)/pip install -q "torch>=2.6"; \
	else $(BIN)/pip install -q --retries 0 --timeout 15 --extra-index-url $(CPU_WHEELS) "torch==$(TORCH)+cpu" 2>/dev/null \
	  || $(BIN)/pip install -q "torch==$(TORCH)"; fi
	$(BIN)/pip install -q -e ".[dev]"
	@touch $@

demo: setup
	$(BIN)/sedtalker animate data/samples/four_moods.wav --mesh data/samples/head.obj \
	  --emotion data/samples/four_moods.emotion.json --output demo --force

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) demo build dist
