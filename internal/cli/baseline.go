package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
)

func (e *env) baselineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "baseline",
		Short: "Pin, move, export and import the approved state",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	c.AddCommand(e.pinCommand(), e.acceptCommand(), e.baselineExportCommand(), e.importCommand())
	return c
}

// move sends an order that moves the baseline and prints what came of it.
func (e *env) move(c *cobra.Command, need connection, verb api.Verb, order any) error {
	var moved api.Moved
	return e.send(c, need, route("baseline", string(verb)), order, &moved, func(p *printer) {
		if len(moved.Events) == 0 {
			p.line("the baseline is what it was")
		}
		for i := range moved.Events {
			p.line("%s  %s", moved.Events[i].Type, what(&moved.Events[i]))
		}
	})
}
