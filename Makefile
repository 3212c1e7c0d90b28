# make help lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

MODULES  := server cli install charts
SERVICES := auth gateway converter notifier
# As a release has it: without the v of the tag.
VERSION  ?= $(shell (git describe --tags --always --dirty 2>/dev/null || echo dev) | sed 's/^v//')
LDFLAGS  := -X github.com/soundextract/sx/server/sx.Version=$(VERSION)
TOOLS    := $(CURDIR)/bin/tools
GOLANGCI := $(TOOLS)/golangci-lint-v2.15.0
VULN     := $(TOOLS)/govulncheck-v1.9.0
RELEASER := $(TOOLS)/goreleaser-v2.15.4
SBOM     := $(TOOLS)/cyclonedx-gomod-v1.10.0/cyclonedx-gomod

.PHONY: help build demo stack images test e2e lint fmt vuln bench bench-install tidy clean snapshot snapshot-test release-check release

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# As a release has it.
build: export CGO_ENABLED := 0
build: ## Build sx and sxd into bin/
	@mkdir -p bin
	go build -C cli -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ ./cmd/sx
	go build -C server -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ ./cmd/sxd

demo: ## Convert a video here: make demo VIDEO=a.mp4 OUT=a.mp3 STACK=1
	@scripts/need ffmpeg $(if $(STACK),rabbitmq-server)
	@$(MAKE) --no-print-directory build $(if $(STACK),services)
	@VIDEO='$(VIDEO)' OUT='$(OUT)' STACK='$(STACK)' scripts/demo

stack: ## Run services, RabbitMQ, MongoDB here: make stack ADDR=:8740
	@scripts/need ffmpeg rabbitmq-server
	@$(MAKE) --no-print-directory build services
	@ADDR='$(ADDR)' scripts/stack

.PHONY: services
services:
	@mkdir -p bin
	go build -C server -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ $(SERVICES:%=./cmd/%) ./testkit/devstack

images: ## Build the images of the four services with docker or buildah
	@scripts/images '$(VERSION)' '$(LDFLAGS)'

test: export SX_TEST_REPORT := $(CURDIR)/bin/test-report
test: ## Run all tests with the race detector, and print which parts they used
	@scripts/need ffmpeg cc rabbitmq-server curl
	@mkdir -p bin && : >$(SX_TEST_REPORT)
	@failed=; for m in $(MODULES); do echo "== $$m"; (cd $$m && go test -race -timeout 40m ./...) || failed+=" $$m"; done; \
	sort -u $(SX_TEST_REPORT); \
	[ -z "$$failed" ] || { echo "error: tests failed in:$$failed" >&2; exit 1; }

e2e: build ## Test the installer on KUBECONFIG's cluster, with make images
	@scripts/need ffmpeg
	cd install && SX_BIN=$(CURDIR)/bin go test -tags e2e -count 1 -timeout 60m -v -run '$(E2E)' ./e2e

lint: $(GOLANGCI) ## Check style, layers and formatting
	@failed=; for m in $(MODULES); do echo "== $$m"; (cd $$m && $(GOLANGCI) run ./...) || failed+=" $$m"; done; \
	[ -z "$$failed" ] || { echo "error: see above for:$$failed" >&2; exit 1; }

fmt: $(GOLANGCI) ## Format the code
	@for m in $(MODULES); do (cd $$m && $(GOLANGCI) fmt ./...); done

vuln: $(VULN) ## Look for known vulnerabilities (asks vuln.go.dev)
	@for m in $(MODULES); do (cd $$m && $(VULN) ./...) || exit 1; done

bench: build ## Measure upload, conversion and memory, in ratios
	@scripts/need ffmpeg curl rabbitmq-server
	@go run -C cli ./acceptance/bench $(CURDIR)/bin

bench-install: build ## Measure sx install against helm, on KUBECONFIG's cluster
	@scripts/need ffmpeg
	cd install && SX_BIN=$(CURDIR)/bin go test -tags e2e -timeout 60m -run '^$$' -bench Install -benchtime 3x ./e2e

# goreleaser looks for cyclonedx-gomod on PATH.
snapshot snapshot-test release: export PATH := $(dir $(SBOM)):$(PATH)

snapshot: $(RELEASER) $(SBOM) ## Build a whole release into dist/, without publishing it
	@scripts/release $(RELEASER) snapshot

snapshot-test: $(RELEASER) $(SBOM) release-check ## Build a release for this machine, and install from it
	@scripts/need gpg ruby $(if $(filter Linux,$(shell uname -s)),dpkg rpm)
	@scripts/release $(RELEASER) host
	cd install && SX_DIST=$(CURDIR)/dist go test -tags snapshot -count 1 ./scripttest

release-check: $(RELEASER) ## Check goreleaser.yaml
	@scripts/release $(RELEASER) check

release: $(RELEASER) $(SBOM) ## Publish the release of the tag that is checked out
	@scripts/release $(RELEASER) publish

tidy: ## Tidy the modules
	@for m in $(MODULES); do (cd $$m && go mod tidy); done

clean: ## Remove what was built and the demo's data
	rm -rf bin dist .demo .stack

$(GOLANGCI):
	@echo "building golangci-lint (once, a few minutes)"
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(TOOLS)/golangci-lint $@

$(VULN):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@v1.9.0
	@mv $(TOOLS)/govulncheck $@

$(RELEASER):
	@echo "building goreleaser (once, a few minutes)"
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/goreleaser/goreleaser/v2@v2.15.4
	@mv $(TOOLS)/goreleaser $@

$(SBOM):
	@echo "building cyclonedx-gomod (once, a minute)"
	GOBIN=$(@D) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
