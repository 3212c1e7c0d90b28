# make help lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

MODULES  := server cli install charts
ALL      := $(MODULES:%=./%/...)
# The branch with which make check compares to find what changed.
BASE     ?= $(shell git rev-parse --verify --quiet origin/main || echo main)
SERVICES := auth gateway converter notifier
# The tag without its v, as in a release.
VERSION  ?= $(shell (git describe --tags --always --dirty 2>/dev/null || echo dev) | sed 's/^v//')
LDFLAGS  := -X github.com/soundextract/sx/server/sx.Version=$(VERSION)
TOOLS    := $(CURDIR)/bin/tools
GOLANGCI := $(TOOLS)/golangci-lint-v2.15.0
VULN     := $(TOOLS)/govulncheck-v1.9.0
RELEASER := $(TOOLS)/goreleaser-v2.15.4
SBOM     := $(TOOLS)/cyclonedx-gomod-v1.10.0/cyclonedx-gomod
TESTSUM  := $(TOOLS)/gotestsum-v1.13.0
ACTIONS  := $(TOOLS)/actionlint-v1.7.12
# The Helm that sx contains, and the next major version.
HELM3    := $(TOOLS)/helm-$(shell awk '$$1 == "helm.sh/helm/v3" {print $$2}' install/go.mod)/helm
HELM4    := $(TOOLS)/helm-v4.3.2/helm

.PHONY: help build wasm demo stack images pictures check test test-long soak deps e2e e2e-upgrade lint lint-new fmt vuln bench bench-scale bench-install tidy clean snapshot snapshot-test release-check release

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# The same as in a release, so that both share the build cache.
GCFLAGS := $(shell awk '/gcflags: &gcflags/ {on = 1; next} on && /^ +- / {print "-gcflags=" $$2; next} {on = 0}' goreleaser.yaml)
build: export CGO_ENABLED := 0
build: wasm ## Build sx and sxd into bin/
	@mkdir -p bin
	go build -C cli -trimpath $(GCFLAGS) -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ ./cmd/sx
	go build -C server -trimpath $(GCFLAGS) -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ ./cmd/sxd

wasm: ## Build what takes the audio out of videos in browsers, for the web page
	@scripts/wasm

demo: ## Convert a video here: make demo VIDEO=a.mp4 OUT=a.mp3 STACK=1
	@scripts/need ffmpeg $(if $(STACK),rabbitmq-server)
	@$(MAKE) --no-print-directory build $(if $(STACK),services)
	@VIDEO='$(VIDEO)' OUT='$(OUT)' STACK='$(STACK)' scripts/demo

stack: ## Run services, RabbitMQ, MongoDB here: make stack ADDR=:8740
	@scripts/need ffmpeg rabbitmq-server
	@$(MAKE) --no-print-directory build services
	@ADDR='$(ADDR)' scripts/stack

.PHONY: services
services: wasm
	@mkdir -p bin
	go build -C server -trimpath -ldflags '$(LDFLAGS)' -o $(CURDIR)/bin/ $(SERVICES:%=./cmd/%) ./testkit/devstack

images: wasm ## Build the images of the four services with docker or buildah
	@scripts/images '$(VERSION)' '$(LDFLAGS)'

# Less garbage collection in the compiler, the linker and the tests saves a quarter of
# their time and takes more memory.
check: export GOGC := 400
check: lint-new $(TESTSUM) ## Vet, lint what changed, run the tests that need nothing but Go
	go vet $(ALL)
	@# Tests wait as often as they compute, so more programs run than there are cores.
	@$(TESTSUM) --format pkgname-and-test-fails --hide-summary skipped -- -short \
		-p $$(( $$(getconf _NPROCESSORS_ONLN) + 2 )) $(CHECKFLAGS) $(ALL)
	@echo "skipped tests need ffmpeg, RabbitMQ, MongoDB or more time: make test runs them"

test: export SX_TEST_ALL := 1
test: export SX_TEST_REPORT := $(CURDIR)/bin/test-report
test: deps wasm $(TESTSUM) ## Run all tests with the race detector, and print what they used
	@mkdir -p bin && : >$(SX_TEST_REPORT)
	@status=0; $(TESTSUM) --format pkgname-and-test-fails -- -race -timeout 40m $(ALL) || status=$$?; \
	sort -u $(SX_TEST_REPORT); exit $$status

test-long: export SX_TEST_ALL := 1
test-long: export SX_TEST_LONG := 1
test-long: deps ## Run what takes hours: many kills, all encodings, and fuzzing for FUZZTIME each
	go test -count 1 -timeout 6h -v -run '^TestCrashes$$' ./cli/acceptance
	go test -count 1 -timeout 12h -run '^(TestSameBytesOfAll|TestSinglePass)$$' ./server/internal/converter/parallel ./server/mp3
	go test -count 1 -timeout 2h ./server/audioonly
	@scripts/fuzz '$(or $(FUZZTIME),10m)'

soak: export SX_TEST_ALL := 1
soak: export SX_SOAK = $(or $(MINUTES),30)
soak: deps ## Convert with 50 accounts while every part is killed: make soak MINUTES=30
	go test -count 1 -timeout 24h -v -run '^TestSoak$$' ./server/acceptance

deps: ## Install the programs that the tests need, with sudo apt-get or brew
	@scripts/need ffmpeg cc rabbitmq-server curl gpg xz mpg123 madplay python3 node npm prometheus promtool $(if $(filter Linux,$(shell uname -s)),systemd-analyze strace dbus-daemon chromium)
	@$(MAKE) --no-print-directory $(TSMODULES)

TSMODULES := server/api/clients/typescript/node_modules/.package-lock.json
$(TSMODULES): server/api/clients/typescript/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --prefix $(<D)

E2EENV  = SX_BIN=$(CURDIR)/bin SX_HELM3=$(HELM3) SX_HELM4=$(HELM4)
E2ETEST = cd install && $(E2EENV) go test -count 1 -timeout 60m

e2e: build $(HELM3) $(HELM4) $(TESTSUM) ## Test the installer on KUBECONFIG's cluster, with make images
	@scripts/need ffmpeg kubectl openssl
	@# Tests run beside each other, so what a failed one printed is repeated at the end.
	cd install && $(E2EENV) $(TESTSUM) --format standard-verbose -- \
		-count 1 -timeout 60m -tags e2e -run '$(E2E)' ./e2e $(E2EFLAGS)

e2e-upgrade: build ## Upgrade from a commit under load: make e2e-upgrade FROM=v1.2.3
	@scripts/need ffmpeg
	@scripts/build-from '$(FROM)' '$(LOAD)'
	$(E2ETEST) -tags 'e2e upgrade' -v -run TestUpgradeFrom ./e2e

lint: $(GOLANGCI) $(ACTIONS) ## Check style, layers, formatting and workflows
	@scripts/check-layers
	@scripts/check-actions
	@$(ACTIONS) -shellcheck= -pyflakes=
	@# Any go command may complete go.work.sum, after which versions end in -dirty.
	@before=$$(cat go.work.sum); go list -m all >/dev/null; \
	[ "$$before" = "$$(cat go.work.sum)" ] || { echo "error: go.work.sum was incomplete; commit it" >&2; exit 1; }
	@failed=; for m in $(MODULES); do echo "== $$m"; (cd $$m && GOWORK=off go mod tidy -diff && $(GOLANGCI) run ./...) || failed+=" $$m"; done; \
	[ -z "$$failed" ] || { echo "error: see above for:$$failed" >&2; exit 1; }

lint-new: $(GOLANGCI)
	@scripts/check-layers
	@scripts/lint-new $(GOLANGCI) '$(BASE)'

fmt: $(GOLANGCI) ## Format the code
	@for m in $(MODULES); do (cd $$m && $(GOLANGCI) fmt ./...); done

vuln: $(VULN) ## Look for known vulnerabilities (asks vuln.go.dev)
	@for m in $(MODULES); do (cd $$m && $(VULN) ./...) || exit 1; done

bench: BENCH ?= full
bench: build ## Measure speed and memory; make bench BENCH=short is quicker
	@scripts/need ffmpeg curl rabbitmq-server $(if $(filter Linux,$(shell uname -s)),chromium)
	@go run -C cli ./acceptance/bench $(CURDIR)/bin $(BENCH)

bench-scale: JOBS ?= 10000 100000 1000000
bench-scale: ## Measure the store and the periodic tasks with JOBS="10000 …" jobs stored
	@scripts/need ffmpeg
	SX_BENCH_SCALE='$(JOBS)' go test -C server -count 1 -timeout 2h -v -run '^TestScale$$' ./internal/store/localstore
	SX_BENCH_SCALE='$(JOBS)' go test -C server -count 1 -v -run '^TestClipBehindBatch$$' ./internal/converter

pictures: wasm ## Take the pictures of docs/web.md and, into bin/screenshots, of every page
	@scripts/need ffmpeg $(if $(filter Linux,$(shell uname -s)),chromium)
	@rm -rf bin/screenshots && mkdir -p bin/screenshots
	SX_TEST_ALL=1 go test -C server -count 1 -artifacts -outputdir $(CURDIR)/bin/screenshots ./internal/page -update

bench-install: build $(HELM3) ## Measure sx install against helm, on KUBECONFIG's cluster
	@scripts/need ffmpeg
	$(E2ETEST) -tags e2e -run '^$$' -bench Install -benchtime 3x ./e2e

# goreleaser looks for cyclonedx-gomod on PATH.
snapshot snapshot-test release: export PATH := $(dir $(SBOM)):$(PATH)

snapshot: $(RELEASER) $(SBOM) ## Build a whole release into dist/, without publishing it
	@scripts/release $(RELEASER) snapshot

snapshot-test: $(RELEASER) $(SBOM) release-check ## Build a release for this machine, and install from it
	@scripts/need gpg xz ruby $(if $(filter Linux,$(shell uname -s)),dpkg rpm)
	@scripts/release $(RELEASER) host
	cd install && SX_DIST=$(CURDIR)/dist go test -tags snapshot -count 1 ./scripttest

release-check: $(RELEASER) ## Check goreleaser.yaml
	@scripts/release $(RELEASER) check

release: $(RELEASER) $(SBOM) ## Publish the release of the tag that is checked out
	@scripts/release $(RELEASER) publish

tidy: ## Tidy the modules
	@for m in $(MODULES); do (cd $$m && go mod tidy); done
	@go list -m all >/dev/null # completes go.work.sum

clean: ## Remove what was built and the demo's data
	rm -rf bin dist .demo .stack

$(GOLANGCI):
	@echo "building golangci-lint (once, a few minutes)"
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	@mv $(TOOLS)/golangci-lint $@

$(HELM3) $(HELM4):
	@echo "building helm (once, a few minutes)"
	@v=$(@:$(TOOLS)/helm-%/helm=%); \
	GOBIN=$(@D) go install "helm.sh/helm/$${v%%.*}/cmd/helm@$$v"

$(TESTSUM):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install gotest.tools/gotestsum@v1.13.0
	@mv $(TOOLS)/gotestsum $@

$(ACTIONS):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	@mv $(TOOLS)/actionlint $@

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
