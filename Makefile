# Every target sets up what it needs, and is quick the second time.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: bench bench-small board-cost chaos check claims clean coverage day demo deploy e2e fire-drill fleet-days format fuzz generate help image incidents lint lock mutants mutation page-pictures pictures real-time release render rules scaling setup test tools topology unit verify versions
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH):$(CURDIR)/$(VENV)/tools/usr/bin
# Else every worker and every exporter that a test starts compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE

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

# The tiers of tests: every folder stands in exactly one, and a test sees to that.
UNIT := tests/unit tests/contract
VERIFY := tests/alerts tests/alertmanager tests/dashboards tests/deploy tests/fuzz tests/postgres tests/simulator tests/soak tests/topology
E2E := tests/e2e tests/browser tests/incidents
# How many examples a property is tried with: `quick` or `thorough`.
EXAMPLES := quick

# Many of them wait for a moment: with twice as many workers as processors others run meanwhile,
# and a worker that is done takes from those that are not.
unit: setup ## The code by itself, in seconds: run it all the time; ARGS="-k words" for some of it
	python -m pytest $(UNIT) -n $$((2 * $$(nproc))) --dist worksteal $(COVERING) --hypothesis-profile=$(EXAMPLES) $(ARGS)

# What stands in one file shares what it starts, so a file stays with one worker. Half of the tests
# wait for real time while others keep a processor busy: there is one worker more than processors.
# Those that race a clock have nothing beside them but one other of their kind, which mostly waits.
verify: tools ## Real databases, promtool, Alertmanager, dashboards, the simulator, ten thousand polls
	python -m pytest $(VERIFY) -m 'not alone and not long' -n $$(($$(nproc) + 1)) --dist loadfile --hypothesis-profile=$(EXAMPLES) $(ARGS)
	python -m pytest $(VERIFY) -m alone -n 2 --dist loadfile $(ARGS)

e2e: tools render ## The exporter as a process, a browser, whole incidents
	python -m pytest $(E2E) -m 'not alone' -n $$(($$(nproc) + 1)) --dist loadfile $(ARGS)
	python -m pytest $(E2E) -m alone $(ARGS)

test: EXAMPLES := thorough
test: COVERING := --cov --cov-report=
test: tools unit verify e2e ## All tests: the three tiers, with more examples of every property

# What `make test` has just told is not asked again.
coverage: setup ## Branches that `make unit` passes, and the floor they must not fall below
	@if [ ! -e build/coverage ] || [ -n "$$(find src tests/unit tests/contract tests/support pyproject.toml -newer build/coverage -type f -not -name '*.pyc' -print -quit)" ]; then $(MAKE) --no-print-directory unit COVERING='--cov --cov-report='; fi
	coverage report

# What is built has targets of its own: here is what is written.
deploy: tools ## Hold what is in deploy/ to schemas, and run what compose does (two minutes)
	@scripts/release-tools
	python -m pytest tests/deploy --ignore tests/deploy/test_image.py --ignore tests/deploy/test_release.py -n auto $(ARGS)

image: setup ## Build the images with buildah, without a registry, and run them (four minutes); ARGS=--write keeps the table of what is in it
	nice scripts/image $(ARGS)
	python -m pytest tests/deploy/test_image.py

release: setup ## Build wheels, sdists and bills of materials into dist/ from what is committed, twice; nothing is uploaded
	@scripts/release-tools
	python scripts/release.py
	python -m pytest tests/deploy/test_release.py

mutants: tools ## Break every alert rule in every way, and want each breakage noticed
	python -m pytest tests/alerts/test_mutants.py -n auto --dist loadfile $(ARGS)

versions: tools ## Every test case of the rules with both versions of promtool, and on VictoriaMetrics (ten minutes)
	python -m pytest tests/alerts/test_promtool.py tests/alerts/test_vmalert.py -n auto --dist loadfile $(ARGS)

mutation: setup ## Break a module in every way and list what its tests do not notice: ARGS=fleet/poll.py, ARGS='contract/*'
	nice python scripts/mutation.py $(ARGS)

bench: tools ## Measure against prometheus_client and httpx (minutes); ARGS=--write keeps the table
	PYTHONPATH=tests/support python benchmarks/run.py $(ARGS)

bench-small: tools ## Only prove that the benchmarks work
	@$(MAKE) --no-print-directory bench ARGS=--small

board-cost: tools ## What a refresh of dashboards costs Prometheus: ARGS="BEFORE.json dashboards/fleet.json --runners 10000"
	@PYTHONPATH=alerts:benchmarks:tests/support python benchmarks/board_cost.py $(ARGS)

incidents: tools ## Play every incident to a real Prometheus and Alertmanager; ARGS=--write keeps the table
	@PYTHONPATH=benchmarks:alerts:tests/support python -m incidents.run $(ARGS)

topology: tools ## Play every topology with promtool and a simulated Alertmanager; ARGS="NAME... --rules first-edition", ARGS=--direct, ARGS=--write
	@PYTHONPATH=benchmarks:alerts:tests/support python -m topology.run $(ARGS)

real-time: tools ## Ten deaths at work in real time, beside drains and deployments (three quarters of an hour)
	@PYTHONPATH=benchmarks:alerts:tests/support python -m incidents.real_time $(ARGS)

fleet-days: tools ## Play 1,000 ordinary days of fleets (a quarter of an hour); ARGS="--days 60 --seed 7 --rules naive --false", ARGS=--write
	@PYTHONPATH=benchmarks:alerts:tests/support python -m topology.fleet_days $(ARGS)

chaos: tools ## Attack a running exporter in twenty-six ways (fifteen minutes), and say what it lost; ARGS="NAME...", ARGS=--write
	@PYTHONPATH=benchmarks:tests/support python -m chaos.run $(ARGS)

claims: tools ## Let an exporter read a million claims, and say what that took (four minutes); ARGS="NAME...", ARGS=--write
	@PYTHONPATH=benchmarks:tests/support python -m chaos.claims $(ARGS)

scaling: tools ## Ten shards over a million runners in PostgreSQL, one after the other (a quarter of an hour); ARGS="--runners 100000", ARGS=--write
	@PYTHONPATH=benchmarks:tests/support nice python benchmarks/scaling.py $(ARGS)

# For how long `make fuzz` tries each target, in seconds.
SECONDS := 60

fuzz: setup ## Try each target of tests/fuzz for a minute with what nobody thought of: SECONDS=600, ARGS="-k port"
	FUZZ_SECONDS=$(SECONDS) nice python -m pytest tests/fuzz -o timeout=$$(($(SECONDS) + 300)) $(ARGS)

day: tools ## 5,000 polls of a fleet that never rests, by a server that fails in every way (an hour and more); ARGS="--polls 500", ARGS=--write
	@PYTHONPATH=benchmarks:tests/support python -m chaos.day $(ARGS)

lint: setup ## Lint, types, import rules, generated files, Dockerfile
	scripts/check

check: lint coverage ## What must hold before a change lands, beside the tests

format: setup ## Format and mend what can be mended by a tool
	ruff format .
	ruff check --fix .

generate: setup ## Write the generated references anew
	PYTHONPATH=alerts:dashboards/source python scripts/generate.py

pictures: tools render ## Draw the dashboards as Grafana does, in every situation, into build/pictures (half an hour); ARGS="trouble --write" renews those that pages show
	PYTHONPATH=tests/support:tools/dashboard-render python scripts/pictures.py $(ARGS)

fire-drill: setup ## Send one test page through your Alertmanager: ARGS=--alertmanager=http://...; --help tells more
	@PYTHONPATH=alerts python scripts/fire_drill.py $(ARGS)

page-pictures: tools ## Draw the status page for docs/images, dark and light, wide and narrow (a minute)
	@PYTHONPATH=tests/support:tools/dashboard-render python scripts/status_pictures.py $(ARGS)

rules: setup ## The alert rules with values of your own: ARGS="--output DIR --set links.grafana=https://..."
	@python alerts/alert_rules.py $(ARGS)

lock: setup ## Resolve the dependencies anew
	scripts/lock

clean: ## Remove everything that was made here
	rm -rf $(VENV) build tools/dashboard-render/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
