package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) notifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "notify",
		Short: "Try receivers, and look after messages that one refused",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	c.AddCommand(e.notifyTestCommand(), e.parkedCommand(), e.replayCommand(), e.discardCommand())
	return c
}

func (e *env) parkedCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "parked",
		Short: "List messages that a receiver refused for good",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var answer api.Parked
			return e.ask(c, route("parked"), nil, &answer, func(p *printer) {
				if len(answer.Parked) == 0 {
					p.line("nothing is parked")
					return
				}
				rows := [][]cell{header("RECEIVER", "SINCE", "EVENT", "REASON")}
				for _, m := range answer.Parked {
					event := m.Event
					if n := m.Folded.Events(); n > 0 {
						event += fmt.Sprintf(" and %d folded before it", n)
					}
					rows = append(rows, []cell{{m.Receiver, plain}, {p.when(m.Since), plain}, {event, plain}, {words.Clean(m.Reason, lineRunes), plain}})
				}
				p.table(rows)
			})
		},
	}
}

func (e *env) replayCommand() *cobra.Command {
	var order api.ReplayOrder
	c := &cobra.Command{
		Use:   "replay",
		Short: "Send parked messages again",
		Args:  args(),
		RunE: func(c *cobra.Command, _ []string) error {
			var answer api.Replayed
			return e.order(c, route("notify", "replay"), order, &answer, func(p *printer) {
				p.line("%s will be sent again", words.Count(answer.Replayed, "message", "messages"))
				if !p.daemon && answer.Replayed > 0 {
					p.line("no daemon is running: they leave once it does")
				}
			})
		},
	}
	c.Flags().StringVar(&order.Receiver, "receiver", "", "only those of this `receiver`")
	return c
}

func (e *env) discardCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "discard RECEIVER",
		Short: "Give up what waits for a receiver that is no longer configured",
		Long: "Give up what waits for a receiver that is no longer configured, and what it had refused.\n" +
			"The events stay in the history. Without this command they wait until the receiver is\n" +
			"configured again, or until retention.history is over.",
		Args: args("RECEIVER"),
		RunE: func(c *cobra.Command, names []string) error {
			var answer api.Discarded
			return e.order(c, route("notify", "discard"), api.DiscardOrder{Receiver: names[0]}, &answer, func(p *printer) {
				p.line("%s given up; the history still has them", words.Count(answer.Discarded, "message", "messages"))
			})
		},
	}
}
