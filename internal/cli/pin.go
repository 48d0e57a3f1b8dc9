package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) pinCommand() *cobra.Command {
	var order api.PinOrder
	c := &cobra.Command{
		Use:   "pin --reason TEXT",
		Short: "Pin a whole snapshot as the baseline",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			return e.move(c, connection{}, api.Pin, order)
		},
	}
	c.Flags().Uint64Var(&order.Revision, "revision", 0, "`revision` to pin (default the newest)")
	reasonFlag(c, &order.Reason)
	return c
}
