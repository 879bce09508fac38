# Two commands matter: `make run` and `make test`. Each sets up all it needs on a machine with Python 3.11 or later, make and git.
PYTHON ?= python3
BIN := .venv/bin
SETUP := $(PYTHON) tools/bootstrap.py
ARGS ?= --help
# Three workers keep two processors busy; where a run must not fail for want of one (CI), two are enough.
WORKERS ?= $(if $(CI),2,3)
# In CI a test that failed gets one more try, at most five in a worker, none where time is virtual; each is printed with what went wrong.
ONCE_MORE := $(if $(CI),--reruns 1 --max-suite-reruns 5 --rerun-show-tracebacks --rerun-exclude-path tests/model --rerun-exclude-path tests/policy)
# Compiled modules are kept: without them a start takes seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo dev build cli test bench load faults fuzz soak check advisories licences sbom format lock
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

run: ## set up, then serve dashboard and API on one port
	@$(SETUP) && exec $(BIN)/python -m dashboard_app serve

demo: ## make run with a fleet of pretend sources and the drill page
	@$(SETUP) && SPILLWAY_DEMO=true exec $(BIN)/python -m dashboard_app serve

dev: ## make run that builds and starts again after each change
	@$(SETUP) --dev && exec $(BIN)/python tools/dev.py

build: ## build the console when its sources have changed
	@$(SETUP) && $(BIN)/python -m dashboard_app.frontend

cli: ## a command beside a running app or without one: make cli ARGS="user list"
	@$(SETUP) && exec $(BIN)/python -m dashboard_app $(ARGS)

test: ## set up and run every test
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report= --durations=25 $(ONCE_MORE) $(PYTEST)
	@$(BIN)/coverage report --include='dashboard_app/model/*,dashboard_app/policy/*' --fail-under=100

bench: ## measure what Spillway costs and wins: make bench BENCH="guard_overhead" for some of them
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python -m benchmarks $(BENCH)

load: ## load test against LOAD_URL and LOAD_TOKEN, or a demo of its own: Locust, ab, a report in load/results
	@$(SETUP) --load && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python -m load

faults: ## the fault matrix F1 to F26 on real instances, seven minutes: make faults FAULTS="f06 claims jobs" for others
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python -m tests.faults $(FAULTS)

fuzz: ## 10,000 calls by the API's own description and 10,000 WebSocket frames, alone in a network: make fuzz CASES=300 FRAMES=300
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python -m tests.fuzz --cases $(or $(CASES),10000) --frames $(or $(FRAMES),10000)

soak: ## full load for HOURS (2), with the slope of memory, tasks and descriptors and the longest stall
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python -m load.soak --hours $(or $(HOURS),2)

check: ## format, lint, types, layers, unfinished marks, docs/state.md, docs/asvs.md, known faults, licences, secrets, insecure code
	@$(SETUP) --dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/marks.py
	$(BIN)/python tools/state_check.py
	$(BIN)/python tools/asvs_check.py
	$(BIN)/python tools/advisories.py
	$(BIN)/python tools/licences.py
	$(BIN)/python tools/secret_scan.py
	$(BIN)/bandit --quiet --recursive --severity-level high dashboard_app

advisories: ## ask the databases of known faults; fails for a fault, and for each package that could not be checked
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python tools/advisories.py --ask

licences: ## write docs/licences.md anew
	@$(SETUP) --dev && $(BIN)/python -m dashboard_app.frontend
	@$(BIN)/python tools/licences.py --write

sbom: ## write build/sbom.cdx.json: what Spillway is made of, as CycloneDX
	@$(SETUP) --dev
	@$(BIN)/python tools/sbom.py

format: ## let ruff put the code in shape
	@$(SETUP) --dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## compile the requirements files into files with hashes
	@$(SETUP) --dev
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements.in -o requirements.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements-bench.in -o requirements-bench.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-deps --custom-compile-command "make lock" requirements-sqlalchemy20.in -o requirements-sqlalchemy20.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements-load.in -o requirements-load.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" requirements-fuzz.in -o requirements-fuzz.txt
