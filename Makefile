# Every target runs on a machine with Go, make and git; those that need more say so.
export GOTOOLCHAIN = go1.27.3
# Without C, which but for the race detector only a library of Pebble would use: it takes long to compile.
export CGO_ENABLED = 0

MODULES   := . client/collector state/pebble state/postgres examples test test/bench test/bench/client test/interop/go test/bench/broker
GOFMT      = $(shell go env GOROOT)/bin/gofmt
SIM_SEEDS ?= 10000
SIM_PROCS ?= $(shell nproc)
LINTER    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
SEEDS     ?= 5000
CRASHES   ?= 1000
CHAOS_FOR  ?= 5m
CHAOS_SEED ?= 0
ROCKETMQ   = go run ./rocketmq/cmd

# in_each runs a command in each module, and stops at the first that fails.
define in_each
	@set -e; for m in $(MODULES); do (cd $$m && echo "== $$m: $(1)" && $(1)); done
endef

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | sort | expand -t 24

.PHONY: demo
demo: ## run the main job: 27,004 flights through the embedded broker
	cd examples && go run ./pipelines/flights

.PHONY: examples
examples: ## run the jobs on the embedded broker, and compare what they print with what they should
	examples/compare.sh flights orders alerts weather-join

.PHONY: test
test: ## run all tests that need nothing but Go
	$(call in_each,go test -vet=all ./...)

.PHONY: test-race
test-race: export CGO_ENABLED = 1
test-race: ## run the tests under the race detector (needs a C compiler)
	go test -race -timeout 20m ./...
	cd client/collector && go test -race ./...
	cd state/pebble && go test -race ./...
	cd examples && go test -race ./...
	cd test && go test -race ./...

.PHONY: property
property: ## run the property test of settlement with SEEDS seeds (5,000)
	go test ./flow -run TestPipelines_SettleEachRecordOnce -count=1 -timeout 30m -seeds $(SEEDS)

.PHONY: sim
sim: ## simulate broker, clients and pipelines under faults, with SIM_SEEDS seeds (10,000) and a tenth as many over gRPC
	cd test && go run ./seeded/cmd test ./sim -count=1 -v -timeout 4h -run 'TestSimulation($$|_OverGRPC)' -seeds $(SIM_SEEDS) -grpc-seeds $$(($(SIM_SEEDS) / 10)) -processes $(SIM_PROCS)
	cd test && go run ./seeded/cmd test ./sim -count=1 -v -run TestSimulation_Replays -replays 100

.PHONY: mutants
mutants: ## plant defects, one at a time: the test that each names has to fail, and its seed to do so again in 100 replays (some need PostgreSQL)
	cd test && go run ./mutants/cmd

.PHONY: test-rocketmq
test-rocketmq: ## run clients, sources, sinks and the flights job on a real RocketMQ, in both modes (needs Java 17 and Maven)
	cd test && for mode in local cluster; do $(ROCKETMQ) -mode $$mode -- sh -c 'go test -count=1 -parallel 16 -timeout 20m ./integration/... ./rocketmq/target && cd ../examples && go test -count=1 -timeout 20m ./pipelines/flights/...' || exit 1; done

.PHONY: test-chaos
test-chaos: ## kill the proxy of a real RocketMQ while clients send and consume (needs Java 17 and Maven, takes 5 minutes)
	cd test && go test -count=1 -timeout 30m -v ./chaos -real

.PHONY: chaos
chaos: ## kill workers of a job, and the proxy and the broker of a real RocketMQ, for CHAOS_FOR (5m), as CHAOS_SEED says (needs Java 17, Maven and PostgreSQL)
	cd test && ../state/postgres/with-postgres go test -count=1 -timeout 30m -v ./chaosflow -real -for $(CHAOS_FOR) -seed $(CHAOS_SEED)

.PHONY: test-crash
test-crash: ## kill a broker with a directory CRASHES times (1,000), and crash its disk, and that of state, by as many seeds (takes 10 minutes)
	go test ./broker -run TestDir_Loses -count=1 -timeout 60m -v -seeds $(CRASHES)
	cd state/pebble && go test . -run 'TestStore_LosesNothing|TestKept' -count=1 -timeout 60m -v -seeds $(CRASHES)
	cd test && go run ./crash/cmd -kills $(CRASHES)

.PHONY: test-postgres
test-postgres: ## run the tests of the state store in PostgreSQL, on one of their own in a temporary folder (needs PostgreSQL)
	cd state/postgres && ./with-postgres go test -count=1 ./...

.PHONY: conformance
conformance: ## compare the embedded broker with the protocol, row by row, in real time
	cd test && go run ./conformance/cmd run -out ../out/conformance-embedded.json

.PHONY: conformance-rocketmq
conformance-rocketmq: ## the same rows on a real RocketMQ, in both modes (needs Java 17 and Maven)
	cd test && for mode in local cluster; do \
		$(ROCKETMQ) -mode $$mode -- go run ./conformance/cmd run -out ../out/conformance-$$mode.json || exit 1; \
		$(ROCKETMQ) -mode $$mode -acl -- go run ./conformance/cmd run -out ../out/conformance-$$mode.json -add || exit 1; done

.PHONY: conformance-diff
conformance-diff: ## fail on differences between the two that docs/fidelity.md does not name
	cd test && for mode in local cluster; do go run ./conformance/cmd diff ../out/conformance-embedded.json ../out/conformance-$$mode.json || exit 1; done

.PHONY: interop
interop: ## run the official clients of five languages (or LANGUAGES=java,go) against the embedded broker (see test/interop for what they need)
	cd test && go run ./interop/cmd -language "$(LANGUAGES)"

.PHONY: interop-rocketmq
interop-rocketmq: ## the same programs on a real RocketMQ, in both modes, with and without users (needs the same, Java 17 and Maven)
	cd test && for mode in local cluster; do for acl in "" -acl; do $(ROCKETMQ) -mode $$mode $$acl -- go run ./interop/cmd -language "$(LANGUAGES)" || exit 1; done; done

.PHONY: conformance-quirks
conformance-quirks: ## give the embedded broker the real server's defects, and fail on any other difference
	cd test && for mode in local cluster; do go run ./conformance/cmd run -quirks $$mode -out ../out/conformance-quirks-$$mode.json && go run ./conformance/cmd diff -quirks ../out/conformance-quirks-$$mode.json ../out/conformance-$$mode.json || exit 1; done

.PHONY: bench-flow
bench-flow: ## measure the engine against go-streams and a plain loop, and a whole job against the official client (needs Java 17 and Maven)
	cd test/bench && go run ./flow
	cd test/bench/client && go build -o ../../../out/bench-client .
	out/bench-client -embedded -rows transform
	cd test && for mode in local cluster; do $(ROCKETMQ) -mode $$mode -- ../out/bench-client -rows transform || exit 1; done

.PHONY: bench-client
bench-client: ## measure the client against the official one, on a real RocketMQ in both modes and embedded (needs Java 17 and Maven)
	cd test/bench/client && go build -o ../../../out/bench-client .
	cd test && for mode in local cluster; do $(ROCKETMQ) -mode $$mode -- ../out/bench-client || exit 1; done
	out/bench-client -embedded

.PHONY: bench-broker
bench-broker: ## measure the embedded broker against a real RocketMQ and a server that only echoes (needs Java 17 and Maven)
	cd test/bench/broker && go build -o ../../../out/bench-broker .
	out/bench-broker

.PHONY: soak
soak: ## run the client for ten minutes against the embedded broker, with faults
	cd test && go run ./soak/cmd

.PHONY: lint
lint: ## run golangci-lint, vet included, over all modules
	$(call in_each,go run $(LINTER) run ./...)

.PHONY: fmt
fmt: ## format all Go code
	$(GOFMT) -w $$(git ls-files '*.go')
