# make build | test | check-readers | fuzz | bench | proof | lint. The tests need programs that `make test`
# installs on a Debian machine when it runs as root; as anybody else, a test
# that lacks one says so and skips.

OUTPUTS = $(CURDIR)/.ci/cache/outputs

.PHONY: build test check-readers fuzz bench proof lint prepare

build:
	go build -trimpath -o bin/pasvctl ./cmd/pasvctl

prepare:
	.ci/prepare

# The folder has a new name each time, so that no test's output comes from Go's cache.
# Four packages at a time, on any machine: their tests wait more than they compute.
test: prepare
	rm -rf $(OUTPUTS)
	folder=$(OUTPUTS)/$$(date +%s) && mkdir -p $$folder && PASVCTL_TEST_OUTPUTS=$$folder go test -p 4 -timeout 15m ./...

# Compares what `make test` has left of the output for machines with its schemas, and
# loads the committed Compose files.
check-readers:
	cd .ci/readers && go vet . && go test . && go run . $(OUTPUTS) ../../cmd/internal/envelope/schema
	cd .ci/manifests && go vet . && go test -count=1 .

# What reads hostile input, for FUZZTIME (60s) each.
fuzz:
	.ci/fuzz

bench: prepare
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

# Measures running servers beside the model, as root: ten minutes or more.
proof: prepare
	go run ./cmd/lab/proof -o generators/sizing/PROOF.md

lint:
	.ci/lint
