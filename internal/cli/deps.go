package cli

import (
	"context"
	"io"
	"net/http"

	"github.com/cadrift/cadrift/internal/config"
)

// Deps are what the commands call that is not a request to the API. Tests
// give their own; [Wire] gives the program's.
type Deps struct {
	// Version is what cadrift version prints.
	Version string

	// Run is the daemon: it returns nil once ctx has ended and everything is
	// shut down, and an error when it cannot start.
	Run func(ctx context.Context, o RunOptions) error

	// Demo is the daemon against the built-in tenant; it returns like Run.
	Demo func(ctx context.Context, o DemoOptions) error

	// Local opens the store and gives the control handler of package api,
	// for when no daemon runs. The second result closes what was opened.
	Local func(ctx context.Context, c *config.Config, o LocalOptions) (http.Handler, func() error, error)

	// CheckConfig loads strictly, prints what run would use and, online, asks
	// Graph whether it may. It returns an error for everything that would
	// stop or blind run.
	CheckConfig func(ctx context.Context, o CheckOptions) error
}

// LogOptions are the global log flags. Level and Format are empty when they
// were not given: then the configuration decides.
type LogOptions struct {
	Level, Format string
	// Color is auto, always or never.
	Color string
	Out   io.Writer
}

// RunOptions are the flags of run.
type RunOptions struct {
	ConfigFile string
	Version    string
	Log        LogOptions
}

// DemoOptions are the flags of demo.
type DemoOptions struct {
	Listen string
	// StateDir is empty for a temporary directory.
	StateDir string
	// Speed divides the pauses of the script; it is above 0.
	Speed   float64
	Version string
	Log     LogOptions
	// Out gets what to open, what will happen, and the alerts.
	Out io.Writer
}

// LocalOptions say how a command uses the store by itself.
type LocalOptions struct {
	// Create makes a store when there is none; without it the handler says
	// that nothing has been recorded yet.
	Create  bool
	Version string
	Log     LogOptions
}

// CheckOptions are the flags of config check.
type CheckOptions struct {
	ConfigFile string
	Online     bool
	JSON       bool
	Log        LogOptions
	Out        io.Writer
}
