# make build | test | fuzz | bench | proof | lint. The tests need programs that `make test`
# installs on a Debian machine when it runs as root; as anybody else, a test
# that lacks one says so and skips.

.PHONY: build test fuzz bench proof lint prepare

build:
	go build -trimpath -o bin/pasvctl ./cmd/pasvctl

prepare:
	.ci/prepare

test: prepare
	go test -timeout 15m ./...

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
