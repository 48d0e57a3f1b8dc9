package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
)

func (e *env) ackCommand() *cobra.Command {
	var order api.AckOrder
	c := &cobra.Command{
		Use:   "ack OBJECT [--for DURATION] --reason TEXT",
		Short: "Stop the reminders of one open drift",
		Long: "Stop the reminders of one open drift, for exactly its present form: any further change of\n" +
			"the object ends the acknowledgement. The drift stays open, in drifts and in the metrics.",
		Args: args("OBJECT"),
		RunE: func(c *cobra.Command, given []string) error {
			order.Object = given[0]
			var answer api.Acknowledged
			err := e.order(c, route("ack"), order, &answer, func(p *printer) {
				until := "until it changes"
				if a := answer.Drift.Ack; a != nil && !a.Until.IsZero() {
					until = "until " + p.when(a.Until) + ", or until it changes"
				}
				p.line("acknowledged %s: %s", until, drift.Visible(answer.Drift.Object.Name))
			})
			if a := answer.Drift.Ack; err == nil && a != nil {
				e.warnOfLength(a.Until, "another cadrift ack --for ends it sooner")
			}
			return err
		},
	}
	c.Flags().StringVar(&order.For, "for", "", "how long, such as 7d or 12h (default until the object changes)")
	reasonFlag(c, &order.Reason)
	return c
}
