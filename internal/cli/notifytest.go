package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrift/cadrift/internal/api"
	"github.com/cadrift/cadrift/internal/words"
)

func (e *env) notifyTestCommand() *cobra.Command {
	var order api.TestOrder
	c := &cobra.Command{
		Use:   "test",
		Short: "Send a marked test message of each severity and print the answers",
		Long: "Send a marked test message of each severity to every receiver, past the queue and its\n" +
			"filters, and print what the receiver answered. It takes some seconds: receivers limit\n" +
			"how fast messages may come.",
		Args: args(),
		RunE: func(c *cobra.Command, _ []string) error {
			// Without a daemon the receivers' secrets are needed here.
			var answer api.Tested
			err := e.send(c, connection{outside: true}, route("notify", "test"), order, &answer, func(p *printer) { p.tested(answer) })
			if err != nil {
				return err
			}
			return refused(answer)
		},
	}
	c.Flags().StringVar(&order.Receiver, "receiver", "", "only this `receiver`")
	return c
}

// refused ends the command with 1 when a receiver did not take a message.
func refused(answer api.Tested) error {
	for _, r := range answer.Receivers {
		if !r.OK {
			return exitCode(1)
		}
	}
	return nil
}

func (p *printer) tested(answer api.Tested) {
	for _, r := range answer.Receivers {
		p.line("%s (%s)", r.Name, r.Type)
		for _, m := range r.Messages {
			result := p.pad(good, m.Result, 9)
			if m.Result != "delivered" {
				result = p.pad(loud, m.Result, 9)
			}
			text := words.Clean(m.Reason, lineRunes)
			if m.Answer != "" {
				text += ", answer: " + words.Clean(m.Answer, lineRunes)
			}
			p.line("  %s  %s  %s", p.pad(severityStyle(m.Severity), m.Severity.String(), 8), result, text)
		}
		if r.Note != "" {
			p.line("  note: %s", r.Note)
		}
	}
}
