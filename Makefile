# make demo     the daemon against a simulated tenant, nothing else needed
# make test     every test, with everyday counts
# make check    what has to be clean before a change lands
# make oracles  the tests that ask other people's programs: Prometheus, npm, and as root systemd and podman
# make release  tarballs, checksums and bills of materials under dist/
# make vuln     known vulnerabilities, by a dated database when VULNDB has one
# make long     every test with full counts (an hour); CADRIFT_SEED=N repeats a run
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK  = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 20s
VULNDB      ?= ../shared/schemas/vulndb.tar.gz
GOVULNCHECK  = $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.1.4
LDFLAGS      = -s -w -buildid= -X main.version=$(VERSION)

DIST         = dist
ARCHES       = amd64 arm64
EPOCH       ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

export CGO_ENABLED = 0

.PHONY: demo build test check race fmt vet staticcheck arch bench fuzz long oracles generate man deploy-check vuln release

demo: build
	./bin/cadrift demo

build:
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/cadrift ./cmd/cadrift

test:
	$(GO) test -timeout 5m ./...

check: fmt vet staticcheck arch race
	git diff --exit-code -- go.mod go.sum

fmt:
	@files=$$(gofmt -l cmd internal); if [ -n "$$files" ]; then echo "not formatted: $$files"; exit 1; fi

vet:
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./cmd/...
	GOOS=windows $(GO) vet ./cmd/...

staticcheck:
	$(STATICCHECK) ./...

arch:
	$(GO) test ./internal/archtest

race:
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./...

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

fuzz:
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

long:
	CADRIFT_LONG=1 $(GO) test -count 1 -timeout 90m -v ./... | grep -E '^(---|===|ok|FAIL|\?|    )' | grep -v '=== RUN\|=== PAUSE\|=== CONT'

oracles:
	CADRIFT_ORACLES=1 $(GO) test -count 1 -timeout 10m ./deploy ./internal/notify
	CADRIFT_ORACLES=1 $(GO) test -count 1 -timeout 5m -run 'TestSystemd|TestImage' ./internal/opstest

# What is made from something else; a test fails while it is stale.
generate: man
	$(GO) test -count 1 ./deploy -run PrometheusRule -update

man:
	$(GO) test -count 1 ./internal/cli -run Manual -update-manual

# The manifests, judged by other people's types in a module of its own.
deploy-check:
	cd deploy/tools && $(GO) test ./...

# Without a database nothing is known: then this fails, it does not pass.
vuln:
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && flags= && \
	if [ -f "$(VULNDB)" ]; then tar -xzf "$(VULNDB)" -C "$$dir" && \
	  index=$$(find "$$dir" -path '*index/db.json' | head -1) && test -n "$$index" && \
	  root=$$(dirname $$(dirname $$index)) && flags="-db file://$$root" && \
	  echo "database whose newest entry is $$(ls $$root/ID | sort -V | tail -1)"; fi && \
	$(GOVULNCHECK) $$flags ./...

# The same sources give the same bytes in any directory.
release:
	rm -rf $(DIST) && mkdir -p $(DIST)
	@set -e; for arch in $(ARCHES); do \
	  name=cadrift_$(VERSION)_linux_$$arch; mkdir -p $(DIST)/$$name; \
	  GOOS=linux GOARCH=$$arch $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(DIST)/$$name/cadrift ./cmd/cadrift; \
	  cp -r $(wildcard README.md) config deploy/systemd deploy/man deploy/prometheus deploy/grafana deploy/entra deploy/docs deploy/runbook.md $(DIST)/$$name/; \
	  (cd deploy/tools && $(GO) run ./sbom $(abspath $(DIST))/$$name/cadrift $(VERSION)) > $(DIST)/$$name.cdx.json; \
	  tar --sort=name --mtime=@$(EPOCH) --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX,go-w -C $(DIST) -cf - $$name | gzip -n > $(DIST)/$$name.tar.gz; \
	  rm -r $(DIST)/$$name; \
	done
	cd $(DIST) && sha256sum *.tar.gz *.cdx.json > SHA256SUMS
