# make demo     the daemon against a simulated tenant, nothing else needed
# make test     every test, with everyday counts
# make check    what has to be clean before a change lands
# make long     every test with full counts (an hour); CADRIFT_SEED=N repeats a run
GO          ?= go
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
STATICCHECK  = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 20s
LDFLAGS      = -s -w -buildid= -X main.version=$(VERSION) -X github.com/prometheus/common/version.Version=$(VERSION)

export CGO_ENABLED = 0

.PHONY: demo build test check race fmt vet staticcheck arch bench fuzz long

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
