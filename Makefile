# Every target sets up what it needs, and is quick the second time.
.DEFAULT_GOAL := help
.PHONY: help setup tools demo test unit e2e mutants bench bench-small incidents check format generate rules pictures render lock clean
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH):$(CURDIR)/$(VENV)/tools/usr/bin

help: ## Show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-12s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements/dev.txt pyproject.toml simulator/pyproject.toml scripts/setup
	@scripts/setup

setup: $(VENV)/.ready ## Make .venv with the locked dependencies
	@:

tools: setup
	@scripts/tools

render:
	@scripts/render

demo: setup ## A simulated agents-server and fleet, and the exporter polling it
	@electric-agents-exporter demo $(ARGS)

test: tools render ## All tests: unit, contract and end to end
	python -m pytest -m 'not e2e' -n auto $(ARGS)
	python -m pytest -m e2e $(ARGS)

unit: setup ## The tests that finish in seconds
	python -m pytest -m 'not e2e' -n auto $(ARGS)

e2e: tools render ## The tests with real processes and sockets
	python -m pytest -m e2e $(ARGS)

mutants: tools ## Break every alert rule in every way, and want each breakage noticed
	python -m pytest tests/alerts/test_mutants.py $(ARGS)

bench: tools ## Measure against prometheus_client and httpx (minutes); ARGS=--write keeps the table
	PYTHONPATH=tests/support python benchmarks/run.py $(ARGS)

bench-small: tools ## Only prove that the benchmarks work
	@$(MAKE) --no-print-directory bench ARGS=--small

incidents: tools ## Play every incident to a real Prometheus and Alertmanager; ARGS=--write keeps the table
	@PYTHONPATH=benchmarks:alerts:tests/support python -m incidents.run $(ARGS)

check: setup ## Lint, types, import rules, generated files, Dockerfile
	scripts/check

format: setup ## Format and mend what can be mended by a tool
	ruff format .
	ruff check --fix .

generate: setup ## Write the generated references anew
	PYTHONPATH=alerts:dashboards/source python scripts/generate.py

pictures: tools render ## Draw the dashboards as Grafana does, on a live fleet, into docs/images (ten minutes)
	PYTHONPATH=tests/support:tools/dashboard-render python scripts/pictures.py $(ARGS)

rules: setup ## The alert rules with values of your own: ARGS="--output DIR --set links.grafana=https://..."
	@python alerts/alert_rules.py $(ARGS)

lock: setup ## Resolve the dependencies anew
	scripts/lock

clean: ## Remove everything that was made here
	rm -rf $(VENV) build tools/dashboard-render/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
