package cli

import "github.com/spf13/cobra"

func (e *env) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	c.AddCommand(e.configCheckCommand())
	return c
}

func (e *env) configCheckCommand() *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Load the configuration strictly and print what run would use",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			return e.deps.CheckConfig(c.Context(), CheckOptions{
				ConfigFile: e.flags.config, Online: online, JSON: e.json(), Log: e.log(), Out: e.stdout,
			})
		},
	}
	c.Flags().BoolVar(&online, "online", false, "also fetch a token and one object per watched kind and tenant, and name missing permissions")
	return c
}
