package cli

import "github.com/spf13/cobra"

func (e *env) demoCommand() *cobra.Command {
	o := DemoOptions{Speed: 1}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch a built-in simulated tenant whose administrator makes mistakes",
		Long: "The real daemon against a simulated tenant and a scripted administrator. It needs no\n" +
			"tenant, no configuration and no network, and prints what to open and what happens next.",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			if !(o.Speed > 0) {
				return usage(c, "--speed must be above 0")
			}
			o.Version, o.Log, o.Out = e.deps.Version, e.log(), e.stdout
			return e.deps.Demo(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:9488", "`address` of the page")
	c.Flags().StringVar(&o.StateDir, "state-dir", "", "`directory` for store, socket and configuration (default a temporary one)")
	c.Flags().Float64Var(&o.Speed, "speed", o.Speed, "divides the pauses between the administrator's steps")
	return c
}
