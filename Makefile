# The whole interface for people: `make demo`, `make check`, `make test`. Needs Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo check test test-engines test-warehouses test-monitoring monitoring test-kubernetes kubernetes test-keycloak fuzz mutants format lock protos bench bench-peers clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

# One environment, two depths: the demo's needs first, then the developer's on top. A stamp is older than its
# requirement file only if that file changed, so a second call starts at once.
$(VENV)/demo.stamp: requirements/demo.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Scopegate needs Python 3.11 or newer; set PYTHON=python3.x" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu install python3-venv" >&2; exit 1; }
	@echo "installing the pinned requirements of the demo into $(VENV) (about half a minute) ..."
	@$(PIP) install -q --progress-bar on --require-hashes -r requirements/demo.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt pyproject.toml | $(VENV)/demo.stamp
	@echo "installing the pinned requirements of the tests into $(VENV) ..."
	@$(PIP) install -q --progress-bar on --require-hashes -r requirements/dev.txt
	@$(PIP) install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: $(VENV)/demo.stamp ## three people, one question, three right answers, through a real Envoy
	@$(BIN)/scopegate demo

check: $(VENV)/dev.stamp ## format, lint, types, architecture, unit tests: two minutes
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 tests/unit tests/cases tests/golden tests/threats tests/fuzz

test: $(VENV)/dev.stamp ## everything, the real Envoy included: ten minutes
	SCOPEGATE_ENGINE=zttp $(BIN)/pytest -n 2 --dist loadfile

# The default engine is tested by `make test`; the others with the server as a black box.
test-engines: $(VENV)/pyvoy.stamp ## what a server does, on the engines grpcio and pyvoy
	for engine in grpcio pyvoy; do SCOPEGATE_ENGINE=$$engine $(BIN)/pytest -n 2 --dist loadfile tests/unit/workers tests/integration/test_carrying.py tests/integration/test_workers.py tests/integration/test_serve.py \
	    tests/integration/test_serve_opa.py tests/integration/test_serve_reload.py tests/integration/test_serve_revocations.py \
	    tests/integration/test_serve_signing.py tests/integration/test_drain.py tests/integration/test_traces.py tests/integration/test_edge_system.py \
	    tests/drills || exit 1; done

$(VENV)/pyvoy.stamp: requirements/pyvoy.txt | $(VENV)/dev.stamp
	@$(PIP) install -q --no-deps --require-hashes -r requirements/pyvoy.txt
	@touch $@

# Not on pyvoy: an Envoy does not start under a clock of its own.
test-monitoring: $(VENV)/dev.stamp ## dashboards, alerts and drills on the real system; needs Debian's prometheus and faketime
	SCOPEGATE_ENGINE=zttp $(BIN)/pytest -q tests/monitoring

monitoring: $(VENV)/dev.stamp ## write the dashboards and alerts of deploy/monitoring anew
	$(BIN)/python -m deploy.monitoring.write

# kustomize, or the one inside kubectl; where neither is, it is built.
HAS_KUSTOMIZE = test -x $(BIN)/kustomize || command -v kustomize >/dev/null || command -v kubectl >/dev/null || \
	GOBIN=$(abspath $(BIN)) go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1

test-kubernetes: $(VENV)/dev.stamp ## the committed manifests are what kustomize makes; needs kustomize, kubectl or Go
	@$(HAS_KUSTOMIZE)
	SCOPEGATE_RENDERER_REQUIRED=1 $(BIN)/pytest -q tests/kubernetes/test_rendered.py

kubernetes: $(VENV)/dev.stamp ## write the manifests of tests/golden/kubernetes anew
	@$(HAS_KUSTOMIZE)
	$(BIN)/python -m tests.kubernetes.manifests

mutants: $(VENV)/dev.stamp ## take each defence away, in a copy, and see its tests fail
	@$(BIN)/python -m tests.threats.mutants

# Seconds for each target.
FUZZ_SECONDS ?= 20
FUZZ_TARGETS := token jwks spiffe_id xfcc pem crl bundle revocations introspection credentials statement query check_request http2

fuzz: $(VENV)/fuzz.stamp ## fuzz each parser of foreign bytes, guided by coverage, FUZZ_SECONDS each
	@for target in $(FUZZ_TARGETS); do \
	    echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
	    $(BIN)/python -m tests.fuzz.run $$target $(FUZZ_SECONDS) >$(VENV)/fuzz.log 2>&1 || { tail -40 $(VENV)/fuzz.log >&2; exit 1; }; \
	    grep -E 'number_of_executed_units|new_units_added' $(VENV)/fuzz.log; \
	done

$(VENV)/fuzz.stamp: requirements/fuzz.txt | $(VENV)/dev.stamp
	@$(PIP) install -q --require-hashes -r requirements/fuzz.txt
	@touch $@

KEYCLOAK_VERSION := 26.7.3
KEYCLOAK_SHA256 := 77657f30b7e90d70f727712ce1c967f430fd6a5e9f458d32d8c6df0635345f47
KEYCLOAK := build/keycloak-$(KEYCLOAK_VERSION)

test-keycloak: $(VENV)/dev.stamp ## a real Keycloak as the issuer: rotation under load, introspection, outage
	@if command -v java >/dev/null && command -v mvn >/dev/null; then $(MAKE) --no-print-directory run-keycloak; \
	else echo "test-keycloak: NOT RUN: it needs Java 17 or newer and Maven, and this machine has not both"; fi

.PHONY: run-keycloak
run-keycloak: $(KEYCLOAK)/bin/kc.sh
	KEYCLOAK_HOME=$(CURDIR)/$(KEYCLOAK) $(BIN)/pytest --timeout=300 tests/keycloak

$(KEYCLOAK)/bin/kc.sh:
	@echo "fetching Keycloak $(KEYCLOAK_VERSION) from Maven Central (176 MB) ..."
	@mvn -B -q dependency:copy -Dartifact=org.keycloak:keycloak-quarkus-dist:$(KEYCLOAK_VERSION):tar.gz -DoutputDirectory=$(CURDIR)/build
	@echo "$(KEYCLOAK_SHA256)  build/keycloak-quarkus-dist-$(KEYCLOAK_VERSION).tar.gz" | sha256sum --check --quiet
	@mkdir -p $(KEYCLOAK) && tar -xzf build/keycloak-quarkus-dist-$(KEYCLOAK_VERSION).tar.gz -C $(KEYCLOAK) --strip-components=1
	@rm build/keycloak-quarkus-dist-$(KEYCLOAK_VERSION).tar.gz
	@touch $@

TRINO_VERSION := 476
TRINO := build/trino-$(TRINO_VERSION)
TRINO_SHA256 := 0f388f9967c177ae70a47c099082fc95387f0c3cb96d8000d1d41fc3a5223158
TRINO_MEMORY_SHA256 := bade81c52e2f7177a7b867aee1b10fae48fefda9c38f3ec6aeb006fdde5f0378
TRINO_FULL_SHA256 := cfd5accde17e8ebd251eeeb78aed1f490e77bb3a164d95a0f454bf8a7c1cbd3f
# Its OPA plugin is published inside the whole of Trino only (821 MB): say where it is, or let it be fetched.
TRINO_OPA ?= build/trino-opa/opa
TRINO_JDBC_VERSION := 484
TRINO_JDBC_SHA256 := 46476af2968e6f3234e8b22d7e29c26e6d7213ce88ab546a29c4c318c921cd34
TRINO_JDBC := build/drivers/trino-jdbc-$(TRINO_JDBC_VERSION).jar
# clickhouse-jdbc with its new client and with its old one, and the logging interface that the new one asks for.
CLICKHOUSE_JDBC := build/drivers
CLICKHOUSE_JDBC_PARTS := com.clickhouse:clickhouse-jdbc:0.9.4:jar:all com.clickhouse:clickhouse-jdbc:0.7.2:jar:all org.slf4j:slf4j-api:2.0.16
CLICKHOUSE_JDBC_SHA256 := db2e43b69531b0157b33217a85459771908838c0991e212e24e32b0ecbb6ee98  clickhouse-jdbc-0.9.4-all.jar\nab076d3ad2b3d3bf2cb8612a5eb058db2288c90d5a8a21da3c6e68d4cf917e9e  clickhouse-jdbc-0.7.2-all.jar\na12578dde1ba00bd9b816d388a0b879928d00bab3c83c240f7013bf4196c579a  slf4j-api-2.0.16.jar\n
# Trino needs a JDK of 24 or newer, which need not be the one that is on the path.
JDK = $(shell $(BIN)/python -m tests.warehouses.jdk)

POSTGRES = $(firstword $(wildcard /usr/lib/postgresql/*/bin/postgres))

# Each part runs where its warehouse is, and says so where it is not. SCOPEGATE_MATRIX_POLICIES and _QUESTIONS (of each
# policy) make the matrix larger, SCOPEGATE_MATRIX_SEED another one.
test-warehouses: $(VENV)/warehouses.stamp ## one policy in real warehouses, with the drivers that people use
	@if test -n "$(JDK)" && command -v mvn >/dev/null; then $(MAKE) --no-print-directory test-trino; \
	else echo "test-warehouses: Trino NOT RUN: it needs a JDK of 24 or newer and Maven, and this machine has not both"; fi
	@if test -n "$(JDK)" && test -d "$(TRINO_OPA)"; then $(MAKE) --no-print-directory test-opa; \
	else echo "test-warehouses: Trino's OPA plugin NOT RUN: \`make test-opa\` fetches it (821 MB)"; fi
	@if test -n "$(POSTGRES)"; then $(BIN)/pytest -q tests/warehouses -k postgres; \
	else echo "test-warehouses: PostgreSQL NOT RUN: it needs a server (Debian: postgresql)"; fi
	$(BIN)/pytest -q tests/warehouses -k "clickhouse and not jdbc"
	@if test -n "$(JDK)" && command -v mvn >/dev/null; then $(MAKE) --no-print-directory test-clickhouse-jdbc; \
	else echo "test-warehouses: clickhouse-jdbc NOT RUN: it needs a JDK and Maven, as Trino does"; fi
	@if command -v node >/dev/null; then $(BIN)/pytest -q tests/warehouses -k cube; \
	else echo "test-warehouses: Cube NOT RUN: it needs Node.js"; fi
	@if command -v javac >/dev/null && command -v mvn >/dev/null; then $(MAKE) --no-print-directory test-odata; \
	else echo "test-warehouses: OData NOT RUN: it needs a JDK of 17 or newer and Maven, and this machine has not both"; fi

# Its parser is built from its source, which no registry has: POSTGREST_SOURCE is a checkout of PostgREST. Debian: ghc,
# libghc-{either,http,http-types,unordered-containers}-dev.
.PHONY: test-pgrst
test-pgrst: $(VENV)/dev.stamp
	@command -v ghc >/dev/null && test -d "$(POSTGREST_SOURCE)" || { echo "test-pgrst needs GHC, and POSTGREST_SOURCE=DIR" >&2; exit 1; }
	POSTGREST_SOURCE=$(POSTGREST_SOURCE) $(BIN)/pytest -q tests/warehouses/test_pgrst_parser.py

.PHONY: test-odata
test-odata: $(VENV)/dev.stamp build/olingo
	OLINGO=$(CURDIR)/build/olingo $(BIN)/pytest -q tests/warehouses/test_odata.py

build/olingo: tests/warehouses/olingo/pom.xml tests/warehouses/olingo/jars.sha256
	@echo "fetching Apache Olingo from Maven Central (3 MB) ..."
	@mvn -B -q -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/$@
	@cd $@ && sha256sum --check --quiet ../../tests/warehouses/olingo/jars.sha256
	@touch $@

.PHONY: test-trino trino-plugin
test-trino: $(VENV)/warehouses.stamp $(TRINO)/lib $(TRINO_JDBC) trino-plugin
	TRINO_HOME=$(CURDIR)/$(TRINO) TRINO_PLUGINS=$(CURDIR)/build/trino-plugins JAVA_25=$(JDK) \
	TRINO_JDBC=$(CURDIR)/$(TRINO_JDBC) SCOPEGATE_PLUGIN=$(CURDIR)/trino-plugin/target/scopegate $(BIN)/pytest -q --timeout=600 tests/warehouses -k trino

.PHONY: test-clickhouse-jdbc
test-clickhouse-jdbc: $(VENV)/warehouses.stamp $(CLICKHOUSE_JDBC)/clickhouse.stamp
	CLICKHOUSE_JDBC=$(CURDIR)/$(CLICKHOUSE_JDBC) JAVA_25=$(JDK) $(BIN)/pytest -q --timeout=300 tests/warehouses/test_clickhouse_jdbc.py

$(CLICKHOUSE_JDBC)/clickhouse.stamp:
	@for part in $(CLICKHOUSE_JDBC_PARTS); do mvn -B -q dependency:copy -Dartifact=$$part -DoutputDirectory=$(CURDIR)/$(CLICKHOUSE_JDBC) || exit 1; done
	@cd $(CLICKHOUSE_JDBC) && printf '$(CLICKHOUSE_JDBC_SHA256)' | sha256sum --check --quiet
	@touch $@

.PHONY: test-opa
test-opa: $(VENV)/warehouses.stamp $(TRINO)/lib $(TRINO_OPA) ## Trino's own OPA plugin asks Scopegate; fetches 821 MB
	TRINO_HOME=$(CURDIR)/$(TRINO) TRINO_PLUGINS=$(CURDIR)/build/trino-plugins JAVA_25=$(JDK) \
	TRINO_OPA=$(abspath $(TRINO_OPA)) $(BIN)/pytest -q --timeout=300 tests/warehouses/test_opa.py

build/trino-opa/opa:
	@echo "fetching the whole of Trino $(TRINO_VERSION) from Maven Central (821 MB) for its OPA plugin ..."
	@mkdir -p build/trino-opa
	@mvn -B -q dependency:copy -Dartifact=io.trino:trino-server:$(TRINO_VERSION):tar.gz -DoutputDirectory=$(CURDIR)/build/trino-opa
	@echo "$(TRINO_FULL_SHA256)  build/trino-opa/trino-server-$(TRINO_VERSION).tar.gz" | sha256sum --check --quiet
	@# Unpacked as a whole: its files are links to one another.
	@tar -xzf build/trino-opa/trino-server-$(TRINO_VERSION).tar.gz -C build/trino-opa
	@cp -rL build/trino-opa/trino-server-$(TRINO_VERSION)/plugin/opa $@
	@rm -r build/trino-opa/trino-server-$(TRINO_VERSION) build/trino-opa/trino-server-$(TRINO_VERSION).tar.gz

trino-plugin: $(VENV)/dev.stamp ## build and test the plugin for Trino: trino-plugin/target/scopegate
	JAVA_HOME=$(JDK) mvn -B -q -f trino-plugin/pom.xml package

$(TRINO_JDBC):
	@mvn -B -q dependency:copy -Dartifact=io.trino:trino-jdbc:$(TRINO_JDBC_VERSION) -DoutputDirectory=$(CURDIR)/build/drivers
	@echo "$(TRINO_JDBC_SHA256)  $@" | sha256sum --check --quiet

$(TRINO)/lib:
	@echo "fetching Trino $(TRINO_VERSION) from Maven Central (208 MB) ..."
	@mkdir -p build && cd build && for part in trino-server-core:$(TRINO_VERSION):tar.gz trino-memory:$(TRINO_VERSION):zip; do \
	    mvn -B -q dependency:copy -Dartifact=io.trino:$$part -DoutputDirectory=$(CURDIR)/build; done
	@echo "$(TRINO_SHA256)  build/trino-server-core-$(TRINO_VERSION).tar.gz" | sha256sum --check --quiet
	@echo "$(TRINO_MEMORY_SHA256)  build/trino-memory-$(TRINO_VERSION).zip" | sha256sum --check --quiet
	@mkdir -p $(TRINO) build/trino-plugins && tar -xzf build/trino-server-core-$(TRINO_VERSION).tar.gz -C $(TRINO) --strip-components=1
	@$(PYTHON) -m zipfile -e build/trino-memory-$(TRINO_VERSION).zip build/trino-plugins
	@rm build/trino-server-core-$(TRINO_VERSION).tar.gz build/trino-memory-$(TRINO_VERSION).zip
	@touch $@

$(VENV)/warehouses.stamp: requirements/warehouses.txt | $(VENV)/dev.stamp
	@$(PIP) install -q --require-hashes -r requirements/warehouses.txt
	@touch $@

format: $(VENV)/dev.stamp ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

protos: $(VENV)/dev.stamp ## compile protos/ into authz/_pb
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=. --pyi_out=. $$(find protos -name '*.proto')

lock: $(VENV)/dev.stamp ## pin the requirements anew, with hashes
	$(PIP) install -q uv
	for set in demo dev; do $(BIN)/uv pip compile pyproject.toml --extra $$set --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -q -o requirements/$$set.txt; done
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -q -o requirements/run.txt
	$(BIN)/uv pip compile requirements/pyvoy.in --no-deps --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -q -o requirements/pyvoy.txt
	$(BIN)/uv pip compile requirements/warehouses.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -q -o requirements/warehouses.txt
	$(BIN)/uv pip compile requirements/bench.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade -q -o requirements/bench.txt

# What is not there (Go, h2load, an engine) is named as absent.
SIZE ?= full

bench: $(VENV)/bench.stamp $(VENV)/pyvoy.stamp bench-peers ## measure Scopegate beside what else people run: three quarters of an hour, SIZE=quick ten minutes
	$(BIN)/python -m bench run --size $(SIZE)

bench-peers: ## build the reference servers and the generator of load into build/bench; needs Go
	@if command -v go >/dev/null; then echo "building the reference servers (the first time takes some minutes) ..." && \
	    mkdir -p build/bench && cd bench/peers/go && go build -o $(CURDIR)/build/bench/ ./lean ./opa ./load; \
	else echo "bench-peers: NOT BUILT: they need Go, and this machine has none"; fi

$(VENV)/bench.stamp: requirements/bench.txt | $(VENV)/dev.stamp
	@$(PIP) install -q --require-hashes -r requirements/bench.txt
	@touch $@

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
