package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) acceptCommand() *cobra.Command {
	var order api.AcceptOrder
	c := &cobra.Command{
		Use:   "accept OBJECT --reason TEXT",
		Short: "Move the baseline of one object to its current form, closing its drift",
		Long: "Move the baseline of one object to its current form. An object that is gone leaves the\n" +
			"baseline. OBJECT is an id, an unambiguous start of an id, or an exact display name.",
		Args: args("OBJECT"),
		RunE: func(c *cobra.Command, given []string) error {
			order.Object = given[0]
			return e.move(c, connection{}, api.Accept, order)
		},
	}
	reasonFlag(c, &order.Reason)
	return c
}
