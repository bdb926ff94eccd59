# make help prints the targets. CI runs make ci after go test ./... and nothing
# else, so what passes here passes there.

# One setting everywhere, so that the build cache is shared; race alone needs C.
export CGO_ENABLED := 0

BINARY  := $(CURDIR)/dist/perennial
# The runner's own vet is off: go vet has a step of its own. No package takes more
# than five minutes.
TEST    := go test -vet=off -timeout 30m
FUZZTIME ?= 10s

.DEFAULT_GOAL := help
.PHONY: help build build-lean run admin-token test race lint fmt fmt-check vet workflowcheck actionlint replay histories \
	test-stores test-process test-queries interop-mlflow-server notebooks interop-mlflow interop-dvc interop-dvc-trees fuzz-short bench nightly image check-prometheus check-container temporal ci clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Build

build: ## the whole program into dist/perennial
	go build -o $(BINARY) ./cmd/perennial

build-lean: ## the program without the embedded Temporal server, and a check that it is out
	@if go list -deps -tags lean ./cmd/perennial | grep '^go\.temporal\.io/server'; then echo 'the lean binary links the Temporal server' >&2; exit 1; fi
	go build -tags lean -o $(BINARY)-lean ./cmd/perennial

run: build ## start it here
	$(BINARY) up

admin-token: deploy/secrets/admin-token ## a token for the container's published port

# The container's user must be able to read it; on the host the directory keeps
# others out.
deploy/secrets/admin-token:
	@mkdir -p -m 700 $(@D)
	@head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >$@ && chmod 444 $@
	@echo "$@ holds the token"

image: build ## the container image perennial:dev
	mkdir -p dist/home
	docker build --quiet --tag perennial:dev .

##@ Test

test: ## README's test command
	go test ./...

# SQLite is C translated into Go: watching each of its memory accesses makes the
# store suites fifty times slower and finds nothing of ours.
race: ## the packages that don't link the Temporal server, under the race detector
	@packages=$$(CGO_ENABLED=1 go list -test -f '{{.ImportPath}} {{join .Deps " "}}' ./... | awk '$$1 ~ /\.test$$/ && !/ go\.temporal\.io\/server\// { sub(/\.test$$/, "", $$1); print $$1 }' | grep -v /internal/processtest); \
	CGO_ENABLED=1 $(TEST) -race -short -gcflags='modernc.org/...=-race=false' $$packages

replay: ## every golden history against today's workflows
	$(TEST) -count=1 -run Replay ./workflows/...

histories: build ## record the golden histories that are missing, from a real server
	PERENNIAL_TEST_BINARY=$(BINARY) $(TEST) -count=1 -run 'Histories|TestTokens' ./internal/processtest/... -update

test-stores: ## every store's suite against a PostgreSQL server started for it
	@packages=$$(go list -f '{{.ImportPath}} {{join .TestImports " "}} {{join .XTestImports " "}}' ./... | awk '/internal\/db\/dbtest/ && !/processtest/ { print $$1 }'); \
	.ci/with-postgres $(TEST) -count=1 $$packages

test-process: build build-lean ## the tests that run the real binary, clusters of it on a PostgreSQL server started for them
	go build -tags testmodels -o $(BINARY)-testmodels ./cmd/perennial
	PERENNIAL_TEST_BINARY=$(BINARY) PERENNIAL_TEST_LEAN_BINARY=$(BINARY)-lean PERENNIAL_TEST_MODELS_BINARY=$(BINARY)-testmodels .ci/with-postgres $(TEST) -count=1 ./internal/processtest/...

test-queries: build ## every query of dashboards and alerts against a real Prometheus that scrapes a running up
	@.ci/install prometheus:prometheus promtool:prometheus
	PERENNIAL_TEST_BINARY=$(BINARY) $(TEST) -count=1 -run Live ./dashboards

# MLflow and what it needs are most of a gigabyte of Python; MLFLOW_PYTHON can name
# one that has it already.
MLFLOW_PYTHON := $(CURDIR)/dist/mlflow/bin/python
MLFLOW        := dist/mlflow/.installed

$(MLFLOW): tools/interop/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || .ci/install ensurepip:python3-venv
	python3 -m venv $(@D)
	.ci/retry $(@D)/bin/pip install --quiet --disable-pip-version-check --retries 10 --timeout 60 -r $<
	@touch $@

interop-mlflow: build $(MLFLOW) ## MLflow's own client against a running up
	PERENNIAL_TEST_BINARY=$(BINARY) PYTHONDONTWRITEBYTECODE=1 $(MLFLOW_PYTHON) -m pytest -q -p no:cacheprovider tools/interop

# DVC with its S3 support, and moto's S3 server; DVC_PYTHON can name one that has them.
DVC_PYTHON := $(CURDIR)/dist/dvc/bin/python
DVC        := dist/dvc/.installed

$(DVC): tools/interop_dvc/requirements.txt
	@python3 -c 'import ensurepip' 2>/dev/null || .ci/install ensurepip:python3-venv
	python3 -m venv $(@D)
	.ci/retry $(@D)/bin/pip install --quiet --disable-pip-version-check --retries 10 --timeout 60 -r $<
	@touch $@

interop-dvc: build $(DVC) ## dvc and perennial on the same projects, with a remote in a directory and on S3
	PERENNIAL_TEST_BINARY=$(BINARY) PYTHONDONTWRITEBYTECODE=1 $(DVC_PYTHON) -m pytest -q -p no:cacheprovider tools/interop_dvc
	PERENNIAL_TEST_DVC=$(DVC_PYTHON) $(TEST) -count=1 -run TreesAsDVC ./internal/dvc

interop-dvc-trees: $(DVC) ## 200 generated trees, added by perennial and by dvc: the same bytes?
	PERENNIAL_TEST_DVC=$(DVC_PYTHON) PERENNIAL_TEST_DVC_TREES=200 $(TEST) -count=1 -run TreesAsDVC ./internal/dvc

interop-mlflow-server: build $(MLFLOW) ## the tracker and whole trainings against a real MLflow server, looked at with its own client
	PERENNIAL_TEST_MLFLOW_PYTHON=$(MLFLOW_PYTHON) $(TEST) -count=1 ./internal/mlflow
	PERENNIAL_TEST_BINARY=$(BINARY) PERENNIAL_TEST_MLFLOW_PYTHON=$(MLFLOW_PYTHON) $(TEST) -count=1 -run MLflow ./internal/processtest/...

notebooks: build $(MLFLOW) ## every notebook against a fresh up, rollouts included
	PYTHON=$(MLFLOW_PYTHON) notebooks/check $(BINARY)

fuzz-short: ## every fuzz test for FUZZTIME (10s)
	@grep -rlE --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go | cut -d' ' -f2); do \
			$(TEST) -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; \
	done

bench: ## every benchmark, five times
	$(TEST) -run '^$$' -bench . -benchmem -count 5 ./...

nightly: temporal ## the long ones
	PERENNIAL_TEST_NIGHTLY=1 .ci/with-postgres $(TEST) -timeout 60m -count=1 ./...
	$(MAKE) --no-print-directory interop-mlflow-server
	$(MAKE) --no-print-directory notebooks
	$(MAKE) --no-print-directory interop-dvc-trees
	$(MAKE) --no-print-directory fuzz-short FUZZTIME=2m
	$(MAKE) --no-print-directory bench

##@ Check

fmt: ## format every file
	gofmt -w $$(git ls-files '*.go')

fmt-check: ## is every file formatted?
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not formatted (make fmt):" $$files >&2; exit 1; fi

vet: ## go vet, once
	go vet ./...

lint: bin/golangci-lint ## golangci-lint
	bin/golangci-lint run

workflowcheck: bin/workflowcheck ## is the workflow code deterministic?
	bin/workflowcheck -config .workflowcheck.yaml ./workflows/...

actionlint: bin/actionlint ## are the GitHub workflows well-formed?
	bin/actionlint

check-prometheus: ## are configuration and rules of deploy/prometheus well-formed, do the alerts fire?
	@.ci/install promtool:prometheus
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/rules_test.yml

check-container: build ## the image: as anybody, read-only, answers /predict; with a token on a published port; as api and worker
	@.ci/install curl:curl
	.ci/with-docker deploy/check

# The steps of CI after go test ./..., the quick ones first.
ci: ## what CI runs after go test ./...
	@.ci/steps fmt-check vet build-lean lint workflowcheck actionlint replay test-stores race test-process interop-mlflow interop-dvc check-prometheus test-queries check-container

##@ Tools, pinned in tools/

bin/golangci-lint bin/workflowcheck &: tools/go.mod tools/go.sum
	cd tools && go build -o ../bin/ tool
	@touch bin/golangci-lint bin/workflowcheck

bin/actionlint: tools/actionlint/go.mod tools/actionlint/go.sum
	cd tools/actionlint && go build -o ../../bin/ tool
	@touch $@

temporal: ## Temporal's command line into bin/temporal (it links a server: minutes)
	cd tools/temporal && go build -o ../../bin/ tool

clean: ## remove what was built
	rm -rf bin dist
