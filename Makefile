# make build | test | bench | lint. The tests need programs that `make test`
# installs on a Debian machine when it runs as root; as anybody else, a test
# that lacks one says so and skips.

.PHONY: build test bench lint prepare

build:
	go build -trimpath -o bin/pasvctl ./cmd/pasvctl

prepare:
	.ci/prepare

test: prepare
	go test -timeout 10m ./...

bench: prepare
	go test -run '^$$' -bench . -benchmem -timeout 30m ./...

lint:
	.ci/lint
