package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/drift"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) expectCommand() *cobra.Command {
	var order api.ExpectOrder
	c := &cobra.Command{
		Use:   "expect PATTERN --for DURATION --reason TEXT",
		Short: "Announce a change, so that it is delivered low",
		Long: "Announce a change: until the time is over, changes of objects whose display name matches the\n" +
			"glob (* and ?), or whose id it is, are recorded with their severity and delivered low. A\n" +
			"lockout risk and the deletion of an enforced policy are never lowered. A policy called list\n" +
			"or remove is announced by its id.",
		Args: args("PATTERN"),
		RunE: func(c *cobra.Command, given []string) error {
			if strings.TrimSpace(order.For) == "" {
				return &trouble{c.CommandPath() + ": --for is missing", "for example --for 2h"}
			}
			order.Pattern = given[0]
			var x drift.Expectation
			err := e.order(c, route("expect"), order, &x, func(p *printer) {
				p.line("announced until %s: %s (%s)", p.when(x.Until), words.Clean(x.Pattern, lineRunes), x.ID)
			})
			if err == nil {
				e.warnOfLength(x.Until, "cadrift expect remove "+x.ID+" ends it")
			}
			return err
		},
	}
	c.Flags().StringVar(&order.For, "for", "", "how `long`, such as 2h or 1d")
	reasonFlag(c, &order.Reason)
	c.AddCommand(e.expectListCommand(), e.expectRemoveCommand())
	return c
}

// long is how long somebody is thought to remember what was made quiet.
const long = 30 * 24 * time.Hour

// warnOfLength tells of quiet that outlasts what it was meant for.
func (e *env) warnOfLength(until time.Time, remedy string) {
	if lasts := time.Until(until); lasts > long {
		fmt.Fprintf(e.stderr, "warning: this holds for %s; %s\n", words.Lasting(lasts), remedy)
	}
}

func (e *env) expectListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the announced changes",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var answer api.Expectations
			return e.ask(c, route("expectations"), e.tenantQuery(), &answer, func(p *printer) {
				if len(answer.Expectations) == 0 {
					p.line("no change is announced")
					return
				}
				rows := [][]cell{header("ID", "UNTIL", "PATTERN", "BY", "REASON")}
				for _, x := range answer.Expectations {
					rows = append(rows, []cell{
						{x.ID, plain},
						{p.when(x.Until), plain},
						{words.Clean(x.Pattern, lineRunes), plain},
						{drift.Visible(x.By), plain},
						{words.Clean(x.Reason, lineRunes), plain},
					})
				}
				p.table(rows)
			})
		},
	}
}

func (e *env) expectRemoveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "End an announcement: further changes are as loud as they are",
		Args:  args("ID"),
		RunE: func(c *cobra.Command, given []string) error {
			var x drift.Expectation
			return e.order(c, route("expect", "remove"), api.WithdrawOrder{ID: given[0]}, &x, func(p *printer) {
				p.line("no longer announced: %s", words.Clean(x.Pattern, lineRunes))
			})
		},
	}
}
