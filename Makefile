# `make` lists what there is.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:

CARGO := cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The pinned tools come before those of the machine.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-zA-Z%_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Running

.PHONY: up
up: build ## Build, then run the whole mesh here; ARGS="…" goes to `octet up`
	@exec $(TARGET)/release/octet up $(ARGS)

.PHONY: build
build: ui ## Build the release binary, its page first
	$(CARGO) build --release --locked --package octet

.PHONY: ui
ui: ui/dist/index.html ## Build the page that the binary holds

# Also what it serves at /docs, from the lock file's swagger-ui-dist.
ui/dist/index.html: $(shell find ui/src ui/public ui/build -type f) ui/index.html ui/vite.config.ts ui/node_modules/.stamp
	cd ui && npm run --silent build -- --logLevel warn

ui/node_modules/.stamp: ui/package.json ui/package-lock.json ui/.npmrc
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 1; }
	cd ui && npm ci --ignore-scripts --loglevel=error
	@touch $@

.PHONY: clean-data
clean-data: ## Remove what local runs stored (.octet)
	rm -rf .octet

# The inner loop

.PHONY: check
check: ## Type-check everything, tests included
	$(CARGO) check --workspace --all-targets --locked

.PHONY: test-quick
test-quick: ## Unit tests alone; ARGS="…" goes to cargo test
	$(CARGO) test --workspace --lib --bins --locked $(ARGS)

test-%: FORCE ## One crate's tests, as in `make test-topology`; ARGS="…" goes to cargo test
	$(CARGO) test --package octet-$* --locked $(ARGS)

.PHONY: test-octet
test-octet: tools ui
	$(CARGO) test --package octet --locked $(ARGS)

.PHONY: test-ui
test-ui: tools ui ## The page: its logic, and the whole of it in Chromium against a running mesh
	cd ui && npm run --silent test
	$(CARGO) build --package octet --locked
	cd ui && npm run --silent e2e -- $(ARGS)

.PHONY: test-backends test-testbed
test-backends test-testbed: test-%: tools
	$(CARGO) test --package octet-$* --locked $(ARGS)

.PHONY: test-rules
test-rules: tools
	promtool test rules helm/octet/alerts/octet.rules.test.yaml

DEPLOY_TOOLS := .tools/npm.stamp .tools/pip.stamp .tools/helm.stamp .tools/deploy.stamp .tools/checkov.stamp .tools/models.stamp

# As `cargo test` builds them: by another choice of packages cargo would build everything once more.
.PHONY: programs
programs:
	$(CARGO) build --workspace --bins --examples --locked

.PHONY: test-chart
test-chart: tools $(DEPLOY_TOOLS) programs ## The rendered chart as processes on this host; the checks of it, with faults planted
	helm/tests/processes.py
	helm/tests/planted.py

.PHONY: fmt
fmt: .tools/npm.stamp ui/node_modules/.stamp ## Format Rust, .proto files and the page's sources
	$(CARGO) fmt --all
	buf format --write
	cd ui && npm run --silent format

# The whole truth

.PHONY: test
test: tools ui test-rules ## Every test there is
	$(CARGO) test --workspace --doc --locked
	$(CARGO) test --workspace --all-targets --no-fail-fast --locked
	@$(MAKE) test-ui
	@$(MAKE) test-chart lint-deploy

.PHONY: test-stress
test-stress: tools ui $(DEPLOY_TOOLS) ## Every suite many times beside a busy loop per core; ROUNDS=20, SUITES="regex", ARGS="…"
	scripts/stress.sh

.PHONY: drill
drill: tools ## Failure drills at full length, with their reports; `make test` runs them short
	DRILL=full $(CARGO) test --package octet --test mesh --locked --release -- drills --nocapture --test-threads=1

.PHONY: lint
lint: lint-format lint-ui lint-proto lint-scripts lint-docker lint-compose lint-rules lint-deny lint-rust lint-docs ## Every check that runs nothing

.PHONY: lint-format
lint-format: .tools/npm.stamp ## Formatting of Rust and .proto files
	$(CARGO) fmt --all --check
	buf format --diff --exit-code

.PHONY: lint-ui
lint-ui: ui/node_modules/.stamp ## The page's sources: format, rules, types
	cd ui && npm run --silent check

.PHONY: lint-proto
lint-proto: .tools/npm.stamp ## The contract: its rules, and that it breaks no released client
	buf build
	buf lint
	buf breaking --against proto/released.json

.PHONY: lint-scripts
lint-scripts: .tools/pip.stamp ## Shell scripts
	shellcheck .ci/run scripts/*.sh k8s/eks/*.sh

.PHONY: lint-docker
lint-docker: .tools/pip.stamp ## The image's recipe
	hadolint Dockerfile

.PHONY: lint-compose
lint-compose: .tools/pip.stamp ## The Compose file and what it mounts
	docker-compose --file compose.yaml config --quiet
	yamllint --strict --config-data "{extends: default, rules: {line-length: {max: 120}}}" compose.yaml compose

.PHONY: lint-rules
lint-rules: tools ## Alert rules, dashboards, queries, and what Prometheus and Alertmanager are told
	promtool check rules --lint-fatal helm/octet/alerts/octet.rules.yaml
	promtool check config --lint-fatal compose/prometheus.yaml compose/prometheus-octet-up.yaml
	amtool check-config helm/octet/alerts/alertmanager.yaml
	scripts/signals.py check
	yamllint --strict --config-data "{extends: default, rules: {line-length: {max: 120}}}" helm/octet/alerts

.PHONY: lint-deploy
lint-deploy: tools $(DEPLOY_TOOLS) programs lint-docker lint-compose lint-proto lint-rules ## The chart and k8s/: schemas, policies, the graph in them; `make test` runs it
	yamllint --strict --config-file helm/yamllint.yaml helm/octet/*.yaml k8s .github
	scripts/manifests.sh check
	helm/tests/check.py
	helm/tests/beside.py
	hadolint k8s/images/*/Dockerfile

.PHONY: image-stage
image-stage: build ## What the image holds, run as its user on a read-only root, without Docker; needs root
	scripts/image.sh $(TARGET)/release/octet

.PHONY: manifests
manifests: .tools/helm.stamp ## Render the chart into k8s/app, for people without Helm
	scripts/manifests.sh write

.PHONY: lint-deny
lint-deny: .tools/pip.stamp ## Dependencies: licences, bans, boundaries between crates, sources, advisories
	scripts/deny.sh
	@dependents=$$($(CARGO) tree --workspace --locked --edges normal,build --invert octet-testbed --prefix none \
	  | sed '/^octet-testbed /d'); \
	  [ -z "$$dependents" ] || { echo "octet-testbed is for tests, and not of: $$dependents" >&2; exit 1; }

.PHONY: lint-rust
lint-rust: ## Clippy, warnings refused
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings

.PHONY: lint-docs
lint-docs: ## Rust's documentation, broken links refused
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc --workspace --no-deps --document-private-items --locked

# Fuzzing

.PHONY: fuzz
fuzz: ## Every parser under libFuzzer, SECONDS each (60); `make fuzz-topology` for one
	fuzz/run.sh $(or $(SECONDS),60)

fuzz-%: FORCE
	fuzz/run.sh $(or $(SECONDS),60) $*

# Measuring

.PHONY: bench
bench: ## Measure everything below, one after the other; FLOOR=DIR and ARGS="…" as for bench-mesh
	@$(MAKE) --jobs=1 bench-mesh bench-publish bench-spans bench-gateway bench-ui

.PHONY: bench-mesh
bench-mesh: build ## Measure the mesh against itself bare, and FLOOR=DIR; ARGS="…" goes to bench/run.py
	@python3 bench/run.py $(if $(FLOOR),--floor "$(FLOOR)") $(ARGS)

.PHONY: bench-spans
bench-spans: ## Measure a span's cost, from its begin to the exporter's post, beside OpenTelemetry's SDK
	@$(CARGO) run --release --locked --quiet --package octet-runtime --example span_cost

.PHONY: bench-publish
bench-publish: build tools ## Measure how fast D publishes to RabbitMQ beside bare lapin
	$(CARGO) build --release --locked --examples --package octet-testbed --package octet-backends --package octet
	@exec python3 bench/publish.py

.PHONY: bench-gateway
bench-gateway: build tools ## Measure what transcoding costs, and 25 users beside 5,000 idle connections
	$(CARGO) run --release --locked --quiet --package octet-gateway --example transcoding_cost
	@exec python3 bench/idle.py

.PHONY: bench-ui
bench-ui: build tools ## Measure how the page bears many traces, long ones and large meshes
	@cd ui && OCTET_BIN=$(abspath $(TARGET))/release/octet npm run --silent bench

# The contract

.PHONY: proto-release
proto-release: .tools/npm.stamp ## Renew what the contract may not break; with a release, and then alone
	buf build --exclude-source-info --output proto/released.json

# Tools

.PHONY: tools
tools: .tools/npm.stamp .tools/pip.stamp .tools/nx.stamp .tools/envoy.stamp .tools/signals.stamp .tools/openapi.stamp ## Install pinned tools into .tools; hey, RabbitMQ, Prometheus, Chromium from Debian
	@scripts/tools.sh debian

.tools/npm.stamp: tools/package.json tools/package-lock.json tools/.npmrc scripts/tools.sh
	scripts/tools.sh npm
	@touch $@

.tools/pip.stamp: tools/requirements.txt scripts/tools.sh
	scripts/tools.sh pip
	@touch $@

.tools/nx.stamp: tools/nx.txt scripts/tools.sh
	scripts/tools.sh nx
	@touch $@

# What `make lint-deploy` needs beside these.
.tools/helm.stamp: tools/helm.txt scripts/tools.sh
	scripts/tools.sh helm
	@touch $@

.tools/deploy.stamp: tools/deploy.txt scripts/tools.sh
	scripts/tools.sh deploy
	@touch $@

.tools/checkov.stamp: tools/checkov.txt scripts/tools.sh
	scripts/tools.sh checkov
	@touch $@

.tools/models.stamp: tools/models/package.json tools/models/package-lock.json tools/models/.npmrc scripts/tools.sh
	scripts/tools.sh models
	@touch $@

.tools/envoy.stamp: tools/envoy.txt scripts/tools.sh
	scripts/tools.sh envoy
	@touch $@

.tools/signals.stamp: tools/signals.txt scripts/tools.sh
	scripts/tools.sh signals
	@touch $@

.tools/openapi.stamp: tools/openapi.txt scripts/tools.sh
	scripts/tools.sh openapi
	@touch $@

.PHONY: FORCE
FORCE:
