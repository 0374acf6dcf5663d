# make demo   sets up and animates the sample clip on the sample head
# make test   sets up and runs every fast test (a few minutes)
# make test-all   runs the slow ones and those that train something, too
# make test-studio   tests the studio in a real Chromium (apt install chromium)
# make mutants  breaks the core in small ways and counts what the tests notice (SAMPLE=60 SEED=0 MODULES='audio/* export/glb.py')
# make fuzz SECONDS=600   gives bad inputs to everything that reads files, and fails where one is not refused in a line
# make docs   builds the documentation, with an API reference, as a static site: build/docs
# make addon  builds the Blender add-on: dist/sedtalker_blender-VERSION.zip
# make test-dcc   sets up Blender (as a Python module), three.js and the glTF validator, and tests the exports in them
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
TORCH := 2.13.0
BLENDER ?= .venv-blender
BLENDER_VERSION := 4.5.15
NODE := build/dcc
COSMIC_RAY := 8.7.0
MODULES ?= *
SAMPLE ?= 60
SEED ?= 0
CPU_WHEELS := https://download.pytorch.org/whl/cpu

.PHONY: setup demo test test-all fuzz test-dcc test-studio addon docs lint mutants clean

setup: $(VENV)/.ready

# Without an NVIDIA driver the CPU build of torch is taken: the default Linux wheel brings gigabytes of CUDA libraries.
$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make setup)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment: apt install python3-venv"; exit 2; }
	@if command -v nvidia-smi >/dev/null; then $(BIN)/pip install -q "torch>=2.6"; \
	else $(BIN)/pip install -q --retries 0 --timeout 15 --extra-index-url $(CPU_WHEELS) "torch==$(TORCH)+cpu" 2>/dev/null \
	  || $(BIN)/pip install -q "torch==$(TORCH)"; fi
	$(BIN)/pip install -q -e ".[dev]"
	@$(BIN)/python scripts/warm_up.py
	@touch $@

demo: setup
	$(BIN)/sedtalker animate data/samples/four_moods.wav --mesh data/samples/head.obj \
	  --emotion data/samples/four_moods.emotion.json --output demo --force

# Two processes, each with one thread: the same figures as on one core, in less time.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: setup
	$(TEST) -m "not slow and not training and not browser"

test-all: setup
	$(TEST) -m "not browser"

test-studio: setup
	SEDTALKER_STUDIO=1 $(BIN)/python -m pytest tests/studio -m browser --durations=5

mutants: setup
	$(BIN)/pip install -q cosmic-ray==$(COSMIC_RAY)
	@set -f; $(BIN)/python scripts/mutants.py --modules $(MODULES) --sample $(SAMPLE) --seed $(SEED)

# Bad inputs for every reader, chosen by the code that they reach where atheris installs (Linux, macOS).
SECONDS ?= 600
fuzz: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install -q atheris==3.0.0 || echo "without atheris: by chance"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/docs
	@echo "build/docs/index.html"

addon:
	@$(PYTHON) scripts/build_blender_addon.py

# Blender's module wants its own Python 3.11 and numpy 1, hence an environment of its own.
$(BLENDER)/.ready:
	@command -v python3.11 >/dev/null || { echo "Blender $(BLENDER_VERSION) as a module needs python3.11"; exit 2; }
	@test -x $(BLENDER)/bin/python || python3.11 -m venv $(BLENDER)
	$(BLENDER)/bin/pip install -q bpy==$(BLENDER_VERSION)
	@touch $@

$(NODE)/.ready:
	@command -v npm >/dev/null || { echo "npm is needed: apt install nodejs npm"; exit 2; }
	@mkdir -p $(NODE)
	npm install --no-audit --no-fund --silent --prefix $(NODE) three@0.187.0 gltf-validator@2.0.0-dev.3.10
	@touch $@

test-dcc: setup $(BLENDER)/.ready $(NODE)/.ready
	SEDTALKER_DCC=1 SEDTALKER_BLENDER_PYTHON=$(BLENDER)/bin/python SEDTALKER_NODE=$(NODE) \
	  $(BIN)/python -m pytest tests/dcc --durations=5

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) $(BLENDER) demo build dist

# make kills   kills every command that writes, 300 times, and looks at what is left (half an hour): docs/interruptions.md
.PHONY: kills
kills: setup
	$(BIN)/python scripts/kill_commands.py
