package cli

import (
	"context"
	"net/http"

	"github.com/cadrift/cadrift/internal/app"
	"github.com/cadrift/cadrift/internal/config"
	"github.com/cadrift/cadrift/internal/demo"
)

// Wire connects the commands with the program.
func Wire(version string) Deps {
	return Deps{
		Version: version,
		Run: func(ctx context.Context, o RunOptions) error {
			return app.Run(ctx, options(o.ConfigFile, o.Version, o.Log))
		},
		Demo: func(ctx context.Context, o DemoOptions) error {
			return demo.Run(ctx, demo.Options{
				Listen: o.Listen, StateDir: o.StateDir, Speed: o.Speed, Version: o.Version,
				Level: o.Log.Level, Format: o.Log.Format, Color: o.Log.Color, LogTo: o.Log.Out, Out: o.Out,
			})
		},
		Local: func(ctx context.Context, c *config.Config, o LocalOptions) (http.Handler, func() error, error) {
			return app.Local(ctx, c, options("", o.Version, o.Log), o.Create)
		},
		CheckConfig: func(ctx context.Context, o CheckOptions) error {
			c, err := app.Load(o.ConfigFile)
			if err != nil {
				return err
			}
			return app.CheckConfig(ctx, c, o.Online, o.JSON, o.Out)
		},
	}
}

func options(file, version string, log LogOptions) app.Options {
	return app.Options{
		ConfigFile: file, Version: version,
		Level: log.Level, Format: log.Format, Color: log.Color, LogTo: log.Out,
	}
}
