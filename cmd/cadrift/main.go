// Command cadrift watches Microsoft Entra Conditional Access for drift.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // schedules name time zones, and containers have none

	_ "golang.org/x/crypto/x509roots/fallback" // used where the system has no certificates, as in a container from scratch

	"github.com/cadrift/cadrift/internal/cli"
)

// version is set by the linker: -X main.version=v1.2.3.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; from then on signals do what
	// they do by default, so that a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, cli.Wire(version), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
