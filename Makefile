# `make` alone lists what there is. Every target sets up what it needs by itself.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PACKAGES := adapter autoscaler forecasting
CODE := $(PACKAGES) dashboards tests benchmarks

.PHONY: help env demo test unit check format lock components compare bench docs generate sbom kind-test clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(READY) ## create .venv from the hashed lock (a Python >= 3.11 and a package index are all it needs)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Leadtime needs Python 3.11 or newer, and %s is %s: run make PYTHON=python3.11" % (sys.executable, sys.version.split()[0]) if sys.version_info < (3, 11) else 0)'
	@echo "setting up .venv (once; about a minute) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## watch the closed loop on an embedded cluster: a burst that was foreseen, zero, wake-up (about 2 minutes, stops by itself)
	@$(BIN)/leadtime demo

test: $(READY) ## run every test tier that this machine can run; LEADTIME_REQUIRE=all makes a skipped tier a failure
	@$(BIN)/python -m tests.run

unit: $(READY) ## run the unit tier only (seconds)
	@$(BIN)/python -m tests.run unit

check: $(READY) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## rewrite the code in the house format
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

lock: ## write requirements.lock anew from pyproject.toml (needs uv; the lock names packages, versions and hashes, and no host)
	@uv lock --quiet
	@uv export --quiet --format requirements-txt --no-emit-project --all-groups --no-header --output-file requirements.lock
	@rm uv.lock

components: $(READY) ## build the real control plane's programs from their Go modules (once; about 20 minutes on two cores)
	@$(BIN)/python -m tests.cluster.build

compare: $(READY) ## compare autoscalers by simulation, on loads that are made (over an hour on two cores; ARGS=--quick: two minutes)
	@$(BIN)/leadtime compare --html compare.html $(ARGS)

bench: $(READY) ## run the benchmarks behind the README's figures
	@$(BIN)/python -m benchmarks

docs: $(READY) ## build the documentation's site into site/; a warning is a failure
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --clean --site-dir site

generate: $(READY) ## write anew what is made of other files: dashboards, the chart's copies, rules, docs/reference
	@$(BIN)/python -m dashboards
	@$(BIN)/python -m tests.manifests.prometheus.derived
	@$(BIN)/python -m tests.manifests.copied
	@$(BIN)/python -m tests.docs.generate

sbom: $(READY) ## write dist/leadtime.cdx.json: what the image holds, as CycloneDX (fetches the locked wheels anew)
	@rm -rf .cache/sbom && mkdir -p .cache/sbom dist
	@$(BIN)/python -m pip download --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
	  --dest .cache/sbom/wheels --requirement requirements.lock
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir .cache/sbom/wheels .
	@$(PYTHON) -m venv --without-pip .cache/sbom/image
	@$(BIN)/python -m pip --python .cache/sbom/image/bin/python install --quiet --disable-pip-version-check \
	  --no-index --find-links .cache/sbom/wheels leadtime
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file dist/leadtime.cdx.json \
	  .cache/sbom/image/bin/python
	@rm -rf .cache/sbom

kind-test: $(READY) ## run the cluster tier on a kind cluster (needs docker and kind; not part of make test)
	@kind create cluster --name leadtime-test --config tests/cluster/kind.yaml --kubeconfig .kind.kubeconfig --wait 180s
	@LEADTIME_REQUIRE=cluster LEADTIME_KUBECONFIG=.kind.kubeconfig \
	  LEADTIME_HOST=$$(docker network inspect kind -f '{{range .IPAM.Config}}{{println .Gateway}}{{end}}' | grep -m1 '\.') \
	  $(BIN)/python -m tests.run cluster; status=$$?; \
	  kind delete cluster --name leadtime-test --kubeconfig .kind.kubeconfig; rm -f .kind.kubeconfig; exit $$status

clean: ## remove what the other targets made here (not the built components in the user's cache)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache site
