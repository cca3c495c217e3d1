# Two commands are all that a newcomer needs: `make run` and `make test`, each from nothing.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
NODE_MODULES := node_modules/.package-lock.json
NODE := node_modules/.bin
# Compiled once: where this is set, as in many containers, each start of the service would compile
# what has changed, and each process of the tests all of them.
unexport PYTHONDONTWRITEBYTECODE
SYNC = $(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes

# A fault fails each time, a busy machine does not: what failed is tried once more, by itself. Both
# summaries stay on the screen, since a test that fails by chance has found something too.
AGAIN = $(BIN)/python -m pytest --last-failed --last-failed-no-failures none

.PHONY: run test e2e collector truth verdicts pictures versions soak fuzz check generate bench lock release clean help

run: $(VENV)/.run  ## set everything up and serve on port 3000
	@exec $(BIN)/otel-jcmc serve

test: $(VENV)/.dev $(NODE_MODULES)  ## set everything up, real parts included, and run every test
	@tests/real-parts.sh
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder || $(AGAIN) tests

e2e: $(VENV)/.dev  ## hold conferences between real browsers, with loss, leaving and dying
	@tests/real-parts.sh prometheus browser conference
	$(BIN)/python -m pytest tests/conference || $(AGAIN) tests/conference

# Needs Go 1.26 for the first time and whenever a version has changed; nothing else does.
collector: $(VENV)/.dev  ## run the shipped files in a real Collector, Prometheus 3, Jaeger and Alertmanager
	@tests/real-parts.sh redis nginx clock rotel
	@tests/collector/parts/build.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/collector || $(AGAIN) tests/collector

# ARGS='--interval 2000 dead-both' tells that one; '--browser Firefox' four, as root. '--keep' takes
# those of 2 s into tests/recordings. 'bridge' tells those of conferences by a bridge.
truth: $(VENV)/.dev  ## tell stories of bad calls, and write docs/truth.md: what was exported, what was true
	@tests/real-parts.sh browser conference
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m truth $(ARGS)

# ARGS='--held' judges by what was held out, '--quiet' tells of a quiet hour; '--material' makes the
# crowd's intervals anew, when the client file or a recording has changed.
verdicts: $(VENV)/.dev  ## tell a crowd's stories to the verdict's rules, and write docs/verdict-matrices.md
	@tests/real-parts.sh browser
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m crowds $(ARGS)

# SEED=7 tries others; what breaks is kept, with the command that tries it again.
fuzz: $(VENV)/.fuzz  ## 200,000 bad pushes, led by coverage, and bad requests, headers and values
	@tests/real-parts.sh redis nginx proxies
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m fuzz --seed $(or $(SEED),1)
	FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest -q tests/web/test_openapi.py

soak: $(VENV)/.dev  ## try the large faults for some minutes: fail-overs, crowds, stops under load
	@tests/real-parts.sh redis nginx
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/soak

pictures: $(VENV)/.bench  ## draw the pages and a trace as docs show them, in five minutes
	@tests/real-parts.sh browser
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m pages.pictures
	PYTHONPATH=tests:tests/helpers $(BIN)/python -m benchmarks.report.trace_picture

versions: $(VENV)/.dev  ## run the service's tests with the lowest and newest libraries, and other Pythons
	@tests/real-parts.sh
	tests/versions.sh

# .pre-commit-config.yaml has the first of these, up to the audit.
check: $(VENV)/.dev $(NODE_MODULES)  ## format, lint, types, English, generated files, configurations, known vulnerabilities
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(NODE)/tsc
	$(NODE)/biome lint --error-on-warnings client otel_jcmc/pages/static tests
	$(BIN)/typos
	$(BIN)/python -m tools.prose
	$(BIN)/python -m tools.generate --check
	@$(BIN)/python -m tools.audit
	@tests/real-parts.sh prometheus alertmanager redis
	$(BIN)/python -m pytest -q tests/repository/test_collector_config.py tests/repository/test_rules.py \
		tests/repository/test_dashboards.py tests/repository/test_links.py \
		tests/repository/test_documents.py

generate: $(VENV)/.dev $(NODE_MODULES)  ## rewrite what is derived from the catalogue, the settings and the client
	$(BIN)/python -m tools.generate

bench: $(VENV)/.bench  ## measure what the README's figures are, in about 80 minutes
	@tests/real-parts.sh prometheus browser wrk
	$(BIN)/python -m benchmarks

lock: $(VENV)/.dev  ## take the newest versions of every dependency
	@tests/real-parts.sh node
	requirements/lock.sh $(UV)

# Its tests are .ci/run's: run that before.
release: check  ## build, check and tag VERSION=x.y.z here, and say how to publish it
	$(BIN)/python -m tools.release $(VERSION)

clean:  ## remove everything that the other targets made
	rm -rf $(VENV) node_modules .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find benchmarks otel_jcmc tests tools -name __pycache__ -prune -exec rm -rf {} +

help:
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(UV): requirements/uv.txt
	@$(PYTHON) -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer with venv is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.run: $(UV) requirements/run.txt pyproject.toml
	$(SYNC) -r requirements/run.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q otel_jcmc
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements/dev.txt
	$(SYNC) -r requirements/dev.txt
	@touch $@

$(VENV)/.fuzz: $(VENV)/.dev requirements/fuzz.txt
	$(SYNC) -r requirements/fuzz.txt
	@touch $@

$(VENV)/.bench: $(VENV)/.dev requirements/bench.txt
	$(SYNC) -r requirements/bench.txt
	@touch $@

$(NODE_MODULES): package.json package-lock.json
	@tests/real-parts.sh node
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
