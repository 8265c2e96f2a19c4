# Everything there is to do here, as targets. `make` alone lists them, from the `##` comment beside each.
# Needs Go, git and a make of 3.81 or later; the tools that `make check` uses are built from pins in .ci/tools.

# A fresh machine has no C compiler, and the Go that is installed is the Go that is meant.
CGO_ENABLED := 0
GOTOOLCHAIN := local
# The version stamp asks git, which fails the build in an export without .git, in a repository without
# a commit, or in one owned by somebody else: only `make build` asks for it, and only where git answers.
GOFLAGS := $(GOFLAGS) -buildvcs=false
export CGO_ENABLED GOTOOLCHAIN GOFLAGS

STAMP = $(shell git rev-parse --verify --quiet HEAD >/dev/null 2>&1 && echo true || echo false)
TOOLS := bin/tools

# Passed on to the program by `make run`: make run ARGS="--no-tour"
ARGS ?=
# Which parts `make bench` measures, as a regular expression after the slash; empty is all:
# gateway/proxy, gateway/bad, gateway/changes, gateway/millions, handler, routes, policy, intake, program/orchestration,
# program/webhook, program/alarm, program/bad, program/press.
BENCH ?=
# How many samples it takes, for example: make bench BENCH_ARGS="-rollbacks 200", or, for half an hour,
# make bench BENCH=gateway/millions BENCH_ARGS="-requests 10000000"
BENCH_ARGS ?=
# The tests in test/ start the real program, put it under load and judge latencies: they come last and one after the
# other (-p 1), so that no compiler and no other test takes the processors they measure with.
# The longest one package's tests may take. The slowest start the real program several times.
TEST_TIMEOUT ?= 15m
# 1 demands the race pass of `make test`, 0 leaves it out; empty runs it where there is a C compiler.
RACE ?=

.DEFAULT_GOAL := help
.PHONY: help run build test test-race bench bench-parts histories check check-format check-tidy check-policies check-generated \
	check-architecture check-workflows check-lint tools fmt generate clean
# Targets share the working tree and two of them write to it.
.NOTPARALLEL:

help:
	@printf 'Sky Island: a git push goes to full production traffic, safely.\n'
	@awk 'BEGIN { FS = ":[^#]*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z-]*:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Try it
run: ## build and start everything on this machine, with a tour; ARGS="--no-tour" starts empty
	@if [ ! -x bin/skyisland-standalone ]; then \
		echo 'The first build takes some minutes, because it compiles the Temporal server. Later ones take seconds.'; \
	fi
	@$(MAKE) --no-print-directory build
	@exec bin/skyisland-standalone $(ARGS)

build: ## build bin/skyisland and bin/skyisland-standalone
	go build -trimpath -buildvcs=$(STAMP) -o bin/ ./cmd/...

##@ Work on it
test: ## run all tests, on PostgreSQL too where SKYISLAND_TEST_POSTGRES names one; where there is a C compiler, first a pass with the race detector
	@failed=0; .ci/test-race '$(RACE)' '$(TEST_TIMEOUT)' || failed=1; \
	echo 'go test -timeout $(TEST_TIMEOUT) (all but test/)'; \
	go test -timeout $(TEST_TIMEOUT) $$(go list ./... | grep -v '/test/') || failed=1; \
	echo 'go test -p 1 -timeout $(TEST_TIMEOUT) ./test/...'; \
	go test -p 1 -timeout $(TEST_TIMEOUT) ./test/... || failed=1; \
	exit $$failed

test-race: ## run the tests of what does not embed the Temporal server with the race detector
	@.ci/test-race '$(RACE)' '$(TEST_TIMEOUT)'

bench: ## measure what docs/performance.md promises, and print one table; takes about 8 minutes
	go test -timeout 0 -run '^$$' -bench 'SkyIsland/$(BENCH)' -benchtime 1x ./test/bench $(BENCH_ARGS)

histories: ## record the histories that later workflow code has to replay, when a release of the program is made
	go test -count=1 ./test/e2e -run 'TestTheStory|TestOnOneIsland' -args -update

bench-parts: ## run the benchmarks of single packages
	go test -timeout 30m -run '^$$' -bench . ./internal/... ./workflows/... ./activities/...

fmt: $(TOOLS)/golangci-lint $(TOOLS)/opa ## format Go and Rego in place
	$(TOOLS)/golangci-lint fmt
	$(TOOLS)/opa fmt --write policies

generate: ## write all generated files anew
	go generate ./...

clean: ## remove what was built; data directories stay
	rm -rf bin

##@ Before a commit
check: check-format check-tidy check-policies check-generated check-architecture check-workflows check-lint ## everything CI demands besides the tests

check-format: $(TOOLS)/golangci-lint $(TOOLS)/opa ## Go and Rego are formatted
	$(TOOLS)/golangci-lint fmt --diff
	$(TOOLS)/opa fmt --list --fail policies

check-tidy: ## go.mod and go.sum hold what is needed and nothing else
	go mod tidy -diff

check-policies: $(TOOLS)/opa ## policies are strict Rego and their tests pass; prints the coverage
	$(TOOLS)/opa check --strict policies
	@.ci/test-policies $(TOOLS)/opa policies

check-generated: ## generated files are up to date; stale ones are written anew and shown
	@.ci/check-generated

check-architecture: ## imports point the way docs say they do
	go test -count=1 ./test/architecture

check-workflows: $(TOOLS)/workflowcheck ## workflow code is deterministic
	$(TOOLS)/workflowcheck -config .ci/workflowcheck.yml ./workflows/... ./worker/...

check-lint: $(TOOLS)/golangci-lint ## golangci-lint, with go vet and the limits on size
	$(TOOLS)/golangci-lint run

tools: $(TOOLS)/golangci-lint $(TOOLS)/opa $(TOOLS)/workflowcheck ## build the pinned tools of .ci/tools into bin/tools

# Each tool is a module of its own, so that its dependencies never move those of the program.
# Its go.mod is the pin and the stamp: a changed pin rebuilds the tool.
$(TOOLS)/%: .ci/tools/%/go.mod .ci/tools/%/go.sum
	@echo 'building $* from its pin in .ci/tools (once)'
	@mkdir -p $(TOOLS)
	cd .ci/tools/$* && go build -trimpath -o ../../../$@ tool
	@touch $@
