package cli_test

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cadrift/cadrift/internal/cli"
)

// version is what the program under test says it is.
const version = "v0.0.0-e2e"

// TestMain puts a program called cadrift on the PATH: this test binary, which
// under that name is cmd/cadrift. Tests start it as a process of its own, so
// that signals, exit codes and file locks are the real ones.
func TestMain(m *testing.M) {
	// These tests wait for a daemon far more than they compute.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"cadrift": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(cli.Main(ctx, cli.Wire(version), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}
