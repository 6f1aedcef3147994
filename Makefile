# `make` lists the targets.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
.DELETE_ON_ERROR:

CARGO := cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
# The pinned tools come before the machine's own.
export PATH := $(CURDIR)/.tools/bin:$(PATH)

# The same for every test and check: with another choice cargo would build everything again.
WORKSPACE := --workspace --features octet/lake

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-zA-Z%_-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Running

.PHONY: up
up: build ## Build, then run the whole platform on this host; ARGS="…" goes to `octet up`
	@exec $(TARGET)/release/octet up $(ARGS)

.PHONY: build
build: ui ## Build the page and the release binary
	$(CARGO) build --release --locked --package octet

.PHONY: build-lake
build-lake: ui ## Build as `make build` does, with `octet hydrate`: Arrow, Parquet, S3 and PostgreSQL, which take minutes
	$(CARGO) build --release --locked --package octet --features lake

.PHONY: ui
ui: ui/dist/index.html ## Build the page that the binary embeds

# Includes /docs, from swagger-ui-dist in the lock file.
ui/dist/index.html: $(shell find ui/src ui/public ui/build -type f) ui/index.html ui/vite.config.ts ui/node_modules/.stamp
	cd ui && npm run --silent build -- --logLevel warn

ui/node_modules/.stamp: ui/package.json ui/package-lock.json ui/.npmrc
	@command -v npm >/dev/null || { echo "npm is missing: install Node.js 20 or newer" >&2; exit 1; }
	cd ui && npm ci --ignore-scripts --loglevel=error
	@touch $@

.PHONY: clean-data
clean-data: ## Remove the data of local runs (.octet)
	rm -rf .octet

# The inner loop

.PHONY: check
check: ## Type-check everything, tests included
	$(CARGO) check $(WORKSPACE) --all-targets --locked

.PHONY: test-quick
test-quick: ## Unit tests only; ARGS="…" goes to cargo test
	$(CARGO) test $(WORKSPACE) --lib --bins --locked $(ARGS)

test-%: FORCE ## Test one crate, as in `make test-topology`; ARGS="…" goes to cargo test
	$(CARGO) test --package octet-$* --locked $(ARGS)

.PHONY: test-octet
test-octet: tools ui
	$(CARGO) test --package octet --features lake --locked $(ARGS)

.PHONY: test-ui
test-ui: tools ui programs ## Test the page: its logic, then all of it in Chromium against a running mesh
	cd ui && npm run --silent test
	cd ui && npm run --silent e2e -- $(ARGS)

.PHONY: test-backends test-lake test-testbed
test-backends test-lake test-testbed: test-%: tools
	$(CARGO) test --package octet-$* --locked $(ARGS)

.PHONY: test-rules
test-rules: tools
	promtool test rules helm/octet/alerts/octet.rules.test.yaml

DEPLOY_TOOLS := .tools/npm.stamp .tools/pip.stamp .tools/helm.stamp .tools/deploy.stamp .tools/checkov.stamp .tools/models.stamp

# Without the lake, as `make build`: the page, the chart and containers measure and run what people do. Only `octet` itself is
# built again for it.
.PHONY: programs
programs:
	$(CARGO) build --workspace --bins --examples --locked

.PHONY: test-chart
test-chart: tools $(DEPLOY_TOOLS) programs ## Run the rendered chart as processes on this host; test the chart's checks with planted faults
	helm/tests/processes.py
	helm/tests/planted.py

.PHONY: test-containers test-containers-short
test-containers: tools $(DEPLOY_TOOLS) programs ## Build the Dockerfile; run the image, the chart's pods in containerd and compose.yaml in Docker; needs root, Debian and a long build
	scripts/containers/main.py

# Part of `make test`, with the program that the tests built. Where containers cannot run it says so and is skipped.
test-containers-short: tools $(DEPLOY_TOOLS) programs
	scripts/containers/main.py --short

.PHONY: test-rabbitmq4
test-rabbitmq4: tools $(DEPLOY_TOOLS) programs ## Run what uses a broker with RabbitMQ 4.0 and 4.3 of newer Debian releases, a cluster of three among it; needs root, debootstrap
	scripts/rabbitmq4.sh

.PHONY: fmt
fmt: .tools/npm.stamp ui/node_modules/.stamp ## Format Rust, .proto files and the page's sources
	$(CARGO) fmt --all
	buf format --write
	cd ui && npm run --silent format

# Before a change goes in

# Two for each core: most tests wait for processes and for time.
TEST_THREADS := $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))

.PHONY: test
test: tools ui test-rules ## Run every test
	$(CARGO) test $(WORKSPACE) --doc --locked
	RUST_TEST_THREADS=$(TEST_THREADS) $(CARGO) test $(WORKSPACE) --all-targets --no-fail-fast --locked
	@$(MAKE) test-ui
	@$(MAKE) test-chart test-containers-short lint-deploy

.PHONY: test-stress
test-stress: tools ui $(DEPLOY_TOOLS) ## Run every suite many times beside a busy loop per core; ROUNDS=20, SUITES="regex", ARGS="…"
	scripts/stress.sh

.PHONY: drill
drill: tools ## Run the failure drills at full length, with reports; `make test` runs them short
	DRILL=full $(CARGO) test --package octet --test mesh --locked --release -- drills --nocapture --test-threads=1

.PHONY: drill-lake
drill-lake: tools ## Run five minutes of late writers while hydrate, PostgreSQL and S3 are killed
	DRILL=full $(CARGO) test $(WORKSPACE) --test lake --locked -- every_row_is_in_the_lake --nocapture

.PHONY: lint
lint: lint-format lint-ui lint-proto lint-scripts lint-docker lint-compose lint-rules lint-deny lint-rust lint-docs ## Run every static check

.PHONY: lint-format
lint-format: .tools/npm.stamp ## Check the format of Rust and .proto files
	$(CARGO) fmt --all --check
	buf format --diff --exit-code

.PHONY: lint-ui
lint-ui: ui/node_modules/.stamp ## Check the page's sources: format, lints, types
	cd ui && npm run --silent check

.PHONY: lint-proto
lint-proto: .tools/npm.stamp ## Check the contract: its style, and that it breaks no released client
	buf build
	buf lint
	buf breaking --against proto/released.json

.PHONY: lint-scripts
lint-scripts: .tools/pip.stamp ## Check shell scripts
	shellcheck .ci/run scripts/*.sh scripts/containers/stand_in/*.sh k8s/eks/*.sh

.PHONY: lint-docker
lint-docker: .tools/pip.stamp ## Check the Dockerfile
	hadolint Dockerfile

.PHONY: lint-compose
lint-compose: .tools/pip.stamp ## Check the Compose file and what it mounts
	docker-compose --file compose.yaml config --quiet
	yamllint --strict --config-data "{extends: default, rules: {line-length: {max: 120}}}" compose.yaml compose

.PHONY: lint-rules
lint-rules: tools ## Check alert rules, dashboards, queries, and the configuration of Prometheus and Alertmanager
	promtool check rules --lint-fatal helm/octet/alerts/octet.rules.yaml
	promtool check config --lint-fatal compose/prometheus.yaml compose/prometheus-octet-up.yaml
	amtool check-config helm/octet/alerts/alertmanager.yaml
	scripts/signals.py check
	yamllint --strict --config-data "{extends: default, rules: {line-length: {max: 120}}}" helm/octet/alerts

.PHONY: lint-deploy
lint-deploy: tools $(DEPLOY_TOOLS) programs lint-docker lint-compose lint-proto lint-rules ## Check the chart and k8s/: schemas, policies, the graph in them; part of `make test`
	yamllint --strict --config-file helm/yamllint.yaml helm/octet/*.yaml k8s .github
	scripts/manifests.sh check
	helm/tests/readme.py check
	helm/tests/check.py
	helm/tests/random_values.py 4 13
	helm/tests/beside.py
	hadolint k8s/images/*/Dockerfile

.PHONY: image-stage
image-stage: build ## Run the image's content as its user on a read-only root, without Docker; needs root
	scripts/image.sh $(TARGET)/release/octet

.PHONY: manifests
manifests: .tools/helm.stamp .tools/deploy.stamp ## Render the chart into k8s/app, for use without Helm; write the chart's README
	scripts/manifests.sh write
	helm/tests/readme.py write

.PHONY: lint-deny
lint-deny: .tools/pip.stamp ## Check dependencies: licences, bans, boundaries between crates, sources, advisories
	scripts/deny.sh
	@dependents=$$($(CARGO) tree --workspace --locked --edges normal,build --invert octet-testbed --prefix none \
	  | sed '/^octet-testbed /d'); \
	  [ -z "$$dependents" ] || { echo "octet-testbed must be a dev-dependency only, but these depend on it: $$dependents" >&2; exit 1; }

.PHONY: lint-rust
lint-rust: ## Run Clippy; warnings are errors
	$(CARGO) clippy $(WORKSPACE) --all-targets --locked -- --deny warnings

.PHONY: lint-docs
lint-docs: ## Build Rust's documentation; broken links are errors
	RUSTDOCFLAGS="--deny warnings" $(CARGO) doc $(WORKSPACE) --no-deps --document-private-items --locked

# Fuzzing

.PHONY: fuzz
fuzz: ## Fuzz every parser, SECONDS each (60); `make fuzz-topology` for one
	fuzz/run.sh $(or $(SECONDS),60)

fuzz-%: FORCE
	fuzz/run.sh $(or $(SECONDS),60) $*

# Measuring

.PHONY: bench
bench: ## Run every measurement below in turn; FLOOR=DIR and ARGS="…" as for bench-mesh
	@$(MAKE) --jobs=1 bench-mesh bench-otlp bench-publish bench-spans bench-collector bench-gateway bench-ui

.PHONY: bench-mesh
bench-mesh: build ## Measure the mesh beside its bare variant and FLOOR=DIR; ARGS="…" goes to bench/run.py
	@python3 bench/run.py $(if $(FLOOR),--floor "$(FLOOR)") $(ARGS)

.PHONY: bench-size
bench-size: build ## Measure CPU per hop, memory and start of meshes of 1, 8 and 64 services; ARGS="…"
	@python3 bench/size.py $(ARGS)

.PHONY: bench-otlp
bench-otlp: build ## Measure CPU per request with traces by OTLP beside Zipkin's JSON, services and intake; ARGS="…"
	@python3 bench/run.py --otlp $(ARGS)

.PHONY: bench-spans
bench-spans: ## Measure a span's cost, from its start to the exporter's POST, beside OpenTelemetry's SDK
	@$(CARGO) run --release --locked --quiet --package octet-runtime --example span_cost

.PHONY: bench-collector
bench-collector: ## Measure the collector's CPU per span at peak load
	@$(CARGO) run --release --locked --quiet --package octet-collector --example intake_cost

.PHONY: bench-publish
bench-publish: build tools ## Measure how fast D publishes to RabbitMQ, beside bare lapin
	$(CARGO) build --release --locked --examples --package octet-testbed --package octet-backends --package octet
	@exec python3 bench/publish.py

.PHONY: bench-gateway
bench-gateway: build tools ## Measure the cost of transcoding, and 25 users beside 5,000 idle connections
	$(CARGO) run --release --locked --quiet --package octet-gateway --example transcoding_cost
	@exec python3 bench/idle.py

.PHONY: bench-lake
bench-lake: build-lake tools ## Measure `octet hydrate` beside ADBC, DuckDB and connectorx: CPU, memory, small objects, idle; ARGS="…"
	@exec python3 bench/lake.py $(ARGS)

.PHONY: bench-ui
bench-ui: build tools ## Measure the page with many traces, long traces and large meshes
	@cd ui && OCTET_BIN=$(abspath $(TARGET))/release/octet npm run --silent bench

# The contract

.PHONY: proto-release
proto-release: .tools/npm.stamp ## Update the baseline for breaking changes; with a release, in a commit of its own
	buf build --exclude-source-info --output proto/released.json

# Tools

.PHONY: tools
tools: .tools/npm.stamp .tools/pip.stamp .tools/nx.stamp .tools/envoy.stamp .tools/signals.stamp .tools/openapi.stamp .tools/lake.stamp ## Install what tests and builds need: pinned tools into .tools; hey, RabbitMQ, Prometheus, Chromium from Debian
	@scripts/tools.sh debian

.PHONY: try-tools
try-tools: .tools/pip.stamp ## Install what README's next steps use: grpcurl into .tools/bin; hey, jq, sqlite3, Prometheus from Debian
	@scripts/tools.sh try

.tools/npm.stamp: tools/package.json tools/package-lock.json tools/.npmrc scripts/tools.sh
	scripts/tools.sh npm
	@touch $@

.tools/pip.stamp: tools/requirements.txt scripts/tools.sh
	scripts/tools.sh pip
	@touch $@

.tools/nx.stamp: tools/nx.txt scripts/tools.sh
	scripts/tools.sh nx
	@touch $@

# What `make lint-deploy` needs in addition.
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

.tools/lake.stamp: tools/lake.txt scripts/tools.sh
	scripts/tools.sh lake
	@touch $@

.PHONY: FORCE
FORCE:
