# One verb per thing a person does. Every verb does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow node-setup test-node fuzz-node crash replay check fix bench docs clean lock

help: ## Show the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## Install what is locked into .venv

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing what is locked into $(VENV) (once) …"
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock && \
	  $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(STAMP)

demo: setup ## Watch incidents being detected, contained, verified and undone on real servers: CLUSTER=node
	@$(BIN)/firebreak demo $(if $(CLUSTER),--cluster $(CLUSTER))

test: setup ## Run every test that is quick enough to run always (builds the control plane once)
	@$(BIN)/firebreak doctor --build
	$(BIN)/pytest -q

test-slow: setup ## Run the tests that wait for real time
	@$(BIN)/firebreak doctor --build
	$(BIN)/pytest -q -m slow

NODE_PACKAGES := containerd runc containernetworking-plugins busybox-static nftables conntrack iproute2 mount util-linux

node-setup: ## Install what a real node needs of the distribution (Debian, Ubuntu; as root)
	apt-get install --yes --no-install-recommends $(NODE_PACKAGES)

test-node: setup ## Prove containment by packets, tokens and processes on a real node (Linux, root)
	@$(BIN)/firebreak doctor --build
	$(BIN)/pytest -q -m node

fuzz-node: setup ## Try the reachability engine against packets in many random worlds: WORLDS=200, SEED=…
	@$(BIN)/firebreak doctor --build
	$(BIN)/pytest -q -s -m node tests/node/test_engine.py --node-worlds $(or $(WORLDS),200) \
	  $(if $(SEED),--node-seed $(SEED))

replay: setup ## Replay every golden history with the code of today, and compare the order of its commands
	$(BIN)/pytest -q tests/workflows/test_replay.py

check: setup ## Format, lint, types, import contracts, generated files, docs
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m deploy.generate --check
	$(BIN)/python -m docs.generate --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir $(VENV)/site

fix: setup ## Format, mend what can be mended, generate anew
	$(BIN)/ruff format --quiet .
	$(BIN)/ruff check --quiet --fix .
	$(BIN)/python -m deploy.generate
	$(BIN)/python -m docs.generate

crash: setup ## Kill every process at every kind of instant: TRIALS=50, SEED=…, ONLY=n, UNSAFE=variant, FAULTS=1
	@$(BIN)/firebreak doctor --build
	$(BIN)/python -m tests.crash --trials $(or $(TRIALS),50) $(if $(SEED),--seed $(SEED)) \
	  $(if $(ONLY),--only $(ONLY)) $(if $(UNSAFE),--unsafe $(UNSAFE)) $(if $(FAULTS),--faults)

bench: setup ## Measure, as ratios to a ceiling of the same run
	@$(BIN)/firebreak doctor --build
	$(BIN)/python -m tests.bench

docs: setup ## Serve the documentation on 127.0.0.1
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8000

lock: ## Resolve the dependencies anew
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --custom-compile-command "make lock" --group dev -o requirements.lock pyproject.toml

clean: ## Remove what was built here (the control plane's cache stays)
	rm -rf $(VENV) site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
