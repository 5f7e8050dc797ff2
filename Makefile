# make build | release | test | check-readers | check-pipelines | check-report | check-release | fuzz | bench | proof | lint.
# The tests need programs that `make test` installs on a Debian machine when it runs as root; as anybody
# else, a test that lacks one says so and skips.

OUTPUTS = $(CURDIR)/.ci/cache/outputs

.PHONY: build release test check-readers check-pipelines check-report check-release fuzz bench proof lint prepare

build:
	go build -trimpath -o bin/pasvctl ./cmd/pasvctl

# Writes dist: archives, packages, an image and their checksums, from the last commit, in a clone without tags
# so that nothing but the commit reaches the files.
release:
	rm -rf dist
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && git clone -q --no-tags . "$$folder/pasvctl" && \
		cd "$$folder/pasvctl/.ci/release" && go run . "$(CURDIR)/dist"

prepare:
	.ci/prepare

# The folder has a new name each time, so that no test's output comes from Go's cache.
# Four packages at a time, on any machine: their tests wait more than they compute.
test: prepare
	rm -rf $(OUTPUTS)
	folder=$(OUTPUTS)/$$(date +%s) && mkdir -p $$folder && PASVCTL_TEST_OUTPUTS=$$folder go test -p 4 -timeout 15m ./...

# Compares what `make test` has left of the output for machines with its schemas, and
# gives the committed Compose files and Kubernetes manifests to the code that reads them.
check-readers:
	cd .ci/readers && go vet . && go test . && go run . $(OUTPUTS) ../../cmd/internal/envelope/schema
	cd .ci/manifests && go vet . && go test -count=1 .
	cd .ci/powershell && npm ci --silent --ignore-scripts && node --test

# Runs examples/ci on repositories that the test makes: its GitHub action, its GitLab job and its hooks.
check-pipelines:
	cd .ci/pipelines && npm ci --silent --ignore-scripts && go vet . && go test -count=1 .

# Looks at the reports of the examples, of hostile specs and of 1,000 sites in Chromium.
check-report: prepare
	cd .ci/browser && npm ci --silent --ignore-scripts && go vet . && go test -count=1 .

# Makes two releases of the last commit and compares them, installs the packages in a small Debian, and runs
# the image, as root on Debian.
check-release: prepare
	.ci/debian && cd .ci/release && go vet . && go test -count=1 -timeout 20m .

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
