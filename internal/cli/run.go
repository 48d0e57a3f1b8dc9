package cli

import "github.com/spf13/cobra"

func (e *env) runCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Watch, alert and serve until told to stop",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			return e.deps.Run(c.Context(), RunOptions{ConfigFile: e.flags.config, Version: e.deps.Version, Log: e.log()})
		},
	}
}
